//! The checkpoints a witness refused as contradictions, kept as files: what an investigator starts from.
//!
//! ```text
//! <dir>/<SHA-256 of the origin>/<reason>-<first 16 digits of SHA-256 of the request>.refusal
//!
//! { "format": "vouchlog/v1 refusal", "origin": "…", "reason": "other-root" | "empty-tree-root" | "after-retirement" | "unproven",
//!   "refused_at": <POSIX seconds>, "request": "<add-checkpoint request>", "latest": "<checkpoint note>" | null }
//! ```

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;
use vouchlog_merkle::{Hash, sha256};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_witness::{Refusal, RefusalReason, RefusalSink};

const FORMAT: &str = "vouchlog/v1 refusal";
/// Files of one log whose checkpoints prove its misbehaviour, over all runs of the witness.
const MAX_PROVEN_FILES: usize = 64;
/// Files of one log that prove nothing by themselves, and that anyone can bring about.
const MAX_UNPROVEN_FILES: usize = 16;

/// Refusals that are listed at most. Those of one log are bounded as they are kept.
const MAX_LISTED: usize = 10_000;

/// A refusal that was kept, by the name of its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRefusal {
    /// SHA-256 of the log's origin.
    pub log: Hash,
    /// Why it was refused.
    pub reason: RefusalReason,
    /// The file.
    pub path: PathBuf,
}

/// A directory of refusals, bounded for every log.
#[derive(Clone, Debug)]
pub struct RefusalDir(PathBuf);

impl RefusalDir {
    /// Refusals go to `dir`, which is made with the first.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
    }

    /// What was kept, in the order of the files' names. Files of another form are left out.
    ///
    /// # Errors
    /// If the directory cannot be read. One that is not there yet has no refusals.
    pub fn kept(&self) -> io::Result<Vec<KeptRefusal>> {
        let mut kept = Vec::new();
        for log in listed(&self.0)? {
            let Some(origin) = name_of(&log).and_then(|name| name.parse::<Hash>().ok()) else { continue };
            let files = listed(&log)?.into_iter().filter_map(|path| {
                let (reason, _) = name_of(&path)?.strip_suffix(".refusal")?.rsplit_once('-')?;
                Some(KeptRefusal { log: origin, reason: RefusalReason::from_word(reason)?, path })
            });
            kept.extend(files.take(MAX_LISTED.saturating_sub(kept.len())));
        }
        Ok(kept)
    }

    fn write(&self, refusal: &Refusal) -> io::Result<()> {
        let dir = self.0.join(sha256(refusal.origin.as_str().as_bytes()).to_string());
        durable::make_dir(&dir)?;
        let digest = sha256(refusal.request.as_bytes()).to_string();
        let path = dir.join(format!("{}-{}.refusal", refusal.reason.as_str(), &digest[..16]));
        if path.try_exists()? {
            return Ok(());
        }
        if is_full(&dir, refusal)? {
            return Err(io::Error::other(
                "too many refusals of this log are stored already: investigate them, then move them away",
            ));
        }
        let content = json!({
            "format": FORMAT, "origin": refusal.origin.as_str(), "reason": refusal.reason.as_str(),
            "refused_at": refusal.refused_at.get(), "request": refusal.request, "latest": refusal.latest,
        });
        Ok(durable::create(&path, format!("{content:#}\n").as_bytes(), Mode::Private)?)
    }
}

impl RefusalSink for RefusalDir {
    fn keep(&self, refusal: &Refusal) -> Result<(), String> {
        self.write(refusal).map_err(|error| error.to_string())
    }
}

/// The paths in a directory, in order.
fn listed(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let paths: io::Result<Vec<PathBuf>> = entries.take(MAX_LISTED).map(|entry| Ok(entry?.path())).collect();
    let mut paths = paths?;
    paths.sort_unstable();
    Ok(paths)
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// Whether a log has its share of files of this kind.
fn is_full(dir: &Path, refusal: &Refusal) -> io::Result<bool> {
    let (mut proven, mut unproven) = (0, 0);
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if name.to_string_lossy().starts_with("unproven-") {
            unproven += 1;
        } else {
            proven += 1;
        }
    }
    let proof = refusal.reason.is_proof();
    Ok(if proof { proven >= MAX_PROVEN_FILES } else { unproven >= MAX_UNPROVEN_FILES })
}

#[cfg(test)]
mod tests {
    use vouchlog_note::Origin;
    use vouchlog_runtime::UnixSeconds;

    use super::*;

    fn refusal(reason: RefusalReason, request: &str) -> Refusal {
        let origin = Origin::new("log.example.com/a").unwrap();
        let latest = Some("latest\n\nlines\n".to_owned());
        Refusal {
            origin,
            latest,
            request: request.to_owned(),
            reason,
            refused_at: UnixSeconds::new(1_767_225_600),
        }
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let log = dir.join(sha256(b"log.example.com/a").to_string());
        let mut files: Vec<_> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    #[test]
    fn a_refusal_is_a_file_that_a_program_can_read_and_is_kept_once() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("refusals");
        let kept = refusal(RefusalReason::OtherRoot, "old 5\n\ncheckpoint\n");
        for _ in 0..2 {
            RefusalDir::new(&place).keep(&kept).unwrap();
        }
        let [file] = &files(&place)[..] else { panic!("one file") };
        assert!(file.file_name().unwrap().to_string_lossy().starts_with("other-root-"));
        let read: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(read["request"], "old 5\n\ncheckpoint\n");
        assert_eq!(read["latest"], "latest\n\nlines\n");
        assert_eq!(read["refused_at"], 1_767_225_600);
        assert_eq!(read["format"], FORMAT);
        let log = sha256(b"log.example.com/a");
        let listed = KeptRefusal { log, reason: RefusalReason::OtherRoot, path: file.clone() };
        for foreign in [place.join("notes.txt"), place.join(log.to_string()).join("other-root.txt")] {
            fs::write(foreign, "x").unwrap();
        }
        assert_eq!(RefusalDir::new(&place).kept().unwrap(), [listed]);
        assert!(RefusalDir::new(&dir.path().join("none")).kept().unwrap().is_empty());
    }

    #[test]
    fn what_anyone_can_make_does_not_crowd_out_what_only_the_log_can() {
        let dir = tempfile::tempdir().unwrap();
        let place = RefusalDir::new(dir.path());
        let many = |reason| {
            (0..100).filter(|at| place.keep(&refusal(reason, &format!("request {at}"))).is_ok()).count()
        };
        assert_eq!(many(RefusalReason::Unproven), MAX_UNPROVEN_FILES);
        assert_eq!(many(RefusalReason::EmptyTreeRoot), MAX_PROVEN_FILES);
        assert_eq!(files(dir.path()).len(), MAX_UNPROVEN_FILES + MAX_PROVEN_FILES);
    }
}
