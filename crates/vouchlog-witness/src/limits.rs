//! Every bound of the witness, with its reason.

use std::time::Duration;

/// Logs a witness can know: the largest list of the witness network has 40,000. Each costs some 300 bytes of memory, and 1.4 kB
/// more for an ML-DSA-44 key.
pub const MAX_LOGS: usize = 65_536;

/// Keys of one log: an old and a new one of each type, and room to spare.
pub const MAX_KEYS_PER_LOG: usize = 8;

/// Keys of the witness: one of each type, while they change two.
pub const MAX_WITNESS_KEYS: usize = 4;

/// Requests whose cosignatures become durable in one commit; as many as a store takes changes.
pub const MAX_BATCH_REQUESTS: usize = vouchlog_storage::MAX_WITNESS_CHANGES;

/// Requests that may wait for their commit: about a second of work, and 5 MB. Beyond it, callers are asked to retry.
pub const MAX_QUEUED_REQUESTS: usize = 8_192;

/// The minimum wait that a rejected caller is given.
pub const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A commit that takes longer than this will not end: the disk or the database hangs.
pub const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// Refusals kept of one log that prove its misbehaviour: a handful proves no less than a thousand.
pub const MAX_PROVEN_REFUSALS_PER_LOG: usize = 16;

/// Refusals kept of one log that prove nothing by themselves. Anyone can make one, by sending a log's own checkpoint with a
/// broken proof, so they have room of their own and cannot crowd out the others.
pub const MAX_UNPROVEN_REFUSALS_PER_LOG: usize = 4;

/// Most checkpoints of a log that may come at once after a pause: an hour's worth, and at least this many.
pub const MIN_BURST: u32 = 60;
