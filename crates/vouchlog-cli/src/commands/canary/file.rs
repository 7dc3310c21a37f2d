//! The file that remembers canaries. It is what tells them from other statements, so only its owner can read it.
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

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vouchlog::{Digest, LeafIndex, Opening, Origin};
use vouchlog_runtime::durable::{self, Mode};

use crate::advice::Advice;
use crate::commands::lock::Lock;
use crate::commands::submit::Placed;
use crate::commands::{named, read_file};

const FORMAT: &str = "vouchlog/v1 canaries";
/// What a canary commits to: whoever is shown its salt sees that it was one.
const RECORD: &[u8] = b"vouchlog/v1 canary\n";
/// Canaries in one file. Older ones that have surfaced make room, for that they stay is what checkpoints are for; and older ones
/// that the log never acknowledged, for it owes nothing for them.
pub(super) const MAX_CANARIES: usize = 1_024;
/// More than the file has with all of them.
const MAX_FILE_BYTES: usize = 16 << 20;

/// The canaries of one log.
#[derive(Debug)]
pub(super) struct Canaries {
    path: PathBuf,
    origin: Origin,
    /// The newest checkpoint that a check verified.
    pub(super) checkpoint: Option<String>,
    pub(super) list: Vec<Canary>,
    /// Two commands at a time would each forget what the other wrote. It is beside the file, which is replaced.
    _lock: Lock,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Canary {
    pub(super) planted_at: u64,
    opening: Opening,
    /// Where its receipt says it is; none if the log never gave one.
    pub(super) index: Option<u64>,
    pub(super) receipt: Option<PathBuf>,
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
    /// A fresh one, with a salt of its own.
    pub(super) fn new(now: u64) -> Self {
        let opening = Opening::new(RECORD);
        Self { planted_at: now, opening, index: None, receipt: None, surfaced_at: None }
    }

    pub(super) fn digest(&self) -> Digest {
        self.opening.digest()
    }

    /// The log gave a receipt for it.
    pub(super) fn acknowledged(&mut self, placed: &Placed) {
        self.index = Some(placed.index.get());
        self.receipt.clone_from(&placed.file);
    }

    /// A check found it.
    pub(super) fn surfaced(&mut self, index: LeafIndex, now: u64) {
        self.index = Some(index.get());
        self.surfaced_at.get_or_insert(now);
    }

    fn from_text(text: CanaryText) -> anyhow::Result<Self> {
        let opening = Opening::parse(text.opening.to_string().as_bytes())?;
        opening.check(RECORD)?;
        let CanaryText { planted_at, index, receipt, surfaced_at, .. } = text;
        Ok(Self { planted_at, opening, index, receipt, surfaced_at })
    }

    fn to_text(&self) -> anyhow::Result<CanaryText> {
        let Self { planted_at, opening, index, receipt, surfaced_at } = self.clone();
        let opening = serde_json::from_str(&opening.to_text())?;
        Ok(CanaryText { planted_at, opening, index, receipt, surfaced_at })
    }
}

impl Canaries {
    /// Those in a file; none before there is one. Nobody else can open them until this is dropped.
    pub(super) fn open(path: &Path, origin: &Origin) -> anyhow::Result<Self> {
        let lock = Lock::take(&beside(path, ".lock"))?.ok_or_else(|| {
            let problem = format!("{} is in use by another command", path.display());
            Advice::error(problem, "wait until it ends, then run this again")
        })?;
        let (checkpoint, list) = if path.try_exists().with_context(|| path.display().to_string())? {
            parse(&read_file(path, MAX_FILE_BYTES)?, origin).map_err(|error| {
                let hint = "give the file of this log's canaries, or another name to start a new one";
                Advice::error(format!("{}: {error:#}", path.display()), hint)
            })?
        } else {
            (None, Vec::new())
        };
        Ok(Self { path: path.to_owned(), origin: origin.clone(), checkpoint, list, _lock: lock })
    }

    /// Adds one, and returns its place.
    pub(super) fn add(&mut self, canary: Canary) -> anyhow::Result<usize> {
        if self.list.len() >= MAX_CANARIES {
            let oldest =
                self.list.iter().position(|canary| canary.surfaced_at.is_some() || canary.index.is_none());
            let oldest = oldest.ok_or_else(|| {
                let problem = format!("{} has {MAX_CANARIES} unchecked canaries", self.path.display());
                Advice::error(problem, "run `vouchlog canary check`, or start another file")
            })?;
            self.list.remove(oldest);
        }
        self.list.push(canary);
        Ok(self.list.len() - 1)
    }

    /// Writes the file whole or not at all, for its owner alone.
    pub(super) fn save(&self) -> anyhow::Result<()> {
        let canaries = self.list.iter().map(Canary::to_text).collect::<anyhow::Result<_>>()?;
        let (format, origin) = (FORMAT.to_owned(), self.origin.to_string());
        let text = Text { format, origin, checkpoint: self.checkpoint.clone(), canaries };
        let json = serde_json::to_string_pretty(&text)?;
        durable::write(&self.path, json.as_bytes(), Mode::Private).map_err(|failed| named(&self.path, failed))
    }
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn parse(json: &[u8], origin: &Origin) -> anyhow::Result<(Option<String>, Vec<Canary>)> {
    let text: Text = serde_json::from_slice(json).context("this is not a canaries file")?;
    anyhow::ensure!(text.format == FORMAT, "its format is not `{FORMAT}`");
    anyhow::ensure!(text.origin == origin.as_str(), "its canaries belong to the log {}", text.origin);
    anyhow::ensure!(text.canaries.len() <= MAX_CANARIES, "it has more than {MAX_CANARIES} canaries");
    let list = text.canaries.into_iter().map(Canary::from_text).collect::<anyhow::Result<_>>()?;
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

    #[test]
    fn canaries_read_back_and_are_their_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("canaries.json");
        let mut canaries = Canaries::open(&path, &origin()).unwrap();
        assert!(Canaries::open(&path, &origin()).is_err(), "it is in use");
        for now in [7, 8] {
            canaries.add(Canary::new(now)).unwrap();
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
            let place = canaries.add(Canary::new(now)).unwrap();
            canaries.list[place].index = Some(now);
        }
        assert!(canaries.add(Canary::new(9)).unwrap_err().to_string().contains("unchecked canaries"));
        canaries.list[5].surfaced(LeafIndex::new(3), 7);
        assert_eq!(canaries.add(Canary::new(9_999)).unwrap(), MAX_CANARIES - 1);
        assert!(canaries.list.iter().all(|canary| canary.planted_at != 5));
        // The one just added has no receipt.
        assert_eq!(canaries.add(Canary::new(10_000)).unwrap(), MAX_CANARIES - 1);
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
        assert!(parse(text(&Opening::new(RECORD)).as_bytes(), &origin()).is_ok());
        assert!(parse(text(&Opening::new(b"a call")).as_bytes(), &origin()).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, &origin());
        }
    }
}
