//! The log and its witnesses: honest, slow, dead and lying ones, and stores that are not what they were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_api::{AckLevel, AnyWitness, Appender, Error, ErrorKind, LogReader, Result, Watch, Witness};
use vouchlog_merkle::{Hash, TreeHead, TreeSize, sha256};
use vouchlog_note::{
    AddCheckpoint, Checkpoint, CosignedCheckpoint, Origin, Policy, SignSubtree, SignatureType,
    SignedCheckpoint, SigningKey, UnverifiedNote,
};
use vouchlog_storage::{Batch, Growth, MemoryStore, Store as _};

use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements};
use crate::{Engine, EngineError, GuardError, Options, WitnessLink, Witnesses, fsck};

/// How a witness behaves.
#[derive(Clone, Debug)]
enum Manner {
    Honest,
    Dead,
    /// Answers late.
    Slow(Duration),
    /// Cosigns something else.
    FalseSignature,
    /// Cosigns under a name that is not its own.
    OtherName,
    /// Names this size, whatever it is asked.
    ClaimsSize(u64),
    /// Refuses everything as inconsistent.
    Refuses,
    /// Hangs.
    Silent,
}

/// A witness as tlog-witness has it, without a disk, and with bad manners when told so.
#[derive(Clone)]
struct TestWitness {
    key: SigningKey,
    manner: Arc<Mutex<Manner>>,
    seen: Arc<Mutex<Option<(TreeHead, String)>>>,
    asked: Arc<AtomicU64>,
}

impl TestWitness {
    fn new(place: u8) -> Self {
        let key =
            key(&format!("witness.example.com/w{place}"), SignatureType::CosignatureEd25519, 40 + place);
        Self {
            key,
            manner: Arc::new(Mutex::new(Manner::Honest)),
            seen: Arc::default(),
            asked: Arc::default(),
        }
    }

    fn with(self, manner: Manner) -> Self {
        *self.manner.lock() = manner;
        self
    }

    fn link(&self) -> WitnessLink {
        let name = self.key.verifying_key().name().to_string();
        WitnessLink {
            name,
            keys: vec![self.key.verifying_key().clone()],
            witness: AnyWitness::new(self.clone()),
        }
    }

    fn seen(&self) -> Option<TreeHead> {
        self.seen.lock().as_ref().map(|(head, _)| *head)
    }

    fn cosign(&self, request: &AddCheckpoint) -> Result<String> {
        let origin = Origin::new(ORIGIN).unwrap();
        let log = key(ORIGIN, SignatureType::Ed25519, 1);
        let note = request.note().as_str().as_bytes();
        let signed = SignedCheckpoint::open(note, &origin, log.verifying_key())
            .map_err(|error| Error::new(ErrorKind::PermissionDenied, error.to_string()))?;
        let mut seen = self.seen.lock();
        let (old, new) = (seen.as_ref().map(|(head, _)| *head), signed.head());
        let size = old.map_or(0, |head| head.size.get());
        if request.old_size().get() != size {
            return Err(Error::new(ErrorKind::Conflict { size }, "another size"));
        }
        if let Some(old) = old.filter(|old| old.size.get() > 0) {
            let proved = request.proof().verify(&old, &new);
            proved.map_err(|error| Error::new(ErrorKind::Inconsistent, error.to_string()))?;
        }
        *seen = Some((new, signed.note().to_owned()));
        Ok(line(signed.checkpoint(), &self.key))
    }
}

/// A cosignature line by a key.
fn line(checkpoint: &Checkpoint, key: &SigningKey) -> String {
    let cosigned = CosignedCheckpoint::sign(checkpoint, key, 1_767_225_600).unwrap();
    let note = UnverifiedNote::parse(cosigned.note().as_bytes()).unwrap();
    format!("{}\n", note.lines()[0])
}

impl Witness for TestWitness {
    async fn add_checkpoint(&self, request: AddCheckpoint) -> Result<String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let manner = self.manner.lock().clone();
        let other = |name: &str| key(name, SignatureType::CosignatureEd25519, 99);
        let checkpoint = Checkpoint::parse(request.note().unverified_text()).unwrap();
        match manner {
            Manner::Honest => self.cosign(&request),
            Manner::Dead => Err(Error::unavailable("connection refused")),
            Manner::Slow(late) => {
                tokio::time::sleep(late).await;
                self.cosign(&request)
            }
            Manner::FalseSignature => {
                let elsewhere = Checkpoint::new(checkpoint.origin().clone(), TreeHead::EMPTY);
                Ok(line(&elsewhere, &self.key))
            }
            Manner::OtherName => Ok(line(&checkpoint, &other("witness.example.com/other"))),
            Manner::ClaimsSize(size) => Err(Error::new(ErrorKind::Conflict { size }, "another size")),
            Manner::Refuses => Err(Error::new(ErrorKind::Inconsistent, "no")),
            Manner::Silent => std::future::pending().await,
        }
    }

    async fn sign_subtree(&self, _: SignSubtree) -> Result<String> {
        Err(Error::new(ErrorKind::FailedPrecondition, "this witness signs no subtrees"))
    }

    async fn latest_checkpoint(&self, origin: Hash) -> Result<String> {
        assert_eq!(origin, sha256(ORIGIN.as_bytes()));
        let seen = self.seen.lock().clone();
        seen.map(|(_, note)| note).ok_or_else(|| Error::not_found("never seen"))
    }

    async fn retire_log(&self, _: String) -> Result<String> {
        Err(Error::new(ErrorKind::FailedPrecondition, "this witness knows no ends"))
    }
}

/// A policy that asks for `quorum` of the first `counted` witnesses; the others are optional.
fn witnesses(quorum: &str, counted: usize, all: &[&TestWitness]) -> Witnesses {
    let name = |place: usize| format!("w{place}");
    let lines = all.iter().enumerate();
    let lines = lines.map(|(place, w)| format!("witness {} {}\n", name(place), w.key.verifying_key()));
    let mut text: String = lines.collect();
    if quorum == "none" {
        text.push_str("quorum none\n");
    } else {
        let members: Vec<String> = (0..counted).map(name).collect();
        text.push_str(&format!("group enough {quorum} {}\nquorum enough\n", members.join(" ")));
    }
    let policy = Policy::parse(text.as_bytes()).unwrap();
    let mut witnesses = Witnesses::new(policy, all.iter().map(|witness| witness.link()).collect());
    witnesses.interval = Duration::from_millis(5);
    witnesses.patience = Duration::from_millis(400);
    witnesses
}

/// A policy with one witness, which does not respond until the function is called.
pub(super) fn one_away() -> (Witnesses, impl Fn()) {
    let witness = TestWitness::new(1).with(Manner::Dead);
    let (witnesses, manner) = (witnesses("all", 1, &[&witness]), witness.manner.clone());
    (witnesses, move || *manner.lock() = Manner::Honest)
}

fn open(store: &Arc<MemoryStore>, witnesses: Witnesses) -> Result<Engine<Arc<MemoryStore>>, EngineError> {
    let options = Options { witness_patience: Duration::from_secs(5), ..Options::default() };
    let mut config = config(&TestClock::default(), options);
    config.witnesses = Some(witnesses);
    Engine::open(config, store.clone(), None, &mut Registry::default())
}

/// The published checkpoint, verified: satisfied by the policy, of a size the log has.
fn verified(log: &Engine<Arc<MemoryStore>>, policy: &Policy) -> SignedCheckpoint {
    let note = log.published().expect("something is published");
    let checkpoint = policy.verify_checkpoint_of(note.checkpoint().as_bytes(), log.origin(), [log.vkey()]);
    let checkpoint = checkpoint.expect("the published checkpoint satisfies the policy");
    assert!(checkpoint.head().size <= log.sequenced().size());
    checkpoint.signed().clone()
}

/// Appends batches and waits until what is published covers all of them.
async fn append_and_publish(log: &Engine<Arc<MemoryStore>>, batches: u64) {
    let mut gateway = TestGateway::open(log, 10).await.unwrap();
    for seed in 0..batches {
        gateway.send(log, statements(3, seed), 1_767_225_600).await.unwrap();
    }
    let size = log.sequenced().size();
    log.checkpoint_after(TreeSize::new(size.get() - 1)).await.unwrap();
}

#[tokio::test]
async fn what_is_published_satisfies_the_policy() {
    let (w1, w2) = (TestWitness::new(1), TestWitness::new(2));
    let (store, config) = (Arc::new(MemoryStore::new()), witnesses("all", 2, &[&w1, &w2]));
    let policy = config.policy.clone();
    let log = open(&store, config).unwrap();
    append_and_publish(&log, 20).await;
    let checkpoint = verified(&log, &policy);
    assert_eq!(checkpoint.verified().signatures().len(), 3, "the log and both witnesses");
    assert_eq!(checkpoint.head(), log.sequenced().head.tree);
    assert_eq!((w1.seen(), w2.seen()), (Some(checkpoint.head()), Some(checkpoint.head())));
    until("both witnesses are known to have cosigned it", || {
        log.witnesses().iter().all(|w| w.size == Some(checkpoint.head().size) && w.trouble.is_none())
    })
    .await;
    assert!(log.readiness().is_ready());
}

#[tokio::test]
async fn bad_witnesses_hold_nothing_up_and_get_nothing_in() {
    let manners = [
        Manner::Dead,
        Manner::Silent,
        Manner::Slow(Duration::from_millis(50)),
        Manner::FalseSignature,
        Manner::OtherName,
        Manner::ClaimsSize(0),
    ];
    for manner in manners {
        let (w1, w2) = (TestWitness::new(1), TestWitness::new(2));
        let bad = TestWitness::new(3).with(manner.clone());
        let config = witnesses("2", 3, &[&w1, &w2, &bad]);
        let policy = config.policy.clone();
        let log = open(&Arc::new(MemoryStore::new()), config).unwrap();
        append_and_publish(&log, 10).await;
        let checkpoint = verified(&log, &policy);
        assert_eq!(checkpoint.head(), log.sequenced().head.tree, "{manner:?}");
        let by_bad = |s: &vouchlog_note::VerifiedSignature| s.key() == bad.key.verifying_key();
        let cosigned = checkpoint.verified().signatures().iter().any(by_bad);
        assert!(!cosigned || matches!(manner, Manner::Slow(_)), "{manner:?}");
        assert!(log.readiness().is_ready(), "{manner:?}: {:?}", log.readiness());
        if !matches!(manner, Manner::Slow(_)) {
            assert!(log.witnesses()[2].trouble.is_some(), "{manner:?}");
        }
    }
}

/// Waits until something holds, though not for ever.
async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..6_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to pass that {what}");
}

/// A witness that only claims things, and proves none of them, cannot stop a log that runs.
#[tokio::test]
async fn accusations_without_proof_stop_nothing() {
    for manner in [Manner::ClaimsSize(1_000_000), Manner::Refuses] {
        let (w1, w2) = (TestWitness::new(1), TestWitness::new(2));
        let log = open(&Arc::new(MemoryStore::new()), witnesses("1", 2, &[&w1, &w2])).unwrap();
        append_and_publish(&log, 2).await;
        *w2.manner.lock() = manner;
        let mut gateway = TestGateway::open(&log, 11).await.unwrap();
        let asked = w2.asked.load(Ordering::Relaxed);
        while w2.asked.load(Ordering::Relaxed) == asked || log.witnesses()[1].trouble.is_none() {
            gateway.send(&log, statements(1, 77), 1_767_225_600).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.send(&log, statements(1, 78), 1_767_225_600).await.unwrap();
        assert!(log.inner.shared.poison().is_none());
    }
}

/// The log's own signature under a history it does not have stops it: another instance runs with its key.
#[tokio::test]
async fn a_proven_second_history_stops_the_log() {
    let w1 = TestWitness::new(1);
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("all", 1, &[&w1])).unwrap();
    let mut gateway = TestGateway::open(&log, 11).await.unwrap();
    append_and_publish(&log, 2).await;
    // Somebody else goes on from a copy, with the same keys.
    let other = open(&Arc::new(store.reopen()), witnesses("all", 1, &[&w1])).unwrap();
    append_and_publish_as(&other, 12).await;
    let seen = w1.seen().unwrap();
    let stopped = async {
        let mut seed = 0;
        loop {
            seed += 1;
            if let Err(error) = gateway.send(&log, statements(1, seed), 1_767_225_600).await {
                return error;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let error = tokio::time::timeout(Duration::from_secs(30), stopped).await.expect("the log stops");
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("another instance"), "{error}");
    assert!(!log.readiness().is_ready());
    // No honest witness cosigned what this log signed since.
    assert!(w1.seen().unwrap().size >= seen.size);
    assert_ne!(log.sequenced().head.tree, w1.seen().unwrap());
}

async fn append_and_publish_as(log: &Engine<Arc<MemoryStore>>, seed: u8) {
    let mut gateway = TestGateway::open(log, seed).await.unwrap();
    gateway.send(log, statements(40, 1), 1_767_225_600).await.unwrap();
    log.checkpoint_after(TreeSize::new(log.sequenced().size().get() - 1)).await.unwrap();
}

#[tokio::test]
async fn an_old_copy_of_the_store_is_refused() {
    let (w1, w2) = (TestWitness::new(1), TestWitness::new(2));
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("all", 2, &[&w1, &w2])).unwrap();
    append_and_publish(&log, 2).await;
    let backup = Arc::new(store.reopen());
    let size = log.sequenced().size();
    append_and_publish_as(&log, 12).await;
    log.stop().await;
    drop(log);
    // One witness that answers is enough.
    let w1 = w1.with(Manner::Dead);
    let refused = open(&backup, witnesses("all", 2, &[&w1, &w2])).unwrap_err();
    let EngineError::Guard(GuardError::Behind { witness, seen, size: held }) = &refused else {
        panic!("{refused:?}")
    };
    assert_eq!((witness.as_str(), *held), ("witness.example.com/w2", size));
    assert_eq!(*seen, w2.seen().unwrap().size);
    assert!(refused.to_string().contains("old copy"), "{refused}");
    // The newest store opens.
    assert!(open(&Arc::new(store.reopen()), witnesses("all", 2, &[&w1, &w2])).is_ok());
}

#[tokio::test]
async fn a_lost_store_and_another_history_are_refused() {
    let w1 = TestWitness::new(1);
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("all", 1, &[&w1])).unwrap();
    append_and_publish(&log, 2).await;
    log.stop().await;
    drop(log);
    let seen = w1.seen();

    let empty = Arc::new(MemoryStore::new());
    let refused = open(&empty, witnesses("all", 1, &[&w1])).unwrap_err();
    assert!(matches!(&refused, EngineError::Guard(GuardError::Behind { .. })), "{refused:?}");
    assert_eq!(vouchlog_storage::Store::load(&*empty).unwrap(), None, "not even a genesis entry was written");

    // Another history that is longer than what the witness saw: no size gives it away, the proof does.
    let other = Arc::new(MemoryStore::new());
    let log = crate::testing::open(other.clone(), None, &TestClock::default()).unwrap();
    let mut gateway = TestGateway::open(&log, 13).await.unwrap();
    gateway.send(&log, statements(200, 9), 1_767_225_600).await.unwrap();
    log.stop().await;
    drop(log);
    let refused = open(&other, witnesses("all", 1, &[&w1])).unwrap_err();
    assert!(matches!(&refused, EngineError::Guard(GuardError::Contradicted { .. })), "{refused:?}");
    assert_eq!(w1.seen(), seen, "the second history was not cosigned");
}

#[tokio::test]
async fn nothing_is_published_without_a_quorum_and_what_was_survives_a_restart() {
    let (w1, w2) = (TestWitness::new(1), TestWitness::new(2).with(Manner::Dead));
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("all", 2, &[&w1, &w2])).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(5, 1), 1_767_225_600).await.unwrap();
    let error = log.checkpoint().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    until("a log without quorum is not ready", || !log.readiness().is_ready()).await;
    *w2.manner.lock() = Manner::Honest;
    append_and_publish_as(&log, 11).await;
    let published = log.published().unwrap();
    log.stop().await;
    drop(log);

    let (w1, w2) = (w1.with(Manner::Dead), w2.with(Manner::Dead));
    let config = witnesses("all", 2, &[&w1, &w2]);
    let policy = config.policy.clone();
    let log = open(&Arc::new(store.reopen()), config).unwrap();
    assert_eq!(log.published().unwrap(), published, "without witnesses the last one is still there");
    verified(&log, &policy);
    // Under another policy it is not enough.
    drop(log);
    let w3 = TestWitness::new(3).with(Manner::Dead);
    let log = open(&Arc::new(store.reopen()), witnesses("all", 3, &[&w1, &w2, &w3])).unwrap();
    assert_eq!(log.published(), None);
}

#[tokio::test]
async fn late_cosignatures_are_added() {
    let (w1, late) = (TestWitness::new(1), TestWitness::new(2).with(Manner::Slow(Duration::from_millis(60))));
    let log = open(&Arc::new(MemoryStore::new()), witnesses("all", 1, &[&w1, &late])).unwrap();
    append_and_publish(&log, 3).await;
    let upgraded = async {
        let mut note = log.checkpoint().await.unwrap();
        while note.matches('\u{2014}').count() < 3 {
            note = log.checkpoint_other_than(note).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), upgraded).await.expect("the late cosignature is kept");
}

#[tokio::test]
async fn without_a_quorum_to_wait_for_heads_are_published_at_once() {
    let w1 = TestWitness::new(1).with(Manner::Silent);
    let log = open(&Arc::new(MemoryStore::new()), witnesses("none", 1, &[&w1])).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(5, 1), 1_767_225_600).await.unwrap();
    assert_eq!(log.published().unwrap().size(), log.sequenced().size());
}

#[tokio::test]
async fn witnesses_are_asked_no_more_often_than_agreed() {
    let w1 = TestWitness::new(1);
    let mut config = witnesses("all", 1, &[&w1]);
    config.interval = Duration::from_secs(3_600);
    let log = open(&Arc::new(MemoryStore::new()), config).unwrap();
    let asked = w1.asked.load(Ordering::Relaxed);
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    for seed in 0..50 {
        gateway.send(&log, statements(2, seed), 1_767_225_600).await.unwrap();
    }
    assert_eq!(w1.asked.load(Ordering::Relaxed), asked, "fifty commits later");
}

#[tokio::test]
async fn a_log_with_two_keys_signs_with_both_the_ed25519_line_first() {
    let w1 = TestWitness::new(1);
    let witnesses = witnesses("all", 1, &[&w1]);
    let policy = witnesses.policy.clone();
    let mut config = config(&TestClock::default(), Options::default());
    let ml_dsa = key(ORIGIN, SignatureType::MlDsa44, 5);
    config.ml_dsa_key = Some(ml_dsa.clone());
    config.witnesses = Some(witnesses);
    let log = Engine::open(config, Arc::new(MemoryStore::new()), None, &mut Registry::default()).unwrap();
    append_and_publish(&log, 3).await;
    let note = log.published().unwrap().checkpoint().to_owned();
    let types: Vec<_> =
        UnverifiedNote::parse(note.as_bytes()).unwrap().lines().iter().map(|l| l.payload().len()).collect();
    assert_eq!(types, [64, 8 + 2420, 8 + 64], "Ed25519, ML-DSA-44, and the witness's cosignature");
    for key in [log.vkey(), ml_dsa.verifying_key()] {
        let held = policy.verify_checkpoint_of(note.as_bytes(), log.origin(), [key]).unwrap();
        assert_eq!(held.head(), log.sequenced().head.tree);
    }
}

#[tokio::test]
async fn who_waits_for_witnesses_gets_a_receipt_with_their_cosignatures() {
    let (w1, w2) = (TestWitness::new(1), TestWitness::new(2));
    let config = witnesses("all", 2, &[&w1, &w2]);
    let policy = config.policy.clone();
    let log = open(&Arc::new(MemoryStore::new()), config).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let sent = statements(7, 1);
    let mut request = gateway.request(sent.clone(), 1_767_225_600);
    request.wait_for = AckLevel::Witnessed;
    for repeated in [false, true] {
        let appended = log.append(request.clone()).await.unwrap();
        assert_eq!((appended.repeated, appended.witnessed), (repeated, true));
        crate::testing::verify(&appended, &sent);
        let note = appended.receipt.unwrap().checkpoint;
        let held = policy.verify_checkpoint_of(note.as_bytes(), log.origin(), [log.vkey()]).unwrap();
        assert_eq!(held.cosignatures().len(), 2);
    }
    // Without a quorum the statements are logged all the same, and the answer says what it is.
    *w2.manner.lock() = Manner::Dead;
    let sent = statements(7, 2);
    let mut request = gateway.request(sent.clone(), 1_767_225_601);
    request.wait_for = AckLevel::Witnessed;
    let appended = log.append(request).await.unwrap();
    assert!(!appended.witnessed);
    crate::testing::verify(&appended, &sent);
}

#[tokio::test]
async fn a_log_without_witnesses_lets_nobody_wait_for_them() {
    let log = crate::testing::open(Arc::new(MemoryStore::new()), None, &TestClock::default()).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let size = log.sequenced().size();
    let mut request = gateway.request(statements(1, 1), 1_767_225_600);
    request.wait_for = AckLevel::Witnessed;
    assert_eq!(log.append(request).await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    assert_eq!(log.sequenced().size(), size, "nothing was logged");
}

#[tokio::test]
async fn the_check_of_a_store_covers_what_was_published() {
    let w1 = TestWitness::new(1);
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("all", 1, &[&w1])).unwrap();
    append_and_publish(&log, 3).await;
    log.stop().await;
    let (origin, vkey) = (log.origin().clone(), log.vkey().clone());
    let head = log.sequenced().head.clone();
    drop(log);
    let findings = |store: &MemoryStore| fsck::fsck(store, &origin, &vkey, |_, _| ()).unwrap().findings;
    let sound = store.reopen();
    assert_eq!(findings(&sound), []);

    let (head, size) = (head.tree, TreeSize::new(head.tree.size.get() - 2));
    let other = TreeHead { size, root: sha256(b"another history") };
    let signed = SignedCheckpoint::sign(
        &Checkpoint::new(origin.clone(), other),
        &key(ORIGIN, SignatureType::Ed25519, 1),
    );
    let published = crate::Published { size, checkpoint: signed.unwrap().note().to_owned() };
    let states = vec![crate::state::stored_published(&published)];
    let batch = Batch { head, count: 0, entries: Bytes::new(), states, growth: Growth::default() };
    sound.commit(Some(head.size.get()), batch).unwrap();
    let found = findings(&sound);
    assert_eq!(
        found.iter().map(|finding| finding.code).collect::<Vec<_>>(),
        [fsck::FindingCode::Root],
        "{found:?}"
    );
}

#[tokio::test]
async fn a_witness_that_is_away_does_not_keep_the_others_from_the_newest_head() {
    let (w1, dead) = (TestWitness::new(1), TestWitness::new(2).with(Manner::Dead));
    let mut config = witnesses("all", 2, &[&w1, &dead]);
    // Much longer than this test is given.
    config.patience = Duration::from_secs(3_600);
    let log = open(&Arc::new(MemoryStore::new()), config).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    for seed in 0..5 {
        gateway.send(&log, statements(3, seed), 1_767_225_600).await.unwrap();
        let head = log.sequenced().head.tree;
        until("the witness that is there sees the newest head", || w1.seen() == Some(head)).await;
    }
    assert_eq!(log.published(), None);
    *dead.manner.lock() = Manner::Honest;
    log.checkpoint_after(TreeSize::new(log.sequenced().size().get() - 1)).await.unwrap();
}

/// A number or a refusal that nothing proves, from one of two witnesses, once kept a log from starting.
#[tokio::test]
async fn an_unproven_claim_does_not_keep_a_log_from_starting() {
    for manner in [Manner::ClaimsSize(999_999_999), Manner::Refuses] {
        for quorum in ["1", "none"] {
            let (w1, liar) = (TestWitness::new(1), TestWitness::new(2).with(manner.clone()));
            let mut store = Arc::new(MemoryStore::new());
            for seed in [10, 12] {
                let log = open(&store, witnesses(quorum, 2, &[&w1, &liar])).unwrap();
                append_and_publish_as(&log, seed).await;
                log.stop().await;
                drop(log);
                store = Arc::new(store.reopen());
            }
        }
    }
}

/// A quorum that objects is believed without proof, unless the operator disregards it: without a quorum nothing would be published.
#[tokio::test]
async fn a_quorum_of_claims_keeps_a_log_from_starting_and_the_operator_may_overrule_it() {
    for manner in [Manner::ClaimsSize(999_999_999), Manner::Refuses] {
        let all = [1, 2, 3].map(TestWitness::new);
        let [w1, w2, w3] = &all;
        let store = Arc::new(MemoryStore::new());
        let log = open(&store, witnesses("2", 3, &[w1, w2, w3])).unwrap();
        append_and_publish(&log, 2).await;
        log.stop().await;
        drop(log);
        let liars = [w1.clone().with(manner.clone()), w2.clone().with(manner)];
        let with = |disregarded: &[&str]| {
            let mut witnesses = witnesses("2", 3, &[&liars[0], &liars[1], w3]);
            witnesses.disregarded = disregarded.iter().map(|name| (*name).to_owned()).collect();
            open(&Arc::new(store.reopen()), witnesses)
        };
        let refused = with(&[]).unwrap_err();
        let EngineError::Guard(GuardError::Claimed { claims, .. }) = &refused else { panic!("{refused:?}") };
        assert_eq!(claims.len(), 2, "{refused}");
        assert!(refused.to_string().contains("witness.example.com/w1: it reports"), "{refused}");
        let log = with(&["witness.example.com/w1"]).unwrap();
        log.stop().await;
    }
}

/// The operator cannot overrule what the log signed itself.
#[tokio::test]
async fn a_proven_claim_is_never_disregarded() {
    let w1 = TestWitness::new(1);
    let store = Arc::new(MemoryStore::new());
    let log = open(&store, witnesses("none", 1, &[&w1])).unwrap();
    append_and_publish(&log, 2).await;
    let backup = Arc::new(store.reopen());
    append_and_publish_as(&log, 12).await;
    let size = log.sequenced().size();
    until("the witness has seen the newest head", || w1.seen().is_some_and(|seen| seen.size == size)).await;
    log.stop().await;
    drop(log);
    for store in [backup, Arc::new(MemoryStore::new())] {
        let mut witnesses = witnesses("none", 1, &[&w1]);
        witnesses.disregarded = vec!["witness.example.com/w1".to_owned()];
        let refused = open(&store, witnesses).unwrap_err();
        let EngineError::Guard(GuardError::Behind { seen, .. }) = &refused else { panic!("{refused:?}") };
        // What the log enters by itself, as the enrolment of the house stream, may come while it waits.
        assert!(*seen >= size, "{seen:?} of {size:?}");
        assert_eq!(Some(*seen), w1.seen().map(|head| head.size));
    }
}
