//! The store in PostgreSQL, for a log that has outgrown one machine.
//!
//! ```text
//! vouchlog_log      origin, format, where the sealed part is, which entries were given up
//! vouchlog_lease    who leads the log: holder, epoch, last renewal, the newest checkpoints it has shown
//! vouchlog_head     epoch, size, root, number of commits, sealed size, mark of a move: the fence of every commit
//! vouchlog_tail     entries that are not sealed, at most 256 KiB a row
//! vouchlog_state    states, replaced whole
//! vouchlog_sealed   full tiles and bundles, for logs that keep their sealed part here
//! vouchlog_witness  witnesses, and vouchlog_witness_state what they cosigned
//! ```
//!
//! A commit is one statement that changes nothing unless epoch, size and root of the head row are as expected (`commit.rs`). A claim
//! raises the epoch, so a former leader is fenced whatever it believes (`claim.rs`). A commit whose answer is lost is settled by a claim
//! (`living.rs`): it fences the statement that may still be under way, and what it reads is durable. The lease (`lease.rs`) decides who
//! claims, and when a process may sign; the uniqueness of heads does not rest on it.
//!
//! Standbys read the log meanwhile (`view.rs`): snapshots only, and nothing beyond a checkpoint that the leader signed is theirs to serve.
//!
//! Warnings of the server count as an unknown outcome (`notices.rs`): a commit whose wait for a synchronous standby was cancelled is
//! durable on the primary alone.
//!
//! Out of scope: which entries there are (`vouchlog-sequencer`), what a vault keeps (`vouchlog-vault`).
//!
//! *Invariant: this crate alone knows PostgreSQL as the log's store; nothing is written by a process that was fenced.*

mod boottime;
mod claim;
mod commit;
mod contents;
mod database;
mod lease;
mod living;
mod location;
mod mark;
mod metrics;
mod moving;
mod notices;
mod outcome;
mod pruning;
mod schema;
mod sealed;
mod settings;
mod signed;
mod store;
mod view;
mod witness;

pub use database::Database;
pub use lease::{LEASE_TTL, Leader, Lease, RENEW_EVERY};
pub use living::PostgresLiving;
pub use location::Location;
pub use metrics::LeaseMetrics;
pub use moving::{Resident, find_log, leave, open_sealed, prepare_arrival, read_log, settle};
pub use schema::no_log;
pub use sealed::PostgresSealed;
pub use settings::{Finding, Settings, Severity};
pub use store::{Options, PostgresStore, Takeover, open, open_with};
pub use view::{PostgresView, pruned};
pub use witness::PostgresWitnessStore;
