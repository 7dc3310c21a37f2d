//! Messages in one form, whatever form they came in: that of OpenTelemetry's message schema, `{role, parts: [{type, …}]}`.
//!
//! Read are: that form, with `result` for `response` as its examples had it; OpenAI's chat messages, choices and responses;
//! Anthropic's content blocks; OpenInference's and OpenLLMetry's flattened messages, rebuilt; plain text.

use serde_json::{Map, Value, json};

use super::finish::finish_reason;
use super::shape::json as read_json;
use crate::limits::MAX_DEPTH;

/// The messages in `value`; `role` is whose they are if they do not say.
pub fn messages(value: &Value, role: &str) -> Vec<Value> {
    many(&read_json(value), role, 0)
}

fn many(value: &Value, role: &str, depth: usize) -> Vec<Value> {
    if depth > MAX_DEPTH {
        return vec![message(role, std::slice::from_ref(value))];
    }
    match value {
        Value::Null => Vec::new(),
        Value::String(_) => vec![message(role, &parts(value, depth))],
        Value::Array(list) if list.is_empty() => Vec::new(),
        Value::Array(list) if list.iter().any(is_message) => {
            list.iter().flat_map(|one| many(one, role, depth + 1)).collect()
        }
        Value::Array(_) => vec![message(role, &parts(value, depth))],
        Value::Object(object) => of_object(object, role, depth),
        other => vec![message(role, &[text(&other.to_string())])],
    }
}

/// Members that wrap a message, or a part of one, and say nothing themselves.
const WRAPPERS: [&str; 7] =
    ["message", "message_content", "tool_call", "prompt", "completion", "embedding", "tool"];

fn is_message(value: &Value) -> bool {
    let Value::Object(object) = value else { return false };
    let has = |name: &str| object.contains_key(name);
    let is_item = object
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|kind| matches!(kind, "message" | "function_call" | "function_call_output"));
    has("role")
        || has("parts")
        || has("message")
        || has("choices")
        || is_item
        || has("completion")
        || has("prompt")
        || has("embedding")
}

fn of_object(object: &Map<String, Value>, role: &str, depth: usize) -> Vec<Value> {
    for list in ["messages", "choices"] {
        if let Some(inner) = object.get(list) {
            let mut all =
                object.get("system").map(|system| many(system, "system", depth + 1)).unwrap_or_default();
            all.extend(many(inner, role, depth + 1));
            return all;
        }
    }
    if !object.contains_key("role") && !object.contains_key("parts") {
        for list in ["output", "input"] {
            if let Some(inner) = object.get(list).filter(|inner| !inner.is_null()) {
                let mut all = object
                    .get("instructions")
                    .map(|text| many(text, "system", depth + 1))
                    .unwrap_or_default();
                all.extend(many(inner, role, depth + 1));
                return all;
            }
        }
        for wrapper in WRAPPERS {
            if let Some(inner @ (Value::Object(_) | Value::Array(_))) = object.get(wrapper) {
                let mut inside = many(inner, role, depth + 1);
                if let (Some(reason), [Value::Object(only)]) =
                    (object.get("finish_reason").and_then(Value::as_str), inside.as_mut_slice())
                {
                    only.entry("finish_reason").or_insert_with(|| finish_reason(reason).into());
                }
                return inside;
            }
        }
    }
    vec![of_message(object, role, depth)]
}

fn of_message(object: &Map<String, Value>, role: &str, depth: usize) -> Value {
    let word = |name: &str| object.get(name).and_then(Value::as_str);
    let role = word("role").unwrap_or(match word("type") {
        Some("function_call") => "assistant",
        Some("function_call_output") => "tool",
        _ => role,
    });
    let content = ["parts", "contents", "content", "text"]
        .iter()
        .filter_map(|name| object.get(*name))
        .find(|it| !is_empty(it));
    let answered = word("tool_call_id").or_else(|| word("id").filter(|_| role == "tool"));
    let mut all = match (answered, content) {
        (Some(id), Some(content)) if !object.contains_key("parts") => {
            vec![json!({ "type": "tool_call_response", "id": id, "response": content })]
        }
        (_, Some(content)) => parts(content, depth),
        (_, None) if matches!(word("type"), Some("function_call" | "function_call_output" | "text")) => {
            vec![part(object, depth)]
        }
        (_, None) => Vec::new(),
    };
    if let Some(refusal) = word("refusal").filter(|refusal| !refusal.is_empty()) {
        all.push(json!({ "type": "refusal", "content": refusal }));
    }
    for name in ["reasoning_content", "reasoning"] {
        if let Some(reasoning) = word(name).filter(|it| !it.is_empty()) {
            all.push(json!({ "type": "reasoning", "content": reasoning }));
        }
    }
    add_calls(object, &mut all, depth);
    let mut message = message(role, &all);
    // An item of OpenAI's responses is called as its function is.
    let name = word("name").filter(|_| word("type") != Some("function_call"));
    if let (Value::Object(members), Some(name)) = (&mut message, name) {
        members.insert("name".into(), name.into());
    }
    let reason = word("finish_reason").or_else(|| word("stop_reason"));
    if let (Value::Object(members), Some(reason)) = (&mut message, reason) {
        members.insert("finish_reason".into(), finish_reason(reason).into());
    }
    message
}

/// Calls that stand beside the content, as in OpenAI's messages. One that is a part already is not added again.
fn add_calls(object: &Map<String, Value>, all: &mut Vec<Value>, depth: usize) {
    let mut calls: Vec<Value> = match object.get("tool_calls").map(read_json) {
        Some(Value::Array(calls)) => calls,
        _ => Vec::new(),
    };
    calls.extend(object.get("function_call").filter(|call| call.is_object()).cloned());
    if let Some(name) = object.get("function_call_name") {
        calls.push(json!({ "name": name, "arguments": object.get("function_call_arguments_json") }));
    }
    for call in &calls {
        let Value::Object(call) = call else { continue };
        let call = part(call.get("tool_call").and_then(Value::as_object).unwrap_or(call), depth);
        let is_known = |known: &Value| {
            known["type"] == "tool_call" && known["id"] == call["id"] && known["name"] == call["name"]
        };
        if !all.iter().any(is_known) {
            all.push(call);
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    }
}

fn message(role: &str, parts: &[Value]) -> Value {
    json!({ "role": role, "parts": parts })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "content": text })
}

fn parts(value: &Value, depth: usize) -> Vec<Value> {
    match value {
        Value::Null => Vec::new(),
        Value::String(content) => vec![text(content)],
        Value::Array(list) => list
            .iter()
            .map(|one| match one {
                Value::Object(object) => part(object, depth),
                Value::String(content) => text(content),
                other => text(&other.to_string()),
            })
            .collect(),
        Value::Object(object) => vec![part(object, depth)],
        other => vec![text(&other.to_string())],
    }
}

fn part(object: &Map<String, Value>, depth: usize) -> Value {
    if depth < MAX_DEPTH && object.len() == 1 {
        for wrapper in WRAPPERS {
            if let Some(Value::Object(inner)) = object.get(wrapper) {
                return part(inner, depth + 1);
            }
        }
    }
    let get = |names: &[&str]| names.iter().find_map(|name| object.get(*name)).cloned().unwrap_or_default();
    let kind = object.get("type").and_then(Value::as_str).unwrap_or_default();
    let function = object.get("function").and_then(Value::as_object);
    match kind {
        "text" | "input_text" | "output_text" => {
            json!({ "type": "text", "content": get(&["content", "text"]) })
        }
        "image" | "image_url" | "input_image" => image(object),
        "thinking" | "reasoning" => {
            json!({ "type": "reasoning", "content": get(&["content", "thinking", "text", "summary"]) })
        }
        "tool_call_response" | "tool_result" | "function_call_output" => json!({
            "type": "tool_call_response",
            "id": get(&["id", "tool_use_id", "call_id"]),
            "response": get(&["response", "result", "content", "output"]),
        }),
        "tool_call" | "tool_use" | "function" | "function_call" => call(object, function),
        "" if function.is_some() || object.contains_key("arguments") => call(object, function),
        "" if object.len() == 1 && object.contains_key("text") => text_or_same(object),
        _ => Value::Object(object.clone()),
    }
}

fn text_or_same(object: &Map<String, Value>) -> Value {
    json!({ "type": "text", "content": object.get("text") })
}

fn call(object: &Map<String, Value>, function: Option<&Map<String, Value>>) -> Value {
    let inner = function.unwrap_or(object);
    let arguments = inner.get("arguments").or_else(|| inner.get("input")).map(read_json).unwrap_or_default();
    // Responses have both: `id` names the item, `call_id` the call.
    let id = object.get("call_id").or_else(|| object.get("id")).cloned().unwrap_or_default();
    let name = inner.get("name").cloned().unwrap_or_default();
    json!({ "type": "tool_call", "id": id, "name": name, "arguments": arguments })
}

fn image(object: &Map<String, Value>) -> Value {
    let url = ["image_url", "image"].iter().find_map(|name| object.get(*name)).and_then(|image| {
        image
            .as_str()
            .or_else(|| image.get("url")?.as_str())
            .or_else(|| image.get("image")?.get("url")?.as_str())
    });
    match url {
        Some(url) => json!({ "type": "uri", "modality": "image", "uri": url }),
        None => Value::Object(object.clone()),
    }
}

/// The calls of tools in messages: the parts of type `tool_call`.
pub fn tool_calls(messages: &Value) -> Vec<&Map<String, Value>> {
    let parts = messages.as_array().into_iter().flatten().filter_map(|message| message["parts"].as_array());
    parts.flatten().filter(|part| part["type"] == "tool_call").filter_map(Value::as_object).collect()
}

/// All text of messages in a row: what two accounts of one call must agree on.
pub fn text_of(messages: &Value) -> String {
    let parts = messages.as_array().into_iter().flatten().filter_map(|message| message["parts"].as_array());
    let texts =
        parts.flatten().filter(|part| part["type"] == "text").filter_map(|part| part["content"].as_str());
    texts.collect::<Vec<_>>().concat()
}
