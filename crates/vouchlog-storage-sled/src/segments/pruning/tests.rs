//! Two segments of bundles, of which most is given up, and processes that end in between.

use vouchlog_merkle::leaf_hash;
use vouchlog_storage::Sealed;

use super::*;

/// Bundles: a whole segment, and the beginning of the next.
const BUNDLES: u64 = PER_SEGMENT + 20;
/// What is given up: the first segment and a part of the second.
const MINIMUM: u64 = (PER_SEGMENT + 10) * 256;

fn bundle(number: u64) -> (Bytes, Bytes) {
    let (mut entries, mut tile) = (Vec::new(), Vec::new());
    for at in 0..256 {
        let entry = (number * 256 + at).to_be_bytes();
        entries.extend_from_slice(&8_u16.to_be_bytes());
        entries.extend_from_slice(&entry);
        tile.extend_from_slice(leaf_hash(&entry).as_bytes());
    }
    (entries.into(), tile.into())
}

fn fill(dir: &Path) {
    let segments = Segments::open(dir, 0).unwrap();
    for first in (0..BUNDLES).step_by(512) {
        let made: Vec<_> =
            (first..(first + 512).min(BUNDLES)).map(|number| (number, bundle(number))).collect();
        let tiles: Vec<_> = made
            .iter()
            .map(|(index, (_, tile))| (TileId { level: 0, index: *index }, tile.clone()))
            .collect();
        let bundles: Vec<_> = made.into_iter().map(|(number, (entries, _))| (number, entries)).collect();
        segments.put(&tiles, &bundles).unwrap();
    }
}

fn open(dir: &Path) -> Segments {
    Segments::open(dir, BUNDLES * 256).unwrap()
}

/// Everything that was given up is refused, and everything else is as it was written.
fn check(segments: &Segments, pruned: &Pruned) {
    for number in (0..BUNDLES).filter(|number| number % 97 == 0 || *number >= PER_SEGMENT - 2) {
        let (entries, tile) = bundle(number);
        assert_eq!(segments.tile(TileId { level: 0, index: number }), Ok(tile), "tile {number}");
        let expected =
            if pruned.has_removed(number) { Err(StoreError::Pruned(MINIMUM)) } else { Ok(entries) };
        assert_eq!(segments.bundle(number), expected, "bundle {number}");
    }
    for number in pruned.kept() {
        assert_eq!(segments.bundle(*number), Ok(bundle(*number).0), "bundle {number}");
    }
}

#[test]
fn whole_segments_leave_the_disk_but_for_what_stays() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fill(dir);
    let (data, saved) = (dir.join("bundles/000000.data"), dir.join("saved"));
    fs::copy(&data, &saved).unwrap();
    let pruned = Pruned::new(MINIMUM, MINIMUM + 900, vec![0, 97, 98, PER_SEGMENT - 1, PER_SEGMENT + 3]);

    // A process ends after the first step: everything is still there, and refused.
    let segments = open(dir);
    segments.write_pruned(&pruned).unwrap();
    check(&segments, &pruned);
    assert!(data.exists());
    drop(segments);

    // A bundle that stays is damaged: nothing beside it is removed.
    let mut bytes = fs::read(&data).unwrap();
    bytes[3] ^= 1;
    fs::write(&data, &bytes).unwrap();
    drop(open(dir));
    assert!(data.exists() && !dir.join("bundles/000000.kept").exists());
    fs::copy(&saved, &data).unwrap();

    // The next start goes on with the removal.
    let segments = open(dir);
    check(&segments, &pruned);
    assert!(!data.exists());
    let length = |file: &str| fs::metadata(dir.join(file)).unwrap().len();
    assert_eq!(length("bundles/000000.kept"), 4 * (12 + 256 * 10));
    assert_eq!(length("bundles/000001.data"), 20 * 256 * 10, "the last segment is whole");
    drop(segments);

    // A process ended before the old file was deleted.
    fs::copy(&saved, &data).unwrap();
    check(&open(dir), &pruned);
    assert!(!data.exists());

    // What stayed before can be given up later, and the log grows on.
    let segments = open(dir);
    let more = Pruned::new(MINIMUM, MINIMUM + 900, vec![0, PER_SEGMENT + 3]);
    Sealed::prune(&segments, &more).unwrap();
    check(&segments, &more);
    assert_eq!(length("bundles/000000.kept"), 12 + 256 * 10);
    assert!(segments.repair(vouchlog_storage::Part::Bundle(0), &bundle(0).0).is_err());
    let (entries, tile) = bundle(BUNDLES);
    segments.put(&[(TileId { level: 0, index: BUNDLES }, tile)], &[(BUNDLES, entries.clone())]).unwrap();
    assert_eq!(segments.bundle(BUNDLES), Ok(entries));
    check(&segments, &more);
}

#[test]
fn a_damaged_record_of_what_was_given_up_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(Segments::open(dir.path(), 0).unwrap());
    fs::write(dir.path().join(FILE), Pruned::new(512, 600, vec![]).to_text().replace("512", "768")).unwrap();
    assert!(matches!(Segments::open(dir.path(), 0), Err(StoreError::Damaged(_))));
}
