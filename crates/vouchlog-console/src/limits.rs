//! Every bound of the console, with its reason.

use std::time::Duration;

/// The longest form: a disclosure that names each of 400 fields.
pub const MAX_FORM_BYTES: usize = 128 * 1024;

/// Fields of one form, that of a disclosure again.
pub const MAX_FORM_FIELDS: usize = 1_000;

/// The longest handle in a URL that is opened: a search with eight values of 1 KiB and the cursors of fifty pages, sealed and in base64.
pub const MAX_HANDLE_BYTES: usize = 24 * 1024;

/// Visits at a time. Each holds a token, of 16 KiB at most.
pub const MAX_VISITS: usize = 1_000;

/// Visits of one principal at a time; the oldest ends when there are more.
pub const MAX_VISITS_OF_ONE: usize = 16;

/// How long a visit lasts without a request.
pub const VISIT_IDLE: Duration = Duration::from_secs(30 * 60);

/// How long a visit lasts at most.
pub const VISIT_LIFETIME: Duration = Duration::from_secs(8 * 60 * 60);

/// How long a visit lasts at most that began at an identity provider: what it states of a person, such as their groups, is this old at
/// most. Signing in again takes one click while the person is signed in there.
pub const ACCOUNT_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// How long a person may take to sign in at an identity provider. Its page may ask for a second factor.
pub const SIGN_IN_PATIENCE: Duration = Duration::from_secs(10 * 60);

/// Returns from identity providers that are remembered for [`SIGN_IN_PATIENCE`], so that none is taken twice: 2 MiB.
pub const MAX_RETURNS: usize = 65_536;

/// Codes that are redeemed at identity providers at a time.
pub const REDEEMED_AT_ONCE: usize = 8;

/// How long a return waits for its turn.
pub const REDEEM_PATIENCE: Duration = Duration::from_secs(10);

/// The longest path that a sign-in at an identity provider leads back to: it waits in a cookie, of which browsers keep 4 KiB.
pub const MAX_NEXT_BYTES: usize = 1_536;

/// Failed sign-ins of one address in a [`FAILURES_WINDOW`].
pub const MAX_FAILURES: u32 = 10;

/// See [`MAX_FAILURES`].
pub const FAILURES_WINDOW: Duration = Duration::from_secs(60);

/// Addresses whose failed sign-ins are counted apart. Those beyond share one count.
pub const MAX_ADDRESSES: usize = 4_096;

/// Bytes of results that are kept to be shown and downloaded, such as letters to people whose records were erased; the oldest go first.
pub const MAX_RESULT_BYTES: usize = 32 * 1024 * 1024;

/// Records of a session that are drawn: all are in memory while it is. `vouchlog session` draws longer ones.
pub const MAX_DRAWN_RECORDS: usize = 2_000;

/// Sessions that are drawn at a time.
pub const DRAWINGS: usize = 2;

/// How long a request waits for its turn to draw.
pub const DRAWING_PATIENCE: Duration = Duration::from_secs(10);

/// Rows of one page of a list.
pub const PAGE_ROWS: usize = 50;

/// Pages of a list that are reached by turning: their cursors are in the handle. Narrow the search for more.
pub const MAX_PAGES: usize = 50;

/// Bytes of one export. `vouchlog vault export` writes longer ones.
pub const MAX_EXPORT_BYTES: usize = 16 * 1024 * 1024;

/// Pages of counts that are added up for duties: each has up to 100,000 records.
pub const MAX_COUNT_PAGES: usize = 100;

/// People that one erasure may be confirmed for.
pub const MAX_CONFIRMED: usize = 20;
