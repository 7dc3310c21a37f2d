//! The newest head that a log signed, as the file SIGNED holds it: size (8) and root (32), in two slots.

use vouchlog_ledger::{Disk, TwoSlots};
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::StoreError;

use crate::book::store_error;
use crate::names::SIGNED;

/// The newest head that a log whose data directory is `disk` signed, as far as is remembered outside its living part.
pub fn read_signed(disk: &dyn Disk) -> Result<Option<TreeHead>, StoreError> {
    let value = TwoSlots::read(disk, SIGNED).map_err(|error| store_error(&error))?;
    Ok(value.and_then(|value| {
        let (size, root) = value.split_first_chunk::<8>()?;
        Some(TreeHead { size: TreeSize::new(u64::from_be_bytes(*size)), root: Hash::try_from(root).ok()? })
    }))
}

/// Empty while nothing was signed.
pub(crate) fn encode_signed(head: Option<TreeHead>) -> Vec<u8> {
    head.map_or_else(Vec::new, |head| [&head.size.get().to_be_bytes()[..], head.root.as_bytes()].concat())
}
