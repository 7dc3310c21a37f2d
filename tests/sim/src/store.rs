//! The store of the simulated log: the real `Sealing` of the two parts on the simulated disk.

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::{TileId, TreeHead};
use vouchlog_storage::{Batch, CommitError, Growth, Living, Loaded, Sealing, Store, StoreError};
use vouchlog_storage_sled::parts::Twice;

use crate::disk::SimDisk;
use crate::living::{self, FirstLedger};
use crate::plant::Plant;
use crate::segments::SimSegments;

/// The store.
#[derive(Debug)]
pub(crate) struct SimStore {
    parts: Sealing<Twice<FirstLedger>, SimSegments>,
    disk: SimDisk,
    plant: Option<Plant>,
    /// Heads that a planted bug showed to readers.
    shown: Mutex<Vec<TreeHead>>,
}

impl SimStore {
    /// Opens the store on a disk, or makes it.
    pub(crate) fn open(disk: &SimDisk, plant: Option<Plant>) -> Result<Self, StoreError> {
        let living = living::open(disk, plant)?;
        let (size, sealed) = living.size_and_sealed();
        let segments = SimSegments::open(disk.folder("sealed"), sealed, plant)?;
        if segments.has_bundle(size / 256) {
            return Err(StoreError::Damaged("live/ and ledger/ are older than sealed/".into()));
        }
        let parts = Sealing::start_without_thread(living, segments)?;
        Ok(Self { parts, disk: disk.clone(), plant, shown: Mutex::default() })
    }

    /// Seals what is full.
    pub(crate) fn seal(&self) -> Result<(), StoreError> {
        self.parts.seal()
    }

    /// Entries that are committed.
    pub(crate) fn size(&self) -> u64 {
        self.parts.living().head().ok().flatten().map_or(0, |head| head.size.get())
    }

    pub(crate) fn take_shown(&self) -> Vec<TreeHead> {
        std::mem::take(&mut *self.shown.lock())
    }
}

impl Store for SimStore {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.parts.load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.parts.restore(growth)
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        if self.plant == Some(Plant::ShowBeforeCommit) {
            self.shown.lock().push(batch.head);
        }
        self.parts.commit(expected, batch)?;
        if expected.is_none() {
            // If it cannot be noted now, the next start does it.
            drop(living::note_begun(&self.disk));
        }
        Ok(())
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.parts.note_signed(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        self.parts.signed()
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.parts.tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.parts.entry_bundle(bundle)
    }

    fn impediment(&self) -> Option<String> {
        self.parts.impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.parts.close()
    }
}
