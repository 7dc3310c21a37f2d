//! A finding as it is reported, and what makes two findings the same.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vouchlog_merkle::{Hash, sha256};

use crate::config::LogIdentity;
use crate::evidence::{Evidence, EvidenceFile};
use crate::kind::{FindingKind, Proves};
use crate::proving::verify_finding;

/// Evidence that is sent along; larger one is only named.
const MAX_SENT_EVIDENCE: usize = 1 << 20;

/// A finding that was not reported before.
#[derive(Clone, Debug)]
pub struct NewFinding {
    /// What makes it the same finding when it is found again.
    pub identity: Hash,
    /// What is wrong.
    pub kind: FindingKind,
    /// The file with its evidence.
    pub path: PathBuf,
    proves: Proves,
    found_at: u64,
    file: EvidenceFile,
    length: usize,
}

impl NewFinding {
    /// A finding by its evidence, which is at `path` and has so many bytes.
    pub(super) fn new(
        file: EvidenceFile,
        length: usize,
        path: &Path,
        log: &LogIdentity,
        found_at: u64,
    ) -> Self {
        let is_proven = verify_finding(&file, log).is_proven();
        Self {
            identity: identity(&file),
            kind: file.kind,
            path: path.to_owned(),
            proves: if is_proven { Proves::Misconduct } else { Proves::Observation },
            found_at,
            file,
            length,
        }
    }

    /// For programs. Evidence of more than 1 MiB is named and not sent along.
    pub fn json(&self) -> Value {
        let mut value = json!({
            "finding": self.kind, "rule": self.kind.rule(), "severity": self.kind.severity(), "proves": self.proves,
            "origin": self.file.origin, "words": self.file.words, "place": self.file.place,
            "found_at": self.found_at, "evidence_file": self.path,
        });
        if self.length <= MAX_SENT_EVIDENCE {
            value["evidence"] = json!(self.file);
        }
        value
    }

    /// For people, on one line.
    pub fn words(&self) -> String {
        let (kind, file) = (self.kind, &self.file);
        let how_bad = kind.severity().words();
        let path = self.path.display();
        let rule = kind.rule();
        format!("FINDING, {how_bad}: {kind} ({rule}) at {}: {}; evidence in {path}", file.place, file.words)
    }
}

/// Whether a finding is a state of affairs that may pass, and is reported again when it returns.
pub(super) fn may_pass(kind: FindingKind) -> bool {
    use FindingKind::{MissingCheckpoint, MissingQuorum, SilentStream, StaleCheckpoint};
    matches!(kind, MissingCheckpoint | MissingQuorum | StaleCheckpoint | SilentStream)
}

/// What stays the same while the log grows under a fault: kind, place, and the heads that contradict each other. Proofs,
/// cosignatures and the width of the newest tile change with every checkpoint.
pub(super) fn identity(file: &EvidenceFile) -> Hash {
    let place = &file.place;
    let mut parts = vec![file.kind.code().to_owned(), format!("{:?}", place.stream)];
    if !may_pass(file.kind) {
        let tile = place.tile.as_deref().map(|tile| tile.split(".p/").next().unwrap_or(tile));
        parts.push(format!("{:?} {tile:?}", place.entry));
        parts.extend(heads(file));
    }
    sha256(parts.join("\n").as_bytes())
}

/// The checkpoints a finding is about, without their signatures.
fn heads(file: &EvidenceFile) -> Vec<String> {
    let signed_text = |note: &str| note.split("\n\n").next().unwrap_or(note).to_owned();
    match &file.evidence {
        Evidence::Note { note } => vec![signed_text(note)],
        // Every checkpoint of a log that shrank is smaller than the known one.
        Evidence::TwoHeads { known, .. } if file.kind == FindingKind::ShrunkenLog => vec![signed_text(known)],
        Evidence::TwoHeads { known, served } => vec![signed_text(known), signed_text(served)],
        Evidence::Prefix { old, prefix_root, .. } => vec![signed_text(old), prefix_root.to_string()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(kind: &str, place: &Value, evidence: &Value) -> EvidenceFile {
        let file = json!({
            "format": "vouchlog/v1 evidence", "kind": kind, "origin": "log.example.com/x", "words": "it is wrong",
            "place": place, "evidence": evidence,
        });
        EvidenceFile::from_json(file.to_string().as_bytes()).unwrap()
    }

    fn of(kind: &str, place: &Value, proof: &Value) -> Hash {
        identity(&evidence(kind, place, proof))
    }

    #[test]
    fn a_fault_stays_the_same_while_the_log_grows() {
        let object = |note: &str| json!({ "type": "object", "checkpoint": note });
        let (first, later) = (json!({ "tile": "tile/0/001.p/7" }), json!({ "tile": "tile/0/001.p/9" }));
        assert_eq!(of("missing-tile", &first, &object("one")), of("missing-tile", &later, &object("two")));
        assert_ne!(of("missing-tile", &first, &object("one")), of("truncated-tile", &later, &object("one")));
        let entry = |at: u64| of("altered-entry", &json!({ "entry": at }), &object("one"));
        assert_ne!(entry(3), entry(4));
    }

    #[test]
    fn heads_are_told_apart_by_what_was_signed() {
        let heads = |kind, size: u64, known: &str, served: &str| {
            let heads = json!({ "type": "two-heads", "known": known, "served": served });
            of(kind, &json!({ "checkpoint": size }), &heads)
        };
        let split = heads("split-view", 3, "a\n3\nR\n\n— one\n", "a\n3\nS\n\n— one\n");
        assert_eq!(split, heads("split-view", 3, "a\n3\nR\n\n— two\n", "a\n3\nS\n\n— two\n"));
        assert_ne!(split, heads("split-view", 3, "a\n3\nR\n\n", "a\n3\nT\n\n"));
        let shrunken = |size: u64| heads("shrunken-log", size, "a\n9\nR\n\n", &format!("a\n{size}\nS\n\n"));
        assert_eq!(shrunken(3), shrunken(4));
    }

    #[test]
    fn what_may_pass_is_one_finding_while_it_lasts() {
        let note = |size: u64| {
            of(
                "missing-quorum",
                &json!({ "checkpoint": size }),
                &json!({ "type": "note", "note": size.to_string() }),
            )
        };
        assert_eq!(note(3), note(4));
        let silent =
            |stream: u64| of("silent-stream", &json!({ "stream": stream }), &json!({ "type": "none" }));
        assert_ne!(silent(3), silent(4));
    }
}
