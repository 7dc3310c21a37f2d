//! Makes OTLP spans of tracing spans.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use vouchlog_runtime::{Clock, scope};

use crate::limits::{MAX_ATTRIBUTES, MAX_LINKS, MAX_VALUE_BYTES};

/// A layer that hands every span that ends to the exporter. Made by [`Telemetry::start`](crate::Telemetry::start).
pub struct SpanLayer {
    spans: mpsc::Sender<Span>,
    dropped: Counter,
    ids: Ids,
    clock: Clock,
}

impl fmt::Debug for SpanLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpanLayer").field("dropped", &self.dropped.get()).finish_non_exhaustive()
    }
}

impl SpanLayer {
    pub(crate) fn new(spans: mpsc::Sender<Span>, dropped: Counter, clock: Clock) -> Self {
        Self { spans, dropped, ids: Ids::new(), clock }
    }
}

/// A span that has not ended, kept by the registry.
struct Open {
    span: Span,
    trace: Trace,
}

/// A span that names what its process runs several of. It lasts as long as that, so it is no span of a trace.
struct Scope(Arc<[KeyValue]>);

/// What the spans of one trace have in common.
#[derive(Clone)]
struct Trace {
    id: Vec<u8>,
    is_sampled: bool,
    /// The attributes of its scope, which each of its spans has.
    scope: Option<Arc<[KeyValue]>>,
    /// The wall clock and the monotonic clock when the root began. All times of the trace follow from the monotonic one, so that a
    /// clock that is set meanwhile does not turn them around.
    began: (u64, Instant),
}

impl Trace {
    fn now(&self) -> u64 {
        let (nanos, at) = self.began;
        nanos.saturating_add(u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl<S: Subscriber + for<'s> LookupSpan<'s>> Layer<S> for SpanLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if span.name() == scope::NAME {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(Scope(fields.attributes.into()));
            return;
        }
        let above = span.parent();
        let parent = above.as_ref().and_then(|parent| {
            let extensions = parent.extensions();
            extensions.get::<Open>().map(|open| (open.trace.clone(), open.span.span_id.clone()))
        });
        let scope = || Some(Arc::clone(&above.as_ref()?.extensions().get::<Scope>()?.0));
        let mut fields = Fields { is_root: parent.is_none(), ..Fields::default() };
        attributes.record(&mut fields);
        let (trace, parent_span_id) = parent.unwrap_or_else(|| {
            let millis = self.clock.now().get();
            let trace = Trace {
                id: fields.trace_id.unwrap_or_else(|| self.ids.trace_id()),
                is_sampled: fields.is_sampled.unwrap_or(true),
                scope: scope(),
                began: (millis.saturating_mul(1_000_000), Instant::now()),
            };
            (trace, fields.parent_span_id.unwrap_or_default())
        });
        let made = Span {
            trace_id: trace.id.clone(),
            span_id: self.ids.span_id(),
            parent_span_id,
            name: span.name().to_owned(),
            start_time_unix_nano: trace.now(),
            attributes: trace
                .scope
                .iter()
                .flat_map(|scope| scope.iter().cloned())
                .chain(fields.attributes)
                .collect(),
            dropped_attributes_count: fields.dropped,
            ..Span::default()
        };
        span.extensions_mut().insert(Open { span: made, trace });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(open) = extensions.get_mut::<Open>() else { return };
        let known = std::mem::take(&mut open.span.attributes);
        let mut fields =
            Fields { attributes: known, dropped: open.span.dropped_attributes_count, ..Fields::default() };
        values.record(&mut fields);
        open.span.attributes = fields.attributes;
        open.span.dropped_attributes_count = fields.dropped;
    }

    fn on_follows_from(&self, id: &Id, cause: &Id, context: Context<'_, S>) {
        let (Some(span), Some(cause)) = (context.span(id), context.span(cause)) else { return };
        let link = cause.extensions().get::<Open>().map(|open| Link {
            trace_id: open.span.trace_id.clone(),
            span_id: open.span.span_id.clone(),
            ..Link::default()
        });
        let mut extensions = span.extensions_mut();
        if let (Some(open), Some(link)) = (extensions.get_mut::<Open>(), link)
            && open.span.links.len() < MAX_LINKS
        {
            open.span.links.push(link);
        }
    }

    /// An error that is logged marks the span it belongs to. Its words stay in the log.
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR {
            return;
        }
        if let Some(span) = context.event_span(event)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            open.span.status = Some(failed());
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(open) = context.span(&id).and_then(|span| span.extensions_mut().remove::<Open>()) else {
            return;
        };
        if !open.trace.is_sampled {
            return;
        }
        let mut span = open.span;
        span.end_time_unix_nano = open.trace.now();
        classify(&mut span);
        if self.spans.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

fn failed() -> Status {
    Status { code: StatusCode::Error.into(), message: String::new() }
}

/// SPEC: OpenTelemetry semantic conventions for HTTP and RPC servers and databases: kind, name and status of a span.
fn classify(span: &mut Span) {
    let text = |key: &str| match value(span, key) {
        Some(Value::StringValue(text)) => Some(text.clone()),
        _ => None,
    };
    let number = |key: &str| match value(span, key) {
        Some(Value::IntValue(number)) => Some(*number),
        _ => None,
    };
    let (method, route) = (text("http.request.method"), text("http.route"));
    let rpc = text("rpc.service").zip(text("rpc.method"));
    // UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are the server's errors.
    let is_failed = number("http.response.status_code").is_some_and(|status| status >= 500)
        || number("rpc.grpc.status_code").is_some_and(|code| matches!(code, 2 | 4 | 12..=15));
    let is_server = method.is_some() || rpc.is_some();
    let name = match (method, route, rpc, text("db.operation.name")) {
        (_, _, Some((service, method)), _) => Some(format!("{service}/{method}")),
        (Some(method), route, ..) => {
            Some([Some(method), route].into_iter().flatten().collect::<Vec<_>>().join(" "))
        }
        (.., Some(operation)) => Some(format!("{} {operation}", span.name)),
        _ => None,
    };
    span.kind = if is_server { SpanKind::Server } else { SpanKind::Internal }.into();
    span.name = name.unwrap_or_else(|| std::mem::take(&mut span.name));
    if is_failed {
        span.status = Some(failed());
    }
}

fn value<'s>(span: &'s Span, key: &str) -> Option<&'s Value> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    attribute.value.as_ref()?.value.as_ref()
}

/// The fields of a span.
#[derive(Default)]
struct Fields {
    attributes: Vec<KeyValue>,
    dropped: u32,
    /// Whether the fields below may place the span in a trace of its caller's.
    is_root: bool,
    trace_id: Option<Vec<u8>>,
    parent_span_id: Option<Vec<u8>>,
    is_sampled: Option<bool>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        let value = Some(AnyValue { value: Some(value) });
        if let Some(known) = self.attributes.iter_mut().find(|known| known.key == field.name()) {
            known.value = value;
        } else if self.attributes.len() < MAX_ATTRIBUTES {
            self.attributes.push(KeyValue { key: field.name().to_owned(), value, ..KeyValue::default() });
        } else {
            self.dropped += 1;
        }
    }

    fn text(&mut self, field: &Field, text: &str) {
        match field.name() {
            "trace_id" if self.is_root => self.trace_id = bytes(text, 16),
            "parent_span_id" if self.is_root => self.parent_span_id = bytes(text, 8),
            _ => {
                let end = (0..=MAX_VALUE_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
                self.add(field, Value::StringValue(text[..end.unwrap_or(0)].to_owned()));
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // Stream ids use all 64 bits; OTLP's integers are signed.
        match i64::try_from(value) {
            Ok(value) => self.add(field, Value::IntValue(value)),
            Err(_) => self.add(field, Value::StringValue(value.to_string())),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if self.is_root && field.name() == "sampled" {
            self.is_sampled = Some(value);
        } else {
            self.add(field, Value::BoolValue(value));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::DoubleValue(value));
    }
}

/// An id of this length in hex; all zeros are no id.
fn bytes(hex: &str, length: usize) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks(2);
    let bytes: Option<Vec<u8>> = digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2))
        .collect();
    bytes.filter(|bytes| bytes.len() == length && bytes.iter().any(|byte| *byte != 0))
}

/// Makes ids that are unique without a system call for each.
struct Ids {
    keys: RandomState,
    next: AtomicU64,
}

impl Ids {
    fn new() -> Self {
        Self { keys: RandomState::new(), next: AtomicU64::new(0) }
    }

    fn span_id(&self) -> Vec<u8> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.keys.hash_one(number).max(1).to_be_bytes().to_vec()
    }

    fn trace_id(&self) -> Vec<u8> {
        [self.span_id(), self.span_id()].concat()
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug_span, error, info_span};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    /// The spans that end while `work` runs, in that order.
    fn spans(capacity: usize, work: impl FnOnce()) -> (Vec<Span>, u64) {
        let (sender, mut receiver) = mpsc::channel(capacity);
        let dropped = Counter::default();
        let layer = SpanLayer::new(sender, dropped.clone(), Clock::system());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        let mut spans = Vec::new();
        while let Ok(span) = receiver.try_recv() {
            spans.push(span);
        }
        (spans, dropped.get())
    }

    #[test]
    fn the_spans_of_one_log_of_several_have_its_name_and_it_is_no_span() {
        let (spans, _) = spans(9, || {
            let log = tracing::error_span!("log", log = "ai");
            assert_eq!(log.metadata().map(tracing::Metadata::name), Some(scope::NAME));
            let request = log.in_scope(|| info_span!("request", trace_id = TRACE));
            request.in_scope(|| debug_span!("append").in_scope(|| ()));
            drop((request, log));
            drop(info_span!("other"));
        });
        let [append, request, other] = &spans[..] else { panic!("{spans:?}") };
        for span in [append, request] {
            assert_eq!(span.trace_id, bytes(TRACE, 16).unwrap());
            assert!(matches!(value(span, "log"), Some(Value::StringValue(log)) if log == "ai"), "{span:?}");
        }
        assert!(request.parent_span_id.is_empty() && append.parent_span_id == request.span_id);
        assert!(value(other, "log").is_none());
    }

    #[test]
    fn a_callers_trace_goes_on() {
        let (spans, _) = spans(9, || {
            let parent_span_id = "00f067aa0ba902b7";
            let request =
                info_span!("request", trace_id = TRACE, parent_span_id, size = tracing::field::Empty);
            request.in_scope(|| {
                request.record("size", 7);
                debug_span!("append", stream = u64::MAX, big = "x".repeat(1_000)).in_scope(|| error!("disk"));
            });
        });
        let [append, request] = &spans[..] else { panic!("{spans:?}") };
        assert_eq!((append.name.as_str(), request.name.as_str()), ("append", "request"));
        assert_eq!(request.trace_id, bytes(TRACE, 16).unwrap());
        assert_eq!(request.parent_span_id, bytes("00f067aa0ba902b7", 8).unwrap());
        assert_eq!((&append.trace_id, &append.parent_span_id), (&request.trace_id, &request.span_id));
        assert_eq!(value(request, "size"), Some(&Value::IntValue(7)));
        assert_eq!(value(request, "trace_id"), None, "it is the span's own");
        assert_eq!(value(append, "stream"), Some(&Value::StringValue(u64::MAX.to_string())));
        assert_eq!(value(append, "big"), Some(&Value::StringValue("x".repeat(MAX_VALUE_BYTES))));
        assert_eq!((append.status.clone(), request.status.clone()), (Some(failed()), None));
        assert!(request.start_time_unix_nano <= append.start_time_unix_nano);
        assert!(append.end_time_unix_nano <= request.end_time_unix_nano);
    }

    #[test]
    fn a_batch_is_linked_to_the_requests_it_follows_from() {
        let (spans, _) = spans(9, || {
            let (first, second) = (info_span!("first"), info_span!("second"));
            info_span!(parent: &first, "batch").follows_from(&second);
        });
        let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (batch, first, second) = (find("batch"), find("first"), find("second"));
        assert_eq!(batch.parent_span_id, first.span_id);
        let links: Vec<_> = batch.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
        assert_eq!(links, [(&second.trace_id, &second.span_id)]);
        assert_ne!(first.trace_id, second.trace_id);
    }

    #[test]
    fn a_trace_that_is_not_sampled_is_not_exported() {
        let (spans, _) = spans(9, || {
            let request = info_span!("request", trace_id = TRACE, sampled = false);
            request.in_scope(|| info_span!("append").in_scope(|| ()));
        });
        assert!(spans.is_empty(), "{spans:?}");
    }

    #[test]
    fn a_full_queue_drops_and_counts() {
        let (spans, dropped) = spans(2, || (0..5).for_each(|_| drop(info_span!("request"))));
        assert_eq!((spans.len(), dropped), (2, 3));
    }

    #[test]
    fn servers_are_named_by_route_and_method() {
        let made = spans(9, || {
            drop(info_span!(
                "request",
                http.request.method = "GET",
                http.route = "/v1/entries",
                http.response.status_code = 503_u16
            ));
            drop(info_span!("request", http.request.method = "GET", http.response.status_code = 404_u16));
            drop(info_span!("request", rpc.service = "a.B", rpc.method = "C", rpc.grpc.status_code = 10));
            drop(info_span!("vault", db.operation.name = "keep"));
        });
        let seen: Vec<_> =
            made.0.iter().map(|span| (span.name.as_str(), span.kind(), span.status.is_some())).collect();
        let (server, internal) = (SpanKind::Server, SpanKind::Internal);
        let expected = [
            ("GET /v1/entries", server, true),
            ("GET", server, false),
            ("a.B/C", server, false),
            ("vault keep", internal, false),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn ids_that_are_none_are_not_taken() {
        for bad in ["", "00", "0", "zz", &"0".repeat(32), &TRACE[1..], &format!("{TRACE}00"), "ääääääää"]
        {
            assert_eq!(bytes(bad, 16), None, "{bad}");
        }
    }
}
