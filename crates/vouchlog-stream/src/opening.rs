//! A salted commitment to a record, and the file that opens it.
//!
//! ```text
//! digest = SHA-256( "vouchlog/v1 record\n" || salt[32] || record )
//!
//! { "format": "vouchlog/v1 opening", "salt": "<64 hex digits>", "digest": "<64 hex digits>" }
//! ```
//!
//! The digest goes into a public log, so it must reveal nothing: without the salt, a reader who can guess a record could find it
//! there. The salt is as secret as the record, and belongs beside it. The prefix keeps the commitment from being read as a
//! hash of anything else.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::{Hash, sha256};

use crate::statement::Digest;

const FORMAT: &str = "vouchlog/v1 opening";
const PREFIX: &[u8] = b"vouchlog/v1 record\n";
/// The longest file that is read; one has 210 bytes, white space aside.
const MAX_OPENING_BYTES: usize = 4 * 1024;

/// What opens a commitment to a record.
#[derive(Clone, PartialEq, Eq)]
pub struct Opening {
    salt: [u8; 32],
    digest: Digest,
}

/// Why an opening was refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The file is too long.
    #[error("the opening has {0} bytes, more than {MAX_OPENING_BYTES}")]
    Length(usize),
    /// The file is not of the form drawn above.
    #[error("the file is not a `{FORMAT}` file: {0}")]
    Form(String),
    /// The record is not the one that was committed to.
    #[error(
        "the record or the opening was altered: the record gives the digest {actual}, the commitment is {committed}"
    )]
    Mismatch {
        /// Digest in the opening.
        committed: Digest,
        /// Digest that follows from the record and the salt.
        actual: Digest,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    salt: String,
    digest: String,
}

impl Opening {
    /// Commits to a record with a salt, which must be fresh and random: anyone who can guess both salt and record finds the digest.
    pub fn with_salt(salt: [u8; 32], record: &[u8]) -> Self {
        Self { salt, digest: commit(&salt, record) }
    }

    /// What goes into the log.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Checks that this opens a commitment to `record`.
    pub fn check(&self, record: &[u8]) -> Result<(), OpeningError> {
        let actual = commit(&self.salt, record);
        if actual == self.digest {
            return Ok(());
        }
        Err(OpeningError::Mismatch { committed: self.digest, actual })
    }

    /// Reads a file of at most 4 KiB.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpeningError> {
        if bytes.len() > MAX_OPENING_BYTES {
            return Err(OpeningError::Length(bytes.len()));
        }
        // The error of serde_json may quote a value, and the salt is one: the error names only its position.
        let text: Text = serde_json::from_slice(bytes)
            .map_err(|error| OpeningError::Form(format!("line {} is malformed", error.line())))?;
        if text.format != FORMAT {
            return Err(OpeningError::Form("its `format` is a different one".into()));
        }
        let salt: Hash = text.salt.parse().map_err(|_| hex("salt"))?;
        let digest: Digest = text.digest.parse().map_err(|_| hex("digest"))?;
        Ok(Self { salt: *salt.as_bytes(), digest })
    }

    /// The text of the file.
    pub fn to_text(&self) -> String {
        let (salt, digest) = (Hash::from_bytes(self.salt).to_string(), self.digest.to_string());
        let text = Text { format: FORMAT.to_owned(), salt, digest };
        let mut text = serde_json::to_string_pretty(&text).expect("three strings are always JSON");
        text.push('\n');
        text
    }
}

fn commit(salt: &[u8; 32], record: &[u8]) -> Digest {
    Digest::from_bytes(*sha256(&[PREFIX, salt, record].concat()).as_bytes())
}

fn hex(field: &str) -> OpeningError {
    OpeningError::Form(format!("`{field}` is not 64 lowercase hexadecimal digits"))
}

/// Does not show the salt.
impl std::fmt::Debug for Opening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Opening(of {})", self.digest)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Computed with `printf 'vouchlog/v1 record\n' | cat - salt record | sha256sum`.
    const GOLDEN: &str = r#"{
  "format": "vouchlog/v1 opening",
  "salt": "0707070707070707070707070707070707070707070707070707070707070707",
  "digest": "d2ee22a0ce0b41ae03d9734f4d0f6edaaff95ea0be6acc99cf46beccc7a3bd55"
}
"#;

    #[test]
    fn the_format_is_what_it_was() {
        let opening = Opening::with_salt([7; 32], b"{\"a\":1}\n");
        assert_eq!(opening.to_text(), GOLDEN);
        assert_eq!(Opening::parse(GOLDEN.as_bytes()).unwrap(), opening);
        opening.check(b"{\"a\":1}\n").unwrap();
    }

    #[test]
    fn another_record_or_salt_does_not_open_it() {
        let opening = Opening::with_salt([7; 32], b"a record");
        assert!(matches!(opening.check(b"a recorD"), Err(OpeningError::Mismatch { .. })));
        assert_ne!(Opening::with_salt([8; 32], b"a record").digest(), opening.digest());
    }

    #[test]
    fn an_error_and_a_debug_print_keep_the_salt() {
        let salt = "07".repeat(32);
        let broken = GOLDEN.replace("\"digest\": ", "\"digest\": 5, \"x\": ");
        let message = Opening::parse(broken.as_bytes()).unwrap_err().to_string();
        assert!(!message.contains(&salt), "{message}");
        assert!(!format!("{:?}", Opening::parse(GOLDEN.as_bytes()).unwrap()).contains(&salt));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, field in "[ -~]{0,80}") {
            let _ = Opening::parse(&bytes);
            let _ = Opening::parse(GOLDEN.replace("d2ee22a0ce0b41ae03d9734f4d0f6edaaff95ea0be6acc99cf46beccc7a3bd55", &field).as_bytes());
        }

        #[test]
        fn what_is_written_reads_back(salt: [u8; 32], record: Vec<u8>) {
            let opening = Opening::with_salt(salt, &record);
            prop_assert_eq!(Opening::parse(opening.to_text().as_bytes()).unwrap(), opening);
        }
    }
}
