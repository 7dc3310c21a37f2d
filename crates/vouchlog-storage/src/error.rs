//! The ways a store fails. What matters to the engine is whether the outcome of a commit is known.

use thiserror::Error;

/// A store that cannot be read, opened or understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, the file system or the database failed.
    #[error("the store failed: {0}")]
    Io(String),
    /// A sync failed: what was written before it may not be on the disk. Final until the store is opened again.
    #[error("a sync failed; written data may not survive a power cut: {0}")]
    Unsynced(String),
    /// The bytes in the store are not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The store was made by another version, or for another log.
    #[error("{0}")]
    Foreign(String),
    /// Another process has the store open.
    #[error("the store is already open in another process")]
    InUse,
}

/// A commit that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommitError {
    /// Nothing was written, for certain: the engine may go on with the next batch.
    #[error("nothing was committed: {0}")]
    Refused(String),
    /// The head in the store is not the one the engine expected: another process writes. Nothing was written.
    #[error("the head in the store has size {found}, not {expected}: another process is writing")]
    Moved {
        /// Size the engine expected.
        expected: u64,
        /// Size in the store.
        found: u64,
    },
    /// The batch may or may not have been written. Only opening the store again can tell.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
}
