//! The request that asks a witness to sign a subtree of a tree it cosigned (tlog-witness, sign-subtree).

use std::fmt;

use vouchlog_merkle::{Hash, ProofError, Subtree, SubtreeProof};

use crate::limits::{MAX_PROOF_HASHES, MAX_TREE_SIZE};
use crate::note::UnverifiedNote;
use crate::text::{decode_hash, parse_decimal};
use crate::witness_request::{WitnessRequestError, check_sendable, parse_proof, split, write_tail};

// request = "subtree " <decimal begin> SP <decimal end> LF
//           base64(<subtree hash[32]>) LF
//           *( base64(<hash[32]>) LF )             proof that the subtree is part of the checkpoint's tree
//           LF
//           <checkpoint note, cosigned by the witness>

/// A subtree for a witness to sign, with the proof that it is part of a checkpoint the witness cosigned.
/// Well-formed, and nothing more: the witness verifies. Its answer is read by [`crate::SignedSubtree`].
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
    /// If no witness could read it: leaves past 2^63, a proof of more than 63 hashes, a note so long that the request
    /// passes [`MAX_ADD_CHECKPOINT_BYTES`](crate::limits::MAX_ADD_CHECKPOINT_BYTES).
    pub fn new(
        subtree: Subtree,
        hash: Hash,
        proof: SubtreeProof,
        note: UnverifiedNote,
    ) -> Result<Self, SignSubtreeError> {
        if subtree.end() > MAX_TREE_SIZE {
            return Err(SignSubtreeError::FirstLine);
        }
        let request = Self { subtree, hash, proof, note };
        check_sendable(request.proof.hashes(), &request)?;
        Ok(request)
    }

    /// Reads a request of at most [`MAX_ADD_CHECKPOINT_BYTES`](crate::limits::MAX_ADD_CHECKPOINT_BYTES).
    pub fn parse(bytes: &[u8]) -> Result<Self, SignSubtreeError> {
        let (mut lines, note) = split(bytes)?;
        let (begin, end) = lines.next().and_then(parse_bounds).ok_or(SignSubtreeError::FirstLine)?;
        let subtree = Subtree::new(begin, end)?;
        let hash = lines.next().and_then(decode_hash).ok_or(SignSubtreeError::SubtreeHash)?;
        let proof = SubtreeProof::from_hashes(parse_proof(lines)?);
        let proof = proof.map_err(|_| WitnessRequestError::ProofTooLong { limit: MAX_PROOF_HASHES })?;
        Ok(Self { subtree, hash, proof, note })
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

    /// The text of the request.
    pub fn to_text(&self) -> String {
        self.to_string()
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
        write_tail(f, std::iter::once(&self.hash).chain(self.proof.hashes()), &self.note)
    }
}

/// Why a sign-subtree request was refused. The client is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignSubtreeError {
    /// The first line was missing, or held no two decimals below 2^63.
    #[error("the first line is not 'subtree <decimal> <decimal>'")]
    FirstLine,
    /// The second line was no hash.
    #[error("the subtree's hash is not canonical base64 of 32 bytes")]
    SubtreeHash,
    /// The leaves do not hash on their own.
    #[error(transparent)]
    Subtree(#[from] ProofError),
    /// Another part of the request was malformed.
    #[error(transparent)]
    Request(#[from] WitnessRequestError),
}
