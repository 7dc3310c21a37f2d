//! The pruner: removes the entries below an announced minimum index, once the published checkpoint covers the announcement.
//!
//! ```text
//! announced ─► published ─► shown wherever entries are read ─► given up, durably ─► removed, a bounded number at a time
//! ```
//!
//! With a witness policy the published checkpoint has the witnesses' cosignatures, so nothing is removed before the world can read that it
//! will be. The thread ends when it is done. A process that ends first, or that loses its lease, leaves the rest to the next one: what is
//! given up is decided by the entries alone, and once the store has made it durable, nothing decides again.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vouchlog_runtime::Pace;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::Store;
use vouchlog_stream::StreamId;

use crate::pruning::{PruneError, add_streams, open_streams, pruned, sort};
use crate::read::{WIDTH, framed_bundle};
use crate::state::{Announcement, Shared};
use crate::stop::StopSignal;

/// How often the pruner checks whether the announcement is published.
const REST: Duration = Duration::from_millis(250);
/// How often it asks the store whether readers elsewhere can see the announcement, which may take a request to a bucket.
const SHOWN_REST: Duration = Duration::from_secs(1);
/// Pause between two removals: commits and readers use the same store.
const REMOVAL_REST: Duration = Duration::from_millis(20);
/// How long it waits after a failure.
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Bytes of entries read in a second, about: the log serves readers meanwhile.
const BYTES_PER_SECOND: u64 = 64 << 20;
/// Bytes of a bundle of statements.
const BUNDLE_BYTES: u64 = 256 * 56;

/// The handle on the pruner's thread, which ends when the handle is dropped.
#[derive(Debug)]
pub(crate) struct Pruner {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stop: StopSignal,
    failure: Mutex<Option<String>>,
}

impl Pruner {
    /// Starts the thread, if there may be something to remove. Call it before the log takes anything: the streams that are open now are those
    /// with entries below the minimum index that may still go on.
    pub(crate) fn start<S: Store>(shared: &Arc<Shared<S>>) -> std::io::Result<Option<Self>> {
        let Some(announced) = shared.directory.read().announced else { return Ok(None) };
        let state = Arc::new(State::default());
        let open = open_streams(&shared.directory.read());
        let worker = Worker { shared: Arc::downgrade(shared), announced, open, state: state.clone() };
        std::thread::Builder::new().name("vouchlog-prune".into()).spawn(in_span(move || worker.run()))?;
        Ok(Some(Self { state }))
    }

    /// Why the last attempt failed. The next may succeed; nothing else depends on it.
    pub(crate) fn failure(&self) -> Option<String> {
        self.state.failure.lock().clone()
    }
}

impl Drop for Pruner {
    fn drop(&mut self) {
        self.state.stop.raise();
    }
}

struct Worker<S> {
    shared: Weak<Shared<S>>,
    announced: Announcement,
    /// Streams that were open when the log was.
    open: HashSet<StreamId>,
    state: Arc<State>,
}

impl<S: Store> Worker<S> {
    fn run(self) {
        loop {
            let Some(shared) = self.shared.upgrade() else { return };
            let rest = match self.attempt(&shared) {
                Ok(Some(rest)) => rest,
                Ok(None) => {
                    *self.state.failure.lock() = None;
                    return;
                }
                Err(PruneError::Stopped) => return,
                Err(error) => {
                    tracing::error!(%error, "entries below the minimum index are not removed; retrying in a minute");
                    *self.state.failure.lock() = Some(error.to_string());
                    RETRY_AFTER
                }
            };
            drop(shared);
            if self.wait(rest).is_break() {
                return;
            }
        }
    }

    /// Does what can be done now. Returns how long to wait for the rest, or nothing once all is removed.
    fn attempt(&self, shared: &Shared<S>) -> Result<Option<Duration>, PruneError> {
        let index = self.announced.index.get();
        if shared.store.pruned().is_none_or(|gone| gone.announced() < index) {
            if !self.is_due(shared) {
                return Ok(Some(REST));
            }
            if !shared.store.shows(index)? {
                return Ok(Some(SHOWN_REST));
            }
            self.give_up(shared)?;
        }
        let mut removed = 0;
        loop {
            match shared.store.remove_pruned()? {
                0 => break,
                bundles => removed += bundles,
            }
            if self.wait(REMOVAL_REST).is_break() {
                return Err(PruneError::Stopped);
            }
        }
        if removed > 0 {
            tracing::info!(bundles = removed, "the entries that were given up are removed");
        }
        Ok(None)
    }

    /// Whether the world can read the announcement, and all that goes is sealed.
    fn is_due(&self, shared: &Shared<S>) -> bool {
        let published = shared.publisher.published();
        let is_published = published.is_some_and(|newest| newest.size().contains(self.announced.index));
        is_published && self.announced.minimum + WIDTH <= shared.store.sealed_size()
    }

    /// Finds out what may go, and has the store give it up.
    fn give_up(&self, shared: &Shared<S>) -> Result<(), PruneError> {
        let Announcement { minimum, index } = self.announced;
        let sequenced = shared.publisher.newest();
        let mut live = self.open.clone();
        let mut pace = Pace::of_bytes(BYTES_PER_SECOND);
        for bundle in minimum / WIDTH..sequenced.size().get().div_ceil(WIDTH) {
            let entries = framed_bundle(&*shared.store, &sequenced, bundle)?;
            add_streams(&shared.origin, &entries, bundle * WIDTH, &mut live);
            if self.wait(pace.wait_for(entries.bytes.len() as u64, Instant::now())).is_break() {
                return Err(PruneError::Stopped);
            }
        }
        let plan = sort(&*shared.store, minimum, &live, &mut |_, _| {
            self.wait(pace.wait_for(BUNDLE_BYTES, Instant::now()))
        })?;
        let (bundles, bytes, kept) = (plan.removed, plan.bytes, plan.kept.len());
        shared.store.prune(&pruned(plan, index))?;
        tracing::info!(minimum, bundles, bytes, kept, "entries below the minimum index were given up");
        Ok(())
    }

    /// Waits, unless the log stops meanwhile.
    fn wait(&self, time: Duration) -> ControlFlow<()> {
        if self.state.stop.wait(time) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}
