//! Every bound of the client, with its reason. Those a deployment may want otherwise are fields of
//! [`Options`](crate::Options) or [`Patience`](crate::Patience).

use std::time::Duration;

/// Statements in one request of a gateway, if so many wait. Larger batches cost the first of them time and gain nothing: one
/// signature over 256 is already below a microsecond each.
pub const BATCH_STATEMENTS: usize = 256;

/// Statements a spool holds before it refuses more: 155 MB on disk and in memory, about a minute of the fastest log, or a day at 50 a second.
pub const MAX_SPOOLED_STATEMENTS: u64 = 4 * 1024 * 1024;

/// Bytes of the disk that a spool leaves free, as a log does: what else runs on the machine goes on, and what was spooled can be
/// acknowledged once there is room.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// The spool begins a new file after so many bytes: files are read as a whole at the start, and deleted as a whole.
pub(crate) const SPOOL_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The longest record of the spool; a file of its ledger may be four times as long.
pub(crate) const MAX_COMMIT_BYTES: usize = 192 * 1024 * 1024;

/// Submissions that wait for their receipts in memory; further ones wait to be spooled.
pub const MAX_TICKETS: usize = 16_384;

/// Changes of the spool that are made durable as one.
pub(crate) const MAX_GROUPED_CHANGES: usize = 1_024;
/// Statements of such a group: with more, the first of them would wait for the last, 2.4 MB.
pub(crate) const MAX_GROUPED_STATEMENTS: usize = 65_536;

/// How often an idle gateway says that it is alive, as often as the log writes the heads of active streams.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

/// How long the log may leave a request unanswered before the connection is given up for lost.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The first wait after a failure; it doubles with every further one.
pub const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// The longest wait after a failure.
pub const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// How long a connection may take to be made.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call may take until its answer begins: what the server allows itself, and a little for the way.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(35);

/// How long the rest of an answer may take once it has begun, on top of the time until then.
pub(crate) const ANSWER_MARGIN: Duration = Duration::from_secs(30);

/// How often a silent connection is asked whether it is still there, and how long it may take to say so.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
/// See [`KEEPALIVE_INTERVAL`].
pub(crate) const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an HTTP read may stall.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// Bytes a second that an HTTP read must make at least, on top of [`READ_TIMEOUT`]: the longest entry bundle may take five minutes. A
/// server that sends a byte now and then never stalls, and never ends.
pub(crate) const MIN_READ_RATE: usize = 64 * 1024;

/// How long an HTTP read is tried again. Five tries with the longest waits fit.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(60);

/// Redirections of one HTTP read that are followed.
pub(crate) const MAX_REDIRECTS: usize = 3;

/// How often an HTTP read is tried when the server is busy or away.
pub(crate) const READ_ATTEMPTS: u32 = 5;

/// The longest wait between two of those tries, also when the server asks for more.
pub(crate) const MAX_READ_BACKOFF: Duration = Duration::from_secs(10);

/// How long a witness may take, from connecting to the end of its answer. A round of witnesses waits for the slowest it needs.
pub const WITNESS_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection to a witness is kept for the next request: less than the 10 s after which a server like ours closes it,
/// so that no request meets a connection that is just being closed.
pub(crate) const WITNESS_IDLE: Duration = Duration::from_secs(8);

/// The longest time a witness may ask to be left alone: more would let a slip of its operator silence it for days.
pub const MAX_WITNESS_PAUSE: Duration = Duration::from_secs(300);

/// How long to wait when an overloaded server does not name a time.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a log that cannot push is asked for a newer checkpoint. C2SP lets checkpoints be cached for a few seconds.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_secs(2);

/// How long a just closed spool may take to let go of its lock.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// The longest checkpoint a log may serve. [`vouchlog_note::limits::MAX_NOTE_BYTES`] with nothing to spare.
pub(crate) const MAX_CHECKPOINT_BYTES: usize = vouchlog_note::limits::MAX_NOTE_BYTES;
