//! What the living part needs of the store that holds its first copy. In a data directory that is sled (`live.rs`); a simulation
//! has another.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_storage::{Batch, CommitError, Epoch, StateKey, StoreError};

use crate::contents::Contents;

/// The first of the two copies.
pub trait FirstCopy: Send + Sync + 'static {
    /// Makes a batch durable, all or nothing. The batch has the number `commits`.
    ///
    /// # Errors
    /// [`CommitError::Unknown`]; nothing more is written then.
    fn commit(&self, commits: u64, epoch: Epoch, batch: &Batch) -> Result<(), CommitError>;

    /// Records that everything below `up_to` is sealed.
    fn seal(&self, up_to: u64) -> Result<(), StoreError>;

    /// All it holds.
    fn contents(&self) -> Result<Contents, StoreError>;

    /// Every state.
    fn states(&self) -> Result<BTreeMap<StateKey, Bytes>, StoreError>;

    /// Why nothing more is written, if so.
    fn failure(&self) -> Option<String>;
}
