//! A log that is written to while its bucket fails: nothing is lost, nothing is overwritten, and what was sealed is what was committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use vouchlog_merkle::TileId;
use vouchlog_storage::{CommitError, Part, Sealed, Store, StoreError};
use vouchlog_storage_object::{Committed, Content, ObjectSealed};
use vouchlog_storage_sled::SledStore;

use crate::faulty::{Fault, Faulty, Operation};
use crate::pair::{open, over};
use crate::synthetic::{ORIGIN, batch, check, check_reads, grow, growth};

fn wait_until(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "it never happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A number that follows from a seed and a place (splitmix64).
fn dice(seed: u64, at: u64) -> u64 {
    let mut mixed =
        seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(at.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// The objects of a log of that size, read one by one.
fn check_objects(objects: &Arc<InMemory>, size: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let read = |path: String| {
        let read = async { objects.get(&path.as_str().into()).await.unwrap().bytes().await.unwrap() };
        runtime.block_on(read)
    };
    let all = growth(0, size & !255);
    for (id, bytes) in all.tiles {
        assert!(read(id.path(256)) == bytes, "{id:?}");
    }
    for (bundle, bytes) in all.bundles {
        let path = id_path(bundle);
        assert!(read(path) == bytes, "bundle {bundle}");
    }
}

fn id_path(bundle: u64) -> String {
    vouchlog_merkle::TilePath::Entries { index: bundle, width: 256 }.to_string()
}

#[test]
fn a_storm_of_faults_loses_nothing() {
    let faults =
        [Fault::Busy, Fault::Busy, Fault::InProgress, Fault::LostAnswer, Fault::LostAnswer, Fault::CutShort];
    for seed in 0..8 {
        let (dir, store) = (tempfile::tempdir().unwrap(), Faulty::new(|_, _| None));
        let (mut size, bucket) = (None, over(store.clone()));
        for round in 0..4 {
            // Two of three requests fail.
            store.plan(move |request, _| {
                let number = dice(seed * 100 + round, request);
                let fault = usize::try_from(number % 9).unwrap();
                faults.get(fault).copied()
            });
            let log = loop {
                match open(dir.path(), &bucket) {
                    Ok(log) => break log,
                    // A probe may end without an outcome.
                    Err(StoreError::ObjectStore(_)) => {}
                    Err(error) => panic!("seed {seed}: {error}"),
                }
            };
            assert_eq!(check(&log), size.unwrap_or(0), "seed {seed}, round {round}");
            let next = size.unwrap_or(0) + 700 + dice(seed, round) % 1500;
            grow(&log, size, next, 300);
            size = Some(next);
            if round % 2 == 0 {
                log.close().unwrap();
            }
        }
        store.plan(|_, _| None);
        let log = open(dir.path(), &bucket).unwrap();
        assert_eq!(Some(check(&log)), size);
        log.close().unwrap();
        assert_eq!(log.sealed_size(), size.unwrap() & !255);
        check_objects(&store.objects(), size.unwrap());
    }
}

#[test]
fn a_bucket_that_is_away_stops_sealing_and_not_the_log() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Faulty::new(|_, _| None));
    let log = open(dir.path(), &over(store.clone())).unwrap();
    store.plan(|_, _| Some(Fault::Busy));
    grow(&log, None, 1000, 100);
    wait_until(|| log.impediment().is_some());
    let reason = log.impediment().unwrap();
    assert!(reason.contains("503") && reason.contains("memory:/tile/"), "{reason}");
    assert_eq!(log.sealed_size(), 0);
    check_reads(&log, 1000);
    grow(&log, Some(1000), 1500, 100);
    store.plan(|_, _| None);
    wait_until(|| log.sealed_size() == 1280 && log.impediment().is_none());
    check_reads(&log, 1500);
    // What is sealed is not in memory any more, so a bucket that is away is felt by readers; their wait is bounded.
    drop(log);
    let log = open(dir.path(), &over(store.clone())).unwrap();
    store.plan(|_, _| Some(Fault::Hang));
    assert!(matches!(log.tile(TileId { level: 0, index: 0 }), Err(StoreError::ObjectStore(_))));
    store.plan(|_, _| None);
    check(&log);
}

/// Another log's tile lies where this one seals. Nothing is overwritten, no commit is taken, and a restart changes nothing about that.
#[test]
fn another_history_in_the_bucket_stops_the_log() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Faulty::new(|_, _| None));
    let bucket = over(store.clone());
    let log = open(dir.path(), &bucket).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let foreign = Bytes::from(vec![7; 8192]);
    runtime.block_on(bucket.create("tile/0/001", &foreign, Content::Tile)).unwrap();
    grow(&log, None, 600, 100);
    wait_until(|| log.impediment().is_some());
    let refused = log.commit(Some(600), batch(600, 601)).unwrap_err();
    let CommitError::Refused(reason) = refused else { panic!("{refused}") };
    assert!(reason.contains("tile/0/001 holds other bytes"), "{reason}");
    drop(log);
    let log = open(dir.path(), &bucket).unwrap();
    assert_eq!(check(&log), 600);
    wait_until(|| log.impediment().is_some_and(|reason| reason.contains("other bytes")));
    assert_eq!(log.sealed_size(), 0);
    let found = runtime.block_on(bucket.get("tile/0/001", 10_000)).unwrap().unwrap();
    assert_eq!(found.bytes, foreign);
}

fn closed(size: u64) -> (tempfile::TempDir, Arc<Faulty>) {
    let (dir, store) = (tempfile::tempdir().unwrap(), Faulty::new(|_, _| None));
    let log = open(dir.path(), &over(store.clone())).unwrap();
    grow(&log, None, size, 500);
    log.close().unwrap();
    (dir, store)
}

/// Replaces an object as a failing store or an intruder would.
fn damage(store: &Faulty, path: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let (objects, path) = (store.objects(), object_store::path::Path::from(path));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut bytes = objects.get(&path).await.unwrap().bytes().await.unwrap().to_vec();
        change(&mut bytes);
        objects.put_opts(&path, bytes.into(), object_store::PutOptions::default()).await.unwrap();
    });
}

#[test]
fn damaged_objects_are_named_and_never_served() {
    let changes: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes[100] ^= 1,
        |bytes| bytes.truncate(100),
        |bytes| bytes.extend_from_slice(b"more"),
        |bytes| bytes.clear(),
    ];
    let size = 66_000;
    let (dir, store) = closed(size);
    let bucket = over(store.clone());
    let level_0 = TileId { level: 0, index: 3 };
    let level_1 = TileId { level: 1, index: 0 };
    let read = |log: &SledStore, path: &str| match path {
        "tile/entries/003" => log.entry_bundle(3).map(drop).and(log.tile(level_0).map(drop)),
        "tile/0/003" => log.tile(level_0).map(drop).and(log.entry_bundle(3).map(drop)),
        _ => log.tile(level_1).map(drop),
    };
    for path in ["tile/entries/003", "tile/0/003", "tile/1/000"] {
        for change in changes {
            let mut whole = Vec::new();
            damage(&store, path, |bytes| {
                whole.clone_from(bytes);
                change(bytes);
            });
            let log = open(dir.path(), &bucket).unwrap();
            let error = read(&log, path).unwrap_err();
            assert!(matches!(&error, StoreError::Damaged(_)), "{path}: {error}");
            assert!(error.to_string().contains(path), "{error}");
            let (part, whole) = match path {
                "tile/entries/003" => (Part::Bundle(3), Bytes::from(whole)),
                "tile/0/003" => (Part::Tile(level_0), Bytes::from(whole)),
                _ => (Part::Tile(level_1), Bytes::from(whole)),
            };
            log.repair(part, &whole).unwrap();
            read(&log, path).unwrap();
            assert_eq!(log.reread(part), Ok(whole), "a repair is in the bucket");
        }
    }
}

#[test]
fn a_flipped_bit_on_the_way_is_no_answer() {
    let (dir, store) = closed(3000);
    let log = open(dir.path(), &over(store.clone())).unwrap();
    store.plan(|_, operation| (operation == Operation::Read).then_some(Fault::Flipped));
    for bundle in 0..10 {
        assert!(matches!(log.entry_bundle(bundle), Err(StoreError::Damaged(_))));
        assert!(log.tile(TileId { level: 0, index: bundle }).is_err());
    }
    store.plan(|_, _| None);
    check_reads(&log, 3000);
}

#[test]
fn bundles_are_sealed_in_order_or_not_at_all() {
    let store = Faulty::new(|_, _| None);
    let sealed = ObjectSealed::open(over(store), ORIGIN, Committed { size: 0, sealed: 0 }).unwrap();
    let all = growth(0, 1024);
    let error = sealed.put(&all.tiles[1..2], &all.bundles[1..2]).unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    sealed.put(&all.tiles[..2], &all.bundles[..2]).unwrap();
    assert!(sealed.put(&all.tiles[..2], &all.bundles[..2]).is_err(), "what is sealed is behind us");
    sealed.put(&all.tiles[2..], &all.bundles[2..]).unwrap();
    assert_eq!(sealed.bundle(3).as_ref(), Ok(&all.bundles[3].1));
}

/// A reader on an async thread waits for the bucket; the other tasks of the runtime do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_bucket_holds_up_no_async_thread() {
    let (dir, store) = tokio::task::spawn_blocking(|| closed(600)).await.unwrap();
    let bucket = over(store.clone());
    let log =
        tokio::task::spawn_blocking(move || open(dir.path(), &bucket).map(|log| (log, dir))).await.unwrap();
    let (log, dir) = log.unwrap();
    // The bucket is away until another task has run, which takes the one worker.
    let is_back = Arc::new(AtomicBool::new(false));
    let back = is_back.clone();
    store.plan(move |_, _| (!back.load(Ordering::Relaxed)).then_some(Fault::Busy));
    let reading = tokio::spawn(async move {
        let outcome = log.entry_bundle(0);
        // As the engine does: stores are closed off the async threads.
        tokio::task::spawn_blocking(move || drop((log, dir))).await.unwrap();
        outcome
    });
    let other = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        is_back.store(true, Ordering::Relaxed);
    });
    assert!(reading.await.unwrap().is_ok(), "the other task did not run while one waited");
    other.await.unwrap();
}
