//! The commands, one file each, and what they share.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Subcommand;
use vouchlog::Policy;
use vouchlog_note::limits::MAX_POLICY_BYTES;

use crate::output::{Outcome, Output};

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

pub(crate) use serve::LogFormat;

/// What the program can do.
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
            Self::Fsck(args) => args.run(*output),
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
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?
        .block_on(work)
}

/// Reads a file the user named, no more of it than `limit` bytes.
fn read_file(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut bytes))
        .with_context(|| path.display().to_string())?;
    anyhow::ensure!(bytes.len() <= limit, "{}: longer than {limit} bytes", path.display());
    Ok(bytes)
}

/// Keeps a file, on disk and whole, replacing an older one. Its name is durable once the folder is synced.
fn write_file(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    std::fs::File::create(&temporary)
        .and_then(|mut new| {
            new.write_all(bytes)?;
            new.sync_all()
        })
        .and_then(|()| std::fs::rename(&temporary, path))
        .with_context(|| path.display().to_string())
}

/// Reads a policy file the user named.
fn policy(path: &Path) -> anyhow::Result<Policy> {
    Policy::parse(&read_file(path, MAX_POLICY_BYTES)?).with_context(|| path.display().to_string())
}

/// `30s`, `5m`, `1h 30m`, `500ms`, `7d`. A day has 24 hours.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = |_| "a duration reads like 30s or 5m".to_owned();
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
        _ => return Err("a size reads like 512MiB or 4GiB".to_owned()),
    };
    let number: u64 = number.parse().map_err(|_| "a size reads like 512MiB or 4GiB".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|size| *size > 0)
        .ok_or_else(|| "it must be positive and fit 64 bits".to_owned())
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
