//! A log whose every byte follows from its size, so that any store can be checked without remembering what was written.

use bytes::Bytes;
use vouchlog_merkle::{Hash, Tile, TileId, TreeHead, TreeSize, leaf_hash, tiles_of_growth};
use vouchlog_storage::{Batch, Growth, Loaded, StateKey, Store, StoreError};
use vouchlog_storage_sled::{Options, SledStore};

pub(crate) const ORIGIN: &str = "example.com/log";

pub(crate) fn open(dir: &std::path::Path) -> Result<SledStore, StoreError> {
    SledStore::open(dir, ORIGIN, Options::default())
}

fn framed(begin: u64, end: u64) -> Bytes {
    let mut bytes = Vec::new();
    for index in begin..end {
        bytes.extend_from_slice(&[0, 54]);
        bytes.extend_from_slice(&index.to_be_bytes());
        bytes.extend_from_slice(&[0x5a; 46]);
    }
    bytes.into()
}

fn tile(id: TileId) -> Bytes {
    let hash = |index| match id.level {
        0 => leaf_hash(&framed(index, index + 1)[2..]),
        level => Tile::parse(&tile(TileId { level: level - 1, index })).unwrap().root().unwrap(),
    };
    let first = id.index * 256;
    (first..first + 256).map(|index| *hash(index).as_bytes()).collect::<Vec<_>>().concat().into()
}

pub(crate) fn head(size: u64) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([3; 32]) }
}

pub(crate) fn growth(old: u64, new: u64) -> Growth {
    let tiles = tiles_of_growth(TreeSize::new(old), TreeSize::new(new));
    Growth {
        tiles: tiles.map(|id| (id, tile(id))).collect(),
        bundles: (old / 256..new / 256).map(|n| (n, framed(n * 256, n * 256 + 256))).collect(),
    }
}

/// What leads from one size to another; a state keeps the new one.
pub(crate) fn batch(old: u64, new: u64) -> Batch {
    let state = (StateKey::new(b"size".to_vec()), Bytes::copy_from_slice(&new.to_be_bytes()));
    Batch {
        head: head(new),
        count: new - old,
        entries: framed(old, new),
        states: vec![state],
        growth: growth(old, new),
    }
}

/// Commits from the size the store has to `new`, in batches of `step`.
pub(crate) fn grow(store: &SledStore, mut old: Option<u64>, new: u64, step: u64) {
    while old.unwrap_or(0) < new {
        let next = (old.unwrap_or(0) + step).min(new);
        store.commit(old, batch(old.unwrap_or(0), next)).unwrap();
        old = Some(next);
    }
}

/// Checks a just opened store to the last byte, restores it, and returns its size.
pub(crate) fn check(store: &SledStore) -> u64 {
    let Some(Loaded { head: found, sealed, tail, states }) = store.load().unwrap() else { return 0 };
    let size = found.size.get();
    assert_eq!(found, head(size));
    assert_eq!(states, batch(size, size).states, "head and state are of one commit");
    assert!(tail.concat() == framed(sealed, size), "the tail from {sealed} to {size}");
    store.restore(growth(sealed, size)).unwrap();
    check_reads(store, size);
    size
}

/// Opens a directory and checks that it holds a log of `size` entries, to the last byte.
pub(crate) fn check_whole(dir: &std::path::Path, size: u64, case: &str) {
    let store = open(dir).unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!(store.load().unwrap().map(|loaded| loaded.head), Some(head(size)), "{case}");
    assert_eq!(check(&store), size, "{case}");
}

pub(crate) fn check_reads(store: &SledStore, size: u64) {
    let Growth { tiles, bundles } = growth(0, size);
    for (id, bytes) in tiles {
        assert!(store.tile(id).unwrap() == Some(bytes), "{id:?} of a log of size {size}");
    }
    for (bundle, bytes) in bundles {
        assert!(store.entry_bundle(bundle).unwrap() == Some(bytes), "bundle {bundle} of size {size}");
    }
}
