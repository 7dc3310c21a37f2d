//! A store that is only read: the living part as it was found, over the segments.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::{TileId, TreeHead};
use vouchlog_storage::{
    Batch, CommitError, FileRange, Growth, Loaded, Part, Pruned, Store, StoreError, framing,
};

use crate::contents::Contents;
use crate::damage::Damage;
use crate::segments::Segments;

/// A store in a data directory that no method of it changes. Commits are refused.
#[derive(Debug)]
pub struct ReadOnly {
    contents: Contents,
    segments: Segments,
    signed: Option<TreeHead>,
    damages: Mutex<Vec<Damage>>,
}

impl ReadOnly {
    pub(crate) fn new(contents: Contents, segments: Segments, signed: Option<TreeHead>) -> Self {
        Self { contents, segments, signed, damages: Mutex::default() }
    }

    /// Takes the damage to indexes of segments that reads have met so far.
    pub fn take_damages(&self) -> Vec<Damage> {
        std::mem::take(&mut *self.damages.lock())
    }

    /// Finds a bundle by its tile when the index of its segment is damaged.
    fn find(&self, bundle: u64) -> Option<Bytes> {
        let tile = self.segments.read_tile(TileId { level: 0, index: bundle }).ok()?;
        let (offset, bytes) = self.segments.find(bundle, &tile).ok()??;
        let by_index = self.segments.locate(Part::Bundle(bundle));
        if (by_index.start, by_index.end) != (offset, offset + bytes.len() as u64)
            || by_index.file.ends_with(".index")
        {
            let message = format!("the index does not lead to entry bundle {bundle}, which is whole");
            let place = self.segments.locate_slot(bundle);
            let mut damages = self.damages.lock();
            if !damages.iter().any(|known| known.place == place) {
                damages.push(Damage { code: "segment-index", place, message });
            }
        }
        Some(bytes)
    }
}

impl Store for ReadOnly {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.contents.clone().loaded()
    }

    fn restore(&self, _growth: Growth) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&self, _expected: Option<u64>, _batch: Batch) -> Result<(), CommitError> {
        Err(CommitError::Refused("the store is open for reading only".into()))
    }

    fn note_signed(&self, _head: TreeHead) -> Result<(), StoreError> {
        Err(StoreError::Io("the store is open for reading only".into()))
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.signed)
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        let full = self.contents.sealed.checked_shr(8 * (u32::from(tile.level) + 1)).unwrap_or(0);
        if tile.index < full { self.segments.read_tile(tile).map(Some) } else { Ok(None) }
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        if bundle >= self.contents.sealed / 256 {
            return Ok(None);
        }
        let read = self.segments.read_bundle(bundle);
        if matches!(read, Err(StoreError::Pruned(_))) {
            return read.map(Some);
        }
        let is_framed = |bytes: &Bytes| framing::count(bytes) == Some(256);
        if read.as_ref().is_ok_and(is_framed) && self.segments.joins(bundle) {
            return read.map(Some);
        }
        self.find(bundle).map_or(read.map(Some), |bytes| Ok(Some(bytes)))
    }

    fn sealed_size(&self) -> u64 {
        self.contents.sealed
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        Some(self.segments.locate(part))
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.segments.pruned()
    }

    fn impediment(&self) -> Option<String> {
        Some("the store is open for reading only".into())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
