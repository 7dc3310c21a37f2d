//! A log that is moved from a database, and one that is moved to it.

use vouchlog_storage::{CommitError, Move, MoveId, Residence, Store, StoreError};
use vouchlog_storage_postgres::{Database, Location, Options, find_log, leave, prepare_arrival, settle};

use crate::cluster::Place;
use crate::synthetic::{batch, check};

fn of(id: u8, place: &str) -> Move {
    Move { id: MoveId::from_bytes([id; 16]), place: place.into() }
}

fn database(place: &Place) -> Database {
    Database::new(Location::parse(&place.url()).unwrap()).unwrap()
}

#[test]
fn a_log_that_left_is_claimed_by_no_process() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    store.commit(None, batch(0, 300)).unwrap();
    leave(&store, of(1, "./log")).unwrap();
    store.close().unwrap();
    drop(store);
    let found = find_log(&database(&place), Some(&place.origin)).unwrap().unwrap();
    assert_eq!((found.size, &found.residence), (300, &Residence::Left(of(1, "./log"))));
    for arriving in [None, Some(MoveId::from_bytes([1; 16]))] {
        let options = Options { arriving, ..place.options() };
        let refused = place.open_with(&place.url(), options);
        assert!(matches!(refused, Err(StoreError::Moved(_))), "{refused:?}");
    }
    let again = prepare_arrival(&database(&place), &place.origin, None, &of(2, "./log"));
    assert!(matches!(again, Err(StoreError::Moved(_))), "{again:?}");
}

/// Of two processes that claim the log, the later one goes on, and the earlier one is fenced.
#[test]
fn a_process_that_claimed_the_log_meanwhile_keeps_it() {
    let Some(place) = Place::new() else { return };
    let moving =
        place.open_with(&place.url(), Options { create: true, ..Options::for_moving(None) }).unwrap();
    moving.commit(None, batch(0, 300)).unwrap();
    let leader = place.open();
    let late = leave(&moving, of(1, "./log"));
    assert!(matches!(late, Err(StoreError::Leased(_))), "{late:?}");
    assert_eq!(check(&leader), Some(300));
    leader.commit(Some(300), batch(300, 301)).unwrap();
    // And the other way round: a leader of before the mark commits nothing after it.
    let moving = place.open_with(&place.url(), Options::for_moving(None)).unwrap();
    leave(&moving, of(1, "./log")).unwrap();
    let outcome = leader.commit(Some(301), batch(301, 302));
    assert!(matches!(outcome, Err(CommitError::Fenced(_))), "{outcome:?}");
}

#[test]
fn a_log_that_arrives_opens_for_its_move_alone_until_it_has_settled() {
    let Some(place) = Place::new() else { return };
    let database = database(&place);
    let known = prepare_arrival(&database, &place.origin, None, &of(1, "./log")).unwrap();
    assert_eq!(known, of(1, "./log"));
    let arriving = || place.open_with(&place.url(), Options::for_moving(Some(known.id)));
    let refused = place.open_with(&place.url(), place.options());
    assert!(matches!(refused, Err(StoreError::Arriving(_))), "{refused:?}");
    let store = arriving().unwrap();
    store.commit(None, batch(0, 700)).unwrap();
    drop(store);
    // Another attempt goes on with the move that is known here.
    assert_eq!(prepare_arrival(&database, &place.origin, None, &of(2, "./log")), Ok(known.clone()));
    let elsewhere = prepare_arrival(&database, &place.origin, Some("s3://bucket"), &of(2, "./log"));
    assert!(matches!(elsewhere, Err(StoreError::Foreign(_))), "{elsewhere:?}");
    let store = arriving().unwrap();
    assert_eq!(check(&store), Some(700));
    settle(&store, known.clone()).unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(check(&place.open()), Some(700));
    let refused = arriving();
    assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
    let taken = prepare_arrival(&database, &place.origin, None, &of(3, "./log"));
    assert!(matches!(taken, Err(StoreError::Foreign(_))), "{taken:?}");
}
