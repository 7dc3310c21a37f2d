//! Signing with a key that this process does not hold.

use std::fmt;

/// Makes Ed25519 signatures with a key kept elsewhere: in an agent, a token, or a key service.
///
/// A call blocks until the signature is there, and must return within a bound of its own: a log waits for it between two batches.
/// [`SigningKey`](crate::SigningKey) verifies each signature with the public key before it uses it, so an implementation is trusted
/// to keep a secret, and with nothing else.
pub trait Signer: fmt::Debug + Send + Sync {
    /// Signs exactly these bytes (RFC 8032, pure Ed25519, no context).
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError>;
}

/// Why there is no signature. The reason is for an operator to read; it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signer failed: {reason}")]
pub struct SignerError {
    reason: String,
}

impl SignerError {
    /// A failure, described for an operator. Control characters are replaced by spaces, since parts of it may come from another
    /// program, and what is too long is cut.
    pub fn new(reason: impl fmt::Display) -> Self {
        const MAX_CHARS: usize = 400;
        let reason = reason.to_string();
        let shown = reason.chars().map(|c| if c.is_control() { ' ' } else { c });
        Self { reason: shown.take(MAX_CHARS).collect::<String>().trim().to_owned() }
    }

    /// The reason alone.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
