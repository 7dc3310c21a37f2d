//! Campaigns of damage: a fixture, a copy of it for each trial, one damage, and a verdict.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::damage::DamageSite;
use crate::outcome::{Outcome, Table, Verdict};
use crate::program::Program;
use crate::subject::{Report, State, Subject};

/// A data directory as an ended program left it, and what an undamaged one makes the program say.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// What it is of.
    pub subject: Subject,
    /// The folder that is copied for each trial.
    pub folder: PathBuf,
    program: Program,
    scratch: PathBuf,
    usual: BTreeSet<String>,
    /// Trials begun: names of copies must not contain the names of damaged files.
    begun: Arc<AtomicUsize>,
}

/// A trial that broke a promise.
#[derive(Clone, Debug)]
pub struct Violation {
    /// The damage.
    pub place: DamageSite,
    /// What came of it.
    pub verdict: Verdict,
}

impl Fixture {
    /// Takes the fixture in `folder`. Trials work below `scratch`. A copy without damage must be whole.
    pub async fn open(subject: Subject, program: Program, folder: PathBuf, scratch: PathBuf) -> Result<Self> {
        let mut fixture =
            Self { subject, folder, program, scratch, usual: BTreeSet::new(), begun: Arc::default() };
        let copy = fixture.copy().await?;
        for start in ["first", "second"] {
            let report = subject.work(&fixture.program, &copy.0).await?;
            let whole = matches!(report.state, State::Whole);
            ensure!(
                whole,
                "without damage, the {start} start is not whole: {:?}\n{}",
                report.state,
                report.said
            );
            fixture.usual.extend(report.warnings());
        }
        Ok(fixture)
    }

    /// The program under test.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The data directory that is damaged.
    pub fn root(&self) -> PathBuf {
        self.folder.join(self.subject.directory())
    }

    /// A copy to work on.
    pub async fn copy(&self) -> Result<Copy> {
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        copy(&self.folder, &self.scratch.join(format!("trial-{number}"))).await
    }

    /// One trial.
    pub async fn trial(&self, place: &DamageSite) -> Result<Verdict> {
        let copy = self.copy().await?;
        place.damage(&copy.0.join(self.subject.directory()))?;
        let first = self.subject.work(&self.program, &copy.0).await?;
        match &first.state {
            State::Broken(outcome, words) => Ok(Verdict::new(*outcome, words)),
            State::Refused(words) => self.judge_refusal(&copy, place, &first, words).await,
            State::Whole => {
                let second = self.subject.work(&self.program, &copy.0).await?;
                Ok(self.judge_second(place, &first, &second))
            }
        }
    }

    /// A refusal names the file, and destroys nothing: with the file as it was, all is whole.
    async fn judge_refusal(
        &self,
        copy: &Copy,
        place: &DamageSite,
        first: &Report,
        words: &str,
    ) -> Result<Verdict> {
        place.undo(&copy.0.join(self.subject.directory()), &self.root())?;
        let second = self.subject.work(&self.program, &copy.0).await?;
        let named = place.is_named_in(&first.said) || place.is_named_in(words);
        Ok(match second.state {
            State::Broken(Outcome::Lost | Outcome::Rollback | Outcome::Fork, then) | State::Refused(then) => {
                Verdict::new(Outcome::Destroyed, format!("{words}; with the file put back: {then}"))
            }
            State::Broken(outcome, then) => Verdict::new(outcome, format!("after a refusal: {then}")),
            State::Whole if named => Verdict::new(Outcome::Refused, words),
            State::Whole => Verdict::new(Outcome::Unnamed, words),
        })
    }

    fn judge_second(&self, place: &DamageSite, first: &Report, second: &Report) -> Verdict {
        match &second.state {
            State::Broken(outcome, words) => Verdict::new(*outcome, format!("at the second start: {words}")),
            State::Refused(words) if place.is_named_in(&second.said) => {
                Verdict::new(Outcome::Refused, format!("at the second start: {words}"))
            }
            State::Refused(words) => Verdict::new(Outcome::Unnamed, format!("at the second start: {words}")),
            State::Whole => self.whole_or_repaired(&first.warnings()),
        }
    }

    /// Whole; repaired if the program warned of anything that it does not warn of without damage.
    pub(crate) fn whole_or_repaired(&self, warnings: &BTreeSet<String>) -> Verdict {
        let reported: Vec<&str> = warnings.difference(&self.usual).map(String::as_str).collect();
        let outcome = if reported.is_empty() { Outcome::Whole } else { Outcome::Repaired };
        Verdict::new(outcome, reported.join("; "))
    }

    /// All trials, some at once. Each verdict is passed to `seen`. Returns the table by file, and the violations.
    pub async fn run(
        self: &Arc<Self>,
        places: Vec<DamageSite>,
        jobs: usize,
        mut seen: impl FnMut(&DamageSite, &Verdict),
    ) -> Result<(Table, Vec<Violation>)> {
        let (mut table, mut violations, room) =
            (Table::default(), Vec::new(), Arc::new(Semaphore::new(jobs)));
        let mut trials = JoinSet::new();
        for place in places {
            let (fixture, room) = (self.clone(), room.clone());
            trials.spawn(async move {
                let _permit = room.acquire().await?;
                let verdict = fixture.trial(&place).await.with_context(|| format!("trial {place}"))?;
                anyhow::Ok((place, verdict))
            });
        }
        while let Some(done) = trials.join_next().await {
            let (place, verdict) = done??;
            seen(&place, &verdict);
            table.count(&place.file.to_string_lossy(), verdict.outcome);
            if verdict.outcome.is_violation() {
                violations.push(Violation { place, verdict });
            }
        }
        violations.sort_by(|a, b| a.place.cmp(&b.place));
        Ok((table, violations))
    }
}

/// A copy of a fixture, removed when dropped.
pub struct Copy(pub PathBuf);

/// Copies a folder; holes in files stay holes.
pub async fn copy(from: &Path, to: &Path) -> Result<Copy> {
    let done = Command::new("cp").args(["-a", "--sparse=always"]).arg(from).arg(to).status().await;
    ensure!(done.context("cp cannot be run")?.success(), "{} cannot be copied", from.display());
    Ok(Copy(to.to_owned()))
}

impl Drop for Copy {
    fn drop(&mut self) {
        // What is left lies in the scratch folder, which goes too.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
