//! The operator's key, and those of witnesses, change while the log runs: what each key may do before and after, over restarts and crashes, and in one batch.

use std::sync::Arc;

use prometheus_client::registry::Registry;
use vouchlog_api::{Appender, ErrorKind};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{Origin, Policy, SignatureType, SigningKey, VerifyingKey};
use vouchlog_storage::{Fault, FaultPlan, MemoryStore, Store as _};
use vouchlog_stream::{
    DailyLimits, Enrolment, Limit, LoggedAt, OperatorCause, OperatorChange, Quota, QuotaScope, RecoveryKey,
    Revocation, WitnessRotation,
};

use super::check;
use crate::rebuild::Rebuilder;
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements};
use crate::{Config, Engine, EngineError, Options, Witnesses};

const T: u64 = 1_767_225_600;

type Log = Engine<Arc<MemoryStore>>;

/// The operator's key of this number; 2 is the first. The secret of number 3 would be the house's.
fn operator(number: u8) -> SigningKey {
    let seed = if number == 3 { 103 } else { number };
    key("operator.example.com", SignatureType::Ed25519, seed)
}

fn recovery() -> SigningKey {
    key("recovery.example.com", SignatureType::Ed25519, 200)
}

fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

fn change(cause: OperatorCause, old: u8, new: u8, by: &SigningKey) -> String {
    let (replaces, new) = (operator(old).verifying_key().clone(), operator(new));
    let operator = new.verifying_key().clone();
    OperatorChange { log: origin(), operator, replaces, cause, words: String::new() }.sign(by, &new).unwrap()
}

fn rotation(old: u8, new: u8) -> String {
    change(OperatorCause::Rotation, old, new, &operator(old))
}

fn naming(by: u8) -> String {
    let naming = RecoveryKey { log: origin(), recovery: recovery().verifying_key().clone(), replaces: None };
    naming.sign(&operator(by), &recovery(), None).unwrap()
}

fn enrolment(gateway: u8, by: u8) -> String {
    let key = TestGateway::enrolled_key(gateway).verifying_key().clone();
    Enrolment::first(origin(), key).sign(&operator(by)).unwrap()
}

fn revocation(gateway: u8, by: u8) -> String {
    let gateway = TestGateway::enrolled_key(gateway).verifying_key().clone();
    let (effective, reason) = (LoggedAt::from_millis(1).unwrap(), "x".to_owned());
    Revocation { log: origin(), gateway, effective, reason }.sign(&operator(by)).unwrap()
}

fn quota(by: u8) -> String {
    let unlimited =
        DailyLimits { statements: Limit::Unlimited, bytes: Limit::Unlimited, streams: Limit::Unlimited };
    let issued = LoggedAt::from_millis(1).unwrap();
    Quota { log: origin(), scope: QuotaScope::All, issued, limits: unlimited }.sign(&operator(by)).unwrap()
}

fn open_with(
    store: &Arc<MemoryStore>,
    clock: &TestClock,
    with: impl FnOnce(&mut Config),
) -> Result<Log, EngineError> {
    let mut config = config(clock, Options::default());
    with(&mut config);
    Engine::open(config, store.clone(), None, &mut Registry::default())
}

fn open(store: &Arc<MemoryStore>, clock: &TestClock) -> Log {
    open_with(store, clock, |_| {}).unwrap()
}

/// The log of a store, written again from its entries alone, with none of its states.
fn rebuilt(store: &MemoryStore) -> Arc<MemoryStore> {
    let loaded = store.reopen().load().unwrap().unwrap();
    let (rebuilt, origin) = (Arc::new(MemoryStore::new()), origin());
    let log_key = key(ORIGIN, SignatureType::Ed25519, 1);
    let mut rebuilder = Rebuilder::new(&*rebuilt, &origin, log_key.verifying_key());
    loaded.tail.iter().for_each(|piece| rebuilder.push(piece).unwrap());
    rebuilder.finish(loaded.head, &[]).unwrap();
    rebuilt
}

/// What the key of this number signs is refused.
async fn check_retired(log: &Log, by: u8, since: LeafIndex) {
    let size = log.sequenced().size();
    for refused in [
        log.enrol(enrolment(70, by)).await,
        log.revoke(revocation(10, by)).await,
        log.set_quota(quota(by)).await,
    ] {
        let error = refused.unwrap_err();
        assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
        assert!(error.message.contains(&format!("was replaced by entry {since}")), "{error}");
    }
    let error = log.change_key(rotation(by, 60)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::FailedPrecondition, "{error}");
    assert_eq!(log.sequenced().size(), size, "what is refused is no entry");
}

#[tokio::test]
async fn from_the_entry_on_the_new_key_signs_and_the_old_one_signs_nothing() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock);
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let refused = log.enrol(enrolment(11, 3)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied);
    let note = rotation(2, 3);
    let index = log.change_key(note.clone()).await.unwrap();
    assert_eq!(log.change_key(note.clone()).await.unwrap(), index, "the same again answers the same");
    assert_eq!(log.operators().key(), operator(3).verifying_key());
    check_retired(&log, 2, index).await;
    // What was there before goes on, and the new key does all that the old one did.
    gateway.send(&log, statements(5, 1), T).await.unwrap();
    log.enrol(enrolment(11, 3)).await.unwrap();
    log.set_quota(quota(3)).await.unwrap();
    log.revoke(revocation(11, 3)).await.unwrap();
    assert_eq!(log.stream(gateway.stream).await.unwrap().operator_changes, [index]);
    let third = log.change_key(rotation(3, 4)).await.unwrap();
    assert_eq!(log.change_key(note).await.unwrap(), index);
    check_retired(&log, 2, index).await;
    check_retired(&log, 3, third).await;
    check(&log, &store).await;
}

#[tokio::test]
async fn a_restart_a_crash_and_a_rebuild_keep_the_key_in_force() {
    let (mut store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock);
    TestGateway::open(&log, 10).await.unwrap();
    // The commit of the change fails in each way: either it is there, whole, or it is not.
    for (fault, old, new) in [(Fault::Refuse, 2, 3), (Fault::Lose, 2, 3), (Fault::Keep, 2, 3)] {
        let (store, clock) = (Arc::new(store.reopen()), clock.clone());
        let log = open(&store, &clock);
        store.set_faults(FaultPlan { commits: [(0, fault)].into(), ..FaultPlan::default() });
        assert!(log.change_key(rotation(old, new)).await.is_err());
        drop(log);
        let store = Arc::new(store.reopen());
        let log = open(&store, &clock);
        let in_force = if fault == Fault::Keep { new } else { old };
        assert_eq!(log.operators().key(), operator(in_force).verifying_key(), "{fault:?}");
        let index = log.change_key(rotation(old, new)).await.unwrap();
        check_retired(&log, old, index).await;
        check(&log, &store).await;
    }
    let index = log.change_key(rotation(2, 3)).await.unwrap();
    log.change_key(naming(3)).await.unwrap();
    let before = log.operators();
    log.stop().await;
    drop(log);
    store = Arc::new(store.reopen());
    let log = open(&store, &clock);
    assert_eq!(log.operators(), before);
    check_retired(&log, 2, index).await;
    log.enrol(enrolment(11, 3)).await.unwrap();
    check(&log, &store).await;
    drop(log);
    let rebuilt = rebuilt(&store);
    let log = open(&rebuilt, &clock);
    assert_eq!(log.operators(), before);
    check_retired(&log, 2, index).await;
    check(&log, &rebuilt).await;
}

/// Each key that was ever the operator's names the log; no other does.
#[tokio::test]
async fn a_log_is_opened_with_the_first_key_or_the_newest_and_with_no_other() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock);
    log.change_key(rotation(2, 3)).await.unwrap();
    log.stop().await;
    drop(log);
    let named = |seed: u8| operator(seed).verifying_key().clone();
    let with = |secret: Option<u8>, vkey: Option<VerifyingKey>| {
        open_with(&Arc::new(store.reopen()), &clock, |config| {
            config.operator_key = secret.map(operator);
            config.operator = vkey;
        })
    };
    for (secret, vkey) in
        [(None, Some(named(2))), (None, Some(named(3))), (Some(3), Some(named(2))), (Some(2), None)]
    {
        let log = with(secret, vkey).unwrap();
        assert_eq!(log.operators().key(), &named(3));
    }
    for (secret, vkey) in [(None, Some(named(4))), (Some(4), None), (Some(3), Some(named(4)))] {
        let error = with(secret, vkey).unwrap_err();
        assert!(matches!(error, EngineError::OperatorKey { since: 1.., .. }), "{error}");
        assert!(error.to_string().contains(&named(3).to_string()), "{error}");
    }
}

/// A log that enrols by itself stops doing so when its key is retired: also within the batch that retires it.
#[tokio::test]
async fn a_retired_key_in_the_process_enrols_nobody() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { open_enrolment: true, ..Options::default() };
    let log =
        Engine::open(config(&clock, options.clone()), store.clone(), None, &mut Registry::default()).unwrap();
    TestGateway::open_numbered(&log, 10, 0, None).await.unwrap();
    // Both wait for the same batch as often as not; in whichever order they come, no entry is signed by the old key after the change.
    let (changed, opened) =
        tokio::join!(log.change_key(rotation(2, 3)), TestGateway::open_numbered(&log, 11, 0, None));
    changed.unwrap();
    if let Err(error) = opened {
        assert_eq!(error.kind, ErrorKind::PermissionDenied, "{error}");
    }
    let refused = TestGateway::open_numbered(&log, 12, 0, None).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PermissionDenied, "{refused}");
    check(&log, &store).await;
    drop(log);
    let store = Arc::new(store.reopen());
    let new = |config: &mut Config| (config.operator_key, config.options) = (Some(operator(3)), options);
    let log = open_with(&store, &clock, new).unwrap();
    TestGateway::open_numbered(&log, 12, 0, None).await.unwrap();
    check(&log, &store).await;
}

/// Owner and thief rotate at once: one of them is first, and the other is told.
#[tokio::test]
async fn of_two_rotations_one_counts_and_the_recovery_key_has_the_last_word() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock);
    log.change_key(naming(2)).await.unwrap();
    let (owner, thief) = tokio::join!(log.change_key(rotation(2, 3)), log.change_key(rotation(2, 9)));
    assert!(owner.is_ok() != thief.is_ok());
    let lost = if owner.is_ok() { thief } else { owner };
    assert_eq!(lost.unwrap_err().kind, ErrorKind::FailedPrecondition);
    let in_force = if log.operators().key() == operator(3).verifying_key() { 3 } else { 9 };
    let back = change(OperatorCause::Compromised, in_force, 4, &recovery());
    let index = log.change_key(back).await.unwrap();
    check_retired(&log, in_force, index).await;
    log.enrol(enrolment(11, 4)).await.unwrap();
    check(&log, &store).await;
}

#[tokio::test]
async fn a_key_serves_one_role() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock);
    log.enrol(TestGateway::enrolment(10)).await.unwrap();
    // The same secret as the gateway's and as the log's, under the operator's name.
    for seed in [10, 1] {
        let error = log.change_key(rotation(2, seed)).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{error}");
    }
    log.change_key(rotation(2, 3)).await.unwrap();
    for seed in [2, 103] {
        let gateway = key("gateway.example.com", SignatureType::Ed25519, seed).verifying_key().clone();
        let note = Enrolment::first(origin(), gateway).sign(&operator(3)).unwrap();
        assert_eq!(log.enrol(note).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    }
    check(&log, &store).await;
}

fn witness(seed: u8) -> SigningKey {
    key("witness.example.com/w1", SignatureType::CosignatureEd25519, seed)
}

fn witness_rotation(old: u8, new: u8) -> String {
    WitnessRotation::sign(&witness(old), &witness(new), T).unwrap()
}

/// A log holds the rotations of its own witnesses' keys, each once, over a restart and a rebuild.
#[tokio::test]
async fn a_witness_of_the_policy_rotates_its_key_once() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let policy = format!("witness w1 {}\nquorum none\n", witness(50).verifying_key());
    let policy = Policy::parse(policy.as_bytes()).unwrap();
    let open = |store: &Arc<MemoryStore>| {
        let witnesses = Witnesses::new(policy.clone(), Vec::new());
        open_with(store, &clock, |config| config.witnesses = Some(witnesses)).unwrap()
    };
    let log = open(&store);
    let strangers = log.change_key(witness_rotation(60, 61)).await.unwrap_err();
    assert_eq!(strangers.kind, ErrorKind::InvalidArgument, "{strangers}");
    let (one, other) =
        tokio::join!(log.change_key(witness_rotation(50, 51)), log.change_key(witness_rotation(50, 59)));
    assert!(one.is_ok() != other.is_ok(), "one of two rotations counts");
    let (index, new) = one.map_or_else(|_| (other.unwrap(), 59), |index| (index, 51));
    assert_eq!(log.change_key(witness_rotation(50, new)).await.unwrap(), index, "the same again");
    let third = log.change_key(witness_rotation(new, 52)).await.unwrap();
    let again = async |log: &Log| {
        for (old, new, kind) in
            [(50, 58, ErrorKind::FailedPrecondition), (52, 50, ErrorKind::InvalidArgument)]
        {
            let error = log.change_key(witness_rotation(old, new)).await.unwrap_err();
            assert_eq!(error.kind, kind, "{error}");
        }
        assert_eq!(log.change_key(witness_rotation(new, 52)).await.unwrap(), third);
    };
    again(&log).await;
    check(&log, &store).await;
    drop(log);
    let store = Arc::new(store.reopen());
    let log = open(&store);
    again(&log).await;
    check(&log, &store).await;
    drop(log);
    let rebuilt = rebuilt(&store);
    let log = open(&rebuilt);
    again(&log).await;
    check(&log, &rebuilt).await;
}
