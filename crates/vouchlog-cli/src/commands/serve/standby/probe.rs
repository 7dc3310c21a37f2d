//! Whether the leader takes what this standby passes on: it is asked once a second, the way requests are passed on.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use vouchlog::Appender;
use vouchlog_api::ErrorKind;
use vouchlog_stream::StreamId;

use super::leader::Leaders;
use super::metrics::StandbyMetrics;
use super::view::LeaseView;

/// How often the leader is asked.
const EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long no leader may be in reach before the standby is not ready: longer than a takeover takes.
const GRACE: Duration = Duration::from_secs(10);
/// A stream that no log has: its opening would be the last entry of the largest tree.
const NO_STREAM: Option<StreamId> = StreamId::new((1 << 40) - 1);

/// Whether the leader is in reach. Clones are the same.
#[derive(Clone)]
pub(super) struct Reach(Arc<Mutex<State>>);

struct State {
    /// When the leader was in reach, or the standby began.
    last: Instant,
    trouble: Option<String>,
}

impl Reach {
    pub(super) fn new() -> Self {
        let trouble = Some("it was not asked yet".to_owned());
        Self(Arc::new(Mutex::new(State { last: Instant::now(), trouble })))
    }

    /// Asks again and again until it is dropped.
    pub(super) async fn follow(
        self,
        leaders: Leaders,
        mut view: watch::Receiver<LeaseView>,
        metrics: StandbyMetrics,
    ) {
        loop {
            view.mark_unchanged();
            let outcome = ask(&leaders).await;
            metrics.leader_reached.set(u64::from(outcome.is_ok()));
            {
                let mut state = self.0.lock();
                if outcome.is_ok() {
                    state.last = Instant::now();
                }
                state.trouble = outcome.err();
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                Ok(()) = view.changed() => {}
            }
        }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let state = self.0.lock();
        match &state.trouble {
            Some(trouble) if state.last.elapsed() > GRACE => Err(trouble.clone()),
            _ => Ok(()),
        }
    }

    pub(super) fn words(&self) -> String {
        self.0.lock().trouble.as_ref().map_or_else(|| "yes".to_owned(), |trouble| format!("no: {trouble}"))
    }
}

/// Asks the leader for a stream that it does not have. A node that does not lead says that instead.
async fn ask(leaders: &Leaders) -> Result<(), String> {
    let place = leaders.place(None).map_err(|error| error.to_string())?;
    let stream = NO_STREAM.ok_or("there is no such stream")?;
    match tokio::time::timeout(PATIENCE, place.log.stream(stream)).await {
        Ok(Err(error)) if error.kind != ErrorKind::NotFound => Err(error.to_string()),
        Ok(_) => Ok(()),
        Err(_) => Err(format!("the leader did not respond within {} s", PATIENCE.as_secs())),
    }
}
