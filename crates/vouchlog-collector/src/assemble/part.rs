//! Parts of interactions: an item, with what it says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::Delivery;
use super::times::{StatedTimes, Times};
use crate::dialect::{Reading, Role};
use crate::intake::{Item, Source, size_of_value};
use crate::limits::MAX_ATTRIBUTE_KEPT;

/// An item, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) item: Item,
    pub(crate) reading: Reading,
    /// With what it came.
    pub(crate) lot: Arc<Delivery>,
    /// Keyed digest of the item: the same for the same item only.
    pub(super) digest: [u8; 16],
}

impl Part {
    pub(crate) fn new(item: Item, reading: Reading, lot: Arc<Delivery>, digest: [u8; 16]) -> Self {
        Self { item, reading, lot, digest }
    }

    /// Drops the long values of attributes, which the reading has a copy of. Afterwards only names and short values of an item are used, and
    /// the message of an exception.
    pub(super) fn forget_what_was_read(&mut self) {
        let attributes = match &mut self.item {
            Item::Span(span) => &mut span.attributes,
            Item::Event(event) if self.reading.role != Role::Exception => &mut event.attributes,
            _ => return,
        };
        for value in attributes.values_mut().filter(|value| size_of_value(value) > MAX_ATTRIBUTE_KEPT) {
            *value = Value::Null;
        }
    }

    /// Trace and span of a span.
    pub(super) fn span_key(&self) -> Option<(&str, &str)> {
        match &self.item {
            Item::Span(span) => Some((&span.trace, &span.span)),
            _ => None,
        }
    }

    /// Trace and span that it is, or is about.
    pub(super) fn about(&self) -> Option<(&str, &str)> {
        match &self.item {
            Item::Span(span) => Some((&span.trace, &span.span)),
            Item::Event(event) => Some((event.trace.as_deref()?, event.span.as_deref()?)),
            Item::Decision(decision) => Some((decision.trace.as_deref()?, decision.span.as_deref()?)),
        }
    }

    pub(super) fn trace(&self) -> Option<&str> {
        match &self.item {
            Item::Span(span) => Some(&span.trace),
            Item::Event(event) => event.trace.as_deref(),
            Item::Decision(decision) => decision.trace.as_deref(),
        }
    }

    pub(super) fn role(&self) -> Role {
        self.reading.role
    }

    /// Start and end as they were stated. An event is written when all is over: its time is an end.
    pub(super) fn stated(&self) -> StatedTimes {
        match &self.item {
            Item::Span(span) => StatedTimes::of(span.start, span.end),
            Item::Event(event) => StatedTimes::of(0, event.time),
            Item::Decision(decision) => StatedTimes::of(0, decision.time),
        }
    }

    /// When it was, for comparison with others.
    pub(super) fn times(&self) -> Times {
        self.stated().interval()
    }

    /// Whether it is a span of which only the begin was sent.
    pub(super) fn is_unfinished(&self) -> bool {
        matches!(&self.item, Item::Span(span) if span.end == 0)
    }

    /// Whether it is a span whose status is an error.
    pub(super) fn is_failed_span(&self) -> bool {
        matches!(&self.item, Item::Span(span) if span.failed)
    }

    /// Whether it is a span of no duration, by which Logfire states what other instrumentations state by an event.
    pub(super) fn is_log_span(&self) -> bool {
        matches!(&self.item, Item::Span(span) if span.attributes.get("logfire.span_type").is_some_and(|kind| kind == "log"))
    }

    /// Who sent it; a decision came by a door of its own.
    pub(super) fn source(&self) -> Option<&Arc<Source>> {
        match &self.item {
            Item::Span(span) => Some(&span.source),
            Item::Event(event) => Some(&event.source),
            Item::Decision(_) => None,
        }
    }

    /// The session that it names; to OpenTelemetry a conversation is one.
    pub(super) fn session(&self) -> Option<&str> {
        self.reading.text("correlation.session").or_else(|| self.reading.text("correlation.conversation"))
    }

    pub(super) fn service(&self) -> &str {
        let name = self.source().and_then(|source| source.resource.get("service.name"));
        name.and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn scope(&self) -> &str {
        self.source().map_or("", |source| &source.scope)
    }

    /// What it waits with: its trace, or the session and prompt of Claude Code. What names neither waits with its like.
    pub(super) fn group_key(&self) -> String {
        let text = |field| self.reading.text(field).unwrap_or_default();
        match (self.trace(), self.role()) {
            (Some(trace), _) => format!("trace:{trace}"),
            (None, Role::ClaudeCode) => {
                format!("prompt:{}:{}", text("correlation.session"), text("correlation.turn"))
            }
            (None, _) => match &self.item {
                Item::Decision(decision) => {
                    // It may name the answer it is about; else it stands alone.
                    let response = decision.response.as_deref().unwrap_or_default();
                    let id = decision.fields.get("decision_id").map(ToString::to_string).unwrap_or_default();
                    format!("decision:{}:{response}:{id}", response.len())
                }
                _ => format!("none:{}:{}", self.service(), self.scope()),
            },
        }
    }

    /// Order that does not depend on who came first.
    pub(crate) fn order(&self) -> Order<'_> {
        Order(self)
    }
}

/// By time; what is of one time by what it is about, and by the digest of all it says.
pub(crate) struct Order<'a>(&'a Part);

impl Ord for Order<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let (one, other) = (self.0, other.0);
        let by_time = one.times().cmp(&other.times());
        by_time.then_with(|| (one.about(), one.digest).cmp(&(other.about(), other.digest)))
    }
}

impl PartialOrd for Order<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Order<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Order<'_> {}

/// The parts of traces that are completed together.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    /// Spans by trace and span.
    pub(super) spans: BTreeMap<(String, String), Part>,
    /// All others by their digests.
    pub(super) events: BTreeMap<[u8; 16], Part>,
}

impl Parts {
    pub(super) fn add(&mut self, part: Part) {
        match part.span_key().map(|(trace, span)| (trace.to_owned(), span.to_owned())) {
            Some(key) => self.spans.insert(key, part),
            None => self.events.insert(part.digest, part),
        };
    }
}
