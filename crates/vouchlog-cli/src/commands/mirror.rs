//! `vouchlog mirror`: keeps a verified copy of a log.

use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use vouchlog::mirroring::{LogMirror, MirrorError};
use vouchlog::objects::{ObjectUrl, Objects};
use vouchlog::{Offered, Server};

use super::access::AccessArgs;
use super::auditing::{IdentityArgs, SourceArgs};
use super::exposure::{TlsArgs, listen_if_given};
use super::objects::refused;
use super::running::{DrainArgs, Hangup, reload_on};
use crate::advice::Advice;
use crate::connections;
use crate::output::{self, Outcome, Output};
use crate::telemetry::{self, TelemetryArgs};

mod served;

use served::{Followed, MirrorLog};

/// Keep a verified copy of a log, in a folder or an object store, and serve it
#[derive(clap::Args)]
#[command(
    after_help = "The copy has the layout of C2SP tlog-tiles: it can be read and audited with `--log`, and `vouchlog serve --repair-from` and\n\
                  `vouchlog recover --tiles` repair the log from it. Before anything is written, the checkpoint must be signed by the log and\n\
                  extend the last one, and the entries must be proven under it. If the log contradicts itself, the copy stays as it is,\n\
                  and the evidence is kept: anyone checks it with `vouchlog verify-finding`.\n\n\
                  Examples:\n  vouchlog mirror --log https://log.example.com --log-vkey \"$LOG_VKEY\" --to ./mirror --listen 127.0.0.1:6966\n  \
                  vouchlog mirror --log s3://bucket/log --log-vkey \"$LOG_VKEY\" --policy policy.txt --to s3://other/mirror --once\n\n\
                  Exit status: 0 it was stopped, or with --once the copy is complete; with --once 1 the log was caught at a contradiction;\n\
                  2 the copy could not be made."
)]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// Where the copy is kept: a directory, or an object store: s3://bucket/prefix, gs://, az:// or file:///folder
    #[arg(long, value_name = "DIR|URL", env = "VOUCHLOG_MIRROR_TO")]
    to: String,
    /// The folder for evidence against the log
    #[arg(long, value_name = "DIR", default_value = "mirror-evidence", env = "VOUCHLOG_MIRROR_EVIDENCE")]
    evidence: PathBuf,
    /// How often the log is asked for a newer checkpoint
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::values::duration, env = "VOUCHLOG_MIRROR_INTERVAL")]
    interval: Duration,
    /// Copy what there is now, and end
    #[arg(long, conflicts_with = "listen")]
    once: bool,
    /// Serve the copy to readers at this address, with /healthz, /readyz and /metrics; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", env = "VOUCHLOG_MIRROR_LISTEN")]
    listen: Option<String>,
    #[command(flatten)]
    access: AccessArgs,
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    pub(super) telemetry: TelemetryArgs,
}

impl Args {
    /// Runs until `shutdown` completes, or with --once until the copy is complete.
    pub(super) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let mut shutdown = std::pin::pin!(shutdown);
        let (log, source, place) = (self.identity.log()?, self.source.reader()?, self.place()?);
        let vkey = log.keys.first().map(ToString::to_string);
        let opened = async |source, log| {
            let opened = LogMirror::open(source, log, &place, &self.evidence).await;
            opened.map_err(|error| advise(&error))
        };
        if self.once {
            let mut mirror = opened(source, log).await?;
            return self.copy(&mut mirror, shutdown.as_mut(), output).await;
        }
        let hangup = Hangup::new()?;
        let config = self.drain.config();
        let listener = listen_if_given(self.listen.as_deref(), self.tls.transport()).await?;
        let addresses: Vec<_> = listener.iter().map(|(_, address)| *address).collect();
        let access = self.access.open(&addresses, None)?;
        access.warn("anyone may read the copy");
        let tls = self.tls.open()?;
        let mut mirror = opened(source, log).await?;
        let (followed, registry) = Followed::new(&mirror, self.interval);
        let url = listener.as_ref().map(|(_, address)| self.tls.transport().url(*address));
        self.announce(&mirror, (vkey.as_deref(), url.as_deref()), output);
        let stop = CancellationToken::new();
        let server = listener.map(|(listener, _)| {
            let health = followed.clone();
            let server = Server::new(MirrorLog::new(place.reader(), &followed), config)
                .offer(Offered { log_vkey: vkey, policy: None })
                .health(move || health.readiness())
                .registry(registry)
                .access(access.access.clone())
                .hosts(self.access.hosts())
                .tls(tls.clone())
                .share_metrics(telemetry::share);
            tokio::spawn(server.run(listener, stop.clone().cancelled_owned()))
        });
        let watching = access.watch();
        let reloading = reload_on(hangup, tls, move || {
            let callers = access.reload().context("the callers stay as they were")?;
            Ok(callers
                .map_or_else(|| "nothing was reloaded".to_owned(), |file| format!("{file} was reloaded")))
        });
        self.follow(&mut mirror, &followed, shutdown.as_mut()).await;
        stop.cancel();
        reloading.abort();
        watching.abort();
        if let Some(server) = server {
            // A panic of it was reported by the hook.
            let _ = server.await;
        }
        output.farewell("The mirror stopped; its copy is as its checkpoint states.");
        Ok(Outcome::Fine)
    }

    fn place(&self) -> anyhow::Result<Objects> {
        let url = if ObjectUrl::is_one(&self.to) {
            self.to.clone()
        } else {
            let path = std::path::absolute(&self.to).with_context(|| self.to.clone())?;
            let url = reqwest::Url::from_file_path(&path);
            url.map_err(|()| refused(&format!("{} is no folder", path.display())))?.to_string()
        };
        Objects::open(&url, &connections::security()).map_err(|error| refused(&error.to_string()))
    }

    fn announce(&self, mirror: &LogMirror, (vkey, url): (Option<&str>, Option<&str>), output: Output) {
        let (origin, size, to) = (mirror.origin(), mirror.size(), &self.to);
        let served = url.map_or(String::new(), |url| format!("\n  served at {url}"));
        let words = format!(
            "Mirroring the log {origin} at {} in {to}, which holds {}{served}\nStop with Ctrl-C.",
            self.source.source,
            output::count(size.get(), "entry", "entries")
        );
        let answer = json!({
            "origin": origin.as_str(), "log": self.source.source, "log_vkey": vkey, "to": to, "url": url, "size": size.get(),
        });
        output.announce(&words, &answer);
    }

    /// Copies once.
    async fn copy(
        &self,
        mirror: &mut LogMirror,
        shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        let bar = output::progress(0, "entries copied");
        let updated = tokio::select! {
            updated = mirror.update(|done, total| {
                bar.set_length(total);
                bar.set_position(done);
            }) => updated,
            () = shutdown => anyhow::bail!("the mirror was stopped before the copy was complete"),
        };
        bar.finish_and_clear();
        let size = mirror.size().get();
        let answer = |complete: bool, finding: Option<&str>| json!({ "origin": mirror.origin().as_str(), "to": self.to, "size": size, "complete": complete, "finding": finding });
        match updated {
            Ok(_) => {
                let entries = output::count(size, "entry", "entries");
                let words =
                    format!("{entries} of the log {} are in {}, all verified.", mirror.origin(), self.to);
                output.answer(&words, &answer(true, None))?;
                Ok(Outcome::Fine)
            }
            Err(error) if error.is_finding() => {
                let problem = error.to_string();
                let words = format!("REFUSED: {problem}\nThe copy stays at {size} entries.");
                output.answer(&words, &answer(false, Some(&problem)))?;
                Ok(Outcome::Finding)
            }
            Err(error) => Err(advise(&error)),
        }
    }

    /// Follows the log until it is to stop.
    async fn follow(
        &self,
        mirror: &mut LogMirror,
        followed: &Followed,
        mut shutdown: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) {
        loop {
            let updated = tokio::select! {
                updated = mirror.update(|_, _| {}) => updated,
                () = shutdown.as_mut() => return,
            };
            followed.updated(mirror, updated.map(drop));
            tokio::select! {
                () = tokio::time::sleep(self.interval) => {}
                () = shutdown.as_mut() => return,
            }
        }
    }
}

fn advise(error: &MirrorError) -> anyhow::Error {
    let hint = match error {
        MirrorError::Read(_) => {
            "check --log: it is the log's URL, an object store, or a directory of its tiles"
        }
        MirrorError::Store(_) => {
            "check --to, its room and its permissions; credentials are taken from the environment. A damaged copy is made again in another place"
        }
        MirrorError::Evidence { .. } => "check --evidence: the folder must be writable",
        _ => "run `vouchlog audit` with the same --log and --log-vkey for details",
    };
    Advice::error(error.to_string(), hint)
}
