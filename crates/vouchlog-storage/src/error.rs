//! The ways a store fails. What matters to the engine is whether the outcome of a commit is known.

use thiserror::Error;

/// A store that cannot be read, opened or understood.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The disk, the file system or the database failed.
    #[error("the store failed: {0}")]
    Io(String),
    /// The object store with the sealed part did not do what was asked of it. The same may be tried again.
    #[error("the object store failed: {0}")]
    ObjectStore(String),
    /// The object store given is not the one with this log's sealed part, or cannot hold one.
    #[error("{0}")]
    ForeignObjects(String),
    /// A sync failed: what was written before it may not be on the disk. Final until the store is opened again.
    #[error("a sync failed; written data may not survive a power cut: {0}")]
    Unsynced(String),
    /// The bytes in the store are not what was written.
    #[error("the store is damaged: {0}")]
    Damaged(String),
    /// The entries were given up on purpose; the log's minimum index is named. No damage.
    #[error("the entries were pruned: the log's minimum index is {0}")]
    Pruned(u64),
    /// What is stored belongs to another history of the log, or to another log. Final until the store is opened again:
    /// nothing was overwritten, and nothing more is written.
    #[error("{0}")]
    Conflict(String),
    /// The store was made by another version, or for another log.
    #[error("{0}")]
    Foreign(String),
    /// The log was moved to another store, which is named: nothing signs from this one.
    #[error("the log was moved to {0}: this copy of it signs nothing more")]
    Moved(String),
    /// The log is being moved here from another store, which is named.
    #[error("the log is being moved here from {0}, and the move is not complete")]
    Arriving(String),
    /// Another process has the store open.
    #[error("the store is already open in another process")]
    InUse,
    /// Another process holds the lease on the log.
    #[error("another process leads the log: {0}")]
    Leased(String),
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
    /// Another process has claimed the log since. Nothing was written, and this process writes nothing more.
    #[error("another process has taken over the log: {0}")]
    Fenced(String),
    /// The batch may or may not have been written. Only opening the store again can tell.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
}
