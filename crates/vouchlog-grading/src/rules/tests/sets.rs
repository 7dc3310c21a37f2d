//! What is done to a whole set of records and facts, and which rule that fires.

use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_record::{Record, RecordId};

use super::{COMPLETE, REGULATED, codes, edit, read, testdata};
use crate::facts::{SessionFacts, SetFacts};
use crate::grade::grade_set;
use crate::grade::testing::id;
use crate::rule::Finding;
use crate::terms::Cause;

type Records = Vec<(RecordId, Record)>;

/// A change to a whole set.
pub(crate) struct Case {
    pub(crate) code: &'static str,
    what: &'static str,
    change: fn(&mut Records, &mut SetFacts),
    cause: Cause,
}

fn at(text: &str) -> Timestamp {
    format!("2026-11-18T{text}Z").parse().unwrap()
}

fn record(text: &str, edits: &[(&str, Value)]) -> (RecordId, Record) {
    let mut value = testdata(text);
    edit(&mut value, edits);
    let record = read(value);
    (record.id.clone().unwrap(), record)
}

fn intent(name: &str, start: &str) -> (RecordId, Record) {
    let value = json!({ "kind": "intent", "id": name, "time": { "start": at(start) } });
    (id(name), read(value))
}

fn seal(session: &str, count: u64, ids: &[&str]) -> (RecordId, Record) {
    let name = format!("seal-{session}");
    let value = json!({
        "kind": "session-seal", "id": name, "correlation": { "session": session },
        "session_seal": { "records": count, "ids": ids, "reason": "done" }
    });
    (id(&name), read(value))
}

const FIRST: &str = "9b2d6f0c4e8a4d71a35cf1e08b7d2a64";
const SECOND: &str = "second";

/// Two interactions of one session, their intents and the seal; everything there.
fn whole() -> (Records, SetFacts) {
    let second = record(
        COMPLETE,
        &[
            ("/id", json!(SECOND)),
            ("/correlation/session_sequence", json!(2)),
            ("/correlation/intent", json!("intent-2")),
            ("/correlation/span", json!("a000000000000005")),
            ("/correlation/parent_span", json!("a000000000000004")),
            ("/correlation/response_id", json!("chatcmpl-9y")),
            ("/correlation/idempotency_key", json!("idem-8842")),
        ],
    );
    let records = vec![
        intent("0f5f9c3f0a2b4c6d8e9f101112131415", "09:06:40.100"),
        record(COMPLETE, &[]),
        intent("intent-2", "09:06:50"),
        second,
        seal("sess-01J9", 2, &[FIRST, SECOND]),
        record(REGULATED, &[]),
    ];
    let facts = SetFacts {
        whole: true,
        sessions: vec![SessionFacts { session: "sess-01J9".into(), over: true }],
        now: Some(at("12:00:00")),
        ..SetFacts::default()
    };
    (records, facts)
}

fn replace(records: &mut Records, name: &str, edits: &[(&str, Value)]) {
    let (_, record) = records.iter_mut().find(|(id, _)| id.as_str() == name).unwrap();
    let mut value = Value::Object(record.to_object());
    edit(&mut value, edits);
    *record = read(value);
}

const C: Case = Case { code: "", what: "", change: |_, _| {}, cause: Cause::Missing };

#[rustfmt::skip] // one line each: a table
pub(crate) const CASES: &[Case] = &[
    Case { code: "R03", what: "two people in one session", change: |records, _| replace(records, SECOND, &[("/initiator/sub", json!("u-2"))]), cause: Cause::Wrong },
    Case { code: "R57", what: "begun before its cause", change: |records, _| replace(records, SECOND, &[
        ("/correlation/causes", json!([FIRST])), ("/time/start", json!("2026-11-18T09:06:20Z")),
    ]), cause: Cause::Wrong },
    Case { code: "R65", what: "a session that skips a place", change: |records, _| {
        replace(records, SECOND, &[("/correlation/session_sequence", json!(3))]);
        replace(records, "seal-sess-01J9", &[("/session_seal/records", json!(3))]);
    }, ..C },
    Case { code: "R65", what: "a session that ends before its seal says", change: |records, _| replace(records, "seal-sess-01J9", &[("/session_seal/records", json!(u64::MAX))]), ..C },
    Case { code: "R65", what: "a record without a place", change: |records, _| replace(records, SECOND, &[("/correlation/session_sequence", Value::Null)]), cause: Cause::Unknown },
    Case { code: "R66", what: "no seal", change: |records, _| records.retain(|(id, _)| id.as_str() != "seal-sess-01J9"), ..C },
    Case { code: "R67", what: "a record the seal does not list", change: |records, _| replace(records, "seal-sess-01J9", &[("/session_seal/ids", json!([FIRST]))]), cause: Cause::Wrong },
    Case { code: "R67", what: "a record after the seal", change: |records, _| replace(records, "seal-sess-01J9", &[("/session_seal/records", json!(1))]), cause: Cause::Wrong },
    Case { code: "R68", what: "a parent nobody has", change: |records, _| replace(records, SECOND, &[("/correlation/parent_span", json!("b000000000000001"))]), ..C },
    Case { code: "R69", what: "an intent nothing became of", change: |records, _| records.push(intent("intent-3", "09:07:00")), ..C },
    Case { code: "R69", what: "one at an unknown time", change: |records, _| records.push((id("intent-3"), read(json!({ "kind": "intent" })))), cause: Cause::Unknown },
    Case { code: "R70", what: "an intent that is not there", change: |records, _| records.retain(|(id, _)| id.as_str() != "intent-2"), ..C },
    Case { code: "R71", what: "one attempt told twice", change: |records, _| replace(records, SECOND, &[("/correlation/idempotency_key", json!("idem-8841"))]), cause: Cause::Wrong },
];

fn graded(change: fn(&mut Records, &mut SetFacts)) -> Vec<Finding> {
    let (mut records, mut facts) = whole();
    change(&mut records, &mut facts);
    let records: Vec<_> = records.iter().map(|(id, record)| (id.clone(), record)).collect();
    grade_set(&records, &facts)
}

#[test]
fn a_whole_set_fires_no_rule() {
    assert_eq!(graded(|_, _| {}), []);
}

#[test]
fn each_change_to_the_set_fires_its_rule_and_no_other() {
    for case in CASES {
        let findings = graded(case.change);
        let told: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert_eq!(codes(&findings), [case.code], "{}: {told:#?}", case.what);
        assert_eq!(findings[0].cause, case.cause, "{}: {told:#?}", case.what);
    }
}

/// Adds what another recorder has of the session: records with these numbers, and a seal of so many, if there is one.
fn other_recorder(records: &mut Records, numbers: &[u64], sealed: Option<u64>) {
    let by = |record: &Record, recorder: &str| {
        let mut value = Value::Object(record.to_object());
        value["custody"]["recorder"] = recorder.into();
        value
    };
    for (_, record) in records.iter_mut() {
        *record = read(by(record, "first"));
    }
    let mut names = Vec::new();
    for number in numbers {
        let name = format!("other-{number}");
        let mut value = json!({
            "kind": "interaction", "id": name, "custody": { "recorder": "second" },
            "correlation": { "session": "sess-01J9", "session_sequence": number, "write_ahead": false, "response_id": name },
        });
        value["initiator"] = json!(records[1].1.to_object()["initiator"]);
        records.push((id(&name), read(value)));
        names.push(name);
    }
    if let Some(count) = sealed {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (_, seal) = seal("sess-01J9", count, &names);
        let mut value = by(&seal, "second");
        value["id"] = "other-seal".into();
        records.push((id("other-seal"), read(value)));
    }
}

#[test]
fn numbers_that_two_recorders_gave_are_judged_apart() {
    let session_rules = |change| -> Vec<_> {
        let findings = graded(change);
        codes(&findings).into_iter().filter(|code| ["R65", "R66", "R67"].contains(code)).collect()
    };
    assert_eq!(session_rules(|records, _| other_recorder(records, &[1, 2, 3], Some(3))), [""; 0]);
    assert_eq!(session_rules(|records, _| other_recorder(records, &[1, 3], Some(3))), ["R65"]);
    assert_eq!(session_rules(|records, _| other_recorder(records, &[1, 2], Some(3))), ["R65"]);
    assert_eq!(session_rules(|records, _| other_recorder(records, &[1], None)), ["R66"]);
    assert_eq!(session_rules(|records, _| other_recorder(records, &[1, 2], Some(1))), ["R67"]);
    // One that goes on where the other stopped, as after a change of key, counts with it.
    assert_eq!(
        session_rules(|records, _| {
            other_recorder(records, &[3], Some(3));
            replace(records, "other-seal", &[("/session_seal/ids", json!([FIRST, SECOND, "other-3"]))]);
        }),
        [""; 0]
    );
}

#[test]
fn what_is_not_due_is_no_finding() {
    let young = graded(|records, facts| {
        facts.now = Some(at("09:08:00"));
        records.push(intent("intent-3", "09:07:00"));
    });
    assert_eq!(young, []);
}

/// A cause that is later by no more than the clocks may be off, that is not here, or whose time is not known.
#[test]
fn a_start_before_its_cause_counts_beyond_the_errors_of_both_clocks() {
    let (_, first) = record(COMPLETE, &[]);
    let began = *first.body.time.value().unwrap().start.value().unwrap();
    let with = |earlier_by: i64, error: Value, cause: &str| {
        let start = began - jiff::SignedDuration::from_millis(earlier_by);
        let (mut records, facts) = whole();
        replace(
            &mut records,
            SECOND,
            &[
                ("/correlation/causes", json!([cause])),
                ("/time/start", json!(start)),
                ("/time/clock", json!({ "max_error_ms": error })),
            ],
        );
        replace(&mut records, FIRST, &[("/time/clock", json!({ "max_error_ms": 200 }))]);
        let records: Vec<_> = records.iter().map(|(id, record)| (id.clone(), record)).collect();
        codes(&grade_set(&records, &facts))
    };
    assert_eq!(with(501, json!(300), FIRST), ["R57"]);
    assert_eq!(with(500, json!(300), FIRST), [""; 0]);
    assert_eq!(with(1_201, Value::Null, FIRST), ["R57"], "an unstated error is assumed to be one second");
    assert_eq!(with(1_200, Value::Null, FIRST), [""; 0]);
    assert_eq!(with(60_000, json!(0), "elsewhere"), [""; 0]);
    assert_eq!(with(60_000, json!(u64::MAX), FIRST), [""; 0]);
}

#[test]
fn of_a_part_of_the_records_nothing_is_said_to_be_missing() {
    let part = graded(|records, facts| {
        facts.whole = false;
        records.retain(|(id, _)| !["intent-2", SECOND].contains(&id.as_str()));
    });
    assert_eq!(part, []);
}

#[test]
fn a_seal_of_any_size_costs_nothing() {
    let findings = graded(|records, _| {
        replace(records, "seal-sess-01J9", &[("/session_seal/records", json!(u64::MAX - 1))]);
    });
    assert!(findings[0].message.contains("3 to 18446744073709551614"), "{}", findings[0]);
}

/// What came too late for the first record, told by a record of its own.
fn amendment() -> (RecordId, Record) {
    let value = json!({
        "kind": "interaction", "id": "late",
        "correlation": { "session": "sess-01J9", "amends": FIRST, "idempotency_key": "idem-8841", "intent": "intent-3" }
    });
    (id("late"), read(value))
}

#[test]
fn an_amendment_has_no_number_and_tells_no_attempt_twice() {
    let findings = graded(|records, _| {
        records.push(intent("intent-3", "09:07:00"));
        records.push(amendment());
    });
    assert_eq!(findings, [], "it is also the outcome of the intent it names");
}

#[test]
fn of_several_seals_the_one_that_counts_most_is_in_force() {
    let earlier = graded(|records, _| records.insert(0, seal("sess-01J9", 1, &[FIRST])));
    assert_eq!(earlier, []);
    let beyond = graded(|records, _| {
        replace(records, SECOND, &[("/correlation/session_sequence", json!(3))]);
        records.push((id("another"), seal("sess-01J9", 1, &[FIRST]).1));
    });
    assert_eq!(codes(&beyond), ["R65", "R67"], "{beyond:?}");
}

#[test]
fn an_intent_that_has_a_number_is_one_of_the_session() {
    let findings = graded(|records, _| {
        replace(
            records,
            "intent-2",
            &[("/correlation", json!({ "session": "sess-01J9", "session_sequence": 2 }))],
        );
        replace(records, SECOND, &[("/correlation/session_sequence", json!(3))]);
        replace(records, "seal-sess-01J9", &[("/session_seal", json!({ "records": 3 }))]);
    });
    assert_eq!(findings, []);
}

#[test]
fn a_span_above_that_a_record_describes_is_there() {
    const PARENT: &str = "b000000000000001";
    let with = |name: &'static str, otel: Value| {
        let (mut records, facts) = whole();
        replace(&mut records, SECOND, &[("/correlation/parent_span", json!(PARENT))]);
        replace(&mut records, name, &[("/otel", otel)]);
        let records: Vec<_> = records.iter().map(|(id, record)| (id.clone(), record)).collect();
        codes(&grade_set(&records, &facts))
    };
    let span = json!([{ "name": "invoke_agent Refunds", "span": PARENT }]);
    assert_eq!(with(SECOND, json!({ "above": span })), [""; 0]);
    assert_eq!(with(FIRST, json!({ "parts": span })), [""; 0]);
    for other in [json!({ "above": [{ "span": 1 }, {}] }), json!({ "above": {} }), json!([])] {
        assert_eq!(with(SECOND, other), ["R68"]);
    }
}
