//! A log whose store has a lease: nothing is signed, shown or acknowledged without a tenure, before and after the signature.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use vouchlog_api::{Append, Appender, ErrorKind};
use vouchlog_note::{Checkpoint, SignatureType, Signer, SignerError, SigningKey};
use vouchlog_storage::{Fault, FaultPlan, MemoryStore, Store, StoreError, Tenure};
use vouchlog_stream::StreamId;

use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements, verify};
use crate::{Config, Engine, EngineError, Options};

const T: u64 = 1_767_225_600;

fn lapsed() -> Tenure {
    Tenure::Lapsed("planted: not renewed".into())
}

fn open(store: &Arc<MemoryStore>, clock: &TestClock) -> Result<Engine<Arc<MemoryStore>>, EngineError> {
    let options = Options { signer_patience: std::time::Duration::ZERO, ..Options::default() };
    Engine::open(config(clock, options), store.clone(), None, &mut Registry::default())
}

/// A process that was paused past its lease may know an older log than the one that took over: it must not refuse what that one takes.
#[tokio::test]
async fn without_the_tenure_nothing_is_refused_for_what_is_in_memory() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let mut other = gateway.clone();
    gateway.send(&log, statements(3, 1), T).await.unwrap();
    let conflicting = other.request(statements(5, 2), T);
    let unknown = Append { stream: StreamId::new(77).unwrap(), ..conflicting.clone() };

    let refused = |request: &Append| log.append(request.clone());
    assert_eq!(refused(&conflicting).await.unwrap_err().kind, ErrorKind::Conflict { size: 3 });
    assert_eq!(refused(&unknown).await.unwrap_err().kind, ErrorKind::NotFound);
    store.set_tenure(lapsed());
    let unchanged = refused(&unknown).await.unwrap_err();
    assert_eq!(unchanged.kind, ErrorKind::Unavailable, "{unchanged}");
    // The store does not take the batch from a process that was taken over.
    store.set_faults(FaultPlan { commits: [(0, Fault::Refuse)].into(), ..FaultPlan::default() });
    let not_committed = refused(&conflicting).await.unwrap_err();
    assert_eq!(not_committed.kind, ErrorKind::Unavailable, "{not_committed}");
}

#[tokio::test]
async fn a_lapsed_tenure_withholds_the_signature_until_it_is_renewed() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let before = log.sequenced().size();
    let batch = statements(3, 1);
    let request = gateway.request(batch.clone(), T);
    store.set_tenure(lapsed());
    for _ in 0..3 {
        let refused = log.append(request.clone()).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
        assert_eq!(log.sequenced().size(), before, "readers see the head before");
        clock.advance(2_000);
    }
    assert!(
        store.load().unwrap().unwrap().head.size > before,
        "the batch was committed although it was not signed"
    );
    let reason = log.readiness().failure("signature").unwrap().to_owned();
    assert!(reason.contains("not renewed"), "{reason}");
    store.set_tenure(Tenure::Held);
    clock.advance(2_000);
    let appended = log.append(request).await.unwrap();
    assert!(appended.repeated, "it was logged once");
    verify(&appended, &batch);
    assert_eq!(log.poison().reason(), None);
}

#[tokio::test]
async fn a_lost_tenure_stops_the_log() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let before = log.sequenced().size();
    store.set_tenure(Tenure::Lost("planted: taken over".into()));
    let refused = log.append(gateway.request(statements(3, 1), T)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
    assert!(log.poison().reason().is_some_and(|reason| reason.contains("taken over")));
    assert_eq!(log.sequenced().size(), before);
}

/// Reads alone must not keep a deposed leader up.
#[tokio::test]
async fn a_lost_tenure_stops_an_idle_log() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(&store, &clock).unwrap();
    store.set_tenure(Tenure::Lost("planted: taken over".into()));
    assert!(log.poison().wait().await.contains("taken over"));
}

/// The log's key, whose process is paused for so long that the lease runs out before the signature is there.
#[derive(Debug)]
struct Pausing(Mutex<Option<Arc<MemoryStore>>>);

impl Signer for Pausing {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignerError> {
        let text = std::str::from_utf8(message).unwrap();
        if let (Some(store), Ok(_)) = (&*self.0.lock(), Checkpoint::parse(text)) {
            store.set_tenure(lapsed());
        }
        let line = key(ORIGIN, SignatureType::Ed25519, 1).sign_note(text).unwrap();
        Ok(line.payload().try_into().unwrap())
    }
}

#[tokio::test]
async fn a_signature_that_outlasted_the_tenure_is_discarded() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let pausing = Arc::new(Pausing(Mutex::default()));
    let options = Options { signer_patience: std::time::Duration::ZERO, ..Options::default() };
    let given = config(&clock, options);
    let public = given.log_key.verifying_key().clone();
    let log_key = SigningKey::elsewhere(public, pausing.clone()).unwrap();
    let log =
        Engine::open(Config { log_key, ..given }, store.clone(), None, &mut Registry::default()).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    let before = log.sequenced().size();
    *pausing.0.lock() = Some(store.clone());
    let request = gateway.request(statements(3, 1), T);
    let refused = log.append(request.clone()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
    assert_eq!(log.sequenced().size(), before, "what was signed too late is not shown");
    *pausing.0.lock() = None;
    store.set_tenure(Tenure::Held);
    clock.advance(2_000);
    assert!(log.append(request).await.unwrap().repeated);
}

#[tokio::test]
async fn a_log_does_not_open_without_a_tenure() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    store.set_tenure(lapsed());
    let refused = open(&store, &clock);
    assert!(matches!(&refused, Err(EngineError::Store(StoreError::Leased(_)))), "{refused:?}");
    store.set_tenure(Tenure::Held);
    assert!(open(&store, &clock).is_ok());
}
