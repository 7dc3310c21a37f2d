//! The request that asks a witness to sign a subtree of a tree it cosigned (tlog-witness, sign-subtree).

use std::fmt;

use vouchlog_merkle::{Hash, ProofError, Subtree, SubtreeProof};

use crate::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_PROOF_HASHES, MAX_TREE_SIZE};
use crate::note::{NoteError, UnverifiedNote};
use crate::text::{decode_hash, encode_base64, parse_decimal};

// request = "subtree " <decimal begin> SP <decimal end> LF
//           base64(<subtree hash[32]>) LF
//           *( base64(<hash[32]>) LF )             proof that the subtree is part of the checkpoint's tree
//           LF
//           <checkpoint note, cosigned by the witness>

/// A subtree for a witness to sign, with the proof that it is part of a checkpoint the witness cosigned. Well-formed, and
/// nothing more: the witness verifies.
#[derive(Clone, Debug)]
pub struct SignSubtree {
    subtree: Subtree,
    hash: Hash,
    proof: SubtreeProof,
    note: UnverifiedNote,
}

impl SignSubtree {
    /// Puts a request together; `hash` is the subtree's own.
    ///
    /// # Errors
    /// If no witness could read it: leaves past 2^63, a proof of more than 63 hashes, a request longer than
    /// [`MAX_ADD_CHECKPOINT_BYTES`].
    pub fn new(
        subtree: Subtree,
        hash: Hash,
        proof: SubtreeProof,
        note: UnverifiedNote,
    ) -> Result<Self, SignSubtreeError> {
        if subtree.end() > MAX_TREE_SIZE {
            return Err(SignSubtreeError::FirstLine);
        }
        if proof.hashes().len() > MAX_PROOF_HASHES {
            return Err(SignSubtreeError::ProofTooLong { limit: MAX_PROOF_HASHES });
        }
        let request = Self { subtree, hash, proof, note };
        let (bytes, limit) = (request.to_string().len(), MAX_ADD_CHECKPOINT_BYTES);
        if bytes > limit {
            return Err(SignSubtreeError::TooLarge { bytes, limit });
        }
        Ok(request)
    }

    /// Reads a request of at most [`MAX_ADD_CHECKPOINT_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SignSubtreeError> {
        let limit = MAX_ADD_CHECKPOINT_BYTES;
        if bytes.len() > limit {
            return Err(SignSubtreeError::TooLarge { bytes: bytes.len(), limit });
        }
        let text = str::from_utf8(bytes).map_err(|e| SignSubtreeError::NotUtf8 { at: e.valid_up_to() })?;
        let (head, note) = text.split_once("\n\n").ok_or(SignSubtreeError::NoBlankLine)?;
        let mut lines = head.split('\n');
        let bounds = lines.next().and_then(parse_bounds).ok_or(SignSubtreeError::FirstLine)?;
        let subtree = Subtree::new(bounds.0, bounds.1)?;
        let hash = lines.next().and_then(decode_hash).ok_or(SignSubtreeError::SubtreeHash)?;
        let mut hashes = Vec::new();
        for line in lines {
            // SPEC: at most 63 proof lines.
            if hashes.len() == MAX_PROOF_HASHES {
                return Err(SignSubtreeError::ProofTooLong { limit: MAX_PROOF_HASHES });
            }
            hashes.push(decode_hash(line).ok_or(SignSubtreeError::ProofHash { place: hashes.len() })?);
        }
        let proof = SubtreeProof::from_hashes(hashes)?;
        Ok(Self { subtree, hash, proof, note: UnverifiedNote::parse(note.as_bytes())? })
    }

    /// The leaves to sign for.
    pub fn subtree(&self) -> Subtree {
        self.subtree
    }

    /// The subtree's hash.
    pub fn hash(&self) -> &Hash {
        &self.hash
    }

    /// The proof that leads from it to the checkpoint's root.
    pub fn proof(&self) -> &SubtreeProof {
        &self.proof
    }

    /// The checkpoint.
    pub fn note(&self) -> &UnverifiedNote {
        &self.note
    }
}

fn parse_bounds(line: &str) -> Option<(u64, u64)> {
    let (begin, end) = line.strip_prefix("subtree ")?.split_once(' ')?;
    let (begin, end) = (parse_decimal(begin)?, parse_decimal(end)?);
    (end <= MAX_TREE_SIZE).then_some((begin, end))
}

impl fmt::Display for SignSubtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "subtree {} {}", self.subtree.begin(), self.subtree.end())?;
        for hash in std::iter::once(&self.hash).chain(self.proof.hashes()) {
            writeln!(f, "{}", encode_base64(hash.as_bytes()))?;
        }
        write!(f, "\n{}", self.note)
    }
}

/// Why a sign-subtree request was refused. Whoever sent it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignSubtreeError {
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
    /// The first line was missing, or held no two decimals below 2^63.
    #[error("the first line is not 'subtree <decimal> <decimal>'")]
    FirstLine,
    /// The second line was no hash.
    #[error("the subtree's hash is not canonical base64 of 32 bytes")]
    SubtreeHash,
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
    /// The leaves do not hash on their own.
    #[error(transparent)]
    Subtree(#[from] ProofError),
    /// The checkpoint was not a note.
    #[error("the checkpoint of the request is refused: {0}")]
    Note(#[from] NoteError),
}
