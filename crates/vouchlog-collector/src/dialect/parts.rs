//! Parts of a message in one form: `{type, …}` as in OpenTelemetry's message schema. A part of a type that is not known stays as it is.

use serde_json::{Map, Value, json};

use super::shape::json as read_json;
use crate::limits::MAX_DEPTH;

/// Members that wrap a message, or a part of one, and say nothing themselves.
pub(super) const WRAPPERS: [&str; 7] =
    ["message", "message_content", "tool_call", "prompt", "completion", "embedding", "tool"];

pub(super) fn text(text: &str) -> Value {
    json!({ "type": "text", "content": text })
}

pub(super) fn parts(value: &Value, depth: usize) -> Vec<Value> {
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

pub(super) fn part(object: &Map<String, Value>, depth: usize) -> Value {
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
        "tool_call_response" | "tool_result" | "tool-result" | "function_call_output" => json!({
            "type": "tool_call_response",
            "id": get(&["id", "tool_use_id", "call_id", "toolCallId"]),
            "response": get(&["response", "result", "content", "output"]),
        }),
        "tool_call" | "tool-call" | "tool_use" | "function" | "function_call" => call(object, function),
        "" => untyped(object, function),
        _ => Value::Object(object.clone()),
    }
}

/// A part that says by its members what it is, as in OpenAI's calls, Bedrock's blocks and Gemini's parts.
fn untyped(object: &Map<String, Value>, function: Option<&Map<String, Value>>) -> Value {
    let inner = |names: [&str; 2]| names.into_iter().find_map(|name| object.get(name)?.as_object());
    let is_call = ["arguments", "toolName"].into_iter().any(|name| object.contains_key(name));
    if function.is_some() || is_call {
        return call(object, function);
    }
    if object.len() == 1 && object.contains_key("text") {
        return json!({ "type": "text", "content": object.get("text") });
    }
    if let Some(inner) = object.get("toolUse").and_then(Value::as_object) {
        return call(inner, None);
    }
    if let Some(inner) = inner(["function_call", "functionCall"]) {
        return call(inner, None);
    }
    let answer = object.get("toolResult").and_then(Value::as_object).map(|inner| (inner, "content"));
    if let Some((inner, response)) =
        answer.or_else(|| Some((inner(["function_response", "functionResponse"])?, "response")))
    {
        let id = inner.get("toolUseId").or_else(|| inner.get("id")).or_else(|| inner.get("name"));
        return json!({ "type": "tool_call_response", "id": id, "response": inner.get(response) });
    }
    let reasoning = object.get("reasoningContent").map(|inner| inner.get("reasoningText").unwrap_or(inner));
    if let Some(reasoning) = reasoning {
        return json!({ "type": "reasoning", "content": reasoning.get("text").unwrap_or(reasoning) });
    }
    match (object.get("text"), object.get("thought")) {
        (Some(content), Some(Value::Bool(true))) => json!({ "type": "reasoning", "content": content }),
        _ => Value::Object(object.clone()),
    }
}

fn call(object: &Map<String, Value>, function: Option<&Map<String, Value>>) -> Value {
    let inner = function.unwrap_or(object);
    let arguments = ["arguments", "input", "args"].into_iter().find_map(|name| inner.get(name));
    let arguments = arguments.map(read_json).unwrap_or_default();
    // Responses have both: `id` names the item, `call_id` the call.
    let id = ["call_id", "toolCallId", "toolUseId", "id"].into_iter().find_map(|name| object.get(name));
    let name = ["name", "toolName"].into_iter().find_map(|name| inner.get(name));
    json!({
        "type": "tool_call", "id": id.cloned().unwrap_or_default(), "name": name.cloned().unwrap_or_default(), "arguments": arguments
    })
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

/// Whether a part is the call of a tool that the provider ran itself.
fn is_served(kind: &str) -> bool {
    match kind {
        "server_tool_call" | "server_tool_use" | "mcp_tool_use" => true,
        // Called for the program to run.
        "tool_call" | "function_call" | "custom_tool_call" | "computer_call" | "local_shell_call"
        | "shell_call" | "apply_patch_call" => false,
        kind => kind.ends_with("_call"),
    }
}

fn is_served_result(kind: &str) -> bool {
    kind == "server_tool_call_response" || kind.ends_with("_tool_result") && kind != "tool_result"
}

/// Whether it is known of a part that no tool is in it.
pub(crate) fn is_without_tool(part: &Value) -> bool {
    let kind = part["type"].as_str().unwrap_or_default();
    matches!(
        kind,
        "text" | "reasoning" | "refusal" | "uri" | "blob" | "file" | "image" | "audio" | "redacted_thinking"
    )
}

/// Calls of tools that the provider ran itself, as a record lists tools. That one ran is known where its result is.
pub(crate) fn served_tools(messages: &Value) -> Vec<Map<String, Value>> {
    let all = || {
        let lists =
            messages.as_array().into_iter().flatten().filter_map(|message| message["parts"].as_array());
        lists.flatten().filter_map(|part| Some((part["type"].as_str()?, part.as_object()?)))
    };
    let calls = all().filter(|(kind, _)| is_served(kind));
    calls
        .map(|(kind, part)| {
            let id = part.get("id").and_then(Value::as_str);
            let result = all().find(|(kind, result)| {
                let of =
                    ["id", "tool_use_id", "call_id"].into_iter().find_map(|name| result.get(name)?.as_str());
                is_served_result(kind) && id.is_some() && of == id
            });
            served(kind, part, result.map(|(_, result)| result))
        })
        .collect()
}

/// Adds the tools that the provider ran to messages in which they are missing: flattened messages leave them out, and the same answer in
/// one piece has them.
pub(super) fn add_served(messages: &mut Value, other: &Value) {
    if !served_tools(messages).is_empty() {
        return;
    }
    let lists = other.as_array().into_iter().flatten().filter_map(|message| message["parts"].as_array());
    let is_one = |part: &&Value| {
        let kind = part["type"].as_str().unwrap_or_default();
        is_served(kind) || is_served_result(kind)
    };
    let found: Vec<Value> = lists.flatten().filter(is_one).cloned().collect();
    if let Some(parts) = messages.as_array_mut().and_then(|all| all.first_mut()?["parts"].as_array_mut()) {
        parts.splice(..0, found);
    }
}

fn served(kind: &str, part: &Map<String, Value>, answer: Option<&Map<String, Value>>) -> Map<String, Value> {
    let first = |of: &Map<String, Value>, names: &[&str]| {
        names.iter().filter_map(|name| of.get(*name)).find(|value| !value.is_null()).cloned()
    };
    let text =
        |value: Option<Value>| value.filter(|value| value.as_str().is_some_and(|text| !text.is_empty()));
    let name = text(first(part, &["name"])).unwrap_or_else(|| kind.trim_end_matches("_call").into());
    let result = first(part, &["output", "outputs", "results", "result"])
        .or_else(|| first(answer?, &["server_tool_call_response", "response", "content", "result"]));
    let failed = part.get("error").is_some_and(|error| !error.is_null())
        || part.get("status").is_some_and(|status| status == "failed")
        || answer.is_some_and(|answer| answer.get("is_error") == Some(&Value::Bool(true)));
    let ran = result.is_some() || part.get("status").is_some_and(|status| status == "completed");
    let status = if failed { Some("failed") } else { ran.then_some("executed") };
    let members = [
        ("call_id", text(first(part, &["id"]))),
        ("name", Some(name)),
        ("type", Some("server".into())),
        ("server", text(first(part, &["server_label", "server_name"]))),
        ("arguments", first(part, &["server_tool_call", "input", "arguments", "action", "queries", "code"])),
        ("result", result),
        ("proposed", Some(true.into())),
        ("origin", Some("model".into())),
        ("status", status.map(Value::from)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}
