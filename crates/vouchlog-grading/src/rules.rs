//! Every completeness rule as data: code, severity, what it serves, what is wrong and how to mend it, and the check.
//!
//! Three things can make a rule fire ([`Cause`]): a value is wrong, a value is missing, or it is undetermined. A value that is
//! missing never passes. What was withheld (redacted, erased) is never taken for missing.

use std::sync::LazyLock;

use crate::case::Case;
use crate::rule::{Finding, Reporter, Rule};
use crate::terms::Cause;

mod agents;
mod approval;
mod content;
mod credential;
mod custody;
mod delegation;
mod determining;
mod identity;
mod models;
mod overrides;
mod policy;
mod possession;
mod proposals;
mod scopes;
mod session;
mod stream;
mod tools;

/// Version of the rules. A statement names the version it was graded with, so that a claim is judged by the rules of its day.
pub const RULES_VERSION: &str = "vouchlog/v1 rules 3";

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

/// What the chosen rules find in a record. What an amendment does not say, the record that it completes may: nothing is missing
/// from it.
pub(crate) fn findings_by(case: &Case<'_>, chosen: impl Fn(&Rule) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules().iter().filter(|rule| chosen(rule)) {
        let mut report = Reporter::new(rule, case.record.profile(), case.record.id.as_ref(), &mut findings);
        rule.check_record(case, &mut report);
    }
    if case.record.is_amendment() {
        findings.retain(|finding| finding.cause == Cause::Wrong);
    }
    findings
}

#[cfg(test)]
pub(crate) mod tests;
