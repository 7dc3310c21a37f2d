//! What commands that run until they are stopped need of the system: a port to listen on, signals, file descriptors, and an end.
//!
//! ```text
//! SIGTERM, SIGINT ─► no new connections, requests in flight finish within --drain ─► everything closed ─► exit 0
//! poisoned        ─► the same, bounded as a whole                                                   ─► exit 3
//! SIGHUP          ─► files are read again, or not; never an end
//! ```

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinHandle;
use tracing::Instrument;
use vouchlog::tls::Tls;
use vouchlog_server::ServerConfig;

use super::exposure::reload_tls;
use crate::output::{self, Outcome, RESTART};

/// How long a poisoned server may take to close what it has open, after the drain. A disk that hangs is one reason for the
/// poison, so closing may hang as well.
pub(super) const CLOSING: Duration = Duration::from_secs(5);

/// Fewer descriptors than these, and connections, stores and indexes get in each other's way.
const FEW_DESCRIPTORS: usize = 512;

/// How a server stops.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DrainArgs {
    /// How long requests in flight may take to finish after SIGTERM or SIGINT; the rest are cut off
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = crate::values::duration, env = "VOUCHLOG_DRAIN")]
    pub(super) drain: Duration,
}

impl DrainArgs {
    /// How the command's server is set. Raises the limit of open files: call it before anything is opened.
    pub(super) fn config(&self) -> ServerConfig {
        ServerConfig {
            drain_timeout: self.drain,
            max_descriptors: raise_descriptor_limit(),
            ..ServerConfig::default()
        }
    }
}

/// How a server that writes stops.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct EndArgs {
    #[command(flatten)]
    pub(super) drain: DrainArgs,
    /// Exit with code 3 when writing has stopped for good, so that a service manager restarts the process, which then recovers; with `false`, stay up and serve reads
    #[arg(long, value_name = "BOOL", default_value = "true", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, action = clap::ArgAction::Set, env = "VOUCHLOG_EXIT_WHEN_POISONED",
          value_parser = clap::builder::FalseyValueParser::new())]
    exit_when_poisoned: bool,
}

/// What ends when writing has stopped for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// The process, with code 3.
    Process,
    /// One log of several: the process goes on.
    Log,
}

/// Why a server ends, once it does.
#[derive(Clone, Debug, Default)]
pub(super) struct End(Arc<OnceLock<String>>);

impl EndArgs {
    /// Completes when the server is to stop: at the shutdown signal, or when `poisoned` completes and the process, or the log,
    /// is to end then.
    pub(super) fn watch(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        poisoned: impl Future<Output: AsRef<str> + Send> + Send,
    ) -> (impl Future<Output = ()> + Send, End) {
        self.watch_unit(shutdown, poisoned, Unit::Process)
    }

    /// The same for a log that may be one of several in the process.
    pub(super) fn watch_unit(
        &self,
        shutdown: impl Future<Output = ()> + Send,
        poisoned: impl Future<Output: AsRef<str> + Send> + Send,
        unit: Unit,
    ) -> (impl Future<Output = ()> + Send, End) {
        let end = End::default();
        let (exits, patience, reason) = (self.exit_when_poisoned, self.drain.drain + CLOSING, end.clone());
        let watched = async move {
            let poisoned = async {
                let reason = poisoned.await.as_ref().to_owned();
                if !exits {
                    tracing::error!(
                        reason,
                        "writing has stopped for good; reads are served until the process is restarted"
                    );
                    std::future::pending::<()>().await;
                }
                reason
            };
            tokio::select! {
                () = shutdown => {}
                why = poisoned => {
                    match unit {
                        Unit::Process => {
                            tracing::error!(reason = why, "writing has stopped for good; exiting with code 3: a restart recovers");
                            exit_within(patience);
                        }
                        Unit::Log => {
                            tracing::error!(reason = why, "writing has stopped for good; the log is closed, and opened again to recover");
                        }
                    }
                    reason.0.get_or_init(|| why);
                }
            }
        };
        (watched, end)
    }
}

impl End {
    /// Whether writing stopped for good.
    pub(super) fn is_poisoned(&self) -> bool {
        self.0.get().is_some()
    }

    pub(super) fn outcome(&self) -> Outcome {
        if self.is_poisoned() { Outcome::Restart } else { Outcome::Fine }
    }
}

/// Ends the process even if closing hangs. What was acknowledged is on disk, and the next start does what closing would have.
fn exit_within(patience: Duration) {
    let exiting = move || {
        std::thread::sleep(patience);
        output::note("error: closing took too long; exiting anyway");
        std::process::exit(i32::from(RESTART));
    };
    if let Err(error) = std::thread::Builder::new().name("exit".into()).spawn(exiting) {
        tracing::error!(%error, "the thread that limits the closing time could not be started");
    }
}

/// Raises the soft limit of open files to the hard one. Returns the limit, unless there is none.
#[cfg(unix)]
fn raise_descriptor_limit() -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let found = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: found.maximum, maximum: found.maximum };
    if found.current != found.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised");
    }
    let limit = getrlimit(Resource::Nofile).current.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
    if let Some(limit) = limit.filter(|limit| *limit < FEW_DESCRIPTORS) {
        tracing::warn!(
            limit,
            "the limit of open files is low: allow {FEW_DESCRIPTORS} or more (LimitNOFILE, ulimit -n)"
        );
    }
    limit
}

#[cfg(not(unix))]
fn raise_descriptor_limit() -> Option<usize> {
    None
}

/// Completes at the first SIGTERM or SIGINT. Installed before anything is opened, so that none is missed.
#[cfg(unix)]
pub(super) fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be handled")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
pub(super) fn shutdown_signal() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        // Without the handler the system ends the process by itself.
        let _ = tokio::signal::ctrl_c().await;
    })
}

/// SIGHUP, where there is one. From when this is made on, the signal ends the process no more.
#[cfg(unix)]
pub(super) struct Hangup(tokio::signal::unix::Signal);

#[cfg(unix)]
impl Hangup {
    pub(super) fn new() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self(signal(SignalKind::hangup()).context("SIGHUP cannot be handled")?))
    }

    pub(super) async fn received(&mut self) -> Option<()> {
        self.0.recv().await
    }
}

/// Reloads at every SIGHUP, and logs what came of it. What `reload` returns completes "SIGHUP: ".
pub(super) fn reload_on(
    mut hangup: Hangup,
    tls: Option<Tls>,
    mut reload: impl FnMut() -> anyhow::Result<String> + Send + 'static,
) -> JoinHandle<()> {
    let reloading = async move {
        while hangup.received().await.is_some() {
            reload_tls(tls.as_ref());
            match reload() {
                Ok(reloaded) => tracing::info!("SIGHUP: {reloaded}"),
                Err(error) => tracing::error!("SIGHUP: nothing was changed: {error:#}"),
            }
        }
    };
    tokio::spawn(reloading.in_current_span())
}

#[cfg(not(unix))]
pub(super) struct Hangup;

#[cfg(not(unix))]
impl Hangup {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self)
    }

    pub(super) async fn received(&mut self) -> Option<()> {
        None
    }
}
