//! Which store a witness's key has cosigned with, in a file beside the key.
//!
//! ```text
//! <key file>.state     "vouchlog witness state 1" LF "store " ( <identity, 32 hex digits> | "none" ) LF
//! ```
//!
//! A witness promises to contradict nothing it ever cosigned. With its memory lost, or with another witness's, it would trust
//! the next checkpoint it sees and break that promise under a name that others rely on. So a key and this file belong together:
//!
//! * It is written when the key is made, before the key itself, with `none`: the key has cosigned nothing.
//! * Before a key cosigns anything, the file names its store, and from then on the key opens that store only.
//! * A key without the file came back from a backup, or from another program. It may have cosigned anything, so it opens no store.
//!
//! Each refusal is lifted only by the owner's own words that the promise may be broken. A restored store has the identity it had
//! and cannot be told from the newest, so a backup of one is no use, and neither is a backup of this file: a witness whose disk
//! is gone starts again with another key.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_storage::StoreIdentity;

/// First line. Another number is another layout, which this version cannot read.
const FORMAT: &str = "vouchlog witness state 1";
/// The longest file that is read; one has 65 bytes.
const MAX_FILE_BYTES: usize = 1024;
/// In place of an identity: the key has cosigned nothing.
const UNUSED: &str = "none";

/// What the owner of a key has to say to let it cosign without the memory of what it cosigned before.
pub const ACCEPT_LOST_STATE: &str = "I know that this witness may contradict itself";

/// Why a key does not open a store.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WitnessStateError {
    /// The key has cosigned with another store.
    #[error(
        "the key {key_file} has cosigned with the store {known}, but this is the store {found}: the witness does not know what it cosigned, and may contradict it"
    )]
    Lost {
        /// The key file.
        key_file: PathBuf,
        /// The store the key has cosigned with.
        known: StoreIdentity,
        /// The store it was to be opened with.
        found: StoreIdentity,
    },
    /// There is no file beside the key.
    #[error(
        "{state_file} is missing: it names the store with which the key {key_file} has cosigned. Without it, the witness does not know what it cosigned, and may contradict it"
    )]
    Missing {
        /// The key file.
        key_file: PathBuf,
        /// The file that should be beside it.
        state_file: PathBuf,
    },
    /// The file beside the key is not readable as one.
    #[error(
        "{0} does not name the store with which the key has cosigned: it is damaged, or another version wrote it"
    )]
    Unreadable(PathBuf),
    /// A key that has cosigned nothing was to be rotated.
    #[error("the key {0} has cosigned nothing yet: make another key instead of rotating it")]
    Unused(PathBuf),
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// What a key has cosigned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Nothing,
    Store(StoreIdentity),
}

/// Notes that the key about to be made in `key_file` has cosigned nothing. Call it before the key is written: if the process dies
/// in between, there is a file without a key, and the next call finds it.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the file names a store: it belongs to another key, which was lost.
pub(crate) fn begin(key_file: &Path) -> io::Result<()> {
    let path = state_file(key_file);
    match read(&path) {
        Ok(Some(Known::Nothing)) => Ok(()),
        Ok(None) => write(&path, Known::Nothing),
        Ok(Some(Known::Store(_))) | Err(WitnessStateError::Unreadable(_)) => {
            Err(io::ErrorKind::AlreadyExists.into())
        }
        Err(WitnessStateError::Io { error, .. }) => Err(error),
        Err(error) => Err(io::Error::other(error)),
    }
}

/// Whether the file beside a key names a store.
///
/// # Errors
/// [`WitnessStateError::Missing`] if there is no such file, and [`WitnessStateError::Unreadable`] if it is none.
#[cfg(feature = "postgres")]
pub(crate) fn has_cosigned(key_file: &Path) -> Result<bool, WitnessStateError> {
    let state_file = state_file(key_file);
    match read(&state_file)? {
        Some(known) => Ok(matches!(known, Known::Store(_))),
        None => Err(WitnessStateError::Missing { key_file: key_file.to_owned(), state_file }),
    }
}

/// The file beside a key file.
pub(crate) fn state_file(key_file: &Path) -> PathBuf {
    let mut name = key_file.as_os_str().to_owned();
    name.push(".state");
    name.into()
}

/// Makes sure that the key of `key_file` cosigns with the store `found` and with no other, and remembers so. With
/// `accept_lost` whatever it cosigned with before is forgotten; a file that cannot be read now is an error all the same.
pub(crate) fn bind(
    key_file: &Path,
    found: StoreIdentity,
    accept_lost: bool,
) -> Result<(), WitnessStateError> {
    let path = state_file(key_file);
    match read(&path) {
        Ok(Some(Known::Store(known))) if known == found => return Ok(()),
        Ok(Some(Known::Nothing)) => {}
        Err(error @ WitnessStateError::Io { .. }) => return Err(error),
        _ if accept_lost => {}
        Ok(Some(Known::Store(known))) => {
            return Err(WitnessStateError::Lost { key_file: key_file.to_owned(), known, found });
        }
        Ok(None) => {
            return Err(WitnessStateError::Missing { key_file: key_file.to_owned(), state_file: path });
        }
        Err(error) => return Err(error),
    }
    write(&path, Known::Store(found)).map_err(|error| WitnessStateError::Io { path, error })
}

/// Lets the key of `new` open the store that the key of `old` has cosigned with, and no other: with it the new key remembers all that the
/// old one cosigned. A new key that has begun with another store is refused.
///
/// # Errors
/// Those of a key that opens no store, if one of the files is missing or cannot be read; [`WitnessStateError::Lost`] for two stores.
pub fn hand_over_state(old: &Path, new: &Path) -> Result<(), WitnessStateError> {
    let known = |key_file: &Path| {
        read(&state_file(key_file))?.ok_or_else(|| WitnessStateError::Missing {
            key_file: key_file.to_owned(),
            state_file: state_file(key_file),
        })
    };
    match (known(old)?, known(new)?) {
        (Known::Store(of_old), Known::Store(of_new)) if of_old == of_new => Ok(()),
        (Known::Store(of_old), Known::Nothing) => {
            let path = state_file(new);
            write(&path, Known::Store(of_old)).map_err(|error| WitnessStateError::Io { path, error })
        }
        (Known::Store(found), Known::Store(known)) => {
            Err(WitnessStateError::Lost { key_file: new.to_owned(), known, found })
        }
        // Nothing ties the two together: each could begin with a store of its own.
        (Known::Nothing, _) => Err(WitnessStateError::Unused(old.to_owned())),
    }
}

/// What the file holds; nothing if there is none. A file that cannot be read is an error, and never taken for none.
fn read(path: &Path) -> Result<Option<Known>, WitnessStateError> {
    let unreadable = || WitnessStateError::Unreadable(path.to_owned());
    match durable::read_bounded(path, MAX_FILE_BYTES) {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => parse(&bytes).map(Some).ok_or_else(unreadable),
        Err(failed) if failed.kind() == io::ErrorKind::InvalidData => Err(unreadable()),
        Err(failed) => Err(WitnessStateError::Io { path: path.to_owned(), error: failed.error }),
    }
}

fn parse(bytes: &[u8]) -> Option<Known> {
    let text = str::from_utf8(bytes).ok()?;
    let store = text.strip_prefix(FORMAT)?.strip_prefix("\nstore ")?.strip_suffix('\n')?;
    if store == UNUSED { Some(Known::Nothing) } else { store.parse().ok().map(Known::Store) }
}

fn to_text(known: Known) -> String {
    match known {
        Known::Nothing => format!("{FORMAT}\nstore {UNUSED}\n"),
        Known::Store(identity) => format!("{FORMAT}\nstore {identity}\n"),
    }
}

/// Writes the file durably, whole or not at all.
fn write(path: &Path, known: Known) -> io::Result<()> {
    durable::write(path, to_text(known).as_bytes(), Mode::Shared).map_err(|failed| failed.error)
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
            begin(&key).unwrap();
        }
        for _ in 0..2 {
            bind(&key, ONE, false).unwrap();
        }
        assert_eq!(begin(&key).unwrap_err().kind(), io::ErrorKind::AlreadyExists, "it is another key's");
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
    fn a_rotated_key_opens_the_store_of_the_old_one_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let [old, new, third] = ["old.key", "new.key", "third.key"].map(|name| dir.path().join(name));
        let error = hand_over_state(&old, &new).unwrap_err();
        assert!(matches!(error, WitnessStateError::Missing { .. }), "{error}");
        [&old, &new, &third].into_iter().for_each(|key| begin(key).unwrap());
        bind(&old, ONE, false).unwrap();
        for _ in 0..2 {
            hand_over_state(&old, &new).unwrap();
        }
        assert!(matches!(bind(&new, OTHER, false), Err(WitnessStateError::Lost { .. })));
        bind(&new, ONE, false).unwrap();
        bind(&old, ONE, false).unwrap();
        bind(&third, OTHER, false).unwrap();
        let error = hand_over_state(&old, &third).unwrap_err();
        assert!(matches!(error, WitnessStateError::Lost { known: OTHER, found: ONE, .. }), "{error}");
        let unused = dir.path().join("unused.key");
        begin(&unused).unwrap();
        for new in [&third, &unused] {
            assert!(matches!(hand_over_state(&unused, new), Err(WitnessStateError::Unused(_))));
        }
    }

    #[test]
    fn a_key_without_the_file_does_not_cosign() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("witness.key");
        for _ in 0..2 {
            let missing = bind(&key, ONE, false).unwrap_err();
            assert!(matches!(missing, WitnessStateError::Missing { .. }), "{missing}");
        }
        bind(&key, ONE, true).unwrap();
        bind(&key, ONE, false).unwrap();
    }

    /// A file that is there and fails to be read: here, because it is a directory.
    #[test]
    fn an_error_is_never_taken_for_a_missing_file() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("witness.key");
        fs::create_dir(state_file(&key)).unwrap();
        for accept_lost in [false, true] {
            let failed = bind(&key, ONE, accept_lost).unwrap_err();
            assert!(matches!(failed, WitnessStateError::Io { .. }), "{failed}");
        }
        assert!(begin(&key).is_err());
        assert!(state_file(&key).is_dir(), "nothing was written");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_no_leave_to_cosign() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("witness.key");
        let text = to_text(Known::Store(ONE));
        for cut in 0..text.len() {
            fs::write(state_file(&key), &text[..cut]).unwrap();
            assert!(matches!(bind(&key, ONE, false), Err(WitnessStateError::Unreadable(_))), "cut at {cut}");
            assert!(begin(&key).is_err(), "cut at {cut}");
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
            for known in [Known::Store(StoreIdentity::from_bytes(bytes)), Known::Nothing] {
                prop_assert_eq!(parse(to_text(known).as_bytes()), Some(known));
            }
        }
    }
}
