//! Names of records.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names a record: 1 to 64 bytes of `0-9 A-Z a-z . _ : -`. It is public, the `jti` of the record's statement, so it must tell
/// nothing about the record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RecordId(String);

/// The text names no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a record's id has 1 to {} characters of 0-9 A-Z a-z . _ : -", RecordId::MAX_BYTES)]
pub struct RecordIdError;

impl RecordId {
    /// Most bytes of an id.
    pub const MAX_BYTES: usize = 64;

    /// Takes `id` if it may name a record.
    pub fn new(id: &str) -> Result<Self, RecordIdError> {
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b':' | b'-');
        if id.is_empty() || id.len() > Self::MAX_BYTES || !id.bytes().all(plain) {
            return Err(RecordIdError);
        }
        Ok(Self(id.to_owned()))
    }

    /// The id that 16 random bytes spell: 32 hexadecimal digits.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(hex::encode(bytes))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RecordId {
    type Err = RecordIdError;

    fn from_str(id: &str) -> Result<Self, RecordIdError> {
        Self::new(id)
    }
}

impl TryFrom<String> for RecordId {
    type Error = RecordIdError;

    fn try_from(id: String) -> Result<Self, RecordIdError> {
        Self::new(&id)
    }
}

impl From<RecordId> for String {
    fn from(id: RecordId) -> Self {
        id.0
    }
}

impl JsonSchema for RecordId {
    fn schema_name() -> Cow<'static, str> {
        "RecordId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9A-Za-z._:-]{1,64}$" })
    }
}
