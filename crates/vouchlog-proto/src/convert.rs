//! Conversions between messages and the types of `vouchlog-api`; this file has what all of them share.

mod gateway;
mod log;
mod receipt;
#[cfg(test)]
mod tests;
mod witness;

pub use log::EntryName;

use bytes::Bytes;
use thiserror::Error;
use vouchlog_merkle::{Hash, ProofError};
use vouchlog_note::{AddCheckpointError, NoteError, SignSubtreeError};
use vouchlog_stream::{LoggedAt, SequenceNumber, StreamId};

/// A message that is not valid. The field is named as in the `.proto` files.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A field that must be there is not.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// Bytes that must be a hash or digest have another length.
    #[error("`{field}` has {length} bytes, not 32")]
    Length {
        /// The field.
        field: &'static str,
        /// Bytes it has.
        length: usize,
    },
    /// A number that no value of its field can be.
    #[error("`{field}` cannot be {value}")]
    Number {
        /// The field.
        field: &'static str,
        /// What it is.
        value: u64,
    },
    /// More items than the field may have.
    #[error("`{field}` has {count} items, more than {limit}")]
    Count {
        /// The field.
        field: &'static str,
        /// Items it has.
        count: usize,
        /// Items it may have.
        limit: usize,
    },
    /// One of the statements is wrong.
    #[error("statement {place}: {error}")]
    Statement {
        /// Which one, from 0.
        place: usize,
        /// What is wrong with it.
        error: Box<ConvertError>,
    },
    /// The hashes cannot be a proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The checkpoint is not a note.
    #[error("`checkpoint` is rejected: {0}")]
    Note(#[from] NoteError),
    /// No witness could read the checkpoint with its proof.
    #[error(transparent)]
    AddCheckpoint(#[from] AddCheckpointError),
    /// No witness could read the subtree with its proof.
    #[error(transparent)]
    SignSubtree(#[from] SignSubtreeError),
}

impl From<ConvertError> for vouchlog_api::Error {
    fn from(error: ConvertError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// Hashes as messages carry them. All of them are slices of one allocation.
pub fn hash_messages(hashes: &[Hash]) -> Vec<Bytes> {
    let mut joined: Vec<u8> = Vec::with_capacity(hashes.len() * Hash::LEN);
    for hash in hashes {
        joined.extend_from_slice(hash.as_bytes());
    }
    let joined = Bytes::from(joined);
    (0..hashes.len()).map(|place| joined.slice(place * Hash::LEN..(place + 1) * Hash::LEN)).collect()
}

/// Hashes as a message carried them, at most `limit`.
pub fn hashes_from_messages(
    field: &'static str,
    messages: &[Bytes],
    limit: usize,
) -> Result<Vec<Hash>, ConvertError> {
    if messages.len() > limit {
        return Err(ConvertError::Count { field, count: messages.len(), limit });
    }
    messages.iter().map(|bytes| Ok(Hash::from_bytes(array(field, bytes)?))).collect()
}

/// The 32 bytes of a hash or digest.
fn array(field: &'static str, bytes: &[u8]) -> Result<[u8; 32], ConvertError> {
    bytes.try_into().map_err(|_| ConvertError::Length { field, length: bytes.len() })
}

fn stream_id(field: &'static str, value: u64) -> Result<StreamId, ConvertError> {
    StreamId::new(value).ok_or(ConvertError::Number { field, value })
}

fn sequence(field: &'static str, value: u64) -> Result<SequenceNumber, ConvertError> {
    SequenceNumber::new(value).ok_or(ConvertError::Number { field, value })
}

fn logged_at(value: u64) -> Result<LoggedAt, ConvertError> {
    LoggedAt::from_millis(value).ok_or(ConvertError::Number { field: "logged_at", value })
}
