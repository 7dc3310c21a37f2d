//! OpenTelemetry's text on generative AI, attribute by attribute: each row of `testdata/semantic-conventions.json` is sent and looked
//! for in the record, and `docs/attributes.md` is that table.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::dialect::tables;
use crate::intake::{Encoding, Signal, decode};

/// The table.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Conventions {
    texts: BTreeMap<String, Text>,
    places: BTreeMap<String, CarrierSpec>,
    operations: Vec<Operation>,
    attributes: Vec<Row>,
}

/// Where attributes are named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    order: u8,
    title: String,
    source: String,
    state: String,
}

/// What carries an attribute: spans, the resource or an event, as they are sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CarrierSpec {
    about: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    signal: Carrier,
    /// The span that carries it, by place.
    #[serde(default)]
    target: usize,
    #[serde(default)]
    event: String,
    #[serde(default)]
    attributes: Value,
    spans: Vec<SentTelemetry>,
}

#[derive(Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Carrier {
    #[default]
    Span,
    Event,
    Resource,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentTelemetry {
    name: String,
    kind: String,
    attributes: Value,
    #[serde(default)]
    parent: Option<usize>,
}

/// A value of `gen_ai.operation.name`, and what a span with it becomes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    name: String,
    of: String,
    kind: String,
    /// In words.
    becomes: String,
    /// Where in the record that shows; none where the span is the surroundings of a call below it.
    at: String,
    value: Value,
    #[serde(default)]
    around_call: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    of: String,
    place: String,
    value: Value,
    /// JSON pointer of the field that it is read into.
    #[serde(default)]
    read: Option<String>,
    /// What that field has, if that is not the value as it was sent.
    #[serde(default)]
    gives: Option<Value>,
    /// The list of `otel` that keeps it.
    #[serde(default)]
    kept: Option<String>,
    /// Why it is left out, and named in `otel.omitted` or not at all.
    #[serde(default)]
    left_out: Option<String>,
    /// Why the item is refused.
    #[serde(default)]
    refused: Option<String>,
}

fn table() -> Conventions {
    serde_json::from_slice(&std::fs::read(testdata().join("semantic-conventions.json")).unwrap()).unwrap()
}

fn any(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(it) => json!({ "boolValue": it }),
        Value::Number(it) if it.is_f64() => json!({ "doubleValue": it }),
        Value::Number(it) => json!({ "intValue": it.to_string() }),
        Value::String(it) => json!({ "stringValue": it }),
        Value::Array(list) => json!({ "arrayValue": { "values": list.iter().map(any).collect::<Vec<_>>() } }),
        Value::Object(_) => json!({ "kvlistValue": { "values": pairs(value) } }),
    }
}

fn pairs(members: &Value) -> Vec<Value> {
    let members = members.as_object().into_iter().flatten();
    members.map(|(key, value)| json!({ "key": key, "value": any(value) })).collect()
}

const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";

fn span_id(at: usize) -> String {
    format!("{:016x}", 0xa0 + at)
}

fn nanoseconds(millisecond: u64) -> String {
    ((1_795_300_000_000 + millisecond) * 1_000_000).to_string()
}

/// The items of a place with an attribute on what carries it, or with none.
fn sent(place: &CarrierSpec, attribute: Option<(&str, &Value)>) -> Vec<Item> {
    let with = |attributes: &Value, is_target: bool| {
        let mut attributes = if attributes.is_null() { json!({}) } else { attributes.clone() };
        if let Some((name, value)) = attribute.filter(|_| is_target) {
            attributes[name] = value.clone();
        }
        pairs(&attributes)
    };
    let spans: Vec<Value> = place
        .spans
        .iter()
        .enumerate()
        .map(|(at, span)| {
            let kind = match span.kind.as_str() {
                "internal" => 1,
                "server" => 2,
                "client" => 3,
                other => panic!("{other}"),
            };
            let (start, end) = (10 * at as u64, 1_000 - 10 * at as u64);
            let mut json = json!({
                "traceId": TRACE, "spanId": span_id(at), "name": span.name, "kind": kind,
                "startTimeUnixNano": nanoseconds(start), "endTimeUnixNano": nanoseconds(end),
                "attributes": with(&span.attributes, place.signal == Carrier::Span && at == place.target),
            });
            if let Some(parent) = span.parent {
                json["parentSpanId"] = span_id(parent).into();
            }
            json
        })
        .collect();
    let resource = with(&json!({ "service.name": "svc" }), place.signal == Carrier::Resource);
    let scope = json!({ "name": place.scope.as_deref().unwrap_or("app"), "version": "1.0" });
    let traces = json!({ "resourceSpans": [{
        "resource": { "attributes": resource }, "scopeSpans": [{ "scope": scope, "spans": spans }],
    }] });
    let mut items = read(Signal::Traces, &traces);
    if place.signal == Carrier::Event {
        let event = json!({
            "eventName": place.event, "timeUnixNano": nanoseconds(990), "traceId": TRACE, "spanId": span_id(place.target),
            "attributes": with(&place.attributes, true),
        });
        let logs = json!({ "resourceLogs": [{
            "resource": { "attributes": pairs(&json!({ "service.name": "svc" })) },
            "scopeLogs": [{ "scope": scope, "logRecords": [event] }],
        }] });
        items.extend(read(Signal::Logs, &logs));
    }
    items
}

fn read(signal: Signal, body: &Value) -> Vec<Item> {
    let decoded = decode(signal, Encoding::Json, body.to_string().as_bytes()).unwrap();
    assert_eq!(decoded.refused, []);
    decoded.items
}

/// Whether a value is the one that is wanted. A document may have more than the attribute gives it: the times of its span.
fn has_all(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found.iter().zip(wanted).all(|(found, wanted)| has_all(found, wanted))
        }
        (Value::Object(found), Value::Object(wanted)) if wanted.contains_key("document") => {
            wanted.iter().all(|(name, wanted)| found.get(name) == Some(wanted))
                && found
                    .keys()
                    .all(|name| wanted.contains_key(name) || matches!(name.as_str(), "start" | "end"))
        }
        _ => found == wanted,
    }
}

/// What a row comes to that does not hold.
fn fault(row: &Row, place: &CarrierSpec, value: &Value) -> Option<String> {
    let out = assembled(sent(place, Some((&row.name, value))));
    if row.refused.is_some() {
        let refused = out.refused.iter().any(|refused| refused.why.to_string().contains(&row.name));
        return (!refused).then(|| "it was not refused".to_owned());
    }
    let record = match (out.refused.is_empty(), out.failed.as_slice(), out.records.as_slice()) {
        (true, [], [record]) => json(record),
        _ => return Some(format!("not one record: {:#}", shown(&out))),
    };
    let without = assembled(sent(place, None));
    let without = without.records.first().map(json).unwrap_or_default();
    let has = |record: &Value, list: &str| {
        let entries = match &record["otel"][list] {
            Value::Array(list) => list.clone(),
            other => vec![other.clone()],
        };
        let wanted = |entry: &Value| {
            entry.get("attributes").and_then(|all| all.get(&row.name)).or_else(|| entry.get(&row.name))
                == Some(&row.value)
        };
        entries.iter().any(wanted)
    };
    if let Some(pointer) = &row.read {
        let wanted = row.gives.as_ref().unwrap_or(&row.value);
        let found = record.pointer(pointer);
        if !found.is_some_and(|found| has_all(found, wanted)) {
            return Some(format!("{pointer} has {found:?}, not {wanted}: {record:#}"));
        }
        let is_template = place.spans[place.target].attributes.get(&row.name).is_some();
        return (without.pointer(pointer) == Some(wanted) && !is_template)
            .then(|| format!("{pointer} has it anyway"));
    }
    match &row.kept {
        Some(list) if has(&record, list) => None,
        Some(list) => Some(format!("otel.{list} does not have it: {record:#}")),
        None => {
            let value = row.value.as_str().map_or_else(|| row.value.to_string(), str::to_owned);
            record.to_string().contains(&value).then(|| format!("it is not left out: {record:#}"))
        }
    }
}

#[test]
fn each_attribute_is_where_the_table_places_it() {
    let table = table();
    let mut faults = Vec::new();
    for row in &table.attributes {
        let place = &table.places[&row.place];
        let ways = [&row.read, &row.kept, &row.left_out, &row.refused];
        assert_eq!(ways.iter().filter(|way| way.is_some()).count(), 1, "{}: one way, and only one", row.name);
        // Where spans cannot carry structure, the text has JSON in a string.
        let is_structured = row.value.is_object() || row.value.pointer("/0").is_some_and(Value::is_object);
        let written = is_structured.then(|| Value::from(row.value.to_string()));
        for value in std::iter::once(&row.value).chain(&written) {
            faults.extend(
                fault(row, place, value).map(|fault| format!("{} ({}): {fault}", row.name, row.place)),
            );
        }
    }
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), table.attributes.len(), faults.join("\n"));
}

#[test]
fn each_operation_becomes_what_the_table_says() {
    for operation in table().operations {
        let attributes = json!({ "gen_ai.operation.name": operation.name, "gen_ai.response.id": "r-1" });
        let mut spans = vec![SentTelemetry {
            name: operation.name.clone(),
            kind: operation.kind.clone(),
            attributes,
            parent: None,
        }];
        if operation.around_call {
            let attributes = json!({ "gen_ai.operation.name": "chat" });
            spans.push(SentTelemetry {
                name: "chat".into(),
                kind: "client".into(),
                attributes,
                parent: Some(0),
            });
        }
        let place = CarrierSpec {
            about: String::new(),
            scope: None,
            signal: Carrier::Span,
            target: 0,
            event: String::new(),
            attributes: json!({}),
            spans,
        };
        let record = one(sent(&place, None));
        assert_eq!(record.pointer(&operation.at), Some(&operation.value), "{}: {record:#}", operation.name);
    }
}

#[test]
fn every_name_that_the_dialects_read_is_in_the_table() {
    let table = table();
    let is_known = |name: &str| {
        let name = name.trim_end_matches('*').trim_end_matches('.');
        let is_it = |row: &&Row| {
            row.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        table.attributes.iter().any(|row| is_it(&row))
            || name == "gen_ai.operation.name" && !table.operations.is_empty()
    };
    let mut unknown = Vec::new();
    for file in tables() {
        let json: Value = serde_json::from_str(file.json).unwrap();
        let lists =
            ["fields", "flat"].into_iter().flat_map(|group| json[group].as_object().into_iter().flatten());
        let lists = lists.map(|(_, names)| names.clone());
        let more = ["repeats", "omitted", "expand"].map(|group| json[group].clone());
        for name in lists.chain(more).flat_map(|names| names.as_array().cloned().unwrap_or_default()) {
            let name = name.as_str().unwrap().to_owned();
            let is_text = ["gen_ai.", "openai.", "jsonrpc."].iter().any(|prefix| name.starts_with(prefix));
            // A member of an object that an attribute holds is no attribute.
            let is_member = json["expand"].as_array().into_iter().flatten().any(|whole| {
                let rest = whole.as_str().and_then(|whole| name.strip_prefix(whole));
                rest.is_some_and(|rest| rest.starts_with('.'))
            });
            if is_text && !is_member && !is_known(&name) {
                unknown.push(format!("{}: {name}", file.name));
            }
        }
    }
    assert!(unknown.is_empty(), "not in testdata/semantic-conventions.json:\n{}", unknown.join("\n"));
    for row in &table.attributes {
        assert!(table.texts.contains_key(&row.of) && table.places.contains_key(&row.place), "{}", row.name);
    }
}

#[test]
fn the_documentation_is_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/attributes.md");
    let page = page(&table());
    if std::env::var_os("GOLDEN").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap();
    assert!(known == page, "docs/attributes.md differs from the table: run with GOLDEN=1");
}

fn page(table: &Conventions) -> String {
    let mut page = String::from(INTRODUCTION);
    let mut texts: Vec<_> = table.texts.iter().collect();
    texts.sort_by_key(|(_, text)| text.order);
    page.push_str("\n| text | source | state |\n| --- | --- | --- |\n");
    for (_, text) in &texts {
        writeln!(page, "| {} | {} | {} |", text.title, text.source, text.state).unwrap();
    }
    page.push_str("\n## Operations\n\n`gen_ai.operation.name` decides what a span becomes.\n\n| operation | becomes |\n| --- | --- |\n");
    for operation in &table.operations {
        let of = if operation.of == "current" { "" } else { " (proposed)" };
        writeln!(page, "| `{}`{of} | {} |", operation.name, operation.becomes).unwrap();
    }
    for (key, text) in texts {
        let rows: Vec<&Row> = table.attributes.iter().filter(|row| row.of == *key).collect();
        if rows.is_empty() {
            continue;
        }
        write!(page, "\n## {}\n\n| attribute | on | becomes |\n| --- | --- | --- |\n", text.title).unwrap();
        for row in rows {
            writeln!(page, "| `{}` | {} | {} |", row.name, table.places[&row.place].about, becomes(row))
                .unwrap();
        }
    }
    page
}

fn becomes(row: &Row) -> String {
    let field = |pointer: &str| {
        let steps = pointer.trim_start_matches('/').split('/');
        let steps = steps
            .map(|step| if step.parse::<usize>().is_ok() { "[]".to_owned() } else { format!(".{step}") });
        steps.collect::<String>().trim_start_matches('.').to_owned()
    };
    match row {
        Row { read: Some(pointer), .. } => format!("`{}`", field(pointer)),
        Row { kept: Some(list), .. } => format!("kept in `otel.{list}`"),
        Row { left_out: Some(why), .. } => format!("left out: {why}"),
        Row { refused: Some(why), value, .. } => {
            let start = value.as_str().and_then(|value| value.split_once(':')).map(|(start, _)| start);
            format!("refused as `{}:…`: {why}", start.unwrap_or_default())
        }
        _ => String::new(),
    }
}

const INTRODUCTION: &str = "\
# Attributes of OpenTelemetry's GenAI conventions

Every attribute that the conventions name, and what a record has of it: the field it is read into, or the part of `otel` that keeps it as
it came, or why it is left out or refused. The table is
[`semantic-conventions.json`](../crates/vouchlog-collector/testdata/semantic-conventions.json). A test sends each row through the intake and
the assembler and looks for the value in the record, and writes this page (`GOLDEN=1`).

Attributes that are in no table are kept under `otel`, too, and counted as not understood ([collector.md](collector.md#from-spans-to-records)). What `otel` keeps
of attributes is content: it takes the role for content to read it. Names of other conventions and of emitters' own (`llm.*`, `traceloop.*`, `litellm.*`, `jwt.*`) are in the
[tables of the dialects](../crates/vouchlog-collector/src/dialect/tables).
";
