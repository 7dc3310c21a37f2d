//! From the messages of OTLP to items, whatever encoding they came in.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1::span::Link as ProtoLink;
use opentelemetry_proto::tonic::trace::v1::{Span as Proto, status::StatusCode};
use serde_json::{Map, Value};

use super::members::Members;
use super::{Attributes, Decoded, Event, Item, ItemError, Link, Refused, Source, Span, SpanEvent, SpanKind};
use crate::limits::{MAX_ATTRIBUTES, MAX_DEPTH, MAX_ITEMS, MAX_SPAN_EVENTS, MAX_STRING};

/// Attributes of a resource or a scope, and how many could not be read.
#[derive(Clone, Debug, Default)]
pub(super) struct Unread {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) count: u64,
}

/// Where items come from.
pub(super) struct Origin {
    source: Arc<Source>,
    /// Attributes of the source that could not be read, or were over a bound: what its items lack.
    dropped: u64,
}

impl Origin {
    /// `unread` are attributes of the scope.
    pub(super) fn new(
        resource: &Unread,
        scope: &InstrumentationScope,
        unread: u64,
        schema_url: &str,
    ) -> Self {
        let mut cutter = Cutter::default();
        let source = Source {
            resource: cutter.attributes(resource.attributes.clone()),
            scope: cutter.text(scope.name.clone()),
            version: cutter.text(scope.version.clone()),
            scope_attributes: cutter.attributes(scope.attributes.clone()),
            schema_url: cutter.text(schema_url.to_owned()),
        };
        Self { source: Arc::new(source), dropped: resource.count + unread + cutter.dropped }
    }
}

impl Decoded {
    /// Takes the next item of the body.
    pub(super) fn add(&mut self, item: Result<Item, ItemError>) {
        match item {
            Ok(_) if self.items.len() >= MAX_ITEMS => self.refuse(ItemError::TooMany),
            Ok(item) => self.items.push(item),
            Err(why) => self.refuse(why),
        }
    }

    /// Notes that the next item of the body was not taken.
    pub(super) fn refuse(&mut self, why: ItemError) {
        let place = self.items.len() + self.refused.len();
        self.refused.push(Refused { place, why });
    }
}

pub(super) fn span(span: Proto, origin: &Origin) -> Result<Span, ItemError> {
    let mut cutter = Cutter::default();
    let dropped = [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count];
    let attributes = cutter.attributes(span.attributes);
    cutter.dropped += span.events.len().saturating_sub(MAX_SPAN_EVENTS) as u64;
    cutter.dropped += span.links.len().saturating_sub(MAX_SPAN_EVENTS) as u64;
    let mut events: Vec<_> = span
        .events
        .into_iter()
        .take(MAX_SPAN_EVENTS)
        .map(|event| SpanEvent {
            time: event.time_unix_nano,
            name: cutter.text(event.name),
            attributes: cutter.attributes(event.attributes),
        })
        .collect();
    events.sort_by_key(|event| event.time);
    let links = links(&span.links, &mut cutter);
    let status = span.status.unwrap_or_default();
    Ok(Span {
        source: Arc::clone(&origin.source),
        trace: id(&span.trace_id, 16, "the trace id")?.ok_or(ItemError::Id("the trace id"))?,
        span: id(&span.span_id, 8, "the span id")?.ok_or(ItemError::Id("the span id"))?,
        parent: id(&span.parent_span_id, 8, "the parent's span id")?,
        flags: span.flags,
        kind: kind(span.kind),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        links,
        name: cutter.text(span.name),
        message: cutter.text(status.message),
        failed: status.code == StatusCode::Error as i32,
        attributes,
        events,
        dropped: dropped.iter().map(|count| u64::from(*count)).sum::<u64>() + origin.dropped + cutter.dropped,
        cut: cutter.cut,
    })
}

pub(super) fn event(record: LogRecord, origin: &Origin) -> Result<Event, ItemError> {
    let mut cutter = Cutter::default();
    let attributes = cutter.attributes(record.attributes);
    let named = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut name = cutter.text(record.event_name);
    if name.is_empty() {
        name = named("event.name").or_else(|| named("event_name")).unwrap_or_default();
    }
    let body = record.body.map(|body| cutter.value(body, 0)).unwrap_or_default();
    Ok(Event {
        source: Arc::clone(&origin.source),
        trace: id(&record.trace_id, 16, "the trace id")?,
        span: id(&record.span_id, 8, "the span id")?,
        flags: record.flags,
        time: if record.time_unix_nano == 0 { record.observed_time_unix_nano } else { record.time_unix_nano },
        name,
        body,
        attributes,
        dropped: u64::from(record.dropped_attributes_count) + origin.dropped + cutter.dropped,
        cut: cutter.cut,
    })
}

/// A link with a broken id points nowhere; it is counted among what was dropped.
fn links(links: &[ProtoLink], cutter: &mut Cutter) -> Vec<Link> {
    let link = |link: &ProtoLink| {
        let trace = id(&link.trace_id, 16, "a link").ok()??;
        Some(Link { trace, span: id(&link.span_id, 8, "a link").ok()?? })
    };
    let read: Vec<Option<Link>> = links.iter().take(MAX_SPAN_EVENTS).map(link).collect();
    cutter.dropped += read.iter().filter(|link| link.is_none()).count() as u64;
    read.into_iter().flatten().collect()
}

/// An id as hexadecimal digits; none if it is empty or all zero, which OTLP takes for the same.
fn id(bytes: &[u8], length: usize, what: &'static str) -> Result<Option<String>, ItemError> {
    if bytes.iter().all(|byte| *byte == 0) && (bytes.is_empty() || bytes.len() == length) {
        return Ok(None);
    }
    if bytes.len() != length {
        return Err(ItemError::Id(what));
    }
    Ok(Some(hex::encode(bytes)))
}

const fn kind(kind: i32) -> SpanKind {
    match kind {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

/// Keeps values within bounds, and remembers whether it had to.
#[derive(Default)]
struct Cutter {
    dropped: u64,
    cut: bool,
}

impl Cutter {
    fn attributes(&mut self, list: Vec<KeyValue>) -> Attributes {
        self.dropped += list.len().saturating_sub(MAX_ATTRIBUTES) as u64;
        self.members(list.into_iter().take(MAX_ATTRIBUTES), 0)
    }

    fn members(&mut self, list: impl IntoIterator<Item = KeyValue>, depth: usize) -> Map<String, Value> {
        let mut members = Members::default();
        for pair in list {
            let value = pair.value.map(|value| self.value(value, depth)).unwrap_or_default();
            // A name by index into a table that OTLP's requests for traces and logs do not carry.
            let is_indexed = pair.key.is_empty() && pair.key_strindex != 0;
            let name = if is_indexed { format!("strindex:{}", pair.key_strindex) } else { pair.key };
            members.add(self.text(name), value);
        }
        members.finish()
    }

    fn value(&mut self, value: AnyValue, depth: usize) -> Value {
        if depth >= MAX_DEPTH {
            self.cut = true;
            return Value::Null;
        }
        match value.value {
            None => Value::Null,
            Some(Any::StringValue(text)) => Value::String(self.text(text)),
            Some(Any::BoolValue(it)) => it.into(),
            Some(Any::IntValue(it)) => it.into(),
            // JSON has no NaN and no infinity; protobuf's JSON mapping spells them as strings.
            Some(Any::DoubleValue(it)) if it.is_nan() => "NaN".into(),
            Some(Any::DoubleValue(it)) if it.is_infinite() => {
                if it > 0.0 {
                    "Infinity".into()
                } else {
                    "-Infinity".into()
                }
            }
            Some(Any::DoubleValue(it)) => it.into(),
            Some(Any::BytesValue(bytes)) => Value::String(self.text(STANDARD.encode(bytes))),
            Some(Any::ArrayValue(array)) => {
                array.values.into_iter().map(|value| self.value(value, depth + 1)).collect()
            }
            Some(Any::KvlistValue(list)) => Value::Object(self.members(list.values, depth + 1)),
            Some(Any::StringValueStrindex(index)) => format!("strindex:{index}").into(),
        }
    }

    fn text(&mut self, mut text: String) -> String {
        if text.len() > MAX_STRING {
            self.cut = true;
            let end = (0..=MAX_STRING).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
            text.truncate(end);
        }
        text
    }
}
