//! The commands, one file each, and what they share.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use vouchlog::Policy;
use vouchlog_note::limits::MAX_POLICY_BYTES;
use vouchlog_runtime::durable::{self, Mode};

use crate::advice::Advice;
use crate::output::{Outcome, Output};
use crate::telemetry::Wanted;

mod audit;
mod auditing;
mod backup;
mod canary;
mod collect;
mod custody;
mod demo;
mod disclose;
mod doctor;
mod duties;
mod enrol;
mod erase;
mod find;
mod fsck;
mod grade;
mod hold;
mod keygen;
mod lock;
mod monitor;
mod prove;
mod prove_complete;
mod record;
mod recover;
mod remembering;
mod remote;
mod reserve;
mod revoked;
mod running;
mod sample;
mod scrub;
mod serve;
mod session;
mod submit;
mod vault;
mod verify;
mod verify_finding;
mod witness;

/// How long reads that nobody waits for any more may take at the end.
const LAST_READS: Duration = Duration::from_secs(5);

/// The subcommands.
#[derive(Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Keygen(keygen::Args),
    Serve(serve::Args),
    Witness(witness::Args),
    Enrol(enrol::EnrolArgs),
    Revoke(enrol::RevokeArgs),
    Submit(submit::Args),
    Prove(prove::Args),
    Verify(verify::Args),
    Audit(audit::Args),
    Monitor(monitor::Args),
    Canary(canary::Args),
    VerifyFinding(verify_finding::Args),
    ProveComplete(prove_complete::Args),
    Sample(sample::Args),
    Fsck(fsck::Args),
    Backup(backup::Args),
    Recover(recover::Args),
    Collect(Box<collect::Args>),
    Record(record::Args),
    Find(find::Args),
    Doctor(doctor::Args),
    Session(session::Args),
    Disclose(disclose::Args),
    Erase(erase::Args),
    Hold(hold::Args),
    Revoked(revoked::Args),
    Grade(grade::GradeArgs),
    Schema(grade::SchemaArgs),
    Duties(duties::Args),
    Vault(vault::Args),
}

impl Command {
    /// What a command that runs until it is stopped wants of traces and metrics.
    pub(crate) fn telemetry(&self) -> Option<Wanted<'_>> {
        let (command, args, drain) = match self {
            Self::Serve(serve) => ("serve", &serve.telemetry, &serve.end.drain),
            Self::Witness(witness) => ("witness", &witness.telemetry, &witness.end.drain),
            Self::Collect(collect) => ("collect", &collect.telemetry, &collect.end.drain),
            Self::Monitor(monitor) => ("monitor", &monitor.telemetry, &monitor.drain),
            _ => return None,
        };
        Some(Wanted { command, args, drain: drain.drain })
    }

    pub(crate) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        match self {
            Self::Demo(args) => block_on(args.run(*output)),
            Self::Keygen(args) => args.run(*output),
            Self::Serve(args) => block_on(args.run(*output)),
            Self::Witness(args) => block_on(args.run(*output)),
            Self::Enrol(args) => block_on(args.run(*output)),
            Self::Revoke(args) => block_on(args.run(*output)),
            Self::Submit(args) => block_on(args.run(*output)),
            Self::Prove(args) => block_on(args.run(*output)),
            Self::Verify(args) => args.run(*output),
            Self::Audit(args) => block_on(args.run(*output)),
            Self::Monitor(args) => block_on(args.run(*output)),
            Self::Canary(args) => block_on(args.run(*output)),
            Self::VerifyFinding(args) => args.run(*output),
            Self::ProveComplete(args) => block_on(args.run(*output)),
            Self::Sample(args) => block_on(args.run(*output)),
            Self::Fsck(args) => check_clock().and_then(|()| args.run(*output)),
            Self::Backup(args) => args.run(*output),
            Self::Recover(args) => block_on(args.run(*output)),
            Self::Collect(args) => block_on(args.run(*output)),
            Self::Record(args) => block_on(args.run(*output)),
            Self::Find(args) => block_on(args.run(*output)),
            Self::Doctor(args) => block_on(args.run(*output)),
            Self::Session(args) => block_on(args.run(*output)),
            Self::Disclose(args) => block_on(args.run(*output)),
            Self::Erase(args) => block_on(args.run(*output)),
            Self::Hold(args) => block_on(args.run(*output)),
            Self::Revoked(args) => block_on(args.run(*output)),
            Self::Grade(args) => args.run(*output),
            Self::Schema(args) => args.run(*output),
            Self::Duties(args) => block_on(args.run(*output)),
            Self::Vault(args) => block_on(args.run(*output)),
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
    durable::read(path, limit).map_err(|failed| named(path, failed))
}

/// Writes a file durably, replacing an existing one.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    durable::write(path, bytes, Mode::Shared).map_err(|failed| named(path, failed))
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

/// `30s`, `5m`, `1h 30m`, `500ms`, `7d`. A day has 24 hours.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |_| "write a duration such as 30s or 5m".to_owned();
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    Duration::try_from(span)
        .ok()
        .filter(|span| !span.is_zero())
        .ok_or_else(|| "it must be positive".to_owned())
}

/// A size in bytes: `512MiB`, `4GiB`, or a plain number.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err("write a size such as 512MiB or 4GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "write a size such as 512MiB or 4GiB".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|size| *size > 0)
        .ok_or_else(|| "it must be positive and fit into 64 bits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_unit() {
        assert_eq!(duration("30s"), Ok(Duration::from_secs(30)));
        assert_eq!(duration("1h 30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "30", "0s", "-5s", "1mo", "soon"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_unit() {
        assert_eq!(size("4GiB"), Ok(4 << 30));
        assert_eq!(size("512 MiB"), Ok(512 << 20));
        assert_eq!(size("17"), Ok(17));
        for wrong in ["", "0", "4GB", "GiB", "-1", "99999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
