//! OTLP/JSON. Each span and log record is read by itself, so that a broken one costs only itself.

use std::sync::Arc;

use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::otlp;
use super::{Decoded, IntakeError, Item, ItemError, Signal, Source};

/// The names of the lists, from the outside in.
struct Names {
    resources: [&'static str; 2],
    scopes: [&'static str; 2],
    items: [&'static str; 2],
}

const TRACES: Names = Names {
    resources: ["resourceSpans", "resource_spans"],
    scopes: ["scopeSpans", "scope_spans"],
    items: ["spans", "spans"],
};
const LOGS: Names = Names {
    resources: ["resourceLogs", "resource_logs"],
    scopes: ["scopeLogs", "scope_logs"],
    items: ["logRecords", "log_records"],
};

pub(super) fn decode(signal: Signal, body: &[u8]) -> Result<Decoded, IntakeError> {
    let mut body: Value =
        serde_json::from_slice(body).map_err(|error| IntakeError::Json(error.to_string()))?;
    let names = if signal == Signal::Traces { &TRACES } else { &LOGS };
    let mut decoded = Decoded::default();
    let mut place = 0;
    if !body.is_object() {
        return Err(IntakeError::Json("a request is an object".into()));
    }
    for mut resource in list(&mut body, names.resources)? {
        let owner: Option<Resource> = part(&mut resource, "resource");
        let url = text(&resource, "schemaUrl");
        for mut scope in list(&mut resource, names.scopes)? {
            let about: Option<InstrumentationScope> = part(&mut scope, "scope");
            let own = text(&scope, "schemaUrl");
            let url = if own.is_empty() { &url } else { &own };
            let source = Arc::new(otlp::source(owner.as_ref(), about.as_ref(), url));
            for item in list(&mut scope, names.items)? {
                decoded.add(place, self::item(signal, item, &source));
                place += 1;
            }
        }
    }
    Ok(decoded)
}

fn item(signal: Signal, mut value: Value, source: &Arc<Source>) -> Result<Item, ItemError> {
    straighten(&mut value);
    match signal {
        Signal::Traces => otlp::span(typed(value)?, source).map(Item::Span),
        Signal::Logs => otlp::event(typed(value)?, source).map(Item::Event),
    }
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ItemError> {
    serde_json::from_value(value)
        .map_err(|error| ItemError::Field(error.to_string().chars().take(200).collect()))
}

/// The list of one of these names, taken out; none is an empty one.
fn list(value: &mut Value, names: [&str; 2]) -> Result<Vec<Value>, IntakeError> {
    for name in names {
        match value.get_mut(name).map(Value::take) {
            None | Some(Value::Null) => {}
            Some(Value::Array(list)) => return Ok(list),
            Some(_) => return Err(IntakeError::Json(format!("`{name}` is not a list"))),
        }
    }
    Ok(Vec::new())
}

/// A resource or scope that cannot be read is missed, and does not cost the items beneath it.
fn part<T: DeserializeOwned>(value: &mut Value, name: &str) -> Option<T> {
    let mut part = value.get_mut(name)?.take();
    straighten(&mut part);
    serde_json::from_value(part).ok()
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Forms that protobuf's JSON mapping allows and the library's types do not: null for nothing, enumerations by name, a number that
/// JSON does not have (kept as a string, which is what it becomes anyway), members with underscores.
fn straighten(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(straighten),
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            let underscored: Vec<_> = object.keys().filter(|name| name.contains('_')).cloned().collect();
            for name in underscored {
                if let Some(member) = object.remove(&name) {
                    object.entry(camel(&name)).or_insert(member);
                }
            }
            if let Some(number) = object.get("doubleValue").and_then(Value::as_str).map(str::to_owned) {
                object.remove("doubleValue");
                let member = match number.parse::<f64>() {
                    Ok(number) if number.is_finite() => ("doubleValue", number.into()),
                    _ => ("stringValue", number.into()),
                };
                object.insert(member.0.into(), member.1);
            }
            for (name, member) in object.iter_mut() {
                if let Some(number) = member.as_str().and_then(|word| enumeration(name, word)) {
                    *member = number.into();
                }
                straighten(member);
            }
        }
        _ => {}
    }
}

fn camel(name: &str) -> String {
    let mut words = name.split('_');
    let mut camel = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut letters = word.chars();
        camel.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        camel.push_str(letters.as_str());
    }
    camel
}

fn enumeration(name: &str, word: &str) -> Option<i32> {
    match name {
        "kind" => SpanKind::from_str_name(word).map(|it| it as i32),
        "code" => StatusCode::from_str_name(word).map(|it| it as i32),
        "severityNumber" => SeverityNumber::from_str_name(word).map(|it| it as i32),
        _ => None,
    }
}
