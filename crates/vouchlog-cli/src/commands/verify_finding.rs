//! `vouchlog verify-finding`: checks the evidence of an audit's finding offline.

use std::path::PathBuf;

use serde_json::json;
use vouchlog_auditor::limits::MAX_EVIDENCE_BYTES;
use vouchlog_auditor::{EvidenceFile, LogIdentity, Verdict, verify_finding};

use super::auditing::IdentityArgs;
use super::read_file;
use crate::output::{Outcome, Output};

/// Verify offline what an evidence file of an audit proves, with only the log's vkey
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog verify-finding evidence/01-split-view.finding.json --log-vkey \"$LOG_VKEY\"\n\n\
                        Only what the file's signatures and proofs show is accepted.\n\n\
                        Exit status: 0 the finding was only observed, and proves nothing; 1 it proves misconduct; 2 the\n\
                        file does not show what it states, or cannot be read."
)]
pub(crate) struct Args {
    /// The evidence file that `vouchlog audit --evidence` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    identity: IdentityArgs,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        check(&read_file(&self.file, MAX_EVIDENCE_BYTES)?, &self.identity.log()?, output)
    }
}

/// Checks an evidence file with the keys of the log that it is about.
pub(super) fn check(json: &[u8], log: &LogIdentity, output: Output) -> anyhow::Result<Outcome> {
    let file = EvidenceFile::from_json(json)?;
    let kind = file.kind;
    let answer = |verdict: &str, words: &str, cosigned: Option<bool>| {
        json!({
            "verdict": verdict, "kind": kind.code(), "rule": kind.rule(), "place": file.place, "origin": log.origin.as_str(),
            "words": words, "cosigned": cosigned,
        })
    };
    match verify_finding(&file, log) {
        Verdict::Proven { statement, cosigned } => {
            let mut words = format!(
                "PROVEN: {kind} ({}) at {} of {}\n  {statement}",
                kind.rule(),
                file.place,
                log.origin
            );
            match (&log.policy, cosigned) {
                (Some(_), true) => words.push_str("\n  the checkpoints in it satisfy the policy"),
                (Some(_), false) => {
                    words.push_str("\n  by the log's own signatures; not all checkpoints satisfy the policy");
                }
                (None, _) => words.push_str("\n  no policy was given: no witness was checked"),
            }
            let cosigned = log.policy.as_ref().map(|_| cosigned);
            output.answer(&words, &answer("proven", &statement, cosigned))?;
            Ok(Outcome::Finding)
        }
        Verdict::Observed { reason } => {
            let words = format!(
                "NO PROOF: {kind} ({}) at {} of {}\n  {reason}\n  Whether it happened rests on the auditor's word.",
                kind.rule(),
                file.place,
                log.origin
            );
            output.answer(&words, &answer("observed", &reason, None))?;
            Ok(Outcome::Fine)
        }
        Verdict::Refuted { reason } => {
            anyhow::bail!("the evidence file does not show {kind}: {reason}")
        }
        verdict => {
            anyhow::bail!("the evidence file has an unknown verdict: {verdict:?}")
        }
    }
}
