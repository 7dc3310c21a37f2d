//! What every place does whose key wraps another key.

use vouchlog_note::SignerError;
use zeroize::Zeroizing;

/// What the context of a wrapped key is called where a place gives contexts names.
#[cfg(feature = "aws-kms")]
pub(crate) const CONTEXT_NAME: &str = "vouchlog-vault";

/// Wraps a key of 32 bytes with a key that stays where it is. It may hang: it runs in [`once`](crate::bounded::once).
pub(crate) trait KeyWrapper {
    /// Encrypts `key` so that it is decrypted for the same `context` alone.
    fn wrap(&mut self, key: &[u8; 32], context: &str) -> Result<Vec<u8>, SignerError>;

    /// Decrypts what [`wrap`](Self::wrap) returned for this `context`, and refuses anything else.
    fn unwrap(&mut self, wrapped: &[u8], context: &str) -> Result<Zeroizing<Vec<u8>>, SignerError>;
}
