//! Checks a store from the ground: every entry against its tile, every tile against the one above, the root against the
//! signed checkpoint, and every stream against the rules.
//!
//! What is read is never trusted: the root is computed from the entries alone, and compared with what the log signed.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_merkle::{
    CompactRange, Hash, TILE_WIDTH, Tile, TileId, TreeHead, TreeSize, full_tiles, leaf_hash,
};
use vouchlog_note::{Origin, SignedCheckpoint, VerifyingKey};
use vouchlog_storage::{Loaded, Store, StoreError};
use vouchlog_stream::{Entry, LoggedAt, StreamId};

use crate::recover::frame;
use crate::state::{Directory, last_published, last_signed};

mod streams;

use streams::Streams;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Findings reported one by one; a store with more is broken throughout.
const MAX_FINDINGS: usize = 1_000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Size of the tree that was checked.
    pub size: u64,
    /// Statements among its entries.
    pub statements: u64,
    /// Streams that were opened in it.
    pub streams: u64,
    /// What is wrong, in the order it was found; at most a thousand.
    pub findings: Vec<Finding>,
}

/// Something wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing is wrong.
    pub code: FindingCode,
    /// Where, and what, in words.
    pub message: String,
}

/// Kinds of findings. [`FindingCode::name`] is stable, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingCode {
    /// The checkpoint does not carry the log's signature.
    Checkpoint,
    /// The entries do not lead to the signed root.
    Root,
    /// A tile is missing, malformed, or not what lies below it.
    Tile,
    /// A bundle is missing or malformed.
    Bundle,
    /// An entry cannot be decoded.
    Entry,
    /// An entry is older than the one before it.
    Time,
    /// A stream's statements do not follow one another, or its signed heads do not fit them.
    Stream,
    /// The state kept of a stream is not what its entries say.
    State,
}

impl FindingCode {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Root => "root",
            Self::Tile => "tile",
            Self::Bundle => "bundle",
            Self::Entry => "entry",
            Self::Time => "time",
            Self::Stream => "stream",
            Self::State => "state",
        }
    }
}

/// Checks the store of the log `origin`, whose key is `key`. `progress` is told how many entries of how many are done.
///
/// Fails when the store cannot be read at all; everything else is a [`Finding`].
pub fn fsck<S: Store>(
    store: &S,
    origin: &Origin,
    key: &VerifyingKey,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, StoreError> {
    let Some(loaded) = store.load()? else {
        return Err(StoreError::Damaged("there is no log in it".into()));
    };
    let mut check = Check::new(store, origin, &loaded);
    let size = loaded.head.size;
    check.checkpoints(&loaded, key)?;
    let tail = frame(&loaded.tail);
    for bundle in 0..loaded.sealed / WIDTH {
        check.sealed_bundle(bundle)?;
        progress((bundle + 1) * WIDTH, size.get());
    }
    match tail {
        Some(tail) => tail.entries().for_each(|entry| check.entry(entry)),
        None => check.find(FindingCode::Bundle, "the entries not yet sealed are malformed".into()),
    }
    progress(size.get(), size.get());
    check.upper_tiles(loaded.sealed)?;
    check.root(&loaded);
    check.states(&loaded);
    Ok(check.report)
}

struct Check<'a, S> {
    store: &'a S,
    report: Report,
    /// Grown from the entries alone.
    range: CompactRange,
    /// Heads that were signed or published, of this size or an earlier one.
    expected: Vec<(&'static str, TreeHead)>,
    last: LoggedAt,
    streams: Streams<'a>,
}

impl<'a, S: Store> Check<'a, S> {
    fn new(store: &'a S, origin: &'a Origin, loaded: &Loaded) -> Self {
        let report = Report { size: loaded.head.size.get(), ..Report::default() };
        Self {
            store,
            report,
            range: CompactRange::new(),
            expected: Vec::new(),
            last: LoggedAt::default(),
            streams: Streams::new(origin),
        }
    }

    fn find(&mut self, code: FindingCode, message: String) {
        if self.report.findings.len() < MAX_FINDINGS {
            self.report.findings.push(Finding { code, message });
        }
    }

    fn checkpoints(&mut self, loaded: &Loaded, key: &VerifyingKey) -> Result<(), StoreError> {
        if let Some(head) = self.store.signed()? {
            self.expect("signed", head, loaded.head.size);
        }
        let notes = [("signed", last_signed(&loaded.states)), ("published", last_published(&loaded.states))];
        for (what, note) in notes {
            let Some(note) = note else { continue };
            match SignedCheckpoint::open(note, self.streams.origin(), key) {
                Ok(signed) => self.expect(what, signed.head(), loaded.head.size),
                Err(error) => {
                    self.find(FindingCode::Checkpoint, format!("the checkpoint {what} last: {error}"));
                }
            }
        }
        Ok(())
    }

    /// A head that the entries must lead to.
    fn expect(&mut self, what: &'static str, head: TreeHead, size: TreeSize) {
        if head.size > size {
            let message =
                format!("a head of {} entries was {what}, more than the {size} there are", head.size);
            return self.find(FindingCode::Checkpoint, message);
        }
        self.expected.push((what, head));
    }

    /// One full bundle: its entries, and the level-0 tile beside it.
    fn sealed_bundle(&mut self, bundle: u64) -> Result<(), StoreError> {
        let first = bundle * WIDTH;
        let entries = readable(self.store.entry_bundle(bundle))?.and_then(|bytes| frame(&[bytes]));
        let Some(entries) = entries.filter(|entries| entries.starts.len() == TILE_WIDTH) else {
            self.find(
                FindingCode::Bundle,
                format!("the bundle of entries {first} to {} cannot be read", first + 255),
            );
            // The tile stands in, so that what comes after can still be checked.
            let tile = self.tile(TileId { level: 0, index: bundle })?;
            let leaves = tile
                .map_or_else(|| vec![vouchlog_merkle::EMPTY_ROOT; TILE_WIDTH], |tile| tile.hashes().to_vec());
            leaves.into_iter().for_each(|leaf| self.range.append(leaf));
            return Ok(());
        };
        let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
        if let Some(tile) = self.tile(TileId { level: 0, index: bundle })? {
            for (at, _) in
                leaves.iter().zip(tile.hashes()).enumerate().filter(|(_, (leaf, stored))| leaf != stored)
            {
                let index = first + at as u64;
                self.find(
                    FindingCode::Entry,
                    format!("entry {index} is not the one whose hash is in tile 0/{bundle}"),
                );
            }
        }
        entries.entries().for_each(|entry| self.entry(entry));
        Ok(())
    }

    fn tile(&mut self, id: TileId) -> Result<Option<Tile>, StoreError> {
        let tile = readable(self.store.tile(id))?.and_then(|bytes| Tile::parse(&bytes).ok());
        if tile.is_none() {
            self.find(FindingCode::Tile, format!("{} cannot be read", id.path(256)));
        }
        Ok(tile)
    }

    fn entry(&mut self, bytes: &[u8]) {
        let index = self.range.end();
        self.range.append(leaf_hash(bytes));
        let size = self.range.end();
        let contradicted =
            |(_, head): &&(_, TreeHead)| head.size.get() == size && self.range.root() != Some(head.root);
        if let Some((what, _)) = self.expected.iter().find(contradicted) {
            let message = format!("the entries do not lead to the root {what} for size {size}");
            self.find(FindingCode::Root, message);
        }
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => return self.find(FindingCode::Entry, format!("entry {index}: {error}")),
        };
        if entry.logged_at() < self.last {
            self.find(FindingCode::Time, format!("entry {index} is older than the one before it"));
        }
        self.last = self.last.max(entry.logged_at());
        self.report.statements += u64::from(matches!(entry, Entry::Statement(_)));
        self.report.streams += u64::from(matches!(entry, Entry::StreamOpened { .. }));
        if let Err(message) = self.streams.entry(index, &entry) {
            self.find(FindingCode::Stream, format!("entry {index}: {message}"));
        }
    }

    /// Each full tile above level 0: its hashes are the roots of the tiles below.
    fn upper_tiles(&mut self, sealed: u64) -> Result<(), StoreError> {
        for level in 1u8..8 {
            for index in 0..full_tiles(level, TreeSize::new(sealed)) {
                let id = TileId { level, index };
                let Some(tile) = self.tile(id)? else { continue };
                for (child, hash) in (index * WIDTH..).zip(tile.hashes()) {
                    let below = TileId { level: level - 1, index: child };
                    if self.tile(below)?.and_then(|tile| tile.root()).is_some_and(|root| root != *hash) {
                        let message = format!("{} does not fit {} below it", id.path(256), below.path(256));
                        self.find(FindingCode::Tile, message);
                    }
                }
            }
        }
        Ok(())
    }

    fn root(&mut self, loaded: &Loaded) {
        let head = loaded.head;
        if self.range.end() != head.size.get() {
            let message = format!("there are {} entries, {} were committed", self.range.end(), head.size);
            self.find(FindingCode::Root, message);
        } else if self.range.root() != Some(head.root) {
            self.find(FindingCode::Root, "the entries do not lead to the committed root".into());
        }
    }

    /// The states that the log would go on from.
    fn states(&mut self, loaded: &Loaded) {
        let Some(directory) = Directory::load(&loaded.states) else {
            return self.find(FindingCode::State, "a stream or gateway state cannot be read".into());
        };
        let mut states: BTreeMap<StreamId, _> = directory.streams.into_iter().collect();
        let ranges = std::mem::take(&mut self.streams.ranges);
        for (id, range) in ranges {
            match states.remove(&id) {
                Some(state) if *state.range() == range => {}
                Some(_) => self.find(
                    FindingCode::State,
                    format!("the state of stream {id} is not what its entries say"),
                ),
                None => self.find(FindingCode::State, format!("stream {id} has no state")),
            }
        }
        for id in states.into_keys() {
            self.find(FindingCode::State, format!("there is a state of stream {id}, which was never opened"));
        }
    }
}

/// Damage to one object is a finding; a store that fails altogether is an error.
fn readable(read: Result<Option<Bytes>, StoreError>) -> Result<Option<Bytes>, StoreError> {
    match read {
        Err(StoreError::Damaged(_)) => Ok(None),
        other => other,
    }
}
