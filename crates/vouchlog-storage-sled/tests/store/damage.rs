//! What the store says of damaged files, and what it repairs.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use vouchlog_merkle::{LeafIndex, TileId};
use vouchlog_storage::{Index, IndexBatch, Store, StoreError};
use vouchlog_storage_sled::FjallIndex;

use crate::synthetic::{batch, check, check_reads, grow, open};

/// Damages a file or a directory.
type Inflict = fn(&Path);

/// A closed store of `size` entries.
fn closed(size: u64) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, size, 700);
    store.close().unwrap();
    dir
}

fn scribble(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_damaged_database_is_an_error_and_never_another_log() {
    let damages: [(&str, Inflict); 7] = [
        ("emptied", |db| cut(db, 0)),
        ("cut to a byte", |db| cut(db, 1)),
        ("cut to a page", |db| cut(db, 4096)),
        ("beginning with rubbish", |db| scribble(db, 0, &[0xee; 4096])),
        ("of rubbish", |db| fs::write(db, vec![0xee; 1 << 20]).unwrap()),
        ("of zeros", |db| fs::write(db, vec![0; 9 << 20]).unwrap()),
        ("with another configuration", |db| fs::write(db.with_file_name("conf"), b"rubbish").unwrap()),
    ];
    for (damage, inflict) in damages {
        for size in [100, 3000] {
            let dir = closed(size);
            inflict(&dir.path().join("live/db"));
            match open(dir.path()).map(|store| store.load()) {
                Err(StoreError::Damaged(_) | StoreError::Io(_)) => {}
                Ok(Ok(Some(loaded))) => assert_eq!(loaded.head.tree.size.get(), size, "a database {damage}"),
                other => panic!("a database {damage}: {:?}", other.map(|loaded| loaded.map(|l| l.is_some()))),
            }
        }
    }
}

/// One flipped byte anywhere: an error, or nothing that mattered. Never a panic, never another size.
#[test]
fn a_flipped_byte_in_the_database_is_an_error_or_harmless() {
    let dir = closed(1000);
    let db = dir.path().join("live/db");
    let whole = fs::read(&db).unwrap();
    let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for at in (0..used).step_by(used / 20) {
        let copy = tempfile::tempdir().unwrap();
        crate::opening::copy(dir.path(), copy.path());
        scribble(&copy.path().join("live/db"), at as u64, &[whole[at] ^ 0x40]);
        match open(copy.path()).map(|store| store.load()) {
            Ok(Ok(Some(loaded))) => assert_eq!(loaded.head, crate::synthetic::head(1000), "flipped at {at}"),
            Ok(Ok(None)) => panic!("flipped at {at}: the log is gone and nobody says so"),
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn rubbish_of_an_interrupted_sealing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 600, 600);
    store.close().unwrap();
    drop(store);
    // Entries that fill bundles 2 and 3 are committed, their sealing was cut short.
    let sealed = dir.path().join("sealed");
    scribble(&sealed.join("tiles/0/000000"), 2 * 8192, &[0xee; 5000]);
    let end = fs::metadata(sealed.join("bundles/000000.data")).unwrap().len();
    scribble(&sealed.join("bundles/000000.data"), end, &[0xee; 99_999]);
    let store = open(dir.path()).unwrap();
    assert_eq!(check(&store), 600);
    grow(&store, Some(600), 1100, 500);
    scribble(&sealed.join("bundles/000000.index"), 2 * 12, &[0xee; 12]);
    store.close().unwrap();
    check_reads(&store, 1100);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(check(&store), 1100);
}

#[test]
fn a_segment_cut_short_or_lost_is_damage() {
    let cases: [(&str, Inflict, &str); 4] = [
        ("tiles/0/000000", |path| cut(path, 8192 + 100), "tile"),
        ("bundles/000000.data", |path| cut(path, 20_000), "bundle"),
        ("bundles/000000.index", |path| cut(path, 13), "bundle"),
        ("bundles/000000.index", |path| scribble(path, 12, &[0xff; 12]), "bundle"),
    ];
    for (segment, inflict, what) in cases {
        for lost in [false, true] {
            let dir = closed(1000);
            let path = dir.path().join("sealed").join(segment);
            if lost {
                fs::remove_file(&path).unwrap();
            } else {
                inflict(&path);
            }
            let store = open(dir.path()).unwrap();
            let error = match what {
                "tile" => store.tile(TileId { level: 0, index: 1 }).unwrap_err(),
                _ => store.entry_bundle(1).unwrap_err(),
            };
            assert!(matches!(error, StoreError::Damaged(_)), "{segment}: {error:?}");
            let rest = if what == "tile" {
                store.entry_bundle(1)
            } else {
                store.tile(TileId { level: 0, index: 1 })
            };
            assert!(rest.unwrap().is_some(), "what is not damaged is read");
        }
    }
}

#[test]
fn sealing_that_fails_is_told_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let segment = dir.path().join("sealed/tiles/0/000000");
    fs::create_dir_all(&segment).unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 5000, 1000);
    wait_until(|| store.impediment().is_some());
    check_reads(&store, 5000);
    grow(&store, Some(5000), 9000, 1000);
    check_reads(&store, 9000);

    // Once it can, the running store seals what it could not.
    fs::remove_dir(&segment).unwrap();
    wait_until(|| store.impediment().is_none());
    check_reads(&store, 9000);
    drop(store);
    assert_eq!(check(&open(dir.path()).unwrap()), 9000);
}

#[test]
fn what_could_not_be_sealed_before_the_end_is_sealed_after_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let segment = dir.path().join("sealed/tiles/0/000000");
    fs::create_dir_all(&segment).unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 5000, 77);
    store.close().unwrap();
    check_reads(&store, 5000);
    drop(store);
    fs::remove_dir(&segment).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(store.load().unwrap().unwrap().sealed, 0);
    assert_eq!(check(&store), 5000);
    store.close().unwrap();
    assert_eq!(store.load().unwrap().unwrap().sealed, 5000 & !255);
    check_reads(&store, 5000);
}

/// An engine that does not restore must not make the store forget what it never saw.
#[test]
fn commits_without_a_restore_seal_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("sealed/tiles/0/000000");
    fs::create_dir_all(&blocked).unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 600, 600);
    drop(store);
    fs::remove_dir(&blocked).unwrap();
    let store = open(dir.path()).unwrap();
    store.commit(Some(600), batch(600, 1200)).unwrap();
    store.close().unwrap();
    assert!(store.impediment().is_some());
    drop(store);
    assert_eq!(check(&open(dir.path()).unwrap()), 1200);
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_lookup_index_that_does_not_open_is_begun_anew() {
    let damages: [(&str, Inflict); 3] = [
        ("deleted", |dir| fs::remove_dir_all(dir).unwrap()),
        ("emptied", |dir| each_file(dir, &|file| fs::write(file, b"").unwrap())),
        ("overwritten", |dir| each_file(dir, &|file| fs::write(file, [0xee; 5000]).unwrap())),
    ];
    for (damage, inflict) in damages {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let batch = IndexBatch { upto: 5, digests: vec![([1; 8], 4)], ..IndexBatch::default() };
        let index = FjallIndex::open(&path).unwrap();
        index.put(&batch).unwrap();
        drop(index);
        inflict(&path);
        let index = FjallIndex::open(&path).unwrap_or_else(|error| panic!("an index {damage}: {error}"));
        assert_eq!(index.covered(), Ok(0), "an index {damage}");
        index.put(&batch).unwrap();
        assert_eq!(index.by_digest([1; 8], 3), Ok(vec![LeafIndex::new(4)]), "an index {damage}");
    }
}

fn each_file(dir: &Path, change: &impl Fn(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each_file(&path, change) } else { change(&path) }
    }
}
