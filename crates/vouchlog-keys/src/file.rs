//! Key files: one line of text that holds a secret, readable by its owner alone, and never overwritten. A key whose secret is kept
//! elsewhere has a key file too, which names the place ([`KeyReference`]).

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;
use vouchlog_note::{KeyError, KeyName, SignatureType, SigningKey};
use vouchlog_runtime::durable::{self, Mode};
use zeroize::Zeroizing;

use crate::error::KeyPlaceError;
use crate::reference::KeyReference;

/// The longest key file that is read: the longest name and the rest of the line fit four times over.
const MAX_KEY_FILE_BYTES: u64 = 4 * 1024;

/// Why a key file could not be made or read. Names the file, never what is in it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// There is a file of that name.
    #[error("{0} exists, and a key file is never overwritten")]
    Exists(PathBuf),
    /// There is the second file of a witness's key, but not the key.
    #[error(
        "{0} exists, and belongs to a witness's key that is missing: restore the key, or choose another name"
    )]
    StateExists(PathBuf),
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// What is in the file is no key, or the name is none.
    #[error("{path}: {error}")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The file names another place, and the key there cannot be used.
    #[error("{path}: {error}")]
    Place {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyPlaceError,
    },
    /// The file is no text, or too long to be a key file.
    #[error("{0} is not a key file: it is not one line of text")]
    NotText(PathBuf),
}

/// Makes a fresh key and its file, mode 0600.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file of that name; it stays as it is.
pub fn create(path: &Path, name: &str, signature_type: SignatureType) -> Result<SigningKey, KeyFileError> {
    let wrong = |error| KeyFileError::Key { path: path.to_owned(), error };
    let name = KeyName::for_new_key(name).map_err(wrong)?;
    let key = SigningKey::generate(name, signature_type, random_seed()).map_err(wrong)?;
    write_new(path, key.to_key_file().expect("it was made here").as_bytes())?;
    Ok(key)
}

/// Writes the key file of a key whose secret is kept elsewhere, mode 0600. It holds no secret, but whoever changes it changes the key.
///
/// # Errors
/// [`KeyFileError::Exists`] if there is a file of that name; it stays as it is.
pub fn create_reference(path: &Path, reference: &KeyReference) -> Result<(), KeyFileError> {
    write_new(path, reference.to_string().as_bytes())
}

fn write_new(path: &Path, text: &[u8]) -> Result<(), KeyFileError> {
    durable::create(path, text, Mode::Private).map_err(|failed| match failed.kind() {
        io::ErrorKind::AlreadyExists => KeyFileError::Exists(path.to_owned()),
        _ => KeyFileError::Io { path: path.to_owned(), error: failed.error },
    })
}

/// 32 bytes from the operating system's generator.
///
/// # Panics
/// If the system has no randomness: a key made without would be worse than no program.
fn random_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives random bytes");
    seed
}

/// Copies a key file, with its secret or its place, to a new file of mode 0600.
///
/// # Errors
/// As those of [`create`] and [`load`].
pub fn copy(from: &Path, to: &Path) -> Result<SigningKey, KeyFileError> {
    let text = read(from)?;
    let key = parse(from, &text)?;
    write_new(to, text.as_bytes())?;
    Ok(key)
}

/// Reads a key file. One that others may read is used, with a warning. If it names another place, that is asked only when the key
/// signs.
pub fn load(path: &Path) -> Result<SigningKey, KeyFileError> {
    parse(path, &read(path)?)
}

fn read(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |error| KeyFileError::Io { path: path.to_owned(), error };
    let file = fs::File::open(path).map_err(failed)?;
    if durable::is_open_to_others(&file) {
        tracing::warn!(path = %path.display(), "other users can read this key file: set its mode to 0600");
    }
    let mut text = Zeroizing::new(String::with_capacity(1024));
    match file.take(MAX_KEY_FILE_BYTES).read_to_string(&mut text) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(KeyFileError::NotText(path.to_owned()));
        }
        read => read.map_err(failed)?,
    };
    Ok(text)
}

fn parse(path: &Path, text: &str) -> Result<SigningKey, KeyFileError> {
    if KeyReference::is_meant(text) {
        let opened = text.parse().and_then(|reference: KeyReference| reference.open());
        return opened.map_err(|error| KeyFileError::Place { path: path.to_owned(), error });
    }
    SigningKey::from_key_file(text).map_err(|error| KeyFileError::Key { path: path.to_owned(), error })
}

/// Reads the key file, or makes it with a fresh Ed25519 key of this name if there is none.
///
/// # Errors
/// As those of [`create`] and [`load`]. A key file that exists is never replaced.
pub fn load_or_create(path: &Path, name: &str) -> Result<SigningKey, KeyFileError> {
    // Looked for first: the name of an older key may be one that a new key could not have.
    if path.try_exists().unwrap_or(true) {
        return load(path);
    }
    match create(path, name, SignatureType::Ed25519) {
        Err(KeyFileError::Exists(_)) => load(path),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_for_its_owner_alone_and_reads_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let key = create(&path, "log.example.com/a", SignatureType::Ed25519).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(load(&path).unwrap().verifying_key(), key.verifying_key());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn a_key_file_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let first = create(&path, "a", SignatureType::Ed25519).unwrap();
        let second = create(&path, "a", SignatureType::Ed25519);
        assert!(matches!(second, Err(KeyFileError::Exists(_))), "{second:?}");
        assert_eq!(load(&path).unwrap().verifying_key(), first.verifying_key());
        let again = load_or_create(&path, "a").unwrap();
        assert_eq!(again.verifying_key(), first.verifying_key());
    }

    #[test]
    fn a_key_file_that_names_a_place_reads_back_and_is_copied_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copied) = (dir.path().join("a.key"), dir.path().join("b.key"));
        let key = create(&dir.path().join("c.key"), "log.example.com/a", SignatureType::Ed25519).unwrap();
        let vkey = key.verifying_key().clone();
        let reference = KeyReference { vkey: vkey.clone(), location: "command:/bin/false".parse().unwrap() };
        create_reference(&path, &reference).unwrap();
        assert!(matches!(create_reference(&path, &reference), Err(KeyFileError::Exists(_))));
        assert_eq!(copy(&path, &copied).unwrap().verifying_key(), &vkey);
        assert_eq!(fs::read_to_string(&copied).unwrap(), reference.to_string());
        let error = load(&copied).unwrap().sign_note("a\n").unwrap_err().to_string();
        assert!(error.contains("command:/bin/false"), "{error}");
        fs::write(&path, reference.to_string().replace("at ", "in ")).unwrap();
        assert!(matches!(load(&path), Err(KeyFileError::Place { .. })));
    }

    #[test]
    fn a_new_key_has_a_name_that_can_be_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        for name in
            ["g\u{200b}.example.com", "g\u{202e}.example.com", "gаteway.example.com", "gä.example.com"]
        {
            let error = create(&path, name, SignatureType::Ed25519).unwrap_err().to_string();
            assert!(error.contains("printable ASCII") && error.is_ascii(), "{error:?}");
            assert!(load_or_create(&path, name).is_err());
            assert!(!path.exists());
        }
        // A key that an earlier version made is still read.
        let name = KeyName::new("gä.example.com").unwrap();
        let key = SigningKey::generate(name, SignatureType::Ed25519, [1; 32]).unwrap();
        fs::write(&path, key.to_key_file().unwrap().as_bytes()).unwrap();
        assert_eq!(load_or_create(&path, "gä.example.com").unwrap().verifying_key(), key.verifying_key());
    }

    #[test]
    fn an_error_names_the_file_and_not_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let secret = "PRIVATE+KEY+a+00000000+AUJPQkJPQkJPQkJPQkJPQkJPQkJPQkJPQkJPQkJPQkJP\n";
        fs::write(&path, secret).unwrap();
        let message = load(&path).unwrap_err().to_string();
        assert!(message.contains("a.key"), "{message}");
        assert!(!message.contains("AUJP"), "{message}");
        fs::write(&path, [0xff; 100]).unwrap();
        assert!(matches!(load(&path), Err(KeyFileError::NotText(_))));
        assert!(matches!(load(&dir.path().join("none")), Err(KeyFileError::Io { .. })));
    }
}
