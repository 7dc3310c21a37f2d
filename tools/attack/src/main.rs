//! `vouchlog-attack`: attacks `vouchlog` and prints what became of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vouchlog_attack::{Settings, overload};
use vouchlog_faults::program::Program;

/// Attacks on the vouchlog binary, with a good client beside each. Exit status: 0 all were withstood, 1 one was not, 2 it could not run
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  vouchlog-attack --short\n  vouchlog-attack --only holds --only grpc --seconds 30\n  \
                  vouchlog-attack overload --seconds 600"
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The vouchlog binary [default: beside this one]
    #[arg(long, global = true, value_name = "FILE")]
    program: Option<PathBuf>,
    /// A class, or a part of attacks' names; may be repeated [default: all]
    #[arg(long, value_name = "CLASS")]
    only: Vec<String>,
    /// How long each attack lasts, in seconds; of `overload`, each of its phases [default: 10; short form: 2]
    #[arg(long, global = true, value_name = "N")]
    seconds: Option<u64>,
    /// Smaller numbers, each input once, latencies not judged
    #[arg(long)]
    short: bool,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// List the attacks
    List,
    /// Find a log's capacity, then offer it twice as much: what is admitted must not become slow
    Overload,
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

/// Whether every attack was withstood.
async fn run(cli: Cli) -> Result<bool> {
    if let Some(Command::List) = cli.command {
        for attack in vouchlog_attack::attacks() {
            println!("{:<10} {:<10} {}", attack.class, attack.target.name(), attack.name);
        }
        return Ok(true);
    }
    let program = cli.program.map_or_else(Program::beside_this, Program::new)?;
    let lasts = Duration::from_secs(cli.seconds.unwrap_or(if cli.short { 2 } else { 10 }));
    if let Some(Command::Overload) = cli.command {
        let report = overload::run(&program, lasts).await?;
        if cli.json {
            println!("{:#}", report.json());
        } else {
            print!("{}", report.markdown());
        }
        return Ok(report.holds());
    }
    let settings = Settings { program, only: cli.only, lasts, is_short: cli.short };
    let judges_latency = !cli.short;
    let report = vouchlog_attack::run(&settings, |row| {
        let faults = row.faults(judges_latency);
        let verdict = if faults.is_empty() { "holds".to_owned() } else { faults.join("; ") };
        eprintln!("{} / {}: {verdict}", row.class, row.name);
    });
    let report = report.await?;
    if cli.json {
        println!("{:#}", report.json());
    } else {
        print!("{}", report.markdown());
    }
    Ok(report.holds())
}
