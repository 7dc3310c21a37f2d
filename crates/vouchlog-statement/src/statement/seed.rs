//! The secret that a record's salts and decoys are derived from.

use serde::{Deserialize, Serialize};

use super::{StatementError, decode, encode};

const SEED_BYTES: usize = 32;

/// What a record's salts and decoys are derived from. Secret: with it, a guess of a hidden fact can be tested.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Seed([u8; SEED_BYTES]);

impl Seed {
    pub(super) fn random() -> Result<Self, StatementError> {
        let mut bytes = [0; SEED_BYTES];
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8; SEED_BYTES] {
        &self.0
    }
}

impl TryFrom<String> for Seed {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = decode(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or("a seed is 32 bytes in base64url")
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        encode(&seed.0)
    }
}

/// Fills with random bytes of the operating system.
pub(super) fn fill(bytes: &mut [u8]) -> Result<(), StatementError> {
    getrandom::fill(bytes).map_err(|error| StatementError::Random(error.to_string()))
}
