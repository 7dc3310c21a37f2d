//! One check of one store.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_merkle::{
    CompactRange, EMPTY_ROOT, Hash, TILE_WIDTH, Tile, TileId, TreeHead, TreeSize, full_tiles, leaf_hash,
};
use vouchlog_note::{Origin, SignedCheckpoint, VerifyingKey};
use vouchlog_storage::{FileRange, Loaded, Part, Store, StoreError};
use vouchlog_stream::{Entry, LoggedAt, StreamId};

use super::doubts::Doubts;
use super::{Finding, FindingCode, MAX_FINDINGS, Report, WIDTH, readable};
use crate::edge::{Framed, frame};
use crate::replay::Replay;
use crate::state::{Directory, last_published, last_signed};

pub(super) struct Check<'a, S> {
    store: &'a S,
    key: &'a VerifyingKey,
    report: Report,
    /// Grown from the entries alone.
    range: CompactRange,
    /// The same with both versions of bundles that differ from their tiles.
    doubts: Doubts,
    /// Heads that were signed or published, of this size or an earlier one.
    expected: Vec<(&'static str, TreeHead)>,
    last: LoggedAt,
    replay: Replay<'a>,
    /// Entries that differ from their tile.
    mismatches: Vec<Mismatch>,
    /// Tiles that are reported already.
    bad_tiles: BTreeSet<TileId>,
}

/// Entries that follow one another and differ from the hashes in their tile.
struct Mismatch {
    bundle: u64,
    /// Number of the doubt it is part of.
    doubt: usize,
    /// Places in the bundle: the first, and one past the last.
    from: usize,
    to: usize,
    /// Where the entries begin and end in the bundle.
    bytes: (u64, u64),
    /// Root of the bundle by its entries.
    root: Option<Hash>,
}

impl<'a, S: Store> Check<'a, S> {
    pub(super) fn new(store: &'a S, origin: &'a Origin, key: &'a VerifyingKey, loaded: &Loaded) -> Self {
        let report = Report { size: loaded.head.size.get(), ..Report::default() };
        Self {
            store,
            key,
            report,
            range: CompactRange::new(),
            doubts: Doubts::default(),
            expected: Vec::new(),
            last: LoggedAt::default(),
            replay: Replay::new(origin, key),
            mismatches: Vec::new(),
            bad_tiles: BTreeSet::new(),
        }
    }

    pub(super) fn into_report(self) -> Report {
        self.report
    }

    pub(super) fn find(&mut self, code: FindingCode, place: Option<FileRange>, message: String) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { code, place, message });
        }
    }

    pub(super) fn checkpoints(&mut self, loaded: &Loaded) -> Result<(), StoreError> {
        if let Some(head) = self.store.signed()? {
            self.expect("signed", head, loaded.head.size);
        }
        let notes = [("signed", last_signed(&loaded.states)), ("published", last_published(&loaded.states))];
        for (what, note) in notes {
            let Some(note) = note else { continue };
            match SignedCheckpoint::open(note, self.replay.origin(), self.key) {
                Ok(signed) => self.expect(what, signed.head(), loaded.head.size),
                Err(error) => {
                    let message = format!("the checkpoint {what} last: {error}");
                    self.find(FindingCode::Checkpoint, None, message);
                }
            }
        }
        Ok(())
    }

    /// A head that the entries must lead to.
    fn expect(&mut self, what: &'static str, head: TreeHead, size: TreeSize) {
        if head.size > size {
            let message = format!("a head of {} entries was {what}, but only {size} exist", head.size);
            return self.find(FindingCode::Checkpoint, None, message);
        }
        self.expected.push((what, head));
    }

    /// One full bundle: its entries, and the level-0 tile beside it.
    pub(super) fn sealed_bundle(&mut self, bundle: u64) -> Result<(), StoreError> {
        let first = bundle * WIDTH;
        let read = self.store.entry_bundle(bundle);
        let is_pruned = matches!(read, Err(StoreError::Pruned(_)));
        let entries = readable(read)?.and_then(|bytes| frame(&[bytes]));
        let tile = self.tile(TileId { level: 0, index: bundle })?;
        if is_pruned {
            self.pruned_bundle(first, tile);
            return Ok(());
        }
        let Some(entries) = entries.filter(|entries| entries.starts.len() == TILE_WIDTH) else {
            let place = self.store.place(Part::Bundle(bundle));
            let message = format!("the bundle of entries {first} to {} cannot be read", first + 255);
            self.find(FindingCode::Bundle, place, message);
            // The tile stands in, so that what comes after can still be checked.
            let leaves = tile.map_or_else(|| vec![EMPTY_ROOT; TILE_WIDTH], |tile| tile.hashes().to_vec());
            self.doubts.agree(&leaves);
            leaves.into_iter().for_each(|leaf| self.range.append(leaf));
            return Ok(());
        };
        let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
        let stored = tile.as_ref().map_or(&leaves[..], Tile::hashes);
        if leaves == stored {
            self.doubts.agree(&leaves);
        } else {
            let doubt = self.doubts.differ(&leaves, stored);
            self.mismatches.extend(differences(bundle, doubt, &entries, &leaves, stored));
        }
        for (entry, start) in entries.entries().zip(&entries.starts) {
            self.entry(entry, Some((bundle, u64::from(*start))));
        }
        Ok(())
    }

    /// A bundle that was given up: its tile stands in for it.
    fn pruned_bundle(&mut self, first: u64, tile: Option<Tile>) {
        self.report.pruned += WIDTH;
        self.replay.pass_pruned(first + WIDTH);
        let leaves = tile.map_or_else(|| vec![EMPTY_ROOT; TILE_WIDTH], |tile| tile.hashes().to_vec());
        self.doubts.agree(&leaves);
        leaves.into_iter().for_each(|leaf| self.range.append(leaf));
    }

    /// A full tile; one that cannot be read is reported once.
    fn tile(&mut self, id: TileId) -> Result<Option<Tile>, StoreError> {
        let tile = readable(self.store.tile(id))?.and_then(|bytes| Tile::parse(&bytes).ok());
        let tile = tile.filter(|tile| tile.hashes().len() == TILE_WIDTH);
        if tile.is_none() && self.bad_tiles.insert(id) {
            let place = self.store.place(Part::Tile(id));
            self.find(FindingCode::Tile, place, format!("{} cannot be read", id.path(256)));
        }
        Ok(tile)
    }

    pub(super) fn unsealed_entry(&mut self, bytes: &[u8]) {
        self.doubts.agree(&[leaf_hash(bytes)]);
        self.entry(bytes, None);
    }

    /// `at` is the bundle of a sealed entry, and where in it the entry begins.
    fn entry(&mut self, bytes: &[u8], at: Option<(u64, u64)>) {
        let index = self.range.end();
        self.range.append(leaf_hash(bytes));
        let size = self.range.end();
        let contradicted =
            |(_, head): &&(_, TreeHead)| head.size.get() == size && self.range.root() != Some(head.root);
        if let Some((what, _)) = self.expected.iter().find(contradicted) {
            let message = format!("the entries do not lead to the root {what} for size {size}");
            self.find(FindingCode::Root, None, message);
        }
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                let message = format!("entry {index}: {error}");
                return self.find(FindingCode::Entry, self.place_of(bytes, at), message);
            }
        };
        if entry.logged_at() < self.last {
            let message = format!("entry {index} is older than the one before it");
            self.find(FindingCode::Time, self.place_of(bytes, at), message);
        }
        self.last = self.last.max(entry.logged_at());
        self.report.statements += u64::from(matches!(entry, Entry::Statement(_)));
        self.report.streams += u64::from(matches!(entry, Entry::StreamOpened { .. }));
        if let Err(message) = self.replay.entry(index, &entry) {
            self.find(FindingCode::Stream, self.place_of(bytes, at), format!("entry {index}: {message}"));
        }
    }

    fn place_of(&self, entry: &[u8], at: Option<(u64, u64)>) -> Option<FileRange> {
        let (bundle, start) = at?;
        let place = self.store.place(Part::Bundle(bundle))?;
        Some(place.within(start, start + 2 + entry.len() as u64))
    }

    pub(super) fn root(&mut self, loaded: &Loaded) {
        let head = loaded.head;
        if self.range.end() != head.size.get() {
            let message = format!("there are {} entries, but {} were committed", self.range.end(), head.size);
            self.find(FindingCode::Root, None, message);
        } else if self.range.root() != Some(head.root) {
            self.find(FindingCode::Root, None, "the entries do not lead to the committed root".into());
        }
    }

    /// Decides for each entry that differs from its tile which of them is damaged: the one that does not lead to the root.
    pub(super) fn blame(&mut self, loaded: &Loaded) -> Result<(), StoreError> {
        let right_tiles = self.doubts.resolve(loaded.head.root);
        // In front of what follows from them.
        let others = std::mem::take(&mut self.report.findings);
        for mismatch in std::mem::take(&mut self.mismatches) {
            let is_entry = match right_tiles.as_ref().and_then(|right| right.get(mismatch.doubt)) {
                Some(is_tile_right) => *is_tile_right,
                // More is damaged: the tile above knows the right one, if there is one yet.
                None => self.parent_hash(mismatch.bundle)?.is_none_or(|hash| Some(hash) != mismatch.root),
            };
            self.find_mismatch(&mismatch, is_entry);
        }
        let room = MAX_FINDINGS - self.report.findings.len();
        self.report.findings.extend(others.into_iter().take(room));
        Ok(())
    }

    /// What the level-1 tile, once it is full, has for a tile of level 0.
    fn parent_hash(&self, tile: u64) -> Result<Option<Hash>, StoreError> {
        let parent = readable(self.store.tile(TileId { level: 1, index: tile / WIDTH }))?;
        let parent = parent.and_then(|bytes| Tile::parse(&bytes).ok());
        let at = usize::try_from(tile % WIDTH).expect("less than 256");
        Ok(parent.and_then(|parent| parent.hashes().get(at).copied()))
    }

    fn find_mismatch(&mut self, mismatch: &Mismatch, is_entry: bool) {
        let Mismatch { bundle, from, to, bytes, .. } = *mismatch;
        let id = TileId { level: 0, index: bundle };
        let (first, last) = (bundle * WIDTH + from as u64, bundle * WIDTH + to as u64 - 1);
        let entries = if first == last {
            format!("entry {first} does not match its hash in")
        } else {
            format!("entries {first} to {last} do not match their hashes in")
        };
        let (code, place, damaged) = if is_entry {
            let place = self.store.place(Part::Bundle(bundle));
            (FindingCode::Entry, place.map(|place| place.within(bytes.0, bytes.1)), "bundle")
        } else {
            self.bad_tiles.insert(id);
            let place = self.store.place(Part::Tile(id));
            let at = |hash: usize| (hash * Hash::LEN) as u64;
            (FindingCode::Tile, place.map(|place| place.within(at(from), at(to))), "tile")
        };
        self.find(code, place, format!("{entries} {}; the {damaged} is damaged", id.path(256)));
    }

    /// Each full tile above level 0: its hashes are the roots of the tiles below.
    pub(super) fn upper_tiles(&mut self, sealed: u64) -> Result<(), StoreError> {
        for level in 1u8..8 {
            for index in 0..full_tiles(level, TreeSize::new(sealed)) {
                let id = TileId { level, index };
                let Some(tile) = self.tile(id)? else { continue };
                for (child, hash) in (index * WIDTH..).zip(tile.hashes()) {
                    let below = TileId { level: level - 1, index: child };
                    // One that is damaged is reported already.
                    if self.bad_tiles.contains(&below) {
                        continue;
                    }
                    if self.tile(below)?.and_then(|tile| tile.root()).is_some_and(|root| root != *hash) {
                        self.bad_tiles.insert(id);
                        let at = (child - index * WIDTH) * Hash::LEN as u64;
                        let place = self.store.place(Part::Tile(id));
                        let place = place.map(|place| place.within(at, at + Hash::LEN as u64));
                        let message = format!("{} does not match {} below it", id.path(256), below.path(256));
                        self.find(FindingCode::Tile, place, message);
                    }
                }
            }
        }
        Ok(())
    }

    /// The states that the log would go on from.
    pub(super) fn states(&mut self, loaded: &Loaded) {
        let Some(directory) = Directory::load(&loaded.states, loaded.head.size.get()) else {
            let message = "a stream or gateway state cannot be read".into();
            return self.find(FindingCode::State, None, message);
        };
        self.report.notes = directory.shared_names();
        let mut states: BTreeMap<StreamId, _> =
            directory.streams.iter().map(|(id, state)| (*id, state)).collect();
        for (id, replayed) in std::mem::take(&mut self.replay.streams) {
            let state = states.remove(&id);
            // Nothing shows what it should be; the log itself goes on from it.
            if self.replay.lacks_entries(id) {
                continue;
            }
            let wrong = match state {
                Some(state) => match Replay::difference(&replayed, state) {
                    None => continue,
                    Some(what) => {
                        format!("the {what} in the state of stream {id} do not match its entries")
                    }
                },
                None if self.replay.may_be_evicted(&replayed, directory.evicted_below) => continue,
                None => format!("stream {id} has no state"),
            };
            self.find(FindingCode::State, None, wrong);
        }
        for id in states.into_keys() {
            let message = format!("stream {id} has a state, but was never opened");
            self.find(FindingCode::State, None, message);
        }
        let rest = self.replay.quota_differences(&directory).into_iter();
        let rest = rest.chain(self.replay.operator_difference(&directory));
        let rest = rest.chain(self.replay.witness_difference(&directory));
        let rest = rest.chain(self.replay.pruning_difference(&directory));
        for message in self.replay.gateway_differences(&directory).into_iter().chain(rest) {
            self.find(FindingCode::State, None, message);
        }
    }
}

/// Runs of entries that differ from the hashes stored for them.
fn differences(
    bundle: u64,
    doubt: usize,
    entries: &Framed,
    leaves: &[Hash],
    stored: &[Hash],
) -> Vec<Mismatch> {
    let differs = |at: usize| leaves[at] != stored[at];
    let start = |at: usize| entries.starts.get(at).map_or(entries.bytes.len() as u64, |at| u64::from(*at));
    let mut found = Vec::new();
    let mut from = 0;
    while from < leaves.len() {
        let to = (from..leaves.len()).find(|at| !differs(*at)).unwrap_or(leaves.len());
        if to > from {
            let root = Tile::from_hashes(leaves.to_vec()).ok().and_then(|tile| tile.root());
            found.push(Mismatch { bundle, doubt, from, to, bytes: (start(from), start(to)), root });
        }
        from = to + 1;
    }
    found
}
