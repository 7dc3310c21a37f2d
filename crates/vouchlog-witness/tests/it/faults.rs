//! Stores that fail: the nth commit, in every way, for all n. Nobody may hold a cosignature that the store may have lost, and a
//! restart goes on where the last cosignature was.

use std::sync::Arc;

use vouchlog_api::{ErrorKind, Witness as _};
use vouchlog_storage::{Fault, FaultPlan, MemoryWitnessStore, StoreIdentity, WitnessStore};
use vouchlog_storage_sled::{Options, SledWitnessStore};

use crate::world::{TestLog, World, memory};

const STEPS: u64 = 6;

/// Grows a log step by step until the witness does not answer; the last size it cosigned.
async fn grow(
    world: &World<Arc<MemoryWitnessStore>>,
    log: &TestLog,
    mut old: u64,
) -> (u64, Option<ErrorKind>) {
    while old < STEPS {
        match world.ask(log.request(old, old + 1)).await {
            Ok(_) => old += 1,
            Err(error) => return (old, Some(error.kind)),
        }
    }
    (old, None)
}

#[tokio::test]
async fn the_nth_commit_is_refused() {
    for nth in 0..STEPS {
        let log = TestLog::new("log.example.com/a", STEPS);
        let store = memory();
        let world = World::open(store.clone(), &[&log]);
        store.set_faults(FaultPlan { commits: [(nth, Fault::Refuse)].into(), ..FaultPlan::default() });
        assert_eq!(grow(&world, &log, 0).await, (nth, Some(ErrorKind::Unavailable)));
        assert!(world.witness.readiness().is_ready(), "a refusal of the store is over with the batch");
        assert_eq!(grow(&world, &log, nth).await, (STEPS, None), "it goes on from what was durable");
        assert_eq!(world.latest(&log).await.unwrap().head(), log.head(STEPS));
    }
}

#[tokio::test]
async fn the_nth_commit_has_an_unknown_outcome() {
    for fault in [Fault::Lose, Fault::Keep] {
        for nth in 0..STEPS {
            let log = TestLog::new("log.example.com/a", STEPS);
            let store = memory();
            let world = World::open(store.clone(), &[&log]);
            store.set_faults(FaultPlan { commits: [(nth, fault)].into(), ..FaultPlan::default() });
            assert_eq!(grow(&world, &log, 0).await, (nth, Some(ErrorKind::Unavailable)));
            assert!(!world.witness.readiness().is_ready());
            assert_eq!(grow(&world, &log, nth).await, (nth, Some(ErrorKind::Unavailable)), "it has stopped");
            let served = world.witness.latest_checkpoint(log.origin_hash()).await.unwrap_err();
            assert_eq!(served.kind, ErrorKind::Unavailable, "what may be lost is not shown");
            assert_eq!(store.commits(), nth + 1, "nothing more is tried");

            let world = World::open(Arc::new(store.reopen()), &[&log]);
            let kept = nth + u64::from(fault == Fault::Keep);
            if kept > nth {
                let error = world.ask(log.request(nth, nth + 1)).await.unwrap_err();
                assert_eq!(
                    error.kind,
                    ErrorKind::Conflict { size: kept },
                    "the caller learns what became of it"
                );
            }
            assert_eq!(grow(&world, &log, kept).await, (STEPS, None));
            assert_eq!(world.latest(&log).await.unwrap().head(), log.head(STEPS));
        }
    }
}

#[tokio::test]
async fn a_commit_that_hangs_stops_the_witness_and_hangs_nobody() {
    let log = TestLog::new("log.example.com/a", STEPS);
    let store = memory();
    let patience = std::time::Duration::from_millis(20);
    let world = World::with_patience(store.clone(), &[&log], patience);
    world.ask(log.request(0, 1)).await.unwrap();
    store.set_faults(FaultPlan { commits: [(0, Fault::Hang)].into(), ..FaultPlan::default() });
    assert_eq!(world.ask(log.request(1, 2)).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(world.ask(log.request(1, 2)).await.unwrap_err().kind, ErrorKind::Unavailable);
    world.witness.stop().await;
    assert!(!world.witness.readiness().is_ready());
    let world = World::with_patience(Arc::new(store.reopen()), &[&log], patience);
    assert_eq!(world.latest(&log).await.unwrap().head(), log.head(1));
}

/// Requests of one batch are judged against each other; when the batch fails, none of those verdicts stands.
#[tokio::test]
async fn a_failed_batch_leaves_no_verdict_and_no_evidence_behind() {
    let log = TestLog::new("log.example.com/a", STEPS);
    let store = memory();
    let world = World::open(store.clone(), &[&log]);
    store.set_faults(FaultPlan { commits: [(0, Fault::Refuse)].into(), ..FaultPlan::default() });
    let fork = log.forked_at(0);
    let outcomes = tokio::join!(world.witness_add(log.request(0, 3)), world.witness_add(fork.request(3, 3)));
    assert_eq!(outcomes.0.unwrap_err().kind, ErrorKind::Unavailable);
    // The second was in the failed batch, or in the next, where nothing has been cosigned yet.
    let kind = outcomes.1.unwrap_err().kind;
    assert!(matches!(kind, ErrorKind::Unavailable | ErrorKind::Conflict { size: 0 }), "{kind:?}");
    world.ask(fork.request(0, 3)).await.unwrap();
    world.witness.stop().await;
    assert!(world.refusals.lock().is_empty(), "nothing contradicts what was never cosigned");
}

#[tokio::test]
async fn a_stopped_witness_refuses_and_goes_on_in_the_next() {
    let log = TestLog::new("log.example.com/a", 9);
    let dir = tempfile::tempdir().unwrap();
    let identity = StoreIdentity::from_bytes([1; 16]);
    let open = || SledWitnessStore::open(dir.path(), identity, Options::default()).unwrap();
    let mut timestamp = 0;
    for round in 0..4 {
        let world = World::open(open(), &[&log]);
        world.clock.set(1_000 - round);
        assert_eq!(world.witness.store_identity(), identity);
        if round > 0 {
            assert_eq!(world.latest(&log).await.unwrap().head(), log.head(2 * round));
            let fork = log.forked_at(0).request(2 * round, 2 * round);
            assert_eq!(world.ask(fork).await.unwrap_err().kind, ErrorKind::Inconsistent);
        }
        let cosigned = world.ask(log.request(2 * round, 2 * round + 2)).await.unwrap();
        assert!(cosigned.timestamp >= timestamp, "time goes on");
        timestamp = cosigned.timestamp;
        if round % 2 == 0 {
            world.witness.stop().await;
            let late = world.ask(log.request(2 * round + 2, 9)).await.unwrap_err();
            assert_eq!(late.kind, ErrorKind::Unavailable);
            assert!(!world.witness.readiness().is_ready());
            assert_eq!(world.latest(&log).await.unwrap().head(), log.head(2 * round + 2), "reads go on");
        }
    }
}

#[tokio::test]
async fn a_state_that_cannot_be_read_opens_no_witness() {
    use vouchlog_storage::{Revision, WitnessChange};
    let log = TestLog::new("log.example.com/a", 9);
    let store = memory();
    let rubbish = WitnessChange {
        origin: log.origin_hash(),
        expected: Revision::NONE,
        state: bytes::Bytes::from_static(b"\x01rubbish"),
    };
    store.commit(&[rubbish]).unwrap();
    let error = World::try_open(store, &[&log]).unwrap_err().to_string();
    assert!(error.contains(&log.origin_hash().to_string()), "{error}");
}
