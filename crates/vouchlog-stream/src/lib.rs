//! The entry formats of the log, and the rules of a gateway's stream.
//!
//! In scope: what the bytes of an [`Entry`] mean, the signed notes that control entries carry ([`Genesis`],
//! [`StreamOpening`], [`Enrolment`], [`Revocation`], [`OperatorNote`], [`Retirement`], [`Continuation`], [`Pruning`]), and the pure state machine of one stream ([`StreamState`]): contiguous sequence numbers, one signed
//! history, heartbeats, closing, succession. An [`Opening`] is a salted commitment to a record, whose digest a statement carries.
//!
//! Out of scope: signatures and checkpoints (`vouchlog-note`), tree hashing (`vouchlog-merkle`), what a record holds
//! (`vouchlog-record` keeps that), when things are written (`vouchlog-sequencer`).
//!
//! *Invariant: an entry decodes in exactly one way*: `Entry::decode` and `Entry::encode` are inverse.
//!
//! ```
//! use vouchlog_stream::{Digest, Entry, Evidence, LoggedAt, SequenceNumber, Statement, StatementEntry, StatementKind, StreamId};
//!
//! let entry = Entry::Statement(StatementEntry {
//!     logged_at: LoggedAt::from_millis(1_767_225_600_000).unwrap(),
//!     stream: StreamId::new(2).unwrap(),
//!     sequence: SequenceNumber::new(0).unwrap(),
//!     statement: Statement {
//!         kind: StatementKind::Interaction,
//!         evidence: Evidence::NONE,
//!         digest: Digest::from_bytes([7; 32]),
//!     },
//! });
//! let bytes = entry.encode();
//! assert_eq!(bytes.len(), 54);
//! assert_eq!(Entry::decode(&bytes).unwrap(), entry);
//! ```

mod control;
mod entry;
mod error;
mod ids;
pub mod limits;
mod opening;
mod operators;
mod place;
mod registry;
mod state;
mod statement;
mod succession;
mod usage;
mod witness_keys;

pub use control::{
    DailyLimits, Enrolment, Genesis, Limit, OperatorCause, OperatorChange, OperatorNote, Previous, Pruning,
    Quota, QuotaScope, RecoveryKey, ReplacementCause, ReplacementReason, Replaces, Retirement,
    RetirementCause, Revocation, StreamOpening, TextError, WitnessRotation,
};
pub use entry::{Entry, StatementEntry};
pub use error::{EntryError, StreamError};
pub use ids::{LoggedAt, SequenceNumber, StreamId};
pub use opening::{Opening, OpeningError};
pub use operators::{OperatorError, OperatorTerm, Operators};
pub use place::LogPlace;
pub use registry::{GatewayState, Revoked};
pub use state::{Admitted, Fork, Run, StreamState, StreamStatus, range_of};
pub use statement::{Digest, Evidence, Statement, StatementKind, stream_origin};
pub use succession::{Continuation, RetirementProof, SuccessionError};
pub use usage::{Amounts, Bounds, Counted, Day, QuotaState, Usage};
pub use witness_keys::{LoggedRotation, WitnessKeyError, WitnessKeys};
