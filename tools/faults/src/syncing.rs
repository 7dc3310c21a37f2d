//! `lying-sync`: an fdatasync fails once, the next succeeds, and later the power is cut.

use anyhow::{Context, Result};
use clap::Args as ClapArgs;
use vouchlog_faults::damage::Draw;
use vouchlog_faults::lying_sync::{check_tools, round};
use vouchlog_faults::outcome::Table;

use crate::Setting;

/// How often.
#[derive(Debug, ClapArgs)]
pub(crate) struct Args {
    /// Rounds, each on a new disk
    #[arg(long, default_value_t = 6, value_name = "N")]
    rounds: usize,
    /// Decides how full the disk is
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    /// Whether every promise was kept.
    pub(crate) async fn run(&self, setting: &Setting) -> Result<bool> {
        check_tools().await?;
        let (mut table, mut draw) = (Table::default(), Draw::new(self.seed));
        let mut lines = Vec::new();
        for number in 1..=self.rounds {
            let folder = tempfile::Builder::new().prefix("vouchlog-faults-").tempdir_in(&setting.work);
            let folder = folder.with_context(|| setting.work.display().to_string())?;
            let round = round(&setting.program, folder.path(), &mut draw).await?;
            let row = if round.failed { "a sync failed" } else { "no sync failed" };
            table.count(row, round.verdict.outcome);
            let (outcome, evidence) = (round.verdict.outcome, &round.verdict.evidence);
            lines.push(format!(
                "round {number}: {row}; restart: {}; {outcome}: {evidence}",
                round.restart.trim()
            ));
            if setting.verbose {
                eprintln!("{}", lines[lines.len() - 1]);
            }
        }
        println!(
            "\n### a failed sync, a restart, a power cut, seed {}\n\n{}",
            self.seed,
            table.markdown("round")
        );
        lines.iter().for_each(|line| println!("{line}"));
        Ok(table.violations() == 0)
    }
}
