//! `vouchlog log retire`: the last entry of a log.

use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::json;
use vouchlog::keys::KeySource;
use vouchlog::{Appender, LeafIndex, connect_witnesses};
use vouchlog_stream::{Retirement, RetirementCause, RetirementProof};

use crate::advice::Advice;
use crate::commands::remote::{self, Head};
use crate::commands::{check_writable, ended, serve, write_file};
use crate::connections;
use crate::output::{self, Outcome, Output};
use crate::values::one_of;

/// End a log for good, with a last entry that names the log that continues it; both keys sign
#[derive(clap::Args)]
#[command(
    group = ArgGroup::new("where").args(["url", "data"]).required(true),
    after_help = "Examples:\n  vouchlog log retire --log http://127.0.0.1:6962 --key log/log.key \\\n    \
                        --successor-key next/log.key --reason planned --words \"yearly\" \\\n    \
                        --out end.tlog-proof\n  \
                        vouchlog log retire --data ./log --policy policy.txt \\\n    \
                        --successor-key next/log.key --reason compromised --out end.tlog-proof\n\n\
                        The log takes nothing after this entry, and cannot be reopened. Keep serving it: it stays readable, and its final\n\
                        checkpoint is cosigned as before. The successor's key is made with `vouchlog keygen --kind log` and a new name.\n\
                        The proof file shows to anyone that the log has ended and which vkey is next."
)]
pub(super) struct Args {
    /// URL of the running log, such as http://127.0.0.1:6962
    #[arg(long = "log", value_name = "URL", requires = "key")]
    url: Option<String>,
    /// The data directory of a log that is stopped
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The log's key: a key file, or another place and the vkey (see `vouchlog keygen --help`) [default: log.key in the data directory]
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_LOG_KEY")]
    key: Option<KeySource>,
    /// With --data: the log's witnesses (C2SP tlog-policy), which cosign the final checkpoint
    #[arg(long, value_name = "FILE", requires = "data", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
    /// The key of the log that continues it
    #[arg(long, value_name = "KEY")]
    successor_key: KeySource,
    /// Why: planned, compromised (others may have the log's key), or other; it is public
    #[arg(long, value_name = "REASON", value_parser = one_of::<RetirementCause>(&RetirementCause::ALL.map(RetirementCause::word)))]
    reason: RetirementCause,
    /// The same in your words, in one line; it is public
    #[arg(long, value_name = "TEXT", default_value = "")]
    words: String,
    /// The file for the proof that the log has ended
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl Args {
    pub(super) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        // Before the log ends, which cannot be undone.
        check_writable(&self.out)?;
        let proof = match (&self.url, &self.data) {
            (Some(url), _) => self.running(url).await?,
            (None, Some(data)) => self.stopped(data.clone()).await?,
            (None, None) => anyhow::bail!("give --log or --data"),
        };
        write_file(&self.out, proof.to_text().as_bytes())?;
        let (retirement, head, out) = (proof.retirement(), proof.head(), self.out.display());
        let (origin, successor) = (retirement.origin(), &retirement.successor);
        let words = format!(
            "retired the log {origin} with {} ({retirement})\n  successor  {successor}\n  proof      {out}\n\
             Keep serving the log. Give the proof to witnesses with `vouchlog log announce`, and to everyone who verifies.\n\
             Begin the new log with `vouchlog serve --continues {out}`.",
            output::count(head.size.get(), "entry", "entries")
        );
        let answer = json!({
            "origin": origin.as_str(), "log_vkey": retirement.log.to_string(), "successor": successor.to_string(),
            "reason": retirement.cause.word(), "words": retirement.words, "size": head.size.get(),
            "root": head.root.to_string(), "file": self.out,
        });
        output.answer(&words, &answer)?;
        Ok(Outcome::Fine)
    }

    async fn running(&self, url: &str) -> anyhow::Result<RetirementProof> {
        let key =
            self.key.as_ref().ok_or_else(|| Advice::error("--log needs the log's key", "give --key"))?;
        let key = key.open()?;
        let remote = remote::connect(url)?;
        let head = Head::read(&remote::checkpoint(&remote, url).await?)?;
        if head.origin.as_str() != key.verifying_key().name().as_str() {
            return Err(Advice::error(
                format!(
                    "the log at {url} is {}, but the key is that of {}",
                    head.origin,
                    key.verifying_key().name()
                ),
                "check --log and --key",
            ));
        }
        let index = self.retire(&remote, url, &key).await?;
        ended::published(&remote::tiles(url)?, url, index).await
    }

    /// Opens the log as `vouchlog serve` does, retires it, and stops it.
    async fn stopped(&self, data: PathBuf) -> anyhow::Result<RetirementProof> {
        let source = data.display().to_string();
        let key = match &self.key {
            Some(key) => key.open()?,
            None => vouchlog::keys::load(&data.join("log.key"))?,
        };
        anyhow::ensure!(data.is_dir(), "{source} is no directory");
        let mut builder = vouchlog::open(data).house(false).log_key(key.clone());
        if let Some(file) = &self.policy {
            builder = builder
                .witnesses(connect_witnesses(crate::commands::policy(file)?, &connections::to_witnesses())?);
        }
        let log = builder.await.map_err(|error| serve::advise(&error))?;
        let proof = async {
            let index = self.retire(&log, &source, &key).await?;
            ended::published(&log, &source, index).await
        };
        let proof = proof.await;
        log.stop().await;
        proof
    }

    async fn retire(
        &self,
        log: &impl Appender,
        source: &str,
        key: &vouchlog::SigningKey,
    ) -> anyhow::Result<LeafIndex> {
        let successor = self.successor_key.open()?;
        let retirement = Retirement {
            log: key.verifying_key().clone(),
            successor: successor.verifying_key().clone(),
            cause: self.reason,
            words: self.words.clone(),
        };
        let note = retirement.sign(key, &successor).map_err(|error| {
            Advice::error(
                error.to_string(),
                "make the successor's key with `vouchlog keygen --kind log`, and an origin that no log has",
            )
        })?;
        log.retire(note).await.map_err(|error| remote::failed(source, &error))
    }
}
