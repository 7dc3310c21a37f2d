//! Many writers, terminated and stopped backends, cancelled waits for a standby.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::{Connection as _, Executor as _, PgConnection};
use vouchlog_storage::{CommitError, Store};

use crate::cluster::{Place, Server, block_on, signal};
use crate::synthetic::{batch, check};

/// Eight processes' worth of writers claim the log twenty times each and commit until they are fenced: no commit is lost, doubled, or made
/// beside another one.
#[test]
fn racing_writers_make_one_history() {
    const WRITERS: usize = 8;
    const CLAIMS: usize = 20;
    let Some(place) = Place::new() else { return };
    place.open().commit(None, batch(0, 1)).unwrap();
    // Where each acknowledged commit led, by where it began.
    let acknowledged = Mutex::new(BTreeMap::<u64, u64>::new());
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (place, acknowledged) = (&place, &acknowledged);
            scope.spawn(move || {
                let mut options = place.options();
                options.memory = Some(place.memory.path().join(writer.to_string()));
                for _ in 0..CLAIMS {
                    // Others may fence it before it is open.
                    let Ok(store) = place.open_with(&place.url(), options.clone()) else { continue };
                    let Some(mut size) = restore(&store) else { continue };
                    for step in 1..20 {
                        match store.commit(Some(size), batch(size, size + step)) {
                            Ok(()) => {
                                let before = acknowledged.lock().insert(size, size + step);
                                assert_eq!(before, None, "two commits were acknowledged from size {size}");
                                size += step;
                            }
                            Err(
                                CommitError::Fenced(_) | CommitError::Moved { .. } | CommitError::Unknown(_),
                            ) => break,
                            Err(CommitError::Refused(_)) => {}
                        }
                    }
                }
            });
        }
    });
    let store = place.open();
    let size = check(&store).unwrap();
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged.len() > 50, "only {} commits were acknowledged", acknowledged.len());
    let mut end = 0;
    for (from, to) in acknowledged {
        assert!(from >= end, "the commit from {from} overlaps the one that led to {end}");
        end = to;
    }
    assert!(size >= end, "{end} entries were acknowledged, {size} are there");
}

/// What an engine does with a store it opened; the size. None if another writer was quicker.
fn restore(store: &impl Store) -> Option<u64> {
    let loaded = store.load().ok()??;
    let (sealed, size) = (loaded.sealed, loaded.head.size.get());
    store.restore(batch(sealed, size).growth).ok()?;
    Some(size)
}

/// Commit connections are terminated all the time: every commit is made, exactly once, and no restart is needed.
#[test]
fn terminated_connections_lose_nothing() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    store.commit(None, batch(0, 1)).unwrap();
    let done = AtomicBool::new(false);
    let size = thread::scope(|scope| {
        scope.spawn(|| {
            let terminate = format!(
                "SELECT count(pg_terminate_backend(commit_pid))::bigint FROM vouchlog_lease WHERE log = {}",
                place.log()
            );
            while !done.load(Ordering::Relaxed) {
                place.server.number(&terminate);
                thread::sleep(Duration::from_millis(7));
            }
        });
        let mut size = 1;
        for step in 0..400 {
            let new = size + step % 37;
            let mut tries = 0;
            // Terminated twice in a row, a commit is refused: it was certainly not made.
            while let Err(error) = store.commit(Some(size), batch(size, new)) {
                assert!(matches!(error, CommitError::Refused(_)), "{error}");
                tries += 1;
                assert!(tries < 50, "{error}");
            }
            size = new;
        }
        done.store(true, Ordering::Relaxed);
        size
    });
    let epoch = place.server.number(&format!("SELECT epoch FROM vouchlog_head WHERE log = {}", place.log()));
    assert!(epoch > Some(10), "the log was claimed again and again, up to epoch {epoch:?}");
    drop(store);
    assert_eq!(check(&place.open()), Some(size));
}

/// A backend that is stopped before a commit reaches it, and wakes up after the commit was sent to another one, writes nothing.
#[test]
fn a_stopped_backend_that_wakes_up_is_fenced() {
    // A server of its own: others keep the shared one busy, and the second attempt must not be late.
    let Some(server) = Server::start(&[]) else { return };
    let place = Place::in_server(&Arc::new(server));
    let mut options = place.options();
    options.commit_patience = Duration::from_millis(700);
    let store = place.open_with(&place.url(), options).unwrap();
    store.commit(None, batch(0, 300)).unwrap();
    let stopped = place.commit_pid();
    signal(stopped, "STOP");
    let outcome = store.commit(Some(300), batch(300, 400));
    signal(stopped, "CONT");
    assert_eq!(outcome, Ok(()), "the log was claimed again, and the commit sent to another backend");
    store.commit(Some(400), batch(400, 500)).unwrap();
    drop(store);
    assert_eq!(check(&place.open()), Some(500));
}

/// A leader that is stopped between execution and the end of its transaction keeps the head locked: a claimant ends its backend.
#[test]
fn a_claim_ends_the_backend_that_keeps_the_head_locked() {
    let Some(place) = Place::new() else { return };
    let store = place.open();
    store.commit(None, batch(0, 300)).unwrap();
    let log = place.log();
    let url = format!("{}?application_name=vouchlog%20commit", place.url());
    let blocking = block_on(async {
        let mut stopped = PgConnection::connect(&url).await.unwrap();
        for sql in [
            format!("UPDATE vouchlog_lease SET commit_pid = pg_backend_pid() WHERE log = {log}"),
            "BEGIN".to_owned(),
            format!("UPDATE vouchlog_head SET size = 299 WHERE log = {log}"),
        ] {
            stopped.execute(sqlx::AssertSqlSafe(sql)).await.unwrap();
        }
        let place = &place;
        let opened = thread::scope(|scope| scope.spawn(|| check(&place.open())).join().unwrap());
        assert_eq!(opened, Some(300));
        stopped.execute("COMMIT").await
    });
    assert!(blocking.is_err(), "the transaction that kept the head locked was ended");
    drop(store);
    assert_eq!(check(&place.open()), Some(300));
}

/// A commit that waits for its synchronous standby, and whose wait is cancelled, is visible and may still be lost: its outcome is unknown.
#[test]
fn a_commit_whose_wait_for_a_standby_was_cancelled_is_not_acknowledged() {
    let Some(server) = Server::start(&[]) else { return };
    let place = Place::in_server(&Arc::new(server));
    let store = place.open();
    store.commit(None, batch(0, 300)).unwrap();
    place.server.sql("ALTER SYSTEM SET synchronous_standby_names = 'missing'");
    place.server.sql("SELECT pg_reload_conf()");
    let mut size = 300;
    let outcome = loop {
        let outcome = thread::scope(|scope| {
            let commit = scope.spawn(|| store.commit(Some(size), batch(size, size + 100)));
            let cancel = "SELECT count(pg_cancel_backend(pid))::bigint FROM pg_stat_activity
                          WHERE wait_event = 'SyncRep' AND application_name = 'vouchlog commit'
                            AND query LIKE '%moved%'";
            while !commit.is_finished() && place.server.number(cancel) == Some(0) {
                thread::sleep(Duration::from_millis(20));
            }
            commit.join().unwrap()
        });
        size += 100;
        // The server reads its settings again in its own time.
        if outcome.is_err() || size > 5_000 {
            break outcome;
        }
    };
    let Err(CommitError::Unknown(reason)) = &outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("warned"), "{reason}");
    let visible = format!("SELECT size FROM vouchlog_head WHERE log = {}", place.log());
    assert_eq!(place.server.number(&visible), i64::try_from(size).ok(), "it is visible all the same");
    // Nor does a new leader believe what it sees before a claim of its own is replicated.
    let opened = place.open_with(&place.url(), place.options());
    assert!(opened.is_err(), "{opened:?}");
    place.server.sql("ALTER SYSTEM RESET synchronous_standby_names");
    place.server.sql("SELECT pg_reload_conf()");
    drop(store);
    assert_eq!(check(&place.open()), Some(size));
}
