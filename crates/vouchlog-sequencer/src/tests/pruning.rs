//! Goal: a log removes what it may, nothing else, and not before it announced that. Method: logs in memory with streams that ended and streams that did
//! not, announcements on the stopped store, and what readers, the check of the store and the log itself make of what is left.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use vouchlog_api::{Appender, ErrorKind, LogReader, Lookup, LookupKey, PrunedNotice, proof};
use vouchlog_merkle::{LeafIndex, TileId, TreeHead, TreeSize};
use vouchlog_note::{Checkpoint, Origin, SignatureType, SignedCheckpoint, SigningKey};
use vouchlog_runtime::UnixMillis;
use vouchlog_storage::{
    Batch, CommitError, Fault, FaultPlan, Growth, Index, Loaded, MemoryIndex, MemoryStore, Pruned, Store,
    StoreError,
};
use vouchlog_stream::{Entry, Pruning, Retirement, RetirementCause, Statement};

use crate::pruning::{Below, Plan, PruneError, announce, plan};
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, open, statements};
use crate::{Engine, fsck};

const T: u64 = 1_767_225_600;

type Log = Engine<Arc<MemoryStore>>;

fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

fn planned(store: &impl Store, below: Below) -> Result<Plan, PruneError> {
    plan(store, &origin(), log_key().verifying_key(), below, &mut |_, _| ControlFlow::Continue(()))
}

/// A stopped log: a stream of 1,000 statements that was closed, and one of 400 behind it that is open.
async fn stopped(clock: &TestClock) -> (Arc<MemoryStore>, TestGateway, Vec<Statement>) {
    let store = Arc::new(MemoryStore::new());
    let log = open(store.clone(), None, clock).unwrap();
    let mut first = TestGateway::open(&log, 10).await.unwrap();
    let old = statements(1_000, 1);
    first.send(&log, old.clone(), T).await.unwrap();
    log.append(first.head_only(T + 1, true)).await.unwrap();
    clock.advance(60_000);
    let mut second = TestGateway::open(&log, 11).await.unwrap();
    second.send(&log, statements(400, 2), T + 60).await.unwrap();
    log.stop().await;
    (Arc::new(store.reopen()), second, old)
}

fn announced(store: &Arc<MemoryStore>, clock: &TestClock, minimum: u64) -> LeafIndex {
    announce(store, &log_key(), minimum, "kept for 7 years", UnixMillis::new(clock.now())).unwrap()
}

/// The log on a store with an announcement, once it has removed what may go.
async fn pruned(
    store: &Arc<MemoryStore>,
    index: Option<Arc<dyn Index>>,
    clock: &TestClock,
    minimum: u64,
) -> Log {
    let log = open(store.clone(), index, clock).unwrap();
    removed(store, minimum).await;
    log
}

/// Waits until the entries below the minimum index are gone.
async fn removed(store: &Arc<MemoryStore>, minimum: u64) {
    for _ in 0..1_000 {
        if store.pruned().is_some_and(|gone| gone.minimum() >= minimum) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("nothing was removed");
}

fn findings(store: &Arc<MemoryStore>) -> (Vec<fsck::Finding>, u64) {
    let report = fsck::fsck(store, &origin(), log_key().verifying_key(), |_, _| {}).unwrap();
    (report.findings, report.pruned)
}

#[tokio::test]
async fn what_ended_goes_and_every_proof_stays() {
    let clock = TestClock::default();
    let (store, mut second, _) = stopped(&clock).await;
    let before = store.clone();
    let index = announced(&store, &clock, 1_024);
    assert!(store.pruned().is_none(), "an announcement removes nothing");
    assert_eq!(findings(&before), (vec![], 0));

    let log = pruned(&store, None, &clock, 1_024).await;
    let gone = store.pruned().unwrap();
    // The closing of the stream is in bundle 3, and the log's own entries are in bundle 0.
    assert_eq!((gone.kept(), gone.announced()), (&[0, 3][..], index.get()));
    assert_eq!(log.pruned().await, Ok(Some(PrunedNotice { minimum: 1_024, announced: index })));
    let (size, root) = (log.sequenced().size(), log.sequenced().head.tree.root);
    for bundle in 0..5 {
        let read = log.entry_bundle(bundle, 256).await;
        let is_gone = read.as_ref().is_err_and(|error| error.kind == ErrorKind::Pruned { minimum: 1_024 });
        assert_eq!(
            (is_gone, read.is_ok()),
            (gone.has_removed(bundle), !gone.has_removed(bundle)),
            "{bundle}"
        );
        log.tile(TileId { level: 0, index: bundle }, 256).await.unwrap();
    }
    for place in [0, 300, 700, 1_023, 1_024, 1_300].map(LeafIndex::new) {
        let leaf = proof::leaf(&log, place, size).await.unwrap();
        let inclusion = proof::inclusion(&log, place, size).await.unwrap();
        inclusion.verify(place, size, &leaf, &root).unwrap();
    }
    let entry = proof::entry(&log, index, size).await.unwrap();
    let Ok(Entry::LogPruned { note, .. }) = Entry::decode(&entry) else { panic!("{entry:?}") };
    let pruning = Pruning::open(&note, &origin(), log_key().verifying_key()).unwrap();
    assert_eq!((pruning.minimum, pruning.reason.as_str()), (1_024, "kept for 7 years"));

    // The log goes on, also after a restart, and the check of the store takes nothing for damage.
    second.send(&log, statements(600, 3), T + 70).await.unwrap();
    log.stop().await;
    let store = Arc::new(store.reopen());
    assert_eq!(findings(&store), (vec![], 512));
    let log = open(store.clone(), None, &clock).unwrap();
    second.send(&log, statements(3, 4), T + 80).await.unwrap();
    assert!(log.readiness().is_ready());
    log.stop().await;
    assert_eq!(findings(&store), (vec![], 512));
}

#[tokio::test]
async fn what_must_stay_is_refused_with_the_reason() {
    let clock = TestClock::default();
    let (store, ..) = stopped(&clock).await;
    let refused = |below: u64| planned(&store, Below::Index(below)).unwrap_err();
    assert!(matches!(refused(1_000), PruneError::NotWhole { asked: 1_000 }));
    assert!(refused(1_000).to_string().contains("use 768 or 1024"));
    assert!(matches!(refused(0), PruneError::NothingOld));
    assert!(matches!(refused(256), PruneError::NothingToRemove { minimum: 256 }));
    // 1,280 are sealed, and the last bundle of them stays.
    assert!(matches!(refused(1_280), PruneError::NotSealed { asked: 1_280, sealed: 1_280 }));
    assert!(matches!(refused(1 << 40), PruneError::NotSealed { .. }));
    let possible = planned(&store, Below::Index(1_024)).unwrap();
    assert_eq!((possible.removed, possible.kept.as_slice(), possible.kept_for_streams), (2, &[0, 3][..], 0));
    assert_eq!(possible.bytes, 2 * 256 * 56);

    announced(&store, &clock, 768);
    assert!(matches!(refused(768), PruneError::Announced { minimum: 768, .. }));
    assert!(matches!(refused(512), PruneError::Announced { minimum: 768, .. }));
    let again = announce(&store, &log_key(), 768, "", UnixMillis::new(clock.now()));
    assert!(matches!(again, Err(PruneError::Announced { .. })));
}

/// What the checkpoint that was published last does not cover stays, whatever was signed since.
#[tokio::test]
async fn what_no_published_checkpoint_covers_stays() {
    let clock = TestClock::default();
    let (store, ..) = stopped(&clock).await;
    let publish = |size: u64| {
        let loaded = store.load().unwrap().unwrap();
        let head = TreeHead { size: TreeSize::new(size), ..loaded.head };
        let note = SignedCheckpoint::sign(&Checkpoint::new(origin(), head), &log_key());
        let published = crate::state::note_states(None, Some(note.unwrap().note().as_bytes()));
        crate::rebuild::commit_states(&store, loaded.head, published).unwrap();
    };
    publish(1_023);
    let refused = planned(&store, Below::Index(1_024)).unwrap_err();
    assert!(matches!(refused, PruneError::NotPublished { asked: 1_024, published: 1_023 }), "{refused}");
    publish(1_024);
    assert_eq!(planned(&store, Below::Index(1_024)).unwrap().removed, 2);
}

/// A stream that goes on above the minimum keeps every bundle that it has entries in: its later statements follow these.
#[tokio::test]
async fn streams_that_go_on_keep_their_entries() {
    let (store, clock) = (Arc::new(MemoryStore::new()), TestClock::default());
    let log = open(store.clone(), None, &clock).unwrap();
    let mut long = TestGateway::open(&log, 10).await.unwrap();
    let mut short = TestGateway::open(&log, 11).await.unwrap();
    long.send(&log, statements(10, 1), T).await.unwrap();
    short.send(&log, statements(590, 2), T).await.unwrap();
    long.send(&log, statements(1, 3), T + 1).await.unwrap();
    short.send(&log, statements(300, 4), T + 2).await.unwrap();
    log.append(short.head_only(T + 3, true)).await.unwrap();
    let mut third = TestGateway::open(&log, 12).await.unwrap();
    third.send(&log, statements(600, 5), T + 4).await.unwrap();
    log.stop().await;
    let store = Arc::new(store.reopen());
    let plan = planned(&store, Below::Index(1_024)).unwrap();
    // One statement of the long stream lies in bundle 2; bundle 3 has a closing and an opening.
    assert_eq!(
        (plan.removed, plan.kept.as_slice(), plan.streams.as_slice()),
        (1, &[0, 2, 3][..], &[long.stream][..])
    );
    assert_eq!(plan.kept_for_streams, 1);

    let log = open(store.clone(), None, &clock).unwrap();
    log.append(long.head_only(T + 5, true)).await.unwrap();
    third.send(&log, statements(600, 6), T + 6).await.unwrap();
    log.stop().await;
    let store = Arc::new(store.reopen());
    assert_eq!(planned(&store, Below::Index(1_024)).unwrap(), plan, "it ended above this minimum");
    let higher = planned(&store, Below::Index(1_792)).unwrap();
    assert_eq!((higher.removed, higher.kept.as_slice()), (2, &[0, 3, 4, 5, 6][..]));
    assert_eq!(higher.streams, [third.stream]);
}

#[tokio::test]
async fn entries_are_given_up_by_their_age() {
    let clock = TestClock::default();
    let begun = clock.now();
    let (store, ..) = stopped(&clock).await;
    let before = |millis: u64| planned(&store, Below::Time(UnixMillis::new(begun + millis)));
    assert!(matches!(before(0), Err(PruneError::NothingOld)));
    // The second stream began a minute later, in bundle 3; the first was closed there.
    for after in [1, 60_000] {
        assert!(matches!(before(after), Err(PruneError::NothingToRemove { minimum: 768 })), "{after}");
    }
    // The last sealed bundle stays, however old.
    let all = before(60_001).unwrap();
    assert_eq!((all.minimum, all.removed), (1_024, 2));
}

#[tokio::test]
async fn lookups_name_the_minimum_index_and_find_what_is_left() {
    let clock = TestClock::default();
    let (store, _, old) = stopped(&clock).await;
    announced(&store, &clock, 1_024);
    let index: Arc<dyn Index> = Arc::new(MemoryIndex::default());
    let log = pruned(&store, Some(index), &clock, 1_024).await;
    let size = log.sequenced().size();
    // Rebuilt from what is left, the index has every leaf hash, and the digests of entries that stay.
    for rebuilt in [false, true] {
        if rebuilt {
            log.rebuild_index();
        }
        let leaf = proof::leaf(&log, LeafIndex::new(400), size).await.unwrap();
        assert_eq!(log.find(LookupKey::LeafHash(leaf)).await, Ok(LeafIndex::new(400)), "{rebuilt}");
        let kept = log.find(LookupKey::Digest(old[10].digest)).await.unwrap();
        assert!(kept.get() < 256);
    }
    let gone = log.find(LookupKey::Digest(old[500].digest)).await.unwrap_err();
    assert!(matches!(gone.kind, ErrorKind::Pruned { minimum: 1_024 } | ErrorKind::NotFound), "{gone:?}");
    log.stop().await;
}

/// The announcement is committed or not; in both cases the log starts, and pruning goes on from there.
#[tokio::test]
async fn a_crash_at_the_announcement_leaves_a_log_that_starts() {
    for (fault, is_written) in [(Fault::Lose, false), (Fault::Keep, true), (Fault::Refuse, false)] {
        let clock = TestClock::default();
        let (store, mut second, _) = stopped(&clock).await;
        store.set_faults(FaultPlan { commits: [(0, fault)].into(), ..FaultPlan::default() });
        let outcome = announce(&store, &log_key(), 1_024, "x", UnixMillis::new(clock.now()));
        assert!(matches!(outcome, Err(PruneError::Commit(_))), "{fault:?}");
        let store = Arc::new(store.reopen());
        if !is_written {
            announced(&store, &clock, 1_024);
        }
        let log = pruned(&store, None, &clock, 1_024).await;
        second.send(&log, statements(5, 9), T + 90).await.unwrap();
        log.stop().await;
        assert_eq!(findings(&Arc::new(store.reopen())), (vec![], 512), "{fault:?}");
    }
}

/// A process that ends before the removal leaves the announcement, and the next one removes.
#[tokio::test]
async fn a_crash_before_the_removal_is_made_up_for() {
    let clock = TestClock::default();
    let (store, ..) = stopped(&clock).await;
    announced(&store, &clock, 768);
    let store = Arc::new(store.reopen());
    drop(open(store.clone(), None, &clock).unwrap());
    let store = Arc::new(store.reopen());
    let log = pruned(&store, None, &clock, 768).await;
    log.stop().await;
    // A higher minimum goes on from there.
    let store = Arc::new(store.reopen());
    let index = announced(&store, &clock, 1_024);
    let log = pruned(&store, None, &clock, 1_024).await;
    assert_eq!(log.pruned().await, Ok(Some(PrunedNotice { minimum: 1_024, announced: index })));
    log.stop().await;
    assert_eq!(findings(&store), (vec![], 512));
}

#[tokio::test]
async fn a_log_that_has_ended_announces_nothing() {
    let clock = TestClock::default();
    let (store, ..) = stopped(&clock).await;
    let log = open(store.clone(), None, &clock).unwrap();
    let successor = key("log.example.com/next", SignatureType::Ed25519, 9);
    let retirement = Retirement {
        log: log_key().verifying_key().clone(),
        successor: successor.verifying_key().clone(),
        cause: RetirementCause::Planned,
        words: "x".into(),
    };
    log.retire(retirement.sign(&log_key(), &successor).unwrap()).await.unwrap();
    log.stop().await;
    let store = Arc::new(store.reopen());
    let refused = announce(&store, &log_key(), 768, "", UnixMillis::new(clock.now()));
    assert!(matches!(refused, Err(PruneError::Retired)));
}

/// With witnesses, nothing is removed before they have cosigned a checkpoint that covers the announcement.
#[tokio::test]
async fn nothing_is_removed_before_it_is_published() {
    let clock = TestClock::default();
    let (store, ..) = stopped(&clock).await;
    let index = announced(&store, &clock, 1_024);
    let (witnesses, respond) = super::witnesses::one_away();
    let mut config = config(&clock, crate::Options::default());
    config.witnesses = Some(witnesses);
    let log = Engine::open(config, store.clone(), None, &mut Registry::default()).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(store.pruned().is_none(), "no witness has cosigned");
    assert_eq!(log.pruned().await, Ok(None));
    respond();
    log.checkpoint_after(TreeSize::new(index.get())).await.unwrap();
    removed(&store, 1_024).await;
    assert_eq!(log.pruned().await, Ok(Some(PrunedNotice { minimum: 1_024, announced: index })));
    log.stop().await;
}

/// A store whose readers elsewhere see an announcement late, and which removes one bundle at a time.
#[derive(Clone)]
struct Slow {
    store: Arc<MemoryStore>,
    is_shown: Arc<AtomicBool>,
    removed: Arc<AtomicU64>,
}

impl Store for Slow {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.store.load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.store.restore(growth)
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        self.store.commit(expected, batch)
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.store.note_signed(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        self.store.signed()
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.store.tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.store.entry_bundle(bundle)
    }

    fn sealed_size(&self) -> u64 {
        self.store.sealed_size()
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.store.pruned()
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        assert!(self.is_shown.load(Ordering::SeqCst), "given up before it is shown");
        self.store.prune(pruned)
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        let pruned = self.store.pruned().expect("nothing is removed before it is given up");
        let removed = self.removed.load(Ordering::SeqCst);
        if removed == pruned.removed_from(0).count() as u64 {
            return Ok(0);
        }
        self.removed.fetch_add(1, Ordering::SeqCst);
        Ok(1)
    }

    fn shows(&self, _: u64) -> Result<bool, StoreError> {
        Ok(self.is_shown.load(Ordering::SeqCst))
    }

    fn impediment(&self) -> Option<String> {
        self.store.impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.store.close()
    }
}

/// Nothing is given up before every reader can see that it will be; what was given up is removed after all, also by a process that finds it so.
#[tokio::test]
async fn the_announcement_is_shown_wherever_entries_are_read_before_they_go() {
    let clock = TestClock::default();
    let (store, _, _) = stopped(&clock).await;
    announced(&store, &clock, 1_024);
    let slow = Slow { store: store.clone(), is_shown: Arc::default(), removed: Arc::default() };
    let log = open(slow.clone(), None, &clock).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(log.pruned().await.unwrap().map(|notice| notice.minimum), Some(1_024));
    assert!(store.pruned().is_none(), "it is published, and not shown everywhere");
    slow.is_shown.store(true, Ordering::SeqCst);
    removed(&store, 1_024).await;
    until_removed(&slow, 2).await;
    log.stop().await;

    let next = Slow { store: Arc::new(store.reopen()), removed: Arc::default(), ..slow };
    let log = open(next.clone(), None, &clock).unwrap();
    until_removed(&next, 2).await;
    log.stop().await;
}

async fn until_removed(store: &Slow, bundles: u64) {
    for _ in 0..1_000 {
        if store.removed.load(Ordering::SeqCst) == bundles {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{bundles} bundles were never removed");
}
