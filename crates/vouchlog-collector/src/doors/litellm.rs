//! LiteLLM's generic callback: its standard logging payload, which has the whole call in one object. A lossy door: the callback
//! forgets what could not be delivered.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use vouchlog_record::{Record, RecordId};

use super::{DoorError, Rejection, objects, set};
use crate::assemble::{Naming, decision_of, put, record_of};
use crate::dialect::{
    Dialect, Role, finish_reason, messages, read_payload, says_nothing, served_tools, tool_calls,
};
use crate::intake::Attributes;

/// Records of a body, one for each payload, and the payloads that were not taken.
pub fn litellm(
    body: &[u8],
    naming: &Naming,
    received: Timestamp,
) -> Result<(Vec<Record>, Vec<Rejection>), DoorError> {
    let (mut records, mut not_taken) = (Vec::new(), Vec::new());
    for (place, payload) in objects(body)?.into_iter().enumerate() {
        match payload.and_then(|payload| one(&payload, naming, received)) {
            Ok(record) => records.push(record),
            Err(why) => not_taken.push((place, why)),
        }
    }
    Ok((records, not_taken))
}

fn one(payload: &Map<String, Value>, naming: &Naming, received: Timestamp) -> Result<Record, String> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    let call = text("litellm_call_id")
        .or_else(|| text("id"))
        .ok_or("it has neither litellm_call_id nor id")?
        .to_owned();
    let is_tool = text("call_type").is_some_and(|kind| kind.contains("_mcp_tool"));
    let failed = text("status") == Some("failure");
    let role = if is_tool { Role::Tool } else { Role::Inference };
    let reading = read_payload(Dialect::LiteLlm, role, &attributes(payload));
    let mut object = Map::new();
    for (field, value) in &reading.fields {
        let is_own = ["model.", "usage.", "correlation.", "initiator.", "credential.", "device.", "output."];
        if is_own.iter().any(|group| field.starts_with(group)) {
            put(&mut object, field, value.clone());
        }
    }
    let id = RecordId::from_random(naming(format!("litellm {call}").as_bytes()));
    object.insert("id".into(), id.as_str().into());
    object.insert("kind".into(), "interaction".into());
    put(&mut object, "correlation.idempotency_key", format!("litellm:{call}").into());
    correlation(payload, failed, &mut object);
    object.insert("time".into(), times(payload, received));
    if is_tool {
        object.remove("model");
        object.remove("usage");
        object.insert("tools".into(), json!([tool(payload, &reading.fields, failed)]));
    } else {
        content(payload, failed, &mut object);
    }
    let denied = policy(payload, failed, &mut object);
    outcome(payload, failed, denied, &mut object);
    put(&mut object, "custody.source", "litellm generic callback".into());
    let mut otel = Map::new();
    if !reading.left.is_empty() {
        otel.insert("attributes".into(), reading.left.into());
    }
    if !reading.omitted.is_empty() {
        otel.insert("omitted".into(), reading.omitted.into_iter().collect::<Vec<_>>().into());
    }
    object.insert("otel".into(), otel.into());
    record_of(object).map_err(|error| error.to_string())
}

/// Members as if they were attributes: those of `metadata`, `hidden_params` and `model_parameters` one level up.
fn attributes(payload: &Map<String, Value>) -> Attributes {
    const ELSEWHERE: [&str; 13] = [
        "messages",
        "response",
        "id",
        "startTime",
        "endTime",
        "completionStartTime",
        "status",
        "status_fields",
        "error_str",
        "error_information",
        "guardrail_information",
        "model_parameters",
        "standard_built_in_tools_params",
    ];
    let mut all = Attributes::new();
    for (name, value) in payload {
        match value {
            _ if ELSEWHERE.contains(&name.as_str()) || says_nothing(value) => {}
            Value::Object(members) if name == "metadata" => {
                all.extend(
                    members.iter().map(|(member, value)| (format!("metadata.{member}"), value.clone())),
                );
            }
            _ => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
    if let Some(Value::Object(parameters)) = payload.get("model_parameters") {
        for (name, value) in parameters {
            let name = match name.as_str() {
                "user" => "llm.user".to_owned(),
                "stream" => "llm.is_streaming".to_owned(),
                "tools" => "raw.tools".to_owned(),
                "tool_choice" => "raw.tool_choice".to_owned(),
                "temperature" | "top_p" | "top_k" | "max_tokens" | "seed" | "frequency_penalty"
                | "presence_penalty" => {
                    format!("gen_ai.request.{name}")
                }
                other => format!("model_parameters.{other}"),
            };
            all.insert(name, value.clone());
        }
    }
    all
}

fn correlation(payload: &Map<String, Value>, failed: bool, object: &mut Map<String, Value>) {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    // On failures the id is LiteLLM's own, no provider's.
    if let Some(id) = text("id").filter(|_| !failed && text("id") != text("litellm_call_id")) {
        put(object, "correlation.response_id", id.into());
    }
    // Callers may put a session's name where a trace id belongs.
    match text("trace_id") {
        Some(trace) if trace.len() == 32 && trace.bytes().all(|c| c.is_ascii_hexdigit()) => {
            put(object, "correlation.trace", trace.into());
        }
        // A UUID is LiteLLM's own, for want of anything; it groups nothing.
        Some(session)
            if session.len() != 36
                && object.get("correlation").and_then(|it| it.get("session")).is_none() =>
        {
            put(object, "correlation.session", session.into());
        }
        _ => {}
    }
    let served =
        payload.get("response").and_then(|response| response.get("model")).filter(|model| model.is_string());
    if let Some(served) = served {
        put(object, "model.served", served.clone());
    }
}

fn times(payload: &Map<String, Value>, received: Timestamp) -> Value {
    let mut times = Attributes::new();
    for (name, member) in [("start", "startTime"), ("end", "endTime"), ("first_chunk", "completionStartTime")]
    {
        let is_streamed = payload.get("stream") == Some(&Value::Bool(true));
        if name != "first_chunk" || is_streamed {
            set(
                &mut times,
                name,
                payload.get(member).and_then(crate::dialect::time).map(|it| it.to_string().into()),
            );
        }
    }
    times.insert("received".into(), received.to_string().into());
    times.into()
}

fn content(payload: &Map<String, Value>, failed: bool, object: &mut Map<String, Value>) {
    let input = payload.get("messages").map(|value| messages(value, "user")).unwrap_or_default();
    if !input.is_empty() {
        put(object, "input.content", input.into());
    }
    let response = payload.get("response").filter(|_| !failed);
    // An embedding's answer is vectors: large, and no evidence.
    let is_embedding = response.is_some_and(|it| it.get("data").is_some());
    let output =
        response.filter(|_| !is_embedding).map(|value| messages(value, "assistant")).unwrap_or_default();
    if output.is_empty()
        || output.iter().all(|one| {
            one["parts"].as_array().is_none_or(Vec::is_empty) && one.get("finish_reason").is_none()
        })
    {
        return;
    }
    let output = Value::Array(output);
    let reasons = output.as_array().into_iter().flatten().filter_map(|one| one["finish_reason"].as_str());
    let reasons: Vec<String> = reasons.map(finish_reason).collect();
    if !reasons.is_empty() {
        put(object, "output.finish", reasons.into());
    }
    let mut tools: Vec<Value> = tool_calls(&output)
        .into_iter()
        .map(|call| {
            json!({
                "call_id": call.get("id"), "name": call.get("name"), "arguments": call.get("arguments"),
                "proposed": true, "origin": "model", "status": "proposed",
            })
        })
        .collect();
    tools.extend(served_tools(&output).into_iter().map(Value::Object));
    if !tools.is_empty() {
        object.insert("tools".into(), tools.into());
    }
    put(object, "output.content", output);
}

fn tool(
    payload: &Map<String, Value>,
    fields: &std::collections::BTreeMap<String, Value>,
    failed: bool,
) -> Value {
    let mut tool = Attributes::new();
    for name in ["name", "server", "arguments"] {
        set(&mut tool, name, fields.get(&format!("tool.{name}")).cloned());
    }
    if !tool.contains_key("name") {
        set(&mut tool, "name", payload.get("call_type").cloned());
    }
    let response = payload.get("response");
    let result = response.map(|response| response.get("content").unwrap_or(response)).cloned();
    set(&mut tool, "result", result.filter(|result| !failed && !says_nothing(result)));
    let is_error = failed || response.is_some_and(|it| it["is_error"] == true);
    tool.insert("status".into(), if is_error { "failed" } else { "executed" }.into());
    tool.into()
}

/// The guardrails' decisions; whether one denied.
fn policy(payload: &Map<String, Value>, failed: bool, object: &mut Map<String, Value>) -> bool {
    let entries: Vec<Value> = match payload.get("guardrail_information") {
        Some(Value::Array(list)) => list.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => return false,
    };
    let (mut policy, mut denied) = (Vec::new(), false);
    for entry in entries.iter().filter_map(Value::as_object) {
        let reading = read_payload(Dialect::LiteLlm, Role::Guardrail, entry);
        let at = entry.get("end_time").and_then(crate::dialect::time);
        let decision = decision_of(&reading, at, failed);
        denied |= decision["verdict"] == "deny";
        policy.push(decision);
    }
    if !policy.is_empty() {
        object.insert("policy".into(), policy.into());
    }
    denied
}

fn outcome(payload: &Map<String, Value>, failed: bool, denied: bool, object: &mut Map<String, Value>) {
    let state = match (failed, denied) {
        (true, true) => "blocked",
        (true, false) => "error",
        _ => "executed",
    };
    put(object, "outcome.state", state.into());
    let error = payload.get("error_information");
    let text = |name: &str| error.and_then(|error| error.get(name)?.as_str()).filter(|it| !it.is_empty());
    if let Some(kind) = text("error_class").or_else(|| text("error_code")).filter(|_| failed) {
        put(object, "outcome.error", kind.into());
    }
    let message = payload.get("error_str").and_then(Value::as_str).filter(|_| failed);
    if let Some(message) = message.or_else(|| text("error_message")) {
        put(object, "outcome.message", message.chars().take(300).collect::<String>().into());
    }
    if failed {
        // LiteLLM counts no tokens where a call failed, and writes 0.
        object.remove("usage");
    }
}
