//! What is not in a run yet: up to 65,536 entries, in memory, lost with the process.

use std::collections::BTreeMap;
use std::ops::Range;

use vouchlog_storage::IndexBatch;

use super::hashes::kept;
use super::places::{HEAD, KEY, Place, PlaceKey, RUN, SUCCESSOR};

/// Entries of the log in a run of the lowest level; fewer in tests, so that they have runs of every level.
pub(super) const RECENT_ENTRIES: u64 = if cfg!(test) { 1 << 6 } else { 1 << PLACE_BITS };
/// A prefix and a place among so many are one word.
const PLACE_BITS: u32 = 16;
const PLACE_MASK: u64 = (1 << PLACE_BITS) - 1;

/// The entries `range` of the log, which are followed up to `limit`.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    pub(super) range: Range<u64>,
    pub(super) limit: u64,
    /// A prefix and its place from the start of the range, in no order.
    leaf_hashes: Vec<u64>,
    digests: Vec<u64>,
    places: BTreeMap<PlaceKey, u64>,
}

impl Recent {
    /// None yet, from an index on to the next run, or as many as there may be.
    pub(super) fn new(from: u64, next_run: Option<u64>) -> Self {
        let full = from.saturating_add(RECENT_ENTRIES);
        let limit = next_run.map_or(full, |next| next.min(full));
        Self { range: from..from, limit, ..Self::default() }
    }

    pub(super) fn is_full(&self) -> bool {
        self.range.end == self.limit && !self.range.is_empty()
    }

    /// Adds what the batch has of the entries up to `end`, which is not beyond the limit.
    pub(super) fn add(&mut self, batch: &IndexBatch, end: u64) {
        let part = self.range.end..end;
        self.range.end = end;
        let from = self.range.start;
        let packed = |hashes: &[([u8; 8], u64)], into: &mut Vec<u64>| {
            let own = hashes.iter().filter(|(_, place)| part.contains(place));
            into.extend(own.map(|(prefix, place)| (kept(*prefix) << PLACE_BITS) | (place - from)));
        };
        packed(&batch.leaf_hashes, &mut self.leaf_hashes);
        packed(&batch.digests, &mut self.digests);
        for run in batch.runs.iter().filter(|run| part.contains(&run.first)) {
            self.add_run(Place { key: (RUN, run.stream, run.start), third: run.first });
        }
        for (prefix, stream) in batch.stream_keys.iter().filter(|(_, place)| part.contains(place)) {
            self.places.insert((KEY, u64::from_be_bytes(*prefix), *stream), 0);
        }
        for (kind, places) in [(HEAD, &batch.stream_heads), (SUCCESSOR, &batch.successors)] {
            for (stream, place) in places.iter().filter(|(_, place)| part.contains(place)) {
                self.places.insert((kind, *stream, *place), 0);
            }
        }
    }

    fn add_run(&mut self, run: Place) {
        if !self.last_upto(run.key).is_some_and(|before| run.follows_from(&before)) {
            self.places.insert(run.key, run.third);
        }
    }

    pub(super) fn by_leaf_hash(&self, prefix: u64) -> Vec<u64> {
        self.with_prefix(&self.leaf_hashes, prefix)
    }

    pub(super) fn by_digest(&self, prefix: u64) -> Vec<u64> {
        self.with_prefix(&self.digests, prefix)
    }

    /// Looked at one by one: they are few enough for that, and what is written all the time is sorted once.
    fn with_prefix(&self, packed: &[u64], prefix: u64) -> Vec<u64> {
        let own = packed.iter().filter(|packed| *packed >> PLACE_BITS == prefix);
        own.map(|packed| self.range.start + (packed & PLACE_MASK)).collect()
    }

    /// The last entry of the kind and first whose second is at most this.
    pub(super) fn last_upto(&self, (kind, first, second): PlaceKey) -> Option<Place> {
        let upto = self.places.range((kind, first, 0)..=(kind, first, second)).next_back();
        upto.map(|(key, third)| Place { key: *key, third: *third })
    }

    /// The seconds of the kind and first.
    pub(super) fn seconds(&self, kind: u8, first: u64) -> Vec<u64> {
        self.places.range((kind, first, 0)..=(kind, first, u64::MAX)).map(|(key, _)| key.2).collect()
    }

    /// The tables in the order of a run: prefixes with places from the start of the range on.
    pub(super) fn into_sorted(self) -> [Vec<u64>; 2] {
        [self.leaf_hashes, self.digests].map(|mut packed| {
            packed.sort_unstable();
            packed.dedup();
            packed
        })
    }

    pub(super) fn places(&self) -> impl ExactSizeIterator<Item = Place> {
        self.places.iter().map(|(key, third)| Place { key: *key, third: *third })
    }
}

/// A packed prefix and its place.
pub(super) fn unpacked(packed: u64) -> (u64, u64) {
    (packed >> PLACE_BITS, packed & PLACE_MASK)
}
