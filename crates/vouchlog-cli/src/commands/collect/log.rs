//! Which log takes the digests: one elsewhere, or one in this process.

use std::path::Path;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use vouchlog::{Log, LogReader, Origin, VerifyingKey};
use vouchlog_note::SignedCheckpoint;
use vouchlog_server::ServerConfig;

use crate::advice::Advice;
use crate::commands::exposure::{ClearArgs, listen};
use crate::commands::{remote, serve};

/// How long the log may take to show its checkpoint at start.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(clap::Args)]
pub(super) struct LogArgs {
    /// URL of the log, such as http://127.0.0.1:6962 [default: a log in this process, for trials only: its operator could replace both]
    #[arg(long = "log", value_name = "URL", env = "VOUCHLOG_URL", requires = "log_vkey")]
    url: Option<String>,
    /// The log's public key
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY", requires = "url")]
    log_vkey: Option<VerifyingKey>,
    /// Address of the log in this process, if there is one; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:6962", env = "VOUCHLOG_LOG_LISTEN")]
    listen: String,
}

/// A log that is open.
pub(super) enum OpenLog {
    Elsewhere { url: String, vkey: VerifyingKey },
    Here { url: String, vkey: VerifyingKey, log: Log, stop: oneshot::Sender<()>, served: JoinHandle<()> },
}

impl LogArgs {
    pub(super) async fn open(
        &self,
        data: &Path,
        gateway: &VerifyingKey,
        config: ServerConfig,
        clear: ClearArgs,
    ) -> anyhow::Result<OpenLog> {
        if let (Some(url), Some(vkey)) = (&self.url, &self.log_vkey) {
            return Ok(OpenLog::Elsewhere { url: url.clone(), vkey: vkey.clone() });
        }
        let transport = clear.transport();
        let (listener, address): (TcpListener, _) = listen(&self.listen, transport).await?;
        let log = vouchlog::open(data.join("log")).gateway(gateway.clone()).await;
        let log = log.map_err(|error| serve::advise(&error))?;
        let vkey = log.vkey().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = log.server(config);
        let served = tokio::spawn(async move {
            // Stopped, or no receiver is left.
            server.run(listener, async { drop(stopped.await) }).await;
        });
        Ok(OpenLog::Here { url: transport.url(address), vkey, log, stop, served })
    }
}

impl OpenLog {
    pub(super) fn url(&self) -> &str {
        match self {
            Self::Elsewhere { url, .. } | Self::Here { url, .. } => url,
        }
    }

    pub(super) fn vkey(&self) -> &VerifyingKey {
        match self {
            Self::Elsewhere { vkey, .. } | Self::Here { vkey, .. } => vkey,
        }
    }

    /// The log in this process.
    pub(super) fn here(&self) -> Option<&Log> {
        match self {
            Self::Elsewhere { .. } => None,
            Self::Here { log, .. } => Some(log),
        }
    }

    /// Refuses a log whose checkpoints are known to have no cosignatures: it would acknowledge nothing to a caller that asks for them. If
    /// the log cannot be reached now, this check is skipped.
    pub(super) async fn check_witnesses(&self) -> anyhow::Result<()> {
        let tiles = remote::tiles(self.url())?;
        let Ok(Ok(note)) = tokio::time::timeout(PATIENCE, tiles.checkpoint()).await else { return Ok(()) };
        let origin = Origin::new(self.vkey().name().as_str())?;
        let Ok(signed) = SignedCheckpoint::open(note.as_bytes(), &origin, self.vkey()) else { return Ok(()) };
        if signed.is_cosigned() {
            return Ok(());
        }
        Err(Advice::error(
            format!("the log {origin} has no witnesses: it publishes checkpoints that it alone signed"),
            "leave out --witnessed, or ask the log's operator for witnesses",
        ))
    }

    /// Waits until the log in this process has stopped writing for good. A log elsewhere has its own operator.
    pub(super) fn poisoned(&self) -> impl Future<Output = String> + Send + use<> {
        let poison = self.here().map(vouchlog::Log::poison);
        async move {
            match poison {
                Some(poison) => poison.wait().await.to_string(),
                None => std::future::pending().await,
            }
        }
    }

    /// What to do next.
    pub(super) fn advice(&self) -> &'static str {
        match self {
            Self::Elsewhere { .. } => {
                "The log's operator must enrol the gateway vkey with `vouchlog enrol`; until then records stay on disk.\n"
            }
            Self::Here { .. } => {
                "The log runs in this process, for trials: evidence for others needs a log that another party runs (--log).\n"
            }
        }
    }

    pub(super) async fn stop(self) {
        if let Self::Here { log, stop, served, .. } = self {
            // It may have ended by itself.
            let _ = stop.send(());
            let _ = served.await;
            log.stop().await;
        }
    }
}
