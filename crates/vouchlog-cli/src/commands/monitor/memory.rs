//! What a monitor remembers: which findings it has had, and which of those it has told.
//!
//! ```text
//! <state>/<SHA-256 of the origin>.monitor.json
//! { "format": "vouchlog/v1 monitor", "origin": "…",
//!   "findings": { "<identity, 64 hex digits>":
//!     { "finding": "<code>", "evidence_file": "…", "found_at": <POSIX seconds>, "told": true } } }
//!
//! <state>/<SHA-256 of the origin>.pending/      what an audit found and nobody has looked at yet
//! <state>/<SHA-256 of the origin>.monitor.lock  held while a monitor runs
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use vouchlog::Origin;
use vouchlog_auditor::limits::MAX_EVIDENCE_BYTES;
use vouchlog_auditor::{EvidenceFile, FindingKind, LogIdentity};
use vouchlog_merkle::{Hash, sha256};

use super::news::{News, identity, may_pass};
use crate::advice::Advice;
use crate::commands::lock::Lock;
use crate::commands::{make_folder, read_file, write_file};

const FORMAT: &str = "vouchlog/v1 monitor";
/// Findings that are remembered, and evidence files kept. A log with so many is beyond telling.
const MAX_FINDINGS: usize = 4_096;
/// More than the file has with all of them: each has a path, the rest is short.
const MAX_MEMORY_BYTES: usize = 64 << 20;

#[derive(Debug)]
pub(super) struct Memory {
    path: PathBuf,
    pending: PathBuf,
    evidence: PathBuf,
    text: Text,
    /// Two monitors with one memory would each forget what the other told.
    _lock: Lock,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    format: String,
    origin: String,
    findings: BTreeMap<String, Known>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    finding: FindingKind,
    evidence_file: PathBuf,
    found_at: u64,
    told: bool,
}

impl Memory {
    /// The memory about a log in a directory. The evidence of findings will be kept in another.
    pub(super) fn open(state: &Path, evidence: &Path, origin: &Origin) -> anyhow::Result<Self> {
        let name = sha256(origin.as_str().as_bytes());
        let at = |ending: &str| state.join(format!("{name}.{ending}"));
        let pending = at("pending");
        for dir in [&pending, evidence] {
            make_folder(dir)?;
        }
        let lock = Lock::take(&at("monitor.lock"))?.ok_or_else(|| {
            let problem = format!("{}: another monitor of this log uses this state", state.display());
            Advice::error(problem, "stop it, or give this one another --state directory")
        })?;
        let path = at("monitor.json");
        let text = match path.try_exists().with_context(|| path.display().to_string())? {
            false => {
                Text { format: FORMAT.to_owned(), origin: origin.to_string(), findings: BTreeMap::new() }
            }
            true => parse(&read_file(&path, MAX_MEMORY_BYTES)?, origin).map_err(|error| {
                let hint = "restore it from a backup, or remove it: then every finding is reported again";
                Advice::error(format!("{}: {error}", path.display()), hint)
            })?,
        };
        // The current directory may change under a command that is run.
        let evidence = fs::canonicalize(evidence).with_context(|| evidence.display().to_string())?;
        Ok(Self { path, pending, evidence, text, _lock: lock })
    }

    /// Where audits leave the evidence of all they find.
    pub(super) fn pending(&self) -> &Path {
        &self.pending
    }

    /// Takes over what the last audit left in `pending`, and returns what is new in it, remembered as untold. After an audit that
    /// is over, what may pass and does not show any more is forgotten.
    pub(super) fn take(&mut self, log: &LogIdentity, is_over: bool, now: u64) -> anyhow::Result<Vec<News>> {
        let before = self.text.findings.clone();
        let taken = self.take_over(log, is_over, now);
        if taken.is_err() {
            // What could not be remembered was not taken: it is found again.
            self.text.findings = before;
        }
        taken
    }

    fn take_over(&mut self, log: &LogIdentity, is_over: bool, now: u64) -> anyhow::Result<Vec<News>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.pending).with_context(|| self.pending.display().to_string())? {
            files.push(entry?.path());
        }
        // Named by their place in the report: causes first.
        files.sort_unstable();
        let (mut seen, mut new) = (BTreeSet::new(), Vec::new());
        for path in &files {
            // One that is not whole was being written when the monitor was killed, and its audit was not over.
            let Ok(json) = read_file(path, MAX_EVIDENCE_BYTES) else { continue };
            let Ok(file) = EvidenceFile::from_json(&json) else { continue };
            let identity = identity(&file).to_string();
            seen.insert(identity.clone());
            if !self.text.findings.contains_key(&identity) {
                new.extend(self.keep(&identity, file, &json, log, now)?);
            }
        }
        let before = self.text.findings.len();
        if is_over {
            self.text.findings.retain(|identity, known| !may_pass(known.finding) || seen.contains(identity));
        }
        if !new.is_empty() || self.text.findings.len() != before {
            self.save()?;
        }
        for path in &files {
            fs::remove_file(path).with_context(|| path.display().to_string())?;
        }
        Ok(new)
    }

    /// Keeps the evidence of a finding that is new, and remembers it.
    fn keep(
        &mut self,
        identity: &str,
        file: EvidenceFile,
        json: &[u8],
        log: &LogIdentity,
        now: u64,
    ) -> anyhow::Result<Option<News>> {
        if self.text.findings.len() >= MAX_FINDINGS {
            tracing::error!(finding = %file.kind, "neither kept nor reported: there are already {MAX_FINDINGS} findings");
            return Ok(None);
        }
        // One that comes back after it had passed has evidence of its own.
        let digest = sha256(json).to_string();
        let path = self.evidence.join(format!("{}-{}.finding.json", file.kind, &digest[..16]));
        write_file(&path, json)?;
        let known = Known { finding: file.kind, evidence_file: path.clone(), found_at: now, told: false };
        self.text.findings.insert(identity.to_owned(), known);
        Ok(Some(News::new(file, json.len(), &path, log, now)))
    }

    /// What was found, and not told before the monitor ended.
    pub(super) fn untold(&self, log: &LogIdentity) -> Vec<News> {
        let untold = self.text.findings.values().filter(|known| !known.told);
        let read = untold.filter_map(|known| {
            let path = &known.evidence_file;
            let json = read_file(path, MAX_EVIDENCE_BYTES);
            let file = json.and_then(|json| Ok((EvidenceFile::from_json(&json)?, json.len())));
            match file {
                Ok((file, length)) => Some(News::new(file, length, path, log, known.found_at)),
                Err(error) => {
                    tracing::error!(finding = %known.finding, "an unreported finding cannot be read: {error:#}");
                    None
                }
            }
        });
        read.collect()
    }

    /// Remembers that a finding was told, or that nothing more is tried.
    pub(super) fn told(&mut self, identity: &Hash) -> anyhow::Result<()> {
        match self.text.findings.get_mut(&identity.to_string()) {
            Some(known) => known.told = true,
            // It passed meanwhile.
            None => return Ok(()),
        }
        self.save()
    }

    fn save(&self) -> anyhow::Result<()> {
        write_file(&self.path, serde_json::to_string_pretty(&self.text)?.as_bytes())
    }
}

fn parse(json: &[u8], origin: &Origin) -> anyhow::Result<Text> {
    let text: Text = serde_json::from_slice(json).context("this is not a monitor's state")?;
    anyhow::ensure!(text.format == FORMAT, "its format is not `{FORMAT}`");
    anyhow::ensure!(text.origin == origin.as_str(), "it belongs to the log {}", text.origin);
    anyhow::ensure!(text.findings.len() <= MAX_FINDINGS, "it has more than {MAX_FINDINGS} findings");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn origin() -> Origin {
        Origin::new("log.example.com/x").unwrap()
    }

    fn log() -> LogIdentity {
        LogIdentity { origin: origin(), keys: Vec::new(), policy: None }
    }

    fn open(dir: &Path) -> Memory {
        Memory::open(dir, &dir.join("evidence"), &origin()).unwrap()
    }

    /// As an audit leaves it.
    fn find(memory: &Memory, kind: &str, entry: u64, checkpoint: &str) {
        let file = json!({
            "format": "vouchlog/v1 evidence", "kind": kind, "origin": "log.example.com/x", "words": "wrong",
            "place": { "entry": entry }, "evidence": { "type": "object", "checkpoint": checkpoint },
        });
        let path = memory.pending.join(format!("01-{kind}-{entry}.finding.json"));
        fs::write(path, file.to_string()).unwrap();
    }

    #[test]
    fn a_finding_is_new_once_and_its_evidence_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = open(dir.path());
        for (checkpoint, new) in [("one", 1), ("two", 0)] {
            find(&memory, "altered-entry", 3, checkpoint);
            assert_eq!(memory.take(&log(), true, 7).unwrap().len(), new, "{checkpoint}");
            assert_eq!(fs::read_dir(&memory.pending).unwrap().count(), 0);
        }
        assert_eq!(fs::read_dir(&memory.evidence).unwrap().count(), 1);
        // Also when it did not show for a while, and in another run.
        assert!(memory.take(&log(), true, 8).unwrap().is_empty());
        drop(memory);
        let mut memory = open(dir.path());
        find(&memory, "altered-entry", 3, "three");
        find(&memory, "altered-entry", 4, "three");
        let new = memory.take(&log(), true, 9).unwrap();
        assert_eq!(new.len(), 1);
        assert_eq!(new[0].json()["place"]["entry"], 4);
    }

    #[test]
    fn what_passed_is_told_again_when_it_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = open(dir.path());
        for (shows, new) in [(true, 1), (true, 0), (false, 0), (true, 1)] {
            if shows {
                find(&memory, "missing-quorum", 3, "one");
            }
            assert_eq!(memory.take(&log(), true, 7).unwrap().len(), new);
        }
        // When a monitor starts, nothing shows yet.
        drop(memory);
        let mut memory = open(dir.path());
        assert!(memory.take(&log(), false, 8).unwrap().is_empty());
        find(&memory, "missing-quorum", 3, "two");
        assert!(memory.take(&log(), true, 9).unwrap().is_empty());
    }

    #[test]
    fn what_cannot_be_kept_is_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = open(dir.path());
        find(&memory, "altered-entry", 3, "one");
        fs::remove_dir(&memory.evidence).unwrap();
        assert!(memory.take(&log(), true, 7).is_err());
        fs::create_dir(&memory.evidence).unwrap();
        assert_eq!(memory.take(&log(), true, 8).unwrap().len(), 1);
    }

    #[test]
    fn what_was_not_told_is_told_by_the_next_run() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = open(dir.path());
        find(&memory, "altered-entry", 3, "one");
        find(&memory, "altered-entry", 4, "one");
        let new = memory.take(&log(), true, 7).unwrap();
        memory.told(&new[0].identity).unwrap();
        drop(memory);
        let memory = open(dir.path());
        let untold = memory.untold(&log());
        assert_eq!(untold.len(), 1);
        assert_eq!(untold[0].json(), new[1].json());
    }

    #[test]
    fn one_monitor_has_the_memory_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let memory = open(dir.path());
        let second = Memory::open(dir.path(), &dir.path().join("evidence"), &origin());
        assert!(second.unwrap_err().to_string().contains("another monitor"));
        drop(memory);
        open(dir.path());
    }

    #[test]
    fn a_memory_of_another_log_or_none_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut memory = open(dir.path());
        find(&memory, "altered-entry", 3, "one");
        memory.take(&log(), true, 7).unwrap();
        let text = fs::read(&memory.path).unwrap();
        assert!(parse(&text, &origin()).is_ok());
        assert!(parse(&text, &Origin::new("other.example.com").unwrap()).is_err());
        assert!(parse(b"{}", &origin()).is_err());
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes, &origin());
        }
    }
}
