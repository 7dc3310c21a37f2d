//! What can be wrong with an entry, and what a stream refuses.

use thiserror::Error;
use vouchlog_merkle::Hash;

use crate::{SequenceNumber, StreamId, TextError};

/// Bytes that are not an entry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// There are no bytes.
    #[error("an entry cannot be empty")]
    Empty,
    /// The first byte names no kind.
    #[error("no entry has kind {0:#04x}")]
    Kind(u8),
    /// The length does not fit the kind.
    #[error("an entry of kind {kind:#04x} cannot have {length} bytes")]
    Length {
        /// First byte.
        kind: u8,
        /// Bytes there are.
        length: usize,
    },
    /// The bitmap has a bit without meaning, or contradicts itself.
    #[error("evidence bitmap {0:#010x} uses undefined bits or makes two statements about the credential")]
    Evidence(u32),
    /// The body of a control entry is too long.
    #[error("the note of a control entry has {0} bytes, more than one of its kind may have")]
    NoteLength(usize),
    /// The body of a control entry is not the text of a note.
    #[error("the body of a control entry is not a signed note in UTF-8")]
    NoteText,
    /// Not 64 lowercase hexadecimal digits.
    #[error("a digest is 64 lowercase hexadecimal digits")]
    Digest,
}

/// Why a stream refuses a request. Each is the sender's to mend; none changes the stream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The sender believed another size than the log has (what a witness answers with 409).
    #[error("stream {stream} has size {size}, not {claimed}: drop the first statements and send the rest")]
    Conflict {
        /// The stream.
        stream: StreamId,
        /// The size the sender gave.
        claimed: u64,
        /// The size the log has.
        size: u64,
    },
    /// The head's note holds more than a checkpoint and one signature.
    #[error(
        "the head of stream {0} has extension lines, other signatures or another origin: send only its own lines and signature"
    )]
    NotPlain(StreamId),
    /// The signed size is not the old size plus the statements.
    #[error("the signed head has size {signed}, but {claimed} and {statements} statements make {}", claimed + statements)]
    HeadSize {
        /// Size in the signed head.
        signed: u64,
        /// Old size the sender gave.
        claimed: u64,
        /// Statements in the request.
        statements: u64,
    },
    /// The signed root is not the root of the statements: something was altered between signing and here.
    #[error("the signed root {signed} is not the root {computed} of these statements")]
    Root {
        /// Root in the signed head.
        signed: Hash,
        /// Root of the stream's tree with these statements.
        computed: Hash,
    },
    /// Two signed heads of one size have different roots.
    #[error("stream {stream} forked: the gateway signed two different histories of size {size}")]
    Fork {
        /// The stream.
        stream: StreamId,
        /// The size both heads have.
        size: u64,
    },
    /// The signed head is older than the one the log has.
    #[error(
        "the head of stream {stream} was signed at {signed}, not after {last}: an old head cannot be replayed"
    )]
    Replayed {
        /// The stream.
        stream: StreamId,
        /// Time in the head, seconds since 1970.
        signed: u64,
        /// Time in the newest head the log has.
        last: u64,
    },
    /// The stream was closed by its gateway.
    #[error("stream {0} is closed: open a new one that names it as its predecessor")]
    Closed(StreamId),
    /// A later stream named this one as its predecessor.
    #[error("stream {stream} was succeeded by stream {by}")]
    Superseded {
        /// The stream.
        stream: StreamId,
        /// Its successor.
        by: StreamId,
    },
    /// The stream is full.
    #[error("stream {0} has used all {max} sequence numbers: open a new one", max = SequenceNumber::MAX)]
    Full(StreamId),
    /// A signed note does not say what it must.
    #[error(transparent)]
    Text(#[from] TextError),
}
