//! R80: what a gateway claimed of a record in public, against what was disclosed of it.

use vouchlog_record::{Profile, Record};
use vouchlog_stream::Evidence;

use super::bitmap::{ATTRIBUTABLE, COMPLETE, GROUPS, PROFILE, SAMPLED, profile_bits};
use super::verdicts::{AUTHORIZED_RULES, EXECUTOR_RULES};
use super::{Grade, grade};
use crate::context::Context;
use crate::rule::{Finding, Reporter};
use crate::rules::rule;
use crate::terms::{Cause, Severity};
use crate::validity::{self, Answer};

/// How much of a record was disclosed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DisclosureExtent {
    /// All of it: what is absent is missing.
    Whole,
    /// Perhaps not all of it: only what is there, and is wrong, counts against a claim.
    Partial,
}

/// Where the public bitmap of an entry claims more than was disclosed.
///
/// A claim is of its day. What became known later, such as a revocation, is not held against it: of `context` only parameters
/// count. Erased data counts against no record. A bitmap of zero claims nothing.
pub fn contradictions(
    claimed: Evidence,
    disclosed: &Record,
    extent: DisclosureExtent,
    context: &Context,
) -> Vec<Finding> {
    let whole = extent == DisclosureExtent::Whole;
    let mut findings = Vec::new();
    let Some(rule) = rule("R80").filter(|_| claimed != Evidence::NONE) else { return findings };
    let graded = grade(disclosed, &context.of_its_day());
    let mut report = Reporter::new(rule, disclosed.profile(), disclosed.id.as_ref(), &mut findings);
    let claims = |bits: u32| claimed.bits() & bits != 0;
    if whole {
        let lacking = claimed.bits() & !graded.evidence.bits();
        for (bit, name) in
            Evidence::NAMES.into_iter().take(GROUPS).filter(|(bit, _)| lacking & (1 << bit) != 0)
        {
            // A place that was emptied since may have held it.
            if !is_withheld(disclosed, bit as usize) {
                report.missing(
                    [format!("evidence bit {bit}")],
                    format!("claims {name}, but the record has none"),
                );
            }
        }
    }
    if !claims(SAMPLED) && graded.evidence.bits() & SAMPLED != 0 {
        report.wrong(["/custody"], "claims a source that omits nothing, but the record states otherwise");
    }
    let profile = disclosed.profile.or(whole.then_some(Profile::Privileged));
    if claims(PROFILE) && profile.is_some_and(|profile| claimed.bits() & PROFILE != profile_bits(profile)) {
        report.wrong(["/profile"], "claims a profile other than the one in the record");
    }
    if claimed.claims_valid_credential() {
        against(
            &graded,
            extent,
            &validity::VALIDITY_RULES,
            "a credential that was valid at the moment",
            &mut report,
        );
    }
    if claims(ATTRIBUTABLE) {
        against(
            &graded,
            extent,
            &[AUTHORIZED_RULES, EXECUTOR_RULES, &validity::VALIDITY_RULES].concat(),
            "to be attributable",
            &mut report,
        );
    }
    if claims(COMPLETE) {
        let errors = graded.findings.iter().filter(|finding| finding.severity >= Severity::Error);
        let mut codes: Vec<_> = errors.map(|finding| finding.rule.code).collect();
        codes.extend(validity::VALIDITY_RULES);
        let told = against(&graded, extent, &codes, "to be complete", &mut report);
        if !told && whole && graded.verdicts.complete == Answer::No {
            report.missing(["/"], "claims to be complete, but is not");
        }
    }
    findings
}

/// Says which findings speak against a claim, if any does.
fn against(
    graded: &Grade,
    extent: DisclosureExtent,
    codes: &[&str],
    claim: &str,
    report: &mut Reporter<'_>,
) -> bool {
    let speaks = |finding: &&Finding| {
        codes.contains(&finding.rule.code)
            && (finding.cause == Cause::Wrong
                || extent == DisclosureExtent::Whole && finding.cause == Cause::Missing)
    };
    let findings: Vec<_> = graded.findings.iter().filter(speaks).collect();
    let Some(first) = findings.first() else { return false };
    let mut reasons: Vec<_> = findings.iter().map(|finding| finding.rule.code).collect();
    reasons.dedup();
    let at = findings.iter().flat_map(|finding| finding.at.iter().cloned());
    report.wrong(at, format!("claims {claim}, against {}: {}", reasons.join(", "), first.message));
    true
}

/// Whether what a group bit speaks of was redacted or erased, somewhere in its group.
fn is_withheld(record: &Record, bit: usize) -> bool {
    const PLACES: [&str; GROUPS] = [
        "initiator",
        "session",
        "device",
        "workload",
        "credential",
        "credential",
        "grant",
        "approval",
        "policy",
        "policy",
        "data",
        "model",
        "input",
        "output",
        "tools",
        "tools",
        "outcome",
    ];
    fn holds_mark(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::Object(object) => {
                matches!(object.get("$").and_then(|mark| mark.as_str()), Some("redacted" | "erased"))
                    || object.values().any(holds_mark)
            }
            serde_json::Value::Array(list) => list.iter().any(holds_mark),
            _ => false,
        }
    }
    let object = record.to_object();
    let also = match PLACES[bit] {
        "approval" => Some("override"),
        "credential" => Some("credentials"),
        _ => None,
    };
    [Some(PLACES[bit]), also].into_iter().flatten().any(|place| object.get(place).is_some_and(holds_mark))
}
