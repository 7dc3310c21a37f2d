//! The files an auditor keeps: what the next audit goes on from, and the evidence of findings.

use std::path::{Path, PathBuf};

use anyhow::Context;
use vouchlog::Origin;
use vouchlog_auditor::limits::{MAX_EVIDENCE_BYTES, MAX_STATE_BYTES};
use vouchlog_auditor::{AuditState, Finding, LogIdentity};
use vouchlog_merkle::sha256;

use crate::advice::Advice;
use crate::commands::{make_folder, read_file, write_file};

/// The file with the state of one log's audits.
#[derive(Clone, Debug)]
pub(in crate::commands) struct StateFile(PathBuf);

impl StateFile {
    /// The file of a log, by the SHA-256 of its origin, in a directory that is made when it is not there.
    pub(in crate::commands) fn in_dir(dir: &Path, origin: &Origin) -> anyhow::Result<Self> {
        make_folder(dir)?;
        Ok(Self(dir.join(format!("{}.audit.json", sha256(origin.as_str().as_bytes())))))
    }

    /// What the last audit left; nothing before the first.
    pub(in crate::commands) fn load(&self, log: &LogIdentity) -> anyhow::Result<Option<AuditState>> {
        if !self.0.try_exists().with_context(|| self.0.display().to_string())? {
            return Ok(None);
        }
        let json = read_file(&self.0, MAX_STATE_BYTES)?;
        AuditState::from_json(&json, log).map(Some).map_err(|error| {
            let problem = format!("{}: {error}", self.0.display());
            Advice::error(
                problem,
                "restore it from a backup; without it, the log is audited from its first entry",
            )
        })
    }

    pub(in crate::commands) fn save(&self, state: &AuditState) -> anyhow::Result<()> {
        write_file(&self.0, state.to_json().as_bytes())
    }
}

/// Writes the evidence of each finding, and says where. A file of an earlier audit is never replaced by another's evidence.
pub(in crate::commands) fn write_evidence(dir: &Path, findings: &[Finding]) -> anyhow::Result<Vec<PathBuf>> {
    let mut written = Vec::with_capacity(findings.len());
    for (place, finding) in findings.iter().enumerate() {
        let json = finding.evidence.to_json();
        let name = format!("{:02}-{}", place + 1, finding.kind);
        written.push(write_beside(dir, &name, json.as_bytes())?);
    }
    Ok(written)
}

fn write_beside(dir: &Path, name: &str, bytes: &[u8]) -> anyhow::Result<PathBuf> {
    for attempt in 1_u32.. {
        let again = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let path = dir.join(format!("{name}{again}.finding.json"));
        if !path.try_exists().with_context(|| path.display().to_string())? {
            write_file(&path, bytes)?;
            return Ok(path);
        }
        if read_file(&path, MAX_EVIDENCE_BYTES).is_ok_and(|there| there == bytes) {
            return Ok(path);
        }
    }
    unreachable!("no directory holds so many files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let write = |bytes: &[u8]| {
            let path = write_beside(dir.path(), "01-split-view", bytes).unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(write(b"one"), "01-split-view.finding.json");
        assert_eq!(write(b"two"), "01-split-view-2.finding.json");
        assert_eq!(write(b"one"), "01-split-view.finding.json");
        assert_eq!(write(b"two"), "01-split-view-2.finding.json");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn no_state_is_no_error_and_a_damaged_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let origin = Origin::new("log.example.com/x").unwrap();
        let log = LogIdentity { origin: origin.clone(), keys: Vec::new(), policy: None };
        let file = StateFile::in_dir(&dir.path().join("new"), &origin).unwrap();
        assert!(file.load(&log).unwrap().is_none());
        std::fs::write(&file.0, b"{}").unwrap();
        assert!(file.load(&log).is_err());
    }
}
