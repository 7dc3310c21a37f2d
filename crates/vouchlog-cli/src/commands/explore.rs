//! `vouchlog explore`: shows a log in a browser that checks it, from this machine or from a server of files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::Url;
use serde_json::json;
use vouchlog::{Server, VerifyingKey};
use vouchlog_client::{GrpcLog, TileReader};
use vouchlog_server::{OFFERED_POLICY, OFFERED_VKEY, Offered, explorer_files, explorer_router};

use super::exposure::{Transport, listen};
use super::remote::{connect, reader};
use super::running::{DrainArgs, shutdown_signal};
use super::{make_folder, place_file, policy_text, sync_folder};
use crate::advice::Advice;
use crate::output::{Outcome, Output};

/// Check a log in a browser: serve the explorer on this machine, or write its files for a server of files
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).args(["source", "write"]),
    after_help = "Examples:\n  vouchlog explore --log https://log.example.com/ai --log-vkey \"$LOG_VKEY\"\n  \
                  vouchlog explore --log ./mirror --log-vkey \"$LOG_VKEY\" --policy policy.txt\n  \
                  vouchlog explore --write ./bucket --log-vkey \"$LOG_VKEY\"\n\n\
                  The pages come from this program and only read the log: open the URL that is\n\
                  printed. A log also serves them itself, at its URL. With --write they go beside\n\
                  the log's `checkpoint` and `tile/` in a bucket.\n\n\
                  The pages trust a key once you confirm it, wherever it came from."
)]
pub(crate) struct Args {
    /// The log's URL, an object store (s3://, gs://, az://, file://), or a directory of files in the same layout (C2SP tlog-tiles)
    #[arg(long = "log", value_name = "URL|DIR")]
    source: Option<String>,
    /// Write the pages into this folder instead of serving them
    #[arg(long, value_name = "DIR")]
    write: Option<PathBuf>,
    /// The log's public key: part of the printed URL, or a file beside the written pages
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    /// The witnesses that must have cosigned (C2SP tlog-policy), likewise
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// Listening address on this machine; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6966", env = "VOUCHLOG_EXPLORE_LISTEN")]
    listen: String,
    #[command(flatten)]
    drain: DrainArgs,
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let offered = self.offered()?;
        match (&self.write, &self.source) {
            (Some(folder), _) => write(folder, &offered, output),
            (None, Some(source)) => self.serve(reader(source)?.as_served(), source, offered, output).await,
            (None, None) => Err(Advice::error("nothing to explore", "give --log, or --write")),
        }
    }

    /// What is passed on to the pages, after it was read here.
    fn offered(&self) -> anyhow::Result<Offered> {
        let policy = match &self.policy {
            Some(file) => Some(policy_text(file)?),
            None => None,
        };
        Ok(Offered { log_vkey: self.log_vkey.as_ref().map(ToString::to_string), policy })
    }

    async fn serve(
        &self,
        log: TileReader,
        source: &str,
        offered: Offered,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let stop = shutdown_signal()?;
        let config = self.drain.config();
        let (listener, address) = listen(&self.listen, Transport::Clear).await?;
        let url = link(&format!("http://{address}/"), &offered)?;
        let words =
            format!("The log {source} is shown at\n\n  {url}\n\nOpen it in a browser. Stop with Ctrl-C.");
        let answer = json!({
            "url": format!("http://{address}"), "link": url.as_str(), "log": source, "log_vkey": offered.log_vkey,
        });
        output.announce(&words, &answer);
        // The key is in the link. The pages take one that a server offers for the log's own word.
        let pages = explorer_router(log, lookup(source)?, Offered::default());
        Server::routes(pages, axum::Router::new(), config).run(listener, stop).await;
        Ok(Outcome::Fine)
    }
}

/// Finds entries at a log that is a program; there is nothing to ask where it is files, and the pages search them.
fn lookup(source: &str) -> anyhow::Result<Option<GrpcLog>> {
    source.contains("://").then(|| connect(source)).transpose()
}

/// The URL of the pages, with the key and the policy after `#`, which a browser sends to no server.
fn link(url: &str, offered: &Offered) -> anyhow::Result<Url> {
    let mut link = Url::parse(url).context("the URL of the pages is malformed")?;
    let given = [("vkey", &offered.log_vkey), ("policy", &offered.policy)];
    let mut pairs = link.clone();
    for (name, value) in given {
        if let Some(value) = value {
            pairs.query_pairs_mut().append_pair(name, value);
        }
    }
    link.set_fragment(pairs.query());
    Ok(link)
}

/// Writes the pages. What is there already under their names is replaced, everything else stays.
fn write(folder: &Path, offered: &Offered, output: Output) -> anyhow::Result<Outcome> {
    let texts = [(OFFERED_VKEY, &offered.log_vkey), (OFFERED_POLICY, &offered.policy)];
    let texts = texts.into_iter().filter_map(|(path, text)| Some((path, text.as_ref()?.as_bytes())));
    let files: Vec<(&str, &[u8])> =
        explorer_files().map(|file| (file.path, file.bytes)).chain(texts).collect();
    for (path, bytes) in &files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        place_file(&path, bytes)?;
    }
    for parent in ["explorer/verify/audit", "explorer/verify", "explorer", ""] {
        sync_folder(&folder.join(parent))?;
    }
    let words = format!(
        "wrote {} files below {}\nServe them beside the log's `checkpoint` and `tile/`.",
        files.len(),
        folder.display()
    );
    output.answer(&words, &json!({ "files": files.len(), "folder": folder }))?;
    Ok(Outcome::Fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_carries_key_and_policy_after_the_hash() {
        let offered = Offered { log_vkey: Some("log+01+A+/=".into()), policy: Some("quorum none\n".into()) };
        let link = link("http://127.0.0.1:1/", &offered).unwrap();
        assert_eq!(link.as_str(), "http://127.0.0.1:1/#vkey=log%2B01%2BA%2B%2F%3D&policy=quorum+none%0A");
        assert_eq!(link.query(), None);
    }

    #[test]
    fn a_log_or_a_folder_must_be_given_and_not_both() {
        let parsed = |words: &[&str]| super::super::parsed::<Args>([&["vouchlog"][..], words].concat());
        assert!(parsed(&[]).is_err());
        assert!(parsed(&["--log", "http://x", "--write", "y"]).is_err());
        assert!(parsed(&["--log", "http://x"]).is_ok());
    }
}
