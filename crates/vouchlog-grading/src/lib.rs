//! What a record was found to be: findings, verdicts, the evidence bitmap, and whether the credential was valid at the moment.
//!
//! **Invariant: missing data never counts as present.** A rule that lacks a value fires or is undetermined; it never passes.
//!
//! In scope: the rules as data ([`rules`]), grading one record ([`grade`]) or a set of them ([`grade_set`]) in the light of what else is
//! known ([`Context`], [`SetFacts`]), a credential's validity ([`validity`]), records that a revocation affects
//! ([`affected_by_revocation`]), and legal duties with the figures that speak to them ([`duties`]).
//!
//! Out of scope: reading records (`vouchlog-record`), the clock (every time is a value in the input), where records are kept
//! (`vouchlog-vault`), telling a session's story (`vouchlog-session`).

mod duties;
mod grade;
pub mod limits;
mod rules;
mod validity;

pub use duties::{Certainty, Duty, DutyReport, Figure, Figures, duties};
pub use grade::{
    AUTHORIZED_RULES, Affected, CanaryFacts, Context, EXECUTOR_RULES, Finding, Grade, Observations, ProviderUsage,
    ReceiptFacts, SessionFacts, SetFacts, StreamFacts, StreamHead, Successor, Verdicts, View, WitnessFacts,
    affected_by_revocation, contradictions, grade, grade_set,
};
pub use rules::{
    AskedOf, Cause, Definition, ProfileRequirements, RULES_VERSION, Rule, Severity, rule, rules,
};
pub use validity::{Answer, VALIDITY_RULES, Moment, Reason, Validity, validity};
