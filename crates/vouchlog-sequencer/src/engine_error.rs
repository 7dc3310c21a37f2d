//! Why a log did not open.

use thiserror::Error;
use vouchlog_note::VerifyingKey;
use vouchlog_storage::{CommitError, StoreError};

use crate::witnesses::GuardError;

/// Why a log did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store cannot be read, or is not this log's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The genesis entry could not be committed.
    #[error("the log could not be created: {0}")]
    Create(#[from] CommitError),
    /// The first entry is not signed by the key the log was opened with.
    #[error("the log in this store was created with another key: {0}")]
    LogKey(String),
    /// The log that this one was to continue does not name it, or this one names another predecessor or none.
    #[error("{0}")]
    Predecessor(String),
    /// The operator key is none that the log's entries name.
    #[error(
        "the log's operator is `{in_force}` since entry {since}; the key given was never the operator's: {given}"
    )]
    OperatorKey {
        /// The operator's key in force.
        in_force: Box<VerifyingKey>,
        /// The entry that put it in force.
        since: u64,
        /// What was given.
        given: Box<VerifyingKey>,
    },
    /// A new log needs to name its operator.
    #[error("a new log needs an operator key, which will enrol its gateways")]
    NoOperator,
    /// A key is of the wrong type or name.
    #[error("{0}")]
    Key(String),
    /// A witness knows more of the log than its store holds. Nothing was signed.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Something beside the store knows more of the log than the store holds. Nothing was signed.
    #[error(
        "{what} has seen {seen} entries of this log, but its store holds {size}: the store is an old copy, or damaged. Nothing was signed; restore the newest copy, or see `vouchlog recover`"
    )]
    Forgotten {
        /// What knows more.
        what: &'static str,
        /// Entries it knows.
        seen: u64,
        /// Entries in the store.
        size: u64,
    },
    /// The operating system gave no thread.
    #[error("no thread could be started: {0}")]
    Thread(std::io::Error),
}
