//! What was said and answered, and what of the sources is in no field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use vouchlog_record::Record;
use vouchlog_record::limits::MAX_RECORD_BYTES;

use super::super::fields::Merged;
use super::super::part::Part;
use super::super::unit::Unit;
use super::credentials::is_listed;
use crate::dialect::{Dialect, Role, finish_reason, messages, text_of, told_by_names, tool_calls};
use crate::intake::{Item, size_of};
use crate::limits::MAX_LISTED;

/// Claude Code cuts content at 60 KiB and says nothing.
const CLAUDE_CODE_CUT: usize = 60 * 1024;

/// `host:port`, or the URL as it is.
pub(super) fn endpoint(merged: &mut Merged) {
    let port = merged.take("model.endpoint_port");
    let Some(host) = merged.text("model.endpoint").map(str::to_owned) else { return };
    let Some(port) = port.and_then(|port| port.as_str().map(str::to_owned)) else { return };
    if !host.contains("://") && !host.contains(':') {
        merged.fields.insert("model.endpoint".into(), format!("{host}:{port}").into());
    }
}

/// LiteLLM counts no tokens where a call failed, and writes 0.
pub(super) fn drop_zero_usage(merged: &mut Merged) {
    let is_zero = |field: &str| merged.fields.get(field).is_none_or(|count| count.as_u64() == Some(0));
    if is_zero("usage.input_tokens") && is_zero("usage.output_tokens") {
        merged.fields.retain(|field, _| !field.starts_with("usage."));
    }
}

/// Content that came message by message.
pub(super) fn from_messages(unit: &Unit<'_>, merged: &mut Merged) {
    let (mut input, mut output): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    let mut reasons: Vec<Value> = Vec::new();
    for part in &unit.messages {
        let Item::Event(event) = &part.item else { continue };
        let role = event.name.trim_start_matches("gen_ai.").trim_end_matches(".message");
        if role == "choice" {
            let found = messages(&event.body, "assistant");
            // An embedding is no answer, and has no reason to end.
            let reason =
                event.body.get("finish_reason").and_then(Value::as_str).filter(|_| !found.is_empty());
            reasons.extend(reason.map(|it| Value::from(finish_reason(it))));
            output.extend(found.into_iter().filter(says_something));
        } else {
            input.extend(messages(&event.body, role).into_iter().filter(says_something));
        }
    }
    for (field, found) in [("content.input", input), ("content.output", output), ("output.finish", reasons)] {
        if !found.is_empty() {
            merged.fields.entry(field.into()).or_insert_with(|| found.into());
        }
    }
}

fn says_something(message: &Value) -> bool {
    message["parts"].as_array().is_some_and(|parts| !parts.is_empty())
        || message.get("finish_reason").is_some()
}

/// The groups `input` and `output`.
pub(super) fn content(unit: &Unit<'_>, merged: &mut Merged) -> (Map<String, Value>, Map<String, Value>) {
    let (mut input, mut output) = (Map::new(), Map::new());
    let mut asked = match merged.take("content.system") {
        Some(Value::Array(system)) => system,
        _ => Vec::new(),
    };
    if let Some(Value::Array(messages)) = merged.take("content.input") {
        asked.extend(messages);
    }
    let answered = merged.take("content.output");
    let is_claude = unit.accounts.iter().any(|part| part.reading.dialect == Dialect::ClaudeCode);
    let truncated = |field| merged.truncated.contains(field);
    let cut = [truncated("content.input") || truncated("content.system"), truncated("content.output")];
    let asked = (!asked.is_empty()).then_some(Value::Array(asked));
    for (group, content, is_cut) in [(&mut input, asked, cut[0]), (&mut output, answered, cut[1])] {
        let Some(content) = content else { continue };
        if matches!(text_of(&content).as_str(), "__REDACTED__" | "<REDACTED>") {
            group.insert("content".into(), json!({ "$": "redacted" }));
            continue;
        }
        let is_at_limit = is_claude && text_of(&content).len() >= CLAUDE_CODE_CUT;
        group.insert("bytes".into(), content.to_string().len().into());
        if is_cut || is_at_limit {
            group.insert("truncated".into(), true.into());
        }
        group.insert("content".into(), content);
    }
    if !merged.fields.contains_key("output.finish") {
        let reasons = output.get("content").and_then(Value::as_array).into_iter().flatten();
        let reasons: Vec<Value> =
            reasons.filter_map(|message| message.get("finish_reason").cloned()).collect();
        if !reasons.is_empty() {
            output.insert("finish".into(), reasons.into());
        }
    }
    let refuses = |message: &Value| {
        let parts = message["parts"].as_array();
        message["finish_reason"] == "refusal"
            || parts.is_some_and(|parts| parts.iter().any(|part| part["type"] == "refusal"))
    };
    if output.get("content").and_then(Value::as_array).is_some_and(|all| all.iter().any(refuses)) {
        output.insert("refusal".into(), true.into());
    }
    (input, output)
}

/// LiteLLM's first callback has calls beside its messages, without ids; they count where the messages have none.
pub(super) fn add_calls(merged: &mut Merged) {
    let Some(Value::Array(calls)) = merged.take("content.calls") else { return };
    if merged.fields.get("content.output").is_some_and(|answered| !tool_calls(answered).is_empty()) {
        return;
    }
    let parts: Vec<Value> = calls
        .iter()
        .filter_map(|call| call.get("function_call"))
        .flat_map(|call| messages(&json!([{ "role": "assistant", "function_call": call }]), "assistant"))
        .filter_map(|message| message["parts"].as_array().cloned())
        .flatten()
        .collect();
    if parts.is_empty() {
        return;
    }
    let all = merged.fields.entry("content.output".into()).or_insert_with(|| json!([]));
    let Value::Array(all) = all else { return };
    match all.last_mut().and_then(|message| message["parts"].as_array_mut()) {
        Some(known) => known.extend(parts),
        None => all.push(json!({ "role": "assistant", "parts": parts })),
    }
}

/// What is in no field: attributes that were not understood, by span; spans above; contradictions; evaluations. `placed` has the fields
/// of the record.
pub(super) fn otel(
    unit: &Unit<'_>,
    conflicts: Vec<Value>,
    placed: &BTreeMap<String, Value>,
) -> Map<String, Value> {
    let mut otel = Map::new();
    let mut omitted: BTreeSet<&str> = BTreeSet::new();
    let mut parts = Vec::new();
    let mut seen = BTreeSet::new();
    let is_account = |part: &Part| unit.accounts.iter().any(|account| account.digest == part.digest);
    for part in unit
        .parts()
        .chain(unit.above.iter().copied())
        .filter(|part| !unit.accounts.is_empty() && !is_account(part))
    {
        omitted.extend(content_names(part));
    }
    for part in unit.parts().filter(|part| part.role() != Role::Message) {
        if !seen.insert(part.digest) {
            continue;
        }
        omitted.extend(part.reading.omitted.iter().map(String::as_str));
        parts.push(about(part, placed, is_account(part)));
    }
    parts.truncate(MAX_LISTED);
    let above: Vec<Value> = unit.above.iter().map(|part| about(part, placed, false)).collect();
    let evaluations: Vec<Value> = unit
        .notes
        .iter()
        .filter(|part| part.role() == Role::Evaluation)
        .map(|part| Value::Object(part.reading.left.clone()))
        .collect();
    let resource = unit.main().map(resource).unwrap_or_default();
    let unjoined = unit.messages.iter().any(|part| part.about().is_none());
    for (name, list) in
        [("parts", parts), ("above", above), ("conflicts", conflicts), ("evaluations", evaluations)]
    {
        if !list.is_empty() {
            otel.insert(name.into(), list.into());
        }
    }
    if !omitted.is_empty() {
        otel.insert("omitted".into(), omitted.into_iter().collect::<Vec<_>>().into());
    }
    if !resource.is_empty() {
        otel.insert("resource".into(), resource.into());
    }
    if unjoined {
        otel.insert(
            "unjoined".into(),
            "these messages do not name their call, and may belong to several".into(),
        );
    }
    otel
}

/// Attributes with content that a part carries beside the call: what an agent was given and what came of it is in its calls.
fn content_names(part: &Part) -> Vec<&str> {
    let attributes = match &part.item {
        Item::Span(span) => &span.attributes,
        Item::Event(event) => &event.attributes,
        Item::Decision(_) => return Vec::new(),
    };
    let fields = part.reading.fields.keys().filter(|field| field.starts_with("content."));
    fields.flat_map(|field| told_by_names(part.reading.dialect, field, attributes)).collect()
}

/// What a part states of people, credentials, approvals and data, and the record does not: a tool's own approval, say. Of a part
/// that is no account of the call, also what it states of a model: an agent's model, the tokens of all its calls.
fn unplaced<'a>(
    part: &'a Part,
    placed: &'a BTreeMap<String, Value>,
    is_account: bool,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    const GROUPS: [&str; 9] = [
        "approval.",
        "override.",
        "data.",
        "credential.",
        "grant.",
        "initiator.",
        "session.",
        "authority.",
        "correlation.intent",
    ];
    const OF_MODEL: [&str; 4] = ["model.", "usage.", "output.", "correlation.response_id"];
    // Schemas are content, and this is no place for it.
    let of_model = move |field: &str| {
        !is_account
            && !field.starts_with("model.params.response_")
            && OF_MODEL.iter().any(|group| field.starts_with(group))
    };
    let is_one = move |field: &str| {
        (GROUPS.iter().any(|group| field.starts_with(group)) && !is_listed(part, field)) || of_model(field)
    };
    part.reading
        .fields
        .iter()
        .filter(move |(field, value)| is_one(field) && placed.get(*field) != Some(*value))
}

fn about(part: &Part, placed: &BTreeMap<String, Value>, is_account: bool) -> Value {
    let mut about = Map::new();
    let (name, id) = match &part.item {
        Item::Span(span) => (span.name.as_str(), Some(span.span.as_str())),
        Item::Event(event) => (event.name.as_str(), event.span.as_deref()),
        Item::Decision(decision) => ("decision", decision.span.as_deref()),
    };
    about.insert("name".into(), name.into());
    about.extend(id.map(|id| ("span".to_owned(), id.into())));
    if !part.scope().is_empty() {
        about.insert("scope".into(), part.scope().into());
    }
    if !part.reading.left.is_empty() && part.role() != Role::Evaluation {
        about.insert("attributes".into(), part.reading.left.clone().into());
    }
    let fields: Map<String, Value> =
        unplaced(part, placed, is_account).map(|(field, value)| (field.clone(), value.clone())).collect();
    if !fields.is_empty() {
        about.insert("fields".into(), fields.into());
    }
    Value::Object(about)
}

fn resource(part: &Part) -> Map<String, Value> {
    let source = match &part.item {
        Item::Span(span) => &span.source,
        Item::Event(event) => &event.source,
        Item::Decision(_) => return Map::new(),
    };
    let is_told = |name: &str| {
        matches!(name, "service.name" | "service.instance.id") || name.starts_with("telemetry.sdk.")
    };
    source
        .resource
        .iter()
        .filter(|(name, _)| !is_told(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Keeps a record below the most bytes of one: the largest content goes first, and the record says that it was there.
pub(super) fn fit(object: &mut Map<String, Value>) {
    for pointer in
        ["otel/parts", "otel/above", "model/params", "input/content", "output/content", "tools", "data"]
    {
        // In memory it takes more than as text, escapes aside: only what comes near the bound is written out to be measured.
        if size_of(object) <= MAX_RECORD_BYTES / 6 {
            return;
        }
        if serde_json::to_string(object).map_or(0, |text| text.len()) <= MAX_RECORD_BYTES {
            return;
        }
        let (group, member) = pointer.split_once('/').unwrap_or((pointer, ""));
        if member.is_empty() {
            object.remove(group);
        } else if let Some(Value::Object(inner)) = object.get_mut(group) {
            inner.remove(member);
            if member == "content" {
                inner.insert("truncated".into(), true.into());
            }
        }
        let left_out = object.entry("left_out").or_insert_with(|| json!([]));
        if let Value::Array(left_out) = left_out {
            left_out.push(format!("/{pointer}").into());
        }
    }
}

/// Takes out the members that the model refuses, one by one; what they were, and why.
pub(super) fn set_aside(object: &mut Map<String, Value>) -> Vec<Value> {
    let mut refused = Vec::new();
    let groups: Vec<String> =
        object.keys().filter(|name| *name != "kind" && *name != "otel").cloned().collect();
    for group in groups {
        let Some(value) = object.get_mut(&group) else { continue };
        match value {
            Value::Object(members) => aside(&[&group], members, &mut refused),
            Value::Array(list) => {
                for one in list.iter_mut() {
                    if let Value::Object(members) = one {
                        aside_in_list(&group, members, &mut refused);
                    }
                }
            }
            _ => {}
        }
    }
    refused
}

fn aside(path: &[&str], members: &mut Map<String, Value>, refused: &mut Vec<Value>) {
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let wrapped = |inner: Value| {
            let mut value = json!({ &name: inner });
            for outer in path.iter().rev() {
                value = json!({ *outer: value });
            }
            value["kind"] = "interaction".into();
            value
        };
        let Some(value) = members.get(&name) else { continue };
        let Err(error) = Record::from_value(wrapped(value.clone())) else { continue };
        if let Some(Value::Object(inner)) = members.get_mut(&name) {
            let deeper: Vec<&str> = path.iter().copied().chain([name.as_str()]).collect();
            aside(&deeper, inner, refused);
            if Record::from_value(wrapped(members[&name].clone())).is_ok() {
                continue;
            }
        }
        let value = members.remove(&name);
        refused.push(json!({ "field": format!("{}.{name}", path.join(".")), "value": value, "why": error.to_string() }));
    }
}

fn aside_in_list(group: &str, members: &mut Map<String, Value>, refused: &mut Vec<Value>) {
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        let Some(value) = members.get(&name) else { continue };
        let alone = json!({ "kind": "interaction", group: [{ &name: value }] });
        if let Err(error) = Record::from_value(alone) {
            let value = members.remove(&name);
            refused.push(
                json!({ "field": format!("{group}.{name}"), "value": value, "why": error.to_string() }),
            );
        }
    }
}
