//! A rule: what it says, how bad it is, and its check. What it finds is in `rule/finding.rs`.

use std::fmt;

use serde::{Serialize, Serializer};
use vouchlog_record::Profile;

use crate::case::Case;
use crate::record_set::RecordSet;
use crate::terms::{AskedOf, Definition, Severity};

mod change;
mod finding;

#[cfg(test)]
pub(crate) use change::CHANGES;
pub use finding::Finding;
pub(crate) use finding::{Reporter, whole_seconds};

/// A rule.
pub struct Rule {
    /// Its code, stable: programs match on it.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How bad it is, unless [`in_profile`](Self::in_profile) overrides it.
    pub severity: Severity,
    /// Severity under profiles that differ.
    pub in_profile: &'static [(Profile, Severity)],
    /// What it serves.
    pub serves: &'static [Definition],
    /// What is wrong when it fires.
    pub says: &'static str,
    /// What to record, or do, so that it no longer fires.
    pub remedy: &'static str,
    /// Which records it is asked of.
    pub asked_of: AskedOf,
    /// The check of one record.
    pub(crate) record: Option<fn(&Case<'_>, &mut Reporter<'_>)>,
    /// The check of a set.
    pub(crate) set: Option<fn(&RecordSet<'_>, &mut Reporter<'_>)>,
}

/// What most rules have; a rule says what is different.
pub(crate) const RULE: Rule = Rule {
    code: "",
    name: "",
    severity: Severity::Error,
    in_profile: &[],
    serves: &[],
    says: "",
    remedy: "",
    asked_of: AskedOf::Acting,
    record: None,
    set: None,
};

impl Rule {
    /// How bad it is for a record of this profile.
    pub fn severity_in(&self, profile: Profile) -> Severity {
        self.in_profile
            .iter()
            .find(|(named, _)| *named == profile)
            .map_or(self.severity, |(_, severity)| *severity)
    }

    /// What to change at its source where a recorded value breaks it. To record another value than the true one mends nothing.
    pub fn change(&self) -> &'static str {
        change::change(self.code).unwrap_or(self.remedy)
    }

    pub(crate) fn check_record(&self, case: &Case<'_>, report: &mut Reporter<'_>) {
        if let Some(check) = self.record.filter(|_| case.is_asked(self.asked_of)) {
            check(case, report);
        }
    }

    pub(crate) fn check_set(&self, set: &RecordSet<'_>, report: &mut Reporter<'_>) {
        if let Some(check) = self.set {
            check(set, report);
        }
    }

    /// Whether something else than [`grade`](crate::grade()) and [`grade_set`](crate::grade_set) checks it, such as an audit. It then
    /// fires by [`Finding::reported`].
    pub const fn is_checked_elsewhere(&self) -> bool {
        self.record.is_none() && self.set.is_none()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code, self.name)
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.code == other.code
    }
}

impl Eq for Rule {}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.code, self.name, self.says)
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut rule = serializer.serialize_struct("Rule", 7)?;
        rule.serialize_field("code", self.code)?;
        rule.serialize_field("name", self.name)?;
        rule.serialize_field("severity", &self.severity)?;
        rule.serialize_field("serves", self.serves)?;
        rule.serialize_field("says", self.says)?;
        rule.serialize_field("remedy", self.remedy)?;
        rule.serialize_field("asked_of", &self.asked_of)?;
        rule.end()
    }
}
