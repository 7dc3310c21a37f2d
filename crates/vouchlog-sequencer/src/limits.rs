//! Every bound of the engine, with its reason.

use std::time::Duration;

/// Statements in one batch. A commit of this many takes some 50 ms here; more would only make the first wait longer.
pub const MAX_BATCH_STATEMENTS: usize = 16_384;

/// Requests in one batch, so that many small ones cannot make a batch endless either.
pub const MAX_BATCH_REQUESTS: usize = 8_192;

/// Statements that may wait for their batch: 10 MiB, and about a second of work. Beyond it callers are told to come back.
pub const MAX_QUEUED_STATEMENTS: usize = 131_072;

/// Statements of the house stream among them: half a batch. Anybody may append there; gateways wait behind no more than that.
pub const MAX_QUEUED_HOUSE_STATEMENTS: usize = MAX_BATCH_STATEMENTS / 2;

/// Unknown gateways that may wait for the operator's signature, where the log enrols everyone. A key that is kept elsewhere takes up to
/// 10 s for each; callers leave earlier.
pub const MAX_QUEUED_ENROLMENTS: usize = 64;

/// Requests that may wait for their batch: two batches. One takes 1.5 kB beside its statements, so all of them 25 MB.
pub const MAX_QUEUED_REQUESTS: usize = 2 * MAX_BATCH_REQUESTS;

/// The shortest wait that a rejected caller is given.
pub const RETRY_AFTER: Duration = Duration::from_millis(250);

/// A clock that runs this far ahead of monotonic time has jumped. Slewing by NTP is far slower.
pub const MAX_CLOCK_JUMP: Duration = Duration::from_secs(60);

/// A commit that takes longer than this will not end: the disk or the database hangs.
pub const COMMIT_PATIENCE: Duration = Duration::from_secs(30);

/// How long the callers of a committed batch wait for the log's key, when it is kept elsewhere and fails. Then they are told to send
/// again, and the head is signed later.
pub const SIGNER_PATIENCE: Duration = Duration::from_secs(10);

/// The wait before a key that failed is asked again; it doubles.
pub const FIRST_SIGNER_RETRY: Duration = Duration::from_millis(50);

/// The longest such wait.
pub const MAX_SIGNER_RETRY: Duration = Duration::from_secs(1);

/// How long a caller who asked for a witnessed receipt waits for one: several rounds with the witnesses, and less than a caller's
/// own deadline usually is.
pub const WITNESS_PATIENCE: Duration = Duration::from_secs(15);

/// Gateways that can be enrolled. Each costs a kilobyte of memory.
pub const MAX_GATEWAYS: usize = 65_536;

/// Names with several keys that are reported one by one: logs of earlier versions may have any number of them.
pub const MAX_SHARED_NAMES: usize = 100;

/// How far ahead of the log's time a quota may be dated, in milliseconds: a clock that differs by more needs attention.
pub const MAX_QUOTA_AHEAD: u64 = 60 * 60 * 1_000;

/// Streams one gateway may have open. A gateway process has one; processes that died leave theirs behind.
pub const MAX_OPEN_STREAMS_PER_GATEWAY: usize = 1_024;

/// Streams that have ended and stay in memory, about 9 kB each, so that what their gateways send again is answered exactly.
pub const KEPT_ENDED_STREAMS: usize = 1_024;

/// Streams evicted with one batch: as many as a batch can end.
pub const MAX_BATCH_EVICTIONS: usize = MAX_BATCH_REQUESTS;

/// Candidates of a lookup that are looked at: two statements may share a digest, more than this is not a lookup any more.
pub const MAX_LOOKUP_CANDIDATES: usize = 64;

/// How long a lookup waits for the index to catch up with the log.
pub const LOOKUP_PATIENCE: Duration = Duration::from_secs(2);

/// Entries the follower indexes in one write.
pub const MAX_FOLLOW_ENTRIES: u64 = 8_192;

/// Entries by which the log may outrun its lookup index, unless configured otherwise. The follower indexes as many in [`LOOKUP_PATIENCE`], so a lookup still finds what
/// was logged last. Beyond it callers are told to come back.
pub const MAX_INDEX_LAG: u64 = 1 << 20;
