//! A log whose key is kept elsewhere, and is away, slow to come back, or wrong: nothing is acknowledged without a signature, and no
//! size ever has two roots.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_api::{Appender, ErrorKind};
use vouchlog_merkle::Hash;
use vouchlog_note::{Checkpoint, SignatureType, Signer, SignerError, SigningKey};
use vouchlog_storage::{Fault, FaultPlan, MemoryStore, Store};

use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements, verify};
use crate::{Config, Engine, EngineError, Options};

const T: u64 = 1_767_225_600;

/// How the key answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Signature,
    Nothing,
    /// The signature of another key.
    Wrong,
}

/// The log's key, elsewhere: what it was asked to sign, and how it answers.
#[derive(Clone, Debug, Default)]
struct Elsewhere(Arc<Mutex<Requests>>);

#[derive(Debug, Default)]
struct Requests {
    heads: BTreeMap<u64, Hash>,
    calls: u64,
    /// Calls, counted from 0, that are not answered as usual.
    odd: BTreeMap<u64, Answer>,
    usual: Answer,
}

impl Elsewhere {
    fn usually(&self, answer: Answer) {
        self.0.lock().usual = answer;
    }

    fn config(&self, clock: &TestClock, patience: Duration) -> Config {
        let options = Options { signer_patience: patience, ..Options::default() };
        let config = config(clock, options);
        let public = config.log_key.verifying_key().clone();
        let log_key = SigningKey::elsewhere(public, Arc::new(self.clone())).unwrap();
        Config { log_key, ..config }
    }

    fn open(
        &self,
        store: Arc<MemoryStore>,
        clock: &TestClock,
        patience: Duration,
    ) -> Result<Engine<Arc<MemoryStore>>, EngineError> {
        Engine::open(self.config(clock, patience), store, None, &mut Registry::default())
    }
}

impl Signer for Elsewhere {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let text = std::str::from_utf8(message).unwrap();
        let mut asked = self.0.lock();
        if let Ok(checkpoint) = Checkpoint::parse(text) {
            let head = checkpoint.head();
            let root = *asked.heads.entry(head.size.get()).or_insert(head.root);
            assert_eq!(root, head.root, "two roots of size {} came to be signed", head.size);
        }
        let usual = asked.usual;
        let answer = asked.odd.get(&asked.calls).copied().unwrap_or(usual);
        asked.calls += 1;
        let seed = match answer {
            Answer::Signature => 1,
            Answer::Wrong => 99,
            Answer::Nothing => return Err(SignerError::new("planted: the key is away")),
        };
        let line = key(ORIGIN, SignatureType::Ed25519, seed).sign_note(text).unwrap();
        Ok(line.payload().try_into().unwrap())
    }
}

/// Sends until it is answered, as a client does, while time passes.
async fn send(
    log: &Engine<Arc<MemoryStore>>,
    gateway: &mut TestGateway,
    clock: &TestClock,
    seed: u64,
) -> bool {
    let batch = statements(3, seed);
    let request = gateway.request(batch.clone(), T);
    loop {
        match log.append(request.clone()).await {
            Ok(appended) => {
                verify(&appended, &batch);
                return appended.repeated;
            }
            Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
        }
        assert!(log.poison().reason().is_none(), "a key that is away does not stop the log");
        clock.advance(2_000);
    }
}

#[tokio::test]
async fn any_signature_may_fail_in_any_way() {
    for odd in [Answer::Nothing, Answer::Wrong] {
        for first in 1..12 {
            for count in 1..4 {
                let (store, clock, key) =
                    (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
                let log = key.open(store.clone(), &clock, Duration::ZERO).unwrap();
                let mut gateway = TestGateway::open(&log, 10).await.unwrap();
                let from = key.0.lock().calls + first - 1;
                key.0.lock().odd = (from..from + count).map(|call| (call, odd)).collect();
                for seed in 0..12 {
                    send(&log, &mut gateway, &clock, seed).await;
                }
                let heads: BTreeSet<u64> = key.0.lock().heads.keys().copied().collect();
                assert!(heads.contains(&log.sequenced().size().get()));
                log.stop().await;
                assert_eq!(store.load().unwrap().unwrap().head, log.sequenced().head.tree);
            }
        }
    }
}

#[tokio::test]
async fn commits_and_signatures_may_fail_together() {
    for nth in 0..6 {
        let (store, clock, key) = (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
        let log = key.open(store.clone(), &clock, Duration::ZERO).unwrap();
        let mut gateway = TestGateway::open(&log, 10).await.unwrap();
        let from = key.0.lock().calls;
        key.0.lock().odd = (from..from + 20).step_by(2).map(|call| (call, Answer::Nothing)).collect();
        let commits = [(nth, Fault::Refuse)].into();
        store.set_faults(FaultPlan { commits, ..FaultPlan::default() });
        for seed in 0..8 {
            send(&log, &mut gateway, &clock, seed).await;
        }
    }
}

#[tokio::test]
async fn callers_wait_for_a_key_that_comes_back_in_time() {
    let (store, clock, key) = (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
    let log = key.open(store, &clock, Duration::from_secs(60)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let next = key.0.lock().calls;
    key.0.lock().odd = [(next, Answer::Nothing), (next + 1, Answer::Wrong)].into();
    let appended = gateway.send(&log, statements(3, 1), T).await.unwrap();
    assert!(!appended.repeated && appended.receipt.is_some());
    assert_eq!(key.0.lock().calls, next + 3);
}

#[tokio::test]
async fn nothing_is_shown_or_acknowledged_without_a_signature() {
    for away in [Answer::Nothing, Answer::Wrong] {
        let (store, clock, key) = (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
        let log = key.open(store.clone(), &clock, Duration::ZERO).unwrap();
        let mut gateway = TestGateway::open(&log, 10).await.unwrap();
        let (before, checkpoint) = (log.sequenced().size(), log.sequenced().checkpoint().to_owned());
        key.usually(away);
        let request = gateway.request(statements(3, 1), T);
        let error = log.append(request.clone()).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        assert!(store.load().unwrap().unwrap().head.size > before, "the batch is durable");
        let calls = key.0.lock().calls;
        for _ in 0..50 {
            // Others are refused too, and asking does not wear out the key.
            assert!(log.append(request.clone()).await.is_err());
            assert!(log.enrol(TestGateway::enrolment(11)).await.is_err());
        }
        assert_eq!(key.0.lock().calls, calls);
        assert_eq!(log.sequenced().checkpoint(), checkpoint);
        let readiness = log.readiness();
        let reason = readiness.failure("signature").unwrap().to_owned();
        assert!(reason.contains("away") || reason.contains("does not verify"), "{reason}");
        assert!(!error.message.contains("planted"), "callers are not shown what the signer reports: {error}");
        key.usually(Answer::Signature);
        clock.advance(2_000);
        let appended = log.append(request).await.unwrap();
        assert!(appended.repeated, "it was in the log all the time");
        verify(&appended, &statements(3, 1));
        assert!(log.readiness().is_ready());
    }
}

#[tokio::test]
async fn a_log_that_ends_unsigned_signs_the_same_head_at_its_next_start() {
    let (store, clock, key) = (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
    let log = key.open(store.clone(), &clock, Duration::ZERO).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    key.usually(Answer::Nothing);
    let request = gateway.request(statements(3, 1), T);
    assert!(log.append(request.clone()).await.is_err());
    log.stop().await;
    let committed = store.load().unwrap().unwrap().head;

    let store = Arc::new(store.reopen());
    let refused = key.open(store.clone(), &clock, Duration::ZERO);
    assert!(matches!(&refused, Err(EngineError::Key(reason)) if reason.contains("away")), "{refused:?}");
    assert_eq!(store.load().unwrap().unwrap().head, committed, "a start without the key changes nothing");
    key.usually(Answer::Signature);
    let log = key.open(Arc::new(store.reopen()), &clock, Duration::ZERO).unwrap();
    assert_eq!(log.sequenced().head.tree, committed);
    assert!(log.append(request).await.unwrap().repeated);
}

#[tokio::test]
async fn a_new_log_without_its_key_is_not_begun() {
    let (store, clock, key) = (Arc::new(MemoryStore::new()), TestClock::default(), Elsewhere::default());
    key.usually(Answer::Nothing);
    let refused = key.open(store.clone(), &clock, Duration::ZERO);
    assert!(matches!(refused, Err(EngineError::Key(_))), "{refused:?}");
    assert!(store.load().unwrap().is_none());
}
