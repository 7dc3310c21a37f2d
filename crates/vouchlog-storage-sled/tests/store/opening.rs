//! Which directories open, and to whom.

use std::fs;
use std::process::Command;

use vouchlog_storage::{Store, StoreError};
use vouchlog_storage_sled::{Options, SledStore};

use crate::synthetic::{ORIGIN, check, grow, open};

/// Set for the child process of [`another_process_is_kept_out`].
const CHILD_DIR: &str = "VOUCHLOG_TEST_OPEN_DIR";

#[test]
fn the_stamp_says_whose_log_it_is_and_that_it_has_begun() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("made/on/the/way");
    assert_eq!(SledStore::origin(&data), Ok(None));
    let store = open(&data).unwrap();
    assert_eq!(SledStore::origin(&data), Ok(Some(ORIGIN.to_owned())));
    assert_eq!(
        fs::read_to_string(data.join("FORMAT")).unwrap(),
        "vouchlog store 2\norigin example.com/log\n"
    );
    grow(&store, None, 1, 1);
    let begun = "vouchlog store 2\norigin example.com/log\nbegun\n";
    assert_eq!(fs::read_to_string(data.join("FORMAT")).unwrap(), begun);
    assert_eq!(SledStore::origin(&data), Ok(Some(ORIGIN.to_owned())));
}

#[test]
fn foreign_and_incomplete_directories_are_refused() {
    type Change = fn(&std::path::Path);
    let cases: [(&str, Change, &str); 9] = [
        (
            "another version",
            |dir| write(dir, b"vouchlog store 5\norigin example.com/log\n"),
            "format `vouchlog store 5`",
        ),
        (
            "a move without its mark",
            |dir| write(dir, b"vouchlog store 4\norigin example.com/log\n"),
            "names no move",
        ),
        (
            "no object store",
            |dir| write(dir, b"vouchlog store 3\norigin example.com/log\n"),
            "does not name the object store",
        ),
        (
            "another log",
            |dir| write(dir, b"vouchlog store 2\norigin other\nbegun\n"),
            "belongs to the log `other`",
        ),
        ("another program", |dir| write(dir, b"\xff\x00"), "names the format"),
        ("an empty stamp", |dir| write(dir, b""), "names the format ``"),
        ("half a stamp", |dir| write(dir, b"vouchlog store 2\norigin exam"), "names no origin"),
        ("no stamp", |dir| fs::remove_file(dir.join("FORMAT")).unwrap(), "no FORMAT file"),
        (
            "neither copy",
            |dir| ["live", "ledger"].iter().for_each(|part| fs::remove_dir_all(dir.join(part)).unwrap()),
            "both copies",
        ),
    ];
    for (case, change, words) in cases {
        let dir = tempfile::tempdir().unwrap();
        grow(&open(dir.path()).unwrap(), None, 3, 1);
        change(dir.path());
        let error = open(dir.path()).err().unwrap_or_else(|| panic!("a directory with {case} opens"));
        assert!(error.to_string().contains(words), "{case}: {error}");
        assert!(matches!(error, StoreError::Foreign(_) | StoreError::Damaged(_)), "{case}: {error:?}");
    }
}

fn write(dir: &std::path::Path, stamp: &[u8]) {
    fs::write(dir.join("FORMAT"), stamp).unwrap();
}

#[test]
fn a_start_that_was_cut_short_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::rename(dir.path().join("FORMAT"), dir.path().join("FORMAT.new")).unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(store.load(), Ok(None));
    grow(&store, None, 5, 1);
}

#[test]
fn a_living_part_older_than_the_rest_is_made_again_or_refused() {
    // One copy, restored from a backup that was taken early, or begun again.
    for (part, size_then) in [("live", Some(300)), ("live", None), ("ledger", Some(300))] {
        let dir = tempfile::tempdir().unwrap();
        let backup = tempfile::tempdir().unwrap();
        grow(&open(dir.path()).unwrap(), None, 300, 300);
        match size_then {
            Some(_) => copy(&dir.path().join(part), backup.path()),
            None => {
                let new = tempfile::tempdir().unwrap();
                drop(open(new.path()).unwrap());
                copy(&new.path().join(part), backup.path());
            }
        }
        let store = open(dir.path()).unwrap();
        check(&store);
        grow(&store, Some(300), 600, 100);
        drop(store);
        fs::remove_dir_all(dir.path().join(part)).unwrap();
        copy(backup.path(), &dir.path().join(part));
        crate::synthetic::check_whole(dir.path(), 600, part);
    }

    // Both copies.
    let dir = tempfile::tempdir().unwrap();
    let backup = tempfile::tempdir().unwrap();
    grow(&open(dir.path()).unwrap(), None, 200, 200);
    copy(dir.path(), backup.path());
    let store = open(dir.path()).unwrap();
    check(&store);
    grow(&store, Some(200), 240, 10);
    store.note_signed(crate::synthetic::head(240)).unwrap();
    drop(store);
    for part in ["live", "ledger"] {
        fs::remove_dir_all(dir.path().join(part)).unwrap();
        copy(&backup.path().join(part), &dir.path().join(part));
    }
    let store = open(dir.path()).unwrap();
    // The engine refuses to sign for such a store.
    assert_eq!(store.signed(), Ok(Some(crate::synthetic::head(240))));
    assert_eq!(check(&store), 200);
    drop(store);

    let store = open(backup.path()).unwrap();
    check(&store);
    grow(&store, Some(200), 900, 100);
    store.close().unwrap();
    drop(store);
    for part in ["live", "ledger"] {
        fs::remove_dir_all(backup.path().join(part)).unwrap();
        copy(&dir.path().join(part), &backup.path().join(part));
    }
    let error = open(backup.path()).unwrap_err();
    assert_eq!(error, StoreError::Damaged("live/ and ledger/ are older than sealed/".into()));
}

/// Written by the version before the ledger.
#[test]
fn a_directory_without_a_ledger_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 600, 200);
    store.close().unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("ledger")).unwrap();
    fs::remove_file(dir.path().join("SIGNED")).unwrap();
    write(dir.path(), b"vouchlog store 1\norigin example.com/log\nbegun\n");
    crate::synthetic::check_whole(dir.path(), 600, "format 1");
    fs::remove_dir_all(dir.path().join("live")).unwrap();
    crate::synthetic::check_whole(dir.path(), 600, "its new ledger");
}

/// Copies a directory whose store is closed.
pub(crate) fn copy(from: &std::path::Path, to: &std::path::Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_same_process_is_kept_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    assert_eq!(open(dir.path()).err(), Some(StoreError::InUse));
    drop(store);
    open(dir.path()).unwrap();
}

#[test]
fn another_process_is_kept_out() {
    if let Some(dir) = std::env::var_os(CHILD_DIR) {
        let outcome = open(std::path::Path::new(&dir)).err();
        println!("outcome: {outcome:?}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    let child = || {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "opening::another_process_is_kept_out", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let refused = child();
    assert!(refused.contains("outcome: Some(InUse)"), "{refused}");
    drop(store);
    let opened = child();
    assert!(opened.contains("outcome: None"), "{opened}");
}

#[test]
fn a_full_disk_refuses_commits_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 600, 200);
    drop(store);
    let options = Options { min_free_bytes: u64::MAX, ..Options::default() };
    let store = SledStore::open(dir.path(), ORIGIN, options).unwrap();
    assert_eq!(check(&store), 600);
    let error = store.commit(Some(600), crate::synthetic::batch(600, 601)).unwrap_err();
    assert!(error.to_string().starts_with("nothing was committed: the disk is full"), "{error}");
    assert!(store.impediment().unwrap().starts_with("the disk is full"));
    assert_eq!(check(&store), 600);
}
