//! What a rule found in the records of one service.

use serde::Serialize;
use vouchlog_grading::{Cause, Finding, Rule, Severity};

/// What a rule found, in how many records.
#[derive(Clone, Debug, Serialize)]
pub struct Missing {
    #[serde(flatten)]
    /// The rule.
    pub rule: &'static Rule,
    /// The worst that it was in one of them.
    #[serde(rename = "worst")]
    pub severity: Severity,
    /// The finding in the first record that was as bad, as an example.
    pub told: String,
    /// Records in which it found something.
    pub records: u64,
    /// In how many of them it was critical.
    pub critical: u64,
    /// In how many of them a recorded value is wrong, and none is missing: no line to add mends that.
    pub wrong: u64,
}

impl Missing {
    /// Of no record yet.
    pub(super) fn of(finding: &Finding) -> Self {
        let Finding { rule, severity, cause, message, .. } = finding;
        // A message names the one record's own values where something is wrong with them.
        let told = if *cause == Cause::Wrong { rule.says.to_owned() } else { message.clone() };
        Self { rule, severity: *severity, told, records: 0, critical: 0, wrong: 0 }
    }
}
