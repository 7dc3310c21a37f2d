//! Why a log does not open.

use thiserror::Error;
use vouchlog_note::{CheckpointError, KeyError, Origin, VerifyingKey};
use vouchlog_storage::StoreError;
use vouchlog_stream::TextError;

use crate::keys::KeyFileError;

/// Why a log did not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The origin cannot name a log.
    #[error("`{origin}` cannot name a log: {error}")]
    Origin {
        /// The origin.
        origin: String,
        /// What is wrong with it.
        error: CheckpointError,
    },
    /// The log's key is not called as the log is, or is no key of a log.
    #[error("`{key}` is not the key of the log `{origin}`: a log's key has type 0x01 and the log's name")]
    LogKey {
        /// The log's name.
        origin: Origin,
        /// The key.
        key: Box<VerifyingKey>,
    },
    /// A new log was given a key, but no name: the key could be a gateway's.
    #[error("a new log was given the key `{}`, but no origin: is it the log's key, or a gateway's?", .0.name())]
    NoOrigin(Box<VerifyingKey>),
    /// The origin is no name for a key, and the log's key is called as the log is.
    #[error("`{origin}` cannot name a log: {error}")]
    KeyName {
        /// The origin.
        origin: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// A key file could not be made or read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// There is a log in the directory, but not its key.
    #[error("the data directory holds the log `{0}` but not its key: log.key is missing")]
    NoLogKey(String),
    /// The store cannot be read, is another log's, or is open elsewhere.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] vouchlog_sequencer::EngineError),
    /// A gateway could not be enrolled: the operator's key is not here.
    #[error("gateways cannot be enrolled here: the operator's key is not at hand")]
    NoOperatorKey,
    /// An enrolment could not be signed.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The log refused a gateway.
    #[error("the gateway was not enrolled: {0}")]
    Enrol(vouchlog_api::Error),
    /// The thread that opened the log was lost.
    #[error("the log was not opened: its thread panicked or the runtime is stopping")]
    Interrupted,
}
