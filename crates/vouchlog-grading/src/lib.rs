//! What a record was found to be: findings, verdicts, the evidence bitmap, and whether the credential was valid at the moment.
//!
//! **Invariant: missing data never counts as present.** A rule that lacks a value fires or is undetermined; it never passes.
//!
//! In scope: the rules as data ([`rules`]), grading one record ([`grade`]) or a set of them ([`grade_set`]) in the light of what else is
//! known ([`Context`], [`SetFacts`]), a credential's validity ([`validity`]), records that a revocation affects
//! ([`affected_by_revocation`]), and legal duties with the figures that speak to them ([`duties`]). A finding of another judge, such
//! as an audit of the log, is stated under its rule by [`Finding::reported`].
//!
//! Out of scope: reading records (`vouchlog-record`), the clock (every time is a value in the input), where records are kept
//! (`vouchlog-vault`), telling a session's story (`vouchlog-session`).

mod agent_registry;
mod case;
mod context;
mod described;
mod duties;
mod facts;
mod field_view;
mod grade;
pub mod limits;
mod profile;
mod read_back;
mod record_set;
mod rule;
mod rules;
mod spiffe;
mod subjects;
mod terms;
mod validity;

pub use context::Context;
pub use duties::{Certainty, Duty, DutyReport, Figure, Figures, duties};
pub use facts::{SessionFacts, SetFacts};
pub use grade::{
    AffectedUse, DATA_RULES, DisclosureExtent, EXECUTOR_RULES, Grade, POLICY_RULES, Verdicts,
    affected_by_revocation, bears_on_authorization, contradictions, grade, grade_set,
};
pub use profile::ProfileRequirements;
pub use rule::{Finding, Rule};
pub use rules::{RULES_VERSION, rule, rules};
pub use terms::{AskedOf, Cause, Definition, Severity};
pub use validity::{Answer, Moment, Reason, VALIDITY_RULES, Validity, validity};
