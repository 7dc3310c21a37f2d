//! Parts that wait for the rest of their trace.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::times::{StatedTimes, Times};
use super::{Config, Delivery, Done};
use crate::dialect::{Reading, Role};
use crate::intake::{Item, size_of_value};
use crate::limits::MAX_ATTRIBUTE_KEPT;

/// An item, and what it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Part {
    pub(crate) item: Item,
    pub(crate) reading: Reading,
    /// With what it came.
    pub(crate) lot: Arc<Delivery>,
    /// Bytes, about as it lies in memory.
    pub(super) size: usize,
    /// Keyed digest of the item: the same for the same item only.
    pub(super) digest: [u8; 16],
}

impl Part {
    pub(crate) fn new(item: Item, reading: Reading, lot: Arc<Delivery>, digest: [u8; 16]) -> Self {
        let size = item.size() + reading.size();
        Self { item, reading, lot, size, digest }
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
        self.size = self.item.size() + self.reading.size();
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

    /// The session that it names; to OpenTelemetry a conversation is one.
    pub(super) fn session(&self) -> Option<&str> {
        self.reading.text("correlation.session").or_else(|| self.reading.text("correlation.conversation"))
    }

    pub(super) fn service(&self) -> &str {
        let source = match &self.item {
            Item::Span(span) => &span.source,
            Item::Event(event) => &event.source,
            Item::Decision(_) => return "",
        };
        source.resource.get("service.name").and_then(serde_json::Value::as_str).unwrap_or_default()
    }

    pub(super) fn scope(&self) -> &str {
        match &self.item {
            Item::Span(span) => &span.source.scope,
            Item::Event(event) => &event.source.scope,
            Item::Decision(_) => "",
        }
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

/// The parts of a trace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Open {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Of the first body of which it has something.
    pub(super) position: u64,
    pub(super) spans: BTreeMap<(String, String), Part>,
    pub(super) events: BTreeMap<[u8; 16], Part>,
}

pub(super) enum Added {
    New,
    Same,
    /// It took the place of one that had `size` bytes.
    Replaced {
        size: usize,
    },
    Differs {
        trace: String,
        span: String,
        replaced: Option<usize>,
    },
}

impl Open {
    pub(super) fn new(now: Timestamp, position: u64) -> Self {
        Self { first: now, last: now, position, ..Self::default() }
    }

    /// Bytes of its parts.
    pub(super) fn size(&self) -> usize {
        self.spans.values().chain(self.events.values()).map(|part| part.size).sum()
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len() + self.events.len()
    }

    /// Adds a part. Of two accounts of one span the same one stays whichever came first; one of the whole span replaces one of its
    /// begin, and does not contradict it.
    pub(super) fn add(&mut self, part: Part) -> Added {
        let Some((trace, span)) = part.span_key().map(|(trace, span)| (trace.to_owned(), span.to_owned()))
        else {
            let is_new = self.events.insert(part.digest, part).is_none();
            return if is_new { Added::New } else { Added::Same };
        };
        let Some(known) = self.spans.get_mut(&(trace.clone(), span.clone())) else {
            self.spans.insert((trace, span), part);
            return Added::New;
        };
        let size = known.size;
        match (known.is_unfinished(), part.is_unfinished()) {
            _ if known.digest == part.digest => Added::Same,
            (false, true) => Added::Same,
            (true, false) => {
                *known = part;
                Added::Replaced { size }
            }
            (both, _) => {
                let is_kept = part.order() > known.order();
                if is_kept {
                    *known = Part { lot: known.lot.clone(), ..part };
                }
                match (both, is_kept) {
                    (true, true) => Added::Replaced { size },
                    (true, false) => Added::Same,
                    (false, _) => Added::Differs { trace, span, replaced: is_kept.then_some(size) },
                }
            }
        }
    }

    pub(super) fn append(&mut self, other: &mut Open) {
        self.spans.append(&mut other.spans);
        self.events.append(&mut other.events);
    }

    /// Ids of answers in it.
    pub(super) fn answers(&self) -> impl Iterator<Item = &str> {
        let parts = self.spans.values().chain(self.events.values());
        parts.filter_map(|part| match &part.item {
            Item::Decision(decision) => decision.response.as_deref(),
            _ => part.reading.text("correlation.response_id"),
        })
    }

    /// Whether it has waited long enough, and for what.
    pub(super) fn is_due(&self, config: &Config, now: Timestamp) -> Option<Done> {
        let quiet = now.duration_since(self.last);
        if now.duration_since(self.first) >= config.max_age {
            return Some(Done::Timeout);
        }
        let missing = self.missing();
        match missing {
            Missing::Nothing if quiet >= config.settle => Some(Done::Settled),
            // The caller's own spans go elsewhere: there is nothing to wait for, and nobody to say so.
            Missing::Remote if quiet >= config.idle => Some(Done::Settled),
            Missing::Local if quiet >= config.idle => Some(Done::Timeout),
            _ => None,
        }
    }

    fn missing(&self) -> Missing {
        let mut missing = Missing::Nothing;
        for part in self.spans.values() {
            let Item::Span(span) = &part.item else { continue };
            if part.is_unfinished() {
                return Missing::Local;
            }
            let Some(parent) = &span.parent else { continue };
            if self.spans.contains_key(&(span.trace.clone(), parent.clone())) {
                continue;
            }
            if !span.has_remote_parent() {
                return Missing::Local;
            }
            missing = Missing::Remote;
        }
        for part in self.events.values() {
            let Item::Event(event) = &part.item else { continue };
            let (Some(trace), Some(span)) = (&event.trace, &event.span) else { continue };
            if !event.is_unsampled() && !self.spans.contains_key(&(trace.clone(), span.clone())) {
                return Missing::Local;
            }
        }
        // Claude Code and others without a trace: nothing says that more is to come, or not.
        if self.spans.is_empty() && self.events.values().any(|part| part.trace().is_none()) {
            return Missing::Remote;
        }
        missing
    }
}

enum Missing {
    Nothing,
    Remote,
    Local,
}
