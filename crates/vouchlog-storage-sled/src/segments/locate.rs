//! Where sealed objects lie, also when the index of a segment does not tell, and their replacement in place.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytes::Bytes;
use vouchlog_merkle::TileId;
use vouchlog_storage::{FileRange, Part, Sealed as _, StoreError};

use super::{
    MAX_BUNDLE_BYTES, PER_SEGMENT, SLOT_BYTES, Segments, TILE_BYTES, bundle_length, encode_slot,
    is_bundle_of, place,
};
use crate::files::{io_error, name};

/// What is read first of a bundle of unknown length, in bytes.
const FIRST_READ: u64 = 64 * 1024;

impl Segments {
    /// Where an object lies by the index of its segment. A bundle whose slot of the index cannot be read is located by that slot.
    pub(crate) fn locate(&self, part: Part) -> FileRange {
        match part {
            Part::Tile(tile) => {
                let start = place(tile.index, TILE_BYTES);
                self.named(&self.tile_path(tile), start, start + TILE_BYTES as u64)
            }
            Part::Bundle(bundle) => match self.slot(bundle) {
                Ok((start, length)) => {
                    self.named(&self.bundle_path(bundle, "data"), start, start.saturating_add(length.into()))
                }
                Err(_) => self.locate_slot(bundle),
            },
        }
    }

    /// Where the slot of a bundle lies in the index of its segment.
    pub(crate) fn locate_slot(&self, bundle: u64) -> FileRange {
        let start = place(bundle, SLOT_BYTES);
        self.named(&self.bundle_path(bundle, "index"), start, start + SLOT_BYTES as u64)
    }

    fn named(&self, path: &Path, start: u64, end: u64) -> FileRange {
        let below = path.strip_prefix(&self.dir).unwrap_or(path);
        FileRange { file: format!("sealed/{}", below.display()), start, end }
    }

    /// Whether the slot of a bundle begins where the one before it ends.
    pub(crate) fn joins(&self, bundle: u64) -> bool {
        self.slot(bundle).is_ok_and(|(offset, _)| self.end_before(bundle) == Some(offset))
    }

    /// Finds a bundle by what its tile covers, wherever its slot of the index points: its offset and its bytes.
    pub(crate) fn find(&self, bundle: u64, tile: &[u8]) -> Result<Option<(u64, Bytes)>, StoreError> {
        let own = self.slot(bundle).ok().map(|(offset, _)| offset);
        let mut tried = Vec::new();
        for offset in [self.end_before(bundle), own].into_iter().flatten() {
            if tried.contains(&offset) {
                continue;
            }
            tried.push(offset);
            if let Some(found) = self.find_at(bundle, tile, offset)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A bundle at an offset, if it is there and the tile covers it.
    pub(crate) fn find_at(
        &self,
        bundle: u64,
        tile: &[u8],
        offset: u64,
    ) -> Result<Option<(u64, Bytes)>, StoreError> {
        let path = self.bundle_path(bundle, "data");
        let size = fs::metadata(&path).map_or(0, |file| file.len());
        let Some(available) = size.checked_sub(offset).filter(|bytes| *bytes > 0) else { return Ok(None) };
        let bytes = self.bundle_at(&path, offset, available)?;
        Ok(bytes.filter(|bytes| is_bundle_of(bytes, tile)).map(|bytes| (offset, bytes)))
    }

    /// The framed bundle that begins at an offset, if one does; no more is read than it takes to see that.
    fn bundle_at(&self, path: &Path, offset: u64, available: u64) -> Result<Option<Bytes>, StoreError> {
        let available = available.min(MAX_BUNDLE_BYTES.into());
        let mut length = FIRST_READ.min(available);
        loop {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            self.read(path, &mut bytes, offset)?;
            if let Some(end) = bundle_length(&bytes) {
                bytes.truncate(end);
                return Ok(Some(bytes.into()));
            }
            if length >= available {
                return Ok(None);
            }
            length = (length * 8).min(available);
        }
    }

    /// Asks the system to drop its cached copy of an object, so that the next read comes from the disk. That it may not do so
    /// costs a later finding, nothing else.
    pub(super) fn drop_cached(&self, part: Part) {
        #[cfg(target_os = "linux")]
        {
            let (path, place) = match part {
                Part::Tile(tile) => (self.tile_path(tile), self.locate(part)),
                Part::Bundle(bundle) => (self.bundle_path(bundle, "data"), self.locate(part)),
            };
            let length = std::num::NonZeroU64::new(place.end.saturating_sub(place.start));
            if let (Ok(file), Some(length)) = (self.reader(&path), length) {
                let _ = rustix::fs::fadvise(&*file, place.start, Some(length), rustix::fs::Advice::DontNeed);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = part;
    }

    /// Where the bundle before this one ends, by its slot.
    fn end_before(&self, bundle: u64) -> Option<u64> {
        if bundle.is_multiple_of(PER_SEGMENT) {
            return Some(0);
        }
        let (offset, length) = self.slot(bundle - 1).ok()?;
        offset.checked_add(length.into())
    }

    /// Replaces an object where it lies. The place of a bundle must follow from two of three: the slot before it, its own slot and
    /// the slot after it. A wrong place would overwrite other bundles.
    pub(crate) fn replace(&self, part: Part, bytes: &[u8]) -> Result<(), StoreError> {
        let replaced = match part {
            Part::Tile(tile) => self.replace_tile(tile, bytes),
            Part::Bundle(bundle) => self.replace_bundle(bundle, bytes),
        };
        // Also after a failure, which may have come after the write.
        self.pairs.clear();
        replaced
    }

    fn replace_tile(&self, tile: TileId, bytes: &[u8]) -> Result<(), StoreError> {
        if bytes.len() != TILE_BYTES {
            return Err(StoreError::Damaged("a tile of another length replaces nothing".into()));
        }
        write_at(&self.tile_path(tile), bytes, place(tile.index, TILE_BYTES))?;
        self.open.lock().clear();
        Ok(())
    }

    fn replace_bundle(&self, bundle: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if bundle_length(bytes) != Some(bytes.len()) {
            return Err(StoreError::Damaged("a bundle of another length replaces nothing".into()));
        }
        self.check_kept(Part::Bundle(bundle))?;
        if self.is_compact(bundle) {
            return Err(StoreError::Io(format!(
                "entry bundle {bundle} lies in a pruned segment, in which none is replaced"
            )));
        }
        let before = self.end_before(bundle);
        let own = self.slot(bundle).ok().map(|(offset, _)| offset);
        let is_last = bundle % PER_SEGMENT == PER_SEGMENT - 1 || bundle + 1 >= self.next.lock().bundle;
        let after = if is_last { None } else { self.slot(bundle + 1).ok().map(|(offset, _)| offset) };
        let after = after.and_then(|offset| offset.checked_sub(bytes.len() as u64));
        let votes = [before, own, after];
        let agreed = votes.iter().flatten().find(|offset| {
            let count = votes.iter().flatten().filter(|vote| vote == offset).count();
            count >= 2 || bundle.is_multiple_of(PER_SEGMENT) && **offset == 0
        });
        let Some(offset) = agreed.copied() else {
            let index = name(&self.bundle_path(bundle, "index"));
            return Err(StoreError::Damaged(format!(
                "{index} does not give the place of entry bundle {bundle}"
            )));
        };
        write_at(&self.bundle_path(bundle, "data"), bytes, offset)?;
        let slot = encode_slot(offset, bytes.len());
        write_at(&self.bundle_path(bundle, "index"), &slot, place(bundle, SLOT_BYTES))?;
        self.open.lock().clear();
        Ok(())
    }
}

/// Overwrites part of a file, durably.
fn write_at(path: &Path, bytes: &[u8], offset: u64) -> Result<(), StoreError> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(io_error("opened", path))?;
    file.write_all_at(bytes, offset).map_err(io_error("written", path))?;
    file.sync_all().map_err(|error| StoreError::Unsynced(format!("{}: {error}", name(path))))
}
