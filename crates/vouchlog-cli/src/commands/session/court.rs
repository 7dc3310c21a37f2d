//! `--court`: one HTML file with the bundle of a session, what goes with it, and the program that checks it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;
use vouchlog::VerifyingKey;
use vouchlog::verify::{Claim, verify};
use vouchlog_note::limits::{MAX_POLICY_BYTES, MAX_PROOF_FILE_BYTES};
use vouchlog_session::{CourtFile, CourtPart, verifier_digest};

use crate::advice::Advice;
use crate::commands::{check_writable, paper, policy, read_file, write_file};
use crate::output;

/// The longest completeness file that is put into a court file. A browser reads it whole.
const MAX_COMPLETENESS_BYTES: usize = 64 * 1024 * 1024;
/// The `format` of a completeness file.
const COMPLETENESS: &str = "vouchlog/v1 completeness";

/// The court file, and what it has beside the session.
#[derive(clap::Args)]
pub(super) struct CourtArgs {
    /// Write one HTML file with the fields of --fields, their proofs, the rules and the program that checks them. It opens in any browser,
    /// without a network
    #[arg(long, value_name = "FILE", requires_all = ["basis", "log_vkey", "session"])]
    court: Option<PathBuf>,
    /// Put a completeness file into the court file, as `vouchlog prove-complete` writes it
    #[arg(long, value_name = "FILE", requires = "court")]
    completeness: Option<PathBuf>,
    /// The receipt of the program in the court file, as `vouchlog submit --verifier` gets it
    #[arg(long, value_name = "FILE", requires = "court")]
    verifier_proof: Option<PathBuf>,
}

/// A court file to write, with everything in it that was there before.
pub(super) struct Court<'a> {
    file: &'a Path,
    log: &'a VerifyingKey,
    policy: Option<String>,
    completeness: Option<String>,
    verifier_proof: Option<String>,
}

impl CourtArgs {
    /// Reads what goes into the file, so that a wrong one is reported before anything is disclosed.
    pub(super) fn open<'a>(
        &'a self,
        log: Option<&'a VerifyingKey>,
        policy_file: Option<&Path>,
    ) -> anyhow::Result<Option<Court<'a>>> {
        let (Some(file), Some(log)) = (&self.court, log) else { return Ok(None) };
        check_writable(file)?;
        let policy = policy_file.map(|path| text(path, MAX_POLICY_BYTES)).transpose()?;
        let completeness = self.completeness.as_deref().map(completeness).transpose()?;
        let verifier_proof =
            self.verifier_proof.as_deref().map(|path| proof(path, log, policy_file)).transpose()?;
        Ok(Some(Court { file, log, policy, completeness, verifier_proof }))
    }
}

impl Court<'_> {
    /// Writes the file.
    pub(super) fn write(&self, session: &str, basis: &str, bundle: &str) -> anyhow::Result<()> {
        let mut parts = vec![CourtPart { name: "session.json", text: bundle }];
        if let Some(text) = &self.completeness {
            parts.push(CourtPart { name: "streams.completeness.json", text });
        }
        let court = CourtFile {
            title: &format!("Session {session}"),
            made: paper::now(),
            basis,
            log_vkey: &self.log.to_string(),
            policy: self.policy.as_deref(),
            parts: &parts,
            verifier_proof: self.verifier_proof.as_deref(),
        };
        write_file(self.file, court.to_html().as_bytes())?;
        output::note(&format!("wrote {}", self.file.display()));
        if self.verifier_proof.is_none() {
            output::note(
                "the log has no entry of the program in the court file: log it with `vouchlog submit --verifier`, \
                 and give the receipt with --verifier-proof",
            );
        }
        Ok(())
    }
}

fn text(path: &Path, limit: usize) -> anyhow::Result<String> {
    String::from_utf8(read_file(path, limit)?).with_context(|| format!("{} is not text", path.display()))
}

/// A completeness file. Its recipient verifies it; here only a file of another kind is noticed.
fn completeness(path: &Path) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Format {
        format: String,
    }
    let text = text(path, MAX_COMPLETENESS_BYTES)?;
    match serde_json::from_str(&text) {
        Ok(Format { format }) if format == COMPLETENESS => Ok(text),
        _ => Err(Advice::error(
            format!("{} is not a completeness file", path.display()),
            "write one with `vouchlog prove-complete`",
        )),
    }
}

/// The proof that the log has the digest of the program in the file.
fn proof(path: &Path, log: &VerifyingKey, policy_file: Option<&Path>) -> anyhow::Result<String> {
    let text = text(path, MAX_PROOF_FILE_BYTES)?;
    let policy = policy_file.map(policy).transpose()?;
    verify(text.as_bytes(), log, policy.as_ref(), Claim::Digest(verifier_digest())).map_err(|error| {
        let problem = format!(
            "{} does not prove that the log has the program in a court file: {error}",
            path.display()
        );
        Advice::error(
            problem,
            "log it with `vouchlog submit --verifier`, with the same version of this program",
        )
    })?;
    Ok(text)
}
