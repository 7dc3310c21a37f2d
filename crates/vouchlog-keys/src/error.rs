//! Why a key that is kept elsewhere cannot be used.

use thiserror::Error;
use vouchlog_note::{KeyError, SignerError};

/// Why a key that is kept elsewhere cannot be used. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyPlaceError {
    /// The text names no place.
    #[error(
        "`{0}` names no place for a key: give a path, file:PATH, ssh-agent:VKEY, pkcs11:URI, command:PROGRAM, aws-kms:KEY or gcp-kms:NAME"
    )]
    Unknown(String),
    /// The text of a place is malformed.
    #[error("the place of the key is malformed: {0}")]
    Malformed(String),
    /// This program was built without it.
    #[error("this program was built without `{0}`: build it with that feature")]
    NotBuilt(&'static str),
    /// The key's vkey is not known.
    #[error(
        "the key's name and public key must be known: add its vkey after a space, or name a key file made with `vouchlog keygen --at`"
    )]
    NoVkey,
    /// The key file that names a place is malformed.
    #[error("the key file is malformed: {0}")]
    Reference(&'static str),
    /// The key cannot be used as one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The place gave no public key, or no signature.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// The place did not encrypt or decrypt another key.
    #[error("{}", .0.reason())]
    Wrapping(SignerError),
}
