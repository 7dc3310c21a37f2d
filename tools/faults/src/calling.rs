//! `calls`: system calls of the program fail, one at a time.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::{Args as ClapArgs, ValueEnum};
use vouchlog_faults::calls::{Fault, Phase, Plan, check_strace};
use vouchlog_faults::campaign::Fixture;
use vouchlog_faults::outcome::Verdict;
use vouchlog_faults::subject::{After, Subject};

use crate::Setting;

/// Which calls fail.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Of which program
    #[arg(long, value_enum, default_value_t = Of::Log)]
    of: Of,
    /// When; only of a log [default: each of them]
    #[arg(long, value_enum)]
    phase: Vec<When>,
    /// Fail at most this many calls of a kind in a phase [default: all]
    #[arg(long, value_name = "N")]
    max_n: Option<usize>,
    /// Trials at once
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    jobs: u8,
    /// Use the fixture that an earlier campaign left
    #[arg(long, value_name = "DIR")]
    fixture: Option<PathBuf>,
    /// Make only these trials, each PHASE:CALL:ERROR:NTH as a campaign prints them
    #[arg(long, value_name = "FAULT")]
    only: Vec<Fault>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Of {
    /// A log
    Log,
    /// A gateway that sends what waits in its spool
    Gateway,
    /// A collector that starts and takes a body
    Collector,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum When {
    /// While the log starts
    Start,
    /// While it commits
    Commit,
    /// While it seals
    Seal,
    /// While it stops
    Stop,
}

impl When {
    fn phase(self) -> Phase {
        match self {
            Self::Start => Phase::Start,
            Self::Commit => Phase::Commit,
            Self::Seal => Phase::Seal,
            Self::Stop => Phase::Stop,
        }
    }
}

impl Args {
    /// Whether every promise was kept.
    pub(crate) async fn run(&self, setting: &Setting) -> Result<bool> {
        check_strace().await?;
        let scratch = tempfile::Builder::new().prefix("vouchlog-faults-").tempdir_in(&setting.work);
        let scratch = scratch.with_context(|| setting.work.display().to_string())?;
        let subject = match self.of {
            Of::Log => Subject::SmallLog,
            Of::Gateway => Subject::Gateway,
            Of::Collector => Subject::Collector,
        };
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
        let phases: Vec<Phase> = self.phase.iter().map(|when| when.phase()).collect();
        let phases = if phases.is_empty() { Phase::of(subject) } else { &phases };
        let max_n = self.max_n.unwrap_or(usize::MAX);
        let mut plan = Plan::make(&fixture, phases, max_n).await?;
        if !self.only.is_empty() {
            plan = plan.only(self.only.clone());
        }
        for ((phase, call), count) in plan.counted.iter().filter(|(_, count)| **count > max_n) {
            println!("{phase:?}: one thread makes {count} calls of {call}; the first {max_n} are tried");
        }
        let verbose = setting.verbose || !self.only.is_empty();
        let seen = |fault: &Fault, verdict: &Verdict| {
            if verbose {
                eprintln!("{:9} {fault}  {}", verdict.outcome.name(), verdict.evidence);
            }
        };
        let (table, violations) = plan.run(&Arc::new(fixture), usize::from(self.jobs), seen).await?;
        println!("\n### failing system calls, {subject}\n\n{}", table.markdown("phase, call, error"));
        for (fault, verdict) in &violations {
            println!("{}: {fault}: {}", verdict.outcome, verdict.evidence);
        }
        match violations.first() {
            None if self.fixture.is_none() => std::fs::remove_dir_all(&folder)?,
            None => {}
            Some((fault, _)) => {
                let of =
                    self.of.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
                println!(
                    "repeat one with: vouchlog-faults calls --of {of} --fixture {} --only {fault}",
                    folder.display()
                );
            }
        }
        Ok(violations.is_empty())
    }
}
