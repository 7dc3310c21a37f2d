//! The report of an audit: findings first, then what was checked and what the streams of the log amount to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use vouchlog_note::SignedCheckpoint;
use vouchlog_stream::{DailyLimits, Evidence, Limit, QuotaScope, QuotaState};

use crate::checkpoint::Cosigned;
use crate::config::Config;
use crate::encoding::{is_false, is_zero};
use crate::finding::{Finding, Suspicions};
use crate::heads::Compared;
use crate::kind::{FindingKind, Severity};
use crate::pruning::AnnouncedPruning;
use crate::rules::{Rules, Stream};
use crate::walk::Walk;

mod keys;
mod succession;

pub use keys::{OperatorReport, WitnessRotationReport};
pub use succession::{GatewayReport, PredecessorReport, RetirementReport};

/// The checkpoint under audit.
pub(crate) struct Base {
    pub(crate) signed: SignedCheckpoint,
    pub(crate) cosigned: Cosigned,
    pub(crate) compared: Compared,
}

/// What an audit found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AuditReport {
    /// What is wrong, causes before consequences. At most sixteen of a kind.
    pub findings: Vec<Finding>,
    /// How often each kind was found, those that are not listed too.
    pub counts: BTreeMap<FindingKind, u64>,
    /// The log.
    pub origin: String,
    /// The checkpoint that was audited; none if the log serves none that it signed.
    pub checkpoint: Option<CheckpointReport>,
    /// How much was read and checked.
    pub checked: Checked,
    /// What the log announced that it gave up. Of these entries nothing but their hashes is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pruning: Option<AnnouncedPruning>,
    /// The streams, by their openings; empty for a log of opaque entries.
    pub streams: Vec<StreamReport>,
    /// The quotas in force at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<QuotaReport>,
    /// The operator's keys, oldest first; the last is in force.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub operators: Vec<OperatorReport>,
    /// The rotations of witnesses' keys in the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub witness_rotations: Vec<WitnessRotationReport>,
    /// The keys of gateways, in the order of their enrolment.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<GatewayReport>,
    /// The end of the log, if it was retired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retired: Option<RetirementReport>,
    /// The log that this one continues, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<PredecessorReport>,
}

/// The audited checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckpointReport {
    /// Entries in the tree.
    pub size: u64,
    /// Its root, in hexadecimal.
    pub root: String,
    /// The whole note.
    pub note: String,
    /// Witnesses of the policy that cosigned it.
    pub cosigned_by: Vec<String>,
    /// When the newest of them did, seconds since 1970.
    pub newest_cosignature: Option<u64>,
    /// Whether the policy is satisfied; true without one.
    pub quorum: bool,
    /// Checkpoints from elsewhere that it was compared with.
    pub compared: u64,
}

/// How much was read and checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Checked {
    /// Entries that earlier audits had checked.
    pub before: u64,
    /// Entries that were not checked, by this audit or earlier ones, because the log had given them up.
    #[serde(skip_serializing_if = "is_zero")]
    pub unchecked: u64,
    /// Entries checked now.
    pub entries: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Tiles read.
    pub tiles: u64,
    /// Whether the entries were held against the rules of this project's logs, or are opaque bytes.
    pub rules: bool,
    /// Statements in the log so far.
    pub statements: u64,
    /// Milliseconds it took.
    pub milliseconds: u64,
    /// Entries checked in a second.
    pub entries_per_second: u64,
}

/// What the log has of one stream.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamReport {
    /// Index of its opening, which is its name.
    pub stream: u64,
    /// Name of its gateway's key.
    pub gateway: String,
    /// Id of that key; `None` when the opening does not say reliably.
    pub gateway_key_id: Option<String>,
    /// Its state: `open`, `closed`, `succeeded` or `withdrawn`.
    pub status: &'static str,
    /// The stream it continues, and the size that had.
    pub continues: Option<(u64, u64)>,
    /// Statements in the log.
    pub statements: u64,
    /// How many of them are covered by a head that its gateway signed and that fits.
    pub signed: u64,
    /// Whether nothing of it is missing: every statement follows the one before, and every head fits them.
    pub complete: bool,
    /// Whether it is not complete because the log gave up some of its statements.
    #[serde(skip_serializing_if = "is_false")]
    pub pruned: bool,
    /// Heads in the log.
    pub heads: u64,
    /// When its newest head was signed, seconds since 1970 by the gateway's clock.
    pub newest_head: Option<u64>,
    /// Statements in which the gateway itself declares that records were lost.
    pub declared_losses: u64,
    /// Statements of interactions and intents. An audit that resumed the state of an older version counts those since then only.
    pub interactions: u64,
    /// How many of those claim each bit of evidence, by its name. Unclaimed bits are absent.
    pub evidence: BTreeMap<&'static str, u64>,
}

/// What the operator allows gateways to log in a day (UTC). A limit is a number, `unlimited`, or `default`: that for all gateways.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct QuotaReport {
    /// The gateway it is for, by the name of its key; none if it is for all gateways without a quota of their own.
    pub gateway: Option<String>,
    /// The entry that set it.
    pub index: u64,
    /// Statements.
    pub statements: String,
    /// Bytes of entries.
    pub bytes: String,
    /// Streams that are opened.
    pub streams: String,
}

impl QuotaReport {
    fn of(quota: &QuotaState) -> Self {
        let gateway = match &quota.scope {
            QuotaScope::All => None,
            QuotaScope::Gateway(name) => Some(name.to_string()),
        };
        let DailyLimits { statements, bytes, streams } = quota.limits;
        let [statements, bytes, streams] = [statements, bytes, streams].map(Limit::to_word);
        Self { gateway, index: quota.index.get(), statements, bytes, streams }
    }

    /// Whose it is, in words.
    pub fn whose(&self) -> &str {
        self.gateway.as_deref().unwrap_or("every gateway without its own")
    }
}

impl fmt::Display for QuotaReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { statements, bytes, streams, index, .. } = self;
        let whose = self.whose();
        write!(
            f,
            "quota of {whose} a day: statements {statements}, bytes {bytes}, streams {streams} (entry {index})"
        )
    }
}

/// The two bits that say whether the credential was valid; a statement has one of them at most.
const CREDENTIAL_NAMES: [(u32, &str); 2] = [(24, "credential valid"), (25, "credential not valid")];

impl AuditReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.counts.is_empty()
    }

    /// What was given up, in a sentence.
    pub fn pruned_words(&self, pruning: &AnnouncedPruning) -> String {
        let AnnouncedPruning { minimum, entry, reason } = pruning;
        let unchecked = counted(self.checked.unchecked, "entry was", "entries were");
        format!(
            "minimum index {minimum}, announced by entry {entry} ({reason}): {unchecked} pruned and NOT CHECKED"
        )
    }

    /// The worst there is.
    pub fn worst(&self) -> Option<Severity> {
        self.counts.keys().map(|kind| kind.severity()).max()
    }

    pub(crate) fn without_checkpoint(
        config: &Config,
        found: &Suspicions,
        findings: Vec<Finding>,
        took: Duration,
    ) -> Self {
        Self {
            findings,
            counts: found.counts.clone(),
            origin: config.log.origin.to_string(),
            checkpoint: None,
            checked: Checked { milliseconds: milliseconds(took), ..Checked::default() },
            pruning: None,
            streams: Vec::new(),
            quotas: Vec::new(),
            operators: Vec::new(),
            witness_rotations: Vec::new(),
            gateways: Vec::new(),
            retired: None,
            continues: None,
        }
    }

    pub(crate) fn without_walk(
        config: &Config,
        base: &Base,
        found: &Suspicions,
        findings: Vec<Finding>,
        took: Duration,
    ) -> Self {
        let report = Self::without_checkpoint(config, found, findings, took);
        Self { checkpoint: Some(checkpoint(base)), ..report }
    }

    pub(crate) fn of_walk(
        config: &Config,
        base: &Base,
        walk: &Walk<'_>,
        findings: Vec<Finding>,
        took: Duration,
    ) -> Self {
        let milliseconds = milliseconds(took);
        let entries = walk.entries;
        let checked = Checked {
            before: walk.before,
            unchecked: walk.unchecked,
            entries,
            bytes: walk.bytes,
            tiles: walk.tiles.count,
            rules: walk.rules.is_some(),
            statements: walk.rules.as_ref().map_or(0, |rules| rules.statements),
            milliseconds,
            entries_per_second: entries.saturating_mul(1000) / milliseconds.max(1),
        };
        let report = Self::without_walk(config, base, &walk.found, findings, took);
        let report = Self { pruning: walk.pruning.clone(), ..report };
        let Some(rules) = &walk.rules else { return Self { checked, ..report } };
        let continues = rules.continues.as_ref();
        Self {
            checked,
            streams: streams(rules),
            quotas: rules.quotas.values().map(QuotaReport::of).collect(),
            operators: rules.operators.as_ref().map(OperatorReport::of).unwrap_or_default(),
            witness_rotations: rules.witness_keys.rotations().iter().map(WitnessRotationReport::of).collect(),
            gateways: GatewayReport::all(rules),
            retired: rules.retired.as_ref().map(RetirementReport::of),
            continues: continues.map(|(_, continuation)| PredecessorReport::of(continuation)),
            ..report
        }
    }
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn checkpoint(base: &Base) -> CheckpointReport {
    let head = base.signed.head();
    CheckpointReport {
        size: head.size.get(),
        root: head.root.to_string(),
        note: base.signed.note().to_owned(),
        cosigned_by: base.cosigned.by.clone(),
        newest_cosignature: base.cosigned.newest,
        quorum: base.cosigned.quorum,
        compared: base.compared.witnessed,
    }
}

fn streams(rules: &Rules) -> Vec<StreamReport> {
    let mut reports: Vec<StreamReport> =
        rules.streams.iter().map(|(id, stream)| stream_report(id.get(), stream)).collect();
    reports.sort_unstable_by_key(|report| report.stream);
    reports
}

fn stream_report(id: u64, stream: &Stream) -> StreamReport {
    let status = match stream {
        Stream { closed: Some(_), .. } => "closed",
        Stream { succeeded: Some(_), .. } => "succeeded",
        Stream { withdrawn: Some(_), .. } => "withdrawn",
        _ => "open",
    };
    let names = Evidence::NAMES.into_iter().chain(CREDENTIAL_NAMES);
    let claims =
        names.map(|(bit, name)| (name, stream.evidence[bit as usize])).filter(|(_, count)| *count > 0);
    StreamReport {
        stream: id,
        gateway: stream.gateway.as_ref().map_or_else(|| "unknown".to_owned(), |key| key.name().to_string()),
        gateway_key_id: stream.gateway.as_ref().map(|key| key.id().to_string()),
        status,
        continues: stream.previous.map(|(stream, size)| (stream.get(), size)),
        statements: stream.statements,
        signed: stream.head.as_ref().map_or(0, |head| head.head.size.get()),
        complete: stream.broken.is_none(),
        pruned: stream.pruned,
        heads: stream.heads,
        newest_head: stream.head.as_ref().map(|head| head.timestamp),
        declared_losses: stream.losses,
        interactions: stream.interactions,
        evidence: claims.collect(),
    }
}

/// `1 entry`, `2 entries`.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.counts.values().sum::<u64>() {
            0 => writeln!(f, "{}: no findings", self.origin)?,
            total => writeln!(f, "{}: {}", self.origin, counted(total, "finding", "findings"))?,
        }
        for (place, finding) in self.findings.iter().enumerate() {
            writeln!(f, "  {}. {finding}", place + 1)?;
            if let Some(cause) = finding.follows_from {
                writeln!(f, "     follows from {}", cause + 1)?;
            }
            if finding.consequences > 0 {
                let more = counted(finding.consequences, "further irregularity", "further irregularities");
                writeln!(f, "     explains {more}")?;
            }
        }
        if let Some(checkpoint) = &self.checkpoint {
            writeln!(f, "checkpoint of size {}, root {}", checkpoint.size, checkpoint.root)?;
            if !checkpoint.cosigned_by.is_empty() {
                writeln!(f, "  cosigned by {}", checkpoint.cosigned_by.join(", "))?;
            }
        }
        let Checked { entries, before, tiles, entries_per_second, .. } = self.checked;
        let (checked, tiles) = (counted(entries, "entry", "entries"), counted(tiles, "tile", "tiles"));
        writeln!(f, "checked {checked} and {tiles}, {entries_per_second} entries/s")?;
        if before > 0 {
            writeln!(f, "  checked by earlier audits: {}", counted(before, "entry", "entries"))?;
        }
        if let Some(pruning) = &self.pruning {
            writeln!(f, "{}", self.pruned_words(pruning))?;
        }
        if self.checkpoint.is_some() && entries > 0 && !self.checked.rules {
            writeln!(f, "  as opaque bytes: the first is not a Vouchlog genesis entry")?;
        }
        for stream in &self.streams {
            let StreamReport { stream: id, gateway, status, statements, signed, declared_losses, .. } =
                stream;
            let complete = match (stream.complete, stream.pruned) {
                (true, _) => "complete",
                (false, true) => "statements pruned, not checked",
                (false, false) => "NOT COMPLETE",
            };
            let key = stream.gateway_key_id.as_ref().map_or_else(String::new, |id| format!(" (key {id})"));
            writeln!(
                f,
                "stream {id} of {gateway}{key}, {status}: {}, {signed} signed, {complete}, {}",
                counted(*statements, "statement", "statements"),
                counted(*declared_losses, "declared loss", "declared losses")
            )?;
        }
        for quota in &self.quotas {
            writeln!(f, "{quota}")?;
        }
        for line in self.key_changes().chain(self.succession()) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
