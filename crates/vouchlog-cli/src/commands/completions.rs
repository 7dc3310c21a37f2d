//! `vouchlog completions`: what a shell needs to complete commands and flags.

use std::io::Write;

use anyhow::Context;
use clap_complete::Shell;

use crate::output::Outcome;

/// Print the completions of a shell
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog completions bash > ~/.local/share/bash-completion/completions/vouchlog\n  \
                        vouchlog completions fish > ~/.config/fish/completions/vouchlog.fish"
)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Args {
    pub(crate) fn run(self, mut program: clap::Command) -> anyhow::Result<Outcome> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut program, "vouchlog", &mut script);
        std::io::stdout().write_all(&script).context("standard output could not be written")?;
        Ok(Outcome::Fine)
    }
}
