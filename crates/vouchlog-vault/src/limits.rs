//! Every bound of the vault, with its reason.

use std::time::Duration;

/// Records in one call of `keep`: four requests of a gateway's largest size.
pub const MAX_RECORDS_PER_CALL: usize = 1_024;

/// Bytes of one call of `keep`, all records together. Twice the largest record.
pub const MAX_CALL_BYTES: usize = 2 * (MAX_JWT_BYTES + MAX_METADATA_BYTES + MAX_CONTENT_BYTES);

/// The longest signed statement: a digest for each of thousands of fields.
pub const MAX_JWT_BYTES: usize = 1024 * 1024;

/// The most metadata of a record: what the largest record has as JSON, with salts.
pub const MAX_METADATA_BYTES: usize = 8 * 1024 * 1024;

/// The most content of a record, for the same reason.
pub const MAX_CONTENT_BYTES: usize = 16 * 1024 * 1024;

/// Facets of one record. Tools and credentials are the many; more than this is a list, not something to find a record by.
pub const MAX_FACETS: usize = 1_024;

/// The longest value of a facet, and the longest name of a person. What is kept of it has 16 bytes.
pub const MAX_VALUE_BYTES: usize = 4_096;

/// Persons whose data one record is. The keys of all are needed to read it.
pub const MAX_SUBJECTS: usize = 16;

/// The longest name: of a tenant, a retention class, a hold, a principal.
pub const MAX_NAME_BYTES: usize = 128;

/// The longest legal basis of an erasure.
pub const MAX_BASIS_BYTES: usize = 1_024;

/// The longest proof file, vkey or note kept beside a record: a checkpoint with its cosignatures has at most a quarter of it.
pub const MAX_PROOF_BYTES: usize = 64 * 1024;

/// The longest text about who a log's operator is: a proof of genesis, and one of each change of its key, 64 at most.
pub const MAX_GENESIS_BYTES: usize = 65 * MAX_PROOF_BYTES;

/// Facets of one query.
pub const MAX_QUERY_FACETS: usize = 8;

/// Sets of verdicts and findings that records are found by: a search for one of these looks through all sets that have it, some 50 µs each.
pub(crate) const MAX_SETS: usize = 1_024;

/// Rows of one page.
pub const MAX_ROWS: usize = 1_000;

/// Tenants of which it is kept in memory what their credential events and configurations teach: a few kB each, in a vault of some
/// thousand such records some MB.
pub(crate) const MAX_LEARNED_TENANTS: usize = 64;

/// Sessions, findings or identities of one page of a list.
pub const MAX_LISTED: usize = 200;

/// Values of a session that a list shows: beyond, the session is to be opened.
pub const MAX_SHOWN_VALUES: usize = 200;

/// Records with an identity, the newest ones, of which it is counted what it was used with.
pub const MAX_COUNTED_USES: i64 = 10_000;

/// Records of one decision about findings: one record of it names them.
pub const MAX_DECIDED_AT_ONCE: usize = 500;

/// Records that are counted as kept and not in the log; beyond, the exact number decides nothing.
pub const MAX_COUNTED_BACKLOG: u64 = 100_000;

/// How long another gateway's stream must be silent before its records are taken over: longer than the interval of heartbeats (30 s)
/// with the longest wait for a connection, so that a gateway which runs and reaches the log is never silent for that long.
pub const SILENCE: Duration = Duration::from_secs(75);

/// Tenants a query that names none looks through: each costs one search, as each has its own pseudonyms.
pub const MAX_TENANTS_SEARCHED: usize = 256;

/// Records of one erasure, so that a plan fits in memory. What is more waits for the next.
pub const MAX_ERASED_AT_ONCE: usize = 100_000;

/// Principals: each costs a hash when a token is presented.
pub const MAX_PRINCIPALS: usize = 256;

/// Holds in force, and the searches that they go on to cover: all are in one sealed value, which each call reads.
pub const MAX_HOLDS: usize = 1_024;
/// See [`MAX_HOLDS`].
pub const MAX_STANDING_QUERIES: usize = 4_096;

/// Matches counted per facet to find the rarest. Beyond, it matters little which one leads.
pub(crate) const COUNTED_MATCHES: i64 = 1_000;

/// Records that are made durable as one: at this size a sync to disk is a small part of the time.
pub(crate) const GROUP_RECORDS: usize = 1_024;

/// Calls of `keep` that wait, and what they hold in memory, in units of 1 KiB: 64 MiB, which is more than one call may hold.
pub(crate) const QUEUED_CALLS: usize = 4_096;
/// See [`QUEUED_CALLS`].
pub(crate) const QUEUED_KIB: usize = 64 * 1024;

/// Records of one case: what was added, and notes. A page shows all of them.
pub const MAX_CASE_ENTRIES: usize = 1_000;

/// Searches that a caller saves in one tenant: a list that one looks through.
pub const MAX_SAVED_SEARCHES: usize = 100;

/// Searches that are saved in one tenant, of all its callers.
pub const MAX_SAVED_SEARCHES_OF_TENANT: usize = 10_000;

/// The longest saved search, with its name, as JSON.
pub const MAX_SAVED_SEARCH_BYTES: usize = 16 * 1024;

/// Attempts to write one group when another process writes the same rows or holds the lock.
pub(crate) const WRITE_ATTEMPTS: u32 = 5;

/// How long SQLite waits for a lock that another process holds. Each transaction of ours is far shorter.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a call waits for a connection.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);

/// Readiness reports that a writer waits for the database's lock when it has waited this long.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// SQLite: records are refused while the file system has less room than this: 64 MiB, as a log keeps. Receipts and erasures use what is
/// left.
pub const MIN_FREE_BYTES: u64 = 64 * 1024 * 1024;

/// SQLite: a file of up to this size is read in full before anything is written, in about a second. A larger one is read by
/// [`Vault::check`](crate::Vault::check).
pub(crate) const CHECKED_AT_OPEN: u64 = 64 * 1024 * 1024;

/// Findings of one check; with more, a backup is needed in any case.
pub const REPORTED_DAMAGE: usize = 100;

/// Records that a check reads at a time: with eight of the largest, 200 MiB.
pub(crate) const CHECKED_AT_ONCE: i64 = 8;

/// Connections that read, beside the one that writes.
pub(crate) const READERS: u32 = 4;

/// Keys of persons kept unwrapped in memory, 100 bytes each.
pub(crate) const CACHED_KEYS: usize = 8_192;

/// A SQLite file up to this size is rewritten by each erasure: some seconds, less than [`BUSY_TIMEOUT`],
/// during which other writers wait. Larger ones are rewritten by [`Vault::compact`](crate::Vault::compact), at a time of choice.
pub(crate) const REWRITTEN_BYTES: u64 = 256 * 1024 * 1024;

/// SQLite: most memory that the connection which writes takes for pages, in its notation for KiB: 32 MiB. It holds the pages that
/// transactions touch again and again. Pseudonyms are random: of those that they are found by, no cache that a process may take holds
/// most. The rest is in the system's cache.
pub(crate) const CACHE: &str = "-32768";

/// SQLite: the same of each connection that reads: 8 MiB. Pages beyond it are in the system's cache.
pub(crate) const READER_CACHE: &str = "-8192";

/// SQLite: pages in the write-ahead log before they are written back, 16 MiB. The file stays as long as it became, beside each vault; with
/// more, few pages would be written back less often.
pub(crate) const CHECKPOINT_PAGES: &str = "4096";

/// The longest key file or output of a key command: a key has 64 digits.
pub(crate) const MAX_KEY_TEXT_BYTES: usize = 4_096;

/// The longest file of a wrapped key: AWS KMS returns at most 6,144 bytes, which are 8,192 in base64.
pub(crate) const MAX_WRAPPED_KEY_BYTES: usize = 16 * 1_024;

/// How long a key command may take: a key service across the network, and a person who touches a token.
pub(crate) const KEY_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// Sealed content of up to this many bytes stays in the database, also of a vault with an object store. One request to write an object costs as
/// much as keeping 4 KiB for a year or more, and takes longer than the row.
pub const MAX_CONTENT_IN_ROW: usize = 4 * 1024;

/// Requests to an object store that write or delete, under way at a time: a group of records takes some round trips then, not hundreds.
pub(crate) const OBJECT_WRITES: usize = 32;

/// Objects that are read at a time: of the largest content, 128 MiB.
pub(crate) const OBJECT_READS: usize = 8;

/// How long a process puts objects into one folder, and how many: a sweep reads the list of a folder at once.
pub(crate) const FOLDER_AGE: Duration = Duration::from_secs(60 * 60);
/// See [`FOLDER_AGE`].
pub(crate) const FOLDER_OBJECTS: usize = 10_000;

/// How long after a folder was closed objects in it that no record names are removed.
pub(crate) const UNNAMED_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// Folders of one upkeep: 64 lists of 10 pages.
pub(crate) const FOLDERS_AT_ONCE: i64 = 64;

/// Objects that are removed before their rows are: some seconds of work that a crash repeats.
pub(crate) const REMOVED_AT_ONCE: i64 = 1_000;

/// How long an erasure waits for its objects to be removed. The keys are gone before, and the rest is removed later.
pub(crate) const REMOVAL_PATIENCE: Duration = Duration::from_secs(30);

/// How long a start waits for the object store. One that is slower or away is asked again by the first call that needs it.
pub(crate) const START_PATIENCE: Duration = Duration::from_secs(3);

/// Time between two upkeeps of an object store: a store that was away is asked again within a minute.
pub(crate) const UPKEEP_PAUSE: Duration = Duration::from_secs(30);

/// The longest marker of an object store: it has 121 bytes.
pub(crate) const MAX_MARKER_BYTES: usize = 1_024;

/// PostgreSQL: partitions are made for so many months beyond this one, so that a vault whose partitions could not be made for weeks still has
/// some.
pub(crate) const MONTHS_AHEAD: i64 = 2;

/// PostgreSQL: time between two looks at the partitions, a few short queries.
pub(crate) const PARTITION_PAUSE: Duration = Duration::from_secs(60 * 60);

/// PostgreSQL: how long making partitions waits for a lock. Others that write queue behind it meanwhile.
pub(crate) const PARTITION_LOCK_PATIENCE: Duration = Duration::from_secs(2);
