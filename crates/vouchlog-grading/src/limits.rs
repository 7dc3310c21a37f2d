//! Every bound of this crate, with its reason, and the defaults.

use jiff::SignedDuration;

/// How far a recorder's clock is taken to be off where the record does not say.
pub const ASSUMED_CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(1);

/// Default for the longest time from recording to logging.
pub const MAX_MERGE_DELAY: SignedDuration = SignedDuration::from_mins(5);

/// Default for the longest time an intent may have no outcome.
pub const ORPHAN_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

/// A session without a new record for longer than this is taken to be over.
pub const SESSION_QUIET: SignedDuration = SignedDuration::from_hours(1);

/// Default for the number of agents under one workload identity: they cannot be distinguished.
pub const MAX_AGENTS_PER_WORKLOAD: usize = 1;

/// Bytes at which sources are known to cut content: 60 kB and 60 KiB (coding agents' telemetry).
pub const KNOWN_CONTENT_LIMITS: [u64; 2] = [60_000, 61_440];

/// Most different tasks, initiators or agents that are remembered of one name: more tell nothing new.
pub(crate) const MAX_REMEMBERED: usize = 8;

/// Most credentials, sessions or workloads of which such names are remembered; the oldest are forgotten first. A recorder that runs
/// for months meets new sessions all the time.
pub(crate) const MAX_THINGS_REMEMBERED: usize = 100_000;

/// Most tool calls that are looked for in an answer: as many as a record lists.
pub(crate) const MAX_PROPOSALS: usize = vouchlog_record::limits::MAX_LIST;

/// Deepest place in an answer that is searched for tool calls: messages in choices, parts in messages.
pub(crate) const MAX_PROPOSAL_DEPTH: usize = 12;
