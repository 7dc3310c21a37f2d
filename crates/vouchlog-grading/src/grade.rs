//! Grading a record: findings, verdicts, the evidence bitmap, and whether the credential was valid at the moment.
//!
//! A record is never refused for being incomplete. It is graded as far as it is known, and graded again when more is: a revocation
//! that arrives later is one more thing in the [`Context`].

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vouchlog_record::{Profile, Record, RecordId};
use vouchlog_stream::Evidence;

use crate::case::Case;
use crate::context::Context;
use crate::facts::SetFacts;
use crate::record_set::RecordSet;
use crate::rule::{Finding, Reporter};
use crate::rules::{findings_by, rules};
use crate::validity::{self, Validity};

mod affected;
mod bitmap;
mod claims;
mod verdicts;

pub use affected::{AffectedUse, affected_by_revocation};
pub use claims::{DisclosureExtent, contradictions};
pub use verdicts::{DATA_RULES, EXECUTOR_RULES, POLICY_RULES, Verdicts, bears_on_authorization};

/// A graded record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grade {
    /// What was found, in the order of the rules' codes.
    pub findings: Vec<Finding>,
    /// The answers.
    pub verdicts: Verdicts,
    /// What a statement of the record claims, in public.
    #[serde(serialize_with = "bits", deserialize_with = "evidence")]
    pub evidence: Evidence,
    /// Whether the credential was valid, at each moment.
    pub validity: Validity,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn bits<S: Serializer>(evidence: &Evidence, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u32(evidence.bits())
}

fn evidence<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Evidence, D::Error> {
    let bits = u32::deserialize(deserializer)?;
    Evidence::new(bits).ok_or_else(|| D::Error::custom("an evidence bitmap is malformed"))
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

/// Grades a set of records beside each other and beside what is known of the log. Each record by itself is graded by
/// [`grade`].
pub fn grade_set(records: &[(RecordId, &Record)], facts: &SetFacts) -> Vec<Finding> {
    let set = RecordSet::new(records, facts);
    let mut findings = Vec::new();
    for rule in rules() {
        rule.check_set(&set, &mut Reporter::new(rule, Profile::Privileged, None, &mut findings));
    }
    findings
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
