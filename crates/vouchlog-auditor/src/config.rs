//! The configuration of an audit: the log, its keys, what to check, and how fast to read.

use std::time::Duration;

use vouchlog_note::{Origin, Policy, SignedCheckpoint, VerifyingKey};
use vouchlog_runtime::UnixSeconds;
use vouchlog_stream::RetirementProof;

use crate::limits;

/// A log as its verifier knows it: by name and keys that came from elsewhere, never from what is checked.
#[derive(Clone, Debug)]
pub struct LogIdentity {
    /// The log's name.
    pub origin: Origin,
    /// Keys of type 0x01 that may sign for it; more than one after a change of keys.
    pub keys: Vec<VerifyingKey>,
    /// The witnesses that must have cosigned its checkpoints; none asks for no cosignature.
    pub policy: Option<Policy>,
}

impl LogIdentity {
    /// Opens a checkpoint that the log signed and, if there is a policy, enough witnesses cosigned.
    ///
    /// # Errors
    /// Why it is none, in words.
    pub fn open_checkpoint(&self, note: &[u8]) -> Result<SignedCheckpoint, String> {
        match &self.policy {
            None => SignedCheckpoint::open_with_keys(note, &self.origin, &self.keys)
                .map_err(|error| error.to_string()),
            Some(policy) => policy
                .verify_checkpoint_of(note, &self.origin, &self.keys)
                .map(|verified| verified.signed().clone())
                .map_err(|error| error.to_string()),
        }
    }
}

/// What the entries of a log are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EntryRules {
    /// Entries of this project if the first entry is a genesis entry, else opaque bytes.
    #[default]
    Detect,
    /// Entries of this project: a first entry that is no genesis entry is a finding.
    Ours,
    /// Opaque bytes, whatever they look like.
    Opaque,
}

/// Behaviour that has a sensible default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests in flight at once, 1 to 256.
    pub in_flight: usize,
    /// Requests begun in one second at most; none is as fast as the log answers.
    pub max_requests_per_second: Option<u32>,
    /// The largest size of a log that is walked through; a checkpoint of a larger one is a finding.
    pub max_entries: u64,
    /// A rest after every 256 bundles (65,536 entries).
    pub pause: Duration,
    /// Bundles after which the caller is offered the state to save.
    pub save_every: u64,
    /// What the entries are.
    pub entries: EntryRules,
    /// How often a log writes the heads of its active streams.
    pub head_interval: Duration,
    /// How long, by the log's own time, an open stream may go without a head before it counts as silent. The time in which
    /// the log itself was down does not count: of a step between two entries at most `head_interval` does.
    pub heartbeat_allowance: Duration,
    /// Names of gateway keys whose streams have no heartbeat, because the log holds them: house streams. The name
    /// `<origin>/house` is always one.
    pub house_gateways: Vec<String>,
    /// The time by the auditor's clock; without one no checkpoint is stale by its age.
    pub now: Option<UnixSeconds>,
    /// How old the newest cosignature of a checkpoint may be, where the policy names witnesses.
    pub max_checkpoint_age: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            in_flight: limits::IN_FLIGHT,
            max_requests_per_second: None,
            max_entries: limits::MAX_ENTRIES,
            pause: Duration::ZERO,
            save_every: limits::SAVE_EVERY,
            entries: EntryRules::Detect,
            head_interval: Duration::from_secs(30),
            heartbeat_allowance: Duration::from_secs(90),
            house_gateways: Vec::new(),
            now: None,
            max_checkpoint_age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// What to audit, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// The log.
    pub log: LogIdentity,
    /// Checkpoints of the log that came from elsewhere, from its witnesses say, as signed notes: the log's own is compared
    /// with each. Fetch them before the audit, so that none can be newer than an honest log's. At most 256 are looked at.
    pub witnessed: Vec<String>,
    /// The log's end, if it is known to have ended: whatever its keys sign beyond that is a finding.
    pub end: Option<RetirementProof>,
    /// The rest.
    pub options: Options,
}

impl Config {
    /// The audit of a log with every default.
    pub fn new(log: LogIdentity) -> Self {
        Self { log, witnessed: Vec::new(), end: None, options: Options::default() }
    }
}
