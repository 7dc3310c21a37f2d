//! A gateway's name belongs to its key: what a second key needs, and what becomes of the first.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{Appender, Error, ErrorKind};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{KeyName, Origin, SignatureType, Signer, SignerError, SigningKey};
use vouchlog_storage::{Batch, MemoryStore, Store as _};
use vouchlog_stream::{
    Enrolment, Entry, GatewayState, LoggedAt, OperatorCause, OperatorChange, Previous, ReplacementCause,
    ReplacementReason, Replaces, Revocation, StreamOpening,
};

use super::check;
use crate::draft::Draft;
use crate::recover::recover;
use crate::sequence::integrate;
use crate::state::{Directory, stored_gateway};
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, open, statements};
use crate::{Config, Engine, Options};

const T: u64 = 1_767_225_600;

type Log = Engine<Arc<MemoryStore>>;

fn log() -> (Log, Arc<MemoryStore>, TestClock) {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    (open(store.clone(), None, &clock).unwrap(), store, clock)
}

fn operator() -> SigningKey {
    key("operator.example.com", SignatureType::Ed25519, 2)
}

/// Another key of the name that gateway 10 has.
fn other(seed: u8) -> SigningKey {
    key("gateway-10.example.com", SignatureType::Ed25519, seed)
}

fn first(gateway: &SigningKey) -> String {
    let enrolment = Enrolment::first(Origin::new(ORIGIN).unwrap(), gateway.verifying_key().clone());
    enrolment.sign(&operator()).unwrap()
}

fn replacing(old: &SigningKey, new: &SigningKey, reason: ReplacementReason) -> Enrolment {
    let replaces = Some(Replaces { key: old.verifying_key().clone(), reason });
    Enrolment { replaces, ..Enrolment::first(Origin::new(ORIGIN).unwrap(), new.verifying_key().clone()) }
}

fn rotation(old: &SigningKey, new: &SigningKey) -> String {
    let note = replacing(old, new, ReplacementReason::Rotation).cross_sign(old, new).unwrap();
    Enrolment::countersign(&note, &Origin::new(ORIGIN).unwrap(), &operator()).unwrap()
}

fn replacement(old: &SigningKey, new: &SigningKey) -> String {
    let reason = ReplacementReason::Operator { cause: ReplacementCause::Lost, words: "in a taxi".to_owned() };
    replacing(old, new, reason).sign(&operator()).unwrap()
}

fn opening(gateway: &SigningKey, stream_seed: u8, previous: Option<Previous>) -> String {
    let stream = key("gateway-10.example.com", SignatureType::CosignatureEd25519, stream_seed);
    let opening = StreamOpening {
        log: Origin::new(ORIGIN).unwrap(),
        gateway: gateway.verifying_key().clone(),
        stream: stream.verifying_key().clone(),
        previous,
    };
    opening.sign(gateway).unwrap()
}

/// Commits an enrolment as versions did before names belonged to keys.
fn enrol_as_before(store: &MemoryStore, gateway: &SigningKey, clock: &TestClock) {
    let loaded = store.load().unwrap().unwrap();
    let ((tree, _), size) = (recover(store, &loaded).unwrap(), loaded.head.size.get());
    let (directory, now) = (Directory::default(), LoggedAt::from_millis(clock.now()).unwrap());
    let mut draft = Draft::new(&directory, None, size, now);
    let index = draft.push(&Entry::GatewayEnrolled { logged_at: now, note: first(gateway) });
    let drafted = draft.finish();
    let integrated = integrate(&tree, &drafted.entries, &drafted.leaves);
    let state = stored_gateway(&GatewayState::enrolled(gateway.verifying_key().clone(), index));
    let (head, entries, growth) = (integrated.head, drafted.entries.bytes, integrated.growth);
    store.commit(Some(size), Batch { head, count: 1, entries, states: vec![state], growth }).unwrap();
}

fn refused<T: std::fmt::Debug>(outcome: Result<T, Error>, kind: &ErrorKind, words: &str) {
    let error = outcome.unwrap_err();
    assert!(error.kind == *kind && error.message.contains(words), "{error:?}");
}

#[tokio::test]
async fn a_second_key_under_a_taken_name_is_refused() {
    let (log, store, _) = log();
    TestGateway::open(&log, 10).await.unwrap();
    let size = log.sequenced().size();
    refused(log.enrol(first(&other(20))).await, &ErrorKind::FailedPrecondition, "belongs to the key");
    assert_eq!(log.sequenced().size(), size, "nothing of it is in the log");
    let stranger = log.open_stream(opening(&other(20), 120, None)).await;
    refused(stranger, &ErrorKind::PermissionDenied, "is not enrolled");
    check(&log, &store).await;
}

#[tokio::test]
async fn open_enrolment_gives_no_name_away() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { open_enrolment: true, ..Options::default() };
    let log = Engine::open(config(&clock, options), store.clone(), None, &mut Registry::default()).unwrap();
    log.open_stream(opening(&other(10), 110, None)).await.unwrap();
    let second = log.open_stream(opening(&other(20), 120, None)).await;
    refused(second, &ErrorKind::FailedPrecondition, "belongs to the key");
    check(&log, &store).await;
}

#[tokio::test]
async fn a_rotated_key_opens_no_streams_and_those_it_has_go_on() {
    let (log, store, clock) = log();
    let (old, new) = (other(10), other(20));
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(2, 1), T).await.unwrap();
    let index = log.enrol(rotation(&old, &new)).await.unwrap();
    assert_eq!(log.enrol(rotation(&old, &new)).await.unwrap(), index, "the same note again");
    refused(log.open_stream(opening(&old, 121, None)).await, &ErrorKind::PermissionDenied, "was replaced");
    // A replacement would revoke the old key, and it was rotated: the operator must not take that for done.
    let replaced = log.enrol(replacement(&old, &new)).await;
    refused(replaced, &ErrorKind::FailedPrecondition, "is enrolled already");
    gateway.send(&log, statements(2, 2), T + 1).await.unwrap();
    let previous = Some(Previous { stream: gateway.stream, size: 4 });
    let stream = log.open_stream(opening(&new, 122, previous)).await.unwrap().stream;
    assert_eq!(log.stream(stream).await.unwrap().enrolled, index);

    // A chain goes on from its newest key alone.
    let third = other(30);
    refused(log.enrol(rotation(&old, &third)).await, &ErrorKind::PermissionDenied, "was replaced");
    refused(log.enrol(first(&third)).await, &ErrorKind::FailedPrecondition, "belongs to the key");
    refused(log.enrol(first(&old)).await, &ErrorKind::PermissionDenied, "was replaced");
    refused(log.enrol(rotation(&new, &old)).await, &ErrorKind::PermissionDenied, "was replaced");
    log.enrol(rotation(&new, &third)).await.unwrap();
    check(&log, &store).await;
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    refused(log.enrol(first(&other(40))).await, &ErrorKind::FailedPrecondition, "belongs to the key");
    refused(log.open_stream(opening(&new, 123, None)).await, &ErrorKind::PermissionDenied, "was replaced");
    log.open_stream(opening(&third, 124, None)).await.unwrap();
    log.stop().await;
}

#[tokio::test]
async fn a_key_that_the_operator_replaces_is_revoked() {
    let (log, store, _) = log();
    let (old, new) = (other(10), other(20));
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(2, 1), T).await.unwrap();
    log.enrol(replacement(&old, &new)).await.unwrap();
    let more = log.append(gateway.clone().request(statements(1, 2), T + 1)).await;
    refused(more, &ErrorKind::PermissionDenied, "lost: in a taxi");
    let previous = Some(Previous { stream: gateway.stream, size: 2 });
    log.open_stream(opening(&new, 121, previous)).await.unwrap();
    check(&log, &store).await;
}

/// A revocation that takes effect later holds up no withdrawal that takes effect at once, whichever of the two it is.
#[tokio::test]
async fn the_withdrawal_that_takes_effect_first_is_in_force() {
    for by_replacement in [true, false] {
        let (log, store, clock) = log();
        let (old, new) = (other(10), other(20));
        let mut gateway = TestGateway::open(&log, 10).await.unwrap();
        let revocation = |from_now: u64| Revocation {
            log: Origin::new(ORIGIN).unwrap(),
            gateway: old.verifying_key().clone(),
            effective: LoggedAt::from_millis(clock.now() + from_now).unwrap(),
            reason: "retired".to_owned(),
        };
        let later = log.revoke(revocation(86_400_000).sign(&operator()).unwrap()).await.unwrap();
        let latest = revocation(2 * 86_400_000).sign(&operator()).unwrap();
        assert_eq!(log.revoke(latest).await.unwrap(), later, "it would change nothing");
        gateway.send(&log, statements(1, 1), T).await.unwrap();
        if by_replacement {
            log.enrol(replacement(&old, &new)).await.unwrap();
        } else {
            assert!(log.revoke(revocation(0).sign(&operator()).unwrap()).await.unwrap() > later);
        }
        let more = log.append(gateway.clone().request(statements(1, 2), T + 1)).await;
        assert_eq!(more.unwrap_err().kind, ErrorKind::PermissionDenied);
        check(&log, &store).await;
        let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
        let more = log.append(gateway.request(statements(1, 2), T + 1)).await;
        assert_eq!(more.unwrap_err().kind, ErrorKind::PermissionDenied, "after a restart");
        log.stop().await;
    }
}

#[tokio::test]
async fn a_revoked_key_rotates_to_no_other_but_can_be_replaced() {
    let (log, store, clock) = log();
    let (old, new) = (other(10), other(20));
    TestGateway::open(&log, 10).await.unwrap();
    let revocation = Revocation {
        log: Origin::new(ORIGIN).unwrap(),
        gateway: old.verifying_key().clone(),
        effective: LoggedAt::from_millis(clock.now()).unwrap(),
        reason: "stolen".to_owned(),
    };
    let revoked = log.revoke(revocation.sign(&operator()).unwrap()).await.unwrap();
    refused(log.enrol(rotation(&old, &new)).await, &ErrorKind::PermissionDenied, "stolen");
    refused(log.enrol(first(&new)).await, &ErrorKind::FailedPrecondition, "belongs to the key");
    log.enrol(replacement(&old, &new)).await.unwrap();
    assert_eq!(log.revoke(revocation.sign(&operator()).unwrap()).await.unwrap(), revoked);
    check(&log, &store).await;
}

#[tokio::test]
async fn what_replaces_a_key_that_is_not_enrolled_is_refused() {
    let (log, store, _) = log();
    TestGateway::open(&log, 10).await.unwrap();
    let unknown = log.enrol(rotation(&other(21), &other(20))).await;
    refused(unknown, &ErrorKind::PermissionDenied, "is not enrolled");
    let known = log.enrol(replacement(&other(21), &other(10))).await;
    refused(known, &ErrorKind::FailedPrecondition, "is enrolled already");
    check(&log, &store).await;
}

/// A log of an earlier version may hold two keys of one name: it opens, both go on, and the operator is told.
#[tokio::test]
async fn a_log_that_has_two_keys_of_a_name_opens_and_reports_it() {
    let (log, store, clock) = log();
    TestGateway::open(&log, 10).await.unwrap();
    log.stop().await;
    let store = Arc::new(store.reopen());
    enrol_as_before(&store, &other(20), &clock);
    let report = check(&log, &store).await;
    assert_eq!(report.notes.len(), 1, "{report:?}");
    let ids = [other(10), other(20)].map(|key| key.verifying_key().id().to_string());
    assert!(ids.iter().all(|id| report.notes[0].contains(id)), "{report:?}");
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    for (seed, key) in [(130, other(10)), (131, other(20))] {
        log.open_stream(opening(&key, seed, None)).await.unwrap();
    }
    refused(log.enrol(first(&other(40))).await, &ErrorKind::FailedPrecondition, "belongs to the key");
    log.stop().await;
}

#[tokio::test]
async fn a_name_that_cannot_be_told_from_another_is_not_enrolled() {
    let (log, store, _) = log();
    for name in
        ["gateway\u{200b}.example.com", "\u{202e}moc.elpmaxe", "gätewäy.example.com", "gаteway.example.com"]
    {
        let note = first(&key(name, SignatureType::Ed25519, 50));
        refused(log.enrol(note).await, &ErrorKind::InvalidArgument, "printable ASCII");
    }
    assert_eq!(log.enrol(first(&other(10))).await.unwrap(), LeafIndex::new(2));
    check(&log, &store).await;
}

/// The operator's key, elsewhere: each signature waits for one release.
#[derive(Debug, Default)]
struct Slow {
    released: parking_lot::Mutex<usize>,
    changed: parking_lot::Condvar,
}

impl Slow {
    fn release(&self, count: usize) {
        *self.released.lock() += count;
        self.changed.notify_all();
    }
}

impl Signer for Slow {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let mut released = self.released.lock();
        self.changed.wait_while(&mut released, |released| *released == 0);
        *released -= 1;
        let operator = key("operator.example.com", SignatureType::Ed25519, 2);
        let line = operator.sign_note(std::str::from_utf8(message).unwrap()).unwrap();
        Ok(line.payload().try_into().unwrap())
    }
}

/// A log that lets everyone in, with the operator's key elsewhere.
fn log_with(slow: Arc<Slow>) -> (Log, Arc<MemoryStore>) {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { open_enrolment: true, ..Options::default() };
    let config = config(&clock, options);
    let operator = config.operator_key.as_ref().unwrap().verifying_key().clone();
    let operator_key = Some(SigningKey::elsewhere(operator, slow).unwrap());
    let config = Config { operator_key, house_key: None, ..config };
    (Engine::open(config, store.clone(), None, &mut Registry::default()).unwrap(), store)
}

/// The operator's key changes while the old one signs an enrolment: that is no entry any more.
#[tokio::test]
async fn an_enrolment_that_is_signed_too_late_enrols_nobody() {
    let slow = Arc::new(Slow::default());
    let (log, store) = log_with(slow.clone());
    let stranger = {
        let (log, note) = (log.clone(), opening(&other(20), 120, None));
        tokio::spawn(async move { log.open_stream(note).await })
    };
    // It waits for the key from here on.
    tokio::task::yield_now().await;
    let operator = |seed: u8| key("operator.example.com", SignatureType::Ed25519, seed);
    let (old, new) = (operator(2), operator(103));
    let rotation = OperatorChange {
        log: log.origin().clone(),
        operator: new.verifying_key().clone(),
        replaces: old.verifying_key().clone(),
        cause: OperatorCause::Rotation,
        words: String::new(),
    };
    let index = log.change_key(rotation.sign(&old, &new).unwrap()).await.unwrap();
    slow.release(1);
    refused(stranger.await.unwrap(), &ErrorKind::PermissionDenied, "is not enrolled with this key");
    assert_eq!(log.sequenced().size().get(), index.get() + 1);
    check(&log, &store).await;
}

/// A stranger once stopped the whole log for as long as the operator's key took.
#[tokio::test]
async fn only_unknown_gateways_wait_for_the_operators_key() {
    let slow = Arc::new(Slow::default());
    let (log, store) = log_with(slow.clone());
    let mut known = TestGateway::open(&log, 10).await.unwrap();
    let named = |number: u64| {
        let name = KeyName::new(&format!("stranger-{number}.example.com")).unwrap();
        SigningKey::generate(name, SignatureType::Ed25519, [u8::try_from(number).unwrap(); 32]).unwrap()
    };
    let asks = |number: u64| {
        let note = opening(&named(number), u8::try_from(100 + number).unwrap(), None);
        let log = log.clone();
        tokio::spawn(async move { log.open_stream(note).await })
    };
    // One is with the key; the rest wait.
    let mut strangers: Vec<_> = (0..64).map(|number| asks(20 + number)).collect();
    let refused = loop {
        tokio::task::yield_now().await;
        known.send(&log, statements(3, 1), T).await.unwrap();
        let mut late = asks(90);
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), &mut late).await {
            break answer.unwrap().unwrap_err();
        }
        late.abort();
    };
    assert!(matches!(refused.kind, ErrorKind::Overloaded { .. }), "{refused}");
    assert!(refused.message.contains("wait for the operator's signature"), "{refused}");
    // Those that left are not signed for.
    for stranger in strangers.split_off(2) {
        stranger.abort();
        // Its caller is gone once this is over.
        drop(stranger.await);
    }
    slow.release(3);
    for stranger in strangers {
        stranger.await.unwrap().unwrap();
    }
    asks(91).await.unwrap().unwrap();
    known.send(&log, statements(3, 2), T).await.unwrap();
    check(&log, &store).await;
}
