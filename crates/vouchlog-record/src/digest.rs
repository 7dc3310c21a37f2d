//! Two kinds of digests that a record may name, which must never be taken for one another.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Longest text of either.
const MAX_BYTES: usize = 256;

/// A commitment to content that may be guessed: keyed (`hmac-sha256:…`) or salted (`salted-sha256:…`). A bare hash is none: of
/// a prompt with a customer number in it, every possible one can be hashed in minutes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commitment(String);

/// The digest of something public, such as a policy bundle or a tool's definition: `sha256:<64 hexadecimal digits>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArtifactDigest(String);

/// Why a text is no such digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DigestError {
    /// It is a bare hash of content.
    #[error(
        "the content behind an unsalted digest can be guessed, so it is rejected (R48): leave the content in the record, where it gets a salt, or give a keyed commitment as hmac-sha256:<value>"
    )]
    Unsalted,
    /// It is no commitment.
    #[error(
        "a commitment has the form hmac-sha256:<value> or salted-sha256:<value>, at most {MAX_BYTES} bytes"
    )]
    Commitment,
    /// It is no digest of an artifact.
    #[error(
        "the digest of an artifact has the form sha256:<value> or hmac-sha256:<value>, at most {MAX_BYTES} bytes"
    )]
    Artifact,
}

fn has_value(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|value| {
        !value.is_empty() && value.bytes().all(|c| c.is_ascii_alphanumeric() || b"+/=-_".contains(&c))
    })
}

/// What hashes look like that came without a word about a salt.
fn is_bare_hash(text: &str) -> bool {
    let unsalted =
        ["sha256:", "sha256-", "sha-256:", "sha512:", "sha384:", "sha1:", "md5:", "blake3:", "blake2b:"];
    let is_hex = matches!(text.len(), 32 | 40 | 64 | 96 | 128) && text.bytes().all(|c| c.is_ascii_hexdigit());
    is_hex || unsalted.iter().any(|prefix| text.to_ascii_lowercase().starts_with(prefix))
}

impl TryFrom<String> for Commitment {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        if is_bare_hash(&text) {
            return Err(DigestError::Unsalted);
        }
        let fits = text.len() <= MAX_BYTES;
        let is_one = ["hmac-sha256:", "salted-sha256:"].iter().any(|prefix| has_value(&text, prefix));
        if fits && is_one { Ok(Self(text)) } else { Err(DigestError::Commitment) }
    }
}

impl TryFrom<String> for ArtifactDigest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        let fits = text.len() <= MAX_BYTES;
        // A keyed one will do where even the artifact's identity is confidential.
        let is_one = ["sha256:", "hmac-sha256:"].iter().any(|prefix| has_value(&text, prefix));
        if fits && is_one { Ok(Self(text)) } else { Err(DigestError::Artifact) }
    }
}

macro_rules! text {
    ($name:ident, $pattern:literal) => {
        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                Self::try_from(text.to_owned())
            }
        }

        impl From<$name> for String {
            fn from(digest: $name) -> Self {
                digest.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "maxLength": MAX_BYTES, "pattern": $pattern })
            }
        }
    };
}

text!(Commitment, "^(hmac|salted)-sha256:[0-9A-Za-z+/=_-]+$");
text!(ArtifactDigest, "^(hmac-)?sha256:[0-9A-Za-z+/=_-]+$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_hash_is_refused_by_name() {
        let hex = "ab".repeat(32);
        for bare in
            [format!("sha256:{hex}"), hex.clone(), format!("SHA256:{hex}"), "ab".repeat(16), "md5:ab".into()]
        {
            assert_eq!(bare.parse::<Commitment>(), Err(DigestError::Unsalted), "{bare}");
        }
        for neither in ["", "hmac-sha256:", "hmac-sha256:ä", "my prompt"] {
            assert_eq!(neither.parse::<Commitment>(), Err(DigestError::Commitment), "{neither}");
        }
        assert!("hmac-sha256:5c".parse::<Commitment>().is_ok());
        assert!(format!("salted-sha256:{hex}").parse::<Commitment>().is_ok());
    }

    #[test]
    fn an_artifact_is_public_and_may_be_named_by_its_hash() {
        assert!("sha256:77".parse::<ArtifactDigest>().is_ok());
        assert!("hmac-sha256:77".parse::<ArtifactDigest>().is_ok());
        assert_eq!("rev 7".parse::<ArtifactDigest>(), Err(DigestError::Artifact));
    }
}
