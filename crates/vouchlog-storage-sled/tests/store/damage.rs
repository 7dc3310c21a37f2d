//! What the store says of damaged files, and what it repairs.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use vouchlog_merkle::{LeafIndex, TileId};
use vouchlog_storage::{Index, IndexBatch, Store, StoreError};
use vouchlog_storage_sled::RunIndex;

use crate::synthetic::{batch, check, check_reads, check_whole, grow, growth, open};

/// Damages a file or a directory.
type Inflict = fn(&Path);

/// A closed store of `size` entries.
fn closed(size: u64) -> tempfile::TempDir {
    made(size, true)
}

/// A store of `size` entries that was closed, or only dropped, as if its process had been killed.
fn made(size: u64, clean: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, size, 700);
    if clean {
        store.close().unwrap();
    }
    dir
}

fn scribble(path: &Path, at: u64, bytes: &[u8]) {
    let mut file = OpenOptions::new().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_damaged_database_is_made_again_from_the_ledger() {
    let damages: [(&str, Inflict); 9] = [
        ("emptied", |db| cut(db, 0)),
        ("cut to a byte", |db| cut(db, 1)),
        ("cut to a page", |db| cut(db, 4096)),
        ("beginning with rubbish", |db| scribble(db, 0, &[0xee; 4096])),
        ("of rubbish", |db| fs::write(db, vec![0xee; 1 << 20]).unwrap()),
        ("of zeros", |db| fs::write(db, vec![0; 9 << 20]).unwrap()),
        ("with another configuration", |db| fs::write(db.with_file_name("conf"), b"rubbish").unwrap()),
        ("deleted", |db| fs::remove_file(db).unwrap()),
        ("deleted with its folder", |db| fs::remove_dir_all(db.parent().unwrap()).unwrap()),
    ];
    for (damage, inflict) in damages {
        for (size, clean) in [(100, true), (3000, false)] {
            let dir = made(size, clean);
            inflict(&dir.path().join("live/db"));
            check_whole(dir.path(), size, &format!("a database {damage}"));
            check_whole(dir.path(), size, &format!("a database {damage}, opened once more"));
        }
    }
}

#[test]
fn a_damaged_ledger_is_made_again_from_the_database() {
    let damages: [(&str, Inflict); 5] = [
        ("cut", |ledger| cut(&ledger.join("00000001"), 300)),
        ("with a changed byte", |ledger| scribble(&ledger.join("00000001"), 200, &[0xee])),
        ("without its first file", |ledger| fs::remove_file(ledger.join("00000001")).unwrap()),
        ("without a header", |ledger| scribble(&ledger.join("00000001"), 0, &[0; 84])),
        ("deleted", |ledger| fs::remove_dir_all(ledger).unwrap()),
    ];
    for (damage, inflict) in damages {
        for (size, clean) in [(100, true), (3000, false)] {
            let dir = made(size, clean);
            inflict(&dir.path().join("ledger"));
            check_whole(dir.path(), size, &format!("a ledger {damage}"));
            check_whole(dir.path(), size, &format!("a ledger {damage}, opened once more"));
        }
    }
}

#[test]
fn with_both_copies_damaged_the_store_is_refused_and_nothing_is_touched() {
    let dir = made(700, false);
    open(dir.path()).unwrap().note_signed(crate::synthetic::head(700)).unwrap();
    let (db, ledger) = (dir.path().join("live/db"), dir.path().join("ledger/00000001"));
    scribble(&ledger, 500, &[0xee; 8]);
    cut(&db, 20_000);
    let before = fs::read(&ledger).unwrap();
    for _ in 0..2 {
        let error = open(dir.path()).unwrap_err().to_string();
        for part in ["live/db", "ledger/00000001", "at byte", "vouchlog recover"] {
            assert!(error.contains(part), "{error} does not mention {part}");
        }
        assert!(fs::read(&ledger).unwrap() == before, "what is left of the ledger stays as it is");
    }
}

/// One flipped bit anywhere in either copy: never an error, never another size. `vouchlog-faults damage` tries thousands.
#[test]
fn a_flipped_bit_in_one_copy_loses_nothing() {
    for file in ["live/db", "live/conf", "ledger/00000001", "ledger/MARK", "SIGNED"] {
        let dir = made(1000, false);
        let whole = fs::read(dir.path().join(file)).unwrap();
        let used = whole.iter().rposition(|byte| *byte != 0).unwrap();
        for at in (0..=used).step_by((used / 12).max(1)) {
            let copy = tempfile::tempdir().unwrap();
            crate::opening::copy(dir.path(), copy.path());
            scribble(&copy.path().join(file), at as u64, &[whole[at] ^ 0x40]);
            check_whole(copy.path(), 1000, &format!("{file} flipped at {at}"));
        }
    }
}

#[test]
fn a_copy_of_a_running_store_is_never_an_older_log() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    for size in (100..=2000).step_by(100) {
        grow(&store, (size > 100).then(|| size - 100), size, 10);
        store.note_signed(crate::synthetic::head(size)).unwrap();
        let copied = tempfile::tempdir().unwrap();
        crate::opening::copy(dir.path(), copied.path());
        check_whole(copied.path(), size, "a copy");
    }
}

#[test]
fn a_wrong_place_in_the_index_of_a_segment_overwrites_nothing() {
    for (slot, at, byte) in [(2, 11, 0x40), (2, 6, 1), (2, 7, 0x80), (0, 3, 1), (1, 9, 2)] {
        for clean in [true, false] {
            let dir = made(1000, clean);
            let index = dir.path().join("sealed/bundles/000000.index");
            let was = fs::read(&index).unwrap()[slot * 12 + at];
            scribble(&index, (slot * 12 + at) as u64, &[was ^ byte]);
            let store = open(dir.path()).unwrap();
            assert_eq!(check(&store), 1000);
            grow(&store, Some(1000), 3000, 100);
            store.close().unwrap();
            check_reads(&store, 3000);
        }
    }
}

fn cut(path: &Path, length: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
}

#[test]
fn rubbish_of_an_interrupted_sealing_is_cut_off() {
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
    fs::write(sealed.join("bundles/000001.data"), [0xee; 10]).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(check(&store), 600);
    let length = |file: &str| fs::metadata(sealed.join(file)).unwrap().len();
    let lengths = ["bundles/000000.data", "bundles/000001.data", "bundles/000000.index", "tiles/0/000000"];
    assert_eq!(lengths.map(length), [end, 0, 2 * 12, 2 * 8192]);
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
    let cases: [(&str, Inflict, &str); 3] = [
        ("tiles/0/000000", |path| cut(path, 8192 + 100), "tile"),
        ("tiles/0/000000", |path| fs::remove_file(path).unwrap(), "tile"),
        ("bundles/000000.data", |path| scribble(path, 14336, &[0xff; 12]), "bundle"),
    ];
    for (segment, inflict, what) in cases {
        let dir = closed(1000);
        inflict(&dir.path().join("sealed").join(segment));
        let store = open(dir.path()).unwrap();
        let damaged = if what == "tile" && !dir.path().join("sealed").join(segment).exists() { 0 } else { 1 };
        let reads = [store.tile(TileId { level: 0, index: damaged }), store.entry_bundle(damaged)];
        for error in reads.map(Result::unwrap_err) {
            let named = error.to_string().contains(&format!("sealed/{segment}"));
            assert!(named && matches!(error, StoreError::Damaged(_)), "{segment}: {error:?}");
        }
        if damaged > 0 {
            assert!(store.entry_bundle(0).unwrap().is_some(), "what is not damaged is read");
        }
        grow(&store, Some(1000), 2000, 100);
        store.close().unwrap();
        // Three bundles were sealed before.
        for bundle in 3..7 {
            let kept = store.entry_bundle(bundle).unwrap();
            assert!(kept == Some(growth(0, 2000).bundles[usize::try_from(bundle).unwrap()].1.clone()));
        }
    }
    // Where the next bundle would go is not known any more: nothing is written on.
    for inflict in [|path: &Path| cut(path, 20_000), |path: &Path| fs::remove_file(path).unwrap()] {
        let dir = closed(1000);
        inflict(&dir.path().join("sealed/bundles/000000.data"));
        let error = open(dir.path()).unwrap_err();
        assert!(error.to_string().contains("sealed/bundles/000000.data"), "{error}");
    }
    // The index alone follows from the bundles.
    for inflict in [|path: &Path| cut(path, 13), |path: &Path| fs::remove_file(path).unwrap()] {
        let dir = closed(1000);
        inflict(&dir.path().join("sealed/bundles/000000.index"));
        check_whole(dir.path(), 1000, "an index cut short or lost");
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
        let index = RunIndex::open(&path).unwrap();
        index.put(&batch).unwrap();
        drop(index);
        inflict(&path);
        let index = RunIndex::open(&path).unwrap_or_else(|error| panic!("an index {damage}: {error}"));
        assert_eq!(index.covered(), Ok(0), "an index {damage}");
        index.put(&batch).unwrap();
        let found = index.by_digest([1; 8], 3).unwrap().found;
        assert_eq!(found, [LeafIndex::new(4)], "an index {damage}");
    }
}

/// A failure of the operating system is no reason to begin again, nor to fail for good.
#[test]
fn a_lookup_index_heals_when_the_disk_does() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let batch = IndexBatch { upto: 5, digests: vec![([1; 8], 4)], ..IndexBatch::default() };
    RunIndex::open(&path).unwrap().put(&batch).unwrap();
    let away = dir.path().join("away");
    fs::rename(&path, &away).unwrap();
    fs::write(&path, b"in the way").unwrap();
    let index = RunIndex::open(&path).unwrap();
    for _ in 0..3 {
        assert!(matches!(index.covered(), Err(StoreError::Io(_))));
        assert!(index.put(&batch).is_err());
    }
    fs::remove_file(&path).unwrap();
    fs::rename(&away, &path).unwrap();
    assert_eq!(index.covered(), Ok(5), "what was there is there again");
    index.put(&IndexBatch { from: 5, upto: 9, ..IndexBatch::default() }).unwrap();
    assert_eq!(index.covered(), Ok(9));
}

fn each_file(dir: &Path, change: &impl Fn(&Path)) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { each_file(&path, change) } else { change(&path) }
    }
}
