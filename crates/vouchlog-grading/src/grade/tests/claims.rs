//! Claims against disclosures.

use super::*;

fn told(claimed: Evidence, record: &Record, extent: DisclosureExtent) -> Vec<String> {
    let findings = contradictions(claimed, record, extent, &context());
    assert!(
        findings.iter().all(|finding| finding.rule.code == "R80" && finding.severity == Severity::Critical)
    );
    findings.into_iter().map(|finding| finding.message).collect()
}

fn claimed() -> Evidence {
    graded(&[]).evidence
}

#[test]
fn what_is_claimed_and_not_there_is_a_false_claim_once_nothing_is_undisclosed() {
    let record = edited(&[("/device", Value::Null)]);
    assert_eq!(
        told(claimed(), &record, DisclosureExtent::Whole),
        [
            "claims device, but the record has none",
            "claims to be complete, against R04: the person's device is not recorded"
        ]
    );
    assert_eq!(
        told(claimed(), &record, DisclosureExtent::Partial),
        Vec::<String>::new(),
        "it may be among what was not disclosed"
    );
}

#[test]
fn what_is_there_and_wrong_speaks_against_a_claim_in_any_part() {
    let part = read(json!({
        "kind": "interaction", "workload": { "shared": true }, "credential": { "exp": "2026-11-18T09:00:00Z" },
        "time": { "start": "2026-11-18T09:06:40Z" }, "custody": { "sampled": true }, "profile": "low_risk"
    }));
    let messages = told(claimed(), &part, DisclosureExtent::Partial);
    for expected in [
        "claims a source that omits nothing",
        "claims a profile other than",
        "claims a credential that was valid",
        "claims to be attributable",
        "claims to be complete",
    ] {
        assert!(messages.iter().any(|message| message.starts_with(expected)), "{expected}: {messages:?}");
    }
    let honest = Evidence::new(claimed().bits() & 0x001f_ffff | 1 << 20 | 1 << 22).unwrap();
    assert_eq!(told(honest, &part, DisclosureExtent::Partial), Vec::<String>::new());
}

#[test]
fn a_claim_is_of_its_day() {
    let record = edited(&[]);
    let credential = record.body.credential.value().unwrap().id.value().unwrap().clone();
    let later = context().revoked(&credential, "2026-11-18T09:00:00Z".parse().unwrap());
    assert_eq!(grade(&record, &later).validity.answer, Answer::No);
    assert_eq!(contradictions(claimed(), &record, DisclosureExtent::Whole, &later), []);
}

#[test]
fn what_was_erased_or_redacted_contradicts_nothing() {
    let value = testdata(COMPLETE);
    for pointer in super::properties::members(&value) {
        for mark in ["erased", "redacted"] {
            let mut value = value.clone();
            edit(&mut value, &[(pointer.as_str(), json!({ "$": mark }))]);
            let Ok(parsed) = Record::from_value(value) else { continue };
            assert_eq!(
                told(claimed(), &parsed.record, DisclosureExtent::Whole),
                Vec::<String>::new(),
                "{pointer} {mark}"
            );
        }
    }
}

#[test]
fn a_modest_claim_is_no_lie() {
    let modest = Evidence::new(1).unwrap();
    assert_eq!(told(modest, &edited(&[]), DisclosureExtent::Whole), Vec::<String>::new());
}
