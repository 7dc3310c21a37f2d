//! Every bound of this crate, with its reason, and the defaults.

use jiff::SignedDuration;

/// Longest issuer-signed JWT, in bytes. It holds clear claims and digests only: with [`MAX_GROUPS`] groups it is half as long.
pub const MAX_STATEMENT_BYTES: usize = 64 * 1024;

/// Most disclosures of one statement. A record of 250 tool calls with 15 fields each has about as many.
pub const MAX_DISCLOSURES: usize = 4_096;

/// Longest SD-JWT with the disclosures chosen, in bytes. A record of [`MAX_RECORD_BYTES`] stays below it with all of them,
/// unless its numbers or texts grow when they are written again; then it can be stated all the same, and shown in parts.
pub const MAX_SD_JWT_BYTES: usize = 3 << 20;

/// Longest presentation file, in bytes: the longest SD-JWT, and a mebibyte for four or six proof files, of which each has
/// 2 kB, or 60 kB with sixteen ML-DSA-44 cosignatures.
pub const MAX_PRESENTATION_BYTES: usize = 4 << 20;

/// Longest session bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 << 20;

/// Most presentations in a session bundle.
pub const MAX_BUNDLE_RECORDS: usize = 10_000;

/// Most members at the top of a record. The model has 30; the rest are a gateway's own.
pub const MAX_GROUPS: usize = 512;

/// How deep groups are taken apart into disclosures, in steps from the top of the record. The model needs five
/// (`/tools/0/downstream/0/op`).
pub const MAX_GROUP_DEPTH: usize = 8;

/// How deep the objects and arrays of a statement nest once disclosures are in their places. A verifier walks them recursively.
pub const MAX_DEPTH: usize = 32;

/// Random bytes in a salt. RFC 9901 section 9.3 recommends 16; with 30, 2^56 published digests still leave an attacker nothing,
/// and base64url needs no partial group.
pub const SALT_BYTES: usize = 30;

/// The digests at the top of a statement are padded with decoys to this number, or to the next power of two.
pub const TOP_BUCKET: usize = 32;

/// The digests of every other object, and the elements of every array of objects, are padded to a multiple of this.
pub const BUCKET: usize = 4;

/// Longest issuer and longest name of a rule set, in bytes: as long as a key name may be.
pub const MAX_CLAIM_BYTES: usize = 255;

/// Largest `iat`, in POSIX seconds: beyond it, readers that keep numbers as IEEE doubles see another time (RFC 7493).
pub const MAX_ISSUED_AT: u64 = (1 << 53) - 1;

/// Longest record as JSON, in bytes. With base64 and salts its disclosures then stay below [`MAX_SD_JWT_BYTES`].
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Longest name of a person that a record is found or erased by, in bytes; a vault takes none that is longer.
pub const MAX_PERSON_BYTES: usize = 4_096;

/// Most entries of a list of groups in a record: policy decisions, tool calls, sources, downstream calls.
pub const MAX_LIST: usize = 1_000;

/// Deepest nesting of a record's JSON. What nests deeper than a statement may ([`MAX_DEPTH`]) is stated as text.
pub const MAX_RECORD_DEPTH: usize = 64;

/// How far a recorder's clock is taken to be off where the record does not say.
pub const ASSUMED_CLOCK_ERROR: SignedDuration = SignedDuration::from_secs(1);

/// Default for the longest time from recording to logging.
pub const MAX_MERGE_DELAY: SignedDuration = SignedDuration::from_mins(5);

/// Default for the longest time an intent may have no outcome.
pub const ORPHAN_TIMEOUT: SignedDuration = SignedDuration::from_mins(15);

/// Default for the number of intervals an open stream may be silent.
pub const MISSED_HEARTBEATS: i32 = 3;

/// Default for the number of agents under one workload identity: they cannot be distinguished.
pub const MAX_AGENTS_PER_WORKLOAD: usize = 1;

/// Bytes at which sources are known to cut content: 60 kB and 60 KiB (coding agents' telemetry).
pub const KNOWN_CONTENT_LIMITS: [u64; 2] = [60_000, 61_440];

/// Most different tasks, initiators or agents that are remembered of one name: more tell nothing new.
pub(crate) const MAX_REMEMBERED: usize = 8;

/// Most credentials, sessions or workloads of which such names are remembered; the oldest are forgotten first. A recorder that runs
/// for months meets new sessions all the time.
pub(crate) const MAX_THINGS_REMEMBERED: usize = 100_000;
