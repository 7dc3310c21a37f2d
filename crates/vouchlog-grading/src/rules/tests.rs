//! Each rule fires on what it is for, alone, and no rule is without such a case.

use serde_json::{Value, json};
use vouchlog_record::Record;
use vouchlog_stream::Evidence;

use super::*;
use crate::context::Context;
use crate::grade::testing::{COMPLETE, LOW_RISK, REGULATED, context, read, testdata};
use crate::grade::{DisclosureExtent, contradictions, grade};
use crate::rule::{CHANGES, Finding};
use crate::terms::Severity;

mod identities;
mod mutations;
mod sets;

pub(crate) use mutations::{MUTATIONS, Mutation};

/// Rules with another judge: a record is refused before it can be graded (R48), the vault (R50), the auditor (R60 to R64, R74, R75), a
/// provider's list (R77), the check of canaries (R79), and a claim, which is no part of a record (R80).
const CHECKED_ELSEWHERE: [&str; 12] =
    ["R48", "R50", "R60", "R61", "R62", "R63", "R64", "R74", "R75", "R77", "R79", "R80"];

/// Codes of what fired, each once.
fn codes(findings: &[Finding]) -> Vec<&'static str> {
    let mut codes: Vec<_> = findings.iter().map(|finding| finding.rule.code).collect();
    codes.dedup();
    codes
}

/// Puts values in their places; null takes away.
pub(crate) fn edit(value: &mut Value, edits: &[(&str, Value)]) {
    for (pointer, new) in edits {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = value.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no such place"));
        match (parent, new) {
            (Value::Object(object), Value::Null) => {
                assert!(object.remove(name).is_some(), "{pointer}: nothing to take away");
            }
            (Value::Object(object), new) => {
                object.insert(name.to_owned(), new.clone());
            }
            (Value::Array(list), Value::Null) => {
                list.remove(name.parse().unwrap());
            }
            (Value::Array(list), new) if name == "-" => list.push(new.clone()),
            (Value::Array(list), new) => list[name.parse::<usize>().unwrap()] = new.clone(),
            _ => panic!("{pointer}: no place for a value"),
        }
    }
}

impl Mutation {
    pub(crate) fn record(&self) -> Record {
        let mut value = testdata(self.of);
        edit(&mut value, &(self.edits)());
        read(value)
    }

    pub(crate) fn context(&self) -> Context {
        (self.knowing)(context())
    }
}

#[test]
fn complete_records_fire_no_rule() {
    for name in [COMPLETE, REGULATED, LOW_RISK] {
        let graded = grade(&read(testdata(name)), &context());
        let findings: Vec<_> = graded.findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "{name}: {findings:#?}");
        assert_eq!(graded.verdicts.complete, crate::validity::Answer::Yes, "{name}: {}", graded.verdicts);
    }
}

#[test]
fn each_mutation_fires_its_rule_and_no_other() {
    for mutation in MUTATIONS {
        let graded = grade(&mutation.record(), &mutation.context());
        let findings: Vec<_> = graded.findings.iter().map(ToString::to_string).collect();
        let mut expected = vec![mutation.code];
        expected.extend(mutation.also.iter().map(|(code, _)| *code));
        expected.sort_unstable();
        assert_eq!(codes(&graded.findings), expected, "{}: {findings:#?}", mutation.what);
        let its = graded.findings.iter().find(|finding| finding.rule.code == mutation.code).unwrap();
        assert_eq!(its.cause, mutation.cause, "{}: {its}", mutation.what);
        if its.cause == Cause::Unknown {
            assert_eq!(its.severity, Severity::Indeterminate, "{}", mutation.what);
        }
    }
}

#[test]
fn every_rule_has_a_case() {
    for rule in rules() {
        let here = MUTATIONS.iter().any(|mutation| mutation.code == rule.code);
        let of_sets = sets::CASES.iter().any(|case| case.code == rule.code);
        let elsewhere = CHECKED_ELSEWHERE.contains(&rule.code);
        assert!(here || of_sets || elsewhere, "{rule:?} never fires");
        assert_eq!(rule.is_checked_elsewhere(), elsewhere, "{rule:?}");
        assert_eq!(rule.set.is_some(), of_sets, "{rule:?} has a check of sets or a case, not both");
        assert_eq!(rule.record.is_some(), here, "{rule:?} has a check of records or a case, not both");
    }
}

#[test]
fn rules_are_well_formed_and_found_by_their_code() {
    for rule in rules() {
        assert_eq!(super::rule(rule.code), Some(rule));
        assert!(rule.code.starts_with('R') && !rule.says.is_empty() && !rule.remedy.is_empty(), "{rule:?}");
        assert!(rule.name.bytes().all(|c| c.is_ascii_uppercase() || c == b'_'), "{rule:?}");
        assert!(!rule.serves.is_empty(), "{rule:?}");
        assert!(!rule.says.ends_with('.'), "{rule:?}");
        let json = serde_json::to_value(rule).unwrap();
        assert_eq!(json["code"], rule.code);
    }
    let mut names: Vec<_> = rules().iter().map(|rule| rule.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), rules().len(), "each name once");
    assert_eq!(super::rule("R00"), None);
}

#[test]
fn r48_an_unsalted_digest_is_refused_when_a_record_is_read() {
    let bare = format!("sha256:{}", "ab".repeat(32));
    for pointer in ["/input/commitment", "/tools/0/arguments_digest", "/policy/2/input_digest"] {
        let mut value = testdata(COMPLETE);
        edit(&mut value, &[(pointer, json!(bare))]);
        let refusal = Record::from_value(value).unwrap_err().to_string();
        assert!(refusal.contains("unsalted"), "{pointer}: {refusal}");
    }
}

#[test]
fn r80_fires_on_a_false_claim_and_not_on_a_true_one() {
    let record = read(testdata(COMPLETE));
    let claimed = grade(&record, &context()).evidence;
    assert_eq!(contradictions(claimed, &record, DisclosureExtent::Whole, &context()), []);
    let mut value = testdata(COMPLETE);
    edit(&mut value, &[("/workload/shared", json!(true))]);
    let found = contradictions(claimed, &read(value), DisclosureExtent::Whole, &context());
    assert_eq!(codes(&found), ["R80"]);
    assert_eq!(contradictions(Evidence::NONE, &record, DisclosureExtent::Whole, &context()), []);
}

#[test]
fn the_page_on_evidence_has_every_rule() {
    let page = include_str!("../../../../docs/evidence.md");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| `R")).collect();
    let expected: Vec<_> = rules()
        .iter()
        .map(|rule| {
            let serves: Vec<_> = rule.serves.iter().map(|serves| serves.name()).collect();
            format!(
                "| `{}` | {} | {} | {} | {} | {} |",
                rule.code,
                rule.name,
                rule.severity,
                rule.says,
                rule.remedy,
                serves.join(", ")
            )
        })
        .collect();
    for (row, expected) in rows.iter().zip(&expected) {
        assert_eq!(row, expected);
    }
    assert_eq!(rows.len(), expected.len(), "the table should read:\n{}", expected.join("\n"));
}

fn remedy(code: &str, cause: Cause) -> &'static str {
    let rule = rule(code).unwrap();
    let (record, at, message) = (None, Vec::new(), String::new());
    Finding { rule, severity: Severity::Error, cause, record, at, message }.remedy()
}

#[test]
fn pages_state_the_number_of_rules() {
    let number = rules().len();
    for (page, words) in [
        (include_str!("../../../../README.md"), format!("{number} rules judge records")),
        (include_str!("../../../../docs/README.md"), format!("the {number} rules")),
        (include_str!("../../../../CHANGELOG.md"), format!("{number} rules judge records")),
    ] {
        assert!(page.contains(&words), "a page should read “{words}”");
        // Wherever else it stands, too.
        for (at, _) in page.match_indices(" rules") {
            let before = page[..at].rsplit(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
            assert!(
                before.is_empty() || before == number.to_string(),
                "a page says “{before} rules”, and there are {number}"
            );
        }
    }
}

#[test]
fn what_another_judge_found_has_its_rule_and_its_severity() {
    let gap = super::rule("R60").unwrap();
    let found = Finding::reported(gap, Severity::Error, "stream 7", "statement 3 is missing");
    assert_eq!(found.to_string(), "R60 STREAM_GAP (error): statement 3 is missing [stream 7]");
    assert!(found.concerns_completeness());
    let key = Finding::reported(super::rule("R76").unwrap(), Severity::Error, "stream 7", "a revoked key");
    assert!(!key.concerns_completeness());
}

#[test]
fn a_wrong_value_is_never_mended_in_the_record() {
    for rule in rules() {
        let wrong = remedy(rule.code, Cause::Wrong);
        assert!(!wrong.contains("record `") && !wrong.contains("say `"), "{}: {wrong}", rule.code);
        assert_eq!(remedy(rule.code, Cause::Missing), rule.remedy);
    }
    assert_eq!(remedy("R03", Cause::Wrong), "give each person a session of their own");
    assert!(remedy("R03", Cause::Missing).contains("`session.shared: false`"));
    let denied = rule("R26").unwrap();
    let found = Finding {
        rule: denied,
        severity: Severity::Critical,
        cause: Cause::Missing,
        record: None,
        at: Vec::new(),
        message: String::new(),
    };
    assert!(!found.remedy().contains("record `"), "{}", found.remedy());
}

#[test]
fn every_rule_with_a_change_exists_once() {
    for (place, (code, _)) in CHANGES.iter().enumerate() {
        assert!(rule(code).is_some(), "{code}");
        assert!(!CHANGES[..place].iter().any(|(other, _)| other == code), "{code}");
    }
}
