//! Spans that no table understands are counted by emitter, and their understood neighbours are not disturbed.

use super::*;
use crate::limits::{MAX_EMITTER_NAME_BYTES, MAX_UNCLAIMED_EMITTERS};

fn counted(out: &Out) -> Vec<(String, String, u64)> {
    out.unclaimed.iter().map(|(it, spans)| (it.service.clone(), it.scope.clone(), spans)).collect()
}

fn expected(scope: &str, spans: u64) -> Vec<(String, String, u64)> {
    vec![("svc".into(), scope.into(), spans)]
}

fn braintrust(ids: (u8, u8, u8)) -> Item {
    span("braintrust", ids, "llm call", (5, 9), json!({ "braintrust.span_attributes": r#"{"type":"llm"}"# }))
}

fn http(ids: (u8, u8, u8)) -> Item {
    let attributes = json!({ "http.request.method": "POST", "server.address": "api.openai.com" });
    spans("opentelemetry.instrumentation.httpx", &[(ids, "POST", 3, (5, 8), attributes)]).remove(0)
}

fn query(ids: (u8, u8, u8)) -> Item {
    spans("sqlalchemy", &[(ids, "SELECT", 3, (5, 8), json!({ "db.system.name": "postgresql" }))]).remove(0)
}

#[test]
fn emitters_that_no_table_has_are_counted_by_service_and_scope() {
    for (scope, attributes) in [
        ("braintrust", json!({ "braintrust.input": "hi" })),
        ("langfuse-sdk", json!({ "langfuse.observation.type": "span", "langfuse.observation.input": "hi" })),
        ("crewai.telemetry", json!({ "crew_key": "k", "crew_id": "c" })),
        ("some.new.sdk", json!({ "x.prompt": "hi" })),
        ("bare", json!({})),
    ] {
        let out = assembled(vec![
            span(scope, (1, 1, 0), "root", (0, 9), attributes.clone()),
            span(scope, (1, 2, 1), "child", (1, 8), attributes.clone()),
        ]);
        assert_eq!((out.records.len(), counted(&out)), (0, expected(scope, 2)), "{scope}");
    }
}

#[test]
fn neighbours_of_a_call_that_is_understood_are_its_surroundings() {
    let call = || chat((1, 2, 1), (2, 9), json!({ "gen_ai.response.id": "r" }));
    let around = || {
        vec![
            span("app", (1, 1, 0), "handle", (0, 10), json!({})),
            span("app", (1, 3, 1), "prepare", (0, 1), json!({ "step": 1 })),
            http((1, 4, 2)),
            query((1, 5, 1)),
        ]
    };
    let mut all = around();
    all.push(call());
    let out = assembled(all);
    assert_eq!((out.records.len(), counted(&out)), (1, vec![]));
    // They come late.
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(vec![call()], &Delivery::at(at(0)));
    assert_eq!(assembler.tick(at(61)).records.len(), 1);
    assembler.feed(around(), &Delivery::at(at(62)));
    assert_eq!(counted(&assembler.tick(at(200))), vec![]);
}

#[test]
fn an_unknown_call_beside_a_known_one_is_counted() {
    let known = || chat((1, 2, 1), (2, 9), json!({}));
    let root = || span("app", (1, 1, 0), "handle", (0, 10), json!({}));
    assert_eq!(counted(&assembled(vec![root(), known(), braintrust((1, 3, 1))])), expected("braintrust", 1));
    let unknown = span("app", (1, 3, 1), "dream", (3, 4), json!({ "gen_ai.operation.name": "dream" }));
    assert_eq!(counted(&assembled(vec![root(), known(), unknown])), expected("app", 1));
    let workflow =
        span("app", (1, 3, 1), "flow", (3, 4), json!({ "gen_ai.operation.name": "invoke_workflow" }));
    assert_eq!(counted(&assembled(vec![root(), known(), workflow])), vec![]);
    // Above a call it is part of its record.
    let out = assembled(vec![braintrust((1, 1, 0)), chat((1, 2, 1), (6, 8), json!({}))]);
    assert_eq!((out.records.len(), counted(&out)), (1, vec![]));
}

#[test]
fn ordinary_traffic_is_not_taken_for_calls() {
    let server =
        spans("fastapi", &[((1, 1, 0), "GET /health", 2, (0, 9), json!({ "http.request.method": "GET" }))]);
    let endpoint =
        span("fastapi", (1, 4, 1), "fastapi.endpoint", (1, 8), json!({ "code.function.name": "health" }));
    let out = assembled([server, vec![query((1, 2, 1)), http((1, 3, 1)), endpoint]].concat());
    assert_eq!((out.records.len(), counted(&out)), (0, vec![]));
    // Next to an emitter that is not understood it stays ordinary.
    assert_eq!(counted(&assembled(vec![braintrust((1, 1, 0)), http((1, 2, 1))])), expected("braintrust", 1));
}

#[test]
fn the_same_span_again_is_not_counted_again() {
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(vec![braintrust((1, 1, 0))], &Delivery::at(at(0)));
    assert_eq!(counted(&assembler.tick(at(61))), expected("braintrust", 1));
    assembler.feed(vec![braintrust((1, 1, 0))], &Delivery::at(at(70)));
    assert_eq!(counted(&assembler.tick(at(200))), vec![]);
}

#[test]
fn emitters_and_their_names_are_bounded() {
    let mut unclaimed = Unclaimed::default();
    for n in 0..3 * MAX_UNCLAIMED_EMITTERS {
        unclaimed.add(Emitter { service: format!("s{n}"), scope: String::new() }, 2);
    }
    assert_eq!(unclaimed.iter().count(), MAX_UNCLAIMED_EMITTERS + 1);
    assert_eq!(unclaimed.total(), 6 * MAX_UNCLAIMED_EMITTERS as u64);
    unclaimed.add(Emitter::default(), u64::MAX);
    assert_eq!(unclaimed.total(), u64::MAX);
    let long = "ü".repeat(MAX_EMITTER_NAME_BYTES);
    let out = assembled(vec![span(&long, (1, 1, 0), "x", (0, 1), json!({}))]);
    assert_eq!(counted(&out)[0].1.len(), MAX_EMITTER_NAME_BYTES);
}
