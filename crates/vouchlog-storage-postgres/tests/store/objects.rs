//! The pair of a living part in PostgreSQL and a sealed part in an object store.

use std::sync::atomic::{AtomicU64, Ordering};

use vouchlog_outbound::ConnectionSecurity;
use vouchlog_storage::{Pruned, Sealing, Store, StoreError, conformance};
use vouchlog_storage_object::{Bucket, Committed, ObjectSealed};
use vouchlog_storage_postgres::{Database, Location, PostgresLiving};

use crate::cluster::{self, Place};
use crate::crash::nothing_acknowledged_is_lost;
use crate::synthetic::{batch, check};

type Pair = Sealing<PostgresLiving, ObjectSealed>;

fn bucket_at(url: &str) -> Bucket {
    Bucket::open(&url.parse().unwrap(), &ConnectionSecurity::default()).unwrap()
}

/// The sealed part of the log `origin` in the object store at `url`.
pub(crate) fn sealed(
    url: &str,
    origin: &str,
    (size, sealed): (u64, u64),
) -> Result<ObjectSealed, StoreError> {
    ObjectSealed::open(bucket_at(url), origin, Committed { size, sealed })
}

fn open_over(place: &Place, bucket: &Bucket) -> Result<Pair, StoreError> {
    let database = Database::new(Location::parse(&place.url()).unwrap()).unwrap();
    let make = |size, sealed| ObjectSealed::open(bucket.clone(), &place.origin, Committed { size, sealed });
    vouchlog_storage_postgres::open_with(&database, &place.origin, place.options(), bucket.url(), make)
}

fn try_open(place: &Place, url: &str) -> Result<Pair, StoreError> {
    open_over(place, &bucket_at(url))
}

fn open(place: &Place, url: &str) -> Pair {
    try_open(place, url).unwrap()
}

/// A folder as an object store. Its URL.
fn folder(place: &Place) -> String {
    format!("file://{}", place.memory.path().join("objects").display())
}

/// A prefix of its own in the bucket of an S3 server, which must be there if `VOUCHLOG_S3` names it.
fn bucket() -> Option<String> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let Some(server) = std::env::var("VOUCHLOG_S3").ok().filter(|server| !server.is_empty()) else {
        eprintln!("NOT TESTED with an S3 server: set VOUCHLOG_S3 to a bucket of one, as `.ci/run` does");
        return None;
    };
    let time = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    Some(format!("{server}/pair-{}-{time}-{count}", std::process::id()))
}

#[test]
fn passes_the_suite_of_stores_over_a_folder() {
    let Some(server) = cluster::server() else { return };
    conformance::check_store(|| {
        let place = Place::in_server(&server);
        let url = folder(&place);
        move || open(&place, &url)
    });
}

#[test]
fn passes_the_suite_of_stores_over_an_s3_server() {
    let Some(server) = cluster::server() else { return };
    if bucket().is_none() {
        return;
    }
    conformance::check_store(|| {
        // One bucket for all openings: it is probed once, and a probe takes seconds.
        let (place, bucket) = (Place::in_server(&server), bucket_at(&bucket().unwrap()));
        move || open_over(&place, &bucket).unwrap()
    });
}

#[test]
fn passes_the_suite_of_stores_that_give_up_entries_over_a_folder() {
    let Some(server) = cluster::server() else { return };
    conformance::check_pruning(|| {
        let place = Place::in_server(&server);
        let url = folder(&place);
        move || open(&place, &url)
    });
}

#[test]
fn passes_the_suite_of_stores_that_give_up_entries_over_an_s3_server() {
    let Some(server) = cluster::server() else { return };
    if bucket().is_none() {
        return;
    }
    conformance::check_pruning(|| {
        let (place, bucket) = (Place::in_server(&server), bucket_at(&bucket().unwrap()));
        move || open_over(&place, &bucket).unwrap()
    });
}

/// A leader that was paused and fenced writes no record and deletes no object.
#[test]
fn a_fenced_process_gives_up_nothing() {
    let Some(place) = Place::new() else { return };
    let url = folder(&place);
    let first = open(&place, &url);
    first.commit(None, batch(0, 3_000)).unwrap();
    first.close().unwrap();
    drop(first);
    let first = open(&place, &url);
    assert_eq!(check(&first), Some(3_000));
    let second = open(&place, &url);
    let given_up = Pruned::new(1_024, 2_900, vec![0]);
    // It learns that it was fenced with its next renewal, if not before.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while first.tenure().obstacle().is_none() {
        assert!(std::time::Instant::now() < deadline, "it was never fenced");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(first.prune(&given_up).is_err());
    assert_eq!(second.pruned(), None);
    second.prune(&given_up).unwrap();
    assert!(first.remove_pruned().is_err());
    assert_eq!(second.remove_pruned(), Ok(3));
    assert_eq!(second.remove_pruned(), Ok(0));
}

#[test]
fn nothing_acknowledged_is_lost_with_a_folder() {
    let objects = tempfile::tempdir().unwrap();
    let url = format!("file://{}", objects.path().display());
    nothing_acknowledged_is_lost(&url, |place| open(place, &url));
}

#[test]
fn nothing_acknowledged_is_lost_with_an_s3_server() {
    let Some(url) = bucket() else { return };
    nothing_acknowledged_is_lost(&url, |place| open(place, &url));
}

/// A deposed leader may still be writing objects. They are those that the next one writes, so neither stops for the other.
#[test]
fn a_deposed_leader_writes_no_other_objects() {
    let Some(place) = Place::new() else { return };
    let url = folder(&place);
    let first = open(&place, &url);
    first.commit(None, batch(0, 3_000)).unwrap();
    let second = open(&place, &url);
    // What the first one has not sealed is in the tail, and sealed once more.
    assert_eq!(check(&second), Some(3_000));
    second.commit(Some(3_000), batch(3_000, 5_000)).unwrap();
    drop(first.close());
    second.close().unwrap();
    assert_eq!(second.sealed_size(), 5_000 & !255);
    drop((first, second));
    assert_eq!(check(&open(&place, &url)), Some(5_000));
}

#[test]
fn a_log_does_not_open_with_another_object_store_nor_without_its_own() {
    let Some(place) = Place::new() else { return };
    let url = folder(&place);
    let store = open(&place, &url);
    store.commit(None, batch(0, 700)).unwrap();
    store.close().unwrap();
    drop(store);
    let other = tempfile::tempdir().unwrap();
    let refused = try_open(&place, &format!("file://{}", other.path().display()));
    assert!(
        matches!(&refused, Err(StoreError::ForeignObjects(reason)) if reason.contains(&url)),
        "{refused:?}"
    );
    let refused = place.open_with(&place.url(), place.options());
    assert!(
        matches!(&refused, Err(StoreError::ForeignObjects(reason)) if reason.contains("not in the database")),
        "{refused:?}"
    );
    // The bucket is another log's.
    let another = Place::in_server(&place.server);
    let refused = try_open(&another, &url);
    assert!(matches!(&refused, Err(StoreError::ForeignObjects(_))), "{refused:?}");
    assert_eq!(check(&open(&place, &url)), Some(700));
}

/// The database was put back to an older state: its bucket shows that, whatever the nodes remember.
#[test]
fn a_database_older_than_its_bucket_is_refused() {
    let Some(place) = Place::new() else { return };
    let url = folder(&place);
    let store = open(&place, &url);
    store.commit(None, batch(0, 300)).unwrap();
    store.commit(Some(300), batch(300, 900)).unwrap();
    store.close().unwrap();
    drop(store);
    let log = place.log();
    let older = batch(0, 300);
    let root = older.head.root.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    place.server.sql(&format!(
        "UPDATE vouchlog_head SET size = 300, sealed = 256, root = '\\x{root}' WHERE log = {log}"
    ));
    let refused = try_open(&place, &url);
    assert!(
        matches!(&refused, Err(StoreError::Damaged(reason)) if reason.contains("older copy")),
        "{refused:?}"
    );
}
