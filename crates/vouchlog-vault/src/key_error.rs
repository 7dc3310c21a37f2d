//! Why there is no key encryption key.

use std::path::PathBuf;

use thiserror::Error;

/// Why there is no key. No variant holds what was read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text names no source.
    #[error("give a key as file:PATH, env:NAME or command:CMD")]
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
    /// The command failed.
    #[error("the key command failed: {0}")]
    Command(String),
}
