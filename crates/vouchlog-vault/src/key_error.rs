//! Why there is no key encryption key.

use std::path::PathBuf;

use thiserror::Error;
use vouchlog_keys::KeyPlaceError;

/// Why there is no key. No variant holds what was read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text names no source.
    #[error(
        "give a key as file:PATH, env:NAME, credential:NAME or command:CMD, or the key that wraps it as pkcs11:URI, aws-kms:KEY or gcp-kms:NAME"
    )]
    Source,
    /// The text is no key.
    #[error("{0} holds no key: a key is 32 bytes, as 64 hexadecimal digits or as base64")]
    Malformed(String),
    /// The file is missing.
    #[error("there is no key file {0}: generate one, or give the one that the vault was created with")]
    NoFile(PathBuf),
    /// The file cannot be read or written.
    #[error("the key file {path} cannot be used: {why}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The variable is missing.
    #[error("the environment variable {0} is not set")]
    NoVariable(String),
    /// There are no credentials of a service.
    #[error(
        "the credential {0} cannot be found, since CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with LoadCredential= or LoadCredentialEncrypted="
    )]
    NoCredentials(String),
    /// The command failed.
    #[error("the key command failed: {0}")]
    Command(String),
    /// The text of a wrapping key is malformed.
    #[error(transparent)]
    Place(#[from] KeyPlaceError),
    /// The file of a wrapped key is not known.
    #[error(
        "a vault in a database does not keep its wrapped key beside it: name the file after the place, as in `aws-kms:KEY FILE`"
    )]
    NoWrappedFile,
    /// The file of a wrapped key is missing.
    #[error(
        "there is no wrapped key {0}: restore it from its backup, or name the one that was made for this vault"
    )]
    NoWrappedKey(PathBuf),
    /// The file of a wrapped key is damaged.
    #[error("the wrapped key {path} is damaged ({why}): restore it from its backup")]
    DamagedWrappedKey {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A place of another kind wrapped the key.
    #[error(
        "the key in {path} was wrapped with {by}, not with {given}: name the place that wrapped it, or another file"
    )]
    WrappedElsewhere {
        /// Which file.
        path: PathBuf,
        /// The kind of the place that wrapped it.
        by: &'static str,
        /// The kind of the place that was named.
        given: &'static str,
    },
    /// The place did not unwrap the key.
    #[error("{place} did not unwrap the vault's key in {path}: {why}")]
    NotUnwrapped {
        /// Which file.
        path: PathBuf,
        /// The place.
        place: String,
        /// What it reported.
        why: KeyPlaceError,
    },
    /// The place did not wrap a new key.
    #[error("{place} did not wrap a new key for the vault: {why}")]
    NotWrapped {
        /// The place.
        place: String,
        /// What it reported.
        why: KeyPlaceError,
    },
}
