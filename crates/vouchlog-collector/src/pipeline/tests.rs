//! The time in the journal, while somebody sets the clock.

use std::sync::atomic::{AtomicI64, Ordering};

use tempfile::TempDir;

use super::*;
use crate::journal;
use crate::testsupport::at;

/// Each look at this clock finds it an hour earlier.
fn backwards() -> Timestamp {
    static SECOND: AtomicI64 = AtomicI64::new(0);
    at(SECOND.fetch_sub(3_600, Ordering::Relaxed))
}

/// And at this one a day later.
fn ahead() -> Timestamp {
    static SECOND: AtomicI64 = AtomicI64::new(0);
    at(SECOND.fetch_add(86_400, Ordering::Relaxed))
}

/// Years before 1970.
fn before_the_epoch() -> Timestamp {
    Timestamp::from_second(-1_000_000_000).unwrap()
}

/// The first entries that come of nothing but time.
async fn ticks(clock: fn() -> Timestamp, count: usize) -> Vec<JournalEntry> {
    let dir = TempDir::new().unwrap();
    let (limit, min_free_bytes) = (0, 0);
    let elapsed = || Duration::ZERO;
    let (randomness, secret_check): (fn() -> [u8; 16], _) = (|| [1; 16], [5; 8]);
    let settings = journal::Settings { limit, min_free_bytes, clock, elapsed, randomness, secret_check };
    let journal = Journal::open(dir.path(), settings).unwrap();
    let (_sender, progress) = watch::channel(Progress::default());
    let pace = TickSchedule { every: Duration::from_millis(1), heartbeat: Duration::from_millis(3), clock };
    let ticking = tokio::spawn(tick(journal.clone(), progress, pace));
    let mut end = journal.end();
    let came = end.wait_for(|end| *end >= count as u64);
    tokio::time::timeout(Duration::from_secs(60), came).await.expect("heartbeats stopped").unwrap();
    ticking.abort();
    journal.read(0, usize::MAX).unwrap().into_iter().map(|(_, entry)| entry).collect()
}

#[tokio::test]
async fn heartbeats_go_on_wherever_the_clock_is_set() {
    for clock in [backwards, ahead, before_the_epoch] {
        let entries = ticks(clock, 5).await;
        assert!(entries.iter().all(|entry| entry.what == What::Heartbeat));
        let steady: Vec<_> = entries.iter().map(|entry| entry.steady).collect();
        assert_eq!(steady, vec![steady[0]; steady.len()], "the journal's own clock stands still here");
    }
}

#[test]
fn a_heartbeat_ends_no_earlier_than_it_begins() {
    use crate::fold::Tally;
    use crate::testsupport::json;
    let mut account = Account::new();
    account.add(at(3_600), Vec::new(), Tally::default());
    let state = heartbeat::State { waiting: 0, journal_bytes: 0, not_forwarded: None };
    let id = vouchlog_record::RecordId::new("h1").unwrap();
    let record = json(&account.heartbeat(id, at(5), state));
    assert_eq!(record["heartbeat"]["from"], record["heartbeat"]["to"]);
}

#[test]
fn a_heartbeat_names_the_emitters_that_no_table_understands() {
    use crate::arrival::Door;
    use crate::fold::Tally;
    use crate::intake::Encoding;
    use crate::testsupport::json;
    let span = serde_json::json!({ "traceId": "11".repeat(16), "spanId": "22".repeat(8), "name": "llm", "kind": 1,
        "startTimeUnixNano": "1795300000000000000", "endTimeUnixNano": "1795300001000000000" });
    let body = serde_json::json!({ "resourceSpans": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "bot" } }] },
        "scopeSpans": [{ "scope": { "name": "langfuse-sdk" }, "spans": [span] }] }] });
    let mut fold = Fold::new(Secret::new(&[7; 32]), Settings::default());
    let door = Door::Traces(Encoding::Json);
    let mut account = Account::new();
    for (place, what, body, second) in
        [(0, What::Arrived(door), body.to_string(), 0), (1, What::Tick, String::new(), 100)]
    {
        let step = fold.apply(place, &JournalEntry::new(at(second), what, body.into()));
        assert_eq!(step.records, []);
        account.add(at(second), step.records, step.tally);
        account.add_unclaimed(step.unclaimed);
    }
    let state = heartbeat::State { waiting: 0, journal_bytes: 0, not_forwarded: None };
    let id = |name: &str| vouchlog_record::RecordId::new(name).unwrap();
    let first = json(&account.heartbeat(id("h1"), at(101), state));
    assert_eq!(
        first["heartbeat"]["unclaimed"],
        serde_json::json!([{ "service": "bot", "scope": "langfuse-sdk", "spans": 1 }])
    );
    account.add(at(102), Vec::new(), Tally::default());
    let second = json(&account.heartbeat(id("h2"), at(103), state));
    assert_eq!(second["heartbeat"]["unclaimed"], serde_json::json!([]));
}

#[test]
fn traces_wait_by_the_journals_clock() {
    let body =
        std::fs::read(crate::testsupport::testdata().join("otlp/session-synthetic-json/001.traces.json"));
    let door = crate::arrival::Door::Traces(crate::intake::Encoding::Json);
    let mut arrived = JournalEntry::new(at(86_400), What::Arrived(door), body.unwrap().into());
    arrived.set_steady(at(0));
    let mut fold = Fold::new(Secret::new(&[7; 32]), Settings::default());
    assert_eq!(fold.apply(0, &arrived).records, []);
    // The wall clock went back a day; two minutes went by.
    let mut tick = JournalEntry::new(at(0), What::Tick, bytes::Bytes::new());
    tick.set_steady(at(5));
    assert_eq!(fold.apply(1, &tick).records, [], "it waits for what comes late");
    tick.set_steady(at(120));
    assert_ne!(fold.apply(2, &tick).records, []);
    assert_eq!(fold.waiting(), 0);
}

#[test]
fn a_heartbeat_says_when_each_door_last_received_anything() {
    use crate::arrival::Door;
    use crate::intake::Encoding;
    use crate::testsupport::json;
    let state = heartbeat::State { waiting: 0, journal_bytes: 0, not_forwarded: None };
    let mut account = Account::new();
    for (what, second) in [
        (What::Arrived(Door::Traces(Encoding::Json)), 1),
        (What::Arrived(Door::Opa), 2),
        (What::Tick, 3),
        (What::Arrived(Door::Traces(Encoding::Protobuf)), 4),
    ] {
        account.add_arrival(what, at(second));
    }
    let id = || vouchlog_record::RecordId::from_random([1; 16]);
    let doors = |record: &vouchlog_record::Record| json(record)["heartbeat"]["doors"].clone();
    let first = account.heartbeat(id(), at(5), state);
    assert_eq!(
        doors(&first),
        serde_json::json!([
            { "door": "opa", "last": at(2).to_string() },
            { "door": "traces", "last": at(4).to_string() },
        ])
    );
    // One that received nothing since is not named again.
    assert_eq!(doors(&account.heartbeat(id(), at(6), state)), serde_json::json!([]));
}
