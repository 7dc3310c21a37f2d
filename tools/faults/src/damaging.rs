//! `damage`: every file below a data directory is damaged, one place at a time.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use vouchlog_faults::campaign::Fixture;
use vouchlog_faults::damage::{Amounts, DamageSite, plan};
use vouchlog_faults::subject::{After, Subject};

use crate::Setting;

/// What is damaged, how often, and after which end.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Whose data directory
    #[arg(long, value_enum)]
    data_of: DataOf,
    /// Single-bit flips per data directory
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    flips: usize,
    /// Truncations per data directory
    #[arg(long, default_value_t = 200, value_name = "N")]
    cuts: usize,
    /// Zeroed sectors per data directory
    #[arg(long, default_value_t = 200, value_name = "N")]
    zeroes: usize,
    /// How the program was ended before the damage [default: both]
    #[arg(long, value_enum)]
    after: Option<End>,
    /// Damage only files whose path below the data directory contains this
    #[arg(long, value_name = "TEXT")]
    file: Option<String>,
    /// Decides the places
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Trials at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    jobs: u8,
    /// Use the fixture that an earlier campaign left
    #[arg(long, value_name = "DIR", requires = "after")]
    fixture: Option<PathBuf>,
    /// Make only these trials, each FILE:OFFSET:KIND as a campaign prints them
    #[arg(long, value_name = "PLACE", requires = "fixture")]
    only: Vec<DamageSite>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DataOf {
    /// A log, once small and once with sealed segments
    Log,
    /// A small log alone
    SmallLog,
    /// A log with sealed segments alone
    LargeLog,
    /// A gateway's spool
    Gateway,
    /// A collector: journal, vault, spool, keys
    Collector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum End {
    /// kill -9 under load
    Kill,
    /// SIGTERM under load
    Stop,
}

impl Args {
    /// Whether every promise was kept.
    pub(crate) async fn run(&self, setting: &Setting) -> Result<bool> {
        let subjects: &[Subject] = match self.data_of {
            DataOf::Log => &[Subject::SmallLog, Subject::LargeLog],
            DataOf::SmallLog => &[Subject::SmallLog],
            DataOf::LargeLog => &[Subject::LargeLog],
            DataOf::Gateway => &[Subject::Gateway],
            DataOf::Collector => &[Subject::Collector],
        };
        let ends = self.after.map_or_else(|| vec![End::Kill, End::Stop], |end| vec![end]);
        let mut kept = true;
        for subject in subjects {
            for end in &ends {
                kept &= self.campaign(setting, *subject, *end).await?;
            }
        }
        Ok(kept)
    }

    async fn campaign(&self, setting: &Setting, subject: Subject, end: End) -> Result<bool> {
        let scratch = tempfile::Builder::new().prefix("vouchlog-faults-").tempdir_in(&setting.work);
        let scratch = scratch.with_context(|| setting.work.display().to_string())?;
        let folder = match &self.fixture {
            Some(folder) => folder.clone(),
            None => self.make(setting, subject, end).await?,
        };
        let (after, ended) = match end {
            End::Kill => ("kill", "kill -9"),
            End::Stop => ("stop", "SIGTERM"),
        };
        let path = scratch.path().to_owned();
        let fixture = Arc::new(Fixture::open(subject, setting.program.clone(), folder.clone(), path).await?);
        let amounts = Amounts { flips: self.flips, cuts: self.cuts, zeroes: self.zeroes, gone: true };
        let mut places =
            if self.only.is_empty() { plan(&fixture.root(), amounts, self.seed)? } else { self.only.clone() };
        if let Some(text) = &self.file {
            places.retain(|place| place.file.to_string_lossy().contains(text));
        }
        let verbose = setting.verbose || !self.only.is_empty();
        let seen = |place: &DamageSite, verdict: &vouchlog_faults::outcome::Verdict| {
            if verbose {
                eprintln!("{:9} {place}  {}", verdict.outcome.name(), verdict.evidence);
            }
        };
        let (table, violations) = fixture.run(places, usize::from(self.jobs), seen).await?;
        println!("\n### {subject}, after {ended}, seed {}\n\n{}", self.seed, table.markdown("file"));
        for violation in &violations {
            println!("{}: {}: {}", violation.verdict.outcome, violation.place, violation.verdict.evidence);
        }
        if violations.is_empty() {
            if self.fixture.is_none() {
                std::fs::remove_dir_all(&folder)?;
            }
        } else {
            let data_of = match subject {
                Subject::SmallLog => "small-log",
                Subject::LargeLog => "large-log",
                Subject::Gateway => "gateway",
                Subject::Collector => "collector",
            };
            println!(
                "repeat one with: vouchlog-faults damage --data-of {data_of} --after {after} --fixture {} --only {}",
                folder.display(),
                violations[0].place
            );
        }
        Ok(violations.is_empty())
    }

    async fn make(&self, setting: &Setting, subject: Subject, end: End) -> Result<PathBuf> {
        let folder = tempfile::Builder::new().prefix("vouchlog-fixture-").tempdir_in(&setting.work)?.keep();
        let after = match end {
            End::Kill => After::Kill,
            End::Stop => After::Stop,
        };
        subject.make(&setting.program, &folder, after).await?;
        Ok(folder)
    }
}
