//! Bounds of what this crate reads, and what it assumes where nobody says.

use jiff::SignedDuration;

/// Most bytes of a record's JSON: 4 MiB.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Most entries of a list of groups in a record: policy decisions, tool calls, sources, downstream calls.
pub const MAX_LIST: usize = 1_000;

/// Deepest nesting of a record's JSON.
pub const MAX_DEPTH: usize = 64;

/// How far a recorder's clock is taken to be off where the record does not say.
pub const ASSUMED_CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(1);

/// How long what was recorded may take to be in the log, where nobody says otherwise.
pub const MAX_MERGE_DELAY: SignedDuration = SignedDuration::from_mins(5);

/// How long an intent may be without an outcome, where nobody says otherwise.
pub const ORPHAN_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

/// How many intervals an open stream may be silent for, where nobody says otherwise.
pub const MISSED_HEARTBEATS: i32 = 3;

/// How many agents may act under one workload identity, where nobody says otherwise: they cannot be told apart.
pub const MAX_AGENTS_PER_WORKLOAD: usize = 1;

/// Bytes at which sources are known to cut content: 60 kB and 60 KiB (coding agents' telemetry).
pub const KNOWN_CONTENT_LIMITS: [u64; 2] = [60_000, 61_440];

/// Most different tasks, initiators or agents that are remembered of one name: more tell nothing new.
pub(crate) const MAX_REMEMBERED: usize = 8;
