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
fn with_events(name: &str, attributes: &Value, events: &[(&str, Value)]) -> Item {
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
fn event(name: &str, body: &Value) -> Item {
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
fn what_stands_beside_a_wrapped_message_is_of_it() {
    let call =
        json!([{ "id": "c1", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } }]);
    let expected = json!([{ "role": "assistant", "finish_reason": "tool_call", "parts": [
        { "type": "text", "content": "x" }, { "type": "tool_call", "id": "c1", "name": "f", "arguments": { "x": 1 } }] }]);
    for choice in [
        json!({ "index": 0, "finish_reason": "tool_calls", "message": { "role": "assistant", "content": "x" }, "tool_calls": call }),
        json!({ "index": 0, "finish_reason": "tool_calls", "message": { "content": "x", "tool_calls": [] }, "tool_calls": call }),
        json!({ "index": 0, "finish_reason": "tool_calls", "message": { "content": "x", "tool_calls": null }, "tool_calls": call }),
        json!({ "index": 0, "finish_reason": "tool_calls", "message": "x", "tool_calls": call }),
        json!({ "finish_reason": "tool_calls", "message": [{ "role": "assistant", "content": "x" }], "tool_calls": call }),
        json!({ "finish_reason": "tool_calls", "completion": "x", "tool_calls": call.to_string() }),
    ] {
        assert_eq!(Value::from(messages(&choice, "assistant")), expected, "{choice}");
    }
    let refused = messages(&json!({ "message": { "role": "assistant" }, "refusal": "no" }), "assistant");
    assert_eq!(refused[0]["parts"], json!([{ "type": "refusal", "content": "no" }]));
}

#[test]
fn items_of_a_response_are_not_lost() {
    let output = json!({ "output": [
        { "type": "reasoning", "id": "i0", "summary": [{ "type": "summary_text", "text": "Hm." }] },
        { "type": "web_search_call", "id": "i1", "status": "completed", "action": { "type": "search", "query": "q" } },
        { "type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}" },
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Done." }] }
    ] });
    let found = messages(&output, "assistant");
    let parts: Vec<&Value> = found.iter().flat_map(|message| message["parts"].as_array().unwrap()).collect();
    let kinds: Vec<&str> = parts.iter().map(|part| part["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["reasoning", "web_search_call", "tool_call", "text"]);
    assert!(found.iter().all(|message| message["role"] == "assistant"));
    let answered = json!([{ "type": "function_call_output", "call_id": "c1", "output": "ok" }, { "role": "user", "content": "x" }]);
    assert_eq!(
        messages(&answered, "user")[0]["parts"][0],
        json!({ "type": "tool_call_response", "id": "c1", "response": "ok" })
    );
}

fn chat(output: &Value) -> Value {
    let attributes = json!({ "gen_ai.operation.name": "chat", "gen_ai.output.messages": output.to_string(), "gen_ai.response.finish_reasons": ["stop"] });
    let item = span("a", (1, 2, 0), "chat m", (0, 1), attributes);
    value(&assembled(vec![item]).records[0])
}

#[test]
fn tools_that_the_provider_ran_are_tools() {
    let record = chat(&json!([{ "role": "assistant", "parts": [
        { "type": "server_tool_call", "id": "s1", "name": "web_search", "server_tool_call": { "type": "web_search", "query": "q" } },
        { "type": "server_tool_call_response", "id": "s1", "server_tool_call_response": { "results": [1] } },
        { "type": "text", "content": "Done." }] }]));
    assert_eq!(
        record["tools"],
        json!([{
            "call_id": "s1", "name": "web_search", "type": "server", "arguments": { "type": "web_search", "query": "q" },
            "result": { "results": [1] }, "proposed": true, "origin": "model", "status": "executed"
        }])
    );
    // Whether it ran is not known where no result is.
    for (part, name) in [
        (
            json!({ "type": "server_tool_use", "id": "s1", "name": "web_search", "input": { "query": "q" } }),
            "web_search",
        ),
        (json!({ "type": "code_interpreter_call", "id": "s1", "code": "1+1" }), "code_interpreter"),
        (
            json!({ "type": "mcp_call", "id": "s1", "name": "pay", "server_label": "bank", "arguments": "{}" }),
            "pay",
        ),
    ] {
        let record =
            chat(&json!([{ "role": "assistant", "parts": [part, { "type": "text", "content": "x" }] }]));
        assert_eq!(
            (&record["tools"][0]["name"], record["tools"][0].get("status")),
            (&json!(name), None),
            "{part}"
        );
    }
    // A part of an unknown kind may be one.
    let record = chat(
        &json!([{ "role": "assistant", "parts": [{ "type": "gizmo" }, { "type": "text", "content": "x" }] }]),
    );
    assert_eq!(record.get("tools"), None);
    assert_eq!(
        chat(&json!([{ "role": "assistant", "parts": [{ "type": "text", "content": "x" }] }]))["tools"],
        json!([])
    );
}

#[test]
fn a_vector_is_no_answer() {
    let vector: Vec<f64> = (0..1536).map(f64::from).collect();
    for answer in [
        json!({ "index": 0, "finish_reason": "unknown", "message": { "role": "assistant", "content": vector } }),
        json!({ "message": { "content": [vector, vector] } }),
        json!({ "object": "list", "data": [{ "object": "embedding", "index": 0, "embedding": vector }] }),
        json!([{ "object": "embedding", "embedding": "AAAA" }]),
        json!({ "embedding": vector }),
        json!(vector),
    ] {
        let field = json!({ "gen_ai.operation.name": "embeddings" });
        let item = with_events("embeddings m", &field, &[]);
        let Item::Span(mut span) = item else { panic!("a span") };
        span.attributes.insert("gen_ai.output.messages".into(), answer.clone());
        let record = value(&assembled(vec![Item::Span(span)]).records[0]);
        assert_eq!(record.get("output"), None, "{answer}");
    }
    let body = json!({ "index": 0, "finish_reason": "unknown", "message": { "role": "assistant", "content": vector } });
    let call = with_events("openai.embeddings", &json!({ "gen_ai.operation.name": "embeddings" }), &[]);
    let mut choice = event("gen_ai.choice", &json!({}));
    if let Item::Event(choice) = &mut choice {
        choice.body = body;
    }
    let record = value(&assembled(vec![call, choice]).records[0]);
    assert_eq!(record.get("output"), None, "{record:#}");
}

#[test]
fn verdicts_of_guardrails_are_read_by_every_generation_of_names() {
    for (attributes, phase) in [
        (
            json!({
                "gen_ai.operation.name": "run_guardrail", "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "input",
                "gen_ai.guardrail.target.subtype": "llm", "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block",
                "gen_ai.guardrail.security.policy.id": "p1", "gen_ai.guardrail.verdict.code": "112"
            }),
            json!("input"),
        ),
        (
            json!({
                "gen_ai.operation.name": "apply_guardrail", "gen_ai.guardian.name": "pii", "gen_ai.security.target.type": "llm_output",
                "gen_ai.security.decision.type": "deny", "gen_ai.security.action.type": "block", "gen_ai.security.policy.id": "p1",
                "gen_ai.security.decision.code": "112"
            }),
            json!("output"),
        ),
        (
            json!({
                "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "input", "gen_ai.guardrail.target.subtype": "tool_call",
                "gen_ai.guardrail.target.id": "c1", "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block",
                "gen_ai.guardrail.policy.id": "p1", "gen_ai.guardrail.verdict.code": "112"
            }),
            json!("pre_tool"),
        ),
        // What a tool gave back is no answer of the model.
        (
            json!({
                "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.target.type": "output", "gen_ai.guardrail.target.subtype": "tool_call",
                "gen_ai.guardrail.verdict.type": "deny", "gen_ai.guardrail.action.type": "block", "gen_ai.guardrail.policy.id": "p1",
                "gen_ai.guardrail.verdict.code": "112"
            }),
            Value::Null,
        ),
    ] {
        let out = assembled(vec![span("a", (1, 2, 0), "guardrail", (0, 1), attributes.clone())]);
        let decision = value(&out.records[0])["policy"][0].clone();
        let said = ["engine", "verdict", "enforced", "id", "reason"].map(|name| decision[name].clone());
        assert_eq!(said, ["pii", "deny", "deny", "p1", "112"].map(Value::from), "{attributes}");
        assert_eq!(decision.get("phase").cloned().unwrap_or_default(), phase);
    }
    let result =
        json!({ "gen_ai.guardrail.component.name": "pii", "gen_ai.guardrail.verdict.type": "allow" });
    let Item::Event(mut found) = event("gen_ai.guardrail.result", &json!({})) else { panic!("an event") };
    found.attributes = result.as_object().unwrap().clone();
    assert_eq!(read(&Item::Event(found)).role, Role::Guardrail);
    // A call of a model stays one, whatever guards it.
    let guarded = json!({ "gen_ai.operation.name": "chat", "gen_ai.guardrail.name": "pii" });
    assert_eq!(read_span("a", "chat m", guarded).role, Role::Inference);
}

#[test]
fn a_bare_hash_of_content_is_refused_by_any_name() {
    let bare = "ab".repeat(32);
    for name in [
        "gen_ai.guardrail.security.content.input.hash",
        "gen_ai.guardrail.content.output.hash",
        "gen_ai.security.content.input.hash",
        "evidence.output.commitment",
        "evidence.input.commitment#2",
        "gen_ai.prompt.sha256",
        "app.tool_arguments_digest",
    ] {
        for value in [bare.clone(), format!("sha256:{bare}")] {
            let item = span("a", (1, 1, 0), "x", (0, 1), json!({ name: value }));
            assert_eq!(unsalted(&item), Err(crate::intake::ItemError::Unsalted(name.into())));
        }
        let noted = with_events("x", &json!({}), &[("gen_ai.security.finding", json!({ name: bare }))]);
        assert!(unsalted(&noted).is_err(), "{name}");
        assert!(unsalted(&event("x", &json!({ name: bare }))).is_err(), "{name}");
        let keyed = span("a", (1, 1, 0), "x", (0, 1), json!({ name: "hmac-sha256:ab" }));
        assert_eq!(unsalted(&keyed), Ok(()));
    }
    for public in [
        "traceloop.prompt.version_hash",
        "litellm.api_key.hash",
        "gen_ai.response.id",
        "evidence.policy.digest",
        "vcs.commit.hash",
    ] {
        assert_eq!(unsalted(&span("a", (1, 1, 0), "x", (0, 1), json!({ public: bare }))), Ok(()), "{public}");
    }
}

#[test]
fn the_rule_of_a_guardrail_is_not_its_method() {
    let response = json!([{ "type": "pattern", "pattern_name": "us_ssn", "action": "BLOCK" }]).to_string();
    let attributes = json!({
        "litellm.guardrail.name": "pii", "litellm.guardrail.status": "guardrail_intervened", "litellm.guardrail.detection_method": "regex",
        "litellm.guardrail.response": response
    });
    let out = assembled(vec![span("litellm", (1, 2, 0), "execute_guardrail pii", (0, 1), attributes)]);
    let decision = value(&out.records[0])["policy"][0].clone();
    assert_eq!((&decision["rule"], &decision["detection_method"]), (&json!("us_ssn"), &json!("regex")));
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
