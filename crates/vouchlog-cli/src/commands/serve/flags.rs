//! The flags of `vouchlog serve`: those of one log, or the file with several.

use std::path::PathBuf;

use clap::{ArgMatches, Command, FromArgMatches};

use super::Args;
use super::several::{self, OF_PROCESS};
use crate::commands::running::DrainArgs;
use crate::output::{Outcome, Output};
use crate::telemetry::TelemetryArgs;

/// The id of the flag that names the file.
const CONFIG: &str = "config";

/// A flag of a log that beside `--config` is one of the process: the port at which the operators see all of its logs.
const ADMIN_LISTEN: &str = "admin_listen";

/// `vouchlog serve`.
pub(crate) enum ServeArgs {
    /// One log, by its flags.
    Log(Box<Args>),
    /// Those of a file.
    Logs(several::Args),
}

/// The flag that is added to those of a log.
#[derive(clap::Args)]
struct ConfigArgs {
    /// Run the logs of this file (TOML), each in a table [log.NAME] with the flags of a log; see the example below
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_CONFIG")]
    config: Option<PathBuf>,
}

impl clap::Args for ServeArgs {
    fn augment_args(command: Command) -> Command {
        let is_of_log = |id: &str| !OF_PROCESS.contains(&id) && id != ADMIN_LISTEN;
        let command = Args::augment_args(ConfigArgs::augment_args(command))
            .mut_args(|arg| if is_of_log(arg.get_id().as_str()) { arg.conflicts_with(CONFIG) } else { arg });
        command.mut_arg("data", |data| data.required(false).required_unless_present(CONFIG))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ServeArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if matches.contains_id(CONFIG) {
            return several::Args::from_arg_matches(matches).map(Self::Logs);
        }
        Args::from_arg_matches(matches).map(|args| Self::Log(Box::new(args)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl ServeArgs {
    pub(crate) fn telemetry(&self) -> &TelemetryArgs {
        match self {
            Self::Log(log) => &log.telemetry,
            Self::Logs(logs) => &logs.telemetry,
        }
    }

    pub(in crate::commands) fn drain(&self) -> &DrainArgs {
        match self {
            Self::Log(log) => &log.end.drain,
            Self::Logs(logs) => &logs.drain,
        }
    }

    /// Runs until `shutdown` completes; one log also until writing has stopped for good.
    pub(crate) async fn run_until(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
        output: Output,
    ) -> anyhow::Result<Outcome> {
        match self {
            Self::Log(log) => log.run_until(shutdown, output).await,
            Self::Logs(logs) => logs.run_until(shutdown, output).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;
    use crate::commands::parsed;

    fn parse(flags: &str) -> Result<ServeArgs, String> {
        let words = std::iter::once("serve").chain(flags.split_whitespace());
        parsed::<ServeArgs>(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_log_is_given_by_flags_or_by_a_file() {
        assert!(matches!(parse("--data a --origin b.example.com"), Ok(ServeArgs::Log(_))));
        let flags = "--config a.toml --drain 1s --log-format json --admin-listen 127.0.0.1:0";
        assert!(matches!(parse(flags), Ok(ServeArgs::Logs(_))));
        let Err(missing) = parse("--origin b.example.com") else { panic!("there is no data directory") };
        assert!(missing.contains("--data"), "{missing}");
    }

    /// Otherwise a flag would be given, and hold for no log.
    #[test]
    fn no_flag_of_a_log_is_taken_beside_a_file() {
        let command = ServeArgs::augment_args(Command::new("serve"));
        let shared = [&OF_PROCESS[..], &[ADMIN_LISTEN]].concat();
        let mut of_log = 0;
        for arg in command.get_arguments().filter(|arg| !shared.contains(&arg.get_id().as_str())) {
            let conflicts = command.get_arg_conflicts_with(arg);
            assert!(conflicts.iter().any(|other| other.get_id() == CONFIG), "{}", arg.get_id());
            of_log += 1;
        }
        assert!(of_log > 30, "{of_log}");
        for flags in
            ["--data a", "--tls-cert a --tls-key b", "--host a.example.com", "--exit-when-poisoned=false"]
        {
            assert!(parse(&format!("--config a.toml {flags}")).is_err(), "{flags}");
        }
    }
}
