//! Every bound of the server, with its reason. Those a deployment may want otherwise are fields of [`ServerConfig`](crate::ServerConfig).

use std::time::Duration;

/// Connections at a time. Six thousand idle ones are within the memory budget of 150 MB, of which an idle log takes a fifth: a connection of
/// HTTP/1.1 that was used once takes some 18 kB, half of it the library's two buffers. A few more may be reconnecting.
pub const MAX_CONNECTIONS: usize = 8_192;

/// File descriptors that connections leave free: 64 for stores, indexes and journals, and as many for what the process opens
/// between two counts.
pub const RESERVED_DESCRIPTORS: usize = 128;

/// Requests at a time on one HTTP/2 connection. A gateway needs one stream of appends and a few calls beside it.
pub const MAX_STREAMS_PER_CONNECTION: u32 = 128;

/// Requests at a time over all connections, half of them reads and half of them writes: each whole, and not answered yet. Each may
/// hold a decoded request of a few hundred kilobytes; refused requests are asked to retry.
pub const MAX_REQUESTS: usize = 4_096;

/// Appends to the house stream at a time. They wait in the same queue as those of gateways, so their number bounds what a gateway
/// waits behind.
pub const MAX_HOUSE_REQUESTS: usize = 1_024;

/// Calls without an end at a time: streams of appends, watches. One takes about 16 KiB. Six thousand gateways have one each.
pub const MAX_STREAMS: usize = 8_192;

/// Requests at a time whose body is still to come. One takes a few kilobytes beside its bytes, and no place of a request.
pub const MAX_WAITING_BODIES: usize = 4_096;

/// Bytes of bodies that are not whole, or not answered: 48 MiB. Sixty of the longest messages, or thousands of usual ones.
pub const BODY_BYTES: usize = 48 * 1024 * 1024;

/// Bytes in memory of the requests of streams that are read and not answered: 32 MiB. Statements that wait for their batch take 10 MiB,
/// and each is there twice while the log may push back on it.
pub const QUEUED_BYTES: usize = 32 * 1024 * 1024;

/// Bytes of answers that clients have not read: 48 MiB.
pub const ANSWER_BYTES: usize = 48 * 1024 * 1024;

/// The longest pause of a body, or of a message of a stream once it has begun.
pub const BODY_IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes a second that a body, or such a message, has to come with on average. A modem does.
pub const MIN_BODY_RATE: usize = 4 * 1024;

/// How long a client may take to read a piece of an answer: a tile, or a message of a few megabytes on a slow line. After it, and at
/// most half as long again, its connection is closed.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection may hold a sixteenth of the places, and of the bytes, that are free: at first as many places as it may have requests,
/// and several of the longest messages. Thirty connections that take all they can leave an eighth to others.
pub(crate) const SHARE_OF_CONNECTION: usize = 16;

/// What a connection takes while it holds nothing may be half of what is free.
pub(crate) const SHARE_ALONE: usize = 2;

/// A connection may have a 64th of the free places for bodies that are still to come, 64 at first: a client sends a body with its head.
pub(crate) const SHARE_OF_CONNECTION_WAITING: usize = 64;

/// A connection may have a 32nd of the free calls without an end. A gateway needs one.
pub(crate) const SHARE_OF_CONNECTION_STREAMS: usize = 32;

/// A connection may have a quarter of the free bytes for requests of streams: at first eight of the longest.
pub(crate) const SHARE_OF_CONNECTION_QUEUED: usize = 4;

/// An address may hold half of what is free of anything, so that alone it gets a third of all. Addresses that many clients come from
/// have no share: this machine's, and those of [`ServerConfig::proxies`](crate::ServerConfig::proxies).
pub(crate) const SHARE_OF_ADDRESS: usize = 2;

/// A key (a gateway's, or an authenticated principal's) may hold as much as is free of anything, so that alone it gets half of all,
/// from however many connections and addresses.
pub(crate) const SHARE_OF_KEY: usize = 1;

/// Bytes run short when less than an eighth is free. Then those who cling to most give way.
pub(crate) const SHORT: usize = 8;

/// How long bytes may be held without a break while they are short: a body or an answer that moves takes less.
pub(crate) const PATIENCE_WHEN_SHORT: Duration = Duration::from_secs(2);

/// How long it takes until what a connection held is free after it was cut off.
pub(crate) const RELIEF: Duration = Duration::from_millis(5);

/// A share in bytes is never less: a small request with a client's usual window.
pub(crate) const MIN_SHARE_BYTES: usize = 16 * 1024;

/// Health checks and requests for metrics at a time, beside all others.
pub(crate) const MAX_OPERATIONS: usize = 64;

/// Bytes of their answers that clients have not read: 8 MiB. Metrics have a few hundred kilobytes.
pub(crate) const OPERATIONS_BYTES: usize = 8 * 1024 * 1024;

/// Connections at a time on the port for operators: a few scrapers and probes.
pub(crate) const MAX_ADMIN_CONNECTIONS: usize = 64;

/// Bytes of bodies, and of answers, at a time on the port for operators: 4 MiB.
pub(crate) const ADMIN_BYTES: usize = 4 * 1024 * 1024;

/// Connections of an address that are admitted however many are open.
pub(crate) const MIN_CONNECTIONS_OF_ADDRESS: usize = 16;

/// How long a connection has to have been silent, with calls open, before it makes room for others like an idle one.
pub(crate) const QUIET_AFTER: Duration = Duration::from_secs(60);

/// How long an idle connection that makes room for others may take to close in order.
pub(crate) const FAREWELL: Duration = Duration::from_millis(100);

/// Connections beyond the bound while others make room for them. Half of what [`RESERVED_DESCRIPTORS`] leaves.
pub(crate) const MAX_LEAVING: usize = 64;

/// When there is no room, a 64th of the connections make some, so that not every new one has to look for it.
pub(crate) const LEAVING_AT_ONCE: usize = 64;

/// How long a TLS handshake may take: three round trips over the worst of links. Nothing but a place and 64 KiB are held meanwhile.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the files of TLS are looked at. A new certificate is in force within seconds of being written.
pub const TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// The longest file of a certificate with its chain, or of a key. Chains have a few kilobytes.
pub const MAX_CHAIN_BYTES: u64 = 256 * 1024;

/// The longest file of the authorities of client certificates: as many as all public ones, twice.
pub const MAX_AUTHORITIES_BYTES: u64 = 1024 * 1024;

/// The longest file of an ACME account: a key and two URLs.
#[cfg(feature = "acme")]
pub(crate) const MAX_ACCOUNT_BYTES: usize = 64 * 1024;

/// How long an order at an ACME authority may take, from the first request to the certificate.
#[cfg(feature = "acme")]
pub(crate) const ACME_ORDER_TIMEOUT: Duration = Duration::from_secs(300);

/// How often it is looked at whether a certificate is due. Its life is days at least.
#[cfg(feature = "acme")]
pub(crate) const ACME_CHECK_INTERVAL: Duration = Duration::from_secs(3_600);

/// The first and the longest wait after an order failed. Authorities count failures by the hour.
#[cfg(feature = "acme")]
pub(crate) const ACME_FIRST_PAUSE: Duration = Duration::from_secs(60);
/// See [`ACME_FIRST_PAUSE`].
#[cfg(feature = "acme")]
pub(crate) const ACME_LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);

/// How long a client may take to send the headers of a request, and how long an HTTP/1.1 connection may lie idle.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a request may take until its answer begins, its own body included. A commit takes milliseconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How often a silent HTTP/2 peer is asked whether it is still there.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// How long it may take to say so.
pub const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long requests in flight may take to finish once the server stops. A commit takes milliseconds; a client that has not sent
/// its request by then must not hold the process.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The longest raw body of `POST /add`: what the largest entry of a plain tlog-tiles log has, so that clients of such logs
/// find nothing changed. Only its hash is kept.
pub const MAX_ADD_BYTES: usize = 64 * 1024;

/// Statements in one `POST /v1/statements`: each is answered with a proof of about 1.5 kB of its own. Who has more speaks gRPC.
pub const MAX_JSON_STATEMENTS: usize = 1_024;

/// Bytes of a too long body that are drained, so that a client that is still writing reads the error. Beyond it the connection is closed.
pub const MAX_DISCARDED: usize = 1024 * 1024;

/// How long that may take.
pub const DISCARD_PATIENCE: Duration = Duration::from_millis(500);

/// The longest JSON body: the most statements, written with generous white space.
pub const MAX_JSON_BYTES: usize = 512 * 1024;

/// Bytes of entries in one answer. Statement entries never get there; control entries carry notes of up to 16 KiB, and a gRPC
/// client reads no more than 4 MiB.
pub(crate) const MAX_ENTRIES_BYTES: usize = 2 * 1024 * 1024;

/// The longest request of the health and the reflection protocol: a name. Their libraries' default is 4 MiB, of which each open call
/// could hold as much.
pub(crate) const MAX_OPERATIONS_BYTES: usize = 4 * 1024;

/// The longest header block, and for HTTP/1.1 the read buffer that has to hold it.
pub(crate) const MAX_HEADER_BYTES: u32 = 32 * 1024;

/// The largest flow-control window of one HTTP/2 stream: a whole request of the usual 256 to 4,096 statements without waiting.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;

/// The largest flow-control window of one HTTP/2 connection, which bounds what it can make the server hold unread.
pub(crate) const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The smallest: what every HTTP/2 connection begins with (RFC 9113 section 6.9.2). It carries 1 MB/s over 60 ms.
pub(crate) const MIN_CONNECTION_WINDOW: u32 = 65_535;

/// Bytes of the windows of all connections together: 64 MiB, and the smallest window of those that come when it is used up.
pub const WINDOW_BYTES: usize = 64 * 1024 * 1024;

/// A connection's window is a 64th of what is left of these, so that the first ones have the largest.
pub(crate) const SHARE_OF_WINDOWS: usize = 64;

/// Frames of an HTTP/2 connection that bring neither a request nor a body: as many at once, and as many a second. A client sends a ping
/// in ten seconds, a window for each piece that it has read, and a reset for each call that it gives up.
pub(crate) const CONTROL_FRAMES_AT_ONCE: u32 = 1_000;
/// See [`CONTROL_FRAMES_AT_ONCE`].
pub(crate) const CONTROL_FRAMES_PER_SECOND: u32 = 1_000;

/// Bytes of answers for which a client may send a window more: common clients wait for four kilobytes, and send one for the stream and
/// one for the connection.
pub(crate) const WRITTEN_PER_CONTROL_FRAME: usize = 2 * 1024;

/// The longest request id that is taken from a caller. UUIDs have 36 bytes, the ids of common proxies up to 100.
pub(crate) const MAX_REQUEST_ID_BYTES: usize = 128;

/// The longest sentence in an error. gRPC sends it in a header.
pub(crate) const MAX_ERROR_BYTES: usize = 1_024;

/// What callers are told to wait before they come back, when the log has not said.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often a health watcher looks whether the answer changed.
pub(crate) const HEALTH_INTERVAL: Duration = Duration::from_secs(1);

/// How long accepting pauses after the system refused a connection, as it does when file descriptors run out.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
