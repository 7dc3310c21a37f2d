//! A directory from which a log is moved, and one to which it is moved.

use vouchlog_storage::{Move, MoveId, Residence, Store, StoreError};
use vouchlog_storage_sled::{Options, SledStore};

use crate::synthetic::{ORIGIN, check, grow, open};

fn of(id: u8, place: &str) -> Move {
    Move { id: MoveId::from_bytes([id; 16]), place: place.into() }
}

#[test]
fn a_log_that_left_does_not_open_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    grow(&store, None, 700, 100);
    store.leave(of(1, "postgres://db.example.com/logs")).unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(
        SledStore::residence(dir.path()),
        Ok(Some(Residence::Left(of(1, "postgres://db.example.com/logs"))))
    );
    for arriving in [None, Some(MoveId::from_bytes([1; 16]))] {
        let refused = SledStore::open(dir.path(), ORIGIN, Options { arriving, ..Options::default() });
        assert!(matches!(refused, Err(StoreError::Moved(_))), "{refused:?}");
    }
    let again = SledStore::prepare_arrival(dir.path(), ORIGIN, None, &of(2, "elsewhere"));
    assert!(matches!(again, Err(StoreError::Moved(_))), "{again:?}");
}

#[test]
fn a_log_that_arrives_opens_for_its_move_alone_until_it_has_settled() {
    let dir = tempfile::tempdir().unwrap();
    let known = SledStore::prepare_arrival(dir.path(), ORIGIN, None, &of(1, "there")).unwrap();
    assert_eq!(known, of(1, "there"));
    let arriving = Options { arriving: Some(known.id), ..Options::default() };
    for reached in [None, Some(300)] {
        let store = SledStore::open(dir.path(), ORIGIN, arriving).unwrap();
        if reached.is_some() {
            check(&store);
        }
        grow(&store, reached, reached.unwrap_or(0) + 300, 100);
        drop(store);
        let refused = open(dir.path());
        assert!(matches!(refused, Err(StoreError::Arriving(_))), "{refused:?}");
        // Another attempt goes on with the move that is known here.
        assert_eq!(SledStore::prepare_arrival(dir.path(), ORIGIN, None, &of(2, "there")), Ok(known.clone()));
    }
    let elsewhere = SledStore::prepare_arrival(dir.path(), ORIGIN, Some("s3://bucket"), &of(2, "there"));
    assert!(matches!(elsewhere, Err(StoreError::Foreign(_))), "{elsewhere:?}");
    let store = SledStore::open(dir.path(), ORIGIN, arriving).unwrap();
    check(&store);
    store.settle().unwrap();
    store.close().unwrap();
    drop(store);
    assert_eq!(check(&open(dir.path()).unwrap()), 600);
    let taken = SledStore::prepare_arrival(dir.path(), ORIGIN, None, &of(3, "there"));
    assert!(matches!(taken, Err(StoreError::Foreign(_))), "{taken:?}");
    let refused = SledStore::open(dir.path(), ORIGIN, arriving);
    assert!(matches!(refused, Err(StoreError::Foreign(_))), "{refused:?}");
}
