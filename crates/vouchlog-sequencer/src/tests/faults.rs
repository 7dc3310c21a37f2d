//! Every way a commit can fail, at every commit: nothing acknowledged is lost, nothing is signed twice, and the log says what
//! state it is in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{Appender, ErrorKind, proof};
use vouchlog_merkle::{Hash, TreeHead};
use vouchlog_note::Origin;
use vouchlog_storage::{Fault, FaultPlan, MemoryStore};
use vouchlog_stream::Statement;

use crate::testing::{ORIGIN, TestClock, TestGateway, config, open, statements, verify};
use crate::{Engine, Options, fsck};

const T: u64 = 1_767_225_600;
const ROUNDS: u64 = 12;

/// Everything the outside world saw of a log: heads by size, and acknowledged statements by index.
#[derive(Default)]
struct Observations {
    heads: BTreeMap<u64, Hash>,
    statements: BTreeMap<u64, Statement>,
}

impl Observations {
    fn head(&mut self, head: TreeHead) {
        let root = *self.heads.entry(head.size.get()).or_insert(head.root);
        assert_eq!(root, head.root, "two roots of size {} were signed", head.size);
    }
}

/// A gateway that sends again until it is answered, as the client does, across restarts of the log.
async fn drive(plan: &BTreeMap<u64, Fault>) {
    let clock = TestClock::default();
    let mut store = Arc::new(MemoryStore::new());
    let mut log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    store.set_faults(FaultPlan { commits: plan.clone().into_iter().collect(), ..FaultPlan::default() });
    let mut seen = Observations::default();
    for round in 0..ROUNDS {
        let batch = statements(1 + usize::try_from(round * 53 % 300).unwrap(), round);
        let request = gateway.request(batch.clone(), T);
        let appended = loop {
            match log.append(request.clone()).await {
                Ok(appended) => break appended,
                Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
            }
            if log.readiness().is_ready() {
                continue; // refused for certain: the log goes on
            }
            let writes = log.readiness().failure("writes").map(str::to_owned);
            assert_eq!(
                writes.as_deref(),
                Some(&*log.poison().wait().await),
                "an unknown outcome stops writing"
            );
            assert!(log.append(request.clone()).await.is_err(), "and it stays stopped");
            store = Arc::new(store.reopen());
            log = open(store.clone(), None, &clock).unwrap();
        };
        seen.head(verify(&appended, &batch).head());
        let first = appended.receipt.unwrap().first.get();
        for (statement, index) in batch.iter().zip(first..) {
            assert_eq!(seen.statements.insert(index, *statement), None, "index {index} was given twice");
        }
    }
    check_all(&log, &store, &seen).await;
}

async fn check_all(log: &Engine<Arc<MemoryStore>>, store: &MemoryStore, seen: &Observations) {
    let now = log.sequenced().head.tree;
    for (size, root) in &seen.heads {
        let old = TreeHead { size: vouchlog_merkle::TreeSize::new(*size), root: *root };
        proof::consistency(log, old.size, now.size).await.unwrap().verify(&old, &now).unwrap();
    }
    for (index, statement) in &seen.statements {
        let entry = proof::entry(log, vouchlog_merkle::LeafIndex::new(*index), now.size).await.unwrap();
        assert_eq!(entry[22..], statement.digest.as_bytes()[..], "index {index}");
    }
    log.stop().await;
    let report = fsck::fsck(store, &Origin::new(ORIGIN).unwrap(), log.vkey(), |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    assert_eq!(report.statements, seen.statements.len() as u64, "nothing is in the log twice");
}

#[tokio::test]
async fn any_commit_may_fail_in_any_way() {
    for nth in 0..ROUNDS + 2 {
        for fault in [Fault::Refuse, Fault::Lose, Fault::Keep] {
            drive(&BTreeMap::from([(nth, fault)])).await;
        }
    }
}

#[tokio::test]
async fn two_commits_in_a_row_may_fail_in_any_way() {
    let faults = [Fault::Refuse, Fault::Lose, Fault::Keep];
    // Every other commit: the one between them is the second of a pair. The simulation tries the rest.
    for nth in (0..ROUNDS).step_by(2) {
        for first in faults {
            for second in faults {
                drive(&BTreeMap::from([(nth, first), (nth + 1, second)])).await;
            }
        }
    }
}

#[tokio::test]
async fn a_commit_that_does_not_end_stops_the_log() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let options = Options { commit_patience: Duration::from_millis(200), ..Options::default() };
    let log = Engine::open(config(&clock, options), store.clone(), None, &mut Registry::default()).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(3, 1), T).await.unwrap();
    store.set_faults(FaultPlan { commits: [(0, Fault::Hang)].into(), ..FaultPlan::default() });
    let request = gateway.request(statements(3, 2), T);
    let error = log.append(request.clone()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(!log.readiness().is_ready());
    // A new process finds what was acknowledged, and takes the request that was not.
    let log = open(Arc::new(store.reopen()), None, &clock).unwrap();
    assert!(!log.append(request).await.unwrap().repeated);
}

#[tokio::test]
async fn another_writer_on_the_store_stops_the_log() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    // A second server on the same store, as a mistaken operator would start it.
    let second = open(store.clone(), None, &clock).unwrap();
    let mut twin = gateway.clone();
    twin.send(&second, statements(2, 1), T).await.unwrap();
    let error = log.append(gateway.request(statements(2, 2), T)).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("another process writes to its store"), "{error}");
    twin.send(&second, statements(2, 3), T).await.unwrap();
}

#[tokio::test]
async fn a_failing_read_is_an_error_and_not_an_answer() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(600, 1), T).await.unwrap();
    store.set_faults(FaultPlan { reads: [(0, Fault::Read)].into(), ..FaultPlan::default() });
    let size = log.sequenced().size();
    let index = vouchlog_merkle::LeafIndex::new(20);
    assert_eq!(proof::inclusion(&log, index, size).await.unwrap_err().kind, ErrorKind::Internal);
    proof::inclusion(&log, index, size).await.unwrap();
}
