//! Entries that a log gives up in a bucket: the notice and the record come first, and nothing but what the record names is deleted, through
//! faults and restarts, and by whichever process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use vouchlog_api::PrunedNotice;
use vouchlog_merkle::{LeafIndex, TileId};
use vouchlog_storage::{Pruned, Sealed, Store, StoreError, conformance};
use vouchlog_storage_object::{Bucket, Committed, Content, ObjectSealed, pruned};

use crate::faulty::{Fault, Faulty};
use crate::pair::{self, Place, open, over, s3};
use crate::synthetic::{ORIGIN, batch, check, growth};

#[test]
fn sled_and_a_bucket_in_memory_pass_the_suite() {
    conformance::check_pruning(|| {
        let (dir, memory) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
        move || open(dir.path(), &over(memory.clone())).unwrap()
    });
}

#[test]
fn sled_and_a_folder_pass_the_suite() {
    conformance::check_pruning(|| {
        let (dir, objects) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        move || open(dir.path(), &pair::folder(objects.path())).unwrap()
    });
}

#[test]
fn sled_and_an_s3_server_pass_the_suite() {
    let Some(server) = s3() else { return };
    conformance::check_pruning(|| {
        let (dir, bucket) = (tempfile::tempdir().unwrap(), Place::new(&server).bucket());
        move || open(dir.path(), &bucket).unwrap()
    });
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

fn names(objects: &InMemory) -> Vec<String> {
    block_on(async {
        let mut names: Vec<String> =
            objects.list(None).map(|it| it.unwrap().location.to_string()).collect().await;
        names.sort();
        names
    })
}

/// The sealed part of a log of so many entries.
fn sealed(bucket: &Bucket, size: u64) -> ObjectSealed {
    ObjectSealed::open_for_reading(bucket.clone(), ORIGIN, Committed { size, sealed: size & !255 }).unwrap()
}

/// Puts the sealed part of a log of so many entries into a bucket.
fn filled(bucket: &Bucket, size: u64) -> ObjectSealed {
    let sealed = sealed(bucket, 0);
    let growth = growth(0, size & !255);
    sealed.put(&growth.tiles, &growth.bundles).unwrap();
    sealed
}

fn remove_all(sealed: &impl Sealed) -> Vec<u64> {
    let step = || Some(sealed.remove_pruned().unwrap()).filter(|count| *count > 0);
    std::iter::from_fn(step).collect()
}

/// The bundles that are there, whole or in part.
fn bundles(objects: &InMemory) -> Vec<String> {
    let names = names(objects).into_iter();
    names.filter_map(|name| name.strip_prefix("tile/entries/").map(str::to_owned)).collect()
}

#[test]
fn what_is_deleted_is_what_the_record_names_and_it_comes_before() {
    let memory = Arc::new(InMemory::new());
    let bucket = over(memory.clone());
    let sealed = filled(&bucket, 10 * 256);
    // Left behind by processes that were killed: of a bundle that goes, of one that stays, and hashes, which stay.
    for left in ["tile/entries/003.p/17", "tile/entries/003.p/200", "tile/entries/002.p/9", "tile/0/003.p/17"]
    {
        block_on(bucket.create(left, &Bytes::from_static(b"partial"), Content::Tile)).unwrap();
    }
    let before = names(&memory);
    let given_up = Pruned::new(5 * 256, 2_500, vec![0, 2]);
    sealed.prune(&given_up).unwrap();
    let mut recorded = before.clone();
    recorded.extend(["pruned".to_owned(), "pruned-bundles".to_owned()]);
    recorded.sort();
    assert_eq!(names(&memory), recorded, "the record removes nothing");
    let notice = block_on(bucket.get("pruned", PrunedNotice::MAX_BYTES)).unwrap().unwrap();
    let expected = PrunedNotice { minimum: 5 * 256, announced: LeafIndex::new(2_500) };
    assert_eq!(PrunedNotice::parse(&notice.bytes), Ok(expected));
    assert_eq!(block_on(pruned(&bucket)).unwrap().as_deref(), Some(&given_up));

    assert_eq!(remove_all(&sealed), [3]);
    assert_eq!(bundles(&memory), ["000", "002", "002.p/9", "005", "006", "007", "008", "009"]);
    let gone = ["001", "003", "003.p/17", "003.p/200", "004"].map(|name| format!("tile/entries/{name}"));
    recorded.retain(|name| !gone.contains(name));
    assert_eq!(names(&memory), recorded, "nothing else is deleted");
}

/// One folder of the layout at a time. A process that was killed repeats one at most.
#[test]
fn a_long_log_is_pruned_folder_by_folder() {
    let memory = Arc::new(InMemory::new());
    let bucket = over(memory.clone());
    let size = 2_010 * 256;
    let first = filled(&bucket, size);
    let given_up = Pruned::new(2_005 * 256, size - 1, vec![0, 1_500]);
    first.prune(&given_up).unwrap();
    assert_eq!(first.remove_pruned(), Ok(999));
    drop(first);
    let second = sealed(&bucket, size);
    assert_eq!(remove_all(&second), [999, 5]);
    assert_eq!(
        bundles(&memory),
        ["000", "x001/500", "x002/005", "x002/006", "x002/007", "x002/008", "x002/009"]
    );
    for index in [1, 999, 1_000, 1_999, 2_004] {
        assert_eq!(second.bundle(index), Err(StoreError::Pruned(2_005 * 256)));
        second.tile(TileId { level: 0, index }).unwrap();
    }
    second.tile(TileId { level: 1, index: 3 }).unwrap();
}

/// The same plan twice is one; another one, which would bring bundles back, is refused whichever process asks.
#[test]
fn of_two_processes_both_do_what_the_first_record_names() {
    let memory = Arc::new(InMemory::new());
    let bucket = over(memory.clone());
    let size = 10 * 256;
    let first = filled(&bucket, size);
    let second = sealed(&bucket, size);
    let given_up = Pruned::new(5 * 256, 2_500, vec![0, 2]);
    first.prune(&given_up).unwrap();
    second.prune(&given_up).unwrap();
    assert!(second.prune(&Pruned::new(5 * 256, 2_500, vec![0, 1, 2])).is_err());
    assert_eq!(second.remove_pruned(), Ok(3));
    // The first one's record is older than the bucket's by now.
    assert_eq!(remove_all(&first), [3]);
    let more = Pruned::new(8 * 256, 2_550, vec![0]);
    second.prune(&more).unwrap();
    assert_eq!(
        first.remove_pruned(),
        Ok(0),
        "it knows nothing of the second record, and deletes nothing by it"
    );
    assert_eq!(remove_all(&second), [7]);
    assert_eq!(bundles(&memory), ["000", "008", "009"]);
    // A reader that looked before learns it when it meets a gap.
    assert_eq!(first.bundle(6), Err(StoreError::Pruned(8 * 256)));
    assert_eq!(first.reread_pruned().unwrap().as_deref(), Some(&more));
}

#[test]
fn a_bucket_that_fails_delays_and_loses_nothing_that_stays() {
    let faulty = Faulty::new(|_, _| None);
    let bucket = over(faulty.clone());
    let size = 40 * 256;
    let sealed = filled(&bucket, size);
    faulty.plan(|number, _| match number % 5 {
        0 => Some(Fault::Busy),
        2 => Some(Fault::LostAnswer),
        _ => None,
    });
    let given_up = Pruned::new(35 * 256, size - 1, vec![0, 7]);
    sealed.prune(&given_up).unwrap();
    assert_eq!(remove_all(&sealed), [33]);
    faulty.plan(|_, _| None);
    assert_eq!(bundles(&faulty.objects()), ["000", "007", "035", "036", "037", "038", "039"]);
}

/// Deleting ends in the middle, with credentials that may delete no more; the next process goes on.
#[test]
fn what_was_not_deleted_is_deleted_by_the_next_process() {
    let faulty = Faulty::new(|_, _| None);
    let bucket = over(faulty.clone());
    let size = 40 * 256;
    let sealed = filled(&bucket, size);
    sealed.prune(&Pruned::new(35 * 256, size - 1, vec![0])).unwrap();
    faulty.plan(|number, _| (number > 10).then_some(Fault::Forbidden));
    let failed = sealed.remove_pruned();
    assert!(matches!(&failed, Err(StoreError::ObjectStore(reason)) if reason.contains("403")), "{failed:?}");
    assert_eq!(sealed.bundle(30), Err(StoreError::Pruned(35 * 256)), "it is given up, wherever it lies");
    faulty.plan(|_, _| None);
    let left = bundles(&faulty.objects()).len();
    assert!((7..40).contains(&left), "{left}");
    drop(sealed);
    let next = self::sealed(&bucket, size);
    assert_eq!(remove_all(&next), [34]);
    assert_eq!(bundles(&faulty.objects()).len(), 6);
}

/// Two processes write the record at once: the first one decides, and the second one learns of it.
#[test]
fn a_record_is_never_overwritten_unread() {
    let faulty = Faulty::new(|_, _| None);
    let bucket = over(faulty.clone());
    let size = 10 * 256;
    let (first, second) = (filled(&bucket, size), sealed(&bucket, size));
    let theirs = Pruned::new(5 * 256, 2_500, vec![0]);
    // Just before the first process writes its record, another process has written one.
    let (written, once) = (Arc::new(AtomicBool::new(false)), theirs.clone());
    let (second, flag) = (Arc::new(second), written.clone());
    let meddler = second.clone();
    let objects = faulty.objects();
    faulty.plan(move |_, _| {
        let has_notice = block_in_thread({
            let objects = objects.clone();
            move || block_on(async move { objects.head(&"pruned".into()).await.is_ok() })
        });
        if has_notice && !flag.swap(true, Ordering::SeqCst) {
            let (meddler, theirs) = (meddler.clone(), once.clone());
            block_in_thread(move || meddler.prune(&theirs).unwrap());
        }
        None
    });
    let ours = Pruned::new(5 * 256, 2_500, vec![0, 1]);
    let refused = first.prune(&ours);
    assert!(written.load(Ordering::SeqCst) && refused.is_err(), "{refused:?}");
    assert_eq!(block_on(pruned(&bucket)).unwrap().as_deref(), Some(&theirs));
}

fn block_in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().unwrap()
}

#[test]
fn readers_of_the_bucket_see_an_entry_once_its_checkpoint_covers_it() {
    let memory = Arc::new(InMemory::new());
    let bucket = over(memory);
    let sealed = filled(&bucket, 10 * 256);
    assert_eq!(sealed.shows(0), Ok(false), "there is no checkpoint");
    let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let note = format!("{ORIGIN}\n2500\n{root}\n\n\u{2014} {ORIGIN} AAAAAAAAAAAA\n");
    block_on(bucket.create("checkpoint", &note.into(), Content::Checkpoint)).unwrap();
    assert_eq!((sealed.shows(2_499), sealed.shows(2_500)), (Ok(true), Ok(false)));
}

#[test]
fn what_is_lost_without_a_record_is_damage() {
    let memory = Arc::new(InMemory::new());
    let bucket = over(memory.clone());
    let size = 10 * 256;
    let sealed = filled(&bucket, size);
    sealed.prune(&Pruned::new(5 * 256, 2_500, vec![0, 2])).unwrap();
    assert_eq!(remove_all(&sealed), [3]);
    for bundle in [0, 2, 5] {
        block_on(bucket.delete(&format!("tile/entries/{bundle:03}"))).unwrap();
        let read = self::sealed(&bucket, size).bundle(bundle);
        assert!(matches!(read, Err(StoreError::Damaged(_))), "bundle {bundle}: {read:?}");
    }
    // A record that cannot be read is no record that nothing was given up.
    block_on(memory.put(&"pruned-bundles".into(), "removed 7\n".into())).unwrap();
    let opened = ObjectSealed::open_for_reading(bucket, ORIGIN, Committed { size, sealed: size });
    assert!(matches!(opened, Err(StoreError::Damaged(_))), "{opened:?}");
}

/// The data directory was put back to a copy from before the announcement.
#[test]
fn a_log_older_than_what_it_gave_up_is_refused() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
    let bucket = over(memory);
    let store = open(dir.path(), &bucket).unwrap();
    store.commit(None, batch(0, 300)).unwrap();
    store.close().unwrap();
    drop(store);
    let later =
        ObjectSealed::open_for_moving(bucket.clone(), ORIGIN, Committed { size: 256, sealed: 256 }).unwrap();
    let growth = growth(256, 10 * 256);
    later.put(&growth.tiles, &growth.bundles).unwrap();
    later.prune(&Pruned::new(5 * 256, 2_500, vec![0])).unwrap();
    assert_eq!(remove_all(&later), [4]);
    let refused = open(dir.path(), &bucket);
    assert!(
        matches!(&refused, Err(StoreError::Damaged(reason)) if reason.contains("entry 2500 announces")),
        "{refused:?}"
    );
}

/// What was given up does not come back by a repair.
#[test]
fn a_repair_brings_nothing_back() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Arc::new(InMemory::new()));
    let bucket = over(memory.clone());
    let store = open(dir.path(), &bucket).unwrap();
    store.commit(None, batch(0, 10 * 256)).unwrap();
    store.close().unwrap();
    drop(store);
    let store = open(dir.path(), &bucket).unwrap();
    check(&store);
    let bytes = store.entry_bundle(3).unwrap().unwrap();
    store.prune(&Pruned::new(5 * 256, 2_500, vec![0])).unwrap();
    while store.remove_pruned().unwrap() > 0 {}
    let repaired = store.repair(vouchlog_storage::Part::Bundle(3), &bytes);
    assert_eq!(repaired, Err(StoreError::Pruned(5 * 256)));
    assert!(!bundles(&memory).contains(&"003".to_owned()));
}
