//! Static tokens: made here, kept as SHA-256 only, compared in constant time.
//!
//! ```text
//! vlt_ + 32 random bytes in base64url (43 characters)
//! ```
//!
//! A plain digest suffices because the token has 256 random bits: it cannot be guessed, with or without the digest.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use thiserror::Error;

/// What every token of ours begins with, so that scanners for leaked secrets find it.
const PREFIX: &str = "vlt_";

/// A token that was just made. Its text is shown once.
pub struct NewToken(String);

impl NewToken {
    /// The token of 32 random bytes.
    pub fn from_random(random: [u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
    }

    /// The text for the caller.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The digest for the access file.
    pub fn sha256(&self) -> String {
        hex::encode(hash(self.0.as_bytes()))
    }
}

impl fmt::Debug for NewToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewToken")
    }
}

/// A text that callers send as a bearer token and that no file describes. Only its digest is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct BearerToken(pub(crate) [u8; 32]);

/// The text cannot be a token, because no client could send it. Give 16 to 4,096 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token has 16 to 4,096 visible ASCII characters")]
pub struct TokenError;

impl BearerToken {
    /// Takes `text`, without white space around it, if it can be a token.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let is_sendable = (16..=4_096).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
        if is_sendable { Ok(Self(hash(text.as_bytes()))) } else { Err(TokenError) }
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken")
    }
}

/// The tokens of an access file and of `--bearer-token`, each with the place of its principal.
#[derive(Debug, Default)]
pub(crate) struct TokenTable(Vec<StoredToken>);

#[derive(Debug)]
pub(crate) struct StoredToken {
    pub(crate) sha256: [u8; 32],
    pub(crate) expires: Option<Timestamp>,
    pub(crate) principal: usize,
}

impl TokenTable {
    pub(crate) fn push(&mut self, token: StoredToken) {
        self.0.push(token);
    }

    /// The entry of a token. Every entry is compared, so that the time tells nothing about where it stands.
    pub(crate) fn find(&self, presented: &[u8]) -> Option<&StoredToken> {
        let presented = hash(presented);
        let mut found = None;
        for token in &self.0 {
            if verify_slices_are_equal(&token.sha256, &presented).is_ok() {
                found = Some(token);
            }
        }
        found
    }
}

pub(crate) fn hash(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_found_by_its_digest_and_never_shown() {
        let token = NewToken::from_random([7; 32]);
        assert_eq!(token.text().len(), 47);
        assert!(BearerToken::new(token.text()).is_ok());
        let mut sha256 = [0; 32];
        hex::decode_to_slice(token.sha256(), &mut sha256).unwrap();
        let mut table = TokenTable::default();
        table.push(StoredToken { sha256: [1; 32], expires: None, principal: 0 });
        table.push(StoredToken { sha256, expires: None, principal: 1 });
        assert_eq!(table.find(token.text().as_bytes()).unwrap().principal, 1);
        assert!(table.find(b"vlt_").is_none());
        assert!(!format!("{token:?} {:?}", BearerToken::new(token.text())).contains(token.text()));
    }

    #[test]
    fn what_no_client_can_send_is_no_token() {
        for bad in ["", "short", "sixteen chars, with blank", &"x".repeat(4_097), "sixteen-chars-and-ä"] {
            assert_eq!(BearerToken::new(bad), Err(TokenError), "{bad}");
        }
        assert_eq!(BearerToken::new(" 0123456789abcdef\n"), BearerToken::new("0123456789abcdef"));
    }
}
