//! Bounds on messages that both sides keep, with their reasons.

use vouchlog_api::limits::{MAX_NOTE_BYTES, MAX_STATEMENTS};
use vouchlog_note::limits::MAX_ADD_CHECKPOINT_BYTES;

/// The most bytes of one [`Statement`](crate::v1::Statement) inside a request: tag and length (2), kind (2), evidence (5),
/// digest (34).
const MAX_STATEMENT_BYTES: usize = 43;

/// The longest request that a log reads: the most statements, the longest note, and room for the few numbers beside them.
/// Unknown fields can make a legal message longer; no client sends them. About 754 KiB.
pub const MAX_REQUEST_BYTES: usize = MAX_STATEMENTS * MAX_STATEMENT_BYTES + MAX_NOTE_BYTES + 1024;

/// The most fields of a message, each element of a list counted: twice the most statements. It bounds the memory that a hostile message
/// takes, whose smallest statements have 2 bytes, and 48 once decoded.
pub const MAX_FIELDS: usize = 2 * MAX_STATEMENTS;

/// The longest request that a witness reads. As a message each is shorter than as the text it is over HTTP.
pub const MAX_WITNESS_REQUEST_BYTES: usize = MAX_ADD_CHECKPOINT_BYTES;

/// The longest answer of a witness that a client reads: signature lines, or a checkpoint with the lines of its log and one
/// witness. A line of ML-DSA-44, the longest there is, has 3.3 kB.
pub const MAX_WITNESS_RESPONSE_BYTES: usize = 64 * 1024;

/// The longest answer a client has to read, 4 MiB, the default limit of gRPC clients.
pub const MAX_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// The most fields of a request to a vault, those inside others counted: a thousand records are the most that one names, and this is four
/// times as many. It bounds the memory that a hostile message takes.
#[cfg(feature = "vault")]
pub const MAX_VAULT_FIELDS: usize = 4_096;
