//! `vouchlog fsck`: checks a store from the ground, without writing to it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vouchlog::{Origin, VerifyingKey, keys};
use vouchlog_sequencer::fsck::{Finding, Report, fsck, fsck_index};
use vouchlog_storage::{FileRange, Index, Store, StoreError};
use vouchlog_storage_sled::{Damage, Examined, examine};

use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

/// Findings printed for people; programs get all of them.
const SHOWN_FINDINGS: usize = 20;

/// Check a log's store without writing to it: every copy, entry, tile and stream, against what the log signed
#[derive(clap::Args)]
#[command(
    after_help = "fsck opens nothing below --data for writing: it works on a read-only mount and beside a running log. A running\n\
                  log locks sled and the lookup index, so fsck skips these two and reports so. Once the log is stopped, fsck\n\
                  reads the index, and a copy of sled in $TMPDIR.\n\n\
                  Examples:\n  vouchlog fsck --data ./log\n  \
                  vouchlog fsck --data /mnt/backup/log --log-vkey \"$LOG_VKEY\" --json\n\n\
                  Exit status: 0 no findings, 1 findings, 2 it cannot be read."
)]
pub(crate) struct Args {
    /// The data directory of the log, which may be running
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_LOG_DATA")]
    data: PathBuf,
    /// The log's public key [default: that of log.key in the data directory]
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
}

impl Args {
    pub(crate) fn run(self, output: Output) -> anyhow::Result<Outcome> {
        let vkey = match &self.log_vkey {
            Some(vkey) => vkey.clone(),
            None => own_vkey(&self.data)?,
        };
        let verdict = check(&self.data, &vkey)?;
        verdict.answer(output)?;
        Ok(if verdict.findings.is_empty() { Outcome::Fine } else { Outcome::Finding })
    }
}

/// The public key of the log whose keys are in a data directory.
pub(super) fn own_vkey(data: &Path) -> anyhow::Result<VerifyingKey> {
    let key = keys::load(&data.join("log.key"))
        .map_err(|error| Advice::error(error.to_string(), "give the log's public key with --log-vkey"))?;
    Ok(key.verifying_key().clone())
}

/// What a check of a data directory came to.
pub(super) struct Verdict {
    origin: String,
    running: bool,
    pub(super) report: Report,
    findings: Vec<FsckFinding>,
    pub(super) left_out: Vec<String>,
    /// The sealed part, if an object store has it.
    elsewhere: Option<String>,
    notes: Vec<String>,
}

struct FsckFinding {
    code: &'static str,
    place: Option<FileRange>,
    message: String,
}

impl From<Damage> for FsckFinding {
    fn from(Damage { code, place, message }: Damage) -> Self {
        Self { code, place: Some(place), message }
    }
}

impl From<Finding> for FsckFinding {
    fn from(Finding { code, place, message }: Finding) -> Self {
        Self { code: code.name(), place, message }
    }
}

/// Checks the data directory of a log whose key is `vkey`.
pub(super) fn check(data: &Path, vkey: &VerifyingKey) -> anyhow::Result<Verdict> {
    let Some(examined) = examine(data).map_err(|error| advise(&error))? else {
        return Err(Advice::error(
            format!("there is no log in {}", data.display()),
            "give the --data directory of `vouchlog serve`",
        ));
    };
    let Examined { origin, running, store, head, objects, index, damages, left_out, notes, .. } = &examined;
    let origin = origin.clone().unwrap_or_else(|| vkey.name().to_string());
    let mut findings: Vec<FsckFinding> = damages.iter().cloned().map(FsckFinding::from).collect();
    let mut report = Report::default();
    if let Some(store) = store {
        if store.load().map_err(|error| advise(&error))?.is_some() {
            let bar = output::progress(0, "entries");
            let checked = fsck(store, &Origin::new(&origin)?, vkey, |done, total| {
                bar.set_length(total);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            report = checked.map_err(|error| advise(&error))?;
            findings.extend(store.take_damages().into_iter().map(FsckFinding::from));
            findings.extend(report.findings.iter().cloned().map(FsckFinding::from));
        }
        if let Some(index) = index {
            let found = fsck_index(store, &Origin::new(&origin)?, index as &dyn Index)
                .map_err(|error| advise(&error))?;
            findings.extend(found.into_iter().map(|finding| {
                let place = FileRange { file: "index".into(), start: 0, end: 0 };
                FsckFinding { place: Some(place), ..FsckFinding::from(finding) }
            }));
        }
    }
    let (running, left_out, mut notes) = (*running, left_out.clone(), notes.clone());
    notes.extend(report.notes.iter().cloned());
    let elsewhere = objects.as_ref().map(|place| {
        report.size = head.map_or(0, |head| head.size.get());
        format!("the sealed part, which is in {place}: `vouchlog audit --log {place}` checks it")
    });
    Ok(Verdict { origin, running, report, findings, left_out, elsewhere, notes })
}

fn advise(error: &StoreError) -> anyhow::Error {
    let hint = match error {
        StoreError::Foreign(_) => "use the version of vouchlog that made the store",
        StoreError::Io(_) => {
            "check that the directory can be read, and that $TMPDIR has room for a copy of live/"
        }
        _ => "`vouchlog recover` builds a new data directory from the intact parts and from backups",
    };
    Advice::error(error.to_string(), hint)
}

impl Verdict {
    /// Whether nothing wrong was found and nothing was left out.
    pub(super) fn is_sound(&self) -> bool {
        self.findings.is_empty() && self.left_out.is_empty() && self.elsewhere.is_none()
    }

    /// What was not examined, and why.
    fn unexamined(&self) -> impl Iterator<Item = &String> {
        self.left_out.iter().chain(&self.elsewhere)
    }

    /// The first finding, in words.
    pub(super) fn first_finding(&self) -> Option<String> {
        self.findings.first().map(FsckFinding::words)
    }

    fn answer(&self, output: Output) -> anyhow::Result<()> {
        output.answer(&self.words(), &self.json())
    }

    fn json(&self) -> Value {
        json!({
            "sound": self.is_sound(), "origin": self.origin, "running": self.running, "size": self.report.size,
            "statements": self.report.statements, "streams": self.report.streams, "pruned": self.report.pruned,
            "findings": self.findings.iter().map(FsckFinding::json).collect::<Vec<_>>(),
            "left_out": self.unexamined().collect::<Vec<_>>(), "notes": self.notes,
        })
    }

    fn words(&self) -> String {
        let checked = format!(
            "{} of the log {}: {}, {}",
            output::count(self.report.size, "entry", "entries"),
            self.origin,
            output::count(self.report.statements, "statement", "statements"),
            output::count(self.report.streams, "stream", "streams"),
        );
        let mut lines = Vec::new();
        if self.is_sound() {
            lines.push(format!("sound: {checked}; every hash leads to the root the log signed"));
        } else if self.findings.is_empty() {
            lines.push(format!("no findings, but not everything was examined, in {checked}"));
        } else {
            let found = output::count(self.findings.len() as u64, "finding", "findings");
            lines.push(format!("NOT SOUND, {found} in {checked}"));
        }
        let shown = self.findings.iter().take(SHOWN_FINDINGS);
        lines.extend(shown.map(|finding| format!("  {:<13}  {}", finding.code, finding.words())));
        if self.findings.len() > SHOWN_FINDINGS {
            lines.push(format!("  … and {} more: see all with --json", self.findings.len() - SHOWN_FINDINGS));
        }
        lines.extend(self.unexamined().map(|what| format!("  not examined   {what}")));
        if self.report.pruned > 0 {
            let pruned = output::count(self.report.pruned, "entry", "entries");
            lines.push(format!("  pruned         {pruned}: only their hashes are left, and were checked"));
        }
        lines.extend(self.notes.iter().map(|note| format!("  note           {note}")));
        lines.join("\n")
    }
}

impl FsckFinding {
    fn words(&self) -> String {
        match &self.place {
            Some(place) => format!("{place}: {}", self.message),
            None => self.message.clone(),
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({ "code": self.code, "message": self.message });
        if let Some(place) = &self.place {
            value["file"] = place.file.clone().into();
            value["start"] = place.start.into();
            value["end"] = place.end.into();
        }
        value
    }
}
