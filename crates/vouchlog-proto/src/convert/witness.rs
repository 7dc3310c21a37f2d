//! Messages of the `Witness` service.

use bytes::Bytes;
use vouchlog_merkle::{ConsistencyProof, Hash, Subtree, SubtreeProof, TreeSize};
use vouchlog_note::limits::{MAX_ADD_CHECKPOINT_BYTES, MAX_PROOF_HASHES, MAX_TREE_SIZE};
use vouchlog_note::{AddCheckpoint, SignSubtree, UnverifiedNote};

use super::{ConvertError, array, hash_messages, hashes_from_messages};
use crate::v1;

impl From<&AddCheckpoint> for v1::AddCheckpointRequest {
    fn from(request: &AddCheckpoint) -> Self {
        Self {
            old_size: request.old_size().get(),
            proof: hash_messages(request.proof().hashes()),
            checkpoint: request.note().as_str().to_owned(),
        }
    }
}

impl TryFrom<v1::AddCheckpointRequest> for AddCheckpoint {
    type Error = ConvertError;

    fn try_from(message: v1::AddCheckpointRequest) -> Result<Self, ConvertError> {
        let old_size = TreeSize::new(size("old_size", message.old_size)?);
        let proof = hashes_from_messages("proof", &message.proof, MAX_PROOF_HASHES)?;
        let proof = ConsistencyProof::from_hashes(proof)?;
        Ok(Self::new(old_size, proof, note(&message.checkpoint)?)?)
    }
}

impl From<&SignSubtree> for v1::SignSubtreeRequest {
    fn from(request: &SignSubtree) -> Self {
        Self {
            begin: request.subtree().begin(),
            end: request.subtree().end(),
            hash: Bytes::copy_from_slice(request.hash().as_bytes()),
            proof: hash_messages(request.proof().hashes()),
            checkpoint: request.note().as_str().to_owned(),
        }
    }
}

impl TryFrom<v1::SignSubtreeRequest> for SignSubtree {
    type Error = ConvertError;

    fn try_from(message: v1::SignSubtreeRequest) -> Result<Self, ConvertError> {
        let subtree = Subtree::new(message.begin, size("end", message.end)?)?;
        let hash = Hash::from_bytes(array("hash", &message.hash)?);
        let proof = hashes_from_messages("proof", &message.proof, MAX_PROOF_HASHES)?;
        let proof = SubtreeProof::from_hashes(proof)?;
        Ok(Self::new(subtree, hash, proof, note(&message.checkpoint)?)?)
    }
}

impl From<&Hash> for v1::GetLatestCheckpointRequest {
    fn from(origin_hash: &Hash) -> Self {
        Self { origin_hash: Bytes::copy_from_slice(origin_hash.as_bytes()) }
    }
}

impl TryFrom<v1::GetLatestCheckpointRequest> for Hash {
    type Error = ConvertError;

    fn try_from(message: v1::GetLatestCheckpointRequest) -> Result<Self, ConvertError> {
        Ok(Self::from_bytes(array("origin_hash", &message.origin_hash)?))
    }
}

/// A number of entries that the text of a request can hold too.
fn size(field: &'static str, value: u64) -> Result<u64, ConvertError> {
    if value > MAX_TREE_SIZE { Err(ConvertError::Number { field, value }) } else { Ok(value) }
}

/// A checkpoint of a request, of which it is the longest part.
fn note(checkpoint: &str) -> Result<UnverifiedNote, ConvertError> {
    Ok(UnverifiedNote::parse_within(MAX_ADD_CHECKPOINT_BYTES, checkpoint.as_bytes())?)
}
