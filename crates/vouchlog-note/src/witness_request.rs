//! What the requests to a witness have in common: lines of their own, a proof, a blank line, a checkpoint (tlog-witness).

use std::fmt;

use vouchlog_merkle::Hash;

use crate::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_PROOF_HASHES};
use crate::note::UnverifiedNote;
use crate::note_error::NoteError;
use crate::text::{decode_hash, encode_base64};

// request = <lines of the kind of request>
//           *( base64(<hash[32]>) LF )
//           LF
//           <checkpoint note>

/// Takes a request apart: the lines before the blank one, and the checkpoint behind it.
pub(crate) fn split(
    bytes: &[u8],
) -> Result<(impl Iterator<Item = &str>, UnverifiedNote), WitnessRequestError> {
    let limit = MAX_ADD_CHECKPOINT_BYTES;
    if bytes.len() > limit {
        return Err(WitnessRequestError::TooLarge { bytes: bytes.len(), limit });
    }
    let text = str::from_utf8(bytes).map_err(|e| WitnessRequestError::NotUtf8 { at: e.valid_up_to() })?;
    // No line of the head is empty, so the first blank line parts it from the note.
    let (head, note) = text.split_once("\n\n").ok_or(WitnessRequestError::NoBlankLine)?;
    Ok((head.split('\n'), UnverifiedNote::parse(note.as_bytes())?))
}

/// Reads the lines of the proof.
pub(crate) fn parse_proof<'l>(
    lines: impl Iterator<Item = &'l str>,
) -> Result<Vec<Hash>, WitnessRequestError> {
    let mut hashes = Vec::new();
    for line in lines {
        // SPEC: at most 63 proof lines.
        check_proof_len(hashes.len() + 1)?;
        hashes.push(decode_hash(line).ok_or(WitnessRequestError::ProofHash { place: hashes.len() })?);
    }
    Ok(hashes)
}

/// Writes hashes, a line for each, the blank line and the checkpoint.
pub(crate) fn write_tail<'h>(
    f: &mut fmt::Formatter<'_>,
    hashes: impl IntoIterator<Item = &'h Hash>,
    note: &UnverifiedNote,
) -> fmt::Result {
    for hash in hashes {
        writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
    }
    write!(f, "\n{note}")
}

/// Checks what a request that was put together must hold for a witness to read it.
pub(crate) fn check_sendable(proof: &[Hash], request: &impl fmt::Display) -> Result<(), WitnessRequestError> {
    check_proof_len(proof.len())?;
    let (bytes, limit) = (request.to_string().len(), MAX_ADD_CHECKPOINT_BYTES);
    if bytes > limit { Err(WitnessRequestError::TooLarge { bytes, limit }) } else { Ok(()) }
}

fn check_proof_len(hashes: usize) -> Result<(), WitnessRequestError> {
    let limit = MAX_PROOF_HASHES;
    if hashes > limit { Err(WitnessRequestError::ProofTooLong { limit }) } else { Ok(()) }
}

/// Why a request of either kind to a witness was refused. The client is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessRequestError {
    /// The request was longer than the reader takes.
    #[error("the request has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the request.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The request was not UTF-8.
    #[error("the request is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Offset of the first byte that is not.
        at: usize,
    },
    /// No blank line parted the proof from the checkpoint.
    #[error("the request has no blank line before its checkpoint")]
    NoBlankLine,
    /// A line of the proof was no hash.
    #[error("hash {place} of the proof is not canonical base64 of 32 bytes")]
    ProofHash {
        /// Place of the hash, counted from 0.
        place: usize,
    },
    /// The proof was longer than any tree's.
    #[error("the proof has more than {limit} hashes")]
    ProofTooLong {
        /// Hashes a proof may have.
        limit: usize,
    },
    /// The checkpoint was not a note.
    #[error("the checkpoint of the request is rejected: {0}")]
    Note(#[from] NoteError),
}
