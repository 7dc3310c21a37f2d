//! Lost requests and lost answers of commits.

use bytes::Bytes;
use vouchlog_storage::{Batch, CommitError, StateKey, Store};

use crate::cluster::Place;
use crate::proxy::{Cut, Proxy};
use crate::synthetic::{batch, check, head};

/// Whichever half of a commit is lost, it is made exactly once, and the log goes on.
#[test]
fn a_lost_request_and_a_lost_answer_are_settled() {
    let Some(place) = Place::new() else { return };
    let proxy = Proxy::start(place.server.port);
    let store = place.open_with(&proxy.url(), place.options()).unwrap();
    let mut size = 100;
    store.commit(None, batch(0, size)).unwrap();
    for round in 0..6 {
        proxy.arm(if round % 2 == 0 { Cut::Answer } else { Cut::Request });
        let new = size + 300;
        assert_eq!(store.commit(Some(size), batch(size, new)), Ok(()), "round {round}");
        assert_eq!(proxy_is_spent(&proxy), None, "the cut of round {round} took place");
        size = new;
        store.commit(Some(size), batch(size, size + 1)).unwrap();
        size += 1;
    }
    // Only states change: the head cannot show whether the commit was made.
    for cut in [Cut::Answer, Cut::Request] {
        proxy.arm(cut);
        store.commit(Some(size), stateful(size)).unwrap();
    }
    drop(store);
    let store = place.open();
    let loaded = store.load().unwrap().unwrap();
    assert_eq!(loaded.head, head(size));
    assert!(loaded.states.iter().any(|(key, _)| key.as_bytes() == b"only"), "the state was committed");
}

/// A batch without entries.
fn stateful(size: u64) -> Batch {
    let mut batch = batch(size, size);
    batch.states.push((StateKey::new(b"only".to_vec()), Bytes::from_static(b"state")));
    batch
}

/// What the proxy still waits for, if anything.
fn proxy_is_spent(proxy: &Proxy) -> Option<Cut> {
    Some(proxy.armed()).filter(|cut| *cut != Cut::None)
}

/// A commit whose outcome cannot be found out is reported as such, and the store writes nothing more.
#[test]
fn an_outcome_that_cannot_be_settled_is_unknown() {
    let Some(place) = Place::new() else { return };
    let proxy = Proxy::start(place.server.port);
    let store = place.open_with(&proxy.url(), place.options()).unwrap();
    store.commit(None, batch(0, 300)).unwrap();
    proxy.arm(Cut::AnswerAndAll);
    let outcome = store.commit(Some(300), batch(300, 400));
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert!(store.impediment().is_some());
    proxy.arm(Cut::None);
    let outcome = store.commit(Some(300), batch(300, 400));
    assert!(
        matches!(outcome, Err(CommitError::Refused(_))),
        "{outcome:?} of a store that does not know its head"
    );
    drop(store);
    // It was made: only its answer was lost.
    assert_eq!(check(&place.open()), Some(400));
}

/// While the server is away, nothing is committed, and the store goes on once it is back.
#[test]
fn a_server_that_is_away_before_a_commit_refuses_it() {
    let Some(place) = Place::new() else { return };
    let proxy = Proxy::start(place.server.port);
    let store = place.open_with(&proxy.url(), place.options()).unwrap();
    store.commit(None, batch(0, 300)).unwrap();
    // A statement that the server rejects closes the connection; the next commit finds no server.
    let log = place.log();
    let planted = format!(
        "ALTER TABLE vouchlog_tail ADD CONSTRAINT planted CHECK (log <> {log} OR first <> 300) NOT VALID"
    );
    place.server.sql(&planted);
    let refused = store.commit(Some(300), batch(300, 301));
    place.server.sql("ALTER TABLE vouchlog_tail DROP CONSTRAINT planted");
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    proxy.arm(Cut::All);
    let refused = store.commit(Some(300), batch(300, 301));
    assert!(matches!(refused, Err(CommitError::Refused(_))), "{refused:?}");
    proxy.arm(Cut::None);
    store.commit(Some(300), batch(300, 301)).unwrap();
    drop(store);
    assert_eq!(check(&place.open()), Some(301));
}
