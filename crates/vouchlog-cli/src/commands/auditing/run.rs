//! One audit as the commands run it: witnesses first, then the log, with its state saved on the way and its evidence kept.

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use vouchlog::unix_millis;
use vouchlog_auditor::{AuditError, AuditReport, AuditState, Audited, Config, Step};
use vouchlog_client::TileReader;

use super::{StateFile, WitnessCopy, witness_copies, write_evidence};
use crate::advice::Advice;

/// States may have many megabytes: neither is one copied each time it is offered, nor written each time it is copied.
const BETWEEN_COPIES: Duration = Duration::from_secs(1);
const BETWEEN_SAVES: Duration = Duration::from_secs(5);

/// A log to audit, and what is kept of its audits.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Subject {
    /// Its URL or directory, for people.
    pub(in crate::commands) source: String,
    pub(in crate::commands) reader: TileReader,
    pub(in crate::commands) config: Config,
    pub(in crate::commands) state: Option<StateFile>,
    /// Where the evidence of findings goes.
    pub(in crate::commands) evidence: Option<PathBuf>,
}

/// What an audit came to.
#[derive(Clone, Debug)]
pub(in crate::commands) struct Audit {
    pub(in crate::commands) report: AuditReport,
    /// What the witnesses of the policy answered.
    pub(in crate::commands) witnesses: Vec<WitnessCopy>,
    /// The evidence file of each finding, if they were written.
    pub(in crate::commands) evidence: Vec<PathBuf>,
}

impl Subject {
    /// Audits the log from where the last audit ended. `on_step` hears how many entries are behind it, and of how many; when
    /// `stop` completes, the audit ends with an error, and what it had verified is saved.
    pub(in crate::commands) async fn audit(
        &self,
        mut on_step: impl FnMut(u64, u64),
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<Audit> {
        let mut config = self.config.clone();
        let previous = self.state.as_ref().map(|file| file.load(&config.log)).transpose()?.flatten();
        let mut saver = Saver::new(self.state.as_ref());
        let audited = {
            let work = async {
                // Before the log, so that none of them can be newer than an honest log's checkpoint.
                let witnesses = witness_copies(&config.log).await;
                config.witnessed.extend(witnesses.iter().filter_map(|copy| copy.note.clone()));
                config.options.now = Some(unix_millis().seconds());
                let step = |step: Step<'_>| {
                    on_step(step.done, step.total);
                    step.state.into_iter().for_each(|state| saver.offer(state));
                };
                let audited = vouchlog_auditor::audit(self.reader.clone(), &config, previous, step).await;
                audited.map(|audited| (audited, witnesses))
            };
            tokio::select! {
                audited = work => Some(audited),
                () = stop => None,
            }
        };
        let (Audited { report, state }, witnesses) = match audited {
            Some(Ok(audited)) => audited,
            Some(Err(error)) => return Err(self.advise(&error, saver.flush()?)),
            None => return Err(stopped(saver.flush()?)),
        };
        // Evidence first: once the state says so, the next audit does not look again.
        let evidence = match &self.evidence {
            Some(dir) => write_evidence(dir, &report.findings)?,
            None => Vec::new(),
        };
        saver.finish(state.as_ref())?;
        Ok(Audit { report, witnesses, evidence })
    }

    fn advise(&self, error: &AuditError, saved: Option<u64>) -> anyhow::Error {
        let hint = match (error, saved) {
            (AuditError::Read(_), Some(_)) => {
                "run the same command when the log is back: it resumes where it stopped"
            }
            (AuditError::Read(_), None) => {
                "check that --log is the URL at which the log is served, or the directory it was written to"
            }
            (AuditError::OtherEnd(_), _) => "give the proof of this log's own end with --retirement",
            _ => "restore the state from a backup; without it, the log is audited from its first entry",
        };
        Advice::error(format!("{}: {error}", self.source), hint)
    }
}

fn stopped(saved: Option<u64>) -> anyhow::Error {
    match saved {
        Some(size) => Advice::error(
            format!("stopped; the first {size} entries were audited and need not be read again"),
            "run the same command to resume",
        ),
        None => Advice::error("stopped", "with --state DIR, a long audit can be stopped and resumed"),
    }
}

/// Saves states, not too often, and keeps the newest for the end.
struct Saver<'a> {
    file: Option<&'a StateFile>,
    copied: Option<Instant>,
    written: Instant,
    unsaved: Option<AuditState>,
    saved: Option<u64>,
    failed: Option<anyhow::Error>,
}

impl<'a> Saver<'a> {
    fn new(file: Option<&'a StateFile>) -> Self {
        Self { file, copied: None, written: Instant::now(), unsaved: None, saved: None, failed: None }
    }

    fn offer(&mut self, state: &AuditState) {
        if self.file.is_none() || self.copied.is_some_and(|copied| copied.elapsed() < BETWEEN_COPIES) {
            return;
        }
        self.unsaved = Some(state.clone());
        self.copied = Some(Instant::now());
        if self.written.elapsed() >= BETWEEN_SAVES {
            // Told at the end: an audit is worth finishing even if it cannot be gone on with.
            self.failed = self.flush().err();
            self.written = Instant::now();
        }
    }

    /// Saves what is not saved yet, and says how many entries that, or what was saved before, is about.
    fn flush(&mut self) -> anyhow::Result<Option<u64>> {
        if let (Some(file), Some(state)) = (self.file, self.unsaved.take()) {
            file.save(&state)?;
            self.saved = Some(state.size().get());
        }
        Ok(self.saved)
    }

    /// Saves the state of a finished audit.
    fn finish(self, state: Option<&AuditState>) -> anyhow::Result<()> {
        match (self.file, state) {
            (Some(file), Some(state)) => file.save(state),
            _ => self.failed.map_or(Ok(()), Err),
        }
    }
}
