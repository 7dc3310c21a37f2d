//! A store of a living and a sealed part: commits go to the living part, and a thread moves what became full to the sealed
//! part behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use vouchlog_merkle::{TileId, TreeHead, TreeSize, full_tiles};

use crate::{
    Batch, CommitError, Epoch, FileRange, Growth, Living, Loaded, Part, Pruned, Sealed, Store, StoreError,
    Tenure,
};

mod pace;

use pace::{Pace, Portion};

/// Full bundles worth a sealing of their own: with fewer, the syncs of the sealed part would cost more than they save.
const WORTH_SEALING: usize = 64;
/// What is full is sealed after this long even if it is little.
const SEAL_AFTER: Duration = Duration::from_millis(500);
/// Unsealed bundles (a million entries' worth) at which commits wait: memory and restart time stay bounded even when
/// sealing is slow.
const MAX_UNSEALED: usize = 4096;
/// How long a commit waits for the sealer before it is refused.
const BACKLOG_PATIENCE: Duration = Duration::from_secs(10);
/// Pause after a failed sealing (a full disk may get room again).
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A store made of `L` and `S`, open in this process alone.
#[derive(Debug)]
pub struct Sealing<L, S> {
    shared: Arc<Shared<L, S>>,
    /// Without one, sealing happens when the caller asks for it.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Shared by the committing thread, the sealing thread and the readers.
#[derive(Debug)]
struct Shared<L, S> {
    living: L,
    sealed: S,
    epoch: Epoch,
    unsealed: RwLock<Unsealed>,
    control: Mutex<Control>,
    changed: Condvar,
}

/// What is full but not sealed. Readers look here first.
#[derive(Debug, Default)]
struct Unsealed {
    tiles: BTreeMap<TileId, Bytes>,
    bundles: BTreeMap<u64, Bytes>,
}

#[derive(Debug, Default)]
struct Control {
    /// Size up to which everything is sealed.
    sealed: u64,
    /// Why the last sealing failed. The next may succeed.
    failure: Option<String>,
    /// Why commits must not go on until the store is opened again.
    stopped: Option<String>,
    /// Commits that wait until the backlog is smaller.
    waiting: usize,
    /// Whether the thread is to seal what is full and end.
    stop: bool,
}

/// What is sealed at once.
type Full<K> = Vec<(K, Bytes)>;

impl Unsealed {
    /// The first bundles, and the tiles that are full with them.
    fn first(&self, portion: Portion) -> (Full<TileId>, Full<u64>) {
        let mut room = portion.bytes;
        let fits = |(nth, (_, bytes)): &(usize, (&u64, &Bytes))| {
            // One goes in any case.
            let fits = *nth == 0 || room >= bytes.len();
            room = room.saturating_sub(bytes.len());
            fits
        };
        let bundles = self.bundles.iter().take(portion.bundles).enumerate().take_while(fits);
        let bundles: Vec<_> = bundles.map(|(_, (n, bytes))| (*n, bytes.clone())).collect();
        let size = TreeSize::new(bundles.last().map_or(0, |(last, _)| (last + 1) * 256));
        let tiles = self.tiles.iter().filter(|(tile, _)| tile.index < full_tiles(tile.level, size));
        (tiles.map(|(tile, bytes)| (*tile, bytes.clone())).collect(), bundles)
    }
}

impl<L: Living, S: Sealed> Sealing<L, S> {
    /// Claims the living part and starts the sealing thread.
    pub fn start(living: L, sealed: S) -> Result<Self, StoreError> {
        let store = Self::start_without_thread(living, sealed)?;
        let (worker, span) = (store.shared.clone(), tracing::Span::current());
        let thread = std::thread::Builder::new()
            .name("vouchlog-sealer".into())
            .spawn(move || span.in_scope(|| worker.run()))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        *store.thread.lock() = Some(thread);
        Ok(store)
    }

    /// Claims the living part. Sealing happens in [`seal`](Self::seal) and when the store is closed, on the caller's thread: a
    /// simulation repeats a run exactly only if no thread of its own decides when.
    pub fn start_without_thread(living: L, sealed: S) -> Result<Self, StoreError> {
        let epoch = living.claim()?;
        let up_to = living.load()?.map_or(0, |loaded| loaded.sealed);
        let shared = Arc::new(Shared {
            living,
            sealed,
            epoch,
            unsealed: RwLock::default(),
            control: Mutex::new(Control { sealed: up_to, ..Control::default() }),
            changed: Condvar::new(),
        });
        Ok(Self { shared, thread: Mutex::default() })
    }

    /// Seals what is full, on this thread. For a store [without a thread](Self::start_without_thread).
    ///
    /// # Errors
    /// As the sealing thread would meet them; the store has taken note.
    pub fn seal(&self) -> Result<(), StoreError> {
        self.shared.seal_all().inspect_err(|error| self.shared.report(error))
    }

    /// The living part.
    pub fn living(&self) -> &L {
        &self.shared.living
    }

    /// The sealed part.
    pub fn sealed(&self) -> &S {
        &self.shared.sealed
    }
}

impl<L: Living, S: Sealed> Store for Sealing<L, S> {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.shared.living.load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.shared.add(growth);
        Ok(())
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        let shared = &self.shared;
        batch.check_head(
            expected,
            shared.living.head().map_err(|error| CommitError::Refused(error.to_string()))?,
        )?;
        batch.check(expected)?;
        shared.admit_commit().map_err(CommitError::Refused)?;
        match shared.living.commit(shared.epoch, expected, &batch) {
            Ok(()) => {
                shared.add(batch.growth);
                Ok(())
            }
            Err(error) => {
                match &error {
                    CommitError::Unknown(_) => {
                        shared.stop_writing("the outcome of an earlier commit is unknown: reopen the store");
                    }
                    CommitError::Fenced(_) => shared.stop_writing("another process has taken over the log"),
                    CommitError::Refused(_) | CommitError::Moved { .. } => {}
                }
                Err(error)
            }
        }
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.shared.living.note_signed(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        self.shared.living.signed()
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.shared.tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.shared.bundle(bundle)
    }

    fn sealed_size(&self) -> u64 {
        self.shared.control.lock().sealed
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        self.shared.sealed.place(part)
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        self.shared.sealed.reread(part)
    }

    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.shared.sealed.find_bundle(bundle, tile)
    }

    /// Only sealed objects are replaced, so a repair never meets the sealing thread at one place.
    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        let sealed = self.sealed_size();
        let is_sealed = match part {
            Part::Bundle(bundle) => bundle < sealed / 256,
            Part::Tile(tile) => tile.index < sealed.checked_shr(8 * (u32::from(tile.level) + 1)).unwrap_or(0),
        };
        if !is_sealed {
            return Err(StoreError::Io(format!("{part} is not sealed yet")));
        }
        if let Some(reason) = self.shared.control.lock().stopped.clone() {
            return Err(StoreError::Io(reason));
        }
        self.shared.sealed.repair(part, bytes).inspect_err(|error| {
            if matches!(error, StoreError::Unsynced(_) | StoreError::Conflict(_)) {
                self.shared.report(error);
            }
        })
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.shared.sealed.pruned()
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        if pruned.minimum() > self.sealed_size() {
            return Err(StoreError::Io(format!("entries below {} are not all sealed", pruned.minimum())));
        }
        self.shared.may_prune()?;
        self.shared.sealed.prune(pruned).inspect_err(|error| {
            if matches!(error, StoreError::Unsynced(_)) {
                self.shared.report(error);
            }
        })
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        self.shared.may_prune()?;
        self.shared.sealed.remove_pruned()
    }

    fn shows(&self, index: u64) -> Result<bool, StoreError> {
        self.shared.sealed.shows(index)
    }

    fn impediment(&self) -> Option<String> {
        let control = self.shared.control.lock();
        let (stopped, failure) = (control.stopped.clone(), control.failure.clone());
        drop(control);
        stopped.or_else(|| self.shared.living.impediment()).or(failure)
    }

    fn tenure(&self) -> Tenure {
        self.shared.living.tenure()
    }

    fn notes(&self) -> Vec<(String, String)> {
        self.shared.living.notes()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.shared.stop();
        match self.thread.lock().take() {
            Some(thread) => {
                thread.join().map_err(|_| StoreError::Io("the sealing thread panicked".into()))?;
            }
            // What cannot be sealed now is sealed after the next start.
            None => drop(self.seal()),
        }
        self.shared.living.close()
    }
}

impl<L, S> Drop for Sealing<L, S> {
    fn drop(&mut self) {
        // The thread ends by itself; without a proper close the next start repeats what it did not finish.
        let mut control = self.shared.control.lock();
        control.stopped.get_or_insert_with(|| "the store is closed".into());
        control.stop = true;
        drop(control);
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.lock().take()
            && thread.join().is_err()
        {
            tracing::error!("the sealing thread panicked");
        }
    }
}

impl<L: Living, S: Sealed> Shared<L, S> {
    /// Takes over what a commit completed.
    fn add(&self, growth: Growth) {
        {
            let mut unsealed = self.unsealed.write();
            unsealed.tiles.extend(growth.tiles);
            unsealed.bundles.extend(growth.bundles);
        }
        // Under the lock that a waiting thread looks under: it would sleep through a notification between look and sleep.
        drop(self.control.lock());
        self.changed.notify_all();
    }

    /// Waits until the backlog is small enough for another commit.
    fn admit_commit(&self) -> Result<(), String> {
        let deadline = Instant::now() + BACKLOG_PATIENCE;
        let mut control = self.control.lock();
        loop {
            if let Some(reason) = &control.stopped {
                return Err(reason.clone());
            }
            if self.unsealed.read().bundles.len() <= MAX_UNSEALED {
                return Ok(());
            }
            if let Some(failure) = &control.failure {
                return Err(format!("sealing failed: {failure}"));
            }
            // A sealing thread that takes its time goes on at once.
            control.waiting += 1;
            self.changed.notify_all();
            let timed_out = self.changed.wait_until(&mut control, deadline).timed_out();
            control.waiting -= 1;
            if timed_out {
                return Err("sealing cannot keep up with the commits".into());
            }
        }
    }

    /// Refuses to give up entries where this process may not write any more: the next leader goes on.
    fn may_prune(&self) -> Result<(), StoreError> {
        let stopped = self.control.lock().stopped.clone();
        match stopped.as_deref().or(self.living.tenure().obstacle()) {
            Some(reason) => Err(StoreError::Io(reason.to_owned())),
            None => Ok(()),
        }
    }

    fn stop_writing(&self, reason: &str) {
        self.control.lock().stopped.get_or_insert_with(|| reason.to_owned());
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.unsealed.read().tiles.get(&tile) {
            return Ok(Some(bytes.clone()));
        }
        // Sealed since the look above, sealed long ago, or not full yet: the sealed size tells.
        let leaves_shift = 8 * (u32::from(tile.level) + 1);
        let full = self.control.lock().sealed.checked_shr(leaves_shift).unwrap_or(0);
        if tile.index < full { self.sealed.tile(tile).map(Some) } else { Ok(None) }
    }

    fn bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        if let Some(bytes) = self.unsealed.read().bundles.get(&bundle) {
            return Ok(Some(bytes.clone()));
        }
        let full = self.control.lock().sealed / 256;
        if bundle < full { self.sealed.bundle(bundle).map(Some) } else { Ok(None) }
    }

    /// Refuses further commits; the thread seals what is full and ends.
    fn stop(&self) {
        let mut control = self.control.lock();
        control.stopped.get_or_insert_with(|| "the store is closed".into());
        control.stop = true;
        drop(control);
        self.changed.notify_all();
    }

    /// The thread: seals whenever enough is full, or little has been full for long enough, until told to stop.
    fn run(&self) {
        let mut pace = Pace::new(self.sealed.is_remote());
        loop {
            if self.wait_for_work() {
                return drop(self.seal_all().inspect_err(|error| self.report(error)));
            }
            let begun = Instant::now();
            match self.seal(pace.portion(self.is_hurried())) {
                Ok(sealed) => {
                    let left = self.unsealed.read().bundles.len();
                    let full = self.control.lock().sealed / 256 + left as u64;
                    self.rest(pace.rest(sealed, begun.elapsed(), (left, full)));
                }
                Err(error) => {
                    self.report(&error);
                    std::thread::sleep(RETRY_AFTER);
                }
            }
        }
    }

    /// Whether commits wait for the sealing.
    fn is_hurried(&self) -> bool {
        self.control.lock().waiting > 0
    }

    /// Leaves the processors and the network to the commits, unless they wait for the sealing, or the store is closed.
    fn rest(&self, time: Duration) {
        let until = Instant::now() + time;
        let mut control = self.control.lock();
        while !control.stop && control.waiting == 0 {
            if self.changed.wait_until(&mut control, until).timed_out() {
                return;
            }
        }
    }

    /// Seals everything that is full.
    fn seal_all(&self) -> Result<(), StoreError> {
        while self.seal(Portion::MOST)? > 0 {}
        Ok(())
    }

    fn wait_for_work(&self) -> bool {
        let deadline = Instant::now() + SEAL_AFTER;
        let mut control = self.control.lock();
        while !control.stop && self.unsealed.read().bundles.len() < WORTH_SEALING {
            if self.changed.wait_until(&mut control, deadline).timed_out() {
                break;
            }
        }
        control.stop
    }

    /// One sealing, of a portion of what is full: write, sync, record in the living part, forget. A crash between any two steps repeats it.
    /// Returns how many bundles there were.
    fn seal(&self, portion: Portion) -> Result<usize, StoreError> {
        if self.has_failed() {
            return Ok(0);
        }
        let (tiles, bundles) = self.unsealed.read().first(portion);
        let Some((last, _)) = bundles.last() else { return Ok(0) };
        let sealed = (last + 1) * 256;
        let _span = tracing::debug_span!("seal", size = sealed, bundles = bundles.len()).entered();
        self.check_joins(&bundles)?;
        self.sealed.put(&tiles, &bundles)?;
        self.living.seal(self.epoch, sealed)?;
        // Held until the backlog is smaller: a commit that waits for that looks at it under the same lock, and would
        // sleep through a notification between its look and its sleep.
        let mut control = self.control.lock();
        control.sealed = sealed;
        control.failure = None;
        let mut unsealed = self.unsealed.write();
        tiles.iter().for_each(|(id, _)| drop(unsealed.tiles.remove(id)));
        bundles.iter().for_each(|(n, _)| drop(unsealed.bundles.remove(n)));
        drop(unsealed);
        drop(control);
        self.changed.notify_all();
        Ok(bundles.len())
    }

    /// Whether a sync failed, or a commit has an unknown outcome. Closing alone is no failure.
    fn has_failed(&self) -> bool {
        let control = self.control.lock();
        control.stopped.is_some() && !control.stop
    }

    /// What is sealed is forgotten in the living part, so there must be no bundle missing between the sealed ones and
    /// these: there is one when an engine commits without having restored.
    fn check_joins(&self, bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let next = self.control.lock().sealed / 256;
        match bundles.iter().zip(next..).find(|((bundle, _), expected)| bundle != expected) {
            Some((_, missing)) => {
                Err(StoreError::Damaged(format!("entry bundle {missing} was never handed over")))
            }
            None => Ok(()),
        }
    }

    /// A failed sync is final: the kernel reports a failed write-back once, so a later sync that succeeds proves nothing. So is
    /// another history in the place of this one.
    fn report(&self, error: &StoreError) {
        if matches!(error, StoreError::Unsynced(_) | StoreError::Conflict(_)) {
            tracing::error!(%error, "sealing failed; nothing more is written");
            self.stop_writing(&format!("{error}; restart to recover"));
        } else {
            tracing::error!(%error, "sealing failed; it will be retried");
        }
        self.control.lock().failure = Some(error.to_string());
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests;
