//! Counts of heartbeats, against places in streams.

use serde_json::json;
use vouchlog_stream::Evidence;

use super::*;

fn id(n: u64) -> RecordId {
    let mut name = [0; 16];
    name[8..].copy_from_slice(&n.to_be_bytes());
    RecordId::from_random(name)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_300_000 + second).unwrap()
}

/// A heartbeat at a place of stream 7.
fn beat(heartbeats: &mut Heartbeats, sequence: u64, number: u64, second: i64, counts: &serde_json::Value) {
    let record = json!({
        "kind": "heartbeat", "custody": { "recorder": "gw" },
        "heartbeat": { "number": number, "to": at(second), "counts": counts }
    });
    let record = Record::from_value(record).unwrap().record;
    let (evidence, place) = (Evidence::NONE, Some((7, sequence)));
    let row = RowFacts { id: id(sequence), evidence, started_at: 0, kept_at: 0, amends: false, place };
    heartbeats.take(&row, &record);
    heartbeats.places.insert((7, sequence), StatementKind::Heartbeat);
}

/// Two heartbeats with three interactions between them, which the second counts as `interactions`.
fn pair(interactions: u64) -> Heartbeats {
    let mut heartbeats = Heartbeats::default();
    for sequence in [3, 4, 5] {
        heartbeats.places.insert((7, sequence), StatementKind::Interaction);
    }
    // In any order: rows come newest first.
    beat(&mut heartbeats, 6, 2, 60, &json!({ "heartbeat": 1, "interaction": interactions }));
    beat(&mut heartbeats, 2, 1, 30, &json!({ "configuration": 2 }));
    heartbeats
}

#[test]
fn counts_are_those_of_the_places_between() {
    let pulse = pair(3).judge(at(70));
    assert_eq!((pulse.heartbeats, pulse.agreeing, pulse.unchecked), (2, 1, 0));
    assert_eq!(pulse.disagreeing, []);
    assert_eq!(pulse.critical().count(), 0);
}

#[test]
fn another_count_is_critical_and_told() {
    let pulse = pair(4).judge(at(70));
    assert_eq!((pulse.agreeing, pulse.disagreeing.len()), (0, 1));
    let told: Vec<String> = pulse.critical().collect();
    let expected =
        "counts 1 heartbeat, 4 interaction; its places in stream 7 have 1 heartbeat, 3 interaction (R64)";
    assert!(told[0].ends_with(expected), "{told:?}");
}

#[test]
fn a_record_that_is_gone_from_the_vault_is_missed() {
    let mut heartbeats = pair(3);
    heartbeats.places.remove(&(7, 4));
    assert_eq!(heartbeats.judge(at(70)).disagreeing.len(), 1);
}

#[test]
fn nothing_is_compared_across_a_start_a_gap_or_what_is_not_logged() {
    // A process that began anew counts from 1.
    let mut heartbeats = pair(3);
    beat(&mut heartbeats, 9, 1, 90, &json!({ "interaction": 9 }));
    let pulse = heartbeats.judge(at(100));
    assert_eq!((pulse.agreeing, pulse.disagreeing.len(), pulse.unchecked), (1, 0, 0));
    // One between them is not here.
    let mut heartbeats = pair(3);
    beat(&mut heartbeats, 12, 4, 120, &json!({ "interaction": 9 }));
    let pulse = heartbeats.judge(at(130));
    assert_eq!((pulse.agreeing, pulse.disagreeing.len(), pulse.unchecked), (1, 0, 1));
    let mut heartbeats = pair(4);
    heartbeats.beats[0].place = None;
    let pulse = heartbeats.judge(at(70));
    assert_eq!((pulse.agreeing, pulse.disagreeing.len(), pulse.unchecked), (0, 0, 1));
}

#[test]
fn the_longest_silence_reaches_until_now() {
    assert_eq!(pair(3).judge(at(70)).longest_silence.map(|silence| silence.seconds), Some(30));
    let silence = pair(3).judge(at(260)).longest_silence.unwrap();
    assert_eq!(silence, Silence { seconds: 200, from: at(60), recorder: "gw".into() });
    assert_eq!(Heartbeats::default().judge(at(0)).longest_silence, None);
}

#[test]
fn of_each_door_the_last_time_counts() {
    let mut heartbeats = Heartbeats::default();
    for (number, doors) in [
        (
            1,
            json!([{ "door": "traces", "last": at(5).to_string() }, { "door": "opa", "last": at(4).to_string() }]),
        ),
        (2, json!([{ "door": "traces", "last": at(50).to_string() }])),
        (3, json!([])),
    ] {
        let record = json!({ "kind": "heartbeat", "heartbeat": { "number": number, "doors": doors } });
        let id = RecordId::from_random([number; 16]);
        let row = RowFacts {
            id,
            evidence: vouchlog_stream::Evidence::default(),
            started_at: 0,
            kept_at: 0,
            amends: false,
            place: None,
        };
        heartbeats.take(&row, &Record::from_value(record).unwrap().record);
    }
    let doors = heartbeats.judge(at(70)).doors;
    assert_eq!(doors, BTreeMap::from([("opa".to_owned(), at(4)), ("traces".to_owned(), at(50))]));
}
