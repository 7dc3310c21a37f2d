//! `vouchlog man`: the manual pages.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;

use super::make_folder;
use crate::output::Outcome;

/// Print the manual page, or write one page for each command
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  vouchlog man | man -l -\n  \
                        vouchlog man --out-dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write the pages of the program and of each command into this directory, created if missing
    #[arg(long, value_name = "DIR")]
    out_dir: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(self, program: clap::Command) -> anyhow::Result<Outcome> {
        if let Some(dir) = self.out_dir {
            make_folder(&dir)?;
            clap_mangen::generate_to(program, &dir).with_context(|| dir.display().to_string())?;
            return Ok(Outcome::Fine);
        }
        let mut page = Vec::new();
        clap_mangen::Man::new(program).render(&mut page)?;
        std::io::stdout().write_all(&page).context("standard output could not be written")?;
        Ok(Outcome::Fine)
    }
}
