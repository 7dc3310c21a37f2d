//! From items to records.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::intake::{Event, Item, Span};
use crate::testsupport::{assembled, at, events, golden, items, json, naming, shown, span, spans, testdata};

mod accounts;
mod agents;
mod complete;
mod conventions;
mod doubled;
mod endings;
mod exports;
mod identities;
mod late;
mod samples;
mod stated;
mod stored;
mod unclaimed;

/// A call of a model in short.
fn chat(ids: (u8, u8, u8), times: (u64, u64), mut more: Value) -> Item {
    more["gen_ai.operation.name"] = "chat".into();
    span("app", ids, "chat m", times, more)
}

fn one(items: Vec<Item>) -> Value {
    let out = assembled(items);
    assert_eq!((out.records.len(), out.failed.as_slice()), (1, &[][..]), "{:#}", shown(&out));
    json(&out.records[0])
}

const ASKS: &str =
    r#"[{"role":"assistant","parts":[{"type":"tool_call","id":"c1","name":"f","arguments":{"x":1}}]}]"#;

#[test]
fn a_tool_goes_to_the_call_that_asked_for_it() {
    let mut all = vec![
        chat((1, 2, 1), (0, 10), json!({ "gen_ai.output.messages": ASKS, "gen_ai.response.id": "r1" })),
        chat((1, 3, 1), (30, 40), json!({ "gen_ai.response.id": "r2" })),
    ];
    all.extend(spans("app", &[
        ((1, 1, 0), "invoke_agent A", 1, (0, 50), json!({ "gen_ai.operation.name": "invoke_agent", "user.id": "u-1", "gen_ai.agent.id": "a" })),
        ((1, 4, 1), "execute_tool f", 1, (12, 20), json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1" })),
        ((1, 5, 4), "POST", 3, (13, 19), json!({ "http.request.method": "POST", "server.address": "pay.internal", "http.response.status_code": 201 })),
    ]));
    let out = assembled(all);
    let [first, second] = out.records.as_slice() else { panic!("{:#}", shown(&out)) };
    let (first, second) = (json(first), json(second));
    assert_eq!(first["tools"][0]["status"], "executed");
    assert_eq!(first["tools"].as_array().unwrap().len(), 1);
    let downstream = &first["tools"][0]["downstream"][0];
    assert_eq!(
        (&downstream["target"], &downstream["op"], &downstream["status"]),
        (&json!("pay.internal"), &json!("POST"), &json!("201"))
    );
    assert_eq!(second["correlation"]["causes"], json!([first["id"]]));
    for record in [&first, &second] {
        assert_eq!(
            (&record["initiator"]["sub"], &record["workload"]["agent"]["id"]),
            (&json!("u-1"), &json!("a"))
        );
    }
}

#[test]
fn a_tool_that_nobody_is_known_to_have_asked_for_is_a_record_of_its_own() {
    let all = vec![
        chat((1, 2, 0), (0, 10), json!({ "gen_ai.output.messages": ASKS })),
        span(
            "app",
            (1, 4, 0),
            "execute_tool f",
            (12, 20),
            json!({
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c2" }),
        ),
    ];
    let out = assembled(all);
    assert_eq!(out.records.len(), 2);
    assert_eq!(json(&out.records[0])["tools"][0]["status"], "proposed");
    let alone = json(&out.records[1]);
    assert_eq!(
        (&alone["tools"][0]["call_id"], &alone["outcome"]["state"]),
        (&json!("c2"), &json!("executed"))
    );
    assert_eq!(alone["tools"][0].get("origin"), None);
}

#[test]
fn three_instrumentations_of_one_call_are_one_record() {
    let answer = |more: Value| {
        let mut all = json!({ "gen_ai.operation.name": "chat", "gen_ai.response.id": "r1", "gen_ai.usage.output_tokens": 5 });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let all = vec![
        span(
            "openinference.instrumentation.openai",
            (1, 1, 0),
            "ChatCompletion",
            (0, 30),
            json!({
            "openinference.span.kind": "LLM", "llm.token_count.completion": 5, "output.value": "{\"id\": \"r1\"}", "llm.model_name": "m-1" }),
        ),
        span(
            "opentelemetry.instrumentation.openai.v1",
            (1, 2, 1),
            "openai.chat",
            (1, 29),
            answer(json!({ "gen_ai.response.model": "m-1" })),
        ),
        span(
            "opentelemetry.util.genai.handler",
            (1, 3, 2),
            "chat m",
            (2, 28),
            answer(json!({ "gen_ai.usage.output_tokens": 6 })),
        ),
        // The same answer, later: a cache's.
        span("opentelemetry.util.genai.handler", (2, 4, 0), "chat m", (100, 101), answer(json!({}))),
        // The same answer, at the same time, in another trace: the provider's own client.
        span(
            "com.anthropic.sdk.python",
            (3, 5, 0),
            "messages.create",
            (2, 27),
            answer(json!({ "anthropic.request.id": "req" })),
        ),
    ];
    let out = assembled(all);
    assert_eq!(out.records.len(), 2, "{:#}", shown(&out));
    let record = out
        .records
        .iter()
        .map(json)
        .find(|record| record["correlation"]["trace"] != "02".repeat(16))
        .unwrap();
    assert_eq!(record["custody"]["source"].as_str().unwrap().split(';').count(), 4);
    assert_eq!(record["otel"]["conflicts"][0]["field"], "usage.output_tokens");
    assert_eq!(record["correlation"]["request_id"], "req");
}

#[test]
fn attempts_below_a_gateways_call_stay_apart() {
    let try_ = |ids, times, id: &str| {
        span(
            "opentelemetry.util.genai.handler",
            ids,
            "chat m",
            times,
            json!({ "gen_ai.operation.name": "chat", "gen_ai.response.id": id }),
        )
    };
    let all = vec![
        span(
            "litellm",
            (1, 1, 0),
            "chat m",
            (0, 30),
            json!({ "gen_ai.operation.name": "chat", "litellm.call_id": "l", "gen_ai.response.id": "r2" }),
        ),
        try_((1, 2, 1), (1, 9), "r1"),
        try_((1, 3, 1), (10, 29), "r2"),
    ];
    let out = assembled(all);
    let ids: Vec<Value> =
        out.records.iter().map(|record| json(record)["correlation"]["response_id"].clone()).collect();
    assert_eq!(ids, ["r2", "r1"]);
}

#[test]
fn a_request_that_a_guardrail_blocked_is_a_denial_without_a_model() {
    let identity = json!({ "litellm.api_key.hash": "k-1", "litellm.metadata.user_api_key_user_id": "u-1" });
    let with = |more: Value| {
        let mut all = identity.clone();
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let guardrail = with(json!({
        "gen_ai.operation.name": "execute_guardrail", "litellm.guardrail.name": "pii", "litellm.guardrail.mode": "pre_call",
        "litellm.guardrail.status": "guardrail_intervened",
        "litellm.guardrail.response": "[{\"type\": \"pattern\", \"pattern_name\": \"us_ssn\", \"action\": \"BLOCK\"}]" }));
    let mut all = spans(
        "litellm",
        &[
            (
                (1, 1, 9),
                "POST /v1/chat/completions",
                2,
                (0, 20),
                with(json!({ "http.route": "/v1/chat/completions" })),
            ),
            ((1, 2, 1), "execute_guardrail pii", 1, (2, 5), guardrail),
            // Another request of the same trace, below the same caller, was answered.
            ((1, 3, 9), "POST /v1/chat/completions", 2, (30, 50), identity.clone()),
            (
                (1, 4, 3),
                "chat m",
                3,
                (33, 44),
                with(json!({ "gen_ai.operation.name": "chat", "gen_ai.response.id": "r" })),
            ),
        ],
    );
    all.reverse();
    let out = assembled(all);
    assert_eq!(out.records.len(), 2, "{:#}", shown(&out));
    let denial = json(&out.records[0]);
    assert_eq!(denial["outcome"]["state"], "blocked");
    let decision = &denial["policy"][0];
    assert_eq!(
        (&decision["verdict"], &decision["enforced"], &decision["reason"]),
        (&json!("deny"), &json!("deny"), &json!("block:us_ssn"))
    );
    assert_eq!(
        (&denial["initiator"]["sub"], &denial["initiator"]["verified_by"]),
        (&json!("u-1"), &json!("api_key"))
    );
    assert_eq!(
        (&denial["credential"]["id"], &denial["credential"]["type"]),
        (&json!("k-1"), &json!("static_key"))
    );
    assert_eq!(json(&out.records[1]).get("policy"), None);
}

#[test]
fn events_of_claude_code_make_one_record_for_each_request() {
    let event = |name: &'static str, number: u64, more: Value| {
        let mut all = json!({ "event.sequence": number, "session.id": "s-1", "prompt.id": "p-1", "user.account_uuid": "u-1" });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        (name, number, all)
    };
    let mut all = events(&[
        event("claude_code.user_prompt", 1, json!({ "prompt": "<REDACTED>", "prompt_length": 10 })),
        event(
            "claude_code.api_request",
            2,
            json!({ "model": "claude-x", "input_tokens": 7, "output_tokens": 3, "request_id": "req-1" }),
        ),
        event(
            "claude_code.tool_decision",
            3,
            json!({ "tool_name": "Bash", "decision": "accept", "source": "user_temporary" }),
        ),
        event(
            "claude_code.tool_result",
            4,
            json!({ "tool_name": "Bash", "success": "false", "error": "exit 1" }),
        ),
        event(
            "claude_code.tool_decision",
            5,
            json!({ "tool_name": "Edit", "decision": "reject", "source": "user_reject" }),
        ),
        event("claude_code.api_request", 6, json!({ "model": "claude-x", "input_tokens": 9 })),
    ]);
    all.reverse();
    let out = assembled(all);
    let [first, second] = out.records.as_slice() else { panic!("{:#}", shown(&out)) };
    let first = json(first);
    assert_eq!(
        (&first["input"]["content"], &first["usage"]["input_tokens"]),
        (&json!({ "$": "redacted" }), &json!(7))
    );
    let tools: Vec<_> = first["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| (tool["name"].clone(), tool["status"].clone()))
        .collect();
    assert_eq!(tools, [(json!("Bash"), json!("failed")), (json!("Edit"), json!("denied"))]);
    assert_eq!(
        (&first["approval"]["state"], &first["approval"]["approver_kind"], &first["outcome"]["state"]),
        (&json!("approved"), &json!("human"), &json!("executed")),
        "the refusal is of its tool alone"
    );
    assert_eq!(
        (&first["policy"][1]["target"], &first["policy"][1]["verdict"]),
        (&json!("Edit"), &json!("deny"))
    );
    assert_eq!(
        (&first["correlation"]["session"], &first["correlation"]["turn"]),
        (&json!("s-1"), &json!("p-1"))
    );
    assert_eq!(json(second)["usage"]["input_tokens"], 9);
}

#[test]
fn secrets_in_attributes_are_gone() {
    let record = one(vec![chat(
        (1, 1, 0),
        (0, 9),
        json!({
        "http.request.header.authorization": ["Bearer abcdefghijkl123456"], "http.request.header.cookie": "sid=abc",
        "vendor.note": "use sk-proj4abcdefghijklmnop", "llm.headers": "{\"x-api-key\": \"k-secret\"}",
        "gen_ai.input.messages": "[{\"role\":\"user\",\"parts\":[{\"type\":\"text\",\"content\":\"my key is sk-proj4abcdefghijklmnop\"}]}]" }),
    )]);
    let text = record.to_string();
    for secret in ["abcdefghijkl123456", "sid=abc", "sk-proj4", "k-secret"] {
        assert!(!text.contains(secret), "{secret} in {record:#}");
    }
    assert_eq!(record["custody"]["secrets_removed"], 5);
}

#[test]
fn an_odd_word_costs_a_field_and_not_the_record() {
    let record = one(vec![chat(
        (1, 1, 0),
        (0, 9),
        json!({
        "evidence.initiator.kind": "robot", "user.id": "u-1", "evidence.credential.status.method": "guess",
        "evidence.agent.config_digest": "rev 7" }),
    )]);
    assert_eq!(record["initiator"], json!({ "sub": "u-1" }));
    let fields: Vec<_> =
        record["otel"]["refused"].as_array().unwrap().iter().map(|one| one["field"].clone()).collect();
    assert_eq!(fields, ["credential.status.method", "initiator.kind", "workload.agent.config_digest"]);
}

#[test]
fn a_model_that_was_cut_short_says_so() {
    let out = assembled(items("openai-v2-limits"));
    for record in out.records.iter().map(json) {
        for group in ["input", "output"] {
            let parts = record[group]["content"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|one| one["parts"].as_array());
            let texts: Vec<&str> = parts.flatten().filter_map(|part| part["content"].as_str()).collect();
            let is_cut = texts.iter().any(|text| text.chars().count() == 64);
            assert_eq!(record[group].get("truncated").is_some(), is_cut, "{group}: {record:#}");
        }
        assert!(record["model"]["requested"].is_string(), "{record:#}");
    }
    let dropped =
        out.records.iter().map(|record| json(record)["custody"]["dropped_attributes"].as_u64().unwrap());
    assert_eq!(dropped.sum::<u64>(), 32);
}

#[test]
fn messages_that_name_no_call_stay_together_and_say_so() {
    let out = assembled(events(&[
        ("gen_ai.user.message", 1, json!({ "gen_ai.system": "anthropic" })),
        ("gen_ai.choice", 2, json!({ "gen_ai.system": "anthropic" })),
        ("http.access", 2, json!({ "status": 200 })),
    ]));
    assert_eq!((out.records.len(), out.ignored.get("http.access")), (1, Some(&1)));
    assert!(json(&out.records[0])["otel"]["unjoined"].is_string());
}

#[test]
fn traces_that_are_done_together_come_in_order_of_their_begin() {
    // The later a trace began, the lower is its id.
    let calls = (0..4).map(|n| chat((9 - n, 1, 0), (u64::from(n), 9), json!({}))).collect();
    let out = assembled(calls);
    let begin = |record: &Record| *record.body.time.value().unwrap().start.value().unwrap();
    let begins: Vec<Timestamp> = out.records.iter().map(begin).collect();
    assert_eq!(begins.len(), 4);
    assert!(begins.is_sorted(), "{begins:?}");
}

#[test]
fn a_conversation_is_the_session_where_none_is_named() {
    let session = |more: Value| one(vec![chat((1, 1, 0), (0, 9), more)])["correlation"]["session"].clone();
    assert_eq!(session(json!({ "gen_ai.conversation.id": "conv-1" })), "conv-1");
    assert_eq!(session(json!({ "gen_ai.conversation.id": "conv-1", "session.id": "s-1" })), "s-1");
    assert_eq!(session(json!({})), Value::Null);
}

#[test]
fn a_long_text_waits_once_and_is_in_the_record() {
    let text = "x".repeat(100_000);
    let asked = json!([{ "role": "user", "parts": [{ "type": "text", "content": text }] }]).to_string();
    let call = chat((1, 2, 0), (0, 30), json!({ "gen_ai.input.messages": asked, "vendor.note": text }));
    let mut assembler = Assembler::new(Config::default(), naming());
    assembler.feed(vec![call], &Delivery::at(at(0)));
    assert!((200_000..210_000).contains(&assembler.bytes), "{}", assembler.bytes);
    let record = json(&assembler.tick(at(61)).records[0]);
    assert_eq!(record["input"]["content"][0]["parts"][0]["content"], text, "{record:#}");
    assert_eq!(record["otel"]["parts"][0]["attributes"]["vendor.note"], text);
}
