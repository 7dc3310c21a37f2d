//! Grading a record: findings, verdicts, the evidence bitmap, and whether the credential was valid at the moment.
//!
//! A record is never refused for being incomplete. It is graded as far as it is known, and graded again when more is: a revocation
//! that arrives later is one more thing in the [`Context`].

use std::fmt;

use serde::{Serialize, Serializer};
use vouchlog_record::{Record, RecordId};
use vouchlog_stream::Evidence;

use crate::rules::look::{Case, Found};
use crate::rules::{Cause, Rule, Severity, rules};
use crate::validity::{self, Validity};

mod affected;
mod bitmap;
mod claims;
mod context;
mod facts;
mod verdicts;

pub use affected::{Affected, affected_by_revocation};
pub use claims::contradictions;
pub use context::Context;
pub(crate) use context::{InForce, KeyState};
pub(crate) use facts::Set;
pub use facts::{
    CanaryFacts, Observations, ProviderUsage, ReceiptFacts, SessionFacts, SetFacts, StreamFacts, StreamHead,
    Successor, View, WitnessFacts, grade_set,
};
pub use verdicts::{AUTHORIZED_RULES, EXECUTOR_RULES, Verdicts};

/// Something a rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// How bad it is, under the record's profile. Indeterminate where that is not known.
    pub severity: Severity,
    /// Whether something is wrong, missing, or undetermined.
    pub cause: Cause,
    /// The record, where one is meant that has a name.
    pub record: Option<RecordId>,
    /// Where: JSON pointers into the record, or what else is meant, such as `stream 7`.
    pub at: Vec<String>,
    /// What was found, in words. Names fields and times; no content.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.rule.code, self.rule.name, self.severity)?;
        if let Some(record) = &self.record {
            write!(f, " in {record}")?;
        }
        write!(f, ": {}", self.message)?;
        if !self.at.is_empty() {
            write!(f, " [{}]", self.at.join(", "))?;
        }
        Ok(())
    }
}

impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut finding = serializer.serialize_struct("Finding", 7)?;
        finding.serialize_field("code", self.rule.code)?;
        finding.serialize_field("name", self.rule.name)?;
        finding.serialize_field("severity", &self.severity)?;
        finding.serialize_field("cause", &self.cause)?;
        finding.serialize_field("record", &self.record)?;
        finding.serialize_field("at", &self.at)?;
        finding.serialize_field("message", &self.message)?;
        finding.end()
    }
}

/// A graded record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Grade {
    /// What was found, in the order of the rules' codes.
    pub findings: Vec<Finding>,
    /// The answers.
    pub verdicts: Verdicts,
    /// What a statement of the record claims, in public.
    #[serde(serialize_with = "bits")]
    pub evidence: Evidence,
    /// Whether the credential was valid, at each moment.
    pub validity: Validity,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn bits<S: Serializer>(evidence: &Evidence, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(evidence.bits())
}

/// Grades a record by every rule that looks at one record.
///
/// Of a record that is neither interaction nor intent only the rules of custody are asked, its verdicts are indeterminate, and its
/// bitmap says which groups it has. A record that completes another is asked only whether what it says is wrong: what it does not
/// say, the other one may.
pub fn grade(record: &Record, context: &Context) -> Grade {
    let case = Case::new(record, context);
    let findings = findings_by(&case, |_| true);
    let validity = validity::of_findings(&case, &findings);
    let verdicts = verdicts::judge(&case, &findings, &validity);
    let evidence = bitmap::of(&case, &verdicts, &validity);
    Grade { findings, verdicts, evidence, validity }
}

fn findings_by(case: &Case<'_>, chosen: impl Fn(&Rule) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules().iter().filter(|rule| chosen(rule)) {
        let mut found = Found::new(rule, case.record.profile(), case.record.id.as_ref(), &mut findings);
        rule.check_record(case, &mut found);
    }
    if case.record.is_amendment() {
        findings.retain(|finding| finding.cause == Cause::Wrong);
    }
    findings
}

/// What the rules of these codes find.
pub(crate) fn findings_of(case: &Case<'_>, codes: &[&str]) -> Vec<Finding> {
    findings_by(case, |rule| codes.contains(&rule.code))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
