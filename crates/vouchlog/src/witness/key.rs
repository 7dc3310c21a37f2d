//! The key of a witness, and the file beside it that names the store it has cosigned with.

use std::io;
use std::path::Path;

use vouchlog_note::{KeyName, SignatureType, SigningKey};

use super::state;
use crate::keys::{self, KeyFileError, KeyReference};

/// Makes a fresh key for a witness, as [`keys::create`] does, and a second file beside it, `<path>.state`, which records that the
/// key has cosigned nothing. A witness opens no key without that file.
///
/// # Errors
/// As those of [`keys::create`], and [`KeyFileError::StateExists`] if there is the second file of another key.
pub fn create_key(
    path: &Path,
    name: &str,
    signature_type: SignatureType,
) -> Result<SigningKey, KeyFileError> {
    begin(path, name)?;
    keys::create(path, name, signature_type)
}

/// As [`create_key`], for a key whose secret is kept elsewhere.
///
/// # Errors
/// As those of [`create_key`].
pub fn create_key_reference(path: &Path, reference: &KeyReference) -> Result<(), KeyFileError> {
    begin(path, reference.vkey.name().as_str())?;
    keys::create_reference(path, reference)
}

/// Makes the second file, unless there is a key file or the name is none.
fn begin(path: &Path, name: &str) -> Result<(), KeyFileError> {
    let failed = |error| KeyFileError::Io { path: path.to_owned(), error };
    if path.try_exists().map_err(failed)? {
        return Err(KeyFileError::Exists(path.to_owned()));
    }
    // Before the second file is there.
    KeyName::for_new_key(name).map_err(|error| KeyFileError::Key { path: path.to_owned(), error })?;
    state::begin(path).map_err(|error| {
        let path = state::state_file(path);
        match error.kind() {
            io::ErrorKind::AlreadyExists => KeyFileError::StateExists(path),
            _ => KeyFileError::Io { path, error },
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NAME: &str = "witness.example.com/w";
    const TYPE: SignatureType = SignatureType::CosignatureEd25519;

    #[test]
    fn a_key_is_made_with_its_state_and_never_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness.key");
        let key = create_key(&path, NAME, TYPE).unwrap();
        assert_eq!(keys::load(&path).unwrap().verifying_key(), key.verifying_key());
        let state = fs::read_to_string(state::state_file(&path)).unwrap();
        assert!(state.ends_with("store none\n"), "{state}");
        assert!(matches!(create_key(&path, NAME, TYPE), Err(KeyFileError::Exists(_))));
    }

    #[test]
    fn the_state_of_a_lost_key_is_not_given_to_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("witness.key");
        fs::write(state::state_file(&path), "the state of a key that is gone\n").unwrap();
        assert!(matches!(create_key(&path, NAME, TYPE), Err(KeyFileError::StateExists(_))));
        assert!(!path.exists());
    }
}
