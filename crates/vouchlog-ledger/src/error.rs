//! The ways a ledger fails. What matters to its user is whether the outcome of a write is known.

use std::io;

use thiserror::Error;

/// A ledger that cannot be opened or read. Nothing was changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// The operating system failed.
    #[error("{file} could not be {action}: {source}")]
    Io {
        /// What was attempted: "read", "written", "opened".
        action: &'static str,
        /// Name of the file.
        file: String,
        /// The error.
        source: io::Error,
    },
    /// The bytes in a file are not what was written.
    #[error("{file} is damaged at byte {offset}: {reason}")]
    Damaged {
        /// Name of the file.
        file: String,
        /// Where the damage begins, in bytes from the start of the file.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// A file, or the end of one, that was acknowledged is gone.
    #[error("{file} is incomplete: {reason}")]
    Lost {
        /// Name of the file.
        file: String,
        /// What is missing.
        reason: String,
    },
    /// The files belong to another ledger or were written for another purpose.
    #[error("{file} is not a file of this ledger: {reason}")]
    Foreign {
        /// Name of the file.
        file: String,
        /// What differs.
        reason: String,
    },
    /// Another process has the ledger open.
    #[error("the ledger is already open in another process")]
    InUse,
}

impl LedgerError {
    /// For `map_err`: names the file an operation failed on.
    pub fn io(action: &'static str, file: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let file = file.into();
        move |source| Self::Io { action, file, source }
    }

    /// Whether the bytes on disk are wrong, as opposed to a failure of the operating system that may pass.
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Lost { .. } | Self::Foreign { .. })
    }
}

/// A write that did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// Nothing was written. The next write may succeed.
    #[error("nothing was written: {0}")]
    Refused(String),
    /// The records may or may not be durable. Nothing more is written until the ledger is opened again.
    #[error("the outcome of the write is unknown: {0}")]
    Unknown(String),
}
