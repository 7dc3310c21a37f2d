//! `lying-disk`: reads and writes that are torn, misdirected, corrupted or fail, under the unmodified program.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use vouchlog_faults::campaign::Fixture;
use vouchlog_faults::lying_disk::{Lie, Lying, check, lies, trial};
use vouchlog_faults::outcome::Table;
use vouchlog_faults::subject::{After, Subject};

use crate::Setting;

/// How the disk lies.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Trials; the kinds of lies take turns
    #[arg(long, default_value_t = 200, value_name = "N")]
    trials: usize,
    /// One of this many reads or writes is hit
    #[arg(long, default_value_t = 40, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    one_in: u64,
    /// At most this many are in a trial
    #[arg(long, default_value_t = 1, value_name = "N")]
    most: usize,
    /// Only this kind: failed-read, corrupt-read, misdirected-read, torn-read, or the same with -write
    #[arg(long)]
    lie: Option<Lie>,
    /// Decides what is hit
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Make the one trial that has this seed of its own, as a campaign prints it
    #[arg(long, value_name = "SEED", requires = "lie")]
    only: Option<u64>,
    /// On a log with sealed segments instead of a small one
    #[arg(long)]
    large: bool,
    /// Trials at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    jobs: u8,
    /// Use the fixture that an earlier campaign left
    #[arg(long, value_name = "DIR")]
    fixture: Option<PathBuf>,
}

impl Args {
    /// Whether every promise was kept.
    pub(crate) async fn run(&self, setting: &Setting) -> Result<bool> {
        check()?;
        let scratch = tempfile::Builder::new().prefix("vouchlog-faults-").tempdir_in(&setting.work);
        let scratch = scratch.with_context(|| setting.work.display().to_string())?;
        let subject = if self.large { Subject::LargeLog } else { Subject::SmallLog };
        let folder = match &self.fixture {
            Some(folder) => folder.clone(),
            None => {
                let folder =
                    tempfile::Builder::new().prefix("vouchlog-fixture-").tempdir_in(&setting.work)?.keep();
                subject.make(&setting.program, &folder, After::Kill).await?;
                folder
            }
        };
        let path = scratch.path().to_owned();
        let fixture = Fixture::open(subject, setting.program.clone(), folder.clone(), path).await?;
        let (table, lines) = self.campaign(&Arc::new(fixture), setting.verbose).await?;
        println!("\n### {subject}, on a disk that lies, seed {}\n\n{}", self.seed, table.markdown("lie"));
        lines.iter().for_each(|line| println!("{line}"));
        if table.violations() > 0 {
            let large = if self.large { " --large" } else { "" };
            println!(
                "repeat one with: vouchlog-faults lying-disk{large} --one-in {} --most {} --fixture {} --lie LIE --only SEED",
                self.one_in,
                self.most,
                folder.display()
            );
        } else if self.fixture.is_none() {
            std::fs::remove_dir_all(&folder)?;
        }
        Ok(table.violations() == 0)
    }

    async fn campaign(&self, fixture: &Arc<Fixture>, verbose: bool) -> Result<(Table, Vec<String>)> {
        let mut all = lies(self.seed, self.trials, (self.one_in, self.most));
        if let Some(lie) = self.lie {
            all.iter_mut().for_each(|lying| lying.lie = lie);
        }
        if let (Some(seed), Some(lie)) = (self.only, self.lie) {
            all = vec![Lying { lie, one_in: self.one_in, most: self.most, seed }];
        }
        let (mut table, mut lines, room) =
            (Table::default(), Vec::new(), Arc::new(Semaphore::new(self.jobs.into())));
        let mut trials = JoinSet::new();
        for lying in all {
            let (fixture, room) = (fixture.clone(), room.clone());
            trials.spawn(async move {
                let _permit = room.acquire().await?;
                let (hit, verdict) = trial(&fixture, lying).await?;
                anyhow::Ok((lying, hit, verdict))
            });
        }
        while let Some(done) = trials.join_next().await {
            let (lying, hit, verdict) = done??;
            table.count(&lying.lie.to_string(), verdict.outcome);
            let (outcome, evidence) = (verdict.outcome, &verdict.evidence);
            let line = format!(
                "{outcome}: --lie {} --only {}: {}: {evidence}",
                lying.lie,
                lying.seed,
                hit.join("; ")
            );
            if verbose || self.only.is_some() {
                eprintln!("{line}");
            }
            if outcome.is_violation() {
                lines.push(line);
            }
        }
        Ok((table, lines))
    }
}
