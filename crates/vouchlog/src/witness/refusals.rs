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
use vouchlog_merkle::sha256;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_witness::{Refusal, RefusalSink};

const FORMAT: &str = "vouchlog/v1 refusal";
/// Files of one log whose checkpoints prove its misbehaviour, over all runs of the witness.
const MAX_PROVEN_FILES: usize = 64;
/// Files of one log that prove nothing by themselves, and that anyone can bring about.
const MAX_UNPROVEN_FILES: usize = 16;

/// A directory of refusals, bounded for every log.
#[derive(Clone, Debug)]
pub struct RefusalDir(PathBuf);

impl RefusalDir {
    /// Refusals go to `dir`, which is made with the first.
    pub fn new(dir: &Path) -> Self {
        Self(dir.to_owned())
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
    use vouchlog_witness::RefusalReason;

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
