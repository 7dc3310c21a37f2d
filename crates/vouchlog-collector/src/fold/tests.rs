//! The fold: what entries amount to, and that a crash anywhere changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use vouchlog_access::EmitGrants;

use super::*;
use crate::testsupport::{ACCOUNT, at, json as value, testdata};

fn fold(settings: Settings) -> Fold {
    Fold::new(Secret::new(&[7; 32]), settings)
}

fn entry(second: i64, what: What, body: impl Into<Bytes>) -> JournalEntry {
    JournalEntry::new(at(second), what, body.into())
}

fn arrived(second: i64, door: Door, body: impl Into<Bytes>) -> JournalEntry {
    entry(second, What::Arrived(door), body)
}

/// The door of a sample, by its name: `001.traces.pb`, `002.logs.json`.
fn door(name: &str) -> Door {
    let encoding = if name.ends_with(".json") { Encoding::Json } else { Encoding::Protobuf };
    if name.contains(".traces.") { Door::Traces(encoding) } else { Door::Logs(encoding) }
}

/// Every sample, two of them twice, with records, an intent and the time in between.
fn a_day() -> Vec<JournalEntry> {
    let mut entries = vec![entry(0, What::Started, &b"{}"[..])];
    let folders = std::fs::read_dir(testdata().join("otlp")).unwrap();
    let mut folders: Vec<_> = folders.map(|folder| folder.unwrap().path()).collect();
    // Those with an account are many more calls of the same kinds.
    folders.retain(|folder| !folder.join(ACCOUNT).exists());
    folders.sort();
    let mut second = 0;
    for folder in folders {
        let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        for (place, file) in files.iter().enumerate() {
            let name = file.file_name().unwrap().to_str().unwrap();
            second += 1;
            for _ in 0..1 + usize::from(place == 1) {
                entries.push(arrived(second, door(name), std::fs::read(file).unwrap()));
            }
            entries.push(entry(second, What::Tick, ""));
        }
    }
    let generic = std::fs::read(testdata().join("generic/litellm-proxy.json")).unwrap();
    entries.push(arrived(second, Door::LiteLlm, generic));
    let intent = json!({ "kind": "intent", "id": "i1", "correlation": { "idempotency_key": "k" } });
    entries.push(arrived(second, Door::Intents, intent.to_string()));
    for session in ["a", "b", "a", "a"] {
        let record = json!({ "kind": "interaction", "correlation": { "session": session } });
        entries.push(arrived(second, Door::Records, record.to_string()));
    }
    for minute in 1..40 {
        entries.push(entry(second + minute * 60, What::Tick, ""));
    }
    entries.push(entry(second + 2_500, What::Flush, ""));
    entries
}

/// What is in the vault in the end when the process dies after these numbers of entries, each once: after it recorded what they
/// amount to, and before the journal knows (`true`), or right after.
fn recorded(entries: &[JournalEntry], mut crashes: BTreeMap<usize, bool>) -> BTreeMap<String, Value> {
    let (mut vault, mut kept) = (BTreeMap::new(), BTreeMap::new());
    let (mut place, mut settled, mut keep) = (0, 0, 0);
    let mut fold = fold(Settings::default());
    while place < entries.len() {
        for record in fold.apply(place as u64, &entries[place]).records {
            // The recorder does not record an id twice.
            vault.entry(record.id.as_ref().unwrap().to_string()).or_insert_with(|| value(&record));
        }
        place += 1;
        let crash = crashes.remove(&place);
        if crash != Some(true) {
            let Changes { put, remove } = fold.changes();
            kept.extend(put);
            kept.retain(|key, _| !remove.contains(key));
            settled = place;
            keep = fold.oldest().map_or(settled, |oldest| usize::try_from(oldest).unwrap());
        }
        if crash.is_some() {
            fold = self::fold(Settings::default());
            assert_eq!(fold.restore(kept.clone().into_iter().collect()), 0);
            for (place, entry) in entries.iter().enumerate().take(settled).skip(keep) {
                fold.refill(place as u64, entry);
            }
            place = settled;
        }
    }
    vault
}

fn places(records: &BTreeMap<String, Value>, session: &str) -> Vec<u64> {
    let of = records.values().filter(|record| record["correlation"]["session"] == session);
    let mut places: Vec<_> = of.filter_map(|it| it["correlation"]["session_sequence"].as_u64()).collect();
    places.sort_unstable();
    places
}

/// A day, and what is recorded of it when nothing happens.
static UNDISTURBED: LazyLock<(Vec<JournalEntry>, BTreeMap<String, Value>)> = LazyLock::new(|| {
    let day = a_day();
    let recorded = recorded(&day, BTreeMap::new());
    (day, recorded)
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn crashes_change_nothing(crashes in proptest::collection::btree_map(1_usize..120, any::<bool>(), 1..12)) {
        let (day, undisturbed) = &*UNDISTURBED;
        let disturbed = recorded(day, crashes);
        let names = |records: &BTreeMap<String, Value>| records.keys().cloned().collect::<BTreeSet<_>>();
        prop_assert_eq!(names(undisturbed), names(&disturbed));
        for (id, record) in undisturbed {
            prop_assert_eq!(record, &disturbed[id]);
        }
        prop_assert_eq!(places(&disturbed, "a"), [1, 2, 3]);
    }
}

#[test]
fn a_day_has_what_it_should() {
    let records = recorded(&a_day(), BTreeMap::new());
    let count = |kind: &str| records.values().filter(|record| record["kind"] == kind).count();
    assert_eq!(count("configuration"), crate::dialect::tables().len() + 1);
    assert_eq!((count("intent"), count("finding")), (1, 1), "the intent has no outcome, and that is found");
    assert!(count("interaction") > 100, "{}", count("interaction"));
    let sessions: BTreeSet<&str> =
        records.values().filter_map(|record| record["correlation"]["session"].as_str()).collect();
    assert_eq!(count("session-seal"), sessions.len(), "every session was idle long enough");
    for session in sessions {
        let places = places(&records, session);
        assert_eq!(places, (1..=places.len() as u64).collect::<Vec<_>>(), "{session}");
    }
    let interactions = records.values().filter(|record| record["kind"] == "interaction");
    assert!(interactions.into_iter().all(|record| record["custody"]["bodies"][0].is_string()));
}

#[test]
fn a_record_that_came_whole_and_the_telemetry_of_its_call_are_joined() {
    let span = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{
        "traceId": "11".repeat(16), "spanId": "22".repeat(8), "name": "chat m", "kind": 3,
        "startTimeUnixNano": "1795300000000000000", "endTimeUnixNano": "1795300001000000000",
        "attributes": [{ "key": "gen_ai.operation.name", "value": { "stringValue": "chat" } },
            { "key": "gen_ai.request.model", "value": { "stringValue": "m" } },
            { "key": "gen_ai.response.id", "value": { "stringValue": "answer-1" } }] }] }] }] });
    let own = json!({ "kind": "interaction", "id": "own", "correlation": { "response_id": "answer-1" } });
    for own_first in [true, false] {
        let mut fold = fold(Settings::default());
        let mut both = [
            arrived(0, Door::Records, own.to_string()),
            arrived(1, Door::Traces(Encoding::Json), span.to_string()),
            entry(100, What::Tick, ""),
        ];
        if !own_first {
            both.rotate_left(1);
        }
        let mut records = Vec::new();
        for (place, entry) in both.iter().enumerate() {
            records.extend(fold.apply(place as u64, entry).records);
        }
        let [first, second] = &records[..] else { panic!("{records:?}") };
        let amends = second.body.correlation.value().unwrap().amends.value();
        assert_eq!(amends, first.id.as_ref(), "own first: {own_first}");
    }
}

#[test]
fn an_outcome_cites_its_intent_and_the_mode_says_whether_it_must() {
    for (mode, must) in [(Mode::Spool, false), (Mode::FailClosed, true)] {
        let mut fold = fold(Settings { mode, unsampled: true, ..Settings::default() });
        let intent = json!({ "kind": "intent", "id": "i1", "correlation": { "idempotency_key": "k1" } });
        let with = json!({ "kind": "interaction", "correlation": { "idempotency_key": "k1" } });
        let without = json!({ "kind": "interaction", "correlation": { "idempotency_key": "k2" } });
        fold.apply(0, &arrived(0, Door::Intents, intent.to_string()));
        let outcome = |fold: &mut Fold, place, body: &Value| {
            let step = fold.apply(place, &arrived(1, Door::Records, body.to_string()));
            value(&step.records[0])
        };
        let with = outcome(&mut fold, 1, &with);
        assert_eq!(with["correlation"]["intent"], "i1");
        assert_eq!(
            (&with["correlation"]["write_ahead"], &with["custody"]["sampled"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(outcome(&mut fold, 2, &without)["correlation"]["write_ahead"], json!(must));
        assert_eq!(
            fold.apply(3, &entry(10_000, What::Tick, "")).records.len(),
            0,
            "the intent has its outcome"
        );
    }
}

#[test]
fn an_explicit_end_a_loss_and_a_span_that_came_twice_are_on_record() {
    let mut fold = fold(Settings::default());
    let record = json!({ "kind": "interaction", "correlation": { "session": "s" } });
    fold.apply(0, &arrived(0, Door::Records, record.to_string()));
    let end =
        serde_json::to_vec(&SealRequest { session: "s".into(), reason: SealReason::Abandoned }).unwrap();
    let seal = value(&fold.apply(1, &arrived(1, Door::Seal, end)).records[0]);
    assert_eq!(
        (&seal["session_seal"]["records"], &seal["session_seal"]["reason"]),
        (&json!(1), &json!("abandoned"))
    );

    let losses = Losses { from: at(2), to: at(5), items: 12, attempts: 3 };
    let step = fold.apply(2, &entry(6, What::Lost, serde_json::to_vec(&losses).unwrap()));
    let loss = value(&step.records[0]);
    assert_eq!(
        (&loss["declared_loss"]["count"], &loss["declared_loss"]["mode"]),
        (&json!(12), &json!("spool"))
    );
    assert_eq!(step.tally.lost, 12);

    let name = testdata().join("otlp/session-synthetic-json/001.traces.json");
    let body = std::fs::read_to_string(name).unwrap();
    fold.apply(3, &arrived(7, Door::Traces(Encoding::Json), body.clone()));
    let changed = body.replace("gpt-4o-mini", "gpt-4o-maxi");
    assert_ne!(body, changed);
    let step = fold.apply(4, &arrived(8, Door::Traces(Encoding::Json), changed));
    assert!(step.tally.conflicts > 0);
    assert!(step.records.iter().all(|record| record.kind == StatementKind::Finding));
}

#[test]
fn an_acknowledged_body_that_cannot_be_read_is_declared_lost() {
    let doors = [
        Door::Traces(Encoding::Protobuf),
        Door::Traces(Encoding::Json),
        Door::Logs(Encoding::Protobuf),
        Door::Logs(Encoding::Json),
        Door::Opa,
        Door::Records,
        Door::LiteLlm,
        Door::Intents,
    ];
    for what in doors.map(What::Arrived).into_iter().chain([What::Lost]) {
        let step = fold(Settings::default()).apply(7, &entry(1, what, &b"\xff{"[..]));
        let [loss] = &step.records[..] else { panic!("{what:?}: {step:?}") };
        let loss = value(loss);
        assert_eq!(
            (&loss["kind"], &loss["declared_loss"]["cause"]),
            (&json!("declared-loss"), &json!("no_record"))
        );
        assert_eq!((step.tally.lost, step.failed.len()), (1, 1), "{what:?}");
    }
}

#[test]
fn configurations_are_logged_when_they_change() {
    let mut first = fold(Settings::default());
    let all = first.apply(0, &entry(0, What::Started, &br#"{"mode":"spool"}"#[..])).records.len();
    let mut second = fold(Settings::default());
    assert_eq!(second.restore(first.changes().put), 0);
    assert_eq!(second.apply(1, &entry(1, What::Started, &br#"{"mode":"spool"}"#[..])).records.len(), 0);
    let changed = second.apply(2, &entry(2, What::Started, &br#"{"mode":"fail_open"}"#[..])).records;
    assert_eq!((all, changed.len()), (crate::dialect::tables().len() + 1, 1));
    assert_eq!(value(&changed[0])["configuration"]["settings"]["mode"], "fail_open");
}

/// A body by a caller that was authenticated; `seal` are the sessions it may seal.
fn sent_by(name: &str, second: i64, door: Door, body: impl Into<Bytes>, grants: EmitGrants) -> JournalEntry {
    let sender = Sender::new(Some(name), std::sync::Arc::new(grants));
    JournalEntry::arrived(at(second), crate::arrival::Arrival { door, sender, body: body.into() })
}

#[test]
fn a_record_names_who_sent_it_whatever_it_says_itself() {
    let mut fold = fold(Settings::default());
    let record = json!({ "kind": "interaction", "custody": { "emitters": ["support"] } }).to_string();
    let sent = sent_by("refunds", 1, Door::Records, record.clone(), EmitGrants::trial());
    assert_eq!(value(&fold.apply(0, &sent).records[0])["custody"]["emitters"], json!(["refunds"]));
    let anonymous = fold.apply(1, &arrived(1, Door::Records, record));
    assert_eq!(value(&anonymous.records[0])["custody"].get("emitters"), None);

    // Parts of one call by two callers, and by one that was not authenticated.
    let span = |id: u8, parent: u8, name: &str| {
        json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [{ "traceId": "01".repeat(16), "spanId": format!("{id:016x}"),
            "parentSpanId": if parent == 0 { String::new() } else { format!("{parent:016x}") }, "name": name,
            "startTimeUnixNano": "1795300000000000000", "endTimeUnixNano": "1795300000500000000",
            "attributes": [{ "key": "gen_ai.operation.name", "value": { "stringValue": name } }] }] }] }] })
        .to_string()
    };
    let door = Door::Traces(Encoding::Json);
    fold.apply(2, &sent_by("app", 2, door, span(1, 0, "chat"), EmitGrants::trial()));
    fold.apply(3, &sent_by("gateway", 2, door, span(2, 1, "execute_tool"), EmitGrants::trial()));
    fold.apply(4, &arrived(2, door, span(3, 1, "execute_tool")));
    let step = fold.apply(5, &entry(60, What::Tick, ""));
    let names = |record: &Record| record.body.custody.value().unwrap().emitters.value().cloned().unwrap();
    let all: BTreeSet<String> = step.records.iter().flat_map(names).collect();
    assert_eq!(all, ["anonymous", "app", "gateway"].map(str::to_owned).into());
    assert_eq!(names(&step.records[0]), ["anonymous", "app", "gateway"], "the tools are of the call");
}

#[test]
fn what_a_caller_may_not_send_is_refused_when_the_journal_is_read_too() {
    let mut fold = fold(Settings::default());
    let forged = [
        json!({ "kind": "heartbeat", "heartbeat": { "number": 1 } }),
        json!({ "kind": "session-seal", "session_seal": { "records": 1 } }),
        json!({ "kind": "credential-event", "credential_event": { "action": "revoked" } }),
        json!({ "kind": "interaction", "custody": { "service": "other" } }),
    ];
    let body = json!(forged).to_string();
    let step = fold.apply(0, &sent_by("app", 1, Door::Records, body, EmitGrants::default()));
    assert_eq!((step.records.len(), step.tally.received, step.tally.refused), (0, 4, 4));
}

#[test]
fn a_session_is_sealed_for_its_only_sender_or_with_the_grant() {
    let record =
        |session: &str| json!({ "kind": "interaction", "correlation": { "session": session } }).to_string();
    let seal = |session: &str| {
        serde_json::to_vec(&SealRequest { session: session.into(), reason: SealReason::Done }).unwrap()
    };
    let granted = EmitGrants { seal: vouchlog_access::Patterns::any(), ..EmitGrants::trial() };
    let seals = |fold: &mut Fold, name: &str, session: &str, grants: &EmitGrants| {
        let step = fold.apply(9, &sent_by(name, 9, Door::Seal, seal(session), grants.clone()));
        assert_eq!(step.tally.refused, u64::from(step.records.is_empty()), "{name} {session}");
        step.records.len()
    };
    let started = || {
        let mut fold = fold(Settings::default());
        for (place, (name, session)) in
            [("a", "of-a"), ("a", "of-both"), ("b", "of-both")].into_iter().enumerate()
        {
            let place = u64::try_from(place).unwrap();
            fold.apply(place, &sent_by(name, 1, Door::Records, record(session), EmitGrants::trial()));
        }
        fold.apply(3, &arrived(1, Door::Records, record("of-nobody")));
        fold
    };
    for (name, session, grants, expected) in [
        ("a", "of-a", EmitGrants::trial(), 1),
        ("b", "of-a", EmitGrants::trial(), 0),
        ("a", "of-both", EmitGrants::trial(), 0),
        ("a", "of-nobody", EmitGrants::trial(), 0),
        ("a", "of-a", EmitGrants { seal_own: false, ..EmitGrants::trial() }, 0),
        ("b", "of-a", granted.clone(), 1),
        ("b", "of-both", granted, 1),
    ] {
        let mut fresh = started();
        // Also after a restart.
        let mut restored = fold(Settings::default());
        assert_eq!(restored.restore(fresh.changes().put), 0);
        for fold in [&mut fresh, &mut restored] {
            assert_eq!(seals(fold, name, session, &grants), expected, "{name} {session}");
        }
    }
    // Without authentication all callers are one.
    assert_eq!(started().apply(9, &arrived(9, Door::Seal, seal("of-nobody"))).records.len(), 1);
    assert_eq!(started().apply(9, &arrived(9, Door::Seal, seal("of-a"))).records.len(), 0);
}
