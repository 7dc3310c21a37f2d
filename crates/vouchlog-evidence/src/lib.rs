//! What a record of an AI interaction holds, its SD-JWT statement, disclosure, and completeness verdicts.
//!
//! **Invariant: missing data never counts as present.**
//!
//! In scope: the model of a record ([`Record`]), reading it, grading it, its statement ([`issue`]), presentations of chosen
//! fields ([`Presentation`]), of a whole session ([`SessionBundle`]), and what happened in it ([`session`]).
//!
//! Out of scope: where records are kept (`vouchlog-vault`), how they come out of telemetry, when they are logged.

mod bundle;
mod duties;
mod grade;
pub mod limits;
mod presentation;
mod record;
mod rules;
pub mod session;
mod statement;
mod validity;

pub use bundle::{
    BundleContents, BundleError, BundlePart, Disclosed, SessionBundle, VerifiedSession, verify_bundle,
};
pub use duties::{Certainty, Duty, DutyReport, Figure, Figures, duties};
pub use grade::{
    Affected, CanaryFacts, Context, Finding, Grade, Observations, ProviderUsage, ReceiptFacts, SessionFacts,
    SetFacts, StreamFacts, StreamHead, Successor, Verdicts, View, WitnessFacts, affected_by_revocation,
    contradictions, grade, grade_set,
};
pub use presentation::{
    LogTrust, Part, Presentation, PresentationError, StreamIdentity, VerifiedPresentation,
    verify_presentation,
};
pub use record::*;
pub use rules::{
    AskedOf, Cause, Definition, ProfileRequirements, RULES_VERSION, Rule, Severity, rule, rules,
};
pub use statement::{
    ClearClaims, Disclosure, Issued, StatementError, VerifiedStatement, digest_of, issue, public_jwk, verify,
};
pub use validity::{Answer, Moment, Reason, Validity, validity};
