//! What the commands that read whole logs share: which log and whose keys, how it is read, what its witnesses have seen of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use vouchlog::{Origin, VerifyingKey};
use vouchlog_auditor::{Config, EntryRules, LogIdentity, PredecessorReport};
use vouchlog_client::TileReader;
use vouchlog_note::SignatureType;
use vouchlog_stream::RetirementProof;

use super::make_folder;
use super::remote::reader;
use crate::advice::Advice;

mod files;
mod run;
mod witnessed;

pub(super) use files::{StateFile, write_evidence};
pub(super) use run::{Audit, Subject};
pub(super) use witnessed::{WitnessCopy, witness_copies};

/// The log's identity, as the verifier knows it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct IdentityArgs {
    /// The log's public key; may be repeated after a key change, or for a second key of type ML-DSA-44
    #[arg(
        long = "log-vkey",
        value_name = "VKEY",
        required = true,
        env = "VOUCHLOG_LOG_VKEY",
        value_delimiter = ' '
    )]
    log_vkeys: Vec<VerifyingKey>,
    /// The log's name [default: that of its public key]
    #[arg(long, env = "VOUCHLOG_ORIGIN")]
    origin: Option<Origin>,
    /// Witnesses that must have cosigned (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_POLICY")]
    policy: Option<PathBuf>,
}

impl IdentityArgs {
    pub(super) fn log(&self) -> anyhow::Result<LogIdentity> {
        identity(self.log_vkeys.clone(), self.origin.clone(), self.policy.as_deref())
    }
}

/// Bundles between two states of a log that is read over the network: some seconds of work are lost when it is stopped.
const SAVE_EVERY: u32 = 128;

/// A log by its keys; its name is that of the first key if no other is given.
pub(super) fn identity(
    keys: Vec<VerifyingKey>,
    origin: Option<Origin>,
    policy: Option<&Path>,
) -> anyhow::Result<LogIdentity> {
    let first = keys.first().context("the log's public key is missing: give it with --log-vkey")?;
    let origin = match origin {
        Some(origin) => origin,
        None => Origin::new(first.name().as_str())?,
    };
    for key in &keys {
        let is_logs = match key.signature_type() {
            SignatureType::Ed25519 => true,
            SignatureType::MlDsa44 => key.name().as_str() == origin.as_str(),
            _ => false,
        };
        if !is_logs {
            return Err(Advice::error(
                format!("`{}+{}` is not a key of the log {origin}", key.name(), key.id()),
                "--log-vkey takes the vkey that `vouchlog serve` prints for the log, not a witness's",
            ));
        }
    }
    Ok(LogIdentity { origin, keys, policy: policy.map(super::policy).transpose()? })
}

/// Where to read the log from.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct SourceArgs {
    /// The log's URL, an object store (s3://, gs://, az://, file://), or a directory of files in the same layout (C2SP tlog-tiles)
    #[arg(long = "log", value_name = "URL|DIR", env = "VOUCHLOG_URL")]
    pub(super) source: String,
}

impl SourceArgs {
    pub(super) fn reader(&self) -> anyhow::Result<TileReader> {
        reader(&self.source)
    }
}

/// How to check the log, and how fast to read it.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct OptionArgs {
    /// Requests in flight at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    in_flight: u16,
    /// At most this many requests a second [default: no limit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_requests_per_second: Option<u32>,
    /// The largest log that is read; a checkpoint of a larger one is the finding `impossible-size`
    #[arg(long, value_name = "N", default_value_t = vouchlog_auditor::limits::MAX_ENTRIES)]
    max_entries: u64,
    /// The format of the entries
    #[arg(long, value_enum, default_value = "detect")]
    entries: Entries,
    /// An open stream without a new head for this long, by the log's time, counts as silent
    #[arg(long, value_name = "DURATION", default_value = "90s", value_parser = crate::values::duration)]
    heartbeat_allowance: Duration,
    /// The interval at which the log writes the heads of active streams
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::values::duration)]
    stream_head_interval: Duration,
    /// Maximum age of the newest cosignature, if a policy names witnesses
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = crate::values::duration)]
    max_checkpoint_age: Duration,
    /// The name of a gateway whose stream keys the log itself holds, so that its streams have no heartbeat; may be repeated [default: <origin>/house]
    #[arg(long = "house-gateway", value_name = "NAME")]
    house_gateways: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Entries {
    /// Vouchlog entries if the first is a genesis entry, else opaque bytes
    Detect,
    /// Vouchlog entries: anything else is a finding
    Ours,
    /// Opaque bytes of any log
    Opaque,
}

impl OptionArgs {
    /// What to audit, and how. What witnesses have seen, and the time, are added when it begins.
    pub(super) fn config(&self, log: LogIdentity) -> Config {
        let mut config = Config::new(log);
        let options = &mut config.options;
        options.in_flight = usize::from(self.in_flight);
        options.max_requests_per_second = self.max_requests_per_second;
        options.max_entries = self.max_entries;
        options.entries = match self.entries {
            Entries::Detect => EntryRules::Detect,
            Entries::Ours => EntryRules::Ours,
            Entries::Opaque => EntryRules::Opaque,
        };
        options.head_interval = self.stream_head_interval;
        options.heartbeat_allowance = self.heartbeat_allowance;
        options.max_checkpoint_age = self.max_checkpoint_age;
        options.house_gateways.clone_from(&self.house_gateways);
        config
    }
}

/// What to audit, and where to keep the results.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct AuditArgs {
    #[command(flatten)]
    source: SourceArgs,
    #[command(flatten)]
    identity: IdentityArgs,
    /// The proof that the log has ended (`vouchlog log retire`): whatever its key signed beyond that is a finding
    #[arg(long, value_name = "FILE")]
    retirement: Option<PathBuf>,
    /// Directory for the audit's state, one file per log, from which the next audit resumes; created if missing
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_AUDIT_STATE")]
    state: Option<PathBuf>,
    /// Directory for the evidence, one file per finding; created if missing
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    #[command(flatten)]
    options: OptionArgs,
}

impl AuditArgs {
    /// The log as it is known; reads the policy file.
    pub(super) fn identity(&self) -> anyhow::Result<LogIdentity> {
        self.identity.log()
    }

    /// The folder of the audits' states, if one was named.
    pub(super) fn state(&self) -> Option<&Path> {
        self.state.as_deref()
    }

    /// The folder of the evidence, if one was named.
    pub(super) fn evidence(&self) -> Option<&Path> {
        self.evidence.as_deref()
    }

    /// Reads the files that are named and makes the folders. Nothing is sent yet.
    pub(super) fn subject(&self) -> anyhow::Result<Subject> {
        let end = self.retirement.as_deref().map(super::ended::load).transpose()?;
        self.subject_of(self.identity.log()?, &self.source.source, end)
    }

    /// The log that the audited one continues, at a URL or in a directory, as that one's entries name it.
    pub(super) fn predecessor(
        &self,
        named: &PredecessorReport,
        source: &str,
        policy: Option<&Path>,
    ) -> anyhow::Result<Subject> {
        let end = RetirementProof::open(named.end.as_bytes())?;
        let log = identity(vec![end.retirement().log.clone()], None, policy)?;
        self.subject_of(log, source, Some(end))
    }

    fn subject_of(
        &self,
        log: LogIdentity,
        source: &str,
        end: Option<RetirementProof>,
    ) -> anyhow::Result<Subject> {
        let state = self.state.as_deref().map(|dir| StateFile::in_dir(dir, &log.origin)).transpose()?;
        if let Some(dir) = &self.evidence {
            make_folder(dir)?;
        }
        let mut config = self.options.config(log);
        config.end = end;
        if source.contains("://") {
            // A bundle takes two requests, so this is some two seconds at a low rate.
            let paced = self.options.max_requests_per_second.unwrap_or(SAVE_EVERY);
            config.options.save_every = paced.min(SAVE_EVERY).into();
        }
        Ok(Subject {
            source: source.to_owned(),
            // Faults are to be told apart, not only refused.
            reader: reader(source)?.as_served(),
            config,
            state,
            evidence: self.evidence.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::parsed;

    const VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

    fn parse(flags: &[&str]) -> Option<AuditArgs> {
        let fixed = ["audit", "--log", "http://127.0.0.1:1", "--log-vkey", VKEY];
        parsed(fixed.iter().chain(flags)).ok()
    }

    #[test]
    fn flags_become_options() {
        let flags = ["--in-flight", "3", "--entries", "opaque", "--heartbeat-allowance", "5m"];
        let audit = parse(&flags).unwrap();
        let config = audit.options.config(audit.identity.log().unwrap());
        assert_eq!(config.log.origin.as_str(), "PeterNeumann");
        assert_eq!((config.options.in_flight, config.options.entries), (3, EntryRules::Opaque));
        assert_eq!(config.options.heartbeat_allowance, Duration::from_secs(300));
        for wrong in [["--in-flight", "0"], ["--in-flight", "257"], ["--entries", "mine"]] {
            assert!(parse(&wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_library() {
        let audit = parse(&[]).unwrap();
        let config = audit.options.config(audit.identity.log().unwrap());
        let library = Config::new(config.log.clone());
        assert_eq!(format!("{config:?}"), format!("{library:?}"));
    }

    #[test]
    fn a_witness_key_is_no_log_key() {
        let witness = vouchlog::SigningKey::generate(
            "witness.example.com".parse().unwrap(),
            SignatureType::CosignatureEd25519,
            [7; 32],
        );
        let key = witness.unwrap().verifying_key().clone();
        assert!(identity(vec![key], None, None).is_err());
    }
}
