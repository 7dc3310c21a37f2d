//! Merging: sixteen adjacent runs of one level become one of the next, read and written from front to back.
//!
//! | level | entries of the log in a run, up to |
//! | --- | --- |
//! | 0 | 65,536 |
//! | 1 | 1,048,576 |
//! | 2 | 16,777,216 |
//! | 3 | 268,435,456; these are not merged any more |
//!
//! So an entry is written four times at most, and a log of any length has up to 15 runs on each of the lower levels.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use vouchlog_ledger::Disk;

use super::block::{Between, Outcome, Section, Trouble};
use super::hashes::HashCursor;
use super::places::{Place, PlaceCursor};
use super::recent::RECENT_ENTRIES;
use super::run::{Run, RunWriter};

/// Runs that are merged at once.
pub(super) const FAN_IN: usize = 16;
/// The level that is not merged.
pub(super) const TOP_LEVEL: u32 = 3;

/// The level of a run.
pub(super) fn level(run: &Run) -> u32 {
    let (mut level, mut upto) = (0, RECENT_ENTRIES);
    while level < TOP_LEVEL && run.span() > upto {
        level += 1;
        upto *= FAN_IN as u64;
    }
    level
}

/// The next runs to merge on levels below `below`, the lowest level first.
pub(super) fn pick(runs: &[Arc<Run>], below: u32) -> Option<Vec<Arc<Run>>> {
    for wanted in 0..below.min(TOP_LEVEL) {
        let mut group: Vec<Arc<Run>> = Vec::new();
        for run in runs.iter().filter(|run| level(run) <= wanted) {
            let is_next = group.last().is_none_or(|last| last.range.end == run.range.start);
            if !is_next || level(run) != wanted {
                group.clear();
            }
            if level(run) == wanted {
                group.push(Arc::clone(run));
            }
            if group.len() == FAN_IN {
                return Some(group);
            }
        }
    }
    None
}

/// Why a merge failed, and which of the runs is damaged, if one is.
pub(super) struct Failed {
    pub(super) trouble: Trouble,
    pub(super) damaged: Option<Arc<Run>>,
}

/// Merges adjacent runs into a new one, which is durable when this returns.
pub(super) fn merge(disk: &dyn Disk, runs: &[Arc<Run>], between: &mut Between<'_>) -> Result<(), Failed> {
    let mut damaged = None;
    let merged = merge_all(disk, runs, &mut damaged, between);
    merged.map_err(|trouble| Failed { trouble, damaged: damaged.map(|at: usize| Arc::clone(&runs[at])) })
}

fn merge_all<'a>(
    disk: &'a dyn Disk,
    runs: &'a [Arc<Run>],
    damaged: &mut Option<usize>,
    between: &'a mut Between<'a>,
) -> Outcome<()> {
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Ok(()) };
    let range = first.range.start..last.range.end;
    let keys = |run: &Arc<Run>| {
        let hashes = u64::from(run.leaf_hashes.entries()) + u64::from(run.digests.entries());
        // A guess for the places: too small a filter lets more keys pass, nothing else.
        hashes + run.places.blocks().count * 512
    };
    let keys = usize::try_from(runs.iter().map(keys).sum::<u64>()).unwrap_or(usize::MAX);
    let mut writer = RunWriter::create(disk, &range, keys, between)?;
    let offsets: Vec<u64> = runs.iter().map(|run| run.range.start - range.start).collect();
    let cursors = runs.iter().map(|run| run.leaf_hashes.cursor()).collect();
    let mut merged = Hashes::new(cursors, offsets.clone(), damaged)?;
    let leaf_hashes = writer.hashes(Section::LeafHashes, || merged.next())?;
    let cursors = runs.iter().map(|run| run.digests.cursor()).collect();
    let mut merged = Hashes::new(cursors, offsets, damaged)?;
    let digests = writer.hashes(Section::Digests, || merged.next())?;
    let mut merged = Places::new(runs.iter().map(|run| run.places.cursor()).collect(), damaged)?;
    writer.finish(&leaf_hashes, &digests, || merged.next())
}

/// Bits of a heap's key that number the source.
const SOURCE_BITS: u32 = 16;
const SOURCE_MASK: u64 = (1 << SOURCE_BITS) - 1;

/// Tables of hashes as one.
struct Hashes<'a, 'd> {
    cursors: Vec<HashCursor<'a>>,
    /// Where each begins in the merged run.
    offsets: Vec<u64>,
    /// The place that belongs to the prefix in the heap.
    places: Vec<u64>,
    /// The next prefix of each source, with the source's number: of equal ones the earlier run comes first.
    heap: BinaryHeap<Reverse<u64>>,
    damaged: &'d mut Option<usize>,
}

impl<'a, 'd> Hashes<'a, 'd> {
    fn new(cursors: Vec<HashCursor<'a>>, offsets: Vec<u64>, damaged: &'d mut Option<usize>) -> Outcome<Self> {
        let places = vec![0; cursors.len()];
        let mut merged = Self { cursors, offsets, places, heap: BinaryHeap::new(), damaged };
        for source in 0..merged.cursors.len() {
            if let Some((prefix, place)) = blame(merged.cursors[source].next(), source, merged.damaged)? {
                merged.places[source] = place;
                merged.heap.push(Reverse((prefix << SOURCE_BITS) | source as u64));
            }
        }
        Ok(merged)
    }

    fn next(&mut self) -> Outcome<Option<(u64, u64)>> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(None) };
        let Reverse(key) = *top;
        let prefix = key >> SOURCE_BITS;
        let source = usize::try_from(key & SOURCE_MASK).expect("a source");
        let found = (prefix, self.offsets[source] + self.places[source]);
        match blame(self.cursors[source].next(), source, self.damaged)? {
            Some((prefix, place)) => {
                self.places[source] = place;
                *top = Reverse((prefix << SOURCE_BITS) | source as u64);
            }
            None => drop(PeekMut::pop(top)),
        }
        Ok(Some(found))
    }
}

/// Tables of places as one.
struct Places<'a, 'd> {
    cursors: Vec<PlaceCursor<'a>>,
    heap: BinaryHeap<Reverse<(Place, usize)>>,
    damaged: &'d mut Option<usize>,
}

impl<'a, 'd> Places<'a, 'd> {
    fn new(cursors: Vec<PlaceCursor<'a>>, damaged: &'d mut Option<usize>) -> Outcome<Self> {
        let mut merged = Self { cursors, heap: BinaryHeap::new(), damaged };
        for source in 0..merged.cursors.len() {
            if let Some(place) = blame(merged.cursors[source].next(), source, merged.damaged)? {
                merged.heap.push(Reverse((place, source)));
            }
        }
        Ok(merged)
    }

    fn next(&mut self) -> Outcome<Option<Place>> {
        let Some(mut top) = self.heap.peek_mut() else { return Ok(None) };
        let Reverse((place, source)) = *top;
        match blame(self.cursors[source].next(), source, self.damaged)? {
            Some(next) => *top = Reverse((next, source)),
            None => drop(PeekMut::pop(top)),
        }
        Ok(Some(place))
    }
}

/// Notes the source whose bytes are damaged.
fn blame<T>(outcome: Outcome<T>, source: usize, damaged: &mut Option<usize>) -> Outcome<T> {
    if matches!(outcome, Err(Trouble::Damaged(_))) {
        *damaged = Some(source);
    }
    outcome
}
