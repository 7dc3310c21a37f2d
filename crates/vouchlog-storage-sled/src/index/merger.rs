//! The thread that merges runs, at a bounded rate.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vouchlog_runtime::Pace;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::StoreError;

use super::block::{Outcome, Trouble};
use super::merge::{Failed, level, merge, pick};
use super::run::Run;
use super::run_store::RunStore;

/// Bytes that merges write in a second, at most. An entry is merged three times at 16 bytes, so this is enough for a million entries a
/// second, and leaves the disk to the commits.
const BYTES_PER_SECOND: u64 = 64 * 1024 * 1024;
/// How long it rests after a failure.
const REST: Duration = Duration::from_secs(1);

/// Merges until it is dropped.
#[derive(Debug)]
pub(super) struct Merger {
    store: Arc<RunStore>,
    thread: Option<JoinHandle<()>>,
}

impl Merger {
    pub(super) fn start(store: Arc<RunStore>) -> Result<Self, StoreError> {
        let work = Work { store: Arc::clone(&store), pace: Mutex::new(Pace::of_bytes(BYTES_PER_SECOND)) };
        let thread =
            std::thread::Builder::new().name("vouchlog-merge".into()).spawn(in_span(move || work.run()));
        Ok(Self { store, thread: Some(thread.map_err(Trouble::Io)?) })
    }
}

impl Drop for Merger {
    fn drop(&mut self) {
        self.store.stop();
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread that merges the lookup index panicked");
        }
    }
}

struct Work {
    store: Arc<RunStore>,
    pace: Mutex<Pace>,
}

impl Work {
    fn run(&self) {
        let mut is_failing = false;
        while let Some(runs) = self.store.next_merge() {
            let merged = self.merge(&runs);
            let was_failing = std::mem::replace(&mut is_failing, merged.is_err());
            match merged {
                Ok(()) if was_failing => self.store.report_merges(None),
                Ok(()) => {}
                Err(Trouble::Stopped) => return,
                Err(trouble) => {
                    let error = format!("runs of the index cannot be merged: {}", StoreError::from(trouble));
                    if !was_failing {
                        tracing::warn!(error, "this is retried every second");
                    }
                    self.store.report_merges(Some(error));
                    if self.store.pause(REST) {
                        return;
                    }
                }
            }
        }
    }

    /// Merges these runs, and whatever gathers on lower levels meanwhile: a long merge must not let small runs pile up.
    fn merge(&self, runs: &[Arc<Run>]) -> Outcome<()> {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
        let (range, level) = (first.range.start..last.range.end, level(first));
        let mut between = |written: u64| -> Outcome<()> {
            while let Some(lower) = pick(&self.store.runs(), level) {
                self.merge(&lower)?;
            }
            let wait = self.pace.lock().wait_for(written, Instant::now());
            if self.store.pause(wait) { Err(Trouble::Stopped) } else { Ok(()) }
        };
        match merge(&*self.store.disk, runs, &mut between) {
            Ok(()) => self.store.install(&range, runs),
            Err(Failed { trouble: Trouble::Damaged(reason), damaged: Some(run) }) => {
                self.store.lose(&run, &reason).map_err(|error| Trouble::Io(std::io::Error::other(error)))
            }
            Err(Failed { trouble, .. }) => Err(trouble),
        }
    }
}

/// Merges all there is to merge, on the caller's thread and as fast as it goes.
#[cfg(test)]
pub(super) fn merge_now(store: &Arc<RunStore>) -> Outcome<()> {
    let work = Work { store: Arc::clone(store), pace: Mutex::new(Pace::of_bytes(u64::MAX)) };
    while let Some(runs) = pick(&store.runs(), u32::MAX) {
        work.merge(&runs)?;
    }
    Ok(())
}
