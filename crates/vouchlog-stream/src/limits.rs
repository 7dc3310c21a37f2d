//! Every bound of this crate, with its reason.

/// The longest entry: an entry bundle frames entries with a 16-bit length (C2SP tlog-tiles, "Log entries").
pub const MAX_ENTRY_BYTES: usize = 65_535;

/// The longest note a control entry carries: room for the kind, time and stream fields before it.
pub const MAX_NOTE_BYTES: usize = 16 * 1024;

/// The longest note of a log that continues another: it holds the proof of the other's end, whose checkpoint may have a dozen ML-DSA-44
/// cosignatures. With kind and time it fits an entry.
pub const MAX_CONTINUATION_BYTES: usize = 60 * 1024;

/// How many of its latest runs a stream remembers. A gateway may have this many requests under way and still get the
/// receipt of each by sending it again; more in flight could lose a receipt (never a statement).
pub const RECENT_RUNS: usize = 8;

/// The longest reason in a revocation, in bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 512;

/// The largest stream: sequence numbers have 48 bits.
pub const MAX_STREAM_SIZE: u64 = 1 << 48;

/// How often a log may change its operator's key or the key that recovers it: five years of a rotation each month. Each change is in every
/// presentation of a statement whose gateway was enrolled after it.
pub const MAX_OPERATOR_CHANGES: usize = 64;

/// How many of these are left to the recovery key, so that a thief of the operator's key cannot use all of them up.
pub const OPERATOR_CHANGES_FOR_RECOVERY: usize = 8;

/// How many rotations of witnesses' keys a log takes: each of sixteen witnesses once a year, for sixty years.
pub const MAX_WITNESS_ROTATIONS: usize = 1_024;

/// How many of these one witness has: whoever stole its key cannot use up those of the others.
pub const MAX_ROTATIONS_OF_A_WITNESS: usize = 64;
