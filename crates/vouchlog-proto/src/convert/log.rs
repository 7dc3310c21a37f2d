//! Messages of the `Log` service.

use bytes::Bytes;
use vouchlog_api::LookupKey;
use vouchlog_merkle::{ConsistencyProof, Hash, InclusionProof, LeafIndex};
use vouchlog_stream::Digest;

use super::{ConvertError, array, hashes_from_messages, sequence, stream_id};
use crate::v1;
use crate::v1::entry_ref::By;

/// How a request names an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryName {
    /// By its index.
    Index(LeafIndex),
    /// By what is known of it.
    Key(LookupKey),
}

impl From<EntryName> for v1::EntryRef {
    fn from(name: EntryName) -> Self {
        let by = match name {
            EntryName::Index(index) => By::Index(index.get()),
            EntryName::Key(LookupKey::LeafHash(hash)) => {
                By::LeafHash(Bytes::copy_from_slice(hash.as_bytes()))
            }
            EntryName::Key(LookupKey::Digest(digest)) => {
                By::Digest(Bytes::copy_from_slice(digest.as_bytes()))
            }
            EntryName::Key(LookupKey::Sequence(stream, sequence)) => {
                By::Place(v1::StreamPlace { stream: stream.get(), sequence: sequence.get() })
            }
        };
        Self { by: Some(by) }
    }
}

impl TryFrom<Option<v1::EntryRef>> for EntryName {
    type Error = ConvertError;

    fn try_from(message: Option<v1::EntryRef>) -> Result<Self, ConvertError> {
        let by = message.and_then(|message| message.by).ok_or(ConvertError::Missing("entry"))?;
        Ok(match by {
            By::Index(index) => Self::Index(LeafIndex::new(index)),
            By::LeafHash(hash) => {
                Self::Key(LookupKey::LeafHash(Hash::from_bytes(array("leaf_hash", &hash)?)))
            }
            By::Digest(digest) => Self::Key(LookupKey::Digest(Digest::from_bytes(array("digest", &digest)?))),
            By::Place(place) => Self::Key(LookupKey::Sequence(
                stream_id("place.stream", place.stream)?,
                sequence("place.sequence", place.sequence)?,
            )),
        })
    }
}

impl TryFrom<&v1::GetInclusionProofResponse> for InclusionProof {
    type Error = ConvertError;

    fn try_from(message: &v1::GetInclusionProofResponse) -> Result<Self, ConvertError> {
        let hashes = hashes_from_messages("hashes", &message.hashes, InclusionProof::MAX_LEN)?;
        Ok(Self::from_hashes(hashes)?)
    }
}

impl TryFrom<&v1::GetConsistencyProofResponse> for ConsistencyProof {
    type Error = ConvertError;

    fn try_from(message: &v1::GetConsistencyProofResponse) -> Result<Self, ConvertError> {
        let hashes = hashes_from_messages("hashes", &message.hashes, ConsistencyProof::MAX_LEN)?;
        Ok(Self::from_hashes(hashes)?)
    }
}
