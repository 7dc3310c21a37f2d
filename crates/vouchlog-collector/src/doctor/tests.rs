//! What the doctor says of records that the collector made.

use serde_json::{Value, json};
use vouchlog_grading::{Context, grade};
use vouchlog_record::RecordId;

use super::*;
use crate::testsupport::testdata;

fn context() -> Context {
    Context::default().recorder_key_in_force("recorder", Timestamp::MIN, None)
}

fn id(n: usize) -> RecordId {
    RecordId::from_random([u8::try_from(n).unwrap(); 16])
}

/// Takes records as they are read back from a vault.
fn examined(records: Vec<Value>) -> Examined {
    examined_in(records, &context())
}

fn examined_in(records: Vec<Value>, context: &Context) -> Examined {
    let mut examined = Examined::default();
    for (n, mut value) in records.into_iter().enumerate() {
        value["custody"]["recorder"] = "recorder".into();
        let record = Record::from_value(value).unwrap().record;
        let graded = grade(&record, context);
        let start = record.body.time.value().and_then(|time| time.start.value());
        let started_at = start.map_or(0, |start| start.as_millisecond());
        let id = record.id.clone().unwrap_or_else(|| id(n));
        let row = RowFacts {
            id,
            evidence: graded.evidence,
            started_at,
            kept_at: started_at,
            amends: false,
            place: None,
        };
        // A vault gives facts alone.
        let facts = record.without_content();
        examined.take(&row, &facts, &grade(&facts, context));
    }
    examined
}

fn golden(folder: &str) -> Vec<Value> {
    let path = testdata().join("golden").join(folder).with_extension("json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    golden["records"].as_array().unwrap().clone()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn report(examined: Examined) -> Report {
    let (from, to) = (at("2026-11-21T00:00:00Z"), at("2026-11-22T00:00:00Z"));
    let (collector, heartbeats) = (examined.state.judge(to), examined.heartbeats.judge(to));
    let (services, critical) = (conclude(examined.services, &context()), Vec::new());
    Report { from, to, read: 3, truncated: false, services, collector, heartbeats, critical }.with_critical()
}

#[test]
fn a_gateway_without_users_is_told_what_it_lacks_and_what_to_add() {
    let report = report(examined(golden("openai-v2-json")));
    let [service] = report.services.as_slice() else { panic!("{:?}", report.services) };
    assert_eq!((service.gateway, service.attributable, service.complete), ("openai_v2", 0, 0));
    // One of them, an embedding, has no text.
    assert_eq!((service.with_content, service.records), (6, 7));
    assert_eq!(
        (service.name, service.page),
        ("OpenTelemetry's own instrumentation of OpenAI", "otel-sdk.md")
    );
    let initiator = service.missing.iter().find(|missing| missing.rule.code == "R01").unwrap();
    assert_eq!((initiator.records, initiator.told.as_str()), (7, "no initiator is named"));
    let mut lines = service.add.iter().flat_map(|add| add.lines);
    assert!(lines.any(|line| line.contains("span.set_attribute(\"user.id\", claims[\"sub\"])")));
    assert!(
        service.beyond.iter().any(|open| open.who.starts_with("the identity provider: put the device's id"))
    );
    // The lines that mend the most come first.
    let findings: Vec<u64> = service.add.iter().map(|add| add.findings).collect();
    assert!(findings.is_sorted_by(|a, b| a >= b), "{findings:?}");
    assert_eq!(serde_json::to_value(&report).unwrap()["services"][0]["gateway"], "openai_v2");
}

#[test]
fn records_of_one_service_are_told_apart_by_gateway() {
    let mut all = golden("openinference-default");
    all.extend(golden("openllmetry-default"));
    for record in &mut all {
        record["custody"]["service"] = "bot".into();
    }
    let report = report(examined(all));
    let mut gateways: Vec<_> =
        report.services.iter().map(|one| (one.service.as_str(), one.gateway)).collect();
    gateways.sort_unstable();
    assert_eq!(gateways, [("bot", "openinference"), ("bot", "openllmetry")]);
}

#[test]
fn what_the_collector_could_not_place_is_counted_and_contradictions_are_critical() {
    let mut record = golden("openai-v2-json").remove(0);
    record["otel"]["parts"][0]["attributes"] = json!({ "acme.colour": "blue" });
    record["otel"]["parts"][1]["attributes"] = json!({ "acme.colour": "red", "acme.size": 3 });
    record["otel"]["conflicts"] = json!([{ "field": "usage.output_tokens", "kept": 153, "other": 158 }]);
    record["otel"]["refused"] =
        json!([{ "field": "credential.binding", "value": "glue", "why": "no such word" }]);
    record["custody"]["dropped_attributes"] = 4.into();
    record["custody"]["sampled"] = true.into();
    record["custody"]["completed_by"] = "timeout".into();
    record["correlation"]["amends"] = id(7).as_str().into();
    let report = report(examined(vec![record]));
    let service = &report.services[0];
    assert_eq!((service.not_understood, service.conflicts, service.refused), (1, 1, 1));
    assert_eq!((service.dropped_attributes, service.sampled, service.late, service.cut_short), (4, 1, 1, 1));
    assert_eq!(report.critical.len(), 1, "{:?}", report.critical);
    assert!(report.critical[0].ends_with("accounts of one call contradict each other, in 1 record"));
    let told = serde_json::to_string(&report).unwrap();
    assert!(!told.contains("acme.colour"), "names of attributes may be content");
}

#[test]
fn a_denial_that_was_not_obeyed_is_critical() {
    let mut record = golden("openai-v2-json").remove(0);
    record["policy"] = json!([{ "verdict": "deny", "enforced": "allow", "phase": "input" }]);
    let report = report(examined(vec![record]));
    assert!(report.critical.iter().any(|one| one.contains("(R26)")), "{:?}", report.critical);
}

#[test]
fn records_of_other_gateways_name_members_that_nobody_knows() {
    let record = json!({
        "kind": "interaction", "custody": { "source": "acme 3" }, "tools": [{ "name": "a", "colour": 1 }, { "name": "b", "colour": 2 }]
    });
    let report = report(examined(vec![record]));
    let service = &report.services[0];
    assert_eq!((service.service.as_str(), service.gateway), (UNNAMED, "records"));
    assert_eq!(service.unknown_members.by_frequency(), [("/tools/N/colour", 2)]);
}

fn interaction(session: &str, start: &str, intent: Option<&RecordId>) -> Value {
    json!({
        "kind": "interaction", "time": { "start": start },
        "correlation": { "session": session, "intent": intent.map(RecordId::as_str) }, "custody": {}
    })
}

#[test]
fn orphans_losses_and_open_sessions_are_the_collectors() {
    let intent = |start: &str, id: &RecordId| json!({ "kind": "intent", "id": id.as_str(), "time": { "start": start }, "custody": {} });
    let records = vec![
        intent("2026-11-21T10:00:00Z", &id(1)),
        intent("2026-11-21T10:00:01Z", &id(2)),
        // Too young to be missed.
        intent("2026-11-21T23:59:00Z", &id(3)),
        interaction("s-1", "2026-11-21T10:00:00Z", Some(&id(1))),
        interaction("s-2", "2026-11-21T11:00:00Z", None),
        // Still going on.
        interaction("s-3", "2026-11-21T23:59:00Z", None),
        json!({ "kind": "session-seal", "correlation": { "session": "s-1" }, "session_seal": { "records": 1 }, "custody": {} }),
        json!({ "kind": "finding", "finding": { "code": "R69", "record": id(2).as_str() }, "custody": {} }),
        json!({
            "kind": "declared-loss", "custody": {},
            "declared_loss": { "from": "2026-11-21T12:00:00Z", "to": "2026-11-21T12:01:00Z", "count": 17, "cause": "disk_budget" }
        }),
    ];
    let report = report(examined(records));
    let collector = &report.collector;
    assert_eq!(collector.intents_without_outcome, [id(2)]);
    assert_eq!((collector.sessions, collector.unsealed_sessions.as_slice()), (3, &["s-2".to_owned()][..]));
    assert_eq!(collector.losses[0].count, Some(17));
    assert_eq!(report.critical.len(), 1, "{:?}", report.critical);
    assert!(report.critical[0].contains("1 intent without an outcome (R69)"));
}

#[test]
fn emitters_that_no_table_understands_are_named_with_their_numbers() {
    let beat = |minute: u8, unclaimed: Value| {
        json!({
            "kind": "heartbeat", "custody": {}, "time": { "start": format!("2026-11-21T10:{minute:02}:00Z") },
            "heartbeat": { "number": minute, "received": u64::MAX, "to": format!("2026-11-21T10:{minute:02}:00Z"), "unclaimed": unclaimed }
        })
    };
    let records = vec![
        beat(1, json!([{ "service": "bot", "scope": "langfuse-sdk", "spans": 3 }, { "spans": 1 }])),
        beat(
            2,
            json!([{ "service": "bot", "scope": "langfuse-sdk", "spans": 4 }, { "service": "flow", "scope": "mlflow", "spans": 9 }]),
        ),
        beat(3, json!([])),
        json!({ "kind": "heartbeat", "custody": {}, "heartbeat": { "number": u64::MAX } }),
    ];
    let report = report(examined(records));
    let told = serde_json::to_value(&report).unwrap();
    assert_eq!(
        told["heartbeats"]["unclaimed"],
        json!([
            { "service": "flow", "scope": "mlflow", "spans": 9 }, { "service": "bot", "scope": "langfuse-sdk", "spans": 7 },
            { "service": "", "scope": "", "spans": 1 }
        ])
    );
    assert_eq!(report.heartbeats.sums.received, u64::MAX, "numbers from a record may be any");
}

/// Climbs the ladder of a gateway's example from its defaults to complete evidence. Each step has to do what was said of it.
fn climb(name: &str) {
    let gateway = advice::named(name);
    let (mut adds, mut known) = (json!({}), context());
    for step in 0..12 {
        let (record, unknown) = gateway.example.record(&adds).unwrap();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
        let examined = examined_in(vec![record.to_object().into()], &known);
        let service = conclude(examined.services, &known).remove(0);
        assert_eq!(service.gateway, name);
        if service.ladder.complete {
            assert_eq!((service.ladder.answered, step > 4), (3, true), "{name}");
            return;
        }
        let next = service.ladder.next;
        let Some(Step::Add { suggestion, effect }) = next else {
            panic!("{name}, step {step}: {next:?} {:#?} {:#?}", service.missing, service.beyond)
        };
        let lines = gateway.lines(service.add[suggestion].lines).unwrap();
        trial::merge(&mut adds, &lines.adds);
        let (record, _) = gateway.example.record(&adds).unwrap();
        known = lines.changes.learned(&known, std::slice::from_ref(&record));
        let verdicts = grade(&record.without_content(), &known).verdicts;
        for said in effect.questions {
            let really = u64::from(said.question.answer(&verdicts) == vouchlog_grading::Answer::Yes);
            assert_eq!(said.yes.after, really, "{name}, step {step}: {:?}", said.question);
        }
    }
    panic!("{name} is not complete after 12 steps");
}

#[test]
fn the_ladder_leads_programs_to_complete_evidence_and_each_step_does_what_was_said() {
    for name in ["otel_sdk", "openai_v2", "openllmetry", "openinference"] {
        climb(name);
    }
}

#[test]
fn a_step_is_tried_on_what_was_really_sent() {
    let report = report(examined(golden("openai-v2-json")));
    let ladder = &report.services[0].ladder;
    assert_eq!((ladder.answered, ladder.complete), (0, false));
    let Some(Step::Add { suggestion, effect }) = &ladder.next else { panic!("{:?}", ladder.next) };
    // Who executed it takes one line; the other questions more.
    assert!(report.services[0].add[*suggestion].lines[0].contains("evidence.workload.verified=true"));
    let executor = &effect.questions[1];
    assert_eq!((executor.question, executor.yes.before, executor.yes.after), (Question::Executor, 0, 7));
    assert_eq!((effect.tried_on, effect.still_open.contains(&"R01")), (7, true));
}

#[test]
fn what_a_record_says_itself_no_trial_replaces() {
    let mut records = golden("openai-v2-json");
    for record in &mut records {
        record["workload"] = json!({ "id": "spiffe://corp.example/bot", "method": "jwt_svid", "verified": false, "shared": false });
    }
    let report = report(examined(records));
    let service = &report.services[0];
    let workload = service.add.iter().position(|one| one.lines[0].contains("evidence.workload"));
    assert_eq!(workload, None, "no line mends a check that failed");
    match &service.ladder.next {
        Some(Step::Add { effect, .. }) => assert_eq!(effect.questions[1].yes.after, 0),
        other => panic!("{other:?}"),
    }
}
