//! What is stored of done traces, by this version and the one before it.

use serde::Serialize;

use super::*;

/// Keys as version 1 stored them.
#[derive(Serialize)]
enum OldKey {
    Span(String, String),
    Event([u8; 16]),
    Call(String, String),
    Answer(String),
}

/// And values.
#[derive(Serialize)]
struct OldValue {
    digest: Option<[u8; 16]>,
    record: Option<RecordId>,
    times: Option<(u64, u64)>,
    number: u64,
}

fn old(key: &OldKey, digest: Option<[u8; 16]>, number: u64) -> (Vec<u8>, Vec<u8>) {
    let record = Some(RecordId::new("first").unwrap());
    let value = OldValue { digest, record, times: None, number };
    (postcard::to_stdvec(key).unwrap(), postcard::to_stdvec(&value).unwrap())
}

fn call(user: &str) -> Item {
    chat((1, 1, 0), (0, 10), json!({ "user.id": user, "gen_ai.response.id": "r1" }))
}

fn event() -> Item {
    events(&[("gen_ai.choice", 2, json!({ "gen_ai.system": "anthropic" }))]).remove(0)
}

#[test]
fn what_the_first_version_stored_is_recognised_and_contradicts_nothing() {
    let trace = "01".repeat(16);
    let digest = naming()(format!("part {:?}", event()).as_bytes());
    let kept = vec![
        old(&OldKey::Span(trace.clone(), "01".repeat(8)), Some([9; 16]), 0),
        old(&OldKey::Event(digest), None, 1),
        old(&OldKey::Call(trace.clone(), "c1".into()), None, 2),
        old(&OldKey::Answer("r1".into()), None, 3),
        old(&OldKey::Span(trace.clone(), "02".repeat(8)), None, 4),
    ];
    let mut assembler = Assembler::new(Config::default(), naming());
    assert_eq!(assembler.restore(kept), 0);
    // The old digests do not show whether it is the same, so it is not called a contradiction.
    for item in [call("ann"), call("eve"), event()] {
        assert_eq!(assembler.feed(vec![item], &Delivery::at(at(0))), Out::default());
    }
    assert_eq!(assembler.waiting(), (0, 0));
    // The span of an event that came first, and a run of a tool that was asked for then.
    let late = [
        chat((1, 2, 0), (0, 10), json!({})),
        span(
            "app",
            (1, 3, 0),
            "t",
            (11, 12),
            json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.id": "c1" }),
        ),
    ];
    for (place, item) in late.into_iter().enumerate() {
        let now = 100 * (1 + i64::try_from(place).unwrap());
        assembler.feed(vec![item], &Delivery::at(at(now)));
        let record = json(&assembler.tick(at(now + 61)).records.remove(0));
        assert_eq!(record["correlation"]["amends"], "first");
    }
}

#[test]
fn what_this_version_stores_is_told_apart_after_a_restart() {
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(vec![call("ann"), event()], &Delivery::at(at(0)));
    let first = assembler.tick(at(61)).records;
    assert_eq!(first.len(), 2);
    let kept: Vec<_> = assembler.changes().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    let mut assembler = Assembler::new(Config::default(), naming());
    assert_eq!(assembler.restore(kept.clone()), 0);
    assert_eq!(assembler.feed(vec![call("ann"), event()], &Delivery::at(at(70))), Out::default());
    assert_eq!(assembler.feed(vec![call("eve")], &Delivery::at(at(70))).conflicts.len(), 1);
    // Digests of an encoding to come are not compared either.
    let newer = kept.into_iter().map(|(key, mut value)| {
        // Format, account, encoding.
        if value[..3] == [2, 3, 2] {
            value[2] = 3;
        }
        (key, value)
    });
    let mut assembler = Assembler::new(Config::default(), naming());
    assert_eq!(assembler.restore(newer), 0);
    assert_eq!(assembler.feed(vec![call("eve")], &Delivery::at(at(70))), Out::default());
}

#[test]
fn what_cannot_be_read_is_counted() {
    let key = postcard::to_stdvec(&OldKey::Answer("r".into())).unwrap();
    for value in [vec![], vec![3, 0, 0, 0, 0], vec![2], vec![2, 9], vec![1, 7]] {
        let mut assembler = Assembler::new(Config::default(), naming());
        assert_eq!(assembler.restore([(key.clone(), value.clone())]), 1, "{value:?}");
    }
}
