//! A store of a living and a sealed part: commits go to the living part, and a thread moves what became full to the sealed
//! part behind them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex, RwLock};
use vouchlog_merkle::{TileId, TreeHead};

use crate::{
    Batch, CommitError, Epoch, FileRange, Growth, Living, Loaded, Part, Pruned, Sealed, Store, StoreError,
    Tenure,
};

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
    /// Whether the thread is to seal what is full and end.
    stop: bool,
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
        self.shared.seal().inspect_err(|error| self.shared.report(error))
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
            if self.changed.wait_until(&mut control, deadline).timed_out() {
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
        loop {
            let stop = self.wait_for_work();
            let failed = self.seal().map_err(|error| self.report(&error)).is_err();
            if stop {
                return;
            }
            if failed {
                std::thread::sleep(RETRY_AFTER);
            }
        }
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

    /// One sealing: write, sync, record in the living part, forget. A crash between any two steps repeats it.
    fn seal(&self) -> Result<(), StoreError> {
        if self.has_failed() {
            return Ok(());
        }
        let (tiles, bundles) = {
            let unsealed = self.unsealed.read();
            let tiles: Vec<_> = unsealed.tiles.iter().map(|(id, bytes)| (*id, bytes.clone())).collect();
            let bundles: Vec<_> = unsealed.bundles.iter().map(|(n, bytes)| (*n, bytes.clone())).collect();
            (tiles, bundles)
        };
        let Some((last, _)) = bundles.last() else { return Ok(()) };
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
        Ok(())
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
mod tests {
    use vouchlog_merkle::{CompactRange, Hash, TreeSize, leaf_hash, tiles_of_growth};

    use super::*;

    /// A living part that remembers how far it was told that everything is sealed.
    #[derive(Debug, Default)]
    struct Plain {
        head: Mutex<Option<TreeHead>>,
        sealed: Mutex<u64>,
    }

    impl Living for Plain {
        fn claim(&self) -> Result<Epoch, StoreError> {
            Ok(Epoch::new(1))
        }

        fn load(&self) -> Result<Option<Loaded>, StoreError> {
            Ok(None)
        }

        fn head(&self) -> Result<Option<TreeHead>, StoreError> {
            Ok(*self.head.lock())
        }

        fn commit(&self, _: Epoch, _: Option<u64>, batch: &Batch) -> Result<(), CommitError> {
            *self.head.lock() = Some(batch.head);
            Ok(())
        }

        fn seal(&self, _: Epoch, up_to: u64) -> Result<(), StoreError> {
            *self.sealed.lock() = up_to;
            Ok(())
        }

        fn note_signed(&self, _: TreeHead) -> Result<(), StoreError> {
            Ok(())
        }

        fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
            Ok(None)
        }

        fn impediment(&self) -> Option<String> {
            None
        }

        fn close(&self) -> Result<(), StoreError> {
            Ok(())
        }
    }

    /// A sealed part whose first writes fail.
    #[derive(Debug)]
    struct Failing(Mutex<Vec<StoreError>>);

    impl Sealed for Failing {
        fn put(&self, _: &[(TileId, Bytes)], _: &[(u64, Bytes)]) -> Result<(), StoreError> {
            self.0.lock().pop().map_or(Ok(()), Err)
        }

        fn tile(&self, _: TileId) -> Result<Bytes, StoreError> {
            Err(StoreError::Damaged("not asked for".into()))
        }

        fn bundle(&self, _: u64) -> Result<Bytes, StoreError> {
            Err(StoreError::Damaged("not asked for".into()))
        }

        fn place(&self, _: Part) -> Option<FileRange> {
            None
        }

        fn reread(&self, _: Part) -> Result<Bytes, StoreError> {
            Err(StoreError::Damaged("not asked for".into()))
        }

        fn find_bundle(&self, _: u64, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
            Ok(None)
        }

        fn repair(&self, _: Part, _: &Bytes) -> Result<(), StoreError> {
            Ok(())
        }
    }

    /// A full bundle from `old` on.
    fn batch(old: u64) -> Batch {
        let entry = [0, 1, 7];
        let mut range = CompactRange::new();
        (0..old + 256).for_each(|_| range.append(leaf_hash(&entry[2..])));
        let head = TreeHead { size: TreeSize::new(old + 256), root: range.root().unwrap() };
        let tiles = tiles_of_growth(TreeSize::new(old), head.size);
        let growth = Growth {
            tiles: tiles.map(|id| (id, vec![0; 256 * Hash::LEN].into())).collect(),
            bundles: vec![(old / 256, entry.repeat(256).into())],
        };
        Batch { head, count: 256, entries: entry.repeat(256).into(), states: Vec::new(), growth }
    }

    fn wait_until(mut condition: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition() {
            assert!(Instant::now() < deadline, "it never happened");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_failed_sync_while_sealing_stops_all_writing() {
        let failing = Failing(Mutex::new(vec![StoreError::Unsynced("EIO".into())]));
        let store = Sealing::start(Plain::default(), failing).unwrap();
        store.commit(None, batch(0)).unwrap();
        wait_until(|| store.impediment().is_some());
        let refused = store.commit(Some(256), batch(256)).unwrap_err();
        assert!(
            matches!(&refused, CommitError::Refused(reason) if reason.contains("sync failed")),
            "{refused}"
        );
        // The next sync would succeed; that proves nothing, so it is not even tried.
        std::thread::sleep(2 * RETRY_AFTER);
        assert_eq!(*store.living().sealed.lock(), 0);
        assert!(store.impediment().is_some());
    }

    #[test]
    fn another_history_in_the_sealed_part_stops_all_writing() {
        let failing = Failing(Mutex::new(vec![StoreError::Conflict("tile/0/000 has other bytes".into())]));
        let store = Sealing::start(Plain::default(), failing).unwrap();
        store.commit(None, batch(0)).unwrap();
        wait_until(|| store.impediment().is_some());
        let refused = store.commit(Some(256), batch(256)).unwrap_err();
        assert!(
            matches!(&refused, CommitError::Refused(reason) if reason.contains("other bytes")),
            "{refused}"
        );
        assert_eq!(*store.living().sealed.lock(), 0);
    }

    #[test]
    fn what_is_known_not_to_be_written_is_retried() {
        let failing = Failing(Mutex::new(vec![StoreError::Io("no space left on device".into())]));
        let store = Sealing::start(Plain::default(), failing).unwrap();
        store.commit(None, batch(0)).unwrap();
        store.commit(Some(256), batch(256)).unwrap();
        wait_until(|| *store.living().sealed.lock() == 512);
        assert_eq!(store.impediment(), None);
    }
}
