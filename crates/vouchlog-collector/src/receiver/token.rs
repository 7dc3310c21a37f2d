//! The token that emitters bring.

use std::fmt;
use std::sync::Arc;

use ::http::{HeaderMap, header};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::RwLock;
use thiserror::Error;

/// A secret that every request has to bring as `authorization: Bearer <token>` (RFC 6750). It is never shown. Clones are the same
/// token, also after one was [replaced](Self::replace).
#[derive(Clone)]
pub struct Token(Arc<RwLock<Box<[u8]>>>);

/// The text cannot be a token, because no client could send it. Give 16 to 4,096 visible ASCII characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a token has 16 to 4,096 visible ASCII characters")]
pub struct TokenError;

impl Token {
    /// Takes `text`, without white space around it, if it can be one.
    pub fn new(text: &str) -> Result<Self, TokenError> {
        Ok(Self(Arc::new(RwLock::new(sendable(text)?))))
    }

    /// Takes another secret from the next request on, as [`new`](Self::new) does; the old one is worth nothing then.
    ///
    /// # Errors
    /// The token stays as it was.
    pub fn replace(&self, text: &str) -> Result<(), TokenError> {
        *self.0.write() = sendable(text)?;
        Ok(())
    }

    /// Whether a request brings it. How long that takes tells nothing of the token but its length.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.as_bytes().split_at_checked(b"Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ")
            && verify_slices_are_equal(token.trim_ascii(), &self.0.read()).is_ok()
    }
}

fn sendable(text: &str) -> Result<Box<[u8]>, TokenError> {
    let text = text.trim();
    let is_sendable = (16..=4_096).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_graphic());
    if is_sendable { Ok(text.as_bytes().into()) } else { Err(TokenError) }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
