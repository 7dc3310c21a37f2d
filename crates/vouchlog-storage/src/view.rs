//! A log as a process sees it that does not write it: a standby, which follows what its leader commits and signs.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_merkle::TileId;

use crate::{Pruned, StoreError, Tail};

/// The newest checkpoints that the leader of a log has shown, as notes that are not verified here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoints {
    /// The newest it signed.
    pub signed: Option<String>,
    /// The newest it published, if any: with a witness policy it has cosignatures and may lag behind, otherwise it is the newest it signed.
    pub published: Option<String>,
    /// How many entries are committed, signed or not.
    pub committed: u64,
}

/// Committed entries that are not sealed, read at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsealed {
    /// Everything below is sealed. A multiple of 256.
    pub sealed: u64,
    /// Index of the first entry of `tail`: what was asked for, or `sealed` if that is larger.
    pub first: u64,
    /// The entries from there to the end.
    pub tail: Tail,
}

/// A log in a store that another process writes. Nothing here takes a lock that a commit would wait for. Its methods block.
pub trait View: Send + Sync + 'static {
    /// The newest checkpoints.
    fn checkpoints(&self) -> Result<Checkpoints, StoreError>;

    /// The committed entries from `first` on, as far as they are not sealed.
    fn unsealed(&self, first: u64) -> Result<Unsealed, StoreError>;

    /// A full tile that is sealed.
    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError>;

    /// A full entry bundle that is sealed.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] when it was given up.
    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError>;

    /// The entries that were given up.
    fn pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        Ok(None)
    }
}
