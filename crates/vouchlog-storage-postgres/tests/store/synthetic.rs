//! A log whose every byte follows from its size, so that any store can be checked without remembering what was written.

use bytes::Bytes;
use vouchlog_merkle::{Hash, Tile, TileId, TreeHead, TreeSize, leaf_hash, tiles_of_growth};
use vouchlog_storage::{Batch, Growth, Loaded, StateKey, Store};

/// The key of the one state: no request but a commit has these bytes.
pub(crate) const MARKER: &[u8] = b"the size of this synthetic log";

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

fn growth(old: u64, new: u64) -> Growth {
    let tiles = tiles_of_growth(TreeSize::new(old), TreeSize::new(new));
    Growth {
        tiles: tiles.map(|id| (id, tile(id))).collect(),
        bundles: (old / 256..new / 256).map(|n| (n, framed(n * 256, n * 256 + 256))).collect(),
    }
}

/// What leads from one size to another; a state keeps the new one.
pub(crate) fn batch(old: u64, new: u64) -> Batch {
    let state = (StateKey::new(MARKER.to_vec()), Bytes::copy_from_slice(&new.to_be_bytes()));
    Batch {
        head: head(new),
        count: new - old,
        entries: framed(old, new),
        states: vec![state],
        growth: growth(old, new),
    }
}

/// Checks a just opened store to the last byte, restores it, and returns its size; none when nothing was committed.
pub(crate) fn check(store: &impl Store) -> Option<u64> {
    let Loaded { head: found, sealed, tail, states } = store.load().unwrap()?;
    let size = found.size.get();
    assert_eq!(found, head(size));
    assert_eq!(states, batch(size, size).states, "head and state are of one commit");
    assert!(tail.concat() == framed(sealed, size), "the tail from {sealed} to {size}");
    store.restore(growth(sealed, size)).unwrap();
    let Growth { tiles, bundles } = growth(0, size);
    for (id, bytes) in tiles {
        assert!(store.tile(id).unwrap() == Some(bytes), "{id:?} of a log of size {size}");
    }
    for (bundle, bytes) in bundles {
        assert!(store.entry_bundle(bundle).unwrap() == Some(bytes), "bundle {bundle} of size {size}");
    }
    Some(size)
}

/// Batches of many sizes, chosen by the size reached, so that a restart goes on in another rhythm.
pub(crate) fn next_size(size: u64) -> u64 {
    size + match size % 7 {
        0 => 1,
        1..=3 => 64,
        4 => 700,
        _ => 2000,
    }
}
