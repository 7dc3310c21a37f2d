//! Traces that wait for the rest of their parts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use jiff::Timestamp;

use super::packed::{Awaited, PackedPart};
use super::part::{Part, Parts};
use super::{Config, Done};

/// What an open trace takes in memory beside its parts, about: its place among the others, by its age, its sessions and its answers.
const OPEN_BYTES: usize = 2 * 1024;

/// The parts of a trace.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    /// Of the first body of which it has something.
    pub(super) position: u64,
    /// Spans by their ids: all are of one trace.
    spans: BTreeMap<Box<str>, Box<PackedPart>>,
    /// All others by their digests.
    events: BTreeMap<[u8; 16], Box<PackedPart>>,
    /// Bytes that it takes in memory, about.
    size: usize,
}

pub(super) enum Added {
    New,
    Same,
    Replaced,
    /// It is another account of a span that is there.
    Differs {
        trace: String,
        span: String,
    },
}

impl Open {
    pub(super) fn new(now: Timestamp, position: u64) -> Self {
        let (spans, events) = (BTreeMap::new(), BTreeMap::new());
        Self { first: now, last: now, position, spans, events, size: OPEN_BYTES }
    }

    /// Bytes that it takes in memory, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len() + self.events.len()
    }

    fn parts(&self) -> impl Iterator<Item = &PackedPart> {
        self.spans.values().chain(self.events.values()).map(|part| &**part)
    }

    /// Adds a part. Of two accounts of one span the same one stays whichever came first; one of the whole span replaces one of its
    /// begin, and does not contradict it.
    pub(super) fn add(&mut self, part: Part) -> Added {
        let Some((trace, span)) = part.span_key().map(|(trace, span)| (trace.to_owned(), span.to_owned()))
        else {
            let Entry::Vacant(place) = self.events.entry(part.digest) else { return Added::Same };
            let packed = PackedPart::new(part);
            self.size += packed.size();
            place.insert(Box::new(packed));
            return Added::New;
        };
        let Some(known) = self.spans.get_mut(span.as_str()) else {
            let packed = PackedPart::new(part);
            self.size += packed.size();
            self.spans.insert(span.into(), Box::new(packed));
            return Added::New;
        };
        let (kept, added) = match (known.is_unfinished(), part.is_unfinished()) {
            _ if known.digest == part.digest => return Added::Same,
            (false, true) => return Added::Same,
            (true, false) => (part, Added::Replaced),
            (are_begins, _) => {
                // Both are about one span: it is the order of parts.
                let is_kept = (part.times(), part.digest) > (known.times, known.digest);
                let added = match (are_begins, is_kept) {
                    (true, true) => Added::Replaced,
                    (true, false) => Added::Same,
                    (false, _) => Added::Differs { trace, span },
                };
                if !is_kept {
                    return added;
                }
                (Part { lot: known.lot.clone(), ..part }, added)
            }
        };
        let packed = PackedPart::new(kept);
        self.size = self.size + packed.size() - known.size();
        **known = packed;
        added
    }

    /// Adds its parts to others, unpacked.
    pub(super) fn unpack_to(self, parts: &mut Parts) {
        let packed = self.spans.into_values().chain(self.events.into_values());
        packed.for_each(|part| parts.add(part.unpack()));
    }

    /// Ids of answers in it.
    pub(super) fn answers(&self) -> impl Iterator<Item = &str> {
        self.parts().filter_map(|part| part.answer.as_deref())
    }

    /// Whether it has waited long enough, and for what.
    pub(super) fn is_due(&self, config: &Config, now: Timestamp) -> Option<Done> {
        let quiet = now.duration_since(self.last);
        if now.duration_since(self.first) >= config.max_age {
            return Some(Done::Timeout);
        }
        if quiet < config.settle.min(config.idle) {
            return None;
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
        for part in self.parts() {
            match &part.awaited {
                Awaited::Nothing => {}
                Awaited::Span { id, .. } if self.spans.contains_key(id) => {}
                Awaited::Span { is_remote: true, .. } => missing = Missing::Remote,
                Awaited::Span { .. } | Awaited::End => return Missing::Local,
            }
        }
        // Claude Code and others without a trace: nothing says that more is to come, or not.
        if self.spans.is_empty() && self.events.values().any(|part| !part.has_trace) {
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
