//! The `vouchlog` program: flags, wiring, printing. What it does is in `commands/`, one file each.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};

mod advice;
mod allocator;
mod commands;
mod connections;
mod help;
mod output;
mod report;
mod telemetry;
mod terminal;
mod values;

use advice::without_secrets;
use commands::Command;
use connections::ConnectionArgs;
use output::{ERROR, Outcome, Output};

/// A transparency log for AI interactions.
///
/// Gateways keep their records; the log takes only salted digests, appends them to a Merkle tree, signs each tree head and
/// serves proofs, which anyone with the log's public key can check offline.
#[derive(Parser)]
#[command(
    name = "vouchlog",
    version,
    max_term_width = 110,
    arg_required_else_help = true,
    after_help = "Exit status: 0 success, 1 a finding (the evidence does not hold), 2 an error,\n             3 a server stopped because it can no longer write: restart it.\n\nStart with:  vouchlog demo"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, one line, for programs
    #[arg(long, global = true, env = "VOUCHLOG_JSON", value_parser = clap::builder::FalseyValueParser::new())]
    json: bool,
    /// Trace filter for standard error, such as `info` or `vouchlog_sequencer=debug` [default: info for servers, else warn]
    #[arg(long, global = true, env = "VOUCHLOG_TRACE", value_name = "FILTER")]
    trace: Option<String>,
    #[command(flatten)]
    connections: ConnectionArgs,
}

fn main() -> ExitCode {
    vouchlog_runtime::hush_caught_panics();
    let parsed = help::complete(Cli::command()).try_get_matches();
    let cli = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => cli,
        // What was typed may have come from elsewhere, and the parser's error repeats it.
        Err(error) if error.use_stderr() => {
            output::note(without_secrets(error).render().to_string().trim_end());
            return ExitCode::from(ERROR);
        }
        Err(help) => help.exit(),
    };
    match run(cli) {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            advice::print(&error);
            ExitCode::from(ERROR)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Outcome> {
    let wanted = cli.command.telemetry();
    if wanted.is_some() {
        // A server.
        allocator::spare_memory();
    }
    cli.connections.install()?;
    let telemetry = telemetry::start(cli.trace.as_deref(), wanted.as_ref())?;
    let outcome = cli.command.run(&Output::new(cli.json), Cli::command());
    telemetry.stop();
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_pin_that_was_typed_is_not_repeated() {
        for flags in [
            ["vouchlog", "serve", "--key", "pkcs11:object=a?pin-value=98765 log.example.com+1234"],
            ["vouchlog", "collect", "--vault-key", "pkcs11:object=a?pin-value=98765"],
        ] {
            let error = Cli::try_parse_from(flags).err().unwrap();
            let text = without_secrets(error).render().to_string();
            assert!(text.contains("pin-source") && !text.contains("98765"), "{text}");
        }
    }

    #[test]
    fn every_command_is_in_one_group_of_the_help() {
        let command = Cli::command();
        let mut named: Vec<&str> = help::GROUPS.iter().flat_map(|(_, names)| *names).copied().collect();
        named.sort_unstable();
        let mut there: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        there.sort_unstable();
        assert_eq!(named, there);
    }

    #[test]
    fn examples_survive_a_terminal_of_80_columns() {
        let mut long = Vec::new();
        for command in help::complete(Cli::command()).get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            // An example is a line that begins with the program, and what it continues on.
            let mut continued = false;
            for line in help.lines() {
                let is_example = continued || line.trim_start().starts_with("vouchlog ");
                if is_example && line.chars().count() > 80 {
                    long.push(format!("`{}`: {line}", command.get_name()));
                }
                continued = is_example && line.ends_with('\\');
            }
        }
        assert!(long.is_empty(), "{}", long.join("\n"));
    }

    #[test]
    fn every_command_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("vouchlog "), "`{}` has no example", command.get_name());
        }
    }
}
