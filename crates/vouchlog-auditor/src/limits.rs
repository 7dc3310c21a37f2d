//! Every bound of this crate, with its reason.

use std::time::Duration;

/// Tile and bundle requests under way at once, unless told otherwise: enough to hide the latency of a log across the network.
pub const IN_FLIGHT: usize = 8;

/// The most requests that may be under way at once: more would be an attack on the log, not an audit.
pub const MAX_IN_FLIGHT: usize = 256;

/// Bundles after which the caller is offered the state to save, unless told otherwise: a second of work or so.
pub const SAVE_EVERY: u64 = 1_024;

/// How often a busy or unreachable log is asked again before the audit gives up.
pub const READ_ATTEMPTS: u32 = 5;

/// An audit stops after so many bundles in a row of which neither the entries nor the tile beside them are the tree's. A log can sign a tree of any
/// size, and reading entries that do not exist would never end, whatever is served in their place.
pub const MAX_WRONG_BUNDLES: u64 = 1_024;

/// The largest log that is walked through, unless told otherwise: 2^40 entries are 1,000 a second for 34 years. A larger head is a
/// finding by itself, since a tree of equal entries can have any size and fit its tiles.
pub const MAX_ENTRIES: u64 = 1 << 40;

/// How long one request is tried again: with the waits of a busy log it ends a little later.
pub const READ_PATIENCE: Duration = Duration::from_secs(60);

/// Findings of one kind that are listed one by one; all are counted. Sixteen examples suffice.
pub const MAX_FINDINGS_PER_KIND: usize = 16;

/// Entries that evidence may hold side by side. Above it a finding about what is *not* between two entries is an observation.
pub const MAX_EVIDENCE_RUN: u64 = 4_096;

/// Entries in one evidence file: a run, and those that say whose it is, every change of the operator's key among them.
pub const MAX_EVIDENCE_ENTRIES: usize = 4_096
    + 64
    + vouchlog_stream::limits::MAX_OPERATOR_CHANGES
    + vouchlog_stream::limits::MAX_WITNESS_ROTATIONS;

/// Most bytes of an evidence file: the longest run of the largest control entries, in base64.
pub const MAX_EVIDENCE_BYTES: usize = 128 << 20;

/// Bytes of a served object that evidence of an observation repeats; of larger ones it keeps the hash.
pub const MAX_SERVED_BYTES: usize = 1 << 20;

/// Most bytes of a saved state: a hundred thousand streams of two kilobytes each.
pub const MAX_STATE_BYTES: usize = 256 << 20;

/// Most bytes of a completeness proof.
pub const MAX_COMPLETENESS_BYTES: usize = 256 << 20;

/// Statements that one completeness proof may hold: 75 MB of base64.
pub const MAX_COMPLETENESS_STATEMENTS: u64 = 1 << 20;

/// Runs of statements in one completeness proof. Each carries two sides of a range proof, some three kilobytes in JSON.
pub const MAX_COMPLETENESS_RUNS: usize = 1 << 16;

/// The largest sample of entries.
pub const MAX_SAMPLE: u64 = 1 << 16;

/// Checkpoints from elsewhere that one audit compares with the log's.
pub const MAX_WITNESSED_NOTES: usize = 256;

/// Findings for which evidence is fetched: a hundred proofs suffice, and each takes requests.
pub const MAX_EVIDENCED_FINDINGS: usize = 128;
