//! Where records are kept: encrypted, searchable, erasable. [`custody`](crate::custody) joins a vault with its log.

pub use vouchlog_grading::{Answer, Finding, Grade, Severity, Verdicts};
pub use vouchlog_record::{DisclosureScope, Record, RecordError, RecordId};
pub use vouchlog_statement::Presentation;
pub use vouchlog_vault::{
    Access, CountedFindings, Cursor, Erased, Facet, FindingCursor, FindingDecision, FindingQuery,
    FindingState, FoundFinding, FoundInSession, Hold, HoldTarget, IdentityCursor, IdentityQuery,
    IdentitySummary, IdentityUse, IdentityUses, KeyEncryptionKey, KeyError, LostRecord, ObjectMetrics, Order,
    PendingDecision, PresentationRequest, Principal, Query, ReadRecord, Recorded, Recorder, RecorderConfig,
    RecordingError, Retention, Role, Roles, Row, Scope, SessionCursor, SessionQuery, SessionSummary, Token,
    Vault, VaultError, VaultKeySource,
};
