//! What a log is opened with.

use std::time::Duration;

use vouchlog_api::AnyWitness;
use vouchlog_note::{Origin, Policy, SigningKey, VerifyingKey};
use vouchlog_runtime::Clock;
use vouchlog_stream::{DailyLimits, RetirementProof};

use crate::limits;
use crate::scrub::ScrubOptions;

/// Behaviour that has a sensible default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether any gateway may open a stream: its key is enrolled on the way. For trials; off by default.
    pub open_enrolment: bool,
    /// How long an active stream may go without a head of it being an entry of the log.
    pub stream_head_interval: Duration,
    /// How far the wall clock may jump ahead of the monotonic one before entries are dated without it.
    pub max_clock_jump: Duration,
    /// How long a commit may take before the log stops writing.
    pub commit_patience: Duration,
    /// How long the callers of a committed batch wait while the log's key, kept elsewhere, fails.
    pub signer_patience: Duration,
    /// Statements that may wait for their batch.
    pub max_queued_statements: usize,
    /// How long a caller who asked for a witnessed receipt waits for one.
    pub witness_patience: Duration,
    /// How many streams that have ended stay in memory. Older ones are evicted once the lookup index covers them; a log without an index
    /// evicts none.
    pub kept_ended_streams: usize,
    /// What the house stream may log in a day as long as the operator has set no quota for it.
    pub house_limits: DailyLimits,
    /// Entries by which the log may outrun its lookup index before it pushes back.
    pub max_index_lag: u64,
    /// How sealed data is read again while the log runs; off by default.
    pub scrub: ScrubOptions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            open_enrolment: false,
            stream_head_interval: Duration::from_secs(30),
            max_clock_jump: limits::MAX_CLOCK_JUMP,
            commit_patience: limits::COMMIT_PATIENCE,
            signer_patience: limits::SIGNER_PATIENCE,
            max_queued_statements: limits::MAX_QUEUED_STATEMENTS,
            witness_patience: limits::WITNESS_PATIENCE,
            kept_ended_streams: limits::KEPT_ENDED_STREAMS,
            house_limits: DailyLimits::default(),
            max_index_lag: limits::MAX_INDEX_LAG,
            scrub: ScrubOptions::default(),
        }
    }
}

/// What a log is opened with.
#[derive(Debug)]
pub struct Config {
    /// The log's name; also the name of its key.
    pub origin: Origin,
    /// Signs checkpoints and the genesis note; Ed25519 (type 0x01), named like the origin.
    pub log_key: SigningKey,
    /// Signs checkpoints too; ML-DSA-44 (type 0x06), named like the origin. Adds 3.3 kB to every checkpoint and receipt.
    pub ml_dsa_key: Option<SigningKey>,
    /// Enrols gateways. Needed for the log to enrol by itself, also its house stream; may be kept elsewhere.
    pub operator_key: Option<SigningKey>,
    /// Whose key that is, if it is kept elsewhere: needed to create a log without `operator_key`. Must be or have been the log's operator.
    pub operator: Option<VerifyingKey>,
    /// The end of the log that a new one continues; with a log that is there already, the predecessor that it must name.
    pub continues: Option<RetirementProof>,
    /// The gateway key (type 0x01) of the house stream; without one the log has no house stream.
    pub house_key: Option<SigningKey>,
    /// 32 fresh random bytes at each call, for the keys of house streams.
    pub randomness: fn() -> [u8; 32],
    /// The time.
    pub clock: Clock,
    /// Who cosigns the log's heads; without witnesses a head is published as soon as it is durable.
    pub witnesses: Option<Witnesses>,
    /// The rest.
    pub options: Options,
}

impl Config {
    /// The operator, as far as it is named.
    pub(crate) fn named_operator(&self) -> Option<&VerifyingKey> {
        self.operator.as_ref().or(self.operator_key.as_ref().map(SigningKey::verifying_key))
    }

    /// The keys that sign checkpoints, the Ed25519 key first.
    pub(crate) fn log_keys(&self) -> impl Iterator<Item = &SigningKey> {
        std::iter::once(&self.log_key).chain(&self.ml_dsa_key)
    }
}

/// The witnesses of a log, and how many of them are enough.
#[derive(Clone, Debug)]
pub struct Witnesses {
    /// Which cosignatures a published checkpoint needs.
    pub policy: Policy,
    /// The witnesses that are asked. Those of the policy that are missing here are never asked.
    pub links: Vec<WitnessLink>,
    /// How often a witness is asked at most, however often the log commits.
    pub interval: Duration,
    /// How long an idle log waits before it has its newest head cosigned again, so that its witnesses' times stay recent.
    pub refresh: Duration,
    /// How long a head waits for a witness that is slow before a newer one is tried instead; also how long a witness may take
    /// to answer.
    pub patience: Duration,
    /// Names of witnesses whose bare word does not keep the log from starting. What they can prove still does.
    pub disregarded: Vec<String>,
}

impl Witnesses {
    /// The defaults: once a second, refreshed every five minutes, ten seconds of patience.
    pub fn new(policy: Policy, links: Vec<WitnessLink>) -> Self {
        Self {
            policy,
            links,
            interval: Duration::from_secs(1),
            refresh: Duration::from_secs(300),
            patience: Duration::from_secs(10),
            disregarded: Vec::new(),
        }
    }
}

/// The way to one witness.
#[derive(Clone, Debug)]
pub struct WitnessLink {
    /// What it is called in metrics and messages.
    pub name: String,
    /// Its keys; cosignatures by others are dropped.
    pub keys: Vec<VerifyingKey>,
    /// Where requests go.
    pub witness: AnyWitness,
}
