//! What is remembered of done traces, so that a duplicate is known and a late part finds its record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_record::{Record, RecordId};

use super::open::Open;
use super::times::{Times, may_be_of_one_call};
use super::unit::Unit;
use crate::limits::MAX_REMEMBERED_BYTES;

/// What a part was told apart by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Span(String, String),
    Event([u8; 16]),
    /// A tool call, by trace and call id.
    Call(String, String),
    Answer(String),
}

impl Key {
    /// Bytes of its texts.
    fn size(&self) -> usize {
        match self {
            Self::Span(one, other) | Self::Call(one, other) => one.len() + other.len(),
            Self::Answer(answer) => answer.len(),
            Self::Event(digest) => digest.len(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct MemoryEntry {
    key: Key,
    digest: Option<[u8; 16]>,
    record: Option<RecordId>,
    times: Option<Times>,
}

impl MemoryEntry {
    fn of(key: Key, record: Option<RecordId>) -> Self {
        Self { key, digest: None, record, times: None }
    }
}

/// What is known under a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Remembered {
    digest: Option<[u8; 16]>,
    record: Option<RecordId>,
    /// Of an answer: when the call was made that it came from.
    times: Option<Times>,
    /// Insertion number; the lowest is evicted first.
    number: u64,
}

/// Bounded; the oldest are forgotten first.
pub(crate) struct Memory {
    most: usize,
    entries: BTreeMap<Key, Remembered>,
    order: VecDeque<Key>,
    /// Bytes of all keys.
    bytes: usize,
    next: u64,
    changed: BTreeSet<Key>,
}

/// What changed of what is remembered, to be kept with everything else that must survive: keys with what is known under them now.
pub(crate) type MemoryChanges = Vec<(Vec<u8>, Option<Vec<u8>>)>;

pub(super) enum Known {
    Not,
    Same,
    Other(Option<RecordId>),
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        let (entries, order, changed) = (BTreeMap::new(), VecDeque::new(), BTreeSet::new());
        Self { most, entries, order, bytes: 0, next: 0, changed }
    }

    /// Takes up what an earlier process remembered. Returns how many entries cannot be read.
    pub(super) fn restore(&mut self, kept: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (key, value) in kept {
            let key = postcard::from_bytes(&key);
            let value: Result<Remembered, _> = postcard::from_bytes(&value);
            match (key, value) {
                (Ok(key), Ok(value)) => drop(self.entries.insert(key, value)),
                _ => unread += 1,
            }
        }
        let mut order: Vec<(u64, &Key)> =
            self.entries.iter().map(|(key, known)| (known.number, key)).collect();
        order.sort_unstable();
        self.next = order.last().map_or(0, |(number, _)| number + 1);
        self.order = order.into_iter().map(|(_, key)| key.clone()).collect();
        self.bytes = self.order.iter().map(Key::size).sum();
        unread
    }

    /// What changed since the last call.
    pub(super) fn changes(&mut self) -> MemoryChanges {
        let bytes = |value: Result<Vec<u8>, postcard::Error>| value.expect("it is made of texts and numbers");
        let changed = std::mem::take(&mut self.changed);
        let change = |key: Key| {
            let known = self.entries.get(&key).map(|known| bytes(postcard::to_stdvec(known)));
            (bytes(postcard::to_stdvec(&key)), known)
        };
        changed.into_iter().map(change).collect()
    }

    pub(super) fn knows(&self, trace: &str, span: &str, digest: &[u8; 16]) -> Known {
        match self.entries.get(&Key::Span(trace.into(), span.into())) {
            // Remembered from an event about it: the span itself is new.
            None | Some(Remembered { digest: None, .. }) => Known::Not,
            Some(Remembered { digest: Some(known), .. }) if known == digest => Known::Same,
            Some(Remembered { record, .. }) => Known::Other(record.clone()),
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

    /// The record of a call by its answer, unless that call was made at another time.
    pub(super) fn of_answer(&self, answer: &str, times: Option<Times>) -> Option<&RecordId> {
        let known = self.entries.get(&Key::Answer(answer.into()))?;
        known.record.as_ref().filter(|_| may_be_of_one_call(known.times, times))
    }

    fn record(&self, key: &Key) -> Option<&RecordId> {
        self.entries.get(key)?.record.as_ref()
    }

    pub(super) fn remember(&mut self, entries: Vec<MemoryEntry>) {
        for MemoryEntry { key, digest, record, times } in entries {
            self.changed.insert(key.clone());
            match self.entries.get_mut(&key) {
                Some(known) => {
                    known.digest = known.digest.or(digest);
                    known.record = known.record.take().or(record);
                    known.times = known.times.or(times);
                }
                None => {
                    let number = self.next;
                    self.entries.insert(key.clone(), Remembered { digest, record, times, number });
                    self.next += 1;
                    self.bytes += key.size();
                    self.order.push_back(key);
                }
            }
        }
        while self.order.len() > self.most || self.bytes > MAX_REMEMBERED_BYTES {
            let Some(key) = self.order.pop_front() else { break };
            self.bytes -= key.size();
            self.entries.remove(&key);
            self.changed.insert(key);
        }
    }
}

/// What to remember of a record that came whole, by a door of its own.
pub(super) fn entries_of(record: &Record) -> Vec<MemoryEntry> {
    let Some(correlation) = record.body.correlation.value() else { return Vec::new() };
    let id = correlation.amends.value().or(record.id.as_ref()).cloned();
    let span = correlation.trace.value().zip(correlation.span.value());
    let by_span =
        span.map(|(trace, span)| MemoryEntry::of(Key::Span(trace.clone(), span.clone()), id.clone()));
    let by_answer = correlation.response_id.value().map(|answer| MemoryEntry {
        times: times_of(record),
        ..MemoryEntry::of(Key::Answer(answer.clone()), id.clone())
    });
    by_span.into_iter().chain(by_answer).collect()
}

/// When the call of a record was made that came whole, if it says so.
pub(super) fn times_of(record: &Record) -> Option<Times> {
    let time = record.body.time.value()?;
    let nanoseconds = |at: &Timestamp| u64::try_from(at.as_nanosecond()).ok();
    time.start.value().and_then(nanoseconds).zip(time.end.value().and_then(nanoseconds))
}

/// What to remember of units and their records.
pub(super) fn entries(open: &Open, units: &[Unit<'_>], records: &[Option<Record>]) -> Vec<MemoryEntry> {
    let mut entries = Vec::new();
    for (unit, record) in units.iter().zip(records) {
        let Some(record) = record else { continue };
        // What amends a record leads to that record.
        let amended = record.body.correlation.value().and_then(|it| it.amends.value());
        let id = amended.or(record.id.as_ref()).cloned();
        let parts: BTreeSet<(String, String)> =
            unit.parts().filter_map(|part| part.about()).map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        entries.extend(
            parts.into_iter().map(|(trace, span)| MemoryEntry::of(Key::Span(trace, span), id.clone())),
        );
        for call in &unit.calls {
            for trace in &unit.traces() {
                entries.push(MemoryEntry::of(Key::Call(trace.clone(), call.clone()), id.clone()));
            }
        }
        if let (Some(answer), true) = (unit.answer(), unit.is_inference()) {
            let entry = MemoryEntry::of(Key::Answer(answer.to_owned()), id.clone());
            entries.push(MemoryEntry { times: unit.span_times(), ..entry });
        }
    }
    for ((trace, span), part) in &open.spans {
        let key = Key::Span(trace.clone(), span.clone());
        entries.push(MemoryEntry { digest: Some(part.digest), ..MemoryEntry::of(key, None) });
    }
    for part in open.events.values() {
        entries.push(MemoryEntry::of(Key::Event(part.digest), None));
    }
    entries
}
