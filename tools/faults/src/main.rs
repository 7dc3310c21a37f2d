//! `vouchlog-faults`: runs `vouchlog` under faults and prints what became of it.

mod calling;
mod damaging;
#[cfg(feature = "fuse")]
mod lying;
mod syncing;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vouchlog_faults::program::Program;

/// Fault campaigns against the vouchlog binary. Exit status: 0 no promise was broken, 1 one was, 2 the campaign could not run
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The vouchlog binary [default: beside this one]
    #[arg(long, global = true, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Where fixtures and copies are kept while a campaign runs
    #[arg(long, global = true, value_name = "DIR", default_value = "/dev/shm")]
    work: PathBuf,
    /// Write every verdict to standard error
    #[arg(long, global = true)]
    verbose: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One bit flipped, a file cut short, or a sector zeroed, in every file of a data directory
    Damage(damaging::Args),
    /// System calls of a log, a gateway or a collector fail, one at a time (needs strace)
    Calls(calling::Args),
    /// A disk that becomes full fails one sync and none after it; the log is restarted, and the power cut (needs root)
    LyingSync(syncing::Args),
    /// A few reads and writes are torn, misdirected, corrupted or fail (needs root and FUSE; built with --features fuse)
    #[cfg(feature = "fuse")]
    LyingDisk(lying::Args),
}

/// What every campaign is given.
struct Setting {
    program: Program,
    work: PathBuf,
    verbose: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Cli::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Whether every promise was kept.
async fn run(cli: Cli) -> Result<bool> {
    let program = cli.program.map_or_else(Program::beside_this, Program::new)?;
    let setting = Setting { program, work: cli.work, verbose: cli.verbose };
    match cli.command {
        Command::Damage(args) => args.run(&setting).await,
        Command::Calls(args) => args.run(&setting).await,
        Command::LyingSync(args) => args.run(&setting).await,
        #[cfg(feature = "fuse")]
        Command::LyingDisk(args) => args.run(&setting).await,
    }
}
