//! Rules about the records of a session beside each other: `vouchlog session` judges them.

use serde_json::{Value, json};

use super::{Codes, Proof, codes, rule};
use crate::evidence::world::{World, exchange, record_of};

/// What is done to the records of a whole session: two turns and their seal.
type Change = fn(&str, &mut Vec<Value>);

/// A rule, what breaks it, and what is like that and harmless.
const CASES: [(&str, Change, Change); 8] = [
    (
        "R03",
        |_, records| records[1]["initiator"]["sub"] = "u-2".into(),
        |_, records| records[1]["initiator"]["roles"] = json!(["support-l3"]),
    ),
    (
        "R57",
        |_, records| caused(records, "2026-11-18T09:05:40Z"),
        // Within what the clocks may be off.
        |_, records| caused(records, "2026-11-18T09:06:40.090Z"),
    ),
    ("R65", |_, records| number(records, 3), |_, records| number(records, 2)),
    (
        "R66",
        |_, records| records.truncate(2),
        // A session that goes on needs no seal yet.
        |_, records| {
            records.truncate(2);
            records[1]["time"] = json!({ "start": "2999-01-01T00:00:00Z" });
        },
    ),
    (
        "R67",
        |_, records| records[2]["session_seal"]["records"] = 1.into(),
        |_, records| records[2]["session_seal"]["records"] = 2.into(),
    ),
    (
        "R68",
        |_, records| records[1]["correlation"]["parent_span"] = "b000000000000001".into(),
        |_, records| records[1]["correlation"]["parent_span"] = "a000000000000001".into(),
    ),
    (
        "R69",
        |session, records| records.push(intent(session)),
        |session, records| {
            let intent = intent(session);
            records[1]["correlation"]["intent"] = intent["id"].clone();
            records.push(intent);
        },
    ),
    (
        "R71",
        |_, records| repeated(records, 1),
        // A retry is another attempt.
        |_, records| repeated(records, 2),
    ),
];

/// The second turn is caused by the first, and began then.
fn caused(records: &mut [Value], start: &str) {
    records[1]["correlation"]["causes"] = json!([records[0]["id"]]);
    records[1]["time"]["start"] = start.into();
}

fn number(records: &mut [Value], place: u64) {
    records[1]["correlation"]["session_sequence"] = place.into();
    records[2]["session_seal"]["records"] = place.into();
}

fn repeated(records: &mut [Value], attempt: u64) {
    records[1]["correlation"]["idempotency_key"] = records[0]["correlation"]["idempotency_key"].clone();
    records[1]["correlation"]["attempt"] = attempt.into();
}

fn intent(session: &str) -> Value {
    json!({
        "kind": "intent", "id": format!("{session}-intent"), "time": { "start": "2026-11-18T09:06:30Z" },
        "correlation": { "session": session }, "session": { "$": "not_applicable" },
        "initiator": { "kind": "service", "sub": "support-desk" },
    })
}

fn whole(session: &str) -> Vec<Value> {
    let turn = |(turn, name): (u64, &str)| {
        let mut record = record_of(&format!("{session}-{turn}"), &exchange(name));
        record["correlation"]["session"] = session.into();
        record["correlation"]["session_sequence"] = turn.into();
        record["correlation"]["idempotency_key"] = format!("{session}-key-{turn}").into();
        record["correlation"]["span"] = format!("a00000000000000{turn}").into();
        record
    };
    let mut records: Vec<Value> = [(1, "tool-call"), (2, "tool-result")].map(turn).into();
    records.push(json!({
        "kind": "session-seal", "id": format!("{session}-seal"), "time": { "start": "2026-11-18T09:20:00Z" },
        "correlation": { "session": session }, "session_seal": { "records": 2, "reason": "done" },
    }));
    records
}

/// The rules of sessions that the program finds broken.
fn found(world: &World, session: &str) -> Codes {
    let (_, said) = world.ask(&["session", session]);
    let records = said["records"].as_array().unwrap().iter().map(|record| &record["findings"]);
    let all = records.chain([&said["summary"]["findings"]]).flat_map(codes);
    all.filter(|code| CASES.iter().any(|(rule, ..)| rule == code)).collect()
}

pub(super) fn proofs(world: &World) -> Vec<Proof> {
    let mut records = Vec::new();
    for (rule, wrong, right) in CASES {
        for (side, change) in [("fires", wrong), ("spares", right)] {
            let session = format!("{rule}-{side}");
            let mut its = whole(&session);
            change(&session, &mut its);
            records.extend(its);
        }
    }
    world.record(&Value::Array(records));
    let proof = |(code, ..): &(&str, Change, Change)| {
        let [fires, spares] = ["fires", "spares"].map(|side| found(world, &format!("{code}-{side}")));
        Proof { rule: rule(code), fires, spares }
    };
    let proofs: Vec<Proof> = CASES.iter().map(proof).collect();
    for Proof { rule, fires, spares } in &proofs {
        assert_eq!((fires, spares), (&Codes::from([(*rule).to_owned()]), &Codes::new()), "{rule}");
    }
    proofs
}
