//! From protobuf's JSON mapping to OTLP's messages.
//!
//! SPEC: protobuf's "ProtoJSON format", and OTLP's own rules for it: ids in hexadecimal, unknown members ignored. Read are all forms that
//! the mapping allows: members in either spelling, null for nothing, what is left out, numbers as strings and with exponents,
//! enumerations by name or number, both alphabets of base64. A value that its type cannot hold is kept as the text that was sent.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::{Span, Status, status::StatusCode};
use serde_json::{Map, Value};
use vouchlog_record::json::Raw;

use super::ItemError;
use super::scalar::{bytes, double, integer};

/// Most messages within each other, as protobuf's decoder has it: the same export is read to the same depth in both encodings.
const MAX_LEVELS: usize = 100;

/// As many arrays and objects as such messages take in JSON, and some.
const MAX_JSON_DEPTH: usize = 200;

/// What a value may be.
const KINDS: [&str; 7] =
    ["stringValue", "boolValue", "intValue", "doubleValue", "arrayValue", "kvlistValue", "bytesValue"];

/// Longest part of a value that a reason quotes, in characters.
const MAX_QUOTED: usize = 40;

pub(super) fn read(raw: Raw<'_>) -> Result<Value, ItemError> {
    vouchlog_record::json::read(raw.bytes(), MAX_JSON_DEPTH)
        .map_err(|error| ItemError::Field(error.to_string()))
}

pub(super) fn span(raw: Raw<'_>) -> Result<Span, ItemError> {
    let mut members = Members::of(read(raw)?, "a span")?;
    let links = members.list("links")?.into_iter().map(link);
    let (links, broken): (Vec<_>, Vec<_>) = links.partition(Result::is_ok);
    let links: Vec<Link> = links.into_iter().flatten().collect();
    let status = members.take("status").map(status).transpose()?;
    let dropped = members.count("droppedLinksCount")?;
    Ok(Span {
        trace_id: members.id("traceId")?,
        span_id: members.id("spanId")?,
        parent_span_id: members.id("parentSpanId")?,
        flags: members.count("flags")?,
        name: members.text("name")?,
        kind: members.enumeration("kind", "SPAN_KIND_", |name| SpanKind::from_str_name(name).map(Into::into)),
        start_time_unix_nano: members.time("startTimeUnixNano")?,
        end_time_unix_nano: members.time("endTimeUnixNano")?,
        attributes: members.pairs("attributes", 1)?,
        dropped_attributes_count: members.count("droppedAttributesCount")?,
        events: members.list("events")?.into_iter().map(event).collect::<Result<_, _>>()?,
        dropped_events_count: members.count("droppedEventsCount")?,
        links,
        // A link that cannot be read points nowhere, and costs no more than itself.
        dropped_links_count: dropped.saturating_add(u32::try_from(broken.len()).unwrap_or(u32::MAX)),
        status,
        ..Span::default()
    })
}

fn event(value: Value) -> Result<Event, ItemError> {
    let mut members = Members::of(value, "an event")?;
    Ok(Event {
        time_unix_nano: members.time("timeUnixNano")?,
        name: members.text("name")?,
        attributes: members.pairs("attributes", 2)?,
        dropped_attributes_count: members.count("droppedAttributesCount")?,
    })
}

fn link(value: Value) -> Result<Link, ItemError> {
    let mut members = Members::of(value, "a link")?;
    Ok(Link { trace_id: members.id("traceId")?, span_id: members.id("spanId")?, ..Link::default() })
}

fn status(value: Value) -> Result<Status, ItemError> {
    let mut members = Members::of(value, "a status")?;
    Ok(Status {
        message: members.text("message")?,
        code: members
            .enumeration("code", "STATUS_CODE_", |name| StatusCode::from_str_name(name).map(Into::into)),
    })
}

pub(super) fn log(raw: Raw<'_>) -> Result<LogRecord, ItemError> {
    let mut members = Members::of(read(raw)?, "a log record")?;
    Ok(LogRecord {
        time_unix_nano: members.time("timeUnixNano")?,
        observed_time_unix_nano: members.time("observedTimeUnixNano")?,
        event_name: members.text("eventName")?,
        body: members.take("body").map(|body| any(body, 1)).transpose()?,
        attributes: members.pairs("attributes", 1)?,
        dropped_attributes_count: members.count("droppedAttributesCount")?,
        flags: members.count("flags")?,
        trace_id: members.id("traceId")?,
        span_id: members.id("spanId")?,
        ..LogRecord::default()
    })
}

/// An attribute by itself.
pub(super) fn pair(raw: Raw<'_>) -> Result<KeyValue, ItemError> {
    key_value(read(raw)?, 1)
}

fn key_value(value: Value, level: usize) -> Result<KeyValue, ItemError> {
    let mut members = Members::of(value, "an attribute")?;
    Ok(KeyValue {
        key: members.text("key")?,
        value: members.take("value").map(|value| any(value, level + 1)).transpose()?,
        key_strindex: i32::try_from(members.count("keyStrindex")?).unwrap_or_default(),
    })
}

/// A value, `level` messages deep.
fn any(value: Value, level: usize) -> Result<AnyValue, ItemError> {
    if level > MAX_LEVELS {
        return Err(ItemError::Field(format!("a value is nested deeper than {MAX_LEVELS} messages")));
    }
    let mut members = Members::of(value, "a value")?;
    let mut kinds: Vec<_> = KINDS.iter().filter_map(|kind| Some((*kind, members.take(kind)?))).collect();
    let Some((kind, value)) = kinds.pop() else {
        let index = members.count("stringValueStrindex")?;
        let index = i32::try_from(index).ok().filter(|index| *index != 0);
        return Ok(AnyValue { value: index.map(Any::StringValueStrindex) });
    };
    if let Some((other, _)) = kinds.pop() {
        return Err(ItemError::Field(format!("a value has both `{other}` and `{kind}`")));
    }
    let value = match kind {
        "arrayValue" => Any::ArrayValue(array(value, level + 1)?),
        "kvlistValue" => Any::KvlistValue(list(value, level + 1)?),
        _ => scalar(kind, &value)?,
    };
    Ok(AnyValue { value: Some(value) })
}

/// What the type cannot hold is kept as text.
fn scalar(kind: &str, value: &Value) -> Result<Any, ItemError> {
    if let (Value::Bool(value), "boolValue") = (value, kind) {
        return Ok(Any::BoolValue(*value));
    }
    let Some(text) = word(value) else { return Err(unfit(kind, value)) };
    let read = match kind {
        "boolValue" => text.parse().ok().map(Any::BoolValue),
        "intValue" => integer(&text).and_then(|it| i64::try_from(it).ok()).map(Any::IntValue),
        "doubleValue" => double(&text).map(Any::DoubleValue),
        "bytesValue" => bytes(&text).map(Any::BytesValue),
        _ => None,
    };
    Ok(read.unwrap_or(Any::StringValue(text)))
}

fn array(value: Value, level: usize) -> Result<ArrayValue, ItemError> {
    let values = Members::of(value, "`arrayValue`")?.list("values")?;
    let values = values.into_iter().map(|value| any(value, level + 1)).collect::<Result<_, _>>()?;
    Ok(ArrayValue { values })
}

fn list(value: Value, level: usize) -> Result<KeyValueList, ItemError> {
    Ok(KeyValueList { values: Members::of(value, "`kvlistValue`")?.pairs("values", level + 1)? })
}

/// The members of a message, in the spelling of the mapping.
struct Members(Map<String, Value>);

impl Members {
    fn of(value: Value, what: &str) -> Result<Self, ItemError> {
        let Value::Object(object) = value else {
            return Err(ItemError::Field(format!("{what} is an object")));
        };
        let mut members = Map::new();
        for (name, value) in object.into_iter().filter(|(_, value)| !value.is_null()) {
            if let Some(twice) = members.insert(camel(&name), value).map(|_| name) {
                return Err(ItemError::Field(format!("`{twice}` occurs in two spellings")));
            }
        }
        Ok(Self(members))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name)
    }

    fn text(&mut self, name: &str) -> Result<String, ItemError> {
        let Some(value) = self.take(name) else { return Ok(String::new()) };
        word(&value).ok_or_else(|| unfit(name, &value))
    }

    fn list(&mut self, name: &str) -> Result<Vec<Value>, ItemError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(other) => Err(unfit(name, &other)),
        }
    }

    fn pairs(&mut self, name: &str, level: usize) -> Result<Vec<KeyValue>, ItemError> {
        if level > MAX_LEVELS {
            return Err(ItemError::Field(format!("a value is nested deeper than {MAX_LEVELS} messages")));
        }
        self.list(name)?.into_iter().map(|pair| key_value(pair, level)).collect()
    }

    fn time(&mut self, name: &str) -> Result<u64, ItemError> {
        self.whole(name).map(Option::unwrap_or_default)
    }

    fn count(&mut self, name: &str) -> Result<u32, ItemError> {
        self.whole(name).map(Option::unwrap_or_default)
    }

    fn whole<T: TryFrom<i128>>(&mut self, name: &str) -> Result<Option<T>, ItemError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = word(&value).and_then(|text| T::try_from(integer(&text)?).ok());
        number.map(Some).ok_or_else(|| unfit(name, &value))
    }

    /// Zero, "unspecified", for a name or number that is not known.
    fn enumeration(&mut self, name: &str, prefix: &str, known: impl Fn(&str) -> Option<i32>) -> i32 {
        let Some(text) = self.take(name).as_ref().and_then(word) else { return 0 };
        let word = text.to_ascii_uppercase();
        let by_number = || integer(&text).and_then(|number| i32::try_from(number).ok());
        known(&word).or_else(|| known(&format!("{prefix}{word}"))).or_else(by_number).unwrap_or_default()
    }

    /// Bytes in hexadecimal.
    fn id(&mut self, name: &str) -> Result<Vec<u8>, ItemError> {
        let text = self.text(name)?;
        hex::decode(&text).map_err(|_| unfit(name, &text.into()))
    }
}

/// A scalar as text.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn unfit(name: &str, value: &Value) -> ItemError {
    let quoted: String = value.to_string().chars().take(MAX_QUOTED).collect();
    ItemError::Field(format!("`{name}` cannot be {quoted}"))
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
