//! The end of a log, and the log that continues it: nothing follows the retirement, whatever fails while it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::registry::Registry;
use vouchlog_api::{AckLevel, Appender, ErrorKind, HouseAppend, LogReader, proof};
use vouchlog_merkle::{LeafIndex, TreeHead};
use vouchlog_note::{Origin, SignatureType, SigningKey};
use vouchlog_storage::{Fault, FaultPlan, MemoryStore, Store as _};
use vouchlog_stream::{
    Continuation, DailyLimits, Entry, Limit, LoggedAt, OperatorCause, OperatorChange, Quota, QuotaScope,
    RecoveryKey, Retirement, RetirementCause, RetirementProof, Revocation,
};

use super::{check, opaque};
use crate::rebuild::Rebuilder;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, open, statements, verify};
use crate::{Config, Engine, EngineError, Options};

const T: u64 = 1_767_225_600;
const NEXT: &str = "log.example.com/next";

type Log = Engine<Arc<MemoryStore>>;

fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

fn successor(seed: u8) -> SigningKey {
    key(NEXT, SignatureType::Ed25519, seed)
}

fn note_for(successor: &SigningKey) -> String {
    let (log, vkey) = (log_key().verifying_key().clone(), successor.verifying_key().clone());
    let words = "the disk was copied".to_owned();
    let retirement = Retirement { log, successor: vkey, cause: RetirementCause::Compromised, words };
    retirement.sign(&log_key(), successor).unwrap()
}

fn note() -> String {
    note_for(&successor(90))
}

/// The last entry of a log, and its size.
async fn last(log: &Log) -> (u64, Entry) {
    let size = log.sequenced().head.tree.size;
    let bytes = proof::entry(log, LeafIndex::new(size.get() - 1), size).await.unwrap();
    (size.get(), Entry::decode(&bytes).unwrap())
}

/// The proof that a log ended, from what it serves.
async fn end(log: &Log) -> RetirementProof {
    let head = log.sequenced().head.clone();
    let last = LeafIndex::new(head.tree.size.get() - 1);
    let proven = proof::checked_inclusion(log, last, head.tree.size, &head.tree.root).await;
    let (entry, inclusion) = proven.unwrap();
    RetirementProof::new(&entry, inclusion, log.checkpoint().await.unwrap().as_bytes()).unwrap()
}

/// Everything that writes is refused with the name of the successor, and changes nothing.
async fn assert_ended(log: &Log, gateway: &mut TestGateway) {
    let before = log.sequenced().head.clone();
    let operator = key("operator.example.com", SignatureType::Ed25519, 2);
    let origin = Origin::new(ORIGIN).unwrap();
    let revocation = Revocation {
        log: origin.clone(),
        gateway: gateway.vkey().clone(),
        effective: LoggedAt::default(),
        reason: "x".to_owned(),
    };
    let limits =
        DailyLimits { statements: Limit::AtMost(1), bytes: Limit::Unlimited, streams: Limit::Unlimited };
    let quota =
        Quota { log: origin, scope: QuotaScope::All, issued: LoggedAt::from_millis(1).unwrap(), limits };
    let next = key("operator.example.com", SignatureType::Ed25519, 103);
    let rotation = OperatorChange {
        log: Origin::new(ORIGIN).unwrap(),
        operator: next.verifying_key().clone(),
        replaces: operator.verifying_key().clone(),
        cause: OperatorCause::Rotation,
        words: String::new(),
    };
    let house = HouseAppend { statements: opaque(2, 1), wait_for: AckLevel::Sequenced };
    let mut trial = gateway.clone();
    let refused = [
        log.append(trial.request(statements(2, 999), T + 50)).await.map(drop),
        log.append(gateway.head_only(T + 60, false)).await.map(drop),
        log.append(gateway.head_only(T + 61, true)).await.map(drop),
        log.open_stream(TestGateway::opening(10, 77, None).0).await.map(drop),
        log.append_house(house).await.map(drop),
        log.enrol(TestGateway::enrolment(42)).await.map(drop),
        log.revoke(revocation.sign(&operator).unwrap()).await.map(drop),
        log.set_quota(quota.sign(&operator).unwrap()).await.map(drop),
        log.change_key(rotation.sign(&operator, &next).unwrap()).await.map(drop),
        log.retire(note_for(&successor(91))).await.map(drop),
    ];
    for (what, refused) in refused.into_iter().enumerate() {
        let error = refused.expect_err(&format!("request {what} was taken"));
        assert_eq!(error.kind, ErrorKind::Retired, "request {what}: {error}");
        assert!(error.message.contains(&successor(90).verifying_key().to_string()), "{error}");
    }
    assert_eq!(log.sequenced().head, before);
}

#[tokio::test]
async fn nothing_follows_the_retirement_not_even_after_a_restart() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let mut registry = Registry::default();
    let log = Engine::open(config(&clock, Options::default()), store.clone(), None, &mut registry).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let batch = statements(5, 1);
    let request = gateway.request(batch.clone(), T);
    log.append(request.clone()).await.unwrap();
    log.append_house(HouseAppend { statements: opaque(2, 3), wait_for: AckLevel::Sequenced }).await.unwrap();
    let (operator, recovery) = (
        key("operator.example.com", SignatureType::Ed25519, 2),
        key("recovery.example.com", SignatureType::Ed25519, 200),
    );
    let naming =
        RecoveryKey { log: log.origin().clone(), recovery: recovery.verifying_key().clone(), replaces: None };
    let naming = naming.sign(&operator, &recovery, None).unwrap();
    let named = log.change_key(naming.clone()).await.unwrap();
    let index = log.retire(note()).await.unwrap();
    let (size, entry) = last(&log).await;
    assert_eq!((index.get() + 1, entry.kind_name()), (size, "log-retired"));
    // The newest head of every stream is in front of it.
    let heads = [index.get() - 2, index.get() - 1].map(LeafIndex::new);
    for head in heads {
        let entry = proof::entry(&log, head, log.sequenced().size()).await.unwrap();
        assert_eq!(Entry::decode(&entry).unwrap().kind_name(), "stream-head");
    }
    assert_eq!(log.retire(note()).await.unwrap(), index, "the same again answers the same");
    assert_eq!(log.change_key(naming).await.unwrap(), named, "and so does a change from before");
    assert_ended(&log, &mut gateway).await;
    // What was logged before is still acknowledged to whoever missed it.
    let again = log.append(request.clone()).await.unwrap();
    assert!(again.repeated);
    verify(&again, &batch);
    let readiness = log.readiness();
    assert!(readiness.is_ready(), "it serves reads");
    let note_of =
        |name: &str| readiness.notes.iter().find(|(note, _)| note == name).map(|(_, words)| words.clone());
    assert!(note_of("retired").unwrap().contains(NEXT));
    let mut metrics = String::new();
    prometheus_client::encoding::text::encode(&mut metrics, &registry).unwrap();
    assert!(metrics.contains("vouchlog_log_retired 1\n"), "{metrics}");
    check(&log, &store).await;
    drop(log);

    let store = Arc::new(store.reopen());
    clock.advance(3_600_000);
    let log = open(store.clone(), None, &clock).unwrap();
    assert_eq!(log.retire(note()).await.unwrap(), index);
    assert_ended(&log, &mut gateway).await;
    assert!(log.append(request).await.unwrap().repeated);
    assert_eq!(end(&log).await.head().size.get(), size);
    check(&log, &store).await;
    assert_eq!(last(&log).await.0, size, "stopping adds nothing");
}

/// The retirement may be the last entry of a bundle that is sealed, or the first one after it.
#[tokio::test]
async fn a_log_remembers_its_end_around_the_size_where_a_bundle_fills() {
    for size in [255, 256, 257, 512] {
        let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
        let log = open(store.clone(), None, &clock).unwrap();
        let mut gateway = TestGateway::open(&log, 10).await.unwrap();
        // One for the stream's head and one for the retirement.
        let count = size - log.sequenced().size().get() - 2;
        gateway.send(&log, statements(usize::try_from(count).unwrap(), 1), T).await.unwrap();
        let index = log.retire(note()).await.unwrap();
        assert_eq!(index.get() + 1, size);
        for _ in 0..2 {
            let store = Arc::new(store.reopen());
            let log = open(store.clone(), None, &clock).unwrap();
            assert_ended(&log, &mut gateway).await;
            check(&log, &store).await;
        }
    }
}

#[tokio::test]
async fn only_the_log_and_its_successor_end_it() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    // A log enrols its house key by itself, at some moment after it was opened: before this is answered.
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let before = log.sequenced().head.clone();
    let namesake = key(ORIGIN, SignatureType::Ed25519, 66);
    let retirement = |log: &SigningKey, successor: &SigningKey| Retirement {
        log: log.verifying_key().clone(),
        successor: successor.verifying_key().clone(),
        cause: RetirementCause::Planned,
        words: String::new(),
    };
    let other = retirement(&namesake, &successor(90)).sign(&namesake, &successor(90)).unwrap();
    assert_eq!(log.retire(other).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    // The operator's key is no log's.
    let operator = key(NEXT, SignatureType::Ed25519, 2);
    let own = retirement(&log_key(), &operator).sign(&log_key(), &operator).unwrap();
    assert_eq!(log.retire(own).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    let [head, _] = note().split("\n\n").map(str::to_owned).collect::<Vec<_>>().try_into().unwrap();
    let line = log_key().sign_note(&format!("{head}\n")).unwrap();
    let one_sided = format!("{head}\n\n{line}\n");
    assert_eq!(log.retire(one_sided).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    assert_eq!(log.sequenced().head, before);
    gateway.send(&log, statements(1, 1), T).await.unwrap();
    check(&log, &store).await;
}

/// Requests that are on their way at the same moment are taken before the end, or refused; none is lost between.
#[tokio::test]
async fn what_comes_at_the_same_moment_is_in_front_of_the_end_or_refused() {
    for round in 0..20 {
        let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
        let log = open(store.clone(), None, &clock).unwrap();
        let mut gateways = Vec::new();
        for seed in 10..14 {
            gateways.push(TestGateway::open(&log, seed).await.unwrap());
        }
        let sent = gateways.into_iter().enumerate().map(|(at, mut gateway)| {
            let (log, batch) = (log.clone(), statements(3, round * 100 + at as u64));
            tokio::spawn(
                async move { log.append(gateway.request(batch, T)).await.map(|answer| answer.receipt) },
            )
        });
        let mut tasks: Vec<_> = sent.collect();
        let ended = tokio::spawn({
            let log = log.clone();
            async move { log.retire(note()).await }
        });
        let end = ended.await.unwrap().unwrap();
        for task in tasks.drain(..) {
            match task.await.unwrap() {
                Ok(receipt) => assert!(receipt.unwrap().first.get() + 2 < end.get()),
                Err(error) => assert_eq!(error.kind, ErrorKind::Retired, "{error}"),
            }
        }
        assert_eq!(last(&log).await.0, end.get() + 1);
        check(&log, &store).await;
    }
}

/// A commit may fail in any way when the log ends, before, and after; it ends once, and nothing follows.
#[tokio::test]
async fn any_commit_may_fail_while_a_log_ends() {
    for nth in 0..4 {
        for fault in [Fault::Refuse, Fault::Lose, Fault::Keep] {
            let clock = TestClock::default();
            let mut store = Arc::new(MemoryStore::new());
            let mut log = open(store.clone(), None, &clock).unwrap();
            let mut gateway = TestGateway::open(&log, 10).await.unwrap();
            let commits = BTreeMap::from([(nth, fault)]).into_iter().collect();
            store.set_faults(FaultPlan { commits, ..FaultPlan::default() });
            let request = gateway.request(statements(3, 1), T);
            let mut has_ended = None;
            // Statements, the end, and the end again.
            for step in 0..3 {
                loop {
                    let taken = match step {
                        0 => log.append(request.clone()).await.map(|_| None),
                        _ => log.retire(note()).await.map(Some),
                    };
                    match taken {
                        Ok(index) => {
                            assert!(has_ended.is_none() || has_ended == index, "it ends once");
                            has_ended = has_ended.or(index);
                            break;
                        }
                        Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
                    }
                    if !log.readiness().is_ready() {
                        store = Arc::new(store.reopen());
                        log = open(store.clone(), None, &clock).unwrap();
                    }
                }
            }
            assert_ended(&log, &mut gateway).await;
            let (size, entry) = last(&log).await;
            assert_eq!((Some(LeafIndex::new(size - 1)), entry.kind_name()), (has_ended, "log-retired"));
            check(&log, &store).await;
        }
    }
}

/// The end of a log, for the one that continues it.
async fn ended() -> RetirementProof {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store, None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(7, 1), T).await.unwrap();
    log.retire(note()).await.unwrap();
    end(&log).await
}

fn next_config(clock: &TestClock, seed: u8, continues: Option<RetirementProof>) -> Config {
    let origin = Origin::new(NEXT).unwrap();
    Config { origin, log_key: successor(seed), continues, ..config(clock, Options::default()) }
}

fn open_next(
    store: &Arc<MemoryStore>,
    seed: u8,
    continues: Option<RetirementProof>,
) -> Result<Log, EngineError> {
    let config = next_config(&TestClock::default(), seed, continues);
    Engine::open(config, store.clone(), None, &mut Registry::default())
}

#[tokio::test]
async fn a_log_that_continues_another_proves_it_with_its_second_entry() {
    let (proof_of_end, store) = (ended().await, Arc::new(MemoryStore::new()));
    let log = open_next(&store, 90, Some(proof_of_end.clone())).unwrap();
    let size = log.sequenced().size();
    let second = proof::entry(&log, LeafIndex::new(1), size).await.unwrap();
    let Entry::LogContinued { note, .. } = Entry::decode(&second).unwrap() else { panic!("{second:?}") };
    let continuation = Continuation::open(&note, log.vkey()).unwrap();
    assert_eq!(continuation.predecessor(), log_key().verifying_key());
    assert_eq!(continuation.head(), proof_of_end.head());
    check(&log, &store).await;
    drop(log);
    // It may be opened with the same end, or without one; not with another.
    let store = Arc::new(store.reopen());
    open_next(&store, 90, Some(proof_of_end)).unwrap().stop().await;
    let store = Arc::new(store.reopen());
    open_next(&store, 90, None).unwrap().stop().await;
    let longer = longer_end().await;
    let store = Arc::new(store.reopen());
    let error = open_next(&store, 90, Some(longer)).unwrap_err();
    assert!(
        matches!(&error, EngineError::Predecessor(words) if words.contains("continues `log.example.com/test`")),
        "{error}"
    );
}

/// Another end that the same two keys signed: what a thief of both could make.
async fn longer_end() -> RetirementProof {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store, None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(9, 2), T).await.unwrap();
    log.retire(note()).await.unwrap();
    end(&log).await
}

#[tokio::test]
async fn a_log_that_is_not_the_named_successor_does_not_begin() {
    let proof_of_end = ended().await;
    let store = Arc::new(MemoryStore::new());
    let error = open_next(&store, 91, Some(proof_of_end.clone())).unwrap_err();
    assert!(matches!(error, EngineError::Predecessor(_)), "{error}");
    assert!(store.load().unwrap().is_none(), "nothing was created");
    // One that began by itself continues no other.
    open_next(&store, 90, None).unwrap().stop().await;
    let store = Arc::new(store.reopen());
    let error = open_next(&store, 90, Some(proof_of_end)).unwrap_err();
    assert!(
        matches!(&error, EngineError::Predecessor(words) if words.contains("continues no other")),
        "{error}"
    );
}

#[tokio::test]
async fn a_log_begins_with_its_predecessor_or_not_at_all() {
    let proof_of_end = ended().await;
    for fault in [Fault::Refuse, Fault::Lose, Fault::Keep] {
        let store = Arc::new(MemoryStore::new());
        store.set_faults(FaultPlan { commits: [(0, fault)].into(), ..FaultPlan::default() });
        assert!(open_next(&store, 90, Some(proof_of_end.clone())).is_err());
        let store = Arc::new(store.reopen());
        let log = open_next(&store, 90, Some(proof_of_end.clone())).unwrap();
        assert!(log.sequenced().size().get() >= 2);
        check(&log, &store).await;
    }
}

/// A log written again from its entries knows its end; entries that follow it are reported.
#[tokio::test]
async fn a_rebuilt_log_knows_its_end_and_what_follows_it_is_reported() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    log.retire(note()).await.unwrap();
    log.stop().await;
    let loaded = store.load().unwrap().unwrap();
    let origin = Origin::new(ORIGIN).unwrap();
    let rebuild = |more: &[u8], head: TreeHead| {
        let rebuilt = Arc::new(MemoryStore::new());
        let log_key = log_key();
        let mut rebuilder = Rebuilder::new(&*rebuilt, &origin, log_key.verifying_key());
        loaded.tail.iter().for_each(|piece| rebuilder.push(piece).unwrap());
        rebuilder.push(more).unwrap();
        let report = rebuilder.finish(head, std::slice::from_ref(&loaded.states)).unwrap();
        (rebuilt, report.broken)
    };
    let (rebuilt, broken) = rebuild(&[], loaded.head);
    assert_eq!(broken, Vec::<String>::new());
    let log = open(rebuilt, None, &clock).unwrap();
    assert_ended(&log, &mut gateway).await;
    // Another log's engine, or a thief with the disk, could append.
    let entry = Entry::LogRetired { logged_at: LoggedAt::MAX, note: note() }.encode();
    let framed = [&u16::try_from(entry.len()).unwrap().to_be_bytes()[..], &entry].concat();
    let mut leaves: Vec<_> =
        crate::edge::frame(&loaded.tail).unwrap().entries().map(vouchlog_merkle::leaf_hash).collect();
    leaves.push(vouchlog_merkle::leaf_hash(&entry));
    let mut range = vouchlog_merkle::CompactRange::new();
    range.extend(&leaves);
    let (_, broken) = rebuild(&framed, TreeHead { size: range.size(), root: range.root().unwrap() });
    assert!(matches!(&broken[..], [one] if one.contains("follows the retirement")), "{broken:?}");
}
