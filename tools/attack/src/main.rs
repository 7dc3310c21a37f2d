//! `vouchlog-attack`: attacks `vouchlog` and prints what became of it.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use serde_json::Value;
use vouchlog_attack::{Settings, overload};
use vouchlog_faults::program::Program;

/// Attacks on the vouchlog binary, with a good client beside each. Exit status: 0 all were withstood, 1 one was not, 2 it could not run
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  vouchlog-attack --short\n  vouchlog-attack --only holds --only grpc --seconds 30\n  \
                  vouchlog-attack --seconds 5 --report reports\n  vouchlog-attack overload --seconds 600 --report reports"
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
    /// How long an attack lasts, in seconds; of `overload`, the time at twice the capacity [default: 10; short form: 2]
    #[arg(long, global = true, value_name = "N")]
    seconds: Option<u64>,
    /// Smaller numbers, each input once, latencies not judged
    #[arg(long)]
    short: bool,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    json: bool,
    /// Write the table and the JSON into this directory as well
    #[arg(long, global = true, value_name = "DIR")]
    report: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Command {
    /// List the attacks
    List,
    /// Hold thousands of connections; find a log's capacity, then offer it twice as much: what is admitted must not become slow
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
        let texts = (report.markdown(), report.json());
        show("overload", &texts, (cli.json, cli.report.as_deref()))?;
        return Ok(report.holds());
    }
    let settings = Settings { program, only: cli.only, lasts, is_short: cli.short };
    let judges_latency = !cli.short;
    let report = vouchlog_attack::run(&settings, |row| {
        eprintln!("{} / {}: {}", row.class, row.name, row.verdict(judges_latency));
    });
    let report = report.await?;
    show("attacks", &(report.markdown(), report.json()), (cli.json, cli.report.as_deref()))?;
    Ok(report.holds())
}

/// Prints a report in one form, and writes it in both if there is a directory for it.
fn show(name: &str, (markdown, json): &(String, Value), to: (bool, Option<&Path>)) -> Result<()> {
    let (is_json, directory) = to;
    let json = format!("{json:#}\n");
    print!("{}", if is_json { &json } else { markdown });
    let Some(directory) = directory else { return Ok(()) };
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    for (ending, text) in [("md", markdown), ("json", &json)] {
        let path = directory.join(format!("{name}.{ending}"));
        std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    }
    Ok(())
}
