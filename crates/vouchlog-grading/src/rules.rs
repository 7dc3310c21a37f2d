//! Every completeness rule as data: code, severity, what it serves, what is wrong and how to mend it, and the check.
//!
//! Three things can make a rule fire ([`Cause`]): a value is wrong, a value is missing, or it is undetermined. A value that is
//! missing never passes. What was withheld (redacted, erased) is never taken for missing.

use std::fmt;
use std::sync::LazyLock;

use serde::{Serialize, Serializer};

mod approval;
mod content;
mod credential;
mod custody;
mod identity;
pub(crate) mod look;
mod policy;
mod profile;
mod session;
mod stream;
mod tools;

pub(crate) use content::committed;
pub use profile::ProfileRequirements;

use crate::grade::facts::Set;
use look::{Case, Found};

/// Version of the rules. A statement names the version it was graded with, so that a claim is judged by the rules of its day.
pub const RULES_VERSION: &str = "vouchlog/v1 rules 1";

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Evidence is weaker than it could be.
    Warn,
    /// Undetermined: the deciding value is missing, withheld, or too imprecise.
    Indeterminate,
    /// Evidence that is asked for is missing or contradicts itself.
    Error,
    /// Something forbidden was done, or something is hidden.
    Critical,
}

impl Severity {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Indeterminate => "indeterminate",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a rule serves: one of five definitions of good evidence, or that nothing is missing from the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Definition {
    /// Auditable AI interaction.
    Interaction,
    /// Interaction-level audit trail.
    Trail,
    /// Audit trail for identity governance.
    Governance,
    /// Inference-level audit trail.
    Inference,
    /// Identity-linked evidence.
    Identity,
    /// A log that nothing is missing from.
    Completeness,
}

impl Definition {
    /// Every definition.
    pub const ALL: [Definition; 6] = [
        Self::Interaction,
        Self::Trail,
        Self::Governance,
        Self::Inference,
        Self::Identity,
        Self::Completeness,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Interaction => "auditable AI interaction",
            Self::Trail => "interaction-level audit trail",
            Self::Governance => "identity-governance audit trail",
            Self::Inference => "inference-level audit trail",
            Self::Identity => "identity-linked evidence",
            Self::Completeness => "nothing is missing",
        }
    }

    /// What it asks for.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Interaction => {
                "It can be traced to a user or an agent, with the class of its data, the policy's decision and the outcome."
            }
            Self::Trail => {
                "Prompt, answer, identity, tool calls, policy decisions and overrides stand together in one record."
            }
            Self::Governance => {
                "It shows the workload's own identity, the decision at the time of the request, a short-lived credential, the \
                 chain of tools, the class of data and the outcome."
            }
            Self::Inference => {
                "Beyond the interaction, it names the model that answered and every call that followed from the answer."
            }
            Self::Identity => {
                "It states who authorised the action, which identity executed it, and whether the credential was valid at that \
                 very moment."
            }
            Self::Completeness => {
                "Every record is in the log, once and in order, and a missing record is detected."
            }
        }
    }
}

/// Why a rule fired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// What is there is wrong.
    Wrong,
    /// Something that must be there is not.
    Missing,
    /// It is not known whether something is wrong.
    Unknown,
}

/// Which records a rule is asked of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AskedOf {
    /// Interactions, and intents, which say less.
    Acting,
    /// Interactions.
    Interactions,
    /// Every record.
    Every,
    /// Not of a record: of a set of them and of what a reader of the log knows.
    Set,
}

/// A rule.
pub struct Rule {
    /// Its code, stable: programs match on it.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How bad it is, unless [`in_profile`](Self::in_profile) overrides it.
    pub severity: Severity,
    /// Severity under profiles that differ.
    pub in_profile: &'static [(vouchlog_record::Profile, Severity)],
    /// What it serves.
    pub serves: &'static [Definition],
    /// What is wrong when it fires.
    pub says: &'static str,
    /// What to record, or do, so that it no longer fires.
    pub remedy: &'static str,
    /// Which records it is asked of.
    pub asked_of: AskedOf,
    /// The check of one record.
    record: Option<fn(&Case<'_>, &mut Found<'_>)>,
    /// The check of a set.
    set: Option<fn(&Set<'_>, &mut Found<'_>)>,
}

/// What most rules have; a rule says what is different.
const RULE: Rule = Rule {
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
    pub fn severity_in(&self, profile: vouchlog_record::Profile) -> Severity {
        self.in_profile
            .iter()
            .find(|(named, _)| *named == profile)
            .map_or(self.severity, |(_, severity)| *severity)
    }

    pub(crate) fn check_record(&self, case: &Case<'_>, found: &mut Found<'_>) {
        if let Some(check) = self.record.filter(|_| case.is_asked(self.asked_of)) {
            check(case, found);
        }
    }

    pub(crate) fn check_set(&self, set: &Set<'_>, found: &mut Found<'_>) {
        if let Some(check) = self.set {
            check(set, found);
        }
    }

    /// Whether something else than [`grade`](crate::grade::grade) and [`grade_set`](crate::grade::facts::grade_set) checks it.
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

static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let tables: [fn() -> Vec<Rule>; 9] = [
        identity::table,
        credential::table,
        policy::table,
        approval::table,
        content::table,
        tools::table,
        custody::table,
        stream::table,
        session::table,
    ];
    let mut rules: Vec<Rule> = tables.into_iter().flat_map(|table| table()).collect();
    rules.sort_by_key(|rule| rule.code);
    rules
});

/// Every rule, by code.
pub fn rules() -> &'static [Rule] {
    &RULES
}

/// The rule of a code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    rules().iter().find(|rule| rule.code == code)
}

#[cfg(test)]
pub(crate) mod tests;
