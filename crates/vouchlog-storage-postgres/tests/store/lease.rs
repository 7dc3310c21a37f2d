//! The lease: who leads, who waits, and when a process may sign.

use std::thread;
use std::time::{Duration, Instant};

use vouchlog_storage::{CommitError, Store, StoreError, Tenure};
use vouchlog_storage_postgres::{Database, LEASE_TTL, Leader, Location, Options, RENEW_EVERY, Takeover};

use crate::cluster::Place;
use crate::synthetic::{batch, check};

/// Opens like a standby: a leader at work stays.
fn waiting(place: &Place) -> Options {
    let mut options = place.options();
    options.takeover = Takeover::WhenFree;
    options
}

fn leader(place: &Place) -> Leader {
    let database = Database::new(Location::parse(&place.url()).unwrap()).unwrap();
    Leader::look(&database, Some(&place.origin)).unwrap().unwrap()
}

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: it never happened");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_second_process_waits_until_the_first_gives_up() {
    let Some(place) = Place::new() else { return };
    let mut options = waiting(&place);
    options.address = "first.example.com".into();
    let first = place.open_with(&place.url(), options).unwrap();
    first.commit(None, batch(0, 300)).unwrap();
    assert_eq!(first.tenure(), Tenure::Held);
    let refused = place.open_with(&place.url(), waiting(&place));
    assert!(matches!(refused, Err(StoreError::Leased(_))), "{refused:?}");
    // Longer than the lease lasts without renewal.
    thread::sleep(LEASE_TTL + Duration::from_millis(500));
    wait_until("it is renewed", || first.tenure() == Tenure::Held);
    let seen = leader(&place);
    assert!(seen.is_held && seen.address == "first.example.com" && seen.size == 300, "{seen:?}");
    first.close().unwrap();
    let seen = leader(&place);
    assert!(!seen.is_held && seen.renewed.is_none(), "{seen:?}");
    let second = place.open_with(&place.url(), waiting(&place)).unwrap();
    assert_eq!(check(&second), Some(300));
    assert!(leader(&place).epoch > seen.epoch);
}

/// A process that ended without a word holds its lease for as long as it lasts, and no longer.
#[test]
fn a_lease_that_is_not_renewed_runs_out() {
    let Some(place) = Place::new() else { return };
    let first = place.open_with(&place.url(), waiting(&place)).unwrap();
    first.commit(None, batch(0, 300)).unwrap();
    drop(first);
    let refused = place.open_with(&place.url(), waiting(&place));
    assert!(matches!(refused, Err(StoreError::Leased(_))), "{refused:?}");
    let mut opened = None;
    wait_until("the lease runs out", || {
        opened = place.open_with(&place.url(), waiting(&place)).ok();
        opened.is_some()
    });
    assert_eq!(check(&opened.unwrap()), Some(300));
}

#[test]
fn a_deposed_leader_neither_commits_nor_signs_nor_seals() {
    let Some(place) = Place::new() else { return };
    let first = place.open();
    first.commit(None, batch(0, 300)).unwrap();
    let second = place.open();
    let outcome = first.commit(Some(300), batch(300, 400));
    assert!(matches!(outcome, Err(CommitError::Fenced(_))), "{outcome:?}");
    assert!(matches!(first.tenure(), Tenure::Lost(_)), "{:?}", first.tenure());
    assert!(first.impediment().is_some());
    let outcome = first.commit(Some(300), batch(300, 400));
    assert!(matches!(outcome, Err(CommitError::Fenced(_) | CommitError::Refused(_))), "{outcome:?}");
    assert_eq!(check(&second), Some(300));
    second.commit(Some(300), batch(300, 600)).unwrap();
    first.close().unwrap();
    assert_eq!(second.tenure(), Tenure::Held, "what the first one leaves behind does not touch the second");
    second.commit(Some(600), batch(600, 601)).unwrap();
}

/// A deposed leader that commits nothing learns from its next renewal that it must not sign.
#[test]
fn an_idle_leader_that_was_deposed_notices() {
    let Some(place) = Place::new() else { return };
    let first = place.open();
    first.commit(None, batch(0, 300)).unwrap();
    let _second = place.open();
    wait_until("the first one notices", || matches!(first.tenure(), Tenure::Lost(_)));
}

/// A renewal may reach the database after the word that gives the lease up, when a process ends.
/// The row of the lease can name a process that was deposed, after an edit by hand: it has an older log in memory. Requests that do not fit to
/// that log make no commit, so it must not take one for the process to notice.
#[test]
fn an_idle_leader_that_holds_the_lease_notices_that_the_log_was_claimed() {
    let Some(place) = Place::new() else { return };
    let first = place.open();
    first.commit(None, batch(0, 300)).unwrap();
    // Its own claims, which raise the epoch as well, depose nobody.
    place.server.sql(&format!("SELECT pg_terminate_backend({})", place.commit_pid()));
    let epoch = leader(&place).epoch;
    first.commit(Some(300), batch(300, 400)).unwrap();
    assert!(leader(&place).epoch > epoch);
    thread::sleep(3 * RENEW_EVERY);
    wait_until("it is renewed", || first.tenure() == Tenure::Held);
    place.server.sql(&format!("UPDATE vouchlog_head SET epoch = epoch + 1 WHERE log = {}", place.log()));
    wait_until("it is deposed", || matches!(first.tenure(), Tenure::Lost(_)));
}

#[test]
fn a_lease_that_was_given_up_is_not_renewed() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    let log = place.log();
    place.server.sql(&format!("UPDATE vouchlog_lease SET renewed = NULL WHERE log = {log}"));
    wait_until("its holder notices", || matches!(store.tenure(), Tenure::Lost(_)));
    let given_up =
        format!("SELECT count(*)::bigint FROM vouchlog_lease WHERE log = {log} AND renewed IS NULL");
    assert_eq!(place.server.number(&given_up), Some(1));
}

/// Renewals that do not get through end the tenure before the lease itself runs out; when they do again, it is held again.
#[test]
fn a_tenure_lapses_without_renewal_and_comes_back() {
    let Some(place) = Place::new() else { return };
    let proxy = crate::proxy::Proxy::start(place.server.port);
    let store = place.open_with(&proxy.url(), place.options()).unwrap();
    proxy.arm(crate::proxy::Cut::All);
    let pids = "SELECT count(pg_terminate_backend(pid))::bigint FROM pg_stat_activity WHERE client_port IS NOT NULL
                AND query LIKE '%vouchlog_lease SET renewed%' AND pid <> pg_backend_pid() AND application_name = 'vouchlog'";
    wait_until("it lapses", || {
        place.server.number(pids);
        matches!(store.tenure(), Tenure::Lapsed(_))
    });
    proxy.arm(crate::proxy::Cut::None);
    wait_until("it is renewed", || store.tenure() == Tenure::Held);
}

#[test]
fn a_leader_is_asked_to_hand_over() {
    let Some(place) = Place::new() else { return };
    let database = Database::new(Location::parse(&place.url()).unwrap()).unwrap();
    let missing = Leader::ask_to_resign(&database, Some("example.com/missing"));
    assert!(matches!(missing, Err(StoreError::Foreign(_))), "{missing:?}");
    let store = place.open();
    let asked = store.living().lease().resign_requested();
    assert!(Leader::ask_to_resign(&database, Some(&place.origin)).unwrap().is_some());
    crate::cluster::block_on(async {
        tokio::time::timeout(Duration::from_secs(60), asked).await.expect("the leader is told");
    });
    store.close().unwrap();
    assert_eq!(Leader::ask_to_resign(&database, Some(&place.origin)).unwrap(), None, "no process leads it");
}
