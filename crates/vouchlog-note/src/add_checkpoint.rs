//! The request that asks a witness for its cosignature (tlog-witness, add-checkpoint).

use std::fmt;

use vouchlog_merkle::{ConsistencyProof, TreeSize};

use crate::limits::{MAX_PROOF_HASHES, MAX_TREE_SIZE};
use crate::note::UnverifiedNote;
use crate::text::parse_decimal;
use crate::witness_request::{WitnessRequestError, check_sendable, parse_proof, split, write_tail};

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
    /// request passes [`MAX_ADD_CHECKPOINT_BYTES`](crate::limits::MAX_ADD_CHECKPOINT_BYTES).
    pub fn new(
        old_size: TreeSize,
        proof: ConsistencyProof,
        note: UnverifiedNote,
    ) -> Result<Self, AddCheckpointError> {
        if old_size.get() > MAX_TREE_SIZE {
            return Err(AddCheckpointError::OldSize);
        }
        let request = Self { old_size, proof, note };
        check_sendable(request.proof.hashes(), &request)?;
        Ok(request)
    }

    /// Reads a request of at most [`MAX_ADD_CHECKPOINT_BYTES`](crate::limits::MAX_ADD_CHECKPOINT_BYTES).
    pub fn parse(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        let (mut lines, note) = split(bytes)?;
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old_size.and_then(parse_decimal).filter(|&size| size <= MAX_TREE_SIZE);
        let old_size = TreeSize::new(old_size.ok_or(AddCheckpointError::OldSize)?);
        let proof = ConsistencyProof::from_hashes(parse_proof(lines)?);
        let proof = proof.map_err(|_| WitnessRequestError::ProofTooLong { limit: MAX_PROOF_HASHES })?;
        Ok(Self { old_size, proof, note })
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
        write_tail(f, self.proof.hashes(), &self.note)
    }
}

/// Why an add-checkpoint request was refused. The client is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// The first line was missing or held no decimal below 2^63.
    #[error("the first line is not 'old <decimal>'")]
    OldSize,
    /// Another part of the request was malformed.
    #[error(transparent)]
    Request(#[from] WitnessRequestError),
}
