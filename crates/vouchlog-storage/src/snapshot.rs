//! A log as it was read at one moment, over its sealed part: for looking at it without writing, beside the process that serves it.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_merkle::{TileId, TreeHead};

use crate::{Batch, CommitError, Growth, Loaded, Pruned, Sealed, Store, StoreError};

/// A store that no method changes.
#[derive(Debug)]
pub struct Snapshot<S> {
    loaded: Option<Loaded>,
    signed: Option<TreeHead>,
    sealed: S,
}

impl<S: Sealed> Snapshot<S> {
    /// What the living part held, the newest head that the log is known to have signed, and the sealed part.
    pub fn new(loaded: Option<Loaded>, signed: Option<TreeHead>, sealed: S) -> Self {
        Self { loaded, signed, sealed }
    }
}

impl<S: Sealed> Store for Snapshot<S> {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        Ok(self.loaded.clone())
    }

    fn restore(&self, _: Growth) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(&self, _: Option<u64>, _: Batch) -> Result<(), CommitError> {
        Err(CommitError::Refused("the log is open for reading only".into()))
    }

    fn note_signed(&self, _: TreeHead) -> Result<(), StoreError> {
        Err(StoreError::Io("the log is open for reading only".into()))
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.signed)
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        let full = self.sealed_size().checked_shr(8 * (u32::from(tile.level) + 1)).unwrap_or(0);
        if tile.index < full { self.sealed.tile(tile).map(Some) } else { Ok(None) }
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        if bundle < self.sealed_size() / 256 { self.sealed.bundle(bundle).map(Some) } else { Ok(None) }
    }

    fn sealed_size(&self) -> u64 {
        self.loaded.as_ref().map_or(0, |loaded| loaded.sealed)
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.sealed.pruned()
    }

    fn impediment(&self) -> Option<String> {
        Some("the log is open for reading only".into())
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
