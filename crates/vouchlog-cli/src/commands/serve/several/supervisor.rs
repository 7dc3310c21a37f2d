//! The loop of one log of several: it is opened and served, and opened again after it failed, as a service manager would do with a process
//! of its own.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use parking_lot::Mutex;
use tokio::task::spawn_local;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use vouchlog_runtime::Backoff;

use super::caretaker::caretaker;
use crate::advice;
use crate::commands::running::Hangup;
use crate::commands::serve::member::Member;
use crate::commands::serve::settings::{Ports, Settings};
use crate::commands::serve::{Args, Ending};
use crate::output::Output;

/// Before a log is opened for the second time: as long as the systemd unit waits before it starts a process again.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Between attempts to open a log whose disk or database stays away. Once that is mended, the log is back within this.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// If a log served for this long before it failed, the waits begin at the first again.
const SETTLED: Duration = Duration::from_secs(60);

/// A log, and all it needs to be opened again and again.
pub(super) struct LogHost {
    pub(super) name: String,
    pub(super) args: Args,
    pub(super) settings: Settings,
    pub(super) member: Member,
}

/// The ports of a log, until all logs are to stop: connections that it does not take any more are refused then, and do not wait.
struct OpenPorts(Mutex<Option<Ports>>);

impl OpenPorts {
    /// The ports once more; none once all are to stop.
    fn duplicate(&self) -> anyhow::Result<Option<Ports>> {
        self.0.lock().as_ref().map(Ports::duplicate).transpose()
    }

    fn close(&self) {
        drop(self.0.lock().take());
    }
}

impl LogHost {
    /// Runs it until `stop` is cancelled. Returns what was wrong with it then, if something was.
    pub(super) async fn run(self, ports: Ports, stop: CancellationToken, output: Output) -> Option<String> {
        let span = self.member.span();
        let log = Rc::new(self);
        let ports = Rc::new(OpenPorts(Mutex::new(Some(ports))));
        log.run_in_span(ports, stop, output).instrument(span).await
    }

    async fn run_in_span(
        self: Rc<Self>,
        ports: Rc<OpenPorts>,
        stop: CancellationToken,
        output: Output,
    ) -> Option<String> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let mut reason = "it is being opened".to_owned();
        self.caretaker(&ports, &reason);
        loop {
            let began = Instant::now();
            let failure = match self.attempt(&ports, &stop, output).await {
                Ok(Ending::Stopped { poison }) => return poison,
                Ok(Ending::HandedOver) => None,
                Ok(Ending::Poisoned(reason)) => Some(reason),
                Err(error) => Some(advice::line(&error)),
            };
            if began.elapsed() >= SETTLED {
                backoff.reset();
            }
            let wait = backoff.next_wait();
            match &failure {
                Some(failure) => {
                    tracing::error!(reason = failure, ?wait, "the log failed; it is opened again");
                    reason = format!("{failure}; it is opened again");
                }
                None => "it was handed over, and becomes a standby".clone_into(&mut reason),
            }
            self.caretaker(&ports, &reason);
            tokio::select! {
                () = stop.cancelled() => return failure,
                () = tokio::time::sleep(wait) => self.member.reopens(),
            }
        }
    }

    /// Opens and serves it once.
    async fn attempt(
        self: &Rc<Self>,
        ports: &Rc<OpenPorts>,
        stop: &CancellationToken,
        output: Output,
    ) -> anyhow::Result<Ending> {
        let hangup = Hangup::new()?;
        let Some(own) = ports.duplicate()? else { return Ok(Ending::Stopped { poison: None }) };
        let (log, open, closing) = (Rc::clone(self), Rc::clone(ports), stop.clone());
        let shutdown = stop.clone().cancelled_owned();
        let serving =
            async move { log.args.serve(&log.settings, own, &log.member, (shutdown, hangup), output).await };
        let closer = spawn_local(async move {
            closing.cancelled().await;
            open.close();
        });
        // On a task of its own: a panic is a failure of this log.
        let served = spawn_local(serving.in_current_span()).await.context("the log's server panicked");
        closer.abort();
        served?
    }

    /// Answers in its place from now on, until it serves.
    fn caretaker(&self, ports: &OpenPorts, reason: &str) {
        let end = self.member.fails(reason);
        match ports.duplicate() {
            Ok(Some(ports)) => {
                caretaker(&self.settings, self.args.access.hosts(), &self.member, ports, end);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!("nothing answers while the log is closed: {error:#}"),
        }
    }
}
