//! The request that asks a witness for its cosignature (tlog-witness, add-checkpoint).

use std::fmt;

use vouchlog_merkle::{ConsistencyProof, TreeSize};

use crate::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_PROOF_HASHES, MAX_TREE_SIZE};
use crate::note::{NoteError, UnverifiedNote};
use crate::text::{decode_hash, encode_base64, parse_decimal};

// request = "old " <decimal size> LF
//           *( base64(<hash[32]>) LF )             consistency proof, old size to the checkpoint's
//           LF
//           <checkpoint note>

/// A checkpoint for a witness, with the proof that it extends the last one the witness saw. Well-formed, and
/// nothing more: the witness verifies.
#[derive(Clone, Debug)]
pub struct AddCheckpoint {
    old_size: TreeSize,
    proof: ConsistencyProof,
    note: UnverifiedNote,
}

impl AddCheckpoint {
    /// Puts a request together: `old_size` is that of the last checkpoint the witness cosigned, 0 if none.
    ///
    /// # Errors
    /// If no witness could read it: a size of 2^63 or more, a proof of more than 63 hashes, a note so long that the
    /// request passes [`MAX_ADD_CHECKPOINT_BYTES`].
    pub fn new(
        old_size: TreeSize,
        proof: ConsistencyProof,
        note: UnverifiedNote,
    ) -> Result<Self, AddCheckpointError> {
        if old_size.get() > MAX_TREE_SIZE {
            return Err(AddCheckpointError::OldSize);
        }
        if proof.hashes().len() > MAX_PROOF_HASHES {
            return Err(AddCheckpointError::ProofTooLong { limit: MAX_PROOF_HASHES });
        }
        let request = Self { old_size, proof, note };
        let (bytes, limit) = (request.to_text().len(), MAX_ADD_CHECKPOINT_BYTES);
        if bytes > limit {
            return Err(AddCheckpointError::TooLarge { bytes, limit });
        }
        Ok(request)
    }

    /// Reads a request of at most [`MAX_ADD_CHECKPOINT_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        let limit = MAX_ADD_CHECKPOINT_BYTES;
        if bytes.len() > limit {
            return Err(AddCheckpointError::TooLarge { bytes: bytes.len(), limit });
        }
        let text = str::from_utf8(bytes).map_err(|e| AddCheckpointError::NotUtf8 { at: e.valid_up_to() })?;
        let (head, note) = text.split_once("\n\n").ok_or(AddCheckpointError::NoBlankLine)?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old_size.and_then(parse_decimal).filter(|&size| size <= MAX_TREE_SIZE);
        let old_size = TreeSize::new(old_size.ok_or(AddCheckpointError::OldSize)?);
        let mut hashes = Vec::new();
        for line in lines {
            // SPEC: at most 63 proof lines.
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(AddCheckpointError::ProofTooLong { limit: MAX_PROOF_HASHES });
            }
            hashes.push(decode_hash(line).ok_or(AddCheckpointError::ProofHash { place: hashes.len() })?);
        }
        let limit = MAX_PROOF_HASHES;
        let proof =
            ConsistencyProof::from_hashes(hashes).map_err(|_| AddCheckpointError::ProofTooLong { limit })?;
        Ok(Self { old_size, proof, note: UnverifiedNote::parse(note.as_bytes())? })
    }

    /// The size the witness is thought to know.
    pub fn old_size(&self) -> TreeSize {
        self.old_size
    }

    /// The consistency proof from the old size to the checkpoint's.
    pub fn proof(&self) -> &ConsistencyProof {
        &self.proof
    }

    /// The checkpoint.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }

    /// The text of the request.
    pub fn to_text(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size.get())?;
        for hash in self.proof.hashes() {
            writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why an add-checkpoint request was refused. Whoever sent it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
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
    /// The first line was missing or held no decimal below 2^63.
    #[error("the first line is not 'old <decimal>'")]
    OldSize,
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
    #[error("the checkpoint of the request is refused: {0}")]
    Note(#[from] NoteError),
}
