//! Hundreds of requests at once for one log, forks among them. Whatever the order: all that was cosigned is one history, and
//! what is remembered never shrinks.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_api::ErrorKind;
use vouchlog_merkle::{ConsistencyProof, Hash};
use vouchlog_storage::{
    MemoryWitnessStore, Revision, StoreError, StoreIdentity, WitnessChange, WitnessCommitError, WitnessStore,
};
use vouchlog_storage_sled::{Options, SledWitnessStore};

use crate::world::{Cosigned, TestLog, World, memory};

const CALLERS: u64 = 200;
const SIZES: u64 = 64;

/// Asks as a log does: with the size it is told, until it is past `goal`. `fork` from its own history.
async fn pursue<S: WitnessStore>(world: &World<S>, log: &TestLog, goal: u64, old: u64) -> Vec<Cosigned> {
    let mut cosigned = Vec::new();
    let mut old = old;
    for _ in 0..CALLERS {
        match world.ask(log.request(old, goal.max(old))).await {
            Ok(answer) => {
                assert_eq!(answer.head.size.get(), goal.max(old));
                cosigned.push(answer);
                return cosigned;
            }
            Err(error) => match error.kind {
                ErrorKind::Conflict { size } => old = size,
                ErrorKind::Inconsistent => return cosigned,
                other => panic!("{other:?}"),
            },
        }
        if old >= SIZES {
            return cosigned;
        }
    }
    cosigned
}

async fn race<S: WitnessStore>(store: S) {
    let log = TestLog::new("log.example.com/a", SIZES + 1);
    let fork = log.forked_at(5);
    let world = Arc::new(World::open(store, &[&log]));
    let observer = tokio::spawn(observe(world.clone(), log.clone()));
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (world, log) = (world.clone(), if caller % 3 == 1 { fork.clone() } else { log.clone() });
        let (goal, old) = (1 + caller * 7 % SIZES, caller % 4);
        callers.push(tokio::spawn(async move { pursue(&world, &log, goal, old.min(goal)).await }));
    }
    let mut cosigned = Vec::new();
    for caller in callers {
        cosigned.extend(caller.await.unwrap());
    }
    observer.abort();
    assert!(cosigned.len() > 1);
    one_history(&cosigned, [&log, &fork]);
    let latest = world.latest(&log).await.unwrap().head();
    let largest = cosigned.iter().max_by_key(|cosigned| cosigned.head.size).unwrap();
    assert_eq!(latest, largest.head, "the largest that was cosigned is what is remembered");
}

/// Every two heads are consistent: of one size there is one root, and a proof joins neighbours.
fn one_history(cosigned: &[Cosigned], histories: [&TestLog; 2]) {
    let mut by_size = BTreeMap::new();
    for cosigned in cosigned {
        let root = *by_size.entry(cosigned.head.size.get()).or_insert(cosigned.head);
        assert_eq!(root, cosigned.head, "two roots of one size were cosigned");
    }
    let heads: Vec<_> = by_size.into_values().collect();
    for pair in heads.windows(2) {
        let (old, new) = (&pair[0], &pair[1]);
        let joined = histories.iter().any(|history| {
            let proof = history.proof(old.size.get(), new.size.get());
            old.size.get() == 0 || ConsistencyProof::from_hashes(proof).unwrap().verify(old, new).is_ok()
        });
        assert!(joined, "two histories were cosigned: {old:?} and {new:?}");
    }
}

/// Watches what is served, which never shrinks.
async fn observe<S: WitnessStore>(world: Arc<World<S>>, log: TestLog) {
    let mut size = 0;
    loop {
        if let Ok(latest) = world.latest(&log).await {
            assert!(latest.head().size.get() >= size, "it went back from {size}");
            size = latest.head().size.get();
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory_one_history_is_cosigned() {
    race(memory()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn on_sled_one_history_is_cosigned() {
    let dir = tempfile::tempdir().unwrap();
    let identity = StoreIdentity::from_bytes([1; 16]);
    race(SledWitnessStore::open(dir.path(), identity, Options::default()).unwrap()).await;
}

/// A store that several processes share, as a database is.
#[derive(Debug)]
struct SharedStore(Arc<MemoryWitnessStore>);

impl WitnessStore for SharedStore {
    fn identity(&self) -> StoreIdentity {
        self.0.identity()
    }

    fn load(&self, take: &mut dyn FnMut(Hash, Revision, Bytes)) -> Result<(), StoreError> {
        self.0.load(take)
    }

    fn state(&self, origin: &Hash) -> Result<Option<Bytes>, StoreError> {
        self.0.state(origin)
    }

    fn refresh(
        &self,
        origins: &[Hash],
        take: &mut dyn FnMut(Hash, Revision, Bytes),
    ) -> Result<(), StoreError> {
        self.0.load(&mut |origin, revision, state| {
            if origins.contains(&origin) {
                take(origin, revision, state);
            }
        })
    }

    fn commit(&self, changes: &[WitnessChange]) -> Result<(), WitnessCommitError> {
        self.0.commit(changes)
    }

    fn impediment(&self) -> Option<String> {
        self.0.impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Three processes of one witness, asked at random for two histories of one log: all that any of them cosigned is one history.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_processes_on_a_shared_store_cosign_one_history() {
    let log = TestLog::new("log.example.com/a", SIZES + 1);
    let (fork, store) = (log.forked_at(5), memory());
    let worlds: Vec<_> = (0..3).map(|_| Arc::new(World::open(SharedStore(store.clone()), &[&log]))).collect();
    let mut callers = Vec::new();
    for caller in 0..CALLERS {
        let (world, log) = (
            worlds[usize::try_from(caller % 3).unwrap()].clone(),
            if caller % 2 == 1 { fork.clone() } else { log.clone() },
        );
        callers.push(tokio::spawn(async move {
            let mut cosigned = Vec::new();
            let (mut old, goal) = (caller % 4, 1 + caller * 7 % SIZES);
            for _ in 0..CALLERS {
                match world.ask(log.request(old.min(goal), goal)).await {
                    Ok(answer) => {
                        cosigned.push(answer);
                        break;
                    }
                    Err(error) => match error.kind {
                        ErrorKind::Conflict { size } if size > goal => break,
                        ErrorKind::Conflict { size } => old = size,
                        ErrorKind::Inconsistent => break,
                        // Another process was quicker.
                        ErrorKind::Unavailable => {}
                        other => panic!("{other:?}"),
                    },
                }
            }
            cosigned
        }));
    }
    let mut cosigned = Vec::new();
    for caller in callers {
        cosigned.extend(caller.await.unwrap());
    }
    assert!(cosigned.len() > 1);
    one_history(&cosigned, [&log, &fork]);
    let largest = cosigned.iter().max_by_key(|cosigned| cosigned.head.size).unwrap();
    for world in &worlds {
        assert_eq!(world.latest(&log).await.unwrap().head(), largest.head);
        assert!(world.witness.readiness().is_ready(), "none stops because of another");
    }
}

/// Each process knows what the others cosigned before it judges.
#[tokio::test]
async fn a_process_on_a_shared_store_is_never_behind() {
    let log = TestLog::new("log.example.com/a", 20);
    let store = memory();
    let open = || World::open(SharedStore(store.clone()), &[&log]);
    let (one, two) = (open(), open());
    one.ask(log.request(0, 5)).await.unwrap();
    assert_eq!(two.ask(log.request(0, 6)).await.unwrap_err().kind, ErrorKind::Conflict { size: 5 });
    two.ask(log.request(5, 9)).await.unwrap();
    one.ask(log.request(9, 10)).await.unwrap();
    let fork = log.forked_at(2);
    assert_eq!(two.ask(fork.request(10, 11)).await.unwrap_err().kind, ErrorKind::Inconsistent);
}

/// Two processes on one store cannot be: the second is kept out. Two witnesses on one store in memory, which nothing keeps out,
/// find out at the next commit, and the later one stops.
#[tokio::test]
async fn of_two_witnesses_on_one_store_one_stops() {
    let log = TestLog::new("log.example.com/a", 20);
    let store = memory();
    let (one, two) = (World::open(store.clone(), &[&log]), World::open(store.clone(), &[&log]));
    one.ask(log.request(0, 5)).await.unwrap();
    let fork = log.forked_at(2);
    assert_eq!(two.ask(fork.request(0, 5)).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert!(!two.witness.readiness().is_ready());
    assert!(two.metrics().contains("vouchlog_witness_poisoned 1\n"));
    assert_eq!(two.ask(log.request(5, 6)).await.unwrap_err().kind, ErrorKind::Unavailable);
    one.ask(log.request(5, 6)).await.unwrap();
    assert!(one.witness.readiness().is_ready());
}
