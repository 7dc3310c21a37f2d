//! Looking at a data directory without changing it, copying it while it is written to, and reading what is left of it.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use vouchlog_storage::{Store, StoreError};
use vouchlog_storage_sled::{backup, examine, salvage};

use crate::synthetic::{batch, check_whole, grow, head, open};

/// A store of `size` entries, closed or left as by a process that was killed.
fn made(size: u64, clean: bool) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, size, 700);
    store.note_signed(head(size)).unwrap();
    if clean {
        store.close().unwrap();
    }
    dir
}

fn contents(dir: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

#[test]
fn a_whole_store_is_examined_whole_and_nothing_in_it_changes() {
    for (size, clean) in [(100, true), (100, false), (5000, true), (5000, false)] {
        let dir = made(size, clean);
        let before = contents(dir.path());
        let examined = examine(dir.path()).unwrap().unwrap();
        assert_eq!((&examined.damages[..], &examined.left_out[..]), (&[][..], &[][..]), "{size} {clean}");
        assert!(!examined.running);
        let store = examined.store.unwrap();
        assert_eq!(store.load().unwrap().unwrap().head, head(size));
        assert_eq!(store.signed().unwrap(), Some(head(size)));
        assert!(store.commit(Some(size), batch(size, size + 1)).is_err());
        assert!(contents(dir.path()) == before, "{size} {clean}");
    }
    assert!(examine(tempfile::tempdir().unwrap().path()).unwrap().is_none());
}

#[test]
fn a_running_store_is_examined_but_for_its_databases() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 3000, 100);
    let examined = examine(dir.path()).unwrap().unwrap();
    assert!(examined.running && examined.damages.is_empty(), "{:?}", examined.damages);
    assert_eq!(examined.left_out.len(), 1, "{:?}", examined.left_out);
    assert_eq!(examined.store.unwrap().load().unwrap().unwrap().head, head(3000));
    assert!(matches!(salvage(dir.path()), Err(StoreError::InUse)));
}

#[test]
fn a_copy_that_went_back_in_time_is_told_from_one_that_is_a_commit_behind() {
    let dir = made(700, true);
    let old = tempfile::tempdir().unwrap();
    crate::opening::copy(dir.path(), old.path());
    let store = open(dir.path()).unwrap();
    grow(&store, Some(700), 3000, 100);
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("live")).unwrap();
    crate::opening::copy(&old.path().join("live"), &dir.path().join("live"));
    let examined = examine(dir.path()).unwrap().unwrap();
    assert_eq!(examined.damages.len(), 1, "{:?}", examined.damages);
    assert_eq!(examined.damages[0].place.file, "live/db");
    assert!(examined.damages[0].message.contains("700 entries"), "{:?}", examined.damages);
}

#[test]
fn a_backup_of_a_store_that_is_written_to_opens_whole_and_covers_what_was_committed_before() {
    let dir = tempfile::tempdir().unwrap();
    let to = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 10, 10);
    let committed = AtomicU64::new(10);
    let is_done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut size = 10;
            while !is_done.load(Ordering::Relaxed) {
                let next = size + 1 + size % 333;
                store.commit(Some(size), batch(size, next)).unwrap();
                store.note_signed(head(next)).unwrap();
                size = next;
                committed.store(size, Ordering::Relaxed);
            }
        });
        for round in 0..6 {
            std::thread::sleep(std::time::Duration::from_millis(200));
            let before = committed.load(Ordering::Relaxed);
            let taken = backup(dir.path(), to.path(), round > 0, &mut |_, _| ()).unwrap();
            assert!(taken.head.size.get() >= before, "{taken:?} covers {before}");
            let examined = examine(to.path()).unwrap().unwrap();
            assert!(examined.damages.is_empty() && examined.left_out.is_empty(), "{examined:?}");
            let opened = tempfile::tempdir().unwrap();
            crate::opening::copy(to.path(), opened.path());
            check_whole(opened.path(), taken.head.size.get(), "a backup");
            // What a log was started from is no backup any more.
            let again = backup(dir.path(), opened.path(), true, &mut |_, _| ());
            assert!(matches!(again, Err(StoreError::Foreign(_))), "{again:?}");
        }
        is_done.store(true, Ordering::Relaxed);
    });
    let again = backup(dir.path(), to.path(), false, &mut |_, _| ());
    assert!(matches!(again, Err(StoreError::Foreign(_))), "{again:?}");
}

#[test]
fn a_damaged_bundle_ends_a_backup_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    // Long enough for the ledger to be cut down, so that segments are what is left of the beginning.
    grow(&store, None, 700_000, 20_000);
    store.close().unwrap();
    drop(store);
    assert!(!dir.path().join("ledger/00000001").exists(), "the ledger was never cut down");
    let data = dir.path().join("sealed/bundles/000000.data");
    let mut bytes = fs::read(&data).unwrap();
    bytes[20_000] ^= 1;
    fs::write(&data, bytes).unwrap();
    let to = tempfile::tempdir().unwrap();
    let error = backup(dir.path(), to.path(), false, &mut |_, _| ()).unwrap_err().to_string();
    assert!(error.contains("sealed/bundles/000000.data bytes 14336-28671"), "{error}");
}

#[test]
fn what_is_left_is_read_around_damage() {
    let dir = made(3000, false);
    fs::remove_dir_all(dir.path().join("live")).unwrap();
    let ledger = dir.path().join("ledger/00000001");
    let mut bytes = fs::read(&ledger).unwrap();
    bytes[100_000] ^= 1;
    fs::write(&ledger, bytes).unwrap();
    let left = salvage(dir.path()).unwrap();
    assert_eq!(left.signed, Some(head(3000)));
    assert!(left.committed.contains(&head(3000)), "a record behind the damage is read");
    assert_eq!(left.damages.len(), 1, "{:?}", left.damages);
    assert!(left.damages[0].contains("ledger/00000001 bytes"), "{:?}", left.damages);
    let lost = (0..3000).filter(|index| left.entries(*index).is_empty()).count();
    assert_eq!(lost, 700, "the entries of one commit");
}
