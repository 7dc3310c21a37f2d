//! What a store refuses to open, and what it leaves alone then.

use sqlx::{Connection as _, Executor as _, PgConnection};
use vouchlog_storage::{Store, StoreError};
use vouchlog_storage_postgres::{Database, Location, PostgresWitnessStore, Settings};

use crate::cluster::{Place, block_on};
use crate::synthetic::{batch, check, head};

/// An empty database of its own; its URL.
fn database(place: &Place, name: &str) -> String {
    place.server.sql(&format!("CREATE DATABASE {name}"));
    place.server.url(name)
}

fn run(url: &str, sql: &str) {
    block_on(async {
        let mut connection = PgConnection::connect(url).await.unwrap();
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))).await.unwrap();
    });
}

#[test]
fn an_empty_database_is_refused_unless_a_log_is_to_be_made() {
    let Some(place) = Place::new() else { return };
    let url = database(&place, "empty_one");
    let mut options = place.options();
    options.create = false;
    let refused = place.open_with(&url, options.clone());
    assert!(
        matches!(&refused, Err(StoreError::Foreign(reason)) if reason.contains("holds no log")),
        "{refused:?}"
    );
    let settings = Settings::read(&Database::new(Location::parse(&url).unwrap()).unwrap()).unwrap();
    assert_eq!(settings.tables, 0, "nothing was made");
    let store = place.open_with(&url, place.options()).unwrap();
    store.commit(None, batch(0, 300)).unwrap();
    drop(store);
    assert_eq!(check(&place.open_with(&url, options.clone()).unwrap()), Some(300));
    // Another log in the same database.
    let other = Place::in_server(&place.server);
    options.memory = Some(other.memory.path().into());
    let refused = other.open_with(&url, options);
    assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
    let witness =
        PostgresWitnessStore::open(Database::new(Location::parse(&url).unwrap()).unwrap(), "w", None);
    assert!(matches!(witness, Err(StoreError::Foreign(_))), "{witness:?}");
}

#[test]
fn logs_in_one_database_do_not_touch_each_other() {
    let Some(first) = Place::new() else { return };
    let second = Place::in_server(&first.server);
    let (a, b) = (first.open(), second.open());
    a.commit(None, batch(0, 300)).unwrap();
    b.commit(None, batch(0, 700)).unwrap();
    a.commit(Some(300), batch(300, 301)).unwrap();
    a.close().unwrap();
    b.close().unwrap();
    drop((a, b));
    assert_eq!((check(&first.open()), check(&second.open())), (Some(301), Some(700)));
}

#[test]
fn a_database_that_acknowledges_before_it_is_durable_is_refused() {
    let Some(place) = Place::new() else { return };
    let url = database(&place, "asynchronous");
    run(&url, "ALTER DATABASE asynchronous SET synchronous_commit = off");
    let refused = place.open_with(&url, place.options());
    assert!(
        matches!(&refused, Err(StoreError::Foreign(reason)) if reason.contains("synchronous_commit")),
        "{refused:?}"
    );
}

#[test]
fn tables_of_a_newer_version_are_refused() {
    let Some(place) = Place::new() else { return };
    let url = database(&place, "newer");
    drop(place.open_with(&url, place.options()).unwrap());
    run(
        &url,
        "INSERT INTO vouchlog_store_migrations (version, description, success, checksum, execution_time)
         VALUES (99, 'of the future', true, '', 0)",
    );
    let refused = place.open_with(&url, place.options());
    assert!(
        matches!(&refused, Err(StoreError::Foreign(reason)) if reason.contains("version 99")),
        "{refused:?}"
    );
}

/// What the node itself remembers survives a database that was lost or replaced.
#[test]
fn a_database_that_lost_what_this_node_signed_is_not_begun_again() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    store.commit(None, batch(0, 300)).unwrap();
    store.note_signed(head(300)).unwrap();
    drop(store);
    let url = database(&place, "replaced");
    let refused = place.open_with(&url, place.options());
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(place.open().signed(), Ok(Some(head(300))));
}

#[test]
fn a_log_does_not_open_with_another_sealed_part() {
    let Some(place) = Place::new() else { return };
    drop(place.open_segments());
    let refused = place.open_with(&place.url(), place.options());
    assert!(
        matches!(&refused, Err(StoreError::ForeignObjects(reason)) if reason.contains("segments")),
        "{refused:?}"
    );
}

#[test]
fn damage_in_the_database_is_reported() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    store.commit(None, batch(0, 700)).unwrap();
    store.close().unwrap();
    drop(store);
    let log = place.log();
    let spoil = "UPDATE vouchlog_sealed SET bytes = set_byte(bytes, 40, get_byte(bytes, 40) # 1)";
    place.server.sql(&format!("{spoil} WHERE log = {log} AND level = -1 AND index = 1"));
    let store = place.open();
    assert!(store.entry_bundle(0).is_ok());
    let damaged = store.entry_bundle(1);
    assert!(matches!(damaged, Err(StoreError::Damaged(_))), "{damaged:?}");
    let whole = batch(256, 512).growth.bundles[0].1.clone();
    store.repair(vouchlog_storage::Part::Bundle(1), &whole).unwrap();
    assert_eq!(store.entry_bundle(1), Ok(Some(whole)));
    drop(store);
    place.server.sql(&format!("DELETE FROM vouchlog_tail WHERE log = {log}"));
    let damaged = place.open_with(&place.url(), place.options());
    assert!(matches!(damaged, Err(StoreError::Damaged(_))), "{damaged:?}");
}
