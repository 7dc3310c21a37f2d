//! Every bound of the desk, with its reason.

use std::time::Duration;

/// The longest body of a request: a list of a thousand records, or eight facets of the longest value.
pub const MAX_REQUEST_BYTES: usize = 256 * 1024;

/// The longest answer that a client reads: a page of records, of which one may have 24 MiB of facts and content. What is stored of it
/// is in base64, and escaped as JSON.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// Sealed bytes of the records of one page, but for a first record that is larger.
pub const PAGE_BYTES: u64 = 4 * 1024 * 1024;

/// Records of one page that are opened.
pub const PAGE_RECORDS: usize = 250;

/// Records of a page of which only what is not sealed is shown.
pub const PAGE_ROWS: usize = 1_000;

/// Records of a session that a client puts together.
pub const MAX_SESSION_RECORDS: usize = 10_000;

/// Rows of a page of a list, unless the caller asks for another number.
pub const LISTED: usize = 50;

/// Rules that one call names: each is one search.
pub const MAX_CODES: usize = 100;

/// Values of one kind that a list of sessions shows for each.
pub const SHOWN_VALUES: usize = 20;

/// Values of one facet that an identity is shown with.
pub const SHOWN_USES: usize = 50;

/// Entries of the registry that an agent is shown with.
pub const SHOWN_ENTRIES: usize = 20;

/// The longest reason for a reading or a disclosure, as the vault has it for erasures.
pub const MAX_BASIS_BYTES: usize = vouchlog_vault::limits::MAX_BASIS_BYTES;

/// Fields of one disclosure, and the longest path of one.
pub const MAX_FIELDS: usize = 1_000;
/// See [`MAX_FIELDS`].
pub const MAX_FIELD_BYTES: usize = 1_024;

/// Records that one call names.
pub const MAX_NAMED_RECORDS: usize = 1_000;

/// Records that sources are examined by, the newest. `vouchlog doctor` examines more.
pub const EXAMINED_RECORDS: usize = 2_000;

/// How far back sources are examined without another time, in milliseconds: a week.
pub const EXAMINED_SPAN: i64 = 7 * 24 * 60 * 60 * 1_000;

/// Of one source: rules that found something, and what no setting fixes.
pub const SHOWN_MISSING: usize = 12;

/// Losses and agents that come with a session.
pub const MAX_BESIDE: usize = 1_000;

/// Calls that a daemon carries out at a time. Each may hold a page of opened records in memory.
pub const CALLS_AT_ONCE: usize = 8;

/// Those of one principal: so few that one that asks for much keeps nobody else waiting.
pub const CALLS_OF_ONE: usize = 2;

/// Requests at a time on one HTTP/2 connection: a console and a program have a few under way.
pub const REQUESTS_OF_CONNECTION: u32 = 32;

/// Callers that are recognised at a time. Others wait, and cost no more than a place in the line.
pub const RECOGNISED_AT_ONCE: usize = 32;

/// Requests of one principal that are under way, those included whose bodies have not arrived: each takes some kilobytes.
pub const REQUESTS_OF_ONE: usize = 128;

/// How long a call waits for its turn before it is asked to retry.
pub const TURN_PATIENCE: Duration = Duration::from_secs(2);

/// How long a daemon waits until the log has what it recorded. It is durable before, and sent later if the log is away.
pub const LOG_PATIENCE: Duration = Duration::from_secs(10);

/// How long a daemon's request may take until its answer begins. What takes longer is carried out to its end, unanswered.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// How much longer a client waits.
pub const CLIENT_PATIENCE: Duration = Duration::from_secs(15);

/// Records of a bundle that a daemon makes: each has proofs from the log. A command in the vault's process makes larger ones.
pub const SERVED_BUNDLE_RECORDS: usize = 1_000;

/// Tenants that a daemon has a way to the log for.
pub const MAX_TENANTS: usize = vouchlog_vault::limits::MAX_TENANTS_SEARCHED;
