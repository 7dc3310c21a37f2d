//! Entries that a log gives up: the record comes first, is fenced as a commit is, and nothing but what it names is deleted.

use vouchlog_merkle::TileId;
use vouchlog_storage::{Pruned, Sealed, Store, StoreError, View, conformance};
use vouchlog_storage_postgres::{
    Database, Location, PostgresStore, PostgresView, find_log, open_sealed, pruned, read_log,
};

use crate::cluster::{self, Place};
use crate::synthetic::{batch, check};

#[test]
fn passes_the_suite_of_stores_that_give_up_entries() {
    let Some(server) = cluster::server() else { return };
    conformance::check_pruning(|| {
        let place = Place::in_server(&server);
        move || place.open()
    });
}

#[test]
fn passes_the_suite_of_stores_that_give_up_entries_over_segments() {
    let Some(server) = cluster::server() else { return };
    conformance::check_pruning(|| {
        let place = Place::in_server(&server);
        move || place.open_segments()
    });
}

fn database(place: &Place) -> Database {
    Database::new(Location::parse(&place.url()).unwrap()).unwrap()
}

/// A log of so many entries, everything full of it sealed.
fn grown(place: &Place, size: u64) -> PostgresStore {
    let store = place.open();
    store.commit(None, batch(0, size)).unwrap();
    store.close().unwrap();
    drop(store);
    let store = place.open();
    check(&store);
    store
}

fn bundles(place: &Place) -> i64 {
    let (log, sql) = (place.log(), "SELECT count(*) FROM vouchlog_sealed WHERE level = -1 AND log");
    place.server.number(&format!("{sql} = {log}")).unwrap()
}

fn remove_all(store: &impl Store) -> Vec<u64> {
    let step = || Some(store.remove_pruned().unwrap()).filter(|count| *count > 0);
    std::iter::from_fn(step).collect()
}

#[test]
fn rows_go_a_bounded_number_at_a_time_and_those_that_stay_are_whole() {
    let Some(place) = Place::new() else { return };
    // 700 bundles, of which every 7th below the 650th stays, and 270 together.
    let size = 700 * 256;
    let store = grown(&place, size);
    let kept: Vec<u64> = (0..650).filter(|bundle| bundle % 7 == 0 || (300..570).contains(bundle)).collect();
    let stays = kept.len();
    let given_up = Pruned::new(650 * 256, size - 1, kept);
    store.prune(&given_up).unwrap();
    assert_eq!(bundles(&place), 700, "the record removes nothing");
    let steps = remove_all(&store);
    assert!(steps.len() > 1 && steps.iter().all(|count| *count <= 256), "{steps:?}");
    assert_eq!(steps.iter().sum::<u64>(), 650 - stays as u64);
    assert_eq!(bundles(&place), 50 + i64::try_from(stays).unwrap());
    for bundle in 0..700 {
        assert!(store.tile(TileId { level: 0, index: bundle }).unwrap().is_some(), "the tile of {bundle}");
        let read = store.entry_bundle(bundle);
        match given_up.has_removed(bundle) {
            true => assert_eq!(read, Err(StoreError::Pruned(650 * 256)), "bundle {bundle}"),
            false => assert!(read.unwrap().is_some(), "bundle {bundle}"),
        }
    }
    assert!(remove_all(&store).is_empty());
}

/// A leader that was paused and fenced gives up nothing, and deletes nothing more.
#[test]
fn a_fenced_process_gives_up_nothing() {
    let Some(place) = Place::new() else { return };
    let first = grown(&place, 3_000);
    let second = place.open();
    let given_up = Pruned::new(1_024, 2_900, vec![0]);
    assert!(first.prune(&given_up).is_err());
    assert_eq!((second.sealed().reread_pruned().unwrap(), bundles(&place)), (None, 11));
    second.prune(&given_up).unwrap();
    // It knows what the newest record names by now, and still deletes nothing.
    assert_eq!(first.sealed().reread_pruned().unwrap().as_deref(), Some(&given_up));
    assert!(first.remove_pruned().is_err());
    assert_eq!(bundles(&place), 11);
    assert_eq!(remove_all(&second), [3]);
}

/// What a reader looked at before is not what counts.
#[test]
fn a_reader_beside_the_leader_learns_what_was_given_up() {
    let Some(place) = Place::new() else { return };
    let store = grown(&place, 3_000);
    let database = database(&place);
    let log = find_log(&database, Some(&place.origin)).unwrap().unwrap();
    let reader = open_sealed(&database, &log).unwrap();
    let view = PostgresView::open(&database, &place.origin).unwrap();
    assert_eq!((reader.pruned(), View::pruned(&view).unwrap()), (None, None));
    let given_up = Pruned::new(1_024, 2_900, vec![0]);
    store.prune(&given_up).unwrap();
    assert_eq!(View::pruned(&view).unwrap().as_deref(), Some(&given_up));
    assert_eq!(remove_all(&store), [3]);
    for bundle in 1..4 {
        assert_eq!(reader.bundle(bundle), Err(StoreError::Pruned(1_024)));
        assert_eq!(View::bundle(&view, bundle), Err(StoreError::Pruned(1_024)));
        reader.tile(TileId { level: 0, index: bundle }).unwrap();
    }
    for bundle in [0, 4] {
        reader.bundle(bundle).unwrap();
        View::bundle(&view, bundle).unwrap();
    }
    // It only reads.
    assert!(reader.prune(&given_up).is_err() && reader.remove_pruned().is_err());
    assert_eq!(pruned(&database, &place.origin).unwrap().as_deref(), Some(&given_up));
    let (loaded, _) = read_log(&database, &log).unwrap();
    assert_eq!(loaded.map(|loaded| loaded.head.size.get()), Some(3_000));
}

#[test]
fn what_is_lost_without_a_record_is_damage() {
    let Some(place) = Place::new() else { return };
    let store = grown(&place, 3_000);
    let log = place.log();
    let lose = |bundle: u64| {
        place.server.sql(&format!(
            "DELETE FROM vouchlog_sealed WHERE log = {log} AND level = -1 AND index = {bundle}"
        ));
    };
    lose(2);
    assert!(matches!(store.reread(vouchlog_storage::Part::Bundle(2)), Err(StoreError::Damaged(_))));
    store.prune(&Pruned::new(1_024, 2_900, vec![0])).unwrap();
    assert_eq!(remove_all(&store), [2]);
    for bundle in [0, 5] {
        lose(bundle);
        drop(place.open());
        let store = place.open();
        assert!(matches!(store.entry_bundle(bundle), Err(StoreError::Damaged(_))), "bundle {bundle}");
    }
}

#[test]
fn a_record_that_cannot_be_read_is_damage() {
    let Some(place) = Place::new() else { return };
    let store = grown(&place, 3_000);
    store.prune(&Pruned::new(1_024, 2_900, vec![0])).unwrap();
    drop(store);
    let log = place.log();
    place
        .server
        .sql(&format!("UPDATE vouchlog_log SET pruned = replace(pruned, '1024', '1280') WHERE log = {log}"));
    let opened = place.open_with(&place.url(), place.options());
    assert!(matches!(&opened, Err(StoreError::Damaged(reason)) if reason.contains("given up")), "{opened:?}");
}

/// A standby of this version reads the tables of an older leader, and looking at a log changes none.
#[test]
fn tables_of_the_version_before_are_read_as_they_are() {
    let Some(server) = cluster::Server::start(&[]).map(std::sync::Arc::new) else { return };
    let place = Place::in_server(&server);
    let store = grown(&place, 3_000);
    store.close().unwrap();
    drop(store);
    server.sql("ALTER TABLE vouchlog_log DROP COLUMN pruned; DELETE FROM vouchlog_store_migrations WHERE version = 4");
    let version = || server.number("SELECT max(version) FROM vouchlog_store_migrations").unwrap();
    let database = database(&place);
    let view = PostgresView::open(&database, &place.origin).unwrap();
    assert_eq!(View::pruned(&view).unwrap(), None);
    View::bundle(&view, 2).unwrap();
    let log = find_log(&database, Some(&place.origin)).unwrap().unwrap();
    assert!(read_log(&database, &log).unwrap().0.is_some());
    assert_eq!(pruned(&database, &place.origin).unwrap(), None);
    assert_eq!(version(), 3);
    let store = place.open();
    assert_eq!((version(), check(&store)), (4, Some(3_000)));
    store.prune(&Pruned::new(1_024, 2_900, vec![0])).unwrap();
}
