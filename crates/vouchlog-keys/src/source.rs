//! The text of a flag that names a key: a path, or a place and the key's vkey.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;
use vouchlog_note::{SigningKey, VerifyingKey};

use crate::error::KeyPlaceError;
use crate::file::{self, KeyFileError};
use crate::location::KeyLocation;
use crate::reference::KeyReference;

// source = <path> | "file:" <path> | "ssh-agent:" <vkey> | <place> SP <vkey>

/// Where a key is, as a flag names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// A key file, with the secret or with a [`KeyReference`].
    File(PathBuf),
    /// Another place, and the vkey: `ssh-agent:VKEY`, or a [`KeyLocation`], a space and the vkey.
    Elsewhere(Box<KeyReference>),
}

/// Why the key of a source cannot be used.
#[derive(Debug, Error)]
pub enum KeySourceError {
    /// The key file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The place.
    #[error("{location}: {error}")]
    Place {
        /// Where the key is.
        location: Box<KeyLocation>,
        /// What is wrong.
        error: KeyPlaceError,
    },
}

impl KeySource {
    /// The key. A file is read; another place is asked only when it signs.
    pub fn open(&self) -> Result<SigningKey, KeySourceError> {
        match self {
            Self::File(path) => Ok(file::load(path)?),
            Self::Elsewhere(reference) => reference.open().map_err(|error| KeySourceError::Place {
                location: Box::new(reference.location.clone()),
                error,
            }),
        }
    }

    /// The path of a key file.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Elsewhere(_) => None,
        }
    }
}

impl From<PathBuf> for KeySource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl FromStr for KeySource {
    type Err = KeyPlaceError;

    fn from_str(text: &str) -> Result<Self, KeyPlaceError> {
        if text.is_empty() || text == "file:" {
            return Err(KeyPlaceError::Unknown(text.to_owned()));
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self::File(path.into()));
        }
        if !KeyLocation::is_meant(text) {
            return Ok(Self::File(text.into()));
        }
        let (place, vkey) = match (text.strip_prefix("ssh-agent:"), text.rsplit_once(' ')) {
            (_, Some((place, vkey))) => (place.trim_end(), vkey),
            (Some(vkey), None) => ("ssh-agent:", vkey),
            (None, None) => (text, ""),
        };
        let location: KeyLocation = place.parse()?;
        // A fingerprint is not a vkey, nor is the last argument of a program.
        let vkey: VerifyingKey = vkey.parse().map_err(|_| KeyPlaceError::NoVkey)?;
        Ok(Self::Elsewhere(Box::new(KeyReference { vkey, location })))
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Elsewhere(key) if key.location == KeyLocation::Agent(None) => {
                write!(f, "ssh-agent:{}", key.vkey)
            }
            Self::Elsewhere(key) => write!(f, "{} {}", key.location, key.vkey),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    #[test]
    fn a_source_is_a_path_or_a_place_with_its_vkey() {
        for path in
            ["log.key", "/etc/vouchlog/log.key", "a file with spaces", "C:\\keys\\log.key", "odd:name"]
        {
            assert_eq!(path.parse(), Ok(KeySource::File(path.into())));
            assert_eq!(format!("file:{path}").parse(), Ok(KeySource::File(path.into())));
        }
        for text in [
            format!("ssh-agent:{VKEY}"),
            format!("command:/bin/sign --key 1 {VKEY}"),
            format!("aws-kms:alias/log {VKEY}"),
            format!("pkcs11:object=log {VKEY}"),
        ] {
            let source: KeySource = text.parse().unwrap();
            assert!(matches!(&source, KeySource::Elsewhere(key) if key.vkey.to_string() == VKEY));
            assert_eq!(source.to_string(), text);
            assert_eq!(source.path(), None);
        }
    }

    #[test]
    fn a_place_without_its_vkey_is_refused_with_what_is_missing() {
        for text in [
            "command:/bin/sign",
            "command:/bin/sign --key 1",
            "aws-kms:alias/log",
            "ssh-agent:",
            "pkcs11:object=a",
        ] {
            assert_eq!(text.parse::<KeySource>(), Err(KeyPlaceError::NoVkey), "{text}");
        }
        for text in ["", "file:"] {
            assert!(text.parse::<KeySource>().is_err(), "{text}");
        }
    }
}
