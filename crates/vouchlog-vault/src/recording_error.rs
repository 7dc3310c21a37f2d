//! Why something was not recorded.

use vouchlog_record::RecordId;
use vouchlog_statement::StatementError;

use crate::VaultError;

/// Why something was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The vault did not take or give it.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The record cannot be stated.
    #[error("record {record}: {error}")]
    Statement {
        /// Which.
        record: RecordId,
        /// Why.
        error: StatementError,
    },
    /// The vault does not take such a record, however often it is tried.
    #[error("{error}")]
    Refused {
        /// Which.
        record: RecordId,
        /// Why.
        error: VaultError,
    },
    /// There is no stream to sign for: the log refuses the gateway, or it was stopped.
    #[error("there is no stream to record to: {0}")]
    NoStream(vouchlog_api::Error),
    /// The record is in the vault and will be logged later: the way to the log is blocked.
    #[error("kept, but not sent to the log yet: {0}")]
    NotSubmitted(vouchlog_api::Error),
    /// What the vault holds of a record is damaged.
    #[error("record {record} is damaged in the vault: {problem}")]
    Damaged {
        /// Which.
        record: RecordId,
        /// What is wrong.
        problem: String,
    },
}
