//! `vouchlog fsck`: checks a store from the ground.

use std::path::PathBuf;

use serde_json::json;
use vouchlog::{Origin, VerifyingKey, keys};
use vouchlog_sequencer::fsck::{Report, fsck};
use vouchlog_storage::StoreError;
use vouchlog_storage_sled::{Options, SledStore};

use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Findings printed for people; programs get all of them.
const SHOWN_FINDINGS: usize = 20;

/// Check a stopped log's store: every entry, tile and stream, against what the log signed
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  vouchlog fsck --data ./log\n\nExit status: 0 it is sound, 1 it is not, 2 it cannot be read."
)]
pub(crate) struct Args {
    /// The data directory of the log, which must not be running
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_DATA")]
    data: PathBuf,
    /// The log's public key [default: that of log.key in the data directory]
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let Some(origin) = SledStore::origin(&self.data).map_err(|error| advise(&error))? else {
            return Err(Advice::error(
                format!("there is no log in {}", self.data.display()),
                "--data is the directory that `vouchlog serve` was given",
            ));
        };
        let vkey = match &self.log_vkey {
            Some(vkey) => vkey.clone(),
            None => self.own_vkey()?,
        };
        let store =
            SledStore::open(&self.data, &origin, Options::default()).map_err(|error| advise(&error))?;
        let bar = output::progress(0, "entries");
        let report = fsck(&store, &Origin::new(&origin)?, &vkey, |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let report = report.map_err(|error| advise(&error))?;
        answer(output, &origin, &report)?;
        Ok(if report.findings.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }

    fn own_vkey(&self) -> anyhow::Result<VerifyingKey> {
        let path = self.data.join("log.key");
        let key = keys::load(&path)
            .map_err(|error| Advice::error(error.to_string(), "give the log's public key with --log-vkey"))?;
        Ok(key.verifying_key().clone())
    }
}

fn advise(error: &StoreError) -> anyhow::Error {
    let hint = match error {
        StoreError::InUse => "stop the log first: its store can be open in one process only",
        StoreError::Foreign(_) => "use the version of vouchlog that made the store",
        _ => {
            "bring the data directory back from a backup; what gateways hold receipts for can be submitted again"
        }
    };
    Advice::error(error.to_string(), hint)
}

fn answer(output: Output, origin: &str, report: &Report) -> anyhow::Result<()> {
    let findings: Vec<_> = report
        .findings
        .iter()
        .map(|finding| json!({ "code": finding.code.name(), "message": finding.message }))
        .collect();
    let sound = findings.is_empty();
    let answer = json!({
        "sound": sound, "origin": origin, "size": report.size, "statements": report.statements,
        "streams": report.streams, "findings": findings,
    });
    let checked = format!(
        "{} of the log {origin}: {}, {}",
        output::count(report.size, "entry", "entries"),
        output::count(report.statements, "statement", "statements"),
        output::count(report.streams, "stream", "streams"),
    );
    if sound {
        let words = format!("sound: {checked}; every hash leads to the root the log signed");
        return output.answer(&words, &answer);
    }
    let found = output::count(report.findings.len() as u64, "finding", "findings");
    let mut lines = vec![format!("NOT SOUND, {found} in {checked}")];
    let shown = report.findings.iter().take(SHOWN_FINDINGS);
    lines.extend(shown.map(|finding| format!("  {:<10}  {}", finding.code.name(), finding.message)));
    if report.findings.len() > SHOWN_FINDINGS {
        lines.push(format!("  … and {} more: see all with --json", report.findings.len() - SHOWN_FINDINGS));
    }
    output.answer(&lines.join("\n"), &answer)
}
