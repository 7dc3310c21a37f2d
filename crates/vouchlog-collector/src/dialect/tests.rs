//! Reading attributes.

use serde_json::{Value, json};

use super::*;
use crate::testsupport::{events, items, span};

mod claims;
mod emitters;
mod guardrails;
mod lossless;
mod parts;
mod platforms;
mod reach;
mod shapes;

fn read_span(scope: &str, name: &str, attributes: Value) -> Reading {
    read(&span(scope, (1, 1, 0), name, (0, 1), attributes))
}

#[test]
fn every_table_is_read_and_has_a_version() {
    assert_eq!(tables().len(), 14);
    for file in tables() {
        let json: Value = serde_json::from_str(file.json).unwrap();
        assert_eq!(json["version"], "1", "{}", file.name);
    }
    for dialect in Dialect::ALL {
        let _ = table::of(dialect);
    }
}

#[test]
fn dialects_are_told_by_what_an_item_says() {
    for (folder, known) in [
        ("litellm-proxy-v1", Dialect::LiteLlm),
        ("litellm-sdk-v1", Dialect::LiteLlm),
        ("litellm-sdk-v2-no-content", Dialect::LiteLlmV2),
        ("mcp-python-sdk", Dialect::Mcp),
        ("openai-v2-json", Dialect::GenAi),
        ("openai-v2.1-legacy-content", Dialect::GenAiOld),
        ("openinference-default", Dialect::OpenInference),
        ("openllmetry-default", Dialect::OpenLlmetry),
        ("session-synthetic", Dialect::GenAi),
        ("by-hand", Dialect::GenAiNew),
        ("by-hand", Dialect::ClaudeCode),
    ] {
        assert!(items(folder).iter().any(|item| detect(item) == known), "{folder}: {known:?}");
    }
    let of = |scope, attributes| detect(&span(scope, (1, 1, 0), "x", (0, 1), attributes));
    assert_eq!(of("agentgateway", json!({ "gen_ai.system": "openai" })), Dialect::AgentGateway);
    assert_eq!(of("x", json!({ "a2a.method.name": "message/send" })), Dialect::A2a);
    assert_eq!(of("x", json!({ "traceloop.span.kind": "tool" })), Dialect::OpenLlmetry);
    assert_eq!(of("x", json!({ "db.system": "sqlite" })), Dialect::Other);
}

#[test]
fn what_a_resource_declares_holds_for_its_items_unless_they_say_otherwise() {
    let resource = json!({
        "service.name": "bot", "evidence.workload.id": "spiffe://example.org/bot", "evidence.workload.method": "wit",
        "evidence.workload.verified": "true", "evidence.authority.mode": "autonomous", "evidence.data.input_class": "internal",
        "user.id": "nobody"
    });
    let attributes = json!({ "gen_ai.operation.name": "chat", "evidence.authority.mode": "connector" });
    let Item::Span(mut span) = span("a", (1, 1, 0), "chat m", (0, 1), attributes) else { panic!("a span") };
    let Value::Object(resource) = resource else { panic!("an object") };
    span.source = std::sync::Arc::new(Source { resource, ..Source::default() });
    let reading = read(&Item::Span(span));
    let fields = [
        ("workload.id", json!("spiffe://example.org/bot")),
        ("workload.method", json!("wit")),
        ("workload.verified", json!(true)),
        ("data.input_class", json!(["internal"])),
        ("authority.mode", json!("connector")),
    ];
    for (field, value) in fields {
        assert_eq!(reading.fields.get(field), Some(&value), "{field}");
    }
    // Who began it is no constant of a program.
    assert_eq!(reading.fields.get("initiator.sub"), None);
}

#[test]
fn old_names_and_new_ones_mean_the_same() {
    let new = read_span(
        "a",
        "chat m",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.usage.input_tokens": 3,
            "gen_ai.usage.cache_write.input_tokens": 4, "gen_ai.usage.reasoning.output_tokens": 5,
            "gen_ai.response.finish_reasons": ["tool_call"]
        }),
    );
    let old = read_span(
        "a",
        "chat m",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.system": "openai", "gen_ai.usage.prompt_tokens": 3,
            "gen_ai.usage.cache_creation_input_tokens": 4, "gen_ai.usage.reasoning_tokens": "5",
            "gen_ai.response.finish_reasons": "[\"tool_calls\"]"
        }),
    );
    assert_eq!(new.fields, old.fields);
    assert_eq!(new.left, json!({}).as_object().unwrap().clone());
}

#[test]
fn of_two_names_the_newer_one_counts_and_a_difference_is_kept() {
    let both = read_span(
        "a",
        "chat m",
        json!({
            "gen_ai.operation.name": "chat", "gen_ai.provider.name": "azure.ai.openai", "gen_ai.system": "openai"
        }),
    );
    assert_eq!(both.text("model.provider"), Some("azure.ai.openai"));
    assert_eq!(Value::Object(both.left), json!({ "gen_ai.system": "openai" }));
}

#[test]
fn flattened_messages_are_rebuilt() {
    let reading = read_span(
        "opentelemetry.instrumentation.x",
        "openai.chat",
        json!({
            "llm.request.type": "chat", "gen_ai.prompt.0.role": "system", "gen_ai.prompt.0.content": "Be brief.",
            "gen_ai.prompt.10.role": "user", "gen_ai.prompt.10.content": "last", "gen_ai.prompt.2.role": "assistant",
            "gen_ai.prompt.2.tool_calls.0.id": "c1", "gen_ai.prompt.2.tool_calls.0.name": "f",
            "gen_ai.prompt.2.tool_calls.0.arguments": "{\"x\":1}", "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "Done.", "gen_ai.completion.0.finish_reason": "stop"
        }),
    );
    assert_eq!(
        reading.fields["content.input"],
        json!([
            { "role": "system", "parts": [{ "type": "text", "content": "Be brief." }] },
            { "role": "assistant", "parts": [{ "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] },
            { "role": "user", "parts": [{ "type": "text", "content": "last" }] }
        ])
    );
    assert_eq!(
        reading.fields["content.output"],
        json!([
            { "role": "assistant", "parts": [{ "type": "text", "content": "Done." }], "finish_reason": "stop" }
        ])
    );
    assert!(reading.left.is_empty());
}

#[test]
fn every_shape_of_messages_becomes_one() {
    let call = json!({ "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } });
    let assistant = json!([{ "role": "assistant", "parts": [call] }]);
    for shape in [
        json!([{ "role": "assistant", "parts": [call] }]),
        json!([{ "role": "assistant", "content": null, "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }] }]),
        json!([{ "role": "assistant", "parts": [], "tool_calls": [{ "id": "c1", "function": { "name": "f", "arguments": "{\"x\":1}" } }] }]),
        json!({ "role": "assistant", "content": [{ "type": "tool_use", "id": "c1", "name": "f", "input": { "x": 1 } }] }),
        json!([{ "type": "tool_use", "id": "c1", "name": "f", "input": { "x": 1 } }]),
        json!({ "output": [{ "type": "function_call", "id": "i", "call_id": "c1", "name": "f", "arguments": "{\"x\":1}" }] }),
        json!(
            "{\"role\": \"assistant\", \"tool_calls\": [{\"id\": \"c1\", \"function\": {\"name\": \"f\", \"arguments\": {\"x\": 1}}}]}"
        ),
    ] {
        assert_eq!(Value::Array(messages(&shape, "assistant")), assistant, "{shape}");
    }
    for result in ["response", "result"] {
        let shape = json!([{ "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", result: "ok" }] }]);
        assert_eq!(messages(&shape, "user")[0]["parts"][0]["response"], "ok");
    }
    let told = messages(&json!([{ "role": "tool", "tool_call_id": "c1", "content": "ok" }]), "user");
    assert_eq!(told[0]["parts"][0], json!({ "type": "tool_call_response", "id": "c1", "response": "ok" }));
    let choice = messages(
        &json!({ "choices": [{ "finish_reason": "tool_calls", "message": { "role": "assistant", "content": "x" } }] }),
        "user",
    );
    assert_eq!(
        choice,
        [
            json!({ "role": "assistant", "parts": [{ "type": "text", "content": "x" }], "finish_reason": "tool_call" })
        ]
    );
}

#[test]
fn a_cut_value_is_kept_as_it_is_and_marked() {
    let cut = "[{\"role\":\"user\",\"parts\":[{\"content\":\"Tell me";
    let reading =
        read_span("a", "chat m", json!({ "gen_ai.operation.name": "chat", "gen_ai.input.messages": cut }));
    assert!(reading.truncated);
    assert_eq!(reading.fields["content.input"][0]["parts"][0]["content"], cut);
}

#[test]
fn only_what_carries_a_call_is_one() {
    // LiteLLM puts the model on every span of a request as baggage.
    for (name, attributes, role) in [
        ("auth /v1/chat", json!({ "gen_ai.request.model": "m", "litellm.api_key.hash": "k" }), Role::Context),
        ("chat m", json!({ "gen_ai.request.model": "m" }), Role::Inference),
        ("x", json!({ "gen_ai.usage.output_tokens": 3 }), Role::Inference),
        (
            "x",
            json!({ "gen_ai.operation.name": "invoke_agent", "gen_ai.usage.output_tokens": 3 }),
            Role::Agent,
        ),
        ("x", json!({ "mcp.method.name": "tools/list" }), Role::McpTalk),
        (
            "x",
            json!({ "mcp.method.name": "tools/call", "gen_ai.operation.name": "execute_tool" }),
            Role::McpCall,
        ),
        (
            "x",
            json!({ "litellm.guardrail.name": "pii", "gen_ai.operation.name": "execute_guardrail" }),
            Role::Guardrail,
        ),
        ("x", json!({ "openinference.span.kind": "RETRIEVER" }), Role::Retrieval),
    ] {
        assert_eq!(read_span("s", name, attributes.clone()).role, role, "{attributes}");
    }
}

#[test]
fn evidence_and_verified_claims_have_their_fields() {
    let reading = read_span(
        "agentgateway",
        "chat m",
        json!({
            "gen_ai.operation.name": "chat", "jwt.sub": "u-1", "jwt.iss": "https://idp.example", "jwt.jti": "t-1", "jwt.exp": 1_795_300_300,
            "jwt.aud": "[\"corp\"]", "jwt.scope": "a b", "source.spiffeId": "spiffe://corp/gw", "evidence.approval.state": "APPROVED",
            "evidence.credential.status.checked_at": "2026-11-21T10:00:00Z", "evidence.session.shared": "true"
        }),
    );
    for (field, value) in [
        ("initiator.sub", json!("u-1")),
        ("initiator.verified_by", json!("oidc")),
        ("credential.id", json!("t-1")),
        ("credential.exp", json!("2026-11-21T22:31:40Z")),
        ("credential.aud", json!(["corp"])),
        ("credential.scope", json!(["a", "b"])),
        ("workload.id", json!("spiffe://corp/gw")),
        ("workload.method", json!("x509_svid")),
        ("approval.state", json!("approved")),
        ("session.shared", json!(true)),
    ] {
        assert_eq!(reading.fields.get(field), Some(&value), "{field}");
    }
    assert!(reading.left.is_empty(), "{:?}", reading.left);
}

#[test]
fn an_unsalted_digest_is_refused() {
    let bare =
        span("a", (1, 1, 0), "x", (0, 1), json!({ "gen_ai.security.content.input.hash": "ab".repeat(32) }));
    assert!(matches!(unsalted(&bare), Err(crate::intake::ItemError::Unsalted(_))));
    let keyed =
        span("a", (1, 1, 0), "x", (0, 1), json!({ "gen_ai.security.content.input.hash": "hmac-sha256:ab" }));
    assert_eq!(unsalted(&keyed), Ok(()));
    assert_eq!(events(&[("x", 1, json!({}))]).len(), 1);
}
