//! Messages in one form, whatever form they came in: that of OpenTelemetry's message schema, `{role, parts: [{type, …}]}`.
//!
//! Read are: that form, with `result` for `response` as its examples had it; OpenAI's chat messages, choices and responses;
//! Anthropic's content blocks and Bedrock's; Gemini's contents and candidates; OpenInference's and OpenLLMetry's flattened messages,
//! rebuilt; plain text.

use serde_json::{Map, Value, json};

use super::finish::finish_reason;
use super::langchain;
use super::parts::{WRAPPERS, part, parts, text};
use super::shape::json as read_json;
use crate::limits::MAX_DEPTH;

/// The messages in `value`; `role` is whose they are if they do not say. A text is one message, unless it is JSON of messages or of their
/// parts: JSON in a message is kept as it was written.
pub fn messages(value: &Value, role: &str) -> Vec<Value> {
    let read = read_json(value);
    if let Some(plain) = langchain::plain(&read) {
        return many(&plain, role, 0);
    }
    match read {
        read if value.is_string() && !is_conversation(&read) => match value.as_str() {
            Some("") | None => Vec::new(),
            Some(_) => vec![message(role, &parts(value, 0))],
        },
        read => many(&read, role, 0),
    }
}

/// Whether JSON in a text is messages, or parts of them.
fn is_conversation(read: &Value) -> bool {
    match read {
        Value::Array(list) => {
            let is_one = |one: &Value| one.is_string() || is_message(one) || is_part(one);
            !list.is_empty() && list.iter().all(is_one)
        }
        Value::Object(object) => {
            is_message(read)
                || is_part(read)
                || CONTENT.iter().chain(&LISTS).any(|name| object.contains_key(*name))
        }
        _ => false,
    }
}

/// Members that hold what a message says.
const CONTENT: [&str; 5] = ["parts", "contents", "content", "message.content", "text"];

/// Members that hold the messages of a request or an answer.
const LISTS: [&str; 7] = ["messages", "choices", "candidates", "output", "input", "instructions", "system"];

fn is_part(value: &Value) -> bool {
    const MARKS: [&str; 11] = [
        "type",
        "text",
        "tool_call",
        "function_call",
        "functionCall",
        "function_response",
        "functionResponse",
        "toolUse",
        "toolResult",
        "reasoningContent",
        "toolCallId",
    ];
    value.as_object().is_some_and(|object| MARKS.iter().any(|mark| object.contains_key(*mark)))
}

fn many(value: &Value, role: &str, depth: usize) -> Vec<Value> {
    if depth > MAX_DEPTH {
        return vec![message(role, std::slice::from_ref(value))];
    }
    match value {
        Value::Null => Vec::new(),
        Value::String(_) => vec![message(role, &parts(value, depth))],
        Value::Array(list) if list.is_empty() || is_vector(value) => Vec::new(),
        Value::Array(list) if list.iter().any(is_message) => {
            list.iter().flat_map(|one| many(one, role, depth + 1)).collect()
        }
        Value::Array(_) => vec![message(role, &parts(value, depth))],
        Value::Object(object) => of_object(object, role, depth),
        other => vec![message(role, &[text(&other.to_string())])],
    }
}

/// Whether it is the vector of an embedding, or several: large, and no answer.
fn is_vector(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|list| !list.is_empty() && list.iter().all(|one| one.is_number() || is_vector(one)))
}

/// Members of a wrapping that say something about the message in it.
const BESIDE: [&str; 8] = [
    "tool_calls",
    "function_call",
    "refusal",
    "reasoning_content",
    "reasoning",
    "finish_reason",
    "finishReason",
    "stop_reason",
];

fn is_message(value: &Value) -> bool {
    let Value::Object(object) = value else { return false };
    let has = |name: &str| object.contains_key(name);
    let is_item = object.get("type").and_then(Value::as_str).is_some_and(|kind| {
        matches!(kind, "message" | "function_call" | "function_call_output") || is_item(kind)
    });
    has("role")
        || has("parts")
        || has("message")
        || has("choices")
        || is_item
        || has("completion")
        || has("prompt")
        || has("embedding")
}

/// An item that OpenAI's responses have beside messages, such as `web_search_call`, `reasoning`.
fn is_item(kind: &str) -> bool {
    let is_call = kind.ends_with("_call") && !kind.ends_with("tool_call");
    is_call || kind == "custom_tool_call" || kind.ends_with("_call_output")
}

fn of_object(object: &Map<String, Value>, role: &str, depth: usize) -> Vec<Value> {
    let is_gemini =
        |name: &str| object.get(name).is_some_and(Value::is_array) && !object.contains_key("role");
    let lists = ["messages", "choices"].into_iter().filter(|name| object.contains_key(*name));
    let lists = lists.chain(["contents", "candidates"].into_iter().filter(|name| is_gemini(name)));
    if let Some(inner) = lists.filter_map(|name| object.get(name)).find(|list| is_list_of_messages(list)) {
        let mut all = system(object).map(|system| many(system, "system", depth + 1)).unwrap_or_default();
        all.extend(many(inner, role, depth + 1));
        return all;
    }
    if !object.contains_key("role") && !object.contains_key("parts") {
        // What has a type is an item of such a list, and may have an `output` of its own.
        for list in ["output", "input"].into_iter().filter(|_| !object.contains_key("type")) {
            if let Some(inner) = object.get(list).filter(|inner| !inner.is_null()) {
                let mut all = object
                    .get("instructions")
                    .map(|text| many(text, "system", depth + 1))
                    .unwrap_or_default();
                all.extend(many(inner, role, depth + 1));
                return all;
            }
        }
        if let Some(inside) = unwrapped(object, role, depth) {
            return inside;
        }
    }
    of_message(object, role, depth).into_iter().collect()
}

/// A list that has anything else than messages in it is content.
fn is_list_of_messages(list: &Value) -> bool {
    list.as_array().is_none_or(|list| list.iter().all(|one| one.is_object() || one.is_string()))
}

/// Where requests have their instructions.
fn system(object: &Map<String, Value>) -> Option<&Value> {
    let named = |object: &Map<String, Value>, name: &str| object.contains_key(name);
    let of = |object: &'_ Map<String, Value>| {
        ["system", "system_instruction", "systemInstruction"].into_iter().find(|name| named(object, name))
    };
    match of(object) {
        Some(name) => object.get(name),
        None => object.get("config")?.as_object().and_then(|config| config.get(of(config)?)),
    }
}

/// What a wrapping holds, with what stands beside it. None if it is no wrapping.
fn unwrapped(object: &Map<String, Value>, role: &str, depth: usize) -> Option<Vec<Value>> {
    let is_text = |name: &str| matches!(name, "message" | "prompt" | "completion");
    let (name, inner) = WRAPPERS.into_iter().find_map(|name| {
        let inner = object.get(name)?;
        let holds = inner.is_object()
            || inner.is_array()
            || inner.is_string() && (is_text(name) || name == "embedding");
        holds.then_some((name, inner))
    })?;
    let mut whole = match inner {
        Value::Object(inner) => inner.clone(),
        _ if name == "embedding" => return Some(Vec::new()),
        Value::Array(list) if list.iter().any(is_message) => {
            let mut inside = many(inner, role, depth + 1);
            let beside: Map<String, Value> = beside(object);
            if let (Some(mut last), false) = (inside.pop(), beside.is_empty()) {
                join(&mut last, of_message(&beside, role, depth + 1));
                inside.push(last);
            }
            return Some(inside);
        }
        other => Map::from_iter([("content".to_owned(), blocks(other))]),
    };
    for (name, value) in beside(object) {
        match (whole.get_mut(&name), value) {
            (Some(Value::Array(known)), Value::Array(more)) => known.extend(more),
            (Some(known), value) if is_empty(known) => *known = value,
            (Some(_), _) => {}
            (None, value) => drop(whole.insert(name, value)),
        }
    }
    Some(of_object(&whole, role, depth + 1))
}

/// Content that Strands and those who pass it on write as JSON of blocks into a string.
pub(super) fn blocks(value: &Value) -> Value {
    let read = read_json(value);
    let is_list = read.as_array().is_some_and(|list| !list.is_empty() && list.iter().all(is_part));
    if is_list { read } else { value.clone() }
}

fn beside(object: &Map<String, Value>) -> Map<String, Value> {
    let said = object.iter().filter(|(name, value)| BESIDE.contains(&name.as_str()) && !is_empty(value));
    said.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Adds to a message what another one says of it.
fn join(message: &mut Value, more: Option<Value>) {
    let Some(Value::Object(mut more)) = more else { return };
    if let (Some(parts), Some(Value::Array(added))) = (message["parts"].as_array_mut(), more.remove("parts"))
    {
        parts.extend(added);
    }
    if let (Value::Object(message), Some(reason)) = (message, more.remove("finish_reason")) {
        message.entry("finish_reason").or_insert(reason);
    }
}

/// A message; none where there is but a vector.
fn of_message(object: &Map<String, Value>, role: &str, depth: usize) -> Option<Value> {
    let word = |name: &str| object.get(name).and_then(Value::as_str);
    let kind = word("type").unwrap_or_default();
    let role = match (word("role"), kind) {
        // As Gemini has it.
        (Some("model"), _) => "assistant",
        (Some(role), _) => role,
        (None, "function_call_output") => "tool",
        (None, kind) if kind == "function_call" || is_item(kind) => "assistant",
        (None, _) => role,
    };
    let content = CONTENT.iter().filter_map(|name| object.get(*name)).find(|it| !is_empty(it));
    let is_embedding = content.is_some_and(is_vector);
    let answered = word("tool_call_id").or_else(|| word("id").filter(|_| role == "tool"));
    let mut all = match (answered, content.filter(|_| !is_embedding)) {
        (Some(id), Some(content)) if !object.contains_key("parts") => {
            vec![json!({ "type": "tool_call_response", "id": id, "response": content })]
        }
        (_, Some(Value::Object(inner))) if is_message_within(inner) => {
            let mut inside = within(inner, role, depth)?;
            join(&mut inside, of_message(&beside(object), role, depth + 1));
            return Some(inside);
        }
        (_, Some(content)) => parts(content, depth),
        (_, None) if !kind.is_empty() && kind != "message" && !object.contains_key("role") => {
            parts(&Value::Object(object.clone()), depth)
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
    if is_embedding && all.is_empty() {
        return None;
    }
    let mut message = message(role, &all);
    // An item of OpenAI's responses is called as its function is.
    let name = word("name").filter(|_| kind != "function_call" && !is_item(kind));
    if let (Value::Object(members), Some(name)) = (&mut message, name) {
        members.insert("name".into(), name.into());
    }
    let reason = word("finish_reason").or_else(|| word("finishReason")).or_else(|| word("stop_reason"));
    if let (Value::Object(members), Some(reason)) = (&mut message, reason) {
        members.insert("finish_reason".into(), finish_reason(reason).into());
    }
    Some(message)
}

/// Gemini has the message in the candidate, and AWS's distribution of OpenTelemetry in the message, as others have its text.
fn is_message_within(content: &Map<String, Value>) -> bool {
    let has = |name: &str| content.contains_key(name);
    !has("type") && ["parts", "role", "content", "message"].into_iter().any(has)
}

fn within(content: &Map<String, Value>, role: &str, depth: usize) -> Option<Value> {
    let mut content = content.clone();
    for name in ["content", "message"] {
        if let Some(value) = content.get_mut(name) {
            *value = blocks(value);
        }
    }
    of_object(&content, role, depth + 1).into_iter().next()
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
