//! Where a gateway keeps records, disclosures and receipts: encrypted, searchable, erasable.
//!
//! **Invariants: what was erased cannot be read again; every reader of content is recorded.**
//!
//! A [`Vault`] is a database, SQLite by default and PostgreSQL by URL, with the same promises on both:
//!
//! * what [`Vault::keep`] acknowledged survives a power cut;
//! * metadata and content are encrypted under a key of each record, which takes a key of the tenant and of every person concerned
//!   to unwrap; these are wrapped by a [`KeyEncryptionKey`] that is never in the database (`keys.rs` draws it);
//! * what a record is found by is there as keyed pseudonyms alone;
//! * [erasing](Vault::plan_erasure) destroys keys and ciphertexts and leaves a tombstone whose statement and proof still verify; it
//!   respects legal holds and retention duties.
//!
//! [`Vault::use_objects`] gives it an object store for content that is too long for a row. Objects are sealed like rows, and named at random.
//!
//! In scope: the tables, the keys, roles, holds, retention. Out of scope: what records say, how they are graded and signed
//! (`vouchlog-record`, `vouchlog-grading`, `vouchlog-statement`), logging them and fetching their proofs.
//!
//! In clear are: ids, kinds, tenants' names, times, digests, signed statements (public claims and salted digests), proofs, retention
//! classes, names of holds, cases and principals, legal bases, and of a decision about a finding the reason, until its record is kept. What a
//! pseudonym stands for is sealed beside it where lists show it. A pseudonym is a keyed hash, the same for the same value within a tenant: a holder
//! of the database without the key sees which records share a person, a session or a tool, and how many do, and cannot tell which person,
//! session or tool that is, unless the pattern itself gives it away.
//!
//! ```
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use vouchlog_vault::{Facet, VaultKeySource, Query, Vault};
//!
//! # let dir = tempfile::tempdir()?;
//! # let (data, key_file) = (dir.path().join("vault"), dir.path().join("vault.key"));
//! let key: VaultKeySource = format!("file:{}", key_file.display()).parse()?;
//! let vault = Vault::open_or_create(data.to_str().ok_or("a path of text")?, key.load_or_create()?).await?;
//! let owner = vault.owner().await?;
//! let session = Query { facets: vec![(Facet::Session, "s-1".to_owned())], ..Query::default() };
//! assert_eq!(vault.find(&owner, &session).await?, []);
//! vault.close().await;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```

mod access;
mod cases;
mod check;
mod columns;
mod compression;
mod content_pieces;
mod database;
mod decisions;
mod duties;
mod erase;
mod error;
mod examine;
mod facet_sets;
mod facts;
mod find;
mod findings;
mod hold;
mod hold_events;
mod identities;
mod insert;
mod keep;
mod key_error;
mod keys;
mod learned;
pub mod limits;
mod lists;
mod location;
mod logged;
mod lost;
mod macs;
mod mark;
mod object_folders;
mod object_identity;
mod object_name;
mod object_removals;
mod object_upkeep;
mod objects;
mod operation;
mod owners;
mod partitions;
mod parts;
mod people;
mod principals;
mod proof_run;
mod query;
mod read;
mod record;
mod recorder;
mod recording_error;
mod redaction;
mod refusal;
mod role;
mod roster;
mod roster_reads;
mod saved_searches;
mod seal_duties;
mod sealed;
mod sessions;
mod shared;
mod sql;
mod standing;
mod statement_text;
mod sums;
mod teaching;
mod vault;
mod waits;
mod writer;

pub use access::{Access, ReadPermit, Token};
pub use cases::{CaseChange, CaseCursor, CaseEntry, CaseItem, CaseQuery, CaseState, CaseStep, CaseSummary};
pub use check::CheckProgress;
pub use decisions::{FindingDecision, PendingDecision};
pub use erase::{ErasurePlan, PendingErasure, Scope};
pub use error::{Result, VaultError};
pub use find::Pages;
pub use findings::{CountedFindings, FindingCursor, FindingQuery, FindingState, FoundFinding};
pub use hold::{Hold, HoldTarget};
pub use identities::{IdentityCursor, IdentityQuery, IdentitySummary, IdentityUse, IdentityUses};
pub use key_error::KeyError;
pub use keys::{KeyEncryptionKey, VaultKeySource};
pub use logged::{Backlog, NotNoted, Unlogged};
pub use lost::LostRecord;
pub use objects::ObjectMetrics;
pub use operation::Operation;
pub use principals::Principal;
pub use query::{Cursor, Order, Query};
pub use record::{Erasure, KeepRecord, Logged, Retention, Row, StreamProofs};
pub use recorder::{
    Erased, PresentationRequest, ReadRecord, Recorded, Recorder, RecorderConfig, learn, people_named,
    read_facts,
};
pub use recording_error::RecordingError;
pub use refusal::{Refusal, Why};
pub use role::{Role, Roles};
pub use saved_searches::{SavedSearch, SavedSearches};
pub use sessions::{FoundInSession, SessionCursor, SessionQuery, SessionSummary};
pub use vault::Vault;
pub use vouchlog_record::{Facet, RecordId};

#[cfg(test)]
mod tests;
