//! Causal order: what a record follows from comes before it.
//!
//! Two kinds of links. A record follows from its intent, from what it amends, and from its causes: those links bind. The span
//! above it comes first, too, unless a link of the former kind contradicts it: a span's record is often written when the span ends.
//! What no link decides, the session's sequence does, then time, then the order given.
//!
//! A gateway can write links that form a cycle. A circle is broken at the record that is first by sequence and time, and
//! the report says so.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use vouchlog_record::{Correlation, RecordId};

use crate::input::SessionRecord;

/// One record in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OrderedRecord {
    /// Which of the records given.
    pub(crate) record: usize,
    /// How many records it hangs under: its intent, what it amends, or the span above.
    pub(crate) depth: usize,
    /// The record it belongs under, whether or not it could be put there.
    pub(crate) parent: Option<usize>,
    /// It follows from itself, by way of others: its place is by sequence and time.
    pub(crate) circular: bool,
}

/// Drawn no deeper than this; what hangs deeper is drawn at this depth.
const MAX_DEPTH: usize = 12;

/// Which record comes first where no link decides: compared field by field, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    /// Number in the session. A record without one sorts behind those that have one.
    sequence: u64,
    at: Option<Timestamp>,
    /// Index in the log.
    index: u64,
    /// Position among the records given. It makes every key distinct, so the order never depends on chance.
    given: usize,
}

/// How a record hangs together with the others.
#[derive(Default)]
struct Links {
    /// The record it hangs under.
    parent: Option<usize>,
    /// What must come before it.
    binding: BTreeSet<usize>,
    /// What should come before it.
    span: Option<usize>,
}

/// Puts the records in causal order: each appears exactly once.
pub(crate) fn order(records: &[SessionRecord]) -> Vec<OrderedRecord> {
    let keys: Vec<SortKey> =
        records.iter().enumerate().map(|(place, record)| sort_key(place, record)).collect();
    // The first walk finds what waits for itself; with those links cut, the second puts everything where it belongs.
    let (links, circular) = Walk::new(links(records, &keys), keys.clone()).cut_circles();
    let mut walk = Walk::new(links, keys);
    let mut placed = Vec::with_capacity(records.len());
    while let Some(record) = walk.next_ready() {
        let (depth, parent) = walk.place(record);
        placed.push(OrderedRecord { record, depth, parent, circular: circular.contains(&record) });
    }
    placed
}

fn correlation(record: &SessionRecord) -> Option<&Correlation> {
    record.record.body.correlation.value()
}

fn sort_key(given: usize, record: &SessionRecord) -> SortKey {
    SortKey {
        sequence: record.sequence().unwrap_or(u64::MAX),
        at: record.at(),
        index: record.place.map_or(u64::MAX, |place| place.index.get()),
        given,
    }
}

/// The links of each record.
fn links(records: &[SessionRecord], keys: &[SortKey]) -> Vec<Links> {
    let mut by_id: BTreeMap<&RecordId, usize> = BTreeMap::new();
    let mut by_span: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    // Two records may claim one name or one span. The first by number and time gets it, whatever order they came in, so
    // that a copy sent later cannot attract the children of the original.
    let mut sorted: Vec<usize> = (0..records.len()).collect();
    sorted.sort_by_key(|place| keys[*place]);
    for place in sorted {
        by_id.entry(&records[place].id).or_insert(place);
        let span = correlation(&records[place]).and_then(|it| Some((it.trace.value()?, it.span.value()?)));
        if let Some((trace, span)) = span {
            by_span.entry((trace, span)).or_insert(place);
        }
    }
    let mut all = Vec::with_capacity(records.len());
    for (place, record) in records.iter().enumerate() {
        let Some(it) = correlation(record) else {
            all.push(Links::default());
            continue;
        };
        // A link to itself, or to a record that is not here, orders nothing.
        let linked = |id: &RecordId| by_id.get(id).copied().filter(|other| *other != place);
        let intent = it.intent.value().and_then(linked);
        let amends = it.amends.value().and_then(linked);
        let causes = it.causes.value().into_iter().flatten().filter_map(linked);
        let binding: BTreeSet<usize> = causes.chain(intent).chain(amends).collect();
        // A span that also binds is one link, not two: `Walk` counts what each record waits for.
        let above = it.trace.value().zip(it.parent_span.value());
        let above = above
            .and_then(|(trace, span)| by_span.get(&(trace.as_str(), span.as_str())).copied())
            .filter(|above| *above != place && !binding.contains(above));
        // Drawn under the most specific of them. Causes order a record, but it does not hang under them: it may have many.
        all.push(Links { parent: amends.or(intent).or(above), binding, span: above });
    }
    all
}

/// Why no record is ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockedBy {
    /// The record waits only for the span above it.
    Span,
    /// The record waits for itself, by way of others.
    Circle,
}

/// How many records one still waits for.
struct Waits {
    /// By binding links.
    binding: usize,
    /// By binding links and by the span above.
    all: usize,
}

/// A walk over the links (Kahn's algorithm) that stays under a record as long as something there is ready.
struct Walk {
    links: Vec<Links>,
    keys: Vec<SortKey>,
    /// Who waits for each.
    followers: Vec<Vec<usize>>,
    /// What each still waits for.
    waits: Vec<Waits>,
    /// Ready, by the record they hang under.
    ready_under: BTreeMap<usize, BTreeSet<(SortKey, usize)>>,
    /// All that is ready.
    ready: BTreeSet<(SortKey, usize)>,
    /// Not placed yet.
    left: BTreeSet<(SortKey, usize)>,
    /// The records we are under, outermost first.
    open: Vec<usize>,
}

impl Walk {
    fn new(links: Vec<Links>, keys: Vec<SortKey>) -> Self {
        let mut walk = Self {
            followers: vec![Vec::new(); keys.len()],
            waits: Vec::with_capacity(keys.len()),
            ready_under: BTreeMap::new(),
            ready: BTreeSet::new(),
            left: keys.iter().enumerate().map(|(place, key)| (*key, place)).collect(),
            open: Vec::new(),
            links,
            keys,
        };
        for place in 0..walk.keys.len() {
            let Links { binding, span, .. } = &walk.links[place];
            for before in binding.iter().chain(span) {
                walk.followers[*before].push(place);
            }
            let all = binding.len() + usize::from(span.is_some());
            walk.waits.push(Waits { binding: binding.len(), all });
        }
        for place in 0..walk.keys.len() {
            if walk.waits[place].all == 0 {
                walk.make_ready(place);
            }
        }
        walk
    }

    fn is_left(&self, place: usize) -> bool {
        self.left.contains(&(self.keys[place], place))
    }

    fn make_ready(&mut self, place: usize) {
        let entry = (self.keys[place], place);
        self.ready.insert(entry);
        if let Some(parent) = self.links[place].parent {
            self.ready_under.entry(parent).or_default().insert(entry);
        }
    }

    /// What comes next: under the record we are under, or else the first of all that is ready.
    fn next_ready(&mut self) -> Option<usize> {
        while let Some(under) = self.open.last() {
            if let Some((_, place)) = self.ready_under.get(under).and_then(BTreeSet::first) {
                return Some(*place);
            }
            self.open.pop();
        }
        self.ready.first().map(|(_, place)| *place)
    }

    /// Walks to the end, and takes away every link that would keep it from getting there: the links without circles, and the
    /// records that waited for themselves.
    fn cut_circles(mut self) -> (Vec<Links>, BTreeSet<usize>) {
        let mut circular = BTreeSet::new();
        while !self.left.is_empty() {
            if let Some(record) = self.next_ready() {
                self.place(record);
                continue;
            }
            let (record, blocked_by) = self.unblock();
            // Only links to records that are still to come are cut. One to a record that has its place already holds, and must
            // hold in the second walk, too.
            self.links[record].span = self.links[record].span.filter(|span| !self.is_left(*span));
            if blocked_by == BlockedBy::Circle {
                circular.insert(record);
                let binding = std::mem::take(&mut self.links[record].binding);
                self.links[record].binding =
                    binding.into_iter().filter(|before| !self.is_left(*before)).collect();
            }
            self.place(record);
        }
        (self.links, circular)
    }

    /// What to let go where everything waits for something: first what only waits for a span, then the first of a circle.
    fn unblock(&self) -> (usize, BlockedBy) {
        // A span link is a guess about the order, a binding link a statement: guesses go first.
        let only_span = self.left.iter().find(|(_, place)| self.waits[*place].binding == 0);
        if let Some((_, place)) = only_span {
            return (*place, BlockedBy::Span);
        }
        // Everything left waits by a binding link for something left. Following such links from any record must come back to a
        // record already passed: from there on, the path is a circle.
        let (_, start) = self.left.first().expect("it is called while records are left");
        let mut seen = BTreeMap::new();
        let mut path = Vec::new();
        let mut place = *start;
        while !seen.contains_key(&place) {
            seen.insert(place, path.len());
            path.push(place);
            place = *self.links[place]
                .binding
                .iter()
                .find(|before| self.is_left(**before))
                .expect("it waits for a record that is left");
        }
        let circle = &path[seen[&place]..];
        let first = circle.iter().copied().min_by_key(|place| self.keys[*place]).unwrap_or(place);
        (first, BlockedBy::Circle)
    }

    /// Takes a record as the next; its depth, and what it belongs under.
    fn place(&mut self, record: usize) -> (usize, Option<usize>) {
        let entry = (self.keys[record], record);
        self.left.remove(&entry);
        self.ready.remove(&entry);
        let parent = self.links[record].parent;
        if let Some(siblings) = parent.and_then(|parent| self.ready_under.get_mut(&parent)) {
            siblings.remove(&entry);
        }
        for follower in std::mem::take(&mut self.followers[record]) {
            // What was placed before its turn waits for nothing any more.
            if !self.is_left(follower) {
                continue;
            }
            let binding = self.links[follower].binding.contains(&record);
            let waits = &mut self.waits[follower];
            waits.binding -= usize::from(binding);
            waits.all -= 1;
            if waits.all == 0 {
                self.make_ready(follower);
            }
        }
        // Close what is not the parent: nothing under it is ready. A record that becomes ready under it later is drawn at the top,
        // and keeps its parent.
        while self.open.last().is_some_and(|open| Some(*open) != parent) {
            self.open.pop();
        }
        let depth = self.open.len().min(MAX_DEPTH);
        self.open.push(record);
        (depth, parent)
    }
}
