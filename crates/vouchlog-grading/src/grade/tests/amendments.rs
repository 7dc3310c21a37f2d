//! A record that completes another is asked only whether what it says is wrong.

use super::*;

/// A tool's run that came too late for the record of its call.
fn late(edits: &[(&str, Value)]) -> Record {
    let mut value = json!({
        "kind": "interaction",
        "correlation": { "session": "sess-01J9", "amends": "r-1" },
        "time": { "start": "2026-11-18T09:06:42Z", "end": "2026-11-18T09:06:43Z", "received": "2026-11-18T09:06:44Z" },
        "tools": [{ "call_id": "call_A1", "name": "refund", "status": "executed" }],
        "custody": { "recorder": "gw-eu1#3", "sampled": false }
    });
    edit(&mut value, edits);
    read(value)
}

#[test]
fn what_it_does_not_say_is_not_asked_of_it() {
    let graded = grade(&late(&[]), &context());
    assert_eq!(graded.findings, []);
    assert!(graded.verdicts.answers().iter().all(|(_, answer)| *answer == Answer::Indeterminate));
    assert!(!graded.verdicts.operational_log_only && !graded.verdicts.transcript_only);
    // Tool calls; neither a profile nor a verdict.
    assert_eq!(graded.evidence.names(), ["tool calls"]);
}

#[test]
fn what_it_says_may_be_wrong() {
    for (edits, code) in [
        (("/time/end", json!("2026-11-18T09:06:41Z")), "R58"),
        (("/custody/sampled", json!(true)), "R72"),
        (("/custody/recorder", json!("nobody#1")), "R76"),
    ] {
        let graded = grade(&late(&[edits]), &context());
        let fired: Vec<_> = graded.findings.iter().map(|finding| finding.rule.code).collect();
        assert_eq!(fired, [code]);
    }
}

#[test]
fn a_whole_record_that_amends_claims_nothing_more_than_its_groups() {
    let whole = graded(&[]);
    let amending = graded(&[("/correlation/amends", json!("r-1"))]);
    assert_eq!(whole.verdicts.complete, Answer::Yes);
    assert_eq!(amending.verdicts.complete, Answer::Indeterminate);
    assert_eq!(amending.evidence.bits(), whole.evidence.bits() & 0x1f_ffff);
}
