//! The two parts of a record that are encrypted, metadata and content, under the record's own key.

use bytes::Bytes;
use vouchlog_record::RecordId;

use crate::keys::{self, Key, context, random_key, seal};
use crate::{KeepRecord, Result, VaultError};

/// A record whose metadata and content are sealed. Its key still has to be wrapped, which takes keys from the database.
pub(crate) struct SealedRecord {
    /// Without metadata and content.
    pub(crate) record: KeepRecord,
    pub(crate) key: Key,
    pub(crate) metadata: Vec<u8>,
    pub(crate) content: Bytes,
}

impl SealedRecord {
    pub(crate) fn new(mut record: KeepRecord) -> Result<Self> {
        let key = random_key()?;
        let metadata = seal_part(&key, &record.id, "metadata", &record.metadata)?;
        let content = seal_part(&key, &record.id, "content", &record.content)?;
        record.metadata = Vec::new();
        record.content = Vec::new();
        Ok(Self { record, key, metadata, content: content.into() })
    }
}

fn seal_part(key: &Key, id: &RecordId, part: &str, plain: &[u8]) -> Result<Vec<u8>> {
    seal(key.as_slice(), &context(&[part, id.as_str()]), plain)
}

/// Opens what the vault sealed as `part` of a record.
pub(crate) fn open_part(key: &Key, id: &RecordId, part: &str, sealed: &[u8]) -> Result<Vec<u8>> {
    let opened = keys::open(key.as_slice(), &context(&[part, id.as_str()]), sealed);
    let mut opened =
        opened.ok_or_else(|| VaultError::damaged(format!("the {part} of record {id} is incomplete")))?;
    Ok(std::mem::take(&mut *opened))
}
