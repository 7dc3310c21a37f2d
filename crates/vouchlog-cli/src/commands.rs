//! The commands, one file each, and what they share.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use vouchlog::{Policy, StatementKind};
use vouchlog_note::limits::MAX_POLICY_BYTES;
use vouchlog_runtime::durable::{self, Mode};

use crate::advice::Advice;
use crate::output::{Outcome, Output};
use crate::telemetry::TelemetryNeeds;

mod access;
mod audit;
mod auditing;
mod backup;
mod canary;
mod collect;
mod completions;
mod contents;
mod custody;
mod demo;
mod desk;
mod disclose;
mod doctor;
mod duties;
mod ended;
mod enrol;
mod erase;
mod explore;
mod exposure;
mod failed;
mod find;
mod fsck;
mod given;
mod grade;
mod guarding;
mod hold;
mod house;
mod input;
mod key_status;
mod keygen;
mod log;
mod man;
mod mirror;
mod monitor;
mod objects;
mod operator;
mod operator_key;
mod paper;
mod poster;
mod prove;
mod prove_complete;
mod quota;
mod reconcile;
mod record;
mod recover;
mod refusing;
mod remote;
mod reports;
mod reserve;
mod revoked;
mod running;
mod sample;
mod scrub;
mod serve;
mod session;
mod spooling;
mod store;
mod strangers;
mod submission;
mod submit;
mod takeover;
mod token;
mod up;
mod vault;
mod verify;
mod verify_finding;
mod verify_report;
mod witness;
mod witness_key;

/// How long abandoned reads may take at the end.
const LAST_READS: Duration = Duration::from_secs(5);

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Up(up::Args),
    Keygen(keygen::Args),
    Token(token::Args),
    Serve(serve::ServeArgs),
    Witness(witness::Args),
    Enrol(enrol::EnrolArgs),
    Rotate(enrol::RotateArgs),
    RotateOperator(operator_key::Args),
    RotateWitness(witness_key::RotateArgs),
    FollowWitness(witness_key::FollowArgs),
    Revoke(enrol::RevokeArgs),
    Quota(quota::Args),
    Log(log::Args),
    Submit(submit::Args),
    Prove(prove::Args),
    Verify(verify::Args),
    Audit(audit::Args),
    Explore(explore::Args),
    Monitor(monitor::Args),
    Mirror(mirror::Args),
    Canary(canary::Args),
    VerifyFinding(verify_finding::Args),
    VerifyReport(verify_report::Args),
    ProveComplete(prove_complete::Args),
    Sample(sample::Args),
    Fsck(fsck::Args),
    Backup(backup::Args),
    Recover(recover::Args),
    Store(store::Args),
    Collect(Box<collect::Args>),
    Record(record::Args),
    Find(find::Args),
    Doctor(doctor::Args),
    Reconcile(reconcile::Args),
    Session(session::Args),
    Disclose(disclose::Args),
    Erase(erase::Args),
    Hold(hold::Args),
    Revoked(revoked::Args),
    Grade(grade::GradeArgs),
    Schema(grade::SchemaArgs),
    Duties(duties::Args),
    Vault(Box<vault::Args>),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// What a command that runs until it is stopped wants of traces and metrics.
    pub(crate) fn telemetry(&self) -> Option<TelemetryNeeds<'_>> {
        let (command, args, drain) = match self {
            Self::Up(up) => ("up", &up.telemetry, &up.drain),
            Self::Serve(serve) => ("serve", serve.telemetry(), serve.drain()),
            Self::Witness(witness) => ("witness", &witness.telemetry, &witness.end.drain),
            Self::Collect(collect) => ("collect", &collect.telemetry, &collect.end.drain),
            Self::Monitor(monitor) => ("monitor", &monitor.telemetry, &monitor.drain),
            Self::Mirror(mirror) => ("mirror", &mirror.telemetry, &mirror.drain),
            Self::Vault(vault) => match vault.server() {
                Some(server) => ("vault serve", &server.telemetry, &server.end.drain),
                None => return None,
            },
            _ => return None,
        };
        Some(TelemetryNeeds { command, args, drain: drain.drain })
    }

    /// Runs it. `program` is the whole program's flags, for those commands that describe them.
    pub(crate) fn run(self, output: &Output, program: clap::Command) -> anyhow::Result<Outcome> {
        match self {
            Self::Demo(args) => block_on(args.run(*output)),
            Self::Up(args) => block_on(args.run(*output)),
            Self::Keygen(args) => args.run(*output),
            Self::Token(args) => args.run(*output),
            Self::Serve(args) => {
                block_on(async { args.run_until(running::shutdown_signal()?, *output).await })
            }
            Self::Witness(args) => {
                block_on(async { args.run_until(running::shutdown_signal()?, *output).await })
            }
            Self::Enrol(args) => block_on(args.run(*output)),
            Self::Rotate(args) => block_on(args.run(*output)),
            Self::RotateOperator(args) => block_on(args.run(*output)),
            Self::RotateWitness(args) => block_on(args.run(*output)),
            Self::FollowWitness(args) => args.run(*output),
            Self::Revoke(args) => block_on(args.run(*output)),
            Self::Quota(args) => block_on(args.run(*output)),
            Self::Log(args) => block_on(args.run(*output)),
            Self::Submit(args) => block_on(args.run(*output)),
            Self::Prove(args) => block_on(args.run(*output)),
            Self::Verify(args) => args.run(*output),
            Self::Audit(args) => block_on(args.run(*output)),
            Self::Explore(args) => block_on(args.run(*output)),
            Self::Monitor(args) => block_on(args.run(*output)),
            Self::Mirror(args) => {
                block_on(async { args.run_until(running::shutdown_signal()?, *output).await })
            }
            Self::Canary(args) => block_on(args.run(*output)),
            Self::VerifyFinding(args) => args.run(*output),
            Self::VerifyReport(args) => args.run(*output),
            Self::ProveComplete(args) => block_on(args.run(*output)),
            Self::Sample(args) => block_on(args.run(*output)),
            Self::Fsck(args) => check_clock().and_then(|()| args.run(*output)),
            Self::Backup(args) => args.run(*output),
            Self::Recover(args) => block_on(args.run(*output)),
            Self::Store(args) => block_on(args.run(*output)),
            Self::Collect(args) => {
                block_on(async { args.run_until(running::shutdown_signal()?, *output).await })
            }
            Self::Record(args) => block_on(args.run(*output)),
            Self::Find(args) => block_on(args.run(*output)),
            Self::Doctor(args) => block_on(args.run(*output)),
            Self::Reconcile(args) => block_on(args.run(*output)),
            Self::Session(args) => block_on(args.run(*output)),
            Self::Disclose(args) => block_on(args.run(*output)),
            Self::Erase(args) => block_on(args.run(*output)),
            Self::Hold(args) => block_on(args.run(*output)),
            Self::Revoked(args) => block_on(args.run(*output)),
            Self::Grade(args) => args.run(*output),
            Self::Schema(args) => args.run(*output),
            Self::Duties(args) => block_on(args.run(*output)),
            Self::Vault(args) => block_on(args.run(*output)),
            Self::Completions(args) => args.run(program),
            Self::Man(args) => args.run(program),
        }
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<Outcome>>) -> anyhow::Result<Outcome> {
    check_clock()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("the async runtime could not be started")?;
    let outcome = runtime.block_on(work);
    // A read that hangs on a dead disk must not keep the process from ending. Nothing is acknowledged after `work`.
    runtime.shutdown_timeout(LAST_READS);
    outcome
}

/// Refuses a clock that databases and protocols cannot carry, before any of them panics on it.
fn check_clock() -> anyhow::Result<()> {
    vouchlog::check_clock().map_err(|error| Advice::error(error.to_string(), "set the system clock"))
}

/// Reads a file the user named, no more of it than `limit` bytes.
fn read_file(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    given::read(path, limit)
}

/// Writes a file durably, replacing an existing one.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    durable::write(path, bytes, Mode::Shared).map_err(|failed| named(path, failed))
}

/// Checks that a file can be written, before what is to be in it is put on record as given away.
fn check_writable(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(!path.is_dir(), "{} is a folder: name a file", path.display());
    let probe = path.with_added_extension("probe");
    let made = std::fs::File::create_new(&probe).and_then(|_| std::fs::remove_file(&probe));
    made.with_context(|| path.display().to_string())
}

/// Writes one of many files into a folder. Its name is durable after [`sync_folder`].
fn place_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    durable::place(path, bytes, Mode::Shared).map_err(|failed| named(path, failed))
}

/// Makes the names of the files placed in a folder durable.
fn sync_folder(dir: &Path) -> anyhow::Result<()> {
    durable::sync_dir(dir).map_err(|failed| named(dir, failed))
}

/// Creates a folder and its missing ancestors durably.
fn make_folder(dir: &Path) -> anyhow::Result<()> {
    durable::make_dir(dir).map_err(|failed| named(dir, failed))
}

/// Users name files by their paths, so errors do too.
fn named(path: &Path, failed: durable::Error) -> anyhow::Error {
    anyhow::Error::new(failed.error).context(path.display().to_string())
}

/// Reads a policy file the user named.
fn policy(path: &Path) -> anyhow::Result<Policy> {
    Policy::parse(&read_file(path, MAX_POLICY_BYTES)?).with_context(|| path.display().to_string())
}

/// The text of a policy file the user named, once it was found to be well-formed.
fn policy_text(path: &Path) -> anyhow::Result<String> {
    let bytes = read_file(path, MAX_POLICY_BYTES)?;
    Policy::parse(&bytes).with_context(|| path.display().to_string())?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", path.display()))
}

/// A kind of statement by its name.
fn kind() -> impl clap::builder::TypedValueParser<Value = StatementKind> {
    use clap::builder::TypedValueParser;
    let names = StatementKind::ALL.map(StatementKind::name);
    clap::builder::PossibleValuesParser::new(names)
        .try_map(|name| StatementKind::from_name(&name).ok_or("no such kind"))
}

/// Parses the words of a command line, of which the first is the program's name, into arguments.
#[cfg(test)]
fn parsed<A: clap::Args>(
    words: impl IntoIterator<Item = impl Into<std::ffi::OsString> + Clone>,
) -> Result<A, clap::Error> {
    let matches = A::augment_args(clap::Command::new("vouchlog")).try_get_matches_from(words)?;
    A::from_arg_matches(&matches)
}
