//! Reading one item by the tables of its dialect.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::parts::add_served;
use super::shape::{self, Shape};
use super::table::{self, Tables};
use super::{Dialect, Role, claims, detect, flat, messages, noted, platforms, role};
use crate::intake::{Attributes, Item, Source, Span, is_again};
use crate::packing;

mod stated;

/// The content of an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// By whose names.
    pub dialect: Dialect,
    /// What it is in an interaction.
    pub role: Role,
    /// Its values, by field.
    #[serde(with = "packing::members")]
    pub fields: BTreeMap<String, Value>,
    /// Attributes that were not understood.
    #[serde(with = "packing::members")]
    pub left: Attributes,
    /// Names of attributes that were understood and left out: they repeat others, or carry no evidence.
    pub omitted: BTreeSet<String>,
    /// Whether a value was cut off on its way.
    pub truncated: bool,
    /// After how many characters, if that shows.
    pub cut_at: Option<usize>,
}

impl Reading {
    /// A field that is text.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field).and_then(Value::as_str)
    }
}

/// Reads an item.
pub fn read(item: &Item) -> Reading {
    let dialect = detect(item);
    let (role, attributes, source) = match item {
        Item::Span(span) => (role::of_span(span), &span.attributes, Some(&span.source)),
        Item::Event(event) => (role::of_event(event), &event.attributes, Some(&event.source)),
        Item::Decision(decision) => (Role::Guardrail, &decision.left, None),
    };
    let attributes = match item {
        Item::Span(span) => noted::of_span(span, role, table::of(dialect)),
        Item::Event(event) => noted::of_event(event, role),
        Item::Decision(_) => Cow::Borrowed(attributes),
    };
    let mut reading = by_tables(dialect, role, &with_declared(attributes, source));
    match item {
        Item::Span(span) => reading.truncated |= span.cut,
        Item::Event(event) => reading.truncated |= event.cut,
        Item::Decision(decision) => {
            for (name, value) in &decision.fields {
                reading.fields.insert(format!("decision.{name}"), value.clone());
            }
        }
    }
    if let Some(source) = source {
        workload(&mut reading, source);
    }
    if reading.fields.get("initiator.end_user") == reading.fields.get("initiator.sub") {
        reading.fields.remove("initiator.end_user");
    }
    if let Item::Span(span) = item {
        stated::complete(span, &mut reading);
        if role == Role::Inference {
            model_by_name(span, &mut reading);
        }
    }
    reading
}

/// Where attributes were dropped, the span's name, `{operation} {model}`, still has the model.
fn model_by_name(span: &Span, reading: &mut Reading) {
    let Some((operation, model)) = span.name.split_once(' ') else { return };
    let is_operation = matches!(operation, "chat" | "text_completion" | "generate_content" | "embeddings");
    if span.dropped > 0 && is_operation && !model.contains(' ') {
        reading.fields.entry("model.requested".into()).or_insert_with(|| model.into());
    }
}

/// Attributes of an item, and `evidence.*` of its resource: what the program's operator declares for all that it does. The item's
/// own word goes before.
fn with_declared<'a>(attributes: Cow<'a, Attributes>, source: Option<&Arc<Source>>) -> Cow<'a, Attributes> {
    let mut all = attributes;
    let Some(source) = source else { return all };
    let is_declared = |name: &str| name.starts_with("evidence.") && !name.ends_with(".commitment");
    let missing = |name: &str| !all.contains_key(name) && !claims::is_overruled(name, &all, &source.resource);
    let declared: Vec<(String, Value)> = source
        .resource
        .iter()
        .filter(|(name, _)| is_declared(name) && missing(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    if !declared.is_empty() {
        all.to_mut().extend(declared);
    }
    all
}

/// Reads the members of a callback's payload as if they were attributes.
pub fn read_payload(dialect: Dialect, role: Role, payload: &Attributes) -> Reading {
    by_tables(dialect, role, payload)
}

fn by_tables(dialect: Dialect, role: Role, attributes: &Attributes) -> Reading {
    let tables = table::of(dialect);
    // Most items are read as they came: a copy of all attributes would take longer than reading them.
    let mut left = Cow::Borrowed(attributes);
    if matches!(dialect, Dialect::Langfuse | Dialect::MlFlow) {
        platforms::unquote(dialect, left.to_mut());
    }
    let says_something =
        |name: &String, value: &Value| !says_nothing(value) || is_without_arguments(name, value);
    if !left.iter().all(|(name, value)| says_something(name, value)) {
        left.to_mut().retain(|name, value| says_something(name, value));
    }
    if role == Role::RawInference {
        raw(left.to_mut());
    }
    expand(tables, &mut left);
    let mut reading = Reading {
        dialect,
        role,
        fields: BTreeMap::new(),
        left: Attributes::new(),
        omitted: BTreeSet::new(),
        truncated: false,
        cut_at: None,
    };
    let mut used = BTreeSet::new();
    rebuilt(tables, &left, &mut reading, &mut used);
    for (field, names) in tables.named_in(&left) {
        if is_of(role, field) {
            named(tables, field, names, &left, &mut reading, &mut used);
        }
    }
    for (name, value) in left.iter() {
        if used.contains(name) {
            continue;
        }
        if tables.repeats(name) && !is_again(name) {
            continue;
        }
        let is_content = tables.is_content(name) && !is_of(role, "content.input");
        if is_content || tables.omits(name) {
            reading.omitted.insert(name.clone());
        } else {
            // Read where it can be, so that a secret in it has a name to be found by.
            reading.left.insert(name.clone(), shape::json(value));
        }
    }
    reading
}

/// Whether an item of that role can say anything about the field.
fn is_of(role: Role, field: &str) -> bool {
    let is_tool = matches!(role, Role::Tool | Role::McpCall | Role::McpTalk | Role::A2a | Role::ClaudeCode);
    match field.split('.').next().unwrap_or_default() {
        "tool" => is_tool,
        "mcp" | "a2a" => is_tool,
        "decision" => matches!(role, Role::Guardrail | Role::ClaudeCode),
        "source" => matches!(role, Role::Retrieval),
        "event" => role == Role::ClaudeCode,
        "response" => role == Role::Fetch,
        "content" | "output" => {
            !matches!(role, Role::Tool | Role::McpCall | Role::Retrieval | Role::Guardrail | Role::McpTalk)
        }
        "model" => {
            !matches!(role, Role::Tool | Role::McpCall | Role::McpTalk | Role::Context | Role::Guardrail)
        }
        _ => true,
    }
}

/// A field from the first of its names that is there and fits. Others that say the same are used up; one that says something else
/// stays among what was left.
fn named(
    tables: &Tables,
    field: &str,
    names: &[String],
    left: &Attributes,
    reading: &mut Reading,
    used: &mut BTreeSet<String>,
) {
    let shape = shape::shape(field);
    for name in names {
        let Some(value) = left.get(name) else { continue };
        let Some(converted) = content(field, value, shape) else { continue };
        let known = reading.fields.get(field);
        let is_content = field.starts_with("content.");
        if known.is_some_and(|known| *known != converted) {
            // Another wording of the same messages; the place for what was left is no place for content.
            if is_content {
                used.insert(name.clone());
                reading.omitted.insert(name.clone());
            }
            if let Some(known) = reading.fields.get_mut(field).filter(|_| field == "content.output") {
                add_served(known, &converted);
            }
            continue;
        }
        used.insert(name.clone());
        if known.is_none() {
            if is_content && shape::is_cut(value) {
                reading.truncated = true;
                reading.cut_at = value.as_str().map(|text| text.chars().count());
            }
            for (implied, value) in tables.implied(field, name) {
                reading.fields.entry(implied.clone()).or_insert_with(|| value.clone());
            }
            reading.fields.insert(field.to_owned(), converted);
        }
    }
}

fn content(field: &str, value: &Value, shape: Shape) -> Option<Value> {
    let found = match field {
        "content.input" => messages(value, "user"),
        "content.output" => messages(value, "assistant"),
        "content.system" => messages(value, "system"),
        "content.tools" => return Some(tools(&shape::json(value))),
        _ => return claims::convert(shape, value),
    };
    // Nothing but empty messages is no answer: an embedding has one in its place.
    found.iter().any(says_something).then(|| found.into())
}

fn says_something(message: &Value) -> bool {
    let parts = message["parts"].as_array();
    parts.is_none_or(|parts| !parts.is_empty()) || message.get("finish_reason").is_some()
}

/// Definitions of tools without their wrappings.
fn tools(value: &Value) -> Value {
    let Value::Array(list) = value else { return value.clone() };
    let inner = |tool: &Value| {
        let tool = tool.get("tool").unwrap_or(tool);
        shape::json(tool.get("json_schema").unwrap_or(tool))
    };
    let plain = |tool: Value| {
        let mut tool = tool;
        for name in ["parameters", "input_schema"] {
            if let Some(schema) = tool.get_mut(name) {
                *schema = shape::json(schema);
            }
        }
        tool
    };
    list.iter().map(|tool| plain(inner(tool))).collect()
}

fn rebuilt(tables: &Tables, left: &Attributes, reading: &mut Reading, used: &mut BTreeSet<String>) {
    for (field, prefixes) in &tables.merged.flat {
        if !is_of(reading.role, field) {
            continue;
        }
        for prefix in prefixes {
            let Some((list, names)) = flat::rebuild(left, prefix) else { continue };
            let list = Value::Array(list);
            if field == "content.input" && prefix == "embedding.embeddings" {
                embedded(&list, reading);
            } else if let Some(value) = content(field, &list, shape::shape(field)) {
                reading.fields.entry(field.clone()).or_insert(value);
            }
            used.extend(names);
        }
    }
}

/// What was embedded went into the model; the vectors are no evidence, and large.
fn embedded(list: &Value, reading: &mut Reading) {
    let texts = list.as_array().into_iter().flatten().filter_map(|one| one["embedding"]["text"].as_str());
    let texts: Vec<Value> = texts.map(Value::from).collect();
    if !texts.is_empty() {
        let found = messages(&Value::Array(texts), "user");
        reading.fields.entry("content.input".into()).or_insert_with(|| found.into());
    }
    reading.omitted.insert("embedding.embeddings.*.embedding.vector".into());
}

/// `llm.openai.messages`, `llm.None.id`: the middle is the provider, whatever it is. They become `raw.messages`, `raw.id`.
fn raw(attributes: &mut Attributes) {
    let names: Vec<String> = attributes.keys().filter(|name| name.starts_with("llm.")).cloned().collect();
    for name in names {
        let mut words = name.splitn(3, '.').skip(1);
        let (Some(provider), Some(member)) = (words.next(), words.next()) else { continue };
        if provider != "None" {
            attributes.insert("raw.provider".into(), provider.into());
        }
        if let Some(value) = attributes.remove(&name) {
            attributes.insert(format!("raw.{member}"), shape::json(&value));
        }
    }
    if let Some(model) = attributes.remove("raw.model") {
        let is_answered = attributes.contains_key("raw.id") || attributes.contains_key("raw.choices");
        attributes.insert(if is_answered { "raw.served" } else { "raw.requested" }.into(), model);
    }
}

/// A call of a tool that takes nothing states it by an empty object.
fn is_without_arguments(name: &str, value: &Value) -> bool {
    value == "{}" && name.ends_with(".tool_call.function.arguments")
}

fn expand(tables: &Tables, attributes: &mut Cow<'_, Attributes>) {
    for name in &tables.merged.expand {
        let Some(members) = attributes.get(name).and_then(shape::object) else { continue };
        let attributes = attributes.to_mut();
        attributes.remove(name);
        let members = members.into_iter().filter(|(_, value)| !says_nothing(value));
        attributes.extend(members.map(|(member, value)| (format!("{name}.{member}"), value)));
        // The object itself may be content, as the answer in `output.value` is.
        if tables.is_content(name) {
            restore(name, attributes);
        }
    }
}

fn restore(name: &str, attributes: &mut Attributes) {
    let prefix = format!("{name}.");
    let members: Map<String, Value> = attributes
        .iter()
        .filter_map(|(member, value)| Some((member.strip_prefix(&prefix)?.to_owned(), value.clone())))
        .collect();
    attributes.insert(name.to_owned(), Value::Object(members));
}

/// Nothing at all, in the spellings of emitters.
pub fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty() || matches!(text.as_str(), "None" | "{}" | "<not specified>"),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// The service is what executed, by its own word, unless somebody names it better.
fn workload(reading: &mut Reading, source: &Source) {
    let text = |name: &str| source.resource.get(name).and_then(Value::as_str).filter(|it| !it.is_empty());
    for (field, names) in [
        ("workload.instance", ["service.instance.id", "k8s.pod.uid"]),
        ("workload.id", ["evidence.workload.id", "service.name"]),
    ] {
        let Some(value) = names.into_iter().find_map(text) else { continue };
        if !reading.fields.contains_key(field) {
            reading.fields.insert(field.to_owned(), value.into());
            if field == "workload.id" && text("evidence.workload.id").is_none() {
                reading.fields.insert("workload.method".into(), "self".into());
            }
        }
    }
    // Those of `evidence.*` are among the item's own.
    let again = |(name, _): &(&String, &Value)| is_again(name) && !name.starts_with("evidence.");
    for (name, value) in source.resource.iter().filter(again) {
        reading.left.entry(format!("resource.{name}")).or_insert_with(|| value.clone());
    }
    for (name, value) in &source.scope_attributes {
        reading.left.entry(format!("scope.{name}")).or_insert_with(|| value.clone());
    }
}
