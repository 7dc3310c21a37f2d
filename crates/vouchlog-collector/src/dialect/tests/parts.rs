//! Goal: every part of a message is kept, and a record lists the tools that are among them.

use serde_json::{Value, json};

use super::super::*;
use super::emitters::{event, with_events};
use crate::intake::Item;
use crate::testsupport::{assembled, json as value, span};

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
    // A span that tells of the same call is the same tool.
    let parts = json!([{ "role": "assistant", "parts": [{ "type": "server_tool_use", "id": "s1", "name": "web_search", "input": {} }] }]);
    let call = json!({ "gen_ai.operation.name": "chat", "gen_ai.output.messages": parts.to_string() });
    let run = json!({ "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "web_search", "gen_ai.tool.call.id": "s1" });
    let out = assembled(vec![
        span("a", (1, 2, 0), "chat m", (0, 9), call),
        span("a", (1, 3, 2), "execute_tool web_search", (1, 2), run),
    ]);
    let tools = value(&out.records[0])["tools"].clone();
    assert_eq!((tools.as_array().unwrap().len(), &tools[0]["status"]), (1, &json!("executed")));
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
    // Flattened messages leave it out; the same answer in one piece does not.
    let whole = json!({ "output": [
        { "type": "web_search_call", "id": "s1", "status": "completed", "action": { "query": "q" } },
        { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Done." }] }
    ] });
    let flattened = json!({
        "openinference.span.kind": "LLM", "llm.model_name": "m", "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "Done.", "output.value": whole.to_string()
    });
    let record =
        value(&assembled(vec![span("openinference.x", (1, 2, 0), "Response", (0, 1), flattened)]).records[0]);
    assert_eq!(
        (&record["tools"][0]["name"], &record["tools"][0]["status"]),
        (&json!("web_search"), &json!("executed")),
        "{record:#}"
    );
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
