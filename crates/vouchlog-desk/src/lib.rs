//! What is asked of a vault: finding and reading records, disclosing, holding and erasing them, its duties and principals. Each is one
//! [`Ask`] with one [answer](Ask::Answer), in this process or over HTTP, so that a command does not care which.
//!
//! ```text
//! command ─► Desk::ask ─┬─ Here:  Access::narrowed ─► Ask::answer ─► vault, log
//!                       └─ There: POST /v1/vault/NAME ─► caller ─► Access::narrowed ─► Ask::answer ─► vault, log
//! another program ─────────── rpc vouchlog.vault.v1.Vault/Name ─► the same
//! ```
//!
//! In scope: the asks and their answers, the client of a daemon ([`RemoteDesk`]), its routes, its RPCs and their description ([`serve`]). Out of
//! scope: how answers are shown (`vouchlog-cli`), what the vault decides and keeps (`vouchlog-vault`), who a caller is
//! (`vouchlog-access`).
//!
//! *Invariant: what a caller may do is decided by the vault's one table, wherever the vault is.* Start with `ask.rs`.

mod ask;
mod bounds;
mod cases;
mod decisions;
mod disclosures;
mod drawing;
mod erasing;
mod error;
mod events;
mod exporting;
mod findings;
mod giving;
mod holding;
mod identities;
mod keeping;
pub mod limits;
mod listing;
mod local;
mod person;
mod principals;
mod reading;
mod remote;
mod row;
mod searches;
pub mod serve;
mod sessions;
mod sources;

pub use ask::{Ask, Desk};
pub use cases::{
    AddToCase, Case, CaseEntry, CaseItem, CaseRow, CaseRows, CaseState, ChangedCase, CloseCase, ListCases,
    NoteCase, OpenCase, ShowCase,
};
pub use decisions::{DecideFindings, DecidedFindings, Decision, DecisionRows, FindingState, ListDecisions};
pub use disclosures::{DisclosureRow, DisclosureRows, ListDisclosures};
pub use drawing::{DrawnSession, ReceiptError, ReceiptJudge};
pub use erasing::{
    CheckErased, CheckedErased, Erase, ErasedRecords, ErasureEntry, FoundPerson, PlanErasure, PlannedErasure,
    RefusedRecord, Target,
};
pub use error::DeskError;
pub use exporting::{Export, ExportFormat, ExportPage, ExportedThing};
pub use findings::{
    CountFindings, FindingCounts, FindingRow, FindingRows, FoundToday, ListFindings, RuleCount,
};
pub use giving::{BundleSession, MadeBundle, Present, Presented, ProofsFrom};
pub use holding::{HeldRecords, HoldRow, HoldRows, LiftHold, Lifted, ListHolds, PlaceHold};
pub use identities::{
    Identity, IdentityRow, IdentityRows, ListIdentities, RegisteredAgentRow, ShowIdentity, UsedValue,
    UsedWith,
};
pub use keeping::{
    CountRecords, CountedRecords, ListRetention, RetentionClass, RetentionClasses, RetentionSet, SetRetention,
};
pub use listing::{ListSessions, SessionAnswer, SessionFinding, SessionRow, SessionRows};
pub use local::{LocalDesk, LogAddress};
pub use person::{PersonSummary, SummarizedRecord};
pub use principals::{
    GrantPrincipal, Granted, ListPrincipals, PrincipalRow, PrincipalRows, RevokePrincipal, Revoked,
};
pub use reading::{
    FindRecords, FoundRecords, OpenedRecord, ReasonForContent, RenewReceipts, RenewedReceipts, ShowRecord,
};
pub use remote::RemoteDesk;
pub use row::{FacetValue, RecordRow, RowErasure, RowPlace};
pub use searches::{DeleteSearch, DeletedSearch, ListSearches, SaveSearch, SearchRow, SearchRows};
pub use sessions::{DeclaredLoss, OpenSession, SessionPage, TaughtRecord, whole_session};
pub use sources::{
    CollectorRow, DoorRow, ExaminedSource, ListSources, MissingEvidence, SourceQuestion, SourceRow,
    SourceRows, SourceStep, UnclaimedSpans,
};
