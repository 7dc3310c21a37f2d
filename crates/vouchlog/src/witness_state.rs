//! Which store a witness's key has cosigned with, in a file beside the key.
//!
//! ```text
//! <key file>.state     "vouchlog witness state 1" LF "store " <identity, 32 hex digits> LF
//! ```
//!
//! A witness promises to contradict nothing it ever cosigned. With its memory lost, or with somebody else's, it would take
//! the next checkpoint it sees on trust and break that promise under a name that others rely on. So the file is written
//! before a key cosigns anything, and from then on the key opens that store only, unless its owner says in words that the
//! promise may be broken. A store brought back from a backup has the identity it had and cannot be told from the newest, so a
//! backup of one is no use: a witness whose disk is gone begins anew with another key.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_storage::StoreIdentity;

/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog witness state 1";
/// The longest file that is read; one has 65 bytes.
const MAX_FILE_BYTES: usize = 1024;

/// What the owner of a key has to say to let it cosign without the memory of what it cosigned before.
pub const ACCEPT_LOST_STATE: &str = "I know that this witness may contradict itself";

/// Why a key does not open a store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessStateError {
    /// The key has cosigned with another store.
    #[error(
        "the key {key_file} has cosigned with the store {known}, but this is the store {found}: the witness would not remember \
         what it cosigned, and may contradict it"
    )]
    Lost {
        /// The key file.
        key_file: PathBuf,
        /// The store the key has cosigned with.
        known: StoreIdentity,
        /// The store it was to be opened with.
        found: StoreIdentity,
    },
    /// The file beside the key is not readable as one.
    #[error(
        "{0} does not say which store the key has cosigned with, as it should: it was damaged or written by another version"
    )]
    Unreadable(PathBuf),
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// Makes sure that the key of `key_file` cosigns with the store `found` and with no other, and remembers so. With
/// `accept_lost` whatever it cosigned with before is forgotten.
pub(crate) fn bind(
    key_file: &Path,
    found: StoreIdentity,
    accept_lost: bool,
) -> Result<(), WitnessStateError> {
    let path = state_file(key_file);
    match read(&path) {
        Ok(Some(known)) if known == found => Ok(()),
        Ok(Some(known)) if !accept_lost => {
            Err(WitnessStateError::Lost { key_file: key_file.to_owned(), known, found })
        }
        Err(error) if !accept_lost => Err(error),
        _ => durable::write(&path, to_text(found).as_bytes(), Mode::Shared)
            .map_err(|failed| WitnessStateError::Io { path, error: failed.error }),
    }
}

fn state_file(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

fn read(path: &Path) -> Result<Option<StoreIdentity>, WitnessStateError> {
    let unreadable = || WitnessStateError::Unreadable(path.to_owned());
    match durable::read_bounded(path, MAX_FILE_BYTES) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => parse(&bytes).map(Some).ok_or_else(unreadable),
        Err(failed) if failed.kind() == io::ErrorKind::InvalidData => Err(unreadable()),
        Err(failed) => Err(WitnessStateError::Io { path: path.to_owned(), error: failed.error }),
    }
}

fn parse(bytes: &[u8]) -> Option<StoreIdentity> {
    let text = str::from_utf8(bytes).ok()?;
    let identity = text.strip_prefix(FORMAT)?.strip_prefix("\nstore ")?.strip_suffix('\n')?;
    identity.parse().ok()
}

fn to_text(identity: StoreIdentity) -> String {
    format!("{FORMAT}\nstore {identity}\n")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    const ONE: StoreIdentity = StoreIdentity::from_bytes([1; 16]);
    const OTHER: StoreIdentity = StoreIdentity::from_bytes([2; 16]);

    #[test]
    fn a_key_stays_with_its_store() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("witness.key");
        for _ in 0..2 {
            bind(&key, ONE, false).unwrap();
        }
        let file = dir.path().join("witness.key.state");
        let text = format!("vouchlog witness state 1\nstore {}\n", "01".repeat(16));
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        let lost = bind(&key, OTHER, false).unwrap_err();
        assert!(matches!(lost, WitnessStateError::Lost { known: ONE, found: OTHER, .. }), "{lost}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "a refusal changes nothing");
        bind(&key, OTHER, true).unwrap();
        bind(&key, OTHER, false).unwrap();
        assert!(bind(&key, ONE, false).is_err(), "it has cosigned with the other since");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_leave_to_cosign() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("witness.key");
        let text = to_text(ONE);
        for cut in 0..text.len() {
            fs::write(state_file(&key), &text[..cut]).unwrap();
            assert!(matches!(bind(&key, ONE, false), Err(WitnessStateError::Unreadable(_))), "cut at {cut}");
        }
        bind(&key, ONE, true).unwrap();
        bind(&key, ONE, false).unwrap();
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>, text in "vouchlog witness state 1\nstore \\PC{0,40}\n?") {
            let _ = parse(&bytes);
            let _ = parse(text.as_bytes());
        }

        #[test]
        fn what_is_written_reads_back(bytes: [u8; 16]) {
            let identity = StoreIdentity::from_bytes(bytes);
            prop_assert_eq!(parse(to_text(identity).as_bytes()), Some(identity));
        }
    }
}
