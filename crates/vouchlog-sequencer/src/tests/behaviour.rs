//! What the log promises to gateways, the operator and readers, driven through the public handle.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{AckLevel, Append, Appender, ErrorKind, HouseAppend, LogReader, Lookup, LookupKey, proof};
use vouchlog_merkle::{LeafIndex, TreeSize, leaf_hash};
use vouchlog_note::{Origin, SignatureType, SignedCheckpoint};
use vouchlog_runtime::charge;
use vouchlog_storage::{MemoryIndex, MemoryStore};
use vouchlog_stream::limits::RECENT_RUNS;
use vouchlog_stream::{
    Entry, Evidence, LoggedAt, Previous, Revocation, SequenceNumber, Statement, StreamStatus,
};

use super::eviction::{STALLED, TestIndex, WELL};
use super::{check, opaque};
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, open, statements, verify};
use crate::{Engine, Options};

const T: u64 = 1_767_225_600;

async fn log() -> (Engine<Arc<MemoryStore>>, Arc<MemoryStore>, TestClock) {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), Some(Arc::new(MemoryIndex::default())), &clock).unwrap();
    (log, store, clock)
}

async fn entry(log: &Engine<Arc<MemoryStore>>, index: u64) -> Entry {
    let bytes = proof::entry(log, LeafIndex::new(index), log.sequenced().size()).await.unwrap();
    Entry::decode(&bytes).unwrap()
}

#[tokio::test]
async fn the_first_entries_are_genesis_and_the_house() {
    let (log, store, _) = log().await;
    // The house is enrolled through the ordinary queue.
    log.checkpoint_after(TreeSize::new(1)).await.unwrap();
    assert!(matches!(entry(&log, 0).await, Entry::Genesis { .. }));
    assert!(matches!(entry(&log, 1).await, Entry::GatewayEnrolled { .. }));
    assert!(log.readiness().is_ready());
    check(&log, &store).await;
}

#[tokio::test]
async fn statements_get_receipts_and_can_be_proven_from_tiles() {
    let (log, store, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let mut sent = Vec::new();
    for (round, count) in [1, 2, 255, 256, 257, 700].into_iter().enumerate() {
        let batch = statements(count, round as u64);
        let appended = gateway.send(&log, batch.clone(), T).await.unwrap();
        let receipt = appended.receipt.unwrap();
        assert_eq!(receipt.sequence.get(), sent.len() as u64);
        sent.extend(batch.iter().zip(receipt.first.get()..).map(|(s, index)| (*s, index)));
        assert_eq!(appended.stream_size, sent.len() as u64);
    }
    let size = log.sequenced().size();
    let origin = Origin::new(ORIGIN).unwrap();
    let head = SignedCheckpoint::open(log.checkpoint().await.unwrap().as_bytes(), &origin, log.vkey())
        .unwrap()
        .head();
    for (statement, index) in sent.iter().step_by(37) {
        let index = LeafIndex::new(*index);
        let (bytes, _) = proof::checked_inclusion(&log, index, size, &head.root).await.unwrap();
        assert_eq!(log.find(LookupKey::LeafHash(leaf_hash(&bytes))).await.unwrap(), index);
        assert_eq!(log.find(LookupKey::Digest(statement.digest)).await.unwrap(), index);
        let Entry::Statement(entry) = Entry::decode(&bytes).unwrap() else { panic!("a statement") };
        assert_eq!((entry.statement, entry.stream), (*statement, gateway.stream));
        assert_eq!(log.find(LookupKey::Sequence(gateway.stream, entry.sequence)).await.unwrap(), index);
    }
    let absent = LookupKey::Sequence(gateway.stream, SequenceNumber::new(sent.len() as u64).unwrap());
    assert_eq!(log.find(absent).await.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(check(&log, &store).await.statements, sent.len() as u64);
}

#[tokio::test]
async fn every_head_is_consistent_with_every_other() {
    let (log, _, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let mut heads = Vec::new();
    for round in 0..20 {
        let batch = statements(1 + round * 31 % 97, round as u64);
        let appended = gateway.send(&log, batch.clone(), T).await.unwrap();
        heads.push(verify(&appended, &batch).head());
    }
    for (at, old) in heads.iter().enumerate() {
        for new in &heads[at..] {
            let proof = proof::consistency(&log, old.size, new.size).await.unwrap();
            proof.verify(old, new).unwrap();
        }
    }
}

#[tokio::test]
async fn the_same_request_again_gets_the_same_indexes_and_adds_nothing() {
    let (log, store, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let mut requests = Vec::new();
    for round in 0..=RECENT_RUNS {
        let request = gateway.request(statements(5 + round, round as u64), T);
        let first = log.append(request.clone()).await.unwrap();
        requests.push((request, first));
    }
    let size = log.sequenced().size();
    let (oldest, _) = requests.remove(0);
    assert_eq!(log.append(oldest).await.unwrap_err().kind, ErrorKind::Conflict { size: gateway.range.end() });
    for (request, first) in requests {
        let again = log.append(request.clone()).await.unwrap();
        assert!(again.repeated);
        verify(&again, &request.statements);
        let (again, first) = (again.receipt.unwrap(), first.receipt.unwrap());
        assert_eq!((again.first, again.count, again.logged_at), (first.first, first.count, first.logged_at));
    }
    assert_eq!(log.sequenced().size(), size);
    check(&log, &store).await;
}

#[tokio::test]
async fn a_wrong_old_size_is_answered_with_the_right_one() {
    let (log, _, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(7, 1), T).await.unwrap();
    let mut ahead = gateway.clone();
    ahead.request(statements(3, 2), T);
    let skipped = ahead.request(statements(3, 3), T);
    assert_eq!(log.append(skipped).await.unwrap_err().kind, ErrorKind::Conflict { size: 7 });
    gateway.send(&log, statements(3, 2), T).await.unwrap();
}

#[tokio::test]
async fn what_is_not_what_was_signed_is_refused_by_name() {
    let (log, store, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(7, 1), T).await.unwrap();
    let before = log.sequenced().size();
    let fresh = |gateway: &TestGateway| gateway.clone().request(statements(4, 2), T);

    let mut altered = fresh(&gateway);
    altered.statements[2] = statements(1, 99)[0];
    let mut reordered = fresh(&gateway);
    reordered.statements.swap(0, 3);
    for request in [altered, reordered] {
        let error = log.append(request).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.contains("root"), "{error}");
    }
    let mut dropped = fresh(&gateway);
    dropped.statements.pop();
    assert_eq!(log.append(dropped).await.unwrap_err().kind, ErrorKind::InvalidArgument);

    let other = TestGateway::open(&log, 11).await.unwrap();
    let mut forged = fresh(&gateway);
    let mut forger = other.clone();
    forger.stream = gateway.stream;
    forged.head = forger.clone().request(statements(11, 2), T).head;
    assert_eq!(log.append(forged).await.unwrap_err().kind, ErrorKind::PermissionDenied);

    let mut old = fresh(&gateway);
    old.head = {
        let mut g = gateway.clone();
        g.request(statements(4, 2), T - 1).head
    };
    assert!(log.append(old).await.unwrap_err().message.contains("replayed"));

    let unknown = Append { stream: vouchlog_stream::StreamId::new(999_999).unwrap(), ..fresh(&gateway) };
    assert_eq!(log.append(unknown).await.unwrap_err().kind, ErrorKind::NotFound);
    // Two entries for the second gateway, none for the refused requests.
    assert_eq!(log.sequenced().size().get(), before.get() + 2);
    check(&log, &store).await;
}

#[tokio::test]
async fn a_fork_is_refused_and_its_proof_kept_across_a_restart() {
    let (log, store, clock) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let mut twin = gateway.clone();
    gateway.send(&log, statements(7, 1), T).await.unwrap();
    let error = log.append(twin.request(statements(7, 2), T + 1)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Fork);
    log.stop().await;
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    let fork = log.stream(gateway.stream).await.unwrap().fork.unwrap();
    assert_eq!((fork.size, &fork.accepted, &fork.refused), (7, &gateway.head(T), &twin.head(T + 1)));
    // The history the log has goes on.
    gateway.send(&log, statements(3, 3), T + 2).await.unwrap();
}

#[tokio::test]
async fn only_enrolled_keys_open_streams_and_revoked_ones_stop() {
    let (log, store, clock) = log().await;
    let (note, _) = TestGateway::opening(10, 110, None);
    let error = log.open_stream(note.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    // The engine gives the key to enrol; how a program does it is that program's advice.
    let vkey = TestGateway::enrolled_key(10).verifying_key().to_string();
    assert!(error.message.ends_with(&vkey) && !error.message.contains("--"), "{error}");

    let first = log.enrol(TestGateway::enrolment(10)).await.unwrap();
    assert_eq!(log.enrol(TestGateway::enrolment(10)).await.unwrap(), first);
    let mut gateway = TestGateway::open_stream(&log, 10, 110, None).await.unwrap();
    assert_eq!(log.open_stream(note).await.unwrap().stream, gateway.stream);
    let request = gateway.request(statements(2, 1), T);
    log.append(request.clone()).await.unwrap();

    let operator = key("operator.example.com", SignatureType::Ed25519, 2);
    let revocation = Revocation {
        log: Origin::new(ORIGIN).unwrap(),
        gateway: gateway.vkey().clone(),
        effective: LoggedAt::from_millis(clock.now()).unwrap(),
        reason: "key lost\nin a taxi".into(),
    };
    let forged = revocation.sign(&TestGateway::enrolled_key(10)).unwrap();
    assert_eq!(log.revoke(forged).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    let revoked = log.revoke(revocation.sign(&operator).unwrap()).await.unwrap();
    assert_eq!(log.revoke(revocation.sign(&operator).unwrap()).await.unwrap(), revoked);
    let error = log.append(gateway.clone().request(statements(1, 2), T)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::PermissionDenied);
    assert!(error.message.contains("key lost in a taxi"), "{error}");
    assert!(log.append(request).await.unwrap().repeated, "what was taken before can still be asked for");
    assert_eq!(log.enrol(TestGateway::enrolment(10)).await.unwrap_err().kind, ErrorKind::PermissionDenied);
    check(&log, &store).await;
}

#[tokio::test]
async fn open_enrolment_enrols_on_the_way() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { open_enrolment: true, ..Options::default() };
    let log = Engine::open(config(&clock, options), store.clone(), None, &mut Registry::default()).unwrap();
    let mut gateway = TestGateway::open_stream(&log, 10, 110, None).await.unwrap();
    assert!(matches!(entry(&log, gateway.stream.get() - 1).await, Entry::GatewayEnrolled { .. }));
    gateway.send(&log, statements(3, 1), T).await.unwrap();
    check(&log, &store).await;
}

#[tokio::test]
async fn heartbeats_and_due_heads_become_entries_and_old_ones_are_refused() {
    let (log, store, clock) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(3, 1), T).await.unwrap();
    let size = log.sequenced().size().get();
    log.append(gateway.head_only(T + 1, false)).await.unwrap();
    assert!(matches!(entry(&log, size).await, Entry::StreamHead { stream, .. } if stream == gateway.stream));
    for old in [T, T + 1] {
        assert!(log.append(gateway.head_only(old, false)).await.unwrap_err().message.contains("replayed"));
    }
    gateway.send(&log, statements(3, 2), T + 1).await.unwrap();
    let size = log.sequenced().size().get();
    clock.advance(31_000);
    // The idle tick writes the head that is due; nothing else happens.
    log.checkpoint_after(TreeSize::new(size)).await.unwrap();
    assert!(matches!(entry(&log, size).await, Entry::StreamHead { .. }));
    check(&log, &store).await;
}

#[tokio::test]
async fn a_closed_or_continued_stream_takes_nothing_more() {
    let (log, store, _) = log().await;
    let mut first = TestGateway::open(&log, 10).await.unwrap();
    first.send(&log, statements(3, 1), T).await.unwrap();
    let wrong = Previous { stream: first.stream, size: 2 };
    let error = TestGateway::open_stream(&log, 10, 120, Some(wrong)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict { size: 3 });
    let right = Previous { stream: first.stream, size: 3 };
    let mut second = TestGateway::open_stream(&log, 10, 120, Some(right)).await.unwrap();
    let error = log.append(first.clone().request(statements(1, 2), T)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
    assert_eq!(log.stream(first.stream).await.unwrap().status, StreamStatus::Superseded(second.stream));

    let mut last = second.request(statements(2, 3), T);
    last.close = true;
    log.append(last.clone()).await.unwrap();
    assert!(log.append(last).await.unwrap().repeated);
    assert_eq!(log.stream(second.stream).await.unwrap().status, StreamStatus::Closed);
    assert_eq!(log.append(second.head_only(T, true)).await.unwrap().stream_size, 2);
    check(&log, &store).await;
}

/// Entries and heads are public. If what anybody can send again were charged to a gateway, strangers could use up its share.
#[tokio::test]
async fn only_what_a_gateway_alone_can_send_is_charged_to_its_key() {
    let (log, store, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let charged = Arc::new(Charged::default());
    let scoped = |request: Append| {
        let account: Arc<dyn charge::Account> = Arc::<Charged>::clone(&charged);
        charge::scope(Some(account), log.append(request))
    };
    let request = gateway.request(statements(3, 1), T);
    assert!(scoped(request.clone()).await.is_ok());
    assert_eq!(*charged.0.lock().unwrap(), [format!("gateway {}", gateway.vkey())]);
    assert!(scoped(request.clone()).await.unwrap().repeated);
    assert!(scoped(gateway.head_only(T + 1, false)).await.is_ok());
    let forged = Append { head: request.head, ..gateway.request(statements(1, 2), T + 2) };
    assert!(scoped(forged).await.is_err());
    assert_eq!(charged.0.lock().unwrap().len(), 1);
    check(&log, &store).await;
}

/// Remembers the keys.
#[derive(Default)]
struct Charged(std::sync::Mutex<Vec<String>>);

impl charge::Account for Charged {
    fn charge(&self, key: String) -> bool {
        self.0.lock().unwrap().push(key);
        true
    }

    fn is_refused(&self) -> bool {
        false
    }
}

fn house(statements: Vec<vouchlog_stream::Statement>) -> HouseAppend {
    HouseAppend { statements, wait_for: AckLevel::Sequenced }
}

#[tokio::test]
async fn house_statements_share_one_stream_and_one_signature_a_batch() {
    let (log, store, clock) = log().await;
    let posts = (0..50u64).map(|n| {
        let log = log.clone();
        tokio::spawn(async move {
            let statements = opaque(1 + (n % 3) as usize, n);
            let receipt = log.append_house(house(statements.clone())).await.unwrap().receipt;
            receipt.verify(&statements, log.origin(), log.vkey()).unwrap();
            (receipt.stream, receipt.sequence.get(), u64::from(receipt.count))
        })
    });
    let mut places = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        places.push(post.await.unwrap());
    }
    places.sort_unstable();
    let mut next = 0;
    for (_, sequence, count) in &places {
        assert_eq!(*sequence, next);
        next += count;
    }
    let first = places[0].0;
    check(&log, &store).await;
    // The next process opens its own, which continues the first.
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    let receipt = log.append_house(house(opaque(1, 1))).await.unwrap().receipt;
    let info = log.stream(receipt.stream).await.unwrap();
    assert_eq!(info.previous, Some(Previous { stream: first, size: next }));
    assert_eq!(log.append_house(house(vec![])).await.unwrap_err().kind, ErrorKind::InvalidArgument);
}

/// The log signs the house stream for senders it does not know: what it takes there must not read as a gateway's word.
#[tokio::test]
async fn the_house_stream_takes_no_word_of_a_gateway() {
    let (log, store, _) = log().await;
    let interaction = statements(1, 1);
    let claims = vec![Statement { evidence: Evidence::new(1).unwrap(), ..opaque(1, 1)[0] }];
    for wrong in [interaction.clone(), claims, [opaque(3, 1), interaction].concat()] {
        let refused = log.append_house(house(wrong)).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::InvalidArgument);
        assert!(refused.message.contains("kind `opaque` with evidence 0"), "{refused}");
    }
    log.append_house(house(opaque(3, 1))).await.unwrap();
    let report = check(&log, &store).await;
    assert_eq!(report.statements, 3);
}

#[tokio::test]
async fn a_full_queue_pushes_back() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { max_queued_statements: 100, ..Options::default() };
    let log = Engine::open(config(&clock, options), store, None, &mut Registry::default()).unwrap();
    let posts = (0..200u64).map(|n| {
        let log = log.clone();
        async move { log.append_house(house(opaque(60, n))).await }
    });
    let outcomes = futures_join(posts).await;
    assert!(outcomes.iter().any(Result::is_ok));
    for error in outcomes.into_iter().filter_map(Result::err) {
        assert!(matches!(error.kind, ErrorKind::Overloaded { retry_after } if retry_after > Duration::ZERO));
    }
    // Room is given back.
    log.append_house(house(opaque(100, 1))).await.unwrap();
}

async fn futures_join<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}

#[tokio::test]
async fn time_never_goes_back_along_the_log() {
    let (log, store, clock) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    for round in 0..5 {
        gateway.send(&log, statements(2, round), T).await.unwrap();
        clock.step(-1_000_000);
    }
    check(&log, &store).await;
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    gateway.send(&log, statements(2, 9), T).await.unwrap();
    let size = log.sequenced().size().get();
    let (before, after) = (entry_time(&log, size - 3).await, entry_time(&log, size - 1).await);
    assert!(before <= after);
}

/// A clock that jumps forward dates no entry and stops no stream head; one that steps back stops none either.
#[tokio::test]
async fn a_clock_that_jumps_stops_nothing() {
    let (log, store, clock) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let day = 24 * 3_600_000;
    for (round, step) in [(0, day), (1, -2 * day), (2, 80 * 365 * day), (3, -day)] {
        let before = log.sequenced().size().get();
        clock.step(step);
        gateway.send(&log, statements(2, round), T).await.unwrap();
        let dated = entry_time(&log, before).await.millis();
        assert!(dated.abs_diff(1_767_225_600_000) < 3_600_000, "{dated} after a step of {step} ms");
        assert_eq!(log.readiness().is_ready(), step < 0, "a jump forward is reported while it lasts");
        let size = log.sequenced().size().get();
        clock.advance(31_000);
        log.checkpoint_after(TreeSize::new(size)).await.unwrap();
        assert!(
            matches!(entry(&log, size).await, Entry::StreamHead { .. }),
            "the head that is due is written"
        );
        clock.step(1_767_225_600_000_i64 - i64::try_from(clock.now()).unwrap());
    }
    clock.step(day);
    assert!(!log.readiness().is_ready());
    log.confirm_clock();
    assert!(log.readiness().is_ready());
    check(&log, &store).await;
}

async fn entry_time(log: &Engine<Arc<MemoryStore>>, index: u64) -> LoggedAt {
    entry(log, index).await.logged_at()
}

#[tokio::test]
async fn reads_past_the_log_or_of_nonsense_are_refused() {
    let (log, _, _) = log().await;
    log.checkpoint_after(TreeSize::new(1)).await.unwrap();
    let tile = |level, index| vouchlog_merkle::TileId { level, index };
    for (id, width) in
        [(tile(0, 0), 3), (tile(0, 1), 1), (tile(1, 0), 1), (tile(63, u64::MAX), 256), (tile(255, 0), 1)]
    {
        assert_eq!(log.tile(id, width).await.unwrap_err().kind, ErrorKind::NotFound, "{id:?} {width}");
    }
    for width in [0, 257, u16::MAX] {
        assert_eq!(log.tile(tile(0, 0), width).await.unwrap_err().kind, ErrorKind::InvalidArgument);
        assert_eq!(log.entry_bundle(0, width).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    }
    assert_eq!(log.entry_bundle(u64::MAX, 1).await.unwrap_err().kind, ErrorKind::NotFound);
    assert!(proof::inclusion(&log, LeafIndex::new(u64::MAX), TreeSize::new(u64::MAX)).await.is_err());
    assert!(proof::entry(&log, LeafIndex::new(2), log.sequenced().size()).await.is_err());
}

#[tokio::test]
async fn the_index_can_be_dropped_and_built_anew_while_the_log_runs() {
    let (log, _, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let batch = statements(300, 1);
    gateway.send(&log, batch.clone(), T).await.unwrap();
    log.find(LookupKey::Digest(batch[299].digest)).await.unwrap();
    log.rebuild_index();
    gateway.send(&log, statements(3, 2), T).await.unwrap();
    let index = log.find(LookupKey::Digest(batch[0].digest)).await.unwrap();
    assert!(matches!(entry(&log, index.get()).await, Entry::Statement(_)));
    let without = open(Arc::new(MemoryStore::new()), None, &TestClock::default()).unwrap();
    let error = without.find(LookupKey::Digest(batch[0].digest)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition);
}

#[tokio::test]
async fn a_stopped_log_refuses_and_still_reads() {
    let (log, _, _) = log().await;
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(3, 1), T).await.unwrap();
    log.stop().await;
    log.stop().await;
    let error = log.append(gateway.request(statements(1, 2), T)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!log.readiness().is_ready());
    assert!(log.checkpoint().await.is_ok());
}

#[tokio::test]
async fn a_revoked_house_takes_nothing_more() {
    let (log, store, clock) = log().await;
    log.append_house(house(opaque(3, 1))).await.unwrap();
    let operator = key("operator.example.com", SignatureType::Ed25519, 2);
    let revocation = Revocation {
        log: log.origin().clone(),
        gateway: key("house.example.com", SignatureType::Ed25519, 3).verifying_key().clone(),
        reason: "the log is only for gateways now".into(),
        effective: LoggedAt::from_millis(clock.now()).unwrap(),
    };
    log.revoke(revocation.sign(&operator).unwrap()).await.unwrap();
    let size = log.sequenced().size();
    let refused = log.append_house(house(opaque(1, 2))).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied);
    assert_eq!(log.sequenced().size(), size);
    check(&log, &store).await;
}

/// A log once acknowledged twice as fast as it indexed, without bound, and `/readyz` said nothing of it.
#[tokio::test]
async fn a_log_waits_for_its_index() {
    let (index, clock) = (Arc::new(TestIndex::default()), TestClock::default());
    let options = Options { max_index_lag: 10_000, open_enrolment: true, ..Options::default() };
    let config = config(&clock, options);
    let store = Arc::new(MemoryStore::new());
    let log = Engine::open(config, store, Some(index.clone()), &mut Registry::default()).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let sent = statements(5_000, 1);
    gateway.send(&log, sent.clone(), T).await.unwrap();
    log.find(LookupKey::Digest(sent[4_999].digest)).await.unwrap();
    assert!(log.readiness().notes.iter().all(|(name, _)| name != "index"));
    index.set(STALLED);
    let mut refused = None;
    for round in 2..9 {
        let request = gateway.request(statements(5_000, round), T);
        match log.append(request.clone()).await {
            Ok(_) => {}
            Err(error) => {
                refused = Some((round, error, request));
                break;
            }
        }
    }
    let (round, error, request) = refused.expect("it does not outrun its index for ever");
    assert!((4..=5).contains(&round), "{round}");
    assert!(matches!(error.kind, ErrorKind::Overloaded { .. }) && error.message.contains("index"), "{error}");
    // It reports how far it lags, serves reads, and takes what adds no statement.
    let readiness = log.readiness();
    let note = readiness.notes.iter().find(|(name, _)| name == "index").expect("it reports the lag");
    assert!(readiness.is_ready() && note.1.contains("it covers 50"), "{note:?}");
    log.enrol(TestGateway::enrolment(11)).await.unwrap();
    // What failed before goes through once the index has caught up.
    index.set(WELL);
    let taken = async {
        while let Err(error) = log.append(request.clone()).await {
            assert!(matches!(error.kind, ErrorKind::Overloaded { .. }), "{error}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), taken).await.expect("the index catches up");
}
