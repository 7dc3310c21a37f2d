//! Goal: nothing that an emitter says is lost, and nothing is made of it that it did not say. Method: spans and events in the form of each
//! emitter, as its source and its documentation have them.

use serde_json::{Value, json};

use super::super::*;
use super::read_span;
use crate::intake::{Encoding, Item, Signal, decode};
use crate::testsupport::{assembled, json as value, span};

fn pairs(attributes: &Value) -> Value {
    let any = |value: &Value| match value {
        Value::Number(it) if it.is_f64() => json!({ "doubleValue": it }),
        Value::Number(it) => json!({ "intValue": it }),
        other => json!({ "stringValue": other }),
    };
    attributes
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| json!({ "key": key, "value": any(value) }))
        .collect()
}

/// A span with events, each a name and its attributes.
pub(super) fn with_events(name: &str, attributes: &Value, events: &[(&str, Value)]) -> Item {
    let events: Vec<Value> = events
        .iter()
        .enumerate()
        .map(|(at, (name, attributes))| json!({ "timeUnixNano": 1_795_300_000_000_000_000_u64 + at as u64, "name": name, "attributes": pairs(attributes) }))
        .collect();
    let span = json!({
        "traceId": "01".repeat(16), "spanId": "02".repeat(8), "name": name, "startTimeUnixNano": "1795300000000000000",
        "endTimeUnixNano": "1795300001000000000", "attributes": pairs(attributes), "events": events
    });
    let body = json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] });
    decode(Signal::Traces, Encoding::Json, body.to_string().as_bytes()).unwrap().items.remove(0)
}

fn text(role: &str, content: &str) -> Value {
    json!({ "role": role, "parts": [{ "type": "text", "content": content }] })
}

#[test]
fn strands_has_its_messages_in_events() {
    let chat = json!({ "gen_ai.operation.name": "chat", "gen_ai.system": "strands-agents", "gen_ai.request.model": "m" });
    let reading = read(&with_events(
        "chat",
        &chat,
        &[
            ("gen_ai.system.message", json!({ "content": r#"[{"text": "Be brief."}]"# })),
            ("gen_ai.user.message", json!({ "content": r#"[{"text": "Refund it."}]"# })),
            (
                "gen_ai.tool.message",
                json!({ "role": "tool", "content": r#"[{"toolResult": {"toolUseId": "t-0", "status": "success", "content": [{"text": "ok"}]}}]"# }),
            ),
            (
                "gen_ai.choice",
                json!({ "finish_reason": "tool_use", "message": r#"[{"text": "Yes."}, {"toolUse": {"toolUseId": "t-1", "name": "refund", "input": {"cents": 5}}}]"# }),
            ),
        ],
    ));
    assert_eq!(
        reading.fields["content.input"],
        json!([
            text("system", "Be brief."), text("user", "Refund it."),
            { "role": "tool", "parts": [{ "type": "tool_call_response", "id": "t-0", "response": [{ "text": "ok" }] }] }
        ])
    );
    assert_eq!(
        reading.fields["content.output"],
        json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "text", "content": "Yes." }, { "type": "tool_call", "id": "t-1", "name": "refund", "arguments": { "cents": 5 } }
    ] }])
    );
    let tool = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund", "gen_ai.system": "strands-agents" });
    let reading = read(&with_events(
        "execute_tool refund",
        &tool,
        &[
            ("gen_ai.tool.message", json!({ "role": "tool", "content": r#"{"cents": 5}"#, "id": "t-1" })),
            ("gen_ai.choice", json!({ "message": r#"[{"text": "done"}]"#, "id": "t-1" })),
        ],
    ));
    assert_eq!(reading.fields["tool.arguments"], json!({ "cents": 5 }));
    assert_eq!(reading.fields["tool.result"], json!([{ "text": "done" }]));
    assert_eq!(reading.text("tool.call_id"), Some("t-1"));
}

#[test]
fn a_cycle_of_a_loop_is_no_call_of_its_own() {
    let cycle = json!({ "gen_ai.operation.name": "execute_event_loop_cycle", "gen_ai.system": "strands-agents", "event_loop.cycle_id": "1" });
    let events =
        [("gen_ai.user.message", json!({ "content": "x" })), ("gen_ai.choice", json!({ "message": "y" }))];
    assert_eq!(read(&with_events("execute_event_loop_cycle", &cycle, &events)).role, Role::Context);
    assert_eq!(read(&with_events("mine", &json!({}), &events)).role, Role::Inference);
    assert_eq!(
        read(&with_events("mine", &json!({}), &[("gen_ai.choice", json!({ "index": 0 }))])).role,
        Role::Context
    );
}

#[test]
fn azure_has_its_messages_in_the_content_of_events() {
    let chat = json!({ "gen_ai.operation.name": "chat", "gen_ai.system": "az.ai.inference", "gen_ai.request.model": "m" });
    let choice = r#"{"finish_reason": "tool_calls", "index": 0, "message": {"content": "", "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]}}"#;
    let events = [
        (
            "gen_ai.user.message",
            json!({ "gen_ai.system": "az.ai.inference", "gen_ai.event.content": r#"{"role": "user", "content": "Hi"}"# }),
        ),
        ("gen_ai.choice", json!({ "gen_ai.system": "az.ai.inference", "gen_ai.event.content": choice })),
    ];
    let reading = read(&with_events("chat m", &chat, &events));
    assert_eq!(reading.fields["content.input"], json!([text("user", "Hi")]));
    let called = json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] }]);
    assert_eq!(reading.fields["content.output"], called);
    // Agents have spans for each message and run, with operations of their own.
    for operation in ["process_thread_run", "create_message"] {
        let attributes = json!({ "gen_ai.operation.name": operation, "gen_ai.system": "az.ai.agents" });
        let out = assembled(vec![with_events(operation, &attributes, &events)]);
        assert_eq!(value(&out.records[0])["output"]["content"], called, "{operation}");
    }
    let whole = json!({ "gen_ai.event.content": r#"[{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}]"# });
    let reading = read(&with_events("chat m", &chat, &[("gen_ai.input.messages", whole)]));
    assert_eq!(reading.fields["content.input"], json!([text("user", "Hi")]));
}

/// A log record about the span of another item.
pub(super) fn event(name: &str, body: &Value) -> Item {
    fn any(value: &Value) -> Value {
        match value {
            Value::Object(members) => {
                let values: Vec<Value> =
                    members.iter().map(|(key, value)| json!({ "key": key, "value": any(value) })).collect();
                json!({ "kvlistValue": { "values": values } })
            }
            Value::Array(list) => {
                json!({ "arrayValue": { "values": list.iter().map(any).collect::<Vec<_>>() } })
            }
            other => json!({ "stringValue": other }),
        }
    }
    let record = json!({
        "traceId": "01".repeat(16), "spanId": "02".repeat(8), "timeUnixNano": "1795300000500000000", "eventName": name, "body": any(body)
    });
    let body = json!({ "resourceLogs": [{ "scopeLogs": [{ "logRecords": [record] }] }] });
    decode(Signal::Logs, Encoding::Json, body.to_string().as_bytes()).unwrap().items.remove(0)
}

#[test]
fn agentcore_has_its_messages_in_the_body_of_an_event() {
    let body = json!({
        "input": { "messages": [{ "role": "user", "content": { "content": r#"[{"text": "Hi"}]"# } }] },
        "output": { "messages": [{ "role": "assistant", "content": { "message": r#"[{"text": "Hello"}]"#, "finish_reason": "end_turn" } }] }
    });
    let chat = |operation: &str| {
        with_events(
            operation,
            &json!({ "gen_ai.operation.name": operation, "gen_ai.request.model": "m" }),
            &[],
        )
    };
    let out = assembled(vec![chat("chat"), event("strands.telemetry.tracer", &body)]);
    assert_eq!((out.records.len(), &out.ignored), (1, &std::collections::BTreeMap::new()));
    let record = value(&out.records[0]);
    assert_eq!(record["input"]["content"], json!([text("user", "Hi")]));
    assert_eq!(record["output"]["content"][0]["parts"], text("assistant", "Hello")["parts"]);
    // Those of a tool are its arguments and its result.
    let body = json!({
        "input": { "messages": [{ "role": "tool", "content": { "content": r#"{"cents": 5}"#, "role": "tool", "id": "t-1" } }] },
        "output": { "messages": [{ "role": "assistant", "content": { "message": r#"[{"text": "done"}]"#, "id": "t-1" } }] }
    });
    let tool = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "refund" });
    let out = assembled(vec![
        with_events("execute_tool refund", &tool, &[]),
        event("strands.telemetry.tracer", &body),
    ]);
    assert_eq!(out.records.len(), 1);
    let tools = value(&out.records[0])["tools"].clone();
    assert_eq!(tools.as_array().unwrap().len(), 1, "{tools}");
    assert_eq!(
        (&tools[0]["arguments"], &tools[0]["result"]),
        (&json!({ "cents": 5 }), &json!([{ "text": "done" }]))
    );
    // Those of an agent are in its calls, and no call of their own.
    let agent =
        span("s", (1, 2, 0), "invoke_agent", (0, 9), json!({ "gen_ai.operation.name": "invoke_agent" }));
    let call = span(
        "s",
        (1, 3, 2),
        "chat m",
        (1, 8),
        json!({ "gen_ai.operation.name": "chat", "gen_ai.completion": "Hello" }),
    );
    let body = json!({ "output": { "messages": [{ "role": "assistant", "content": "Hello" }] } });
    assert_eq!(assembled(vec![agent, call, event("strands.telemetry.tracer", &body)]).records.len(), 1);
}

#[test]
fn vercel_has_its_answer_in_several_attributes_and_names_its_tools() {
    let reading = read_span(
        "ai",
        "ai.generateText.doGenerate",
        json!({
            "ai.operationId": "ai.generateText.doGenerate", "ai.model.id": "m", "ai.model.provider": "openai.chat", "gen_ai.system": "openai.chat",
            "gen_ai.request.model": "m", "ai.prompt.messages": r#"[{"role":"user","content":[{"type":"text","text":"Hi"}]}]"#,
            "ai.response.text": "Sure.", "ai.response.finishReason": "tool-calls", "ai.response.id": "r1",
            "ai.response.toolCalls": r#"[{"toolCallType":"function","toolCallId":"c1","toolName":"f","args":"{\"x\":1}"}]"#,
            "ai.usage.promptTokens": 3, "ai.usage.completionTokens": 4, "ai.telemetry.metadata.sessionId": "s1"
        }),
    );
    assert_eq!(reading.role, Role::Inference);
    assert_eq!(reading.fields["content.input"], json!([text("user", "Hi")]));
    assert_eq!(
        reading.fields["content.output"],
        json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "text", "content": "Sure." }, { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] }])
    );
    for (field, expected) in [
        ("output.finish", json!(["tool_call"])),
        ("usage.output_tokens", json!(4)),
        ("correlation.response_id", json!("r1")),
        ("correlation.session", json!("s1")),
    ] {
        assert_eq!(reading.fields.get(field), Some(&expected), "{field}");
    }
    let reading = read_span(
        "ai",
        "ai.toolCall",
        json!({
            "ai.operationId": "ai.toolCall", "operation.name": "ai.toolCall", "ai.toolCall.name": "f", "ai.toolCall.id": "c1",
            "ai.toolCall.args": r#"{"x":1}"#, "ai.toolCall.result": r#""ok""#
        }),
    );
    assert_eq!(
        (reading.role, reading.text("tool.name"), reading.text("tool.call_id")),
        (Role::Tool, Some("f"), Some("c1"))
    );
    assert_eq!(
        (&reading.fields["tool.arguments"], &reading.fields["tool.result"]),
        (&json!({ "x": 1 }), &json!(r#""ok""#))
    );
    let embed = read_span(
        "ai",
        "ai.embed.doEmbed",
        json!({
            "ai.operationId": "ai.embed.doEmbed", "ai.model.id": "m", "ai.values": "[\"\\\"a b\\\"\"]", "ai.embeddings": "[[0.1,0.2]]"
        }),
    );
    assert_eq!((embed.role, embed.fields.get("content.output")), (Role::Inference, None));
    assert!(embed.omitted.contains("ai.embeddings") && embed.fields.contains_key("content.input"));
    for outer in ["ai.generateText", "ai.streamText", "ai.embedMany"] {
        assert_eq!(
            read_span("ai", outer, json!({ "ai.operationId": outer, "ai.response.text": "x" })).role,
            Role::Context
        );
    }
}

#[test]
fn spring_ai_names_its_tools_and_stores() {
    let reading = read_span(
        "spring",
        "tool_call f",
        json!({
            "gen_ai.operation.name": "framework", "gen_ai.system": "spring_ai", "spring.ai.kind": "tool_call",
            "spring.ai.tool.definition.name": "f", "spring.ai.tool.call.arguments": r#"{"x":1}"#, "spring.ai.tool.call.result": "ok",
            "spring.ai.tool.call.id": "c1"
        }),
    );
    assert_eq!(
        (reading.role, reading.text("tool.name"), reading.text("tool.call_id")),
        (Role::Tool, Some("f"), Some("c1"))
    );
    assert_eq!(
        (&reading.fields["tool.arguments"], &reading.fields["tool.result"]),
        (&json!({ "x": 1 }), &json!("ok"))
    );
    let reading = read_span(
        "spring",
        "pg_vector query",
        json!({
            "spring.ai.kind": "vector_store", "db.operation.name": "query", "db.system": "pg_vector", "db.vector.query.content": "refunds"
        }),
    );
    assert_eq!((reading.role, reading.text("source.query")), (Role::Retrieval, Some("refunds")));
    let advisor = json!({ "spring.ai.kind": "advisor", "gen_ai.operation.name": "framework" });
    assert_eq!(read_span("spring", "call advisor", advisor).role, Role::Context);
}

#[test]
fn tools_are_told_by_their_names_where_no_operation_is() {
    for (attributes, arguments) in [
        (
            json!({ "gen_ai.tool.name": "f", "gen_ai.tool.call.id": "c1", "tool_arguments": r#"{"x":1}"#, "tool_response": "ok" }),
            json!({ "x": 1 }),
        ),
        (
            json!({ "gen_ai.tool.name": "f", "gen_ai.tool.arguments": "{}", "gen_ai.tool.result": "ok" }),
            Value::Null,
        ),
    ] {
        let reading = read_span("pydantic-ai", "running tool", attributes);
        assert_eq!(
            (reading.role, reading.text("tool.name"), &reading.fields["tool.result"]),
            (Role::Tool, Some("f"), &json!("ok"))
        );
        assert_eq!(reading.fields.get("tool.arguments").cloned().unwrap_or_default(), arguments);
    }
    let gateway = json!({ "gateway.id": "gw-1", "tool.name": "refund", "aws.request.id": "r1" });
    assert_eq!(
        (read_span("", "x", gateway.clone()).role, read_span("", "x", gateway).text("tool.name")),
        (Role::Tool, Some("refund"))
    );
    assert_eq!(read_span("", "x", json!({ "tool.name": "refund" })).role, Role::Context);
}

#[test]
fn google_adk_has_gemini_s_requests_and_typed_tools() {
    let request = json!({
        "model": "gemini-3", "config": { "system_instruction": "Be brief.", "temperature": 0.5 },
        "contents": [
            { "role": "user", "parts": [{ "text": "Refund it." }] },
            { "role": "model", "parts": [{ "function_call": { "id": "c1", "name": "f", "args": { "x": 1 } } }] },
            { "role": "user", "parts": [{ "function_response": { "id": "c1", "name": "f", "response": { "ok": true } } }] }
        ]
    });
    let response = json!({ "content": { "role": "model", "parts": [{ "text": "Hm.", "thought": true }, { "text": "Done." }] }, "finish_reason": "STOP" });
    let reading = read_span(
        "gcp.vertex.agent",
        "call_llm",
        json!({
            "gen_ai.system": "gcp.vertex.agent", "gen_ai.request.model": "gemini-3", "gcp.vertex.agent.llm_request": request.to_string(),
            "gcp.vertex.agent.llm_response": response.to_string(), "gcp.vertex.agent.session_id": "s1"
        }),
    );
    assert_eq!((reading.role, reading.text("correlation.session")), (Role::Inference, Some("s1")));
    assert_eq!(
        reading.fields["content.input"],
        json!([
            text("system", "Be brief."), text("user", "Refund it."),
            { "role": "assistant", "parts": [{ "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] },
            { "role": "user", "parts": [{ "type": "tool_call_response", "id": "c1", "response": { "ok": true } }] }
        ])
    );
    assert_eq!(
        reading.fields["content.output"],
        json!([{ "role": "assistant", "finish_reason": "stop", "parts": [
        { "type": "reasoning", "content": "Hm." }, { "type": "text", "content": "Done." }] }])
    );
    assert_eq!(
        reading.left["gcp.vertex.agent.llm_request.config"]["temperature"], 0.5,
        "and nothing else of it is lost"
    );
    let reading = read_span(
        "gcp.vertex.agent",
        "execute_tool f",
        json!({
            "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "f", "gcp.vertex.agent.tool_call_args": r#"{"x": 1}"#,
            "gcp.vertex.agent.tool_response": r#"{"ok": true}"#, "gcp.vertex.agent.llm_request": "{}", "gcp.vertex.agent.llm_response": "{}"
        }),
    );
    assert_eq!(
        (&reading.fields["tool.arguments"], &reading.fields["tool.result"]),
        (&json!({ "x": 1 }), &json!({ "ok": true }))
    );
}

#[test]
fn what_nobody_knows_is_content() {
    let secret = "the patient's name is Ada";
    let mut item = with_events(
        "step",
        &json!({ "gen_ai.operation.name": "chat", "acme.prompt": secret, "acme.note": secret }),
        &[("acme.thought", json!({ "text": secret }))],
    );
    if let Item::Span(span) = &mut item {
        span.attributes.insert("acme.deep".into(), json!({ "messages": [secret] }));
    }
    let out = assembled(vec![item]);
    assert!(value(&out.records[0]).to_string().matches("Ada").count() >= 4, "it is kept");
    let facts = Value::Object(out.records[0].without_content().to_object());
    assert!(!facts.to_string().contains("Ada"), "{facts:#}");
    assert!(
        out.unknown.contains_key("acme.prompt") && out.unknown.contains_key("span.events"),
        "{:?}",
        out.unknown
    );
}
