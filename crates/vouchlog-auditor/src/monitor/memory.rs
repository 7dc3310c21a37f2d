//! What a monitor remembers: which findings it has had, and which of those it has reported.
//!
//! ```text
//! <state>/<SHA-256 of the origin>.monitor.json
//! { "format": "vouchlog/v1 monitor", "origin": "…",
//!   "findings": { "<identity, 64 hex digits>":
//!     { "finding": "<code>", "evidence_file": "…", "found_at": <POSIX seconds>, "told": true } } }
//!
//! <state>/<SHA-256 of the origin>.pending/      findings that are not reviewed yet
//! <state>/<SHA-256 of the origin>.monitor.lock  held while a monitor runs
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::{Hash, sha256};
use vouchlog_note::Origin;
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_runtime::lock::FileLock;

use super::found::{NewFinding, identity, may_pass};
use crate::config::LogIdentity;
use crate::evidence::EvidenceFile;
use crate::kind::FindingKind;
use crate::limits::MAX_EVIDENCE_BYTES;

const FORMAT: &str = "vouchlog/v1 monitor";
/// Findings that are remembered, and evidence files kept. A log with so many is beyond telling.
const MAX_FINDINGS: usize = 4_096;
/// More than the file has with all of them: each has a path, the rest is short.
const MAX_MEMORY_BYTES: usize = 64 << 20;

/// The memory of a monitor about one log, in a directory.
#[derive(Debug)]
pub struct MonitorMemory {
    path: PathBuf,
    pending: PathBuf,
    evidence: PathBuf,
    text: Text,
    /// Two monitors with one memory would each forget what the other reported.
    _lock: FileLock,
}

/// Why the memory of a monitor cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// Another monitor holds it.
    #[error("{0}: another monitor of this log uses this state")]
    InUse(PathBuf),
    /// The file is not the memory of a monitor of this log.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    #[error("{path}: {error}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system reports.
        error: io::Error,
    },
}

impl MonitorError {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    fn file(path: &Path, failed: durable::Error) -> Self {
        Self::io(path, failed.error)
    }
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

/// A finding as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownFinding {
    /// What is wrong.
    pub kind: FindingKind,
    /// The file with its evidence.
    pub evidence: PathBuf,
    /// When it was found, in POSIX seconds.
    pub found_at: u64,
    /// Whether it was reported, or given up.
    pub is_reported: bool,
}

impl MonitorMemory {
    /// Opens the memory about a log in the directory `state`. The evidence of findings will be kept in the directory `evidence`.
    ///
    /// # Errors
    /// Another monitor holds it, or its file is damaged, of another log, or cannot be read.
    pub fn open(state: &Path, evidence: &Path, origin: &Origin) -> Result<Self, MonitorError> {
        let name = sha256(origin.as_str().as_bytes());
        let at = |ending: &str| state.join(format!("{name}.{ending}"));
        let pending = at("pending");
        for dir in [&pending, evidence] {
            durable::make_dir(dir).map_err(|failed| MonitorError::file(dir, failed))?;
        }
        let lock_path = at("monitor.lock");
        let lock = FileLock::take(&lock_path).map_err(|error| MonitorError::io(&lock_path, error))?;
        let lock = lock.ok_or_else(|| MonitorError::InUse(state.to_owned()))?;
        let path = at("monitor.json");
        let text = match path.try_exists().map_err(|error| MonitorError::io(&path, error))? {
            false => {
                Text { format: FORMAT.to_owned(), origin: origin.to_string(), findings: BTreeMap::new() }
            }
            true => parse(&read(&path, MAX_MEMORY_BYTES)?, origin)
                .map_err(|reason| MonitorError::Malformed { path: path.clone(), reason })?,
        };
        // The current directory may change under a command that is run.
        let evidence = fs::canonicalize(evidence).map_err(|error| MonitorError::io(evidence, error))?;
        Ok(Self { path, pending, evidence, text, _lock: lock })
    }

    /// What is remembered, the newest first.
    pub fn findings(&self) -> Vec<KnownFinding> {
        let known = self.text.findings.values().map(|known| KnownFinding {
            kind: known.finding,
            evidence: known.evidence_file.clone(),
            found_at: known.found_at,
            is_reported: known.told,
        });
        let mut findings: Vec<KnownFinding> = known.collect();
        findings.sort_by(|one, other| {
            other.found_at.cmp(&one.found_at).then_with(|| one.evidence.cmp(&other.evidence))
        });
        findings
    }

    /// Where audits leave the evidence of all they find.
    pub fn pending(&self) -> &Path {
        &self.pending
    }

    /// Takes over what the last audit left in [`pending`](Self::pending), and returns what is new in it, remembered as not reported.
    /// `is_over` means that the audit was completed: then findings that may pass and no longer show are forgotten. `now` is in POSIX
    /// seconds.
    ///
    /// # Errors
    /// A file cannot be read or written. The findings are then found again.
    pub fn take(
        &mut self,
        log: &LogIdentity,
        is_over: bool,
        now: u64,
    ) -> Result<Vec<NewFinding>, MonitorError> {
        let before = self.text.findings.clone();
        let taken = self.take_over(log, is_over, now);
        if taken.is_err() {
            // What could not be remembered was not taken: it is found again.
            self.text.findings = before;
        }
        taken
    }

    fn take_over(
        &mut self,
        log: &LogIdentity,
        is_over: bool,
        now: u64,
    ) -> Result<Vec<NewFinding>, MonitorError> {
        let mut files = Vec::new();
        let io = |error| MonitorError::io(&self.pending, error);
        for entry in fs::read_dir(&self.pending).map_err(io)? {
            files.push(entry.map_err(io)?.path());
        }
        // Named by their place in the report: causes first.
        files.sort_unstable();
        let (mut seen, mut new) = (BTreeSet::new(), Vec::new());
        for path in &files {
            // One that is not whole was being written when the monitor was killed, and its audit was not over.
            let Ok(json) = read(path, MAX_EVIDENCE_BYTES) else { continue };
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
            fs::remove_file(path).map_err(|error| MonitorError::io(path, error))?;
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
    ) -> Result<Option<NewFinding>, MonitorError> {
        if self.text.findings.len() >= MAX_FINDINGS {
            tracing::error!(finding = %file.kind, "neither kept nor reported: there are already {MAX_FINDINGS} findings");
            return Ok(None);
        }
        // One that comes back after it had passed has evidence of its own.
        let digest = sha256(json).to_string();
        let path = self.evidence.join(format!("{}-{}.finding.json", file.kind, &digest[..16]));
        write(&path, json)?;
        let known = Known { finding: file.kind, evidence_file: path.clone(), found_at: now, told: false };
        self.text.findings.insert(identity.to_owned(), known);
        Ok(Some(NewFinding::new(file, json.len(), &path, log, now)))
    }

    /// Findings that were not reported before the last monitor ended.
    pub fn unreported(&self, log: &LogIdentity) -> Vec<NewFinding> {
        let unreported = self.text.findings.values().filter(|known| !known.told);
        let found = unreported.filter_map(|known| {
            let path = &known.evidence_file;
            let json = read(path, MAX_EVIDENCE_BYTES).map_err(|error| error.to_string());
            let file = json.and_then(|json| match EvidenceFile::from_json(&json) {
                Ok(file) => Ok((file, json.len())),
                Err(error) => Err(format!("{}: {error}", path.display())),
            });
            match file {
                Ok((file, length)) => Some(NewFinding::new(file, length, path, log, known.found_at)),
                Err(error) => {
                    tracing::error!(finding = %known.finding, error, "an unreported finding cannot be read");
                    None
                }
            }
        });
        found.collect()
    }

    /// Remembers that a finding was reported, or that nothing more is tried.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn reported(&mut self, identity: &Hash) -> Result<(), MonitorError> {
        match self.text.findings.get_mut(&identity.to_string()) {
            Some(known) => known.told = true,
            // It passed meanwhile.
            None => return Ok(()),
        }
        self.save()
    }

    fn save(&self) -> Result<(), MonitorError> {
        let text = serde_json::to_string_pretty(&self.text);
        let text = text.map_err(|error| MonitorError::io(&self.path, error.into()))?;
        write(&self.path, text.as_bytes())
    }
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, MonitorError> {
    durable::read(path, limit).map_err(|failed| MonitorError::file(path, failed))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), MonitorError> {
    durable::write(path, bytes, Mode::Shared).map_err(|failed| MonitorError::file(path, failed))
}

fn parse(json: &[u8], origin: &Origin) -> Result<Text, String> {
    let text: Text = serde_json::from_slice(json).map_err(|_| "this is not a monitor's state".to_owned())?;
    if text.format != FORMAT {
        return Err(format!("its format is not `{FORMAT}`"));
    }
    if text.origin != origin.as_str() {
        return Err(format!("it belongs to the log {}", text.origin));
    }
    if text.findings.len() > MAX_FINDINGS {
        return Err(format!("it has more than {MAX_FINDINGS} findings"));
    }
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

    fn open(dir: &Path) -> MonitorMemory {
        MonitorMemory::open(dir, &dir.join("evidence"), &origin()).unwrap()
    }

    /// As an audit leaves it.
    fn find(memory: &MonitorMemory, kind: &str, entry: u64, checkpoint: &str) {
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
        let found: Vec<(u64, bool)> =
            memory.findings().iter().map(|known| (known.found_at, known.is_reported)).collect();
        assert_eq!(found, [(9, false), (7, false)]);
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
        memory.reported(&new[0].identity).unwrap();
        drop(memory);
        let memory = open(dir.path());
        let unreported = memory.unreported(&log());
        assert_eq!(unreported.len(), 1);
        assert_eq!(unreported[0].json(), new[1].json());
    }

    #[test]
    fn one_monitor_has_the_memory_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let memory = open(dir.path());
        let second = MonitorMemory::open(dir.path(), &dir.path().join("evidence"), &origin());
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
