//! What is remembered of done traces, so that a duplicate is known and a late part finds its record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use vouchlog_evidence::{Record, RecordId};

use super::open::Open;
use super::unit::Unit;

/// What a part was told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Span(String, String),
    Event([u8; 16]),
    /// A tool call, by trace and call id.
    Call(String, String),
    Answer(String),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    key: Key,
    digest: Option<[u8; 16]>,
    record: Option<RecordId>,
}

/// Bounded; the oldest are forgotten first.
pub(crate) struct Memory {
    most: usize,
    entries: BTreeMap<Key, (Option<[u8; 16]>, Option<RecordId>)>,
    order: VecDeque<Key>,
}

pub(super) enum Known {
    Not,
    Same,
    Other(Option<RecordId>),
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        Self { most, entries: BTreeMap::new(), order: VecDeque::new() }
    }

    pub(super) fn knows(&self, trace: &str, span: &str, digest: &[u8; 16]) -> Known {
        match self.entries.get(&Key::Span(trace.into(), span.into())) {
            // Remembered from an event about it: the span itself is new.
            None | Some((None, _)) => Known::Not,
            Some((Some(known), _)) if known == digest => Known::Same,
            Some((Some(_), record)) => Known::Other(record.clone()),
        }
    }

    pub(super) fn has_event(&self, digest: &[u8; 16]) -> bool {
        self.entries.contains_key(&Key::Event(*digest))
    }

    pub(super) fn of_span(&self, trace: &str, span: &str) -> Option<&RecordId> {
        self.record(&Key::Span(trace.into(), span.into()))
    }

    pub(super) fn of_call(&self, trace: &str, call: &str) -> Option<&RecordId> {
        self.record(&Key::Call(trace.into(), call.into()))
    }

    pub(super) fn of_answer(&self, answer: &str) -> Option<&RecordId> {
        self.record(&Key::Answer(answer.into()))
    }

    fn record(&self, key: &Key) -> Option<&RecordId> {
        self.entries.get(key)?.1.as_ref()
    }

    pub(super) fn remember(&mut self, entries: Vec<Entry>) {
        for Entry { key, digest, record } in entries {
            match self.entries.get_mut(&key) {
                Some(known) => {
                    known.0 = known.0.or(digest);
                    known.1 = known.1.take().or(record);
                }
                None => {
                    self.entries.insert(key.clone(), (digest, record));
                    self.order.push_back(key);
                }
            }
        }
        while self.order.len() > self.most {
            if let Some(key) = self.order.pop_front() {
                self.entries.remove(&key);
            }
        }
    }
}

/// What to remember of units and their records.
pub(super) fn entries(open: &Open, units: &[Unit<'_>], records: &[Option<Record>]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (unit, record) in units.iter().zip(records) {
        let Some(record) = record else { continue };
        // What amends a record leads to that record.
        let amended = record.body.correlation.value().and_then(|it| it.amends.value());
        let id = amended.or(record.id.as_ref()).cloned();
        let parts: BTreeSet<(String, String)> =
            unit.parts().filter_map(|part| part.about()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        entries.extend(parts.into_iter().map(|(trace, span)| Entry {
            key: Key::Span(trace, span),
            digest: None,
            record: id.clone(),
        }));
        for call in &unit.calls {
            for trace in &unit.traces() {
                let key = Key::Call(trace.clone(), call.clone());
                entries.push(Entry { key, digest: None, record: id.clone() });
            }
        }
        if let (Some(answer), true) = (unit.answer(), unit.is_inference()) {
            entries.push(Entry { key: Key::Answer(answer.to_owned()), digest: None, record: id.clone() });
        }
    }
    for ((trace, span), part) in &open.spans {
        let key = Key::Span(trace.clone(), span.clone());
        entries.push(Entry { key, digest: Some(part.digest), record: None });
    }
    for part in open.events.values() {
        entries.push(Entry { key: Key::Event(part.digest), digest: None, record: None });
    }
    entries
}
