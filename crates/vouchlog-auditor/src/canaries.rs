//! Canaries: statements of an auditor's own, to see whether the log keeps what it took; and the file that remembers them.
//!
//! Only the file tells a canary from another statement, so only its owner can read it.
//!
//! ```text
//! { "format": "vouchlog/v1 canaries",
//!   "origin": "<the log's>",
//!   "checkpoint": "<the newest that a check verified, as a signed note>" | null,
//!   "canaries": [ {
//!     "planted_at": <POSIX seconds>,
//!     "opening": { "format": "vouchlog/v1 opening", "salt": "…", "digest": "…" },   of the record "vouchlog/v1 canary\n"
//!     "index": <where its receipt says it is> | null,
//!     "receipt": "<its proof file>" | null,
//!     "surfaced_at": <when a check first found it, POSIX seconds> | null } ] }
//! ```

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;
use vouchlog_merkle::LeafIndex;
use vouchlog_note::Origin;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::lock::FileLock;
use vouchlog_stream::{Digest, Opening};

const FORMAT: &str = "vouchlog/v1 canaries";
/// What a canary commits to; its salt proves that it was a canary.
const RECORD: &[u8] = b"vouchlog/v1 canary\n";
/// Canaries in one file. Older ones that have surfaced make room, for that they stay is what checkpoints are for; and older ones
/// that the log never acknowledged, for it owes nothing for them.
pub const MAX_CANARIES: usize = 1_024;
/// More than the file has with all of them.
const MAX_FILE_BYTES: usize = 16 << 20;

/// The canaries of one log.
#[derive(Debug)]
pub struct Canaries {
    path: PathBuf,
    origin: Origin,
    /// The newest checkpoint that a check verified.
    pub checkpoint: Option<String>,
    /// The canaries, the oldest first.
    pub list: Vec<Canary>,
    /// Two commands at a time would each forget what the other wrote. It is beside the file, which is replaced.
    _lock: FileLock,
}

/// Why a file of canaries cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CanariesError {
    /// Another process holds it.
    #[error("{0} is in use by another command")]
    InUse(PathBuf),
    /// The file does not hold the canaries of this log.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Every canary still has to be checked, so none makes room.
    #[error("{0} has {MAX_CANARIES} unchecked canaries")]
    Full(PathBuf),
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        error: io::Error,
    },
}

impl CanariesError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }
}

/// A canary: a salted statement that only the holder of the file can recognise.
#[derive(Clone, Debug)]
pub struct Canary {
    /// When it was made, in POSIX seconds.
    pub planted_at: u64,
    opening: Opening,
    /// Where its receipt says it is; none if the log never gave one.
    pub index: Option<u64>,
    /// The proof file of its receipt.
    pub receipt: Option<PathBuf>,
    surfaced_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    origin: String,
    checkpoint: Option<String>,
    canaries: Vec<CanaryText>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CanaryText {
    planted_at: u64,
    opening: Value,
    index: Option<u64>,
    receipt: Option<PathBuf>,
    surfaced_at: Option<u64>,
}

impl Canary {
    /// A canary with a fresh random salt. `now` is in POSIX seconds.
    pub fn new(salt: [u8; 32], now: u64) -> Self {
        let opening = Opening::with_salt(salt, RECORD);
        Self { planted_at: now, opening, index: None, receipt: None, surfaced_at: None }
    }

    /// What is logged for it.
    pub fn digest(&self) -> Digest {
        self.opening.digest()
    }

    /// Remembers the index in the log's receipt, and the proof file of the receipt.
    pub fn acknowledged(&mut self, index: LeafIndex, receipt: Option<PathBuf>) {
        self.index = Some(index.get());
        self.receipt = receipt;
    }

    /// Remembers that a check found it in the log. `now` is in POSIX seconds.
    pub fn surfaced(&mut self, index: LeafIndex, now: u64) {
        self.index = Some(index.get());
        self.surfaced_at.get_or_insert(now);
    }

    fn from_text(text: CanaryText) -> Result<Self, String> {
        let opening = Opening::parse(text.opening.to_string().as_bytes());
        let opening = opening.map_err(|error| error.to_string())?;
        opening.check(RECORD).map_err(|error| error.to_string())?;
        let CanaryText { planted_at, index, receipt, surfaced_at, .. } = text;
        Ok(Self { planted_at, opening, index, receipt, surfaced_at })
    }

    fn to_text(&self) -> serde_json::Result<CanaryText> {
        let Self { planted_at, opening, index, receipt, surfaced_at } = self.clone();
        let opening = serde_json::from_str(&opening.to_text())?;
        Ok(CanaryText { planted_at, opening, index, receipt, surfaced_at })
    }
}

impl Canaries {
    /// The canaries in a file, or none if there is no file yet. No other process can open it until this is dropped.
    ///
    /// # Errors
    /// Another process holds it, or it is damaged, of another log, or cannot be read.
    pub fn open(path: &Path, origin: &Origin) -> Result<Self, CanariesError> {
        let io = |error| CanariesError::io(path, error);
        let lock = FileLock::take(&beside(path, ".lock")).map_err(io)?;
        let lock = lock.ok_or_else(|| CanariesError::InUse(path.to_owned()))?;
        let (checkpoint, list) = if path.try_exists().map_err(io)? {
            let json = durable::read(path, MAX_FILE_BYTES).map_err(|failed| io(failed.error))?;
            parse(&json, origin)
                .map_err(|reason| CanariesError::Malformed { path: path.to_owned(), reason })?
        } else {
            (None, Vec::new())
        };
        Ok(Self { path: path.to_owned(), origin: origin.clone(), checkpoint, list, _lock: lock })
    }

    /// Adds a canary, and returns its place in the list.
    ///
    /// # Errors
    /// [`CanariesError::Full`] if there is no room and nothing makes any.
    pub fn add(&mut self, canary: Canary) -> Result<usize, CanariesError> {
        if self.list.len() >= MAX_CANARIES {
            let oldest =
                self.list.iter().position(|canary| canary.surfaced_at.is_some() || canary.index.is_none());
            self.list.remove(oldest.ok_or_else(|| CanariesError::Full(self.path.clone()))?);
        }
        self.list.push(canary);
        Ok(self.list.len() - 1)
    }

    /// Writes the file whole or not at all, for its owner alone.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self) -> Result<(), CanariesError> {
        let io = |error| CanariesError::io(&self.path, error);
        let json = self.to_json().map_err(|error| io(error.into()))?;
        durable::write(&self.path, json.as_bytes(), Mode::Private).map_err(|failed| io(failed.error))
    }

    fn to_json(&self) -> serde_json::Result<String> {
        let canaries = self.list.iter().map(Canary::to_text).collect::<serde_json::Result<_>>()?;
        let (format, origin) = (FORMAT.to_owned(), self.origin.to_string());
        serde_json::to_string_pretty(&Text { format, origin, checkpoint: self.checkpoint.clone(), canaries })
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn parse(json: &[u8], origin: &Origin) -> Result<(Option<String>, Vec<Canary>), String> {
    let text: Text =
        serde_json::from_slice(json).map_err(|error| format!("this is not a canaries file: {error}"))?;
    if text.format != FORMAT {
        return Err(format!("its format is not `{FORMAT}`"));
    }
    if text.origin != origin.as_str() {
        return Err(format!("its canaries belong to the log {}", text.origin));
    }
    if text.canaries.len() > MAX_CANARIES {
        return Err(format!("it has more than {MAX_CANARIES} canaries"));
    }
    let list = text.canaries.into_iter().map(Canary::from_text).collect::<Result<_, _>>()?;
    Ok((text.checkpoint, list))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn origin() -> Origin {
        Origin::new("log.example.com/x").unwrap()
    }

    /// A canary with a salt of its own for each time.
    fn canary(now: u64) -> Canary {
        let mut salt = [0; 32];
        salt[..8].copy_from_slice(&now.to_be_bytes());
        Canary::new(salt, now)
    }

    #[test]
    fn canaries_read_back_and_are_their_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("canaries.json");
        let mut canaries = Canaries::open(&path, &origin()).unwrap();
        assert!(Canaries::open(&path, &origin()).is_err(), "it is in use");
        for now in [7, 8] {
            canaries.add(canary(now)).unwrap();
            canaries.save().unwrap();
        }
        let digests: Vec<Digest> = canaries.list.iter().map(Canary::digest).collect();
        assert_ne!(digests[0], digests[1]);
        drop(canaries);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let again = Canaries::open(&path, &origin()).unwrap();
        assert_eq!(again.list.iter().map(Canary::digest).collect::<Vec<_>>(), digests);
        drop(again);
        assert!(Canaries::open(&path, &Origin::new("other.example.com").unwrap()).is_err());
    }

    #[test]
    fn only_canaries_that_are_owed_nothing_make_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut canaries = Canaries::open(&dir.path().join("canaries.json"), &origin()).unwrap();
        for now in 0..MAX_CANARIES as u64 {
            let place = canaries.add(canary(now)).unwrap();
            canaries.list[place].index = Some(now);
        }
        assert!(canaries.add(canary(9)).unwrap_err().to_string().contains("unchecked canaries"));
        canaries.list[5].surfaced(LeafIndex::new(3), 7);
        assert_eq!(canaries.add(canary(9_999)).unwrap(), MAX_CANARIES - 1);
        assert!(canaries.list.iter().all(|canary| canary.planted_at != 5));
        // The one just added has no receipt.
        assert_eq!(canaries.add(canary(10_000)).unwrap(), MAX_CANARIES - 1);
        assert!(canaries.list.iter().all(|canary| canary.planted_at != 9_999));
    }

    #[test]
    fn a_salt_of_something_else_is_refused() {
        let text = |opening: &Opening| {
            let opening: Value = serde_json::from_str(&opening.to_text()).unwrap();
            let canary = serde_json::json!({
                "planted_at": 7, "opening": opening, "index": null, "receipt": null, "surfaced_at": null,
            });
            serde_json::json!({
                "format": FORMAT, "origin": "log.example.com/x", "checkpoint": null, "canaries": [canary],
            })
            .to_string()
        };
        assert!(parse(text(&Opening::with_salt([7; 32], RECORD)).as_bytes(), &origin()).is_ok());
        assert!(parse(text(&Opening::with_salt([7; 32], b"a call")).as_bytes(), &origin()).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, &origin());
        }
    }
}
