//! Bounds of what this crate reads and keeps.

use std::time::Duration;

/// Most bytes of an OTLP body, after decompression: 16 MiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of all bodies that are being read, unzipped or waiting for the disk: 8 MiB. Beside them, one request at a time may hold the
/// longest body, zipped and unzipped: 32 MiB more.
pub const MAX_BODIES_BYTES: usize = 8 * 1024 * 1024;

/// Most bytes that bodies take while they are decoded, by a rough estimate, one alone and all together: 256 MiB.
pub const MAX_DECODED_BYTES: usize = 256 * 1024 * 1024;

/// How long a request waits for such space before it is asked to retry.
pub const BODY_PATIENCE: Duration = Duration::from_secs(2);

/// The longest pause of a body while it is read. Bodies that stop take space from others.
pub const BODY_IDLE: Duration = Duration::from_secs(10);

/// Bytes a second that a body has to come with on average. A modem does.
pub const MIN_BODY_RATE: usize = 4 * 1024;

/// When emitters are asked to retry if there was no space in memory: that takes a moment.
pub const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// When they are asked to retry if there is no space on disk: that takes the log.
pub const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Longest reason for a refusal, in bytes. gRPC sends it in a header.
pub const MAX_REASON_BYTES: usize = 1_024;

/// Longest reason of one item in it, in bytes.
pub const MAX_WHY_BYTES: usize = 200;

/// Most items whose reasons it gives.
pub const MAX_REASONS: usize = 4;

/// Longest name of a session that can be sealed, in bytes.
pub const MAX_SESSION_BYTES: usize = 1_024;

/// Bytes that wait to be forwarded: 64 MiB. What comes when they are reached is not forwarded.
pub const MAX_FORWARD_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of the other collector's answer that are read.
pub const MAX_FORWARD_ANSWER: usize = 64 * 1024;

/// Most spans, or log records, of a body.
pub const MAX_ITEMS: usize = 20_000;

/// Most attributes of a span, an event, a resource; of what has more, the first ones by place are kept and the others counted.
pub const MAX_ATTRIBUTES: usize = 1_024;

/// Most events, or links, of a span.
pub const MAX_SPAN_EVENTS: usize = 1_024;

/// Deepest nesting of an attribute's value, and of JSON in a string. A record's own bound is 64.
pub const MAX_DEPTH: usize = 32;

/// Longest string of an attribute, in bytes: 2 MiB. Longer ones are truncated, and the record shows it.
pub const MAX_STRING: usize = 2 * 1024 * 1024;

/// Longest value of an attribute that waits with its span, in bytes as it lies in memory. Of a longer one only what it states does.
pub const MAX_ATTRIBUTE_KEPT: usize = 512;

/// Highest index of a flattened array such as `llm.input_messages.7.message.role`.
pub const MAX_INDEX: usize = 4_096;

/// Most decisions, tool calls, sources, observations that a record lists.
pub const MAX_LISTED: usize = 500;

/// Most credentials of one list; a longer list is not understood.
pub const MAX_CREDENTIALS: usize = 64;

/// Most hops of a chain of authority; a longer chain is not understood.
pub const MAX_HOPS: usize = 16;

/// Most spans and events of one trace; with more, it is complete, and its record shows why.
pub const MAX_TRACE_PARTS: usize = 5_000;

/// Most emitters of spans that no table understands that are told apart in one account: 100.
pub const MAX_UNCLAIMED_EMITTERS: usize = 100;

/// Longest name of such an emitter's service or scope, in bytes.
pub const MAX_EMITTER_NAME_BYTES: usize = 200;

/// Most payloads of a callback's body.
pub const MAX_PAYLOADS: usize = 10_000;

/// Most sessions that are known; those that lay still for longest are sealed and forgotten first.
pub const MAX_SESSIONS: usize = 100_000;

/// Most records that a seal names; of a longer session it has only the number.
pub const MAX_SEALED_IDS: usize = 256;

/// Most intents that wait for their outcome; the oldest are given up first.
pub const MAX_INTENTS: usize = 100_000;

/// Bytes that stay free on the disk of the journal, unless it is set: 64 MiB, as a log and its vault keep. A quarter of it is never used;
/// the rest takes what must be written so that there is room again.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// Most bytes of names in each of the three things that are remembered: parts of done traces, sessions, intents. Together with their
/// numbers this bounds a snapshot of the journal to some 400 MiB. The oldest go first.
pub const MAX_REMEMBERED_BYTES: usize = 64 * 1024 * 1024;

/// How often time is put into the journal while something waits for it.
pub const TICK: Duration = Duration::from_secs(1);

/// How long an intent may take to be recorded before it is answered without.
pub const RECORDED_PATIENCE: Duration = Duration::from_secs(5);

/// How long the log may take to answer before an intent is answered without its receipt.
pub const RECEIPT_PATIENCE: Duration = Duration::from_secs(5);

/// How long a record may be in the vault and not in the log before the collector is not ready: 15 minutes.
pub const KEPT_NOT_LOGGED_PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// How often the vault is asked for the oldest such record.
pub const BACKLOG_INTERVAL: Duration = Duration::from_secs(2);
