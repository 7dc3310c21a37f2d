//! A store in memory that keeps the whole contract, and fails on demand.
//!
//! A [`FaultPlan`] names the commits that fail and how. What the store would find after a crash can be opened as a new store
//! with [`MemoryStore::reopen`], so that tests can walk through every outcome: failed and not written, failed but written.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use vouchlog_merkle::{TileId, TreeHead};

use crate::{Batch, CommitError, Growth, Loaded, Pruned, StateKey, Store, StoreError, Tenure, framing};

/// How a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The commit is refused, and nothing was written.
    Refuse,
    /// The commit reports an unknown outcome, and nothing was written.
    Lose,
    /// The commit reports an unknown outcome, but it was written.
    Keep,
    /// The commit never returns, and nothing was written.
    Hang,
    /// A read fails.
    Read,
}

/// Which calls fail: the nth call (from 0) of the store since the plan was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// Commits, by number.
    pub commits: HashMap<u64, Fault>,
    /// Reads of tiles and bundles, by number.
    pub reads: HashMap<u64, Fault>,
}

/// What would be on the disk.
#[derive(Clone, Debug, Default)]
struct Disk {
    head: Option<TreeHead>,
    /// What was noted as signed; survives a crash of the process.
    signed: Option<TreeHead>,
    /// Framed entries by the index of their first.
    records: BTreeMap<u64, (u64, Bytes)>,
    states: BTreeMap<StateKey, Bytes>,
    sealed: u64,
    pruned: Option<Arc<Pruned>>,
}

/// The store.
#[derive(Debug, Default)]
pub struct MemoryStore {
    disk: Mutex<Disk>,
    tiles: RwLock<HashMap<TileId, Bytes>>,
    bundles: RwLock<HashMap<u64, Bytes>>,
    faults: Mutex<(FaultPlan, u64, u64)>,
    closed: Mutex<bool>,
    /// None is held.
    tenure: Mutex<Option<Tenure>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which calls fail from here on, and restarts the count.
    pub fn set_faults(&self, plan: FaultPlan) {
        *self.faults.lock() = (plan, 0, 0);
    }

    /// Sets whether the process may sign, as the lease of another store would.
    pub fn set_tenure(&self, tenure: Tenure) {
        *self.tenure.lock() = Some(tenure);
    }

    /// What a new process would find: everything committed, nothing that was only in memory.
    pub fn reopen(&self) -> Self {
        let disk = self.disk.lock().clone();
        let sealed = disk.sealed;
        let tiles =
            self.tiles.read().iter().filter(|(id, _)| is_sealed(**id, sealed)).map(clone_pair).collect();
        let bundles =
            self.bundles.read().iter().filter(|(b, _)| (**b + 1) * 256 <= sealed).map(clone_pair).collect();
        Self {
            disk: Mutex::new(disk),
            tiles: RwLock::new(tiles),
            bundles: RwLock::new(bundles),
            faults: Mutex::default(),
            closed: Mutex::default(),
            tenure: Mutex::default(),
        }
    }

    /// Changes one byte of a sealed bundle or tile, as a failing disk or an intruder would. For tests of those who check.
    pub fn corrupt_bundle(&self, bundle: u64, offset: usize) {
        if let Some(bytes) = self.bundles.write().get_mut(&bundle) {
            let mut damaged = bytes.to_vec();
            damaged[offset] ^= 1;
            *bytes = damaged.into();
        }
    }

    fn commit_fault(&self) -> Option<Fault> {
        let mut faults = self.faults.lock();
        let call = faults.1;
        faults.1 += 1;
        faults.0.commits.get(&call).copied()
    }

    fn read_fault(&self) -> Result<(), StoreError> {
        let mut faults = self.faults.lock();
        let call = faults.2;
        faults.2 += 1;
        match faults.0.reads.get(&call) {
            Some(_) => Err(StoreError::Io("planned fault".into())),
            None => Ok(()),
        }
    }

    fn keep(&self, growth: Growth) {
        self.tiles.write().extend(growth.tiles);
        self.bundles.write().extend(growth.bundles);
    }

    fn write(&self, batch: Batch) {
        let mut disk = self.disk.lock();
        let first = batch.head.size.get() - batch.count;
        if batch.count > 0 {
            disk.records.insert(first, (batch.count, batch.entries));
        }
        for (key, value) in batch.states {
            if value.is_empty() {
                disk.states.remove(&key);
            } else {
                disk.states.insert(key, value);
            }
        }
        disk.head = Some(batch.head);
        drop(disk);
        self.keep(batch.growth);
    }
}

fn clone_pair<K: Clone, V: Clone>((key, value): (&K, &V)) -> (K, V) {
    (key.clone(), value.clone())
}

/// Whether all leaves below a tile are sealed.
fn is_sealed(tile: TileId, sealed: u64) -> bool {
    let width = 8 * (u32::from(tile.level) + 1);
    sealed.checked_shr(width).unwrap_or(0) > tile.index
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        let mut disk = self.disk.lock();
        let Some(head) = disk.head else { return Ok(None) };
        let sealed = disk.sealed;
        disk.records.retain(|first, (count, _)| *first + *count > sealed);
        let tail = cut_tail(&disk.records, sealed)?;
        let states = disk.states.iter().map(clone_pair).collect();
        Ok(Some(Loaded { head, sealed, tail, states }))
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.keep(growth);
        Ok(())
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        if *self.closed.lock() {
            return Err(CommitError::Refused("the store is closed".into()));
        }
        batch.check_head(expected, self.disk.lock().head)?;
        batch.check(expected)?;
        match self.commit_fault() {
            Some(Fault::Refuse) => return Err(CommitError::Refused("planned fault".into())),
            Some(Fault::Lose) => return Err(CommitError::Unknown("planned fault".into())),
            Some(Fault::Hang) => loop {
                std::thread::park();
            },
            Some(Fault::Keep) => {
                self.write(batch);
                return Err(CommitError::Unknown("planned fault".into()));
            }
            Some(Fault::Read) | None => {}
        }
        self.write(batch);
        Ok(())
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.disk.lock().signed = Some(head);
        Ok(())
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.disk.lock().signed)
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.read_fault()?;
        Ok(self.tiles.read().get(&tile).cloned())
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.read_fault()?;
        if let Some(pruned) = &self.disk.lock().pruned {
            pruned.check_kept(bundle)?;
        }
        Ok(self.bundles.read().get(&bundle).cloned())
    }

    /// What is full; this store seals only when it is closed.
    fn sealed_size(&self) -> u64 {
        self.disk.lock().sealed
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.disk.lock().pruned.clone()
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        if *self.closed.lock() {
            return Err(StoreError::Io("the store is closed".into()));
        }
        let mut disk = self.disk.lock();
        pruned.check(disk.sealed, disk.pruned.as_deref())?;
        disk.pruned = Some(Arc::new(pruned.clone()));
        self.bundles.write().retain(|bundle, _| !pruned.has_removed(*bundle));
        Ok(())
    }

    fn impediment(&self) -> Option<String> {
        self.closed.lock().then(|| "the store is closed".into())
    }

    fn tenure(&self) -> Tenure {
        self.tenure.lock().clone().unwrap_or(Tenure::Held)
    }

    fn close(&self) -> Result<(), StoreError> {
        *self.closed.lock() = true;
        let mut disk = self.disk.lock();
        if let Some(head) = disk.head {
            disk.sealed = head.size.get() & !255;
        }
        Ok(())
    }
}

/// The framed entries from `sealed` on: the first record may begin before it.
fn cut_tail(records: &BTreeMap<u64, (u64, Bytes)>, sealed: u64) -> Result<Vec<Bytes>, StoreError> {
    let mut tail = Vec::new();
    for (first, (_, entries)) in records {
        let skip = sealed.saturating_sub(*first);
        tail.push(
            framing::skip(entries, skip)
                .ok_or_else(|| StoreError::Damaged("a commit record is cut".into()))?,
        );
    }
    Ok(tail)
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::{Hash, TreeHead, TreeSize};

    use super::*;
    use crate::{MemoryIndex, conformance};

    #[test]
    fn passes_the_suite_of_stores() {
        conformance::check_store(|| {
            let mut last = Arc::new(MemoryStore::new());
            move || {
                last = Arc::new(last.reopen());
                last.clone()
            }
        });
    }

    #[test]
    fn passes_the_suite_of_stores_that_give_up_entries() {
        conformance::check_pruning(|| {
            let mut last = Arc::new(MemoryStore::new());
            move || {
                last = Arc::new(last.reopen());
                last.clone()
            }
        });
    }

    #[test]
    fn its_index_passes_the_suite_of_indexes() {
        conformance::check_index(|| MemoryIndex::default);
    }

    fn states_only(size: u64) -> Batch {
        let tree = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([1; 32]) };
        Batch {
            head: tree,
            count: 0,
            entries: Bytes::new(),
            states: vec![(StateKey::new(b"state".to_vec()), Bytes::from_static(b"value"))],
            growth: Growth::default(),
        }
    }

    #[test]
    fn fails_as_planned() {
        for (fault, outcome, written) in [
            (Fault::Refuse, Err(CommitError::Refused("planned fault".into())), false),
            (Fault::Lose, Err(CommitError::Unknown("planned fault".into())), false),
            (Fault::Keep, Err(CommitError::Unknown("planned fault".into())), true),
            (Fault::Read, Ok(()), true),
        ] {
            let store = MemoryStore::new();
            store.set_faults(FaultPlan { commits: [(1, fault)].into(), reads: [(0, Fault::Read)].into() });
            assert!(store.entry_bundle(0).is_err(), "the first read fails");
            assert_eq!(store.entry_bundle(0), Ok(None), "the second does not");
            let mut first = states_only(0);
            first.states.clear();
            store.commit(None, first).unwrap();
            assert_eq!(store.commit(Some(0), states_only(0)), outcome);
            let states = store.reopen().load().unwrap().unwrap().states;
            assert_eq!(!states.is_empty(), written, "{fault:?}");
        }
    }

    #[test]
    fn a_damaged_bundle_differs_in_one_byte() {
        let store = MemoryStore::new();
        store.restore(Growth { tiles: Vec::new(), bundles: vec![(0, Bytes::from_static(b"abc"))] }).unwrap();
        store.corrupt_bundle(0, 1);
        assert_eq!(store.entry_bundle(0), Ok(Some(Bytes::from_static(b"acc"))));
        store.corrupt_bundle(1, 0);
    }
}
