//! Why a text is no record.

use thiserror::Error;

use crate::format::SCHEMA;
use crate::limits::{MAX_LIST, MAX_RECORD_BYTES, MAX_RECORD_DEPTH};

/// Why a text is no record.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is longer than [`MAX_RECORD_BYTES`].
    #[error(
        "the record has {0} bytes; at most {MAX_RECORD_BYTES} are accepted: store large content elsewhere and refer to it in `ref`"
    )]
    TooLong(usize),
    /// It is no JSON.
    #[error("the record is not valid JSON: {0}")]
    Json(serde_json::Error),
    /// It is no object.
    #[error("a record is a JSON object")]
    NotAnObject,
    /// It is nested deeper than [`MAX_RECORD_DEPTH`].
    #[error("the record is nested deeper than {MAX_RECORD_DEPTH} levels")]
    TooDeep,
    /// A list is longer than [`MAX_LIST`].
    #[error("{at}: more than {MAX_LIST} entries; split the interaction into several records")]
    TooMany {
        /// The endpoint.
        at: String,
    },
    /// It is of another format.
    #[error("the record's schema is `{0}`, not `{SCHEMA}`")]
    Schema(String),
    /// A field is not what it must be.
    #[error("{at}: {problem}")]
    Field {
        /// Where, as in `initiator.kind`.
        at: String,
        /// What is wrong.
        problem: String,
    },
}
