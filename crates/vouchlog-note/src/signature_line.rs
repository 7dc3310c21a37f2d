//! The signature lines of a note.

use std::fmt;
use std::str::FromStr;

use crate::key::{KeyError, KeyId, KeyName, VerifyingKey};
use crate::text::{decode_base64, encode_base64};

/// Em dash U+2014 and a space open a signature line.
const LINE_PREFIX: &str = "\u{2014} ";
const KEY_ID_BYTES: usize = 4;

/// One signature line: the claimed signer and the signature, unverified.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SignatureLine {
    name: KeyName,
    id: KeyId,
    payload: Vec<u8>,
}

impl SignatureLine {
    pub(crate) fn from_key(key: &VerifyingKey, payload: Vec<u8>) -> Self {
        Self { name: key.name().clone(), id: key.id(), payload }
    }

    /// The name of the claimed signing key.
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The ID of the claimed signing key.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes after the key ID: a signature, or a timestamp and a signature, as the key's type has it.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// Whether the line states to be by `key`.
    pub fn is_by(&self, key: &VerifyingKey) -> bool {
        self.id == key.id() && self.name == *key.name()
    }
}

// line = U+2014 " " <key name> " " base64(<key ID[4]> <payload[1..]>)        without the LF that ends it

impl FromStr for SignatureLine {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        let rest = line.strip_prefix(LINE_PREFIX).ok_or(LineError::Prefix)?;
        let (name, payload) = rest.split_once(' ').ok_or(LineError::Parts)?;
        let name = KeyName::new(name)?;
        let mut payload = decode_base64(payload).ok_or(LineError::Base64)?;
        // SPEC: four bytes of key ID and at least one of signature (signed-note).
        let Some((&id, [_, ..])) = payload.split_first_chunk::<KEY_ID_BYTES>() else {
            return Err(LineError::Short { bytes: payload.len() });
        };
        payload.drain(..KEY_ID_BYTES);
        Ok(Self { name, id: KeyId::from_bytes(id), payload })
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Vec::with_capacity(KEY_ID_BYTES + self.payload.len());
        bytes.extend_from_slice(self.id.as_bytes());
        bytes.extend_from_slice(&self.payload);
        write!(f, "{LINE_PREFIX}{} {}", self.name, encode_base64(&bytes))
    }
}

/// Why a signature line could not be read. The note's author is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// The line did not open with an em dash and a space.
    #[error("it does not start with an em dash and a space")]
    Prefix,
    /// The line did not hold a name, a space and a signature.
    #[error("it does not contain a key name, a space and base64")]
    Parts,
    /// The key name was none.
    #[error("its key name is rejected: {0}")]
    Name(#[from] KeyError),
    /// The signature was not canonical base64.
    #[error("its signature is not canonical base64")]
    Base64,
    /// The signature was too short to hold a key ID and a signature.
    #[error("its signature has {bytes} bytes, fewer than a key ID and one byte")]
    Short {
        /// Bytes the base64 spelled.
        bytes: usize,
    },
}
