//! Which data directory goes with which bucket.

use std::path::Path;
use std::sync::Arc;

use object_store::memory::InMemory;
use vouchlog_storage::{Store, StoreError};
use vouchlog_storage_object::{Bucket, Content};
use vouchlog_storage_sled::{Options, SledStore, backup, examine};

use crate::faulty::{Fault, Faulty};
use crate::pair::{QUICK, folder, open, open_as, over};
use crate::synthetic::{ORIGIN, check, grow};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn refused(outcome: Result<SledStore, StoreError>, words: &str) {
    let error = outcome.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(words), "{error} does not contain {words}");
}

#[test]
fn a_log_keeps_the_kind_of_its_sealed_part() {
    let (dir, other, objects) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bucket = folder(objects.path());
    let log = open(dir.path(), &bucket).unwrap();
    grow(&log, None, 300, 100);
    log.close().unwrap();
    drop(log);
    let plain = || SledStore::open(dir.path(), ORIGIN, Options::default());
    refused(plain(), bucket.url());
    refused(plain(), "--objects");
    assert_eq!(check(&open(dir.path(), &bucket).unwrap()), 300);

    let log = SledStore::open(other.path(), ORIGIN, Options::default()).unwrap();
    grow(&log, None, 300, 100);
    log.close().unwrap();
    drop(log);
    refused(open(other.path(), &over(Arc::new(InMemory::new()))), "in the data directory");
    SledStore::open(other.path(), ORIGIN, Options::default()).unwrap();
}

#[test]
fn two_logs_do_not_share_a_prefix() {
    let memory = Arc::new(InMemory::new());
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(one.path(), &over(memory.clone())).unwrap();
    grow(&log, None, 300, 100);
    log.close().unwrap();
    refused(open(other.path(), &over(memory.clone())), "holds a log already");
    refused(open_as(other.path(), "example.com/other", &over(memory)), "holds a log already");
}

#[test]
fn an_older_copy_of_the_data_directory_is_refused() {
    let memory = Arc::new(InMemory::new());
    let (dir, old) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bucket = over(memory);
    let log = open(dir.path(), &bucket).unwrap();
    grow(&log, None, 300, 100);
    log.close().unwrap();
    copy(dir.path(), old.path());
    drop(log);
    let log = open(dir.path(), &bucket).unwrap();
    assert_eq!(check(&log), 300);
    grow(&log, Some(300), 700, 100);
    log.close().unwrap();
    drop(log);
    refused(open(old.path(), &bucket), "older copy");
    assert_eq!(check(&open(dir.path(), &bucket).unwrap()), 700);
}

#[test]
fn a_bucket_without_what_was_sealed_is_refused_and_a_full_copy_is_accepted() {
    let (dir, objects, moved) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(dir.path(), &folder(objects.path())).unwrap();
    grow(&log, None, 700, 100);
    log.close().unwrap();
    drop(log);
    refused(open(dir.path(), &folder(moved.path())), "does file://");
    copy(objects.path(), moved.path());
    let log = open(dir.path(), &folder(moved.path())).unwrap();
    assert_eq!(check(&log), 700);
    drop(log);
    let format = std::fs::read_to_string(dir.path().join("FORMAT")).unwrap();
    assert!(format.contains(folder(moved.path()).url()), "{format}");
}

#[test]
fn a_bucket_that_ignores_conditions_is_refused_before_anything_is_written() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Faulty::new(|_, _| Some(Fault::Unconditional)));
    refused(open(dir.path(), &over(store.clone())), "does not keep the conditions");
    let away = Faulty::new(|_, _| Some(Fault::Busy));
    refused(open(dir.path(), &over(away)), "503");
    // The directory is still a new one, for any kind of sealed part.
    SledStore::open(dir.path(), ORIGIN, Options::default()).unwrap();
}

#[test]
fn a_checkpoint_of_another_log_or_of_more_entries_keeps_a_log_from_starting() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let note = |origin: &str, size: u64| {
        let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        bytes::Bytes::from(format!("{origin}\n{size}\n{root}\n\n\u{2014} {origin} AAAAAAAAAAAA\n"))
    };
    for (note, words) in [
        (note("example.com/other", 100), "give each log its own prefix"),
        (note(ORIGIN, 301), "older copy"),
        (bytes::Bytes::from_static(b"anything"), "not a checkpoint"),
    ] {
        let memory = Arc::new(InMemory::new());
        let (dir, bucket) = (tempfile::tempdir().unwrap(), Bucket::over(memory, "memory:", QUICK));
        let log = open(dir.path(), &bucket).unwrap();
        grow(&log, None, 300, 100);
        drop(log);
        runtime.block_on(bucket.create("checkpoint", &note, Content::Checkpoint)).unwrap();
        refused(open(dir.path(), &bucket), words);
    }
}

#[test]
fn a_backup_has_the_living_part_and_starts_with_the_bucket() {
    let (dir, to, objects) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bucket = folder(objects.path());
    let log = open(dir.path(), &bucket).unwrap();
    grow(&log, None, 900, 100);
    log.note_signed(crate::synthetic::head(900)).unwrap();
    let taken = backup(dir.path(), to.path(), false, &mut |_, _| ()).unwrap();
    assert_eq!(taken.head.size.get(), 900);
    log.close().unwrap();
    drop(log);
    for dir in [dir.path(), to.path()] {
        let examined = examine(dir).unwrap().unwrap();
        assert_eq!((&examined.damages[..], examined.store.is_none()), (&[][..], true), "{}", dir.display());
        assert_eq!(examined.objects.as_deref(), Some(bucket.url()));
        assert_eq!(examined.head.unwrap().size.get(), 900);
    }
    assert_eq!(check(&open(to.path(), &bucket).unwrap()), 900);
}
