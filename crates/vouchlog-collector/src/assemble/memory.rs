//! What is remembered of done traces, so that a duplicate is known and a late part finds its record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vouchlog_record::{Record, RecordId};

use super::a2a;
use super::identity::ENCODING;
use super::part::{Part, Parts};
use super::times::{Times, may_be_of_one_call};
use super::unit::Unit;
use crate::limits::MAX_REMEMBERED_BYTES;

/// What a part was told apart by. Stored: a variant keeps its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Key {
    Span(String, String),
    /// An event, by the digest of its first encoding: see [`identity::encode_as_version_1`].
    EventOfVersion1([u8; 16]),
    /// A tool call, by trace and call id.
    Call(String, String),
    Answer(String),
    Event([u8; 16]),
}

/// A key as it is stored. It is in memory in this form as well: hundreds of thousands of keys are, and one text takes a third of the
/// memory that a key with two texts of its own does.
type StoredKey = Arc<[u8]>;

impl Key {
    fn stored(&self) -> Vec<u8> {
        postcard::to_stdvec(self).expect("it is made of texts")
    }
}

/// Whether a stored key is of an event as version 1 told it apart: each begins with the number of its variant.
fn is_of_version_1(key: &[u8]) -> bool {
    key.first() == Some(&1)
}

/// What is known of the content of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Account {
    /// It was not sent: an event names it.
    #[default]
    None,
    /// It was sent when it began, and its end is still to come.
    Unfinished,
    /// It was sent, and its digest is of an encoding that this version does not make. What comes again is taken for the same: a
    /// difference could not be told from one between versions.
    OfAnotherEncoding,
    /// It was sent.
    Digest {
        /// [`identity::ENCODING`]
        encoding: u8,
        digest: [u8; 16],
    },
}

impl Account {
    pub(super) fn of(part: &Part) -> Self {
        if part.is_unfinished() {
            return Self::Unfinished;
        }
        Self::Digest { encoding: ENCODING, digest: part.digest }
    }

    /// As it was stored, perhaps by another version.
    fn restored(self) -> Self {
        match self {
            Self::Digest { encoding, .. } if encoding != ENCODING => Self::OfAnotherEncoding,
            other => other,
        }
    }

    /// The first account of a span stays; one of a finished span replaces one of its begin.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, other)
            | (Self::Unfinished, other @ (Self::OfAnotherEncoding | Self::Digest { .. })) => other,
            (kept, _) => kept,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct MemoryEntry {
    key: Key,
    account: Account,
    record: Option<Arc<RecordId>>,
    times: Option<Times>,
}

impl MemoryEntry {
    fn of(key: Key, record: Option<Arc<RecordId>>) -> Self {
        Self { key, account: Account::None, record, times: None }
    }
}

/// What is known under a key.
#[derive(Clone, Debug)]
struct Remembered {
    account: Account,
    /// All parts of a record have one name between them.
    record: Option<Arc<RecordId>>,
    /// Of an answer: when the call was made that it came from.
    times: Option<Box<Times>>,
    /// Insertion number; the lowest is evicted first.
    number: u64,
}

/// The same as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredRemembered<R> {
    account: Account,
    record: Option<R>,
    times: Option<Times>,
    number: u64,
}

/// The same as the first version stored it, without a number of the format.
#[derive(Deserialize)]
struct RememberedByVersion1 {
    digest: Option<[u8; 16]>,
    record: Option<RecordId>,
    times: Option<Times>,
    number: u64,
}

/// The format of [`Remembered`], its first byte. Values of version 1 begin with 0 or 1, whether there is a digest.
const FORMAT: u8 = 2;

impl Remembered {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { account, record, times, number } = self;
        let (record, times) = (record.as_deref(), times.as_deref().copied());
        let stored = StoredRemembered { account: *account, record, times, number: *number };
        postcard::to_extend(&stored, vec![FORMAT]).expect("it is made of texts and numbers")
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let StoredRemembered { account, record, times, number } = match bytes.split_first()? {
            (&FORMAT, rest) => postcard::from_bytes(rest).ok()?,
            (0 | 1, _) => {
                let RememberedByVersion1 { digest, record, times, number } =
                    postcard::from_bytes(bytes).ok()?;
                let account = digest.map_or(Account::None, |_| Account::OfAnotherEncoding);
                StoredRemembered { account, record, times, number }
            }
            _ => return None,
        };
        let record = record.map(Arc::new);
        Some(Self { account: account.restored(), record, times: times.map(Box::new), number })
    }
}

/// Bounded; the oldest are forgotten first.
pub(crate) struct Memory {
    most: usize,
    entries: BTreeMap<StoredKey, Remembered>,
    order: VecDeque<StoredKey>,
    /// Bytes of all keys.
    bytes: usize,
    next: u64,
    /// How many events are remembered by the digest of their first encoding.
    of_version_1: usize,
    changed: BTreeSet<StoredKey>,
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
        Self { most, entries, order, bytes: 0, next: 0, of_version_1: 0, changed }
    }

    /// Takes up what an earlier process remembered. Returns how many entries cannot be read.
    pub(super) fn restore(&mut self, kept: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) -> usize {
        let mut unread = 0;
        for (key, value) in kept {
            match (postcard::from_bytes::<Key>(&key), Remembered::from_bytes(&value)) {
                (Ok(_), Some(value)) => drop(self.entries.insert(key.into(), value)),
                _ => unread += 1,
            }
        }
        let mut order: Vec<(u64, &StoredKey)> =
            self.entries.iter().map(|(key, known)| (known.number, key)).collect();
        order.sort_unstable();
        self.next = order.last().map_or(0, |(number, _)| number.saturating_add(1));
        self.order = order.into_iter().map(|(_, key)| key.clone()).collect();
        self.bytes = self.order.iter().map(|key| key.len()).sum();
        self.of_version_1 = self.order.iter().filter(|key| is_of_version_1(key)).count();
        unread
    }

    /// What changed since the last call.
    pub(super) fn changes(&mut self) -> MemoryChanges {
        let changed = std::mem::take(&mut self.changed);
        let change = |key: StoredKey| {
            let known = self.entries.get(&key).map(Remembered::to_bytes);
            (key.to_vec(), known)
        };
        changed.into_iter().map(change).collect()
    }

    /// Whether a span was there before, by its account.
    pub(super) fn knows(&self, trace: &str, span: &str, account: Account) -> Known {
        let Some(known) = self.get(&Key::Span(trace.into(), span.into())) else { return Known::Not };
        match (known.account, account) {
            // Remembered from an event about it, or from its begin: the span itself is new.
            (Account::None, _) | (Account::Unfinished, Account::Digest { .. }) => Known::Not,
            // Its begin tells nothing that the whole span did not.
            (_, Account::Unfinished) | (Account::OfAnotherEncoding, _) => Known::Same,
            (known, account) if known == account => Known::Same,
            _ => Known::Other(known.record.as_deref().cloned()),
        }
    }

    pub(super) fn has_event(&self, digest: &[u8; 16]) -> bool {
        self.get(&Key::Event(*digest)).is_some()
    }

    /// Whether an earlier version remembered an event; `digest` makes the digest that it had then.
    pub(super) fn has_event_of_version_1(&self, digest: impl FnOnce() -> [u8; 16]) -> bool {
        self.of_version_1 > 0 && self.get(&Key::EventOfVersion1(digest())).is_some()
    }

    /// Whether a span of a trace is in a record.
    pub(super) fn has_record_of(&self, trace: &str) -> bool {
        // A span's id comes last, after its length.
        let mut of_trace = Key::Span(trace.into(), String::new()).stored();
        of_trace.pop();
        let from = self.entries.range::<[u8], _>((Bound::Included(&of_trace[..]), Bound::Unbounded));
        let mut of_trace = from.take_while(|(key, _)| key.starts_with(&of_trace));
        of_trace.any(|(_, known)| known.record.is_some())
    }

    fn get(&self, key: &Key) -> Option<&Remembered> {
        self.entries.get(&key.stored()[..])
    }

    pub(super) fn of_span(&self, trace: &str, span: &str) -> Option<&RecordId> {
        self.record(&Key::Span(trace.into(), span.into()))
    }

    pub(super) fn of_call(&self, trace: &str, call: &str) -> Option<&RecordId> {
        self.record(&Key::Call(trace.into(), call.into()))
    }

    /// The record of a call by its answer, unless that call was made at another time.
    pub(super) fn of_answer(&self, answer: &str, times: Option<Times>) -> Option<&RecordId> {
        let known = self.get(&Key::Answer(answer.into()))?;
        known.record.as_deref().filter(|_| may_be_of_one_call(known.times.as_deref().copied(), times))
    }

    fn record(&self, key: &Key) -> Option<&RecordId> {
        self.get(key)?.record.as_deref()
    }

    pub(super) fn remember(&mut self, entries: Vec<MemoryEntry>) {
        for MemoryEntry { key, account, record, times } in entries {
            let key = StoredKey::from(key.stored());
            let times = times.map(Box::new);
            self.changed.insert(key.clone());
            match self.entries.get_mut(&key) {
                Some(known) => {
                    known.account = known.account.or(account);
                    known.record = known.record.take().or(record);
                    known.times = known.times.take().or(times);
                }
                None => {
                    let number = self.next;
                    self.entries.insert(key.clone(), Remembered { account, record, times, number });
                    self.next = self.next.saturating_add(1);
                    self.bytes += key.len();
                    self.order.push_back(key);
                }
            }
        }
        while self.order.len() > self.most || self.bytes > MAX_REMEMBERED_BYTES {
            let Some(key) = self.order.pop_front() else { break };
            self.bytes -= key.len();
            self.of_version_1 -= usize::from(is_of_version_1(&key));
            self.entries.remove(&key);
            self.changed.insert(key);
        }
    }
}

/// What to remember of a record that came whole, by a door of its own.
pub(super) fn entries_of(record: &Record) -> Vec<MemoryEntry> {
    let Some(correlation) = record.body.correlation.value() else { return Vec::new() };
    let id = correlation.amends.value().or(record.id.as_ref()).cloned().map(Arc::new);
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
pub(super) fn entries(parts: &Parts, units: &[Unit<'_>], records: &[Option<Record>]) -> Vec<MemoryEntry> {
    let mut entries = Vec::new();
    for (unit, record) in units.iter().zip(records) {
        let Some(record) = record else { continue };
        // What amends a record leads to that record.
        let amended = record.body.correlation.value().and_then(|it| it.amends.value());
        let id = amended.or(record.id.as_ref()).cloned().map(Arc::new);
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
        for key in a2a::keys(unit) {
            entries.push(MemoryEntry::of(Key::Answer(key), id.clone()));
        }
        if let (Some(answer), true) = (unit.answer(), unit.is_inference()) {
            let entry = MemoryEntry::of(Key::Answer(answer.to_owned()), id.clone());
            entries.push(MemoryEntry { times: unit.span_times(), ..entry });
        }
    }
    for ((trace, span), part) in &parts.spans {
        let key = Key::Span(trace.clone(), span.clone());
        entries.push(MemoryEntry { account: Account::of(part), ..MemoryEntry::of(key, None) });
    }
    for part in parts.events.values() {
        entries.push(MemoryEntry::of(Key::Event(part.digest), None));
    }
    entries
}
