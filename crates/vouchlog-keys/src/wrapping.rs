//! Keys elsewhere that wrap another key: an AES key of a PKCS#11 token, or a symmetric key of AWS KMS or Google Cloud KMS.

use std::fmt;
use std::str::FromStr;

use vouchlog_note::SignerError;
use zeroize::Zeroizing;

use crate::bounded;
use crate::error::KeyPlaceError;
use crate::limits::PATIENCE;
use crate::location::KeyLocation;
use crate::wrapper::KeyWrapper;

/// The place of a key that wraps other keys: `pkcs11:` and an RFC 7512 URI, `aws-kms:` and a key, or `gcp-kms:` and the name of a
/// key. Displays as what it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappingKey(KeyLocation);

impl WrappingKey {
    /// The schemes of the places, with which a wrapped key is labelled.
    pub const KINDS: [&str; 3] = ["pkcs11", "aws-kms", "gcp-kms"];

    /// Which of [`KINDS`](Self::KINDS) it is.
    pub fn kind(&self) -> &'static str {
        match &self.0 {
            KeyLocation::AwsKms(_) => "aws-kms",
            KeyLocation::GcpKms(_) => "gcp-kms",
            _ => "pkcs11",
        }
    }

    /// Wraps a key for a context, which [`unwrap`](Self::unwrap) must be given again. Blocks for at most [`PATIENCE`], and may be
    /// called on an async thread.
    pub fn wrap(&self, key: &[u8; 32], context: &str) -> Result<Vec<u8>, KeyPlaceError> {
        let (key, context) = (Zeroizing::new(*key), context.to_owned());
        self.ask(move |wrapper| wrapper.wrap(&key, &context))
    }

    /// Unwraps a key. Blocks as [`wrap`](Self::wrap) does.
    ///
    /// # Errors
    /// Also if the bytes, the wrapping key or the context differ from those of [`wrap`](Self::wrap).
    pub fn unwrap(&self, wrapped: &[u8], context: &str) -> Result<Zeroizing<[u8; 32]>, KeyPlaceError> {
        let (wrapped, context) = (wrapped.to_vec(), context.to_owned());
        let key = self.ask(move |wrapper| wrapper.unwrap(&wrapped, &context))?;
        let key = key.as_slice().try_into().map(Zeroizing::new);
        let wrong = SignerError::new("what it decrypted is not a key of 32 bytes");
        key.map_err(|_| KeyPlaceError::Wrapping(wrong))
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn KeyWrapper) -> Result<T, SignerError> + Send + 'static,
    ) -> Result<T, KeyPlaceError> {
        let location = self.0.clone();
        let answer =
            bounded::once(PATIENCE, move || work(open(&location)?.as_mut()).map_err(KeyPlaceError::Wrapping));
        answer.map_err(KeyPlaceError::Wrapping)?
    }
}

/// Connects to the place, as far as that takes no request.
fn open(location: &KeyLocation) -> Result<Box<dyn KeyWrapper>, KeyPlaceError> {
    match location {
        #[cfg(feature = "pkcs11")]
        KeyLocation::Pkcs11(uri) => {
            Ok(Box::new(crate::pkcs11::Token::new(uri).map_err(KeyPlaceError::Wrapping)?))
        }
        #[cfg(feature = "aws-kms")]
        KeyLocation::AwsKms(id) => {
            Ok(Box::new(crate::aws_kms::Kms::from_environment(id).map_err(KeyPlaceError::Wrapping)?))
        }
        #[cfg(feature = "gcp-kms")]
        KeyLocation::GcpKms(name) => {
            use crate::gcp_kms::{Kms, Resource};
            Ok(Box::new(Kms::from_environment(name, Resource::Key).map_err(KeyPlaceError::Wrapping)?))
        }
        #[cfg(not(feature = "pkcs11"))]
        KeyLocation::Pkcs11(_) => Err(KeyPlaceError::NotBuilt("pkcs11")),
        #[cfg(not(feature = "aws-kms"))]
        KeyLocation::AwsKms(_) => Err(KeyPlaceError::NotBuilt("aws-kms")),
        #[cfg(not(feature = "gcp-kms"))]
        KeyLocation::GcpKms(_) => Err(KeyPlaceError::NotBuilt("gcp-kms")),
        KeyLocation::Agent(_) | KeyLocation::Command(_) => Err(signs_only()),
    }
}

fn signs_only() -> KeyPlaceError {
    KeyPlaceError::Malformed(
        "an agent or a program only signs: give pkcs11:URI, aws-kms:KEY or gcp-kms:NAME".into(),
    )
}

impl FromStr for WrappingKey {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        match text.parse()? {
            KeyLocation::Agent(_) | KeyLocation::Command(_) => Err(signs_only()),
            location => Ok(Self(location)),
        }
    }
}

impl fmt::Display for WrappingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapping_key_is_of_a_token_or_a_key_service() {
        for (text, kind) in [
            ("pkcs11:token=t;object=vault;type=secret-key?pin-source=file:/etc/pin", "pkcs11"),
            ("aws-kms:alias/vault", "aws-kms"),
            ("gcp-kms:projects/p/locations/l/keyRings/r/cryptoKeys/k", "gcp-kms"),
        ] {
            let key: WrappingKey = text.parse().unwrap();
            assert_eq!((key.to_string().as_str(), key.kind()), (text, kind));
            assert!(WrappingKey::KINDS.contains(&kind));
        }
        for wrong in
            ["ssh-agent:", "command:/bin/cat", "vault.key", "pkcs11:object=a?pin-value=1", "aws-kms:"]
        {
            assert!(wrong.parse::<WrappingKey>().is_err(), "{wrong}");
        }
    }

    #[cfg(not(feature = "pkcs11"))]
    #[test]
    fn a_place_that_is_not_built_in_is_named() {
        let key: WrappingKey = "pkcs11:object=a".parse().unwrap();
        assert_eq!(key.wrap(&[1; 32], "v"), Err(KeyPlaceError::NotBuilt("pkcs11")));
    }
}
