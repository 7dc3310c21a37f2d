//! What was read lately is served again without the disk, but never in place of what was replaced or given up since.

use std::fs;
use std::path::Path;

use vouchlog_merkle::leaf_hash;
use vouchlog_storage::{Part, Pruned, Sealed};

use super::*;

const BUNDLES: u64 = 300;

/// A bundle and its tile; those of another `log` have the same length.
fn pair(log: u8, number: u64) -> Pair {
    let (mut bundle, mut tile) = (Vec::new(), Vec::new());
    for at in 0..256 {
        let entry = [&[log][..], &(number * 256 + at).to_be_bytes()].concat();
        bundle.extend_from_slice(&9_u16.to_be_bytes());
        bundle.extend_from_slice(&entry);
        tile.extend_from_slice(leaf_hash(&entry).as_bytes());
    }
    Pair { bundle: bundle.into(), tile: tile.into() }
}

fn tile_of(number: u64) -> TileId {
    TileId { level: 0, index: number }
}

fn filled(dir: &Path) -> Segments {
    let segments = Segments::open(dir, 0).unwrap();
    let pairs: Vec<(u64, Pair)> = (0..BUNDLES).map(|number| (number, pair(1, number))).collect();
    let tiles: Vec<_> = pairs.iter().map(|(number, pair)| (tile_of(*number), pair.tile.clone())).collect();
    let bundles: Vec<_> = pairs.into_iter().map(|(number, pair)| (number, pair.bundle)).collect();
    segments.put(&tiles, &bundles).unwrap();
    segments
}

/// Damages the bundles on the disk.
fn wipe(dir: &Path) {
    let path = dir.join("bundles/000000.data");
    let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
    fs::write(path, vec![0; length]).unwrap();
}

#[test]
fn a_bundle_is_read_once_for_itself_and_its_tile() {
    let dir = tempfile::tempdir().unwrap();
    let segments = filled(dir.path());
    assert_eq!(segments.tile(tile_of(3)), Ok(pair(1, 3).tile));
    wipe(dir.path());
    assert_eq!(segments.bundle(3), Ok(pair(1, 3).bundle), "it was verified with its tile");
    for read in [segments.bundle(4), segments.tile(tile_of(4))] {
        assert!(matches!(read, Err(StoreError::Damaged(_))), "{read:?}");
    }
    // What a check of the disk reads comes from the disk.
    assert_ne!(segments.reread(Part::Bundle(3)).unwrap(), pair(1, 3).bundle);
}

#[test]
fn what_was_replaced_is_not_served_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let segments = filled(dir.path());
    assert_eq!(segments.bundle(3), Ok(pair(1, 3).bundle));
    segments.repair(Part::Bundle(3), &pair(2, 3).bundle).unwrap();
    assert!(matches!(segments.bundle(3), Err(StoreError::Damaged(_))), "its tile is another one's");
    segments.repair(Part::Tile(tile_of(3)), &pair(2, 3).tile).unwrap();
    assert_eq!(segments.bundle(3), Ok(pair(2, 3).bundle));
    assert_eq!(segments.tile(tile_of(3)), Ok(pair(2, 3).tile));
}

#[test]
fn what_was_given_up_is_not_served_from_memory() {
    let dir = tempfile::tempdir().unwrap();
    let segments = filled(dir.path());
    for number in 0..10 {
        segments.bundle(number).unwrap();
    }
    Sealed::prune(&segments, &Pruned::new(8 * 256, 9 * 256, vec![0])).unwrap();
    assert_eq!(segments.pairs.0.lock().pairs.len(), 0);
    assert_eq!(segments.bundle(3), Err(StoreError::Pruned(8 * 256)));
    assert_eq!(segments.tile(tile_of(3)), Ok(pair(1, 3).tile));
    assert_eq!(segments.bundle(0), Ok(pair(1, 0).bundle));
    assert_eq!(segments.bundle(8), Ok(pair(1, 8).bundle));
}

/// A read that began before a replacement must not bring back what it replaced.
#[test]
fn what_was_read_before_a_change_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let segments = filled(dir.path());
    let before = segments.pairs.0.lock().changes;
    segments.pairs.clear();
    segments.keep(3, &pair(1, 3), before);
    assert_eq!(segments.pairs.0.lock().pairs.len(), 0);
}

#[test]
fn a_whole_log_that_is_read_takes_no_more_than_the_budget() {
    let dir = tempfile::tempdir().unwrap();
    let segments = filled(dir.path());
    for number in 0..BUNDLES {
        segments.bundle(number).unwrap();
        let kept = segments.pairs.0.lock();
        assert_eq!(kept.bytes, kept.pairs.iter().map(|(_, pair)| pair.bytes()).sum::<usize>());
        assert!(kept.bytes <= MAX_BYTES && kept.pairs.len() <= MAX_PAIRS);
    }
    // The newest are there, however many were read before them.
    wipe(dir.path());
    for number in BUNDLES - MAX_PAIRS as u64..BUNDLES {
        assert_eq!(segments.tile(tile_of(number)), Ok(pair(1, number).tile));
    }
    // One that is larger than the budget displaces nothing.
    let large = Pair { bundle: vec![0; MAX_BYTES + 1].into(), tile: Bytes::new() };
    segments.keep(0, &large, 0);
    assert_eq!(segments.pairs.0.lock().pairs.len(), MAX_PAIRS);
    let half = Pair { bundle: vec![0; MAX_BYTES / 2].into(), tile: Bytes::new() };
    (0..3).for_each(|number| segments.keep(number, &half, 0));
    assert_eq!(segments.pairs.0.lock().pairs.len(), 2);
}
