//! What a store must hold, kept the plainest way: every entry, every state, every full tile.

use std::collections::BTreeMap;

use bytes::Bytes;
use vouchlog_merkle::{CompactRange, EntryBundle, Hash, Tile, TileId, TreeHead, leaf_hash};

use crate::{Batch, Growth, StateKey, Store};

/// A log as its engine knows it.
#[derive(Clone, Default)]
pub(super) struct Model {
    head: Option<TreeHead>,
    range: CompactRange,
    /// All entries, framed, by bundle; the last may be unfinished.
    bundles: Vec<Vec<u8>>,
    /// The hashes of every level of tiles.
    levels: Vec<Vec<Hash>>,
    tiles: BTreeMap<TileId, Bytes>,
    states: BTreeMap<StateKey, Bytes>,
}

impl Model {
    /// A log of `size` entries that is in no store.
    pub(super) fn of_size(size: u64) -> Self {
        let mut model = Self::default();
        let entries = model.entries(size);
        model.batch(&entries);
        model
    }

    pub(super) fn size(&self) -> Option<u64> {
        self.head.map(|head| head.size.get())
    }

    /// Commits `count` entries of 54 bytes.
    pub(super) fn append(&mut self, store: &impl Store, count: u64) {
        let entries = self.entries(count);
        self.append_entries(store, &entries);
    }

    pub(super) fn append_entries(&mut self, store: &impl Store, entries: &[Bytes]) {
        let expected = self.size();
        let batch = self.batch(entries);
        self.commit(store, expected, batch);
    }

    /// Commits a state and no entry. An empty value removes it.
    pub(super) fn set_state(&mut self, store: &impl Store, key: &[u8], value: &[u8]) {
        self.set_states(store, vec![(key.to_vec(), value.to_vec())]);
    }

    pub(super) fn set_states(&mut self, store: &impl Store, states: Vec<(Vec<u8>, Vec<u8>)>) {
        let states: Vec<_> =
            states.into_iter().map(|(key, value)| (StateKey::new(key), Bytes::from(value))).collect();
        self.states.extend(states.iter().cloned());
        self.states.retain(|_, value| !value.is_empty());
        let expected = self.size();
        let mut batch = self.batch(&[]);
        batch.states = states;
        self.commit(store, expected, batch);
    }

    fn commit(&self, store: &impl Store, expected: Option<u64>, batch: Batch) {
        let size = self.size();
        store.commit(expected, batch).unwrap_or_else(|error| panic!("commit to size {size:?}: {error}"));
    }

    /// Grows by `entries` and returns the batch that makes a store grow as much.
    pub(super) fn batch(&mut self, entries: &[Bytes]) -> Batch {
        let (old_size, old_tiles) = (self.range.end(), self.tiles.clone());
        let mut framed = Vec::new();
        for entry in entries {
            EntryBundle::push_entry(&mut framed, entry).expect("no entry is too long");
            if self.range.end().is_multiple_of(256) {
                self.bundles.push(Vec::new());
            }
            let bundle = self.bundles.last_mut().expect("there is one");
            EntryBundle::push_entry(bundle, entry).expect("no entry is too long");
            let leaf = leaf_hash(entry);
            self.range.append(leaf);
            self.push_hash(0, leaf);
        }
        let head = TreeHead { size: self.range.size(), root: self.range.root().expect("it begins at 0") };
        self.head = Some(head);
        let tiles = self.tiles.iter().filter(|(id, _)| !old_tiles.contains_key(id));
        let growth = Growth {
            tiles: tiles.map(|(id, bytes)| (*id, bytes.clone())).collect(),
            bundles: self.full_bundles(old_size / 256),
        };
        let count = self.range.end() - old_size;
        Batch { head, count, entries: framed.into(), states: Vec::new(), growth }
    }

    /// As [`batch`](Self::batch), changed afterwards.
    pub(super) fn batch_with(mut self, entries: &[Bytes], change: impl FnOnce(&mut Batch)) -> Batch {
        let mut batch = self.batch(entries);
        change(&mut batch);
        batch
    }

    fn push_hash(&mut self, level: u8, hash: Hash) {
        let at = usize::from(level);
        if self.levels.len() <= at {
            self.levels.push(Vec::new());
        }
        self.levels[at].push(hash);
        let length = self.levels[at].len();
        if length.is_multiple_of(256) {
            let tile = Tile::from_hashes(self.levels[at][length - 256..].to_vec()).expect("256 hashes");
            let index = (length / 256 - 1) as u64;
            self.tiles.insert(TileId { level, index }, tile.to_bytes().into());
            self.push_hash(level + 1, tile.root().expect("a full tile has a root"));
        }
    }

    /// The full bundles from `first` on.
    pub(super) fn full_bundles(&self, first: u64) -> Vec<(u64, Bytes)> {
        let full = self.range.end() / 256;
        let bundle = |n: u64| (n, Bytes::copy_from_slice(&self.bundles[at(n)]));
        (first..full).map(bundle).collect()
    }

    /// The next entries: 54 bytes, each its own.
    fn entries(&self, count: u64) -> Vec<Bytes> {
        let first = self.range.end();
        let entry = |index: u64| {
            let mut bytes = vec![0x11; 54];
            bytes[..8].copy_from_slice(&index.to_be_bytes());
            bytes.into()
        };
        (first..first + count).map(entry).collect()
    }

    /// Does what an engine does with a store it just opened: loads it, and hands back what its tail completes.
    pub(super) fn recover(&self, store: &impl Store) {
        if self.head.is_none() {
            assert_eq!(store.load(), Ok(None), "nothing was committed");
            return;
        }
        self.check_loaded(store);
        let sealed = store.load().expect("it loads").expect("it holds a log").sealed;
        let is_unsealed = |id: TileId| id.index >= sealed >> (8 * (u32::from(id.level) + 1));
        let tiles = self.tiles.iter().filter(|(id, _)| is_unsealed(**id));
        let tiles = tiles.map(|(id, bytes)| (*id, bytes.clone())).collect();
        let growth = Growth { tiles, bundles: self.full_bundles(sealed / 256) };
        store.restore(growth).expect("what the tail completes is taken back");
    }

    /// Checks head, states and tail.
    pub(super) fn check_loaded(&self, store: &impl Store) {
        let loaded = store.load().expect("it loads").expect("it holds a log");
        let size = loaded.head.size;
        assert_eq!(Some(loaded.head), self.head, "the head is the last committed one");
        assert!(loaded.sealed.is_multiple_of(256), "the sealed size {} ends a bundle", loaded.sealed);
        assert!(loaded.sealed <= size.get(), "no more is sealed ({}) than there is ({size})", loaded.sealed);
        let states: BTreeMap<_, _> = loaded.states.iter().cloned().collect();
        assert_eq!(states.len(), loaded.states.len(), "every state is there once");
        assert!(states == self.states, "at size {size} the states are the last committed ones");
        let tail: Vec<u8> = self.bundles[at(loaded.sealed / 256)..].concat();
        assert!(loaded.tail.concat() == tail, "the tail of size {size} begins at {}", loaded.sealed);
        for piece in &loaded.tail {
            let whole = crate::framing::cut(piece, usize::MAX).is_some();
            assert!(whole && !piece.is_empty(), "a piece of the tail holds whole entries");
        }
    }

    /// Checks that every full tile and bundle can be read, and that no other can.
    pub(super) fn check_reads(&self, store: &impl Store) {
        for (id, bytes) in &self.tiles {
            let read = store.tile(*id).unwrap_or_else(|error| panic!("reading {id:?}: {error}"));
            assert!(read.as_ref() == Some(bytes), "{id:?} is full and reads as it was written");
        }
        for (level, hashes) in (0u8..).zip(&self.levels) {
            let next = TileId { level, index: (hashes.len() / 256) as u64 };
            assert_eq!(store.tile(next), Ok(None), "{next:?} is not full");
        }
        assert_eq!(store.tile(TileId { level: 7, index: 0 }), Ok(None), "no log has a full tile of level 7");
        let full = self.full_bundles(0);
        for (bundle, bytes) in &full {
            let read = store.entry_bundle(*bundle).unwrap_or_else(|error| panic!("bundle {bundle}: {error}"));
            assert!(read.as_ref() == Some(bytes), "bundle {bundle} is full and reads as it was written");
        }
        for missing in [full.len() as u64, u64::MAX] {
            assert_eq!(store.entry_bundle(missing), Ok(None), "bundle {missing} is not full");
        }
    }
}

fn at(bundle: u64) -> usize {
    usize::try_from(bundle).expect("a model fits into memory")
}
