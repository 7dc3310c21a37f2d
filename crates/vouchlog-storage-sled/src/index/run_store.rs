//! The runs of an index and what is not in a run yet, as one table.
//!
//! Runs do not overlap. What is recent follows the first gap: at the end of the log, or where a run was damaged and is built again from
//! the log. So all entries below the end of what is recent are covered, and when a run is lost, the index covers less until the gap is
//! filled.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, RwLock};
use vouchlog_ledger::{Disk, TwoSlots};
use vouchlog_storage::{IndexBatch, StoreError};

use super::block::{Outcome, Trouble};
use super::merge::{FAN_IN, level, pick};
use super::recent::Recent;
use super::run::{Run, file_name, range_of, write_recent};

/// Two slots: how far this index ever reached. After a power cut it may be an older value.
const SEEN: &str = "SEEN";

/// Runs of the lowest level that may wait to be merged: four merges' worth. Beyond it nothing is added.
const MAX_WAITING: usize = 4 * FAN_IN;
/// How long an addition waits for merges before it adds nothing.
const MERGE_PATIENCE: Duration = Duration::from_secs(1);

/// Whether damaged runs may be deleted and what is recent may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    Write,
}

#[derive(Debug)]
pub(super) struct RunStore {
    pub(super) disk: Arc<dyn Disk>,
    access: Access,
    state: RwLock<State>,
    /// Held by what adds entries.
    seen: Mutex<Reach>,
    signal: Mutex<Signal>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// By range.
    runs: Arc<Vec<Arc<Run>>>,
    recent: Recent,
}

/// How far the index reached, and where that is written.
#[derive(Debug)]
struct Reach {
    size: u64,
    slots: Option<TwoSlots>,
}

#[derive(Debug, Default)]
struct Signal {
    stop: bool,
    /// Why runs cannot be merged now.
    failure: Option<String>,
}

/// What was found among what is recent, with the runs of that moment.
pub(super) struct Moment<T> {
    pub(super) runs: Arc<Vec<Arc<Run>>>,
    pub(super) covered: u64,
    pub(super) recent: T,
}

impl RunStore {
    /// Opens the runs on `disk`. One that is damaged is deleted, or is an error when nothing may be written.
    pub(super) fn open(disk: Arc<dyn Disk>, access: Access) -> Result<Self, StoreError> {
        let names = disk.list().map_err(Trouble::Io)?;
        let mut ranges: Vec<Range<u64>> = names.iter().filter_map(|name| range_of(name)).collect();
        // The longer first of those that begin together: what it was merged from lies within it, and may be left over.
        ranges.sort_unstable_by_key(|range| (range.start, u64::MAX - range.end));
        let mut runs: Vec<Arc<Run>> = Vec::new();
        let mut useless: Vec<String> =
            names.iter().filter(|name| name.ends_with(".run.new")).cloned().collect();
        for range in ranges {
            let name = file_name(&range);
            if runs.last().is_some_and(|last| range.start < last.range.end) {
                useless.push(name);
                continue;
            }
            match Run::open(&*disk, &range) {
                Ok(run) => runs.push(Arc::new(run)),
                Err(Trouble::Damaged(reason)) if access == Access::Write => {
                    warn_damaged(&range, &reason);
                    useless.push(name);
                }
                Err(trouble) => return Err(trouble.of(&range).into()),
            }
        }
        let last = runs.last().map_or(0, |run| run.range.end);
        let seen = TwoSlots::read(&*disk, SEEN).ok().flatten();
        let seen = seen.and_then(|seen| seen.try_into().ok()).map_or(0, u64::from_be_bytes).max(last);
        let slots = if access == Access::Write {
            useless.iter().try_for_each(|name| disk.remove(name)).map_err(Trouble::Io)?;
            let slots = TwoSlots::open(&*disk, SEEN, &seen.to_be_bytes());
            Some(slots.map_err(|error| StoreError::Io(format!("the lookup index failed: {error}")))?)
        } else {
            None
        };
        let mut state = State { runs: Arc::new(runs), recent: Recent::default() };
        state.recent = Recent::new(state.gap().0, state.gap().1);
        Ok(Self {
            disk,
            access,
            state: RwLock::new(state),
            seen: Mutex::new(Reach { size: seen, slots }),
            signal: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub(super) fn covered(&self) -> u64 {
        self.state.read().recent.range.end
    }

    pub(super) fn seen(&self) -> u64 {
        self.seen.lock().size
    }

    /// Looks at what is recent, together with the runs of the same moment.
    pub(super) fn look<T>(&self, find: impl FnOnce(&Recent) -> T) -> Moment<T> {
        let state = self.state.read();
        let recent = find(&state.recent);
        Moment { runs: Arc::clone(&state.runs), covered: state.recent.range.end, recent }
    }

    pub(super) fn runs(&self) -> Arc<Vec<Arc<Run>>> {
        Arc::clone(&self.state.read().runs)
    }

    /// Adds a batch, unless it does not begin where the index ends now.
    pub(super) fn put(&self, batch: &IndexBatch) -> Result<(), StoreError> {
        let mut seen = self.seen.lock();
        let mut from = batch.from;
        loop {
            if !self.make_room()? {
                break;
            }
            let mut state = self.state.write();
            let State { recent, .. } = &mut *state;
            if recent.range.end != from || from >= batch.upto {
                break;
            }
            from = batch.upto.min(recent.limit);
            recent.add(batch, from);
        }
        let reached = self.covered();
        if reached > seen.size {
            seen.size = reached;
            if let Some(slots) = &mut seen.slots {
                slots.put(&reached.to_be_bytes()).map_err(Trouble::Io)?;
            }
        }
        Ok(())
    }

    /// Writes what is recent as a run, however little it is.
    pub(super) fn write_rest(&self) -> Result<(), StoreError> {
        let _adding = self.seen.lock();
        self.write_recent()
    }

    /// Replaces the runs that are covered by a new one, which is on disk already.
    ///
    /// Nothing happens when one of `merged` is gone: then the new run is deleted.
    pub(super) fn install(&self, range: &Range<u64>, merged: &[Arc<Run>]) -> Outcome<()> {
        let new = match Run::open(&*self.disk, range) {
            Ok(new) => Arc::new(new),
            Err(trouble) => {
                // What was just written is not what it should be. What it was made from is still there.
                let _ = self.disk.remove(&file_name(range));
                return Err(Trouble::Io(std::io::Error::other(format!("{trouble:?}"))));
            }
        };
        let is_installed = {
            let mut state = self.state.write();
            let is_there = |run: &Arc<Run>| state.runs.iter().any(|other| Arc::ptr_eq(run, other));
            let overlaps = |other: &Arc<Run>| {
                other.range.start < range.end
                    && range.start < other.range.end
                    && !merged.iter().any(|run| Arc::ptr_eq(run, other))
            };
            let fits = merged.iter().all(is_there) && !state.runs.iter().any(overlaps);
            if fits {
                state.change(|runs| {
                    runs.retain(|other| !merged.iter().any(|run| Arc::ptr_eq(run, other)));
                    runs.push(new);
                    runs.sort_unstable_by_key(|run| run.range.start);
                });
            }
            fits
        };
        let useless: Vec<String> = if is_installed {
            merged.iter().map(|run| file_name(&run.range)).collect()
        } else {
            vec![file_name(range)]
        };
        // If this fails, the next start deletes them.
        useless.iter().try_for_each(|name| self.disk.remove(name)).map_err(Trouble::Io)?;
        self.signal(|_| ());
        Ok(())
    }

    /// Forgets a run that is damaged, so that it is built again from the log.
    pub(super) fn lose(&self, run: &Arc<Run>, reason: &str) -> Result<(), StoreError> {
        if self.access == Access::ReadOnly {
            return Err(Trouble::Damaged(reason.to_owned()).of(&run.range).into());
        }
        let is_new = {
            let mut state = self.state.write();
            let before = state.runs.len();
            state.change(|runs| runs.retain(|other| !Arc::ptr_eq(run, other)));
            state.runs.len() < before
        };
        if is_new {
            warn_damaged(&run.range, reason);
            // If this fails, the run is found to be damaged once more after the next start.
            let _ = self.disk.remove(&file_name(&run.range)).and_then(|()| self.disk.sync());
            self.signal(|_| ());
        }
        Ok(())
    }

    /// The next runs to merge; waits until there are any. `None` when the index is being closed.
    pub(super) fn next_merge(&self) -> Option<Vec<Arc<Run>>> {
        let mut signal = self.signal.lock();
        loop {
            if signal.stop {
                return None;
            }
            if let Some(runs) = pick(&self.runs(), u32::MAX) {
                return Some(runs);
            }
            self.changed.wait(&mut signal);
        }
    }

    /// Waits, unless the index is being closed meanwhile; whether it is.
    pub(super) fn pause(&self, wait: Duration) -> bool {
        let mut signal = self.signal.lock();
        if !signal.stop && !wait.is_zero() {
            self.changed.wait_while_for(&mut signal, |signal| !signal.stop, wait);
        }
        signal.stop
    }

    /// Reports why runs cannot be merged, or that they can again.
    pub(super) fn report_merges(&self, failure: Option<String>) {
        self.signal(|signal| signal.failure = failure);
    }

    pub(super) fn stop(&self) {
        self.signal(|signal| signal.stop = true);
    }

    fn signal(&self, change: impl FnOnce(&mut Signal)) {
        change(&mut self.signal.lock());
        self.changed.notify_all();
    }

    /// Writes what is recent as a run if it is full; whether more can be added.
    fn make_room(&self) -> Result<bool, StoreError> {
        if !self.state.read().recent.is_full() {
            return Ok(true);
        }
        let waiting = || self.runs().iter().filter(|run| level(run) == 0).count();
        let mut signal = self.signal.lock();
        let must_wait =
            |signal: &mut Signal| !signal.stop && signal.failure.is_none() && waiting() > MAX_WAITING;
        self.changed.wait_while_for(&mut signal, must_wait, MERGE_PATIENCE);
        let failure = signal.failure.clone();
        drop(signal);
        if waiting() <= MAX_WAITING {
            return self.write_recent().map(|()| true);
        }
        failure.map_or(Ok(false), |failure| Err(StoreError::Io(failure)))
    }

    fn write_recent(&self) -> Result<(), StoreError> {
        let recent = self.state.read().recent.clone();
        if recent.range.is_empty() {
            return Ok(());
        }
        let range = recent.range.clone();
        write_recent(&*self.disk, recent)?;
        Ok(self.install(&range, &[])?)
    }
}

impl State {
    /// Where the first gap begins, and where the next run behind it does.
    fn gap(&self) -> (u64, Option<u64>) {
        let mut from = 0;
        for run in self.runs.iter() {
            if run.range.start > from {
                return (from, Some(run.range.start));
            }
            from = run.range.end;
        }
        (from, None)
    }

    /// Changes the runs. What is recent is kept if it still follows the first gap.
    fn change(&mut self, change: impl FnOnce(&mut Vec<Arc<Run>>)) {
        let mut runs = Vec::clone(&self.runs);
        change(&mut runs);
        self.runs = Arc::new(runs);
        let (from, next) = self.gap();
        if self.recent.range.start != from {
            self.recent = Recent::new(from, next);
        }
    }
}

fn warn_damaged(range: &Range<u64>, reason: &str) {
    tracing::warn!(
        reason,
        "the part of the lookup index for entries {} to {} is damaged and is rebuilt from the log",
        range.start,
        range.end - 1
    );
}
