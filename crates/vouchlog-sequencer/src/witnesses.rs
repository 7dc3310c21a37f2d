//! The log's side of its witnesses: newest heads go out to all of them, cosignatures come back, and a head that satisfies the
//! policy is published. On a thread of its own, so that no witness, however slow, is ever waited for by a batch.
//!
//! ```text
//! Feeders::guard   before anything is signed: does any witness know more of this log than its store holds?
//! run_rounds       one head at a time is the candidate, until it satisfies the policy or every witness has answered
//!   feed.rs        one task a witness: brings it the candidate, learns its size, backs off
//!   candidate.rs   collects the cosignatures; the policy decides when it is published
//! ```

mod candidate;
mod feed;
mod guard;
mod status;
mod trouble;

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::Instrument;
use vouchlog_note::Policy;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::Store;

use crate::config::{WitnessLink, Witnesses};
use crate::read::Reader;
use crate::state::Shared;
use candidate::Candidate;
use feed::Feed;
pub use guard::GuardError;
use status::Status;
pub use status::WitnessState;

/// The witnesses before the log runs.
pub(crate) struct Feeders {
    witnesses: Witnesses,
    feeds: Vec<Feed>,
    /// The first candidate, with what the guard collected.
    first: Option<Arc<Candidate>>,
    runtime: OwnRuntime,
}

/// A runtime that may be dropped anywhere: a log that the guard refuses is dropped on its opener's thread, which may be async.
struct OwnRuntime(Option<Runtime>);

impl OwnRuntime {
    fn new() -> io::Result<Self> {
        Ok(Self(Some(Builder::new_current_thread().enable_all().build()?)))
    }

    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.0.as_ref().expect("it is there until it is dropped").block_on(work)
    }
}

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Feeders {
    pub(crate) fn new(witnesses: Witnesses, registry: &mut Registry) -> io::Result<Self> {
        let runtime = OwnRuntime::new()?;
        let metrics = status::WitnessingMetrics::register(registry);
        let feed = |link: &WitnessLink| Feed::new(link.clone(), &metrics, witnesses.patience);
        let feeds = witnesses.links.iter().map(feed).collect();
        Ok(Self { witnesses, feeds, first: None, runtime })
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.witnesses.policy
    }

    /// Begins to feed the witnesses. Ends when the handle is dropped.
    pub(crate) fn start<S: Store>(self, shared: &Arc<Shared<S>>) -> io::Result<Witnessing> {
        let Self { witnesses, feeds, first, runtime } = self;
        let statuses: Arc<[Arc<Status>]> = feeds.iter().map(Feed::status).collect();
        let behind = Arc::new(Mutex::new(None));
        let (stop, stopped) = oneshot::channel::<()>();
        let shared = shared.clone();
        let patience = witnesses.patience;
        let (seen, behind_now) = (statuses.clone(), behind.clone());
        let run = in_span(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = run_rounds(&shared, witnesses, feeds, first, &seen, &behind_now) => {}
                    // An error is the handle's end as well.
                    _ = stopped => {}
                }
            });
        });
        let thread = std::thread::Builder::new().name("vouchlog-witnesses".into()).spawn(run)?;
        Ok(Witnessing { stop: Some(stop), thread: Some(thread), statuses, behind, patience })
    }
}

/// Heads become candidates, one at a time: all witnesses must cosign the same one for a quorum to come together.
async fn run_rounds<S: Store>(
    shared: &Arc<Shared<S>>,
    witnesses: Witnesses,
    feeds: Vec<Feed>,
    first: Option<Arc<Candidate>>,
    statuses: &[Arc<Status>],
    behind: &Mutex<Option<Instant>>,
) {
    let Witnesses { policy, interval, refresh, patience, .. } = witnesses;
    let mut heads = shared.publisher.watch_sequenced();
    let Some(mut candidate) = first else { return };
    let (candidates, _) = watch::channel(candidate.clone());
    let mut tasks = tokio::task::JoinSet::new();
    for feed in feeds {
        let log = Reader(shared.clone());
        tasks.spawn(feed.run(log, policy.clone(), candidates.subscribe(), interval).in_current_span());
    }
    loop {
        let earliest = sleep(interval);
        let settled =
            candidate.settled(|| statuses.iter().all(|status| status.is_done_with(candidate.size())));
        let _ = timeout(patience, settled).await;
        earliest.await;
        let satisfied = candidate.is_satisfied();
        {
            let mut since = behind.lock();
            *since = if satisfied { None } else { since.or_else(|| Some(Instant::now())) };
        }
        // Nothing to do before there is a newer head, or the cosignatures grow old; or a failing witness is due for a retry.
        let newer = heads.wait_for(|head| head.size() > candidate.size());
        let _ = timeout(if satisfied { refresh } else { patience }, newer).await;
        let newest = shared.publisher.newest();
        candidate = match Candidate::following(&candidate, &newest, shared) {
            Ok(next) => Arc::new(next),
            Err(error) => {
                tracing::error!(%error, "the log's own checkpoint cannot be sent to its witnesses");
                continue;
            }
        };
        tracing::debug!(size = %candidate.size(), "sending a head to the witnesses");
        candidates.send_replace(candidate.clone());
    }
}

/// The handle on the witnesses' thread, which ends with it.
#[derive(Debug)]
pub(crate) struct Witnessing {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    statuses: Arc<[Arc<Status>]>,
    /// Since when no head satisfied the policy.
    behind: Arc<Mutex<Option<Instant>>>,
    patience: Duration,
}

impl Witnessing {
    /// What is known of each witness.
    pub(crate) fn states(&self) -> Vec<WitnessState> {
        self.statuses.iter().map(|status| status.state()).collect()
    }

    /// Why the published checkpoint falls behind the log, if it does for long.
    pub(crate) fn impediment(&self) -> Option<String> {
        let behind = self.behind.lock().map(|since| since.elapsed())?;
        if behind < 2 * self.patience {
            return None;
        }
        let states: Vec<String> = self.states().iter().map(|w| format!("{} {w}", w.name)).collect();
        Some(format!("no quorum for {} s: {}", behind.as_secs(), states.join("; ")))
    }
}

impl Drop for Witnessing {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It holds the store, which must be free for the next open.
            let _ = thread.join();
        }
    }
}
