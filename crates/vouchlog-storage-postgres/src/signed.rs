//! The newest head that this node signed, on its own disk: a database that was restored from an older dump holds less, and is refused.

use std::path::Path;

use parking_lot::Mutex;
use vouchlog_ledger::{Folder, TwoSlots};
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_runtime::durable;
use vouchlog_storage::StoreError;

/// The file, of the same name and format as beside a store on sled: size (8) and root (32), in two slots.
const FILE: &str = "SIGNED";

#[derive(Debug)]
pub(crate) struct Signed {
    /// None for a process that signs nothing.
    slots: Mutex<Option<TwoSlots>>,
    head: Mutex<Option<TreeHead>>,
}

impl Signed {
    pub(crate) fn open(dir: Option<&Path>) -> Result<Self, StoreError> {
        let Some(dir) = dir else { return Ok(Self { slots: Mutex::new(None), head: Mutex::new(None) }) };
        durable::make_dir(dir).map_err(|failed| StoreError::Io(failed.to_string()))?;
        let disk = Folder::new(dir);
        let value = TwoSlots::read(&disk, FILE).map_err(|error| StoreError::Io(error.to_string()))?;
        let head = value.as_deref().and_then(decode);
        let slots = TwoSlots::open(&disk, FILE, &head.map(encode).unwrap_or_default());
        let slots = slots.map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { slots: Mutex::new(Some(slots)), head: Mutex::new(head) })
    }

    pub(crate) fn head(&self) -> Option<TreeHead> {
        *self.head.lock()
    }

    pub(crate) fn note(&self, head: TreeHead) -> Result<(), StoreError> {
        let noted = self.slots.lock().as_mut().map_or(Ok(()), |slots| slots.put(&encode(head)));
        noted.map_err(|error| StoreError::Io(format!("{FILE} could not be written: {error}")))?;
        *self.head.lock() = Some(head);
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        let synced = self.slots.lock().as_mut().map_or(Ok(()), |slots| slots.sync());
        synced.map_err(|error| StoreError::Unsynced(format!("{FILE}: {error}")))
    }
}

fn encode(head: TreeHead) -> Vec<u8> {
    [&head.size.get().to_be_bytes()[..], head.root.as_bytes()].concat()
}

fn decode(value: &[u8]) -> Option<TreeHead> {
    let (size, root) = value.split_first_chunk::<8>()?;
    Some(TreeHead { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::try_from(root).ok()? })
}
