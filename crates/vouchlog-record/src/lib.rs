//! What a gateway knows of one AI interaction: the model of a record, reading it, writing it, and what it is found by.
//!
//! **Invariant: missing data never counts as present.** A [`Field`] distinguishes a value from four ways in which it can be missing,
//! and an empty record is a record: it is refused for no gap, only for what is malformed.
//!
//! In scope: the model ([`Record`] and its groups), reading JSON within bounds, unchanged ([`json`]) and without secrets ([`Record::from_value`]), commitments
//! ([`Commitment`]), which fields are content ([`is_content`]), facets ([`Facet`]), and the published JSON Schema.
//!
//! Out of scope: signing a record (`vouchlog-statement`), judging it (`vouchlog-grading`), telling what happened in a session
//! (`vouchlog-session`), storing it (`vouchlog-vault`).

mod activity;
mod authority;
mod content;
mod context;
mod credential_details;
mod determining_policy;
mod digest;
mod error;
mod event;
mod facets;
mod field;
mod format;
mod group;
mod hop;
mod id;
pub mod json;
pub mod limits;
mod numbering;
mod one_or_many;
mod parse;
mod parties;
mod path;
mod read;
mod record;
mod secrets;
mod stand_in;
mod unknown;

pub use activity::{
    Content, Data, DataSource, Downstream, Effect, Mcp, Model, Outcome, OutcomeState, Tool, ToolOrigin,
    ToolStatus, Usage,
};
pub use authority::{
    Approval, ApprovalSource, ApprovalState, ApproverKind, Credential, CredentialBinding, CredentialStatus,
    CredentialType, Enforced, FailMode, Grant, GrantKind, Override, PolicyDecision, PolicyPhase,
    StatusMethod, StatusResult, Verdict,
};
pub use content::is_content;
pub use context::{Clock, CompletedBy, Correlation, Custody, Time};
pub use credential_details::{Confirmation, RoleSession};
pub use determining_policy::{DeterminingPolicy, PolicyEffect};
pub use digest::{ArtifactDigest, Commitment, DigestError};
pub use error::RecordError;
pub use event::{
    CaseAction, CaseEvent, Configuration, ConfigurationSubject, CredentialAction, CredentialEvent,
    DeclaredLoss, DisclosureEvent, DisclosureScope, DoorActivity, ErasureEvent, ErasureScope,
    FindingDecision, FindingEvent, Heartbeat, HoldAction, HoldEvent, RegisteredAgent, SealReason,
    SessionSeal, UnclaimedSpans,
};
pub use facets::Facet;
pub use field::Field;
pub use format::SCHEMA;
pub use hop::{Delegation, Hop};
pub use id::{RecordId, RecordIdError};
pub use numbering::are_numbered_apart;
pub use one_or_many::OneOrMany;
pub use parse::ParsedRecord;
pub use parties::{
    Agent, Authority, AuthorityMode, Device, DevicePosture, Initiator, InitiatorCheck, InitiatorKind,
    RemoteAgent, Session, TaskState, Workload, WorkloadAssertion, WorkloadCheck,
};
pub use path::escape_pointer_token;
pub use record::{Body, Profile, Record};
pub use stand_in::{RedactionKey, forget_stand_ins, is_collapsed_secret};

#[cfg(test)]
mod tests;
