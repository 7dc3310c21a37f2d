//! Streams that ended leave memory and the store; whoever asks about them gets the answers there were before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use prometheus_client::registry::Registry;
use vouchlog_api::{
    AckLevel, Append, Appender, Error, ErrorKind, HouseAppend, ListPlace, Overview as _, StreamInfo,
};
use vouchlog_merkle::{LeafIndex, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{Origin, SignatureType};
use vouchlog_storage::{
    Batch, Fault, FaultPlan, Growth, Index, IndexAnswer, IndexBatch, MemoryIndex, MemoryStore, RunEntry,
    StateKey, Store, StoreError, StreamPlaces,
};
use vouchlog_stream::{LoggedAt, Previous, Revocation, StreamId, StreamStatus};

use super::opaque;
use crate::rebuild::Rebuilder;
use crate::state::{removed_stream, stored_evicted_below};
use crate::testing::{ORIGIN, TestClock, TestGateway, config, key, statements};
use crate::{Engine, EngineError, Options, fsck};

mod random;

const T: u64 = 1_767_225_600;

/// An index that lags, fails, or remembers more than it covers.
#[derive(Debug, Default)]
pub(super) struct TestIndex {
    tables: MemoryIndex,
    mood: AtomicU8,
}

pub(super) const WELL: u8 = 0;
const EMPTY: u8 = 1;
const FAILING: u8 = 2;
const OLD: u8 = 3;
/// It takes nothing, and finds what it took before.
pub(super) const STALLED: u8 = 4;

impl TestIndex {
    pub(super) fn set(&self, mood: u8) {
        self.mood.store(mood, Ordering::SeqCst);
    }

    fn check(&self) -> Result<u8, StoreError> {
        match self.mood.load(Ordering::SeqCst) {
            FAILING => Err(StoreError::Io("planned".into())),
            mood => Ok(mood),
        }
    }
}

impl Index for TestIndex {
    fn covered(&self) -> Result<u64, StoreError> {
        if matches!(self.check()?, WELL | STALLED) { self.tables.covered() } else { Ok(0) }
    }

    fn remembered(&self) -> Result<u64, StoreError> {
        if self.check()? == OLD { Ok(1_000_000) } else { self.covered() }
    }

    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError> {
        match self.check()? {
            WELL => self.tables.put(batch),
            STALLED => Ok(()),
            _ => Err(StoreError::Io("planned".into())),
        }
    }

    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.tables.by_leaf_hash(prefix, limit)
    }

    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.tables.by_digest(prefix, limit)
    }

    fn run(&self, stream: u64, sequence: u64) -> Result<IndexAnswer<Option<RunEntry>>, StoreError> {
        self.tables.run(stream, sequence)
    }

    fn by_stream_key(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        if self.check()? == WELL {
            self.tables.by_stream_key(prefix, limit)
        } else {
            Ok(IndexAnswer::default())
        }
    }

    fn stream(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError> {
        if self.check()? == WELL { self.tables.stream(stream) } else { Ok(IndexAnswer::default()) }
    }

    fn clear(&self) -> Result<(), StoreError> {
        self.tables.clear()
    }
}

/// A log that keeps `kept` ended streams, with what it stands on.
struct World {
    log: Engine<Arc<MemoryStore>>,
    store: Arc<MemoryStore>,
    index: Arc<TestIndex>,
    clock: TestClock,
    kept: usize,
}

impl World {
    async fn new(kept: usize) -> Self {
        let world = Self::open(Arc::default(), Arc::default(), TestClock::default(), kept).unwrap();
        for gateway in [10, 11] {
            world.log.enrol(TestGateway::enrolment(gateway)).await.unwrap();
        }
        world
    }

    fn open(
        store: Arc<MemoryStore>,
        index: Arc<TestIndex>,
        clock: TestClock,
        kept: usize,
    ) -> Result<Self, EngineError> {
        let options = Options { kept_ended_streams: kept, ..Options::default() };
        let config = config(&clock, options);
        let log = Engine::open(config, store.clone(), Some(index.clone()), &mut Registry::default())?;
        Ok(Self { log, store, index, clock, kept })
    }

    /// The next process, after a crash.
    fn reopen(&self) -> Self {
        let store = Arc::new(self.store.reopen());
        Self::open(store, self.index.clone(), self.clock.clone(), self.kept).unwrap()
    }

    fn is_held(&self, stream: StreamId) -> bool {
        self.log.inner.shared.directory.read().streams.contains_key(&stream)
    }

    fn held(&self) -> usize {
        self.log.inner.shared.directory.read().streams.len()
    }

    /// Commits a statement of the house stream.
    async fn tick(&self) {
        let statements = opaque(1, self.log.sequenced().size().get());
        self.log.append_house(HouseAppend { statements, wait_for: AckLevel::Sequenced }).await.unwrap();
    }

    /// Waits until the index has nothing left to do.
    async fn follow(&self) {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while self.index.covered().unwrap() < self.log.sequenced().size().get() {
            assert!(std::time::Instant::now() < deadline, "the index follows");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the index follow and a batch evict what can be evicted.
    async fn settle(&self) {
        self.follow().await;
        self.tick().await;
    }

    async fn evict(&self, streams: &[StreamId]) {
        for _ in 0..3 {
            self.settle().await;
        }
        streams.iter().for_each(|stream| assert!(!self.is_held(*stream), "stream {stream} was evicted"));
    }

    async fn check(&self) {
        self.log.stop().await;
        let origin = Origin::new(ORIGIN).unwrap();
        let report = fsck::fsck(&self.store, &origin, self.log.vkey(), |_, _| {}).unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(fsck::fsck_index(&self.store, &origin, &*self.index).unwrap(), []);
    }
}

async fn closed(log: &Engine<Arc<MemoryStore>>, number: u64, count: usize) -> TestGateway {
    let mut gateway = TestGateway::open_numbered(log, 10, number, None).await.unwrap();
    if count > 0 {
        gateway.send(log, statements(count, number), T).await.unwrap();
    }
    log.append(gateway.head_only(T + 1, true)).await.unwrap();
    gateway
}

/// Runs futures at once; their outputs in order.
async fn all<T: Send + 'static>(
    futures: impl Iterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let mut outputs = Vec::new();
    for task in futures.map(tokio::spawn).collect::<Vec<_>>() {
        outputs.push(task.await.unwrap());
    }
    outputs
}

fn previous(gateway: &TestGateway) -> Previous {
    Previous { stream: gateway.stream, size: gateway.range.end() }
}

fn words(error: &Error) -> String {
    format!("{:?}: {}", error.kind, error.message)
}

/// One line for each answer, without what differs by intent: receipts, and the requests that are remembered.
async fn answers(log: &Engine<Arc<MemoryStore>>, ended: &[TestGateway]) -> Vec<String> {
    let mut lines = Vec::new();
    for gateway in ended {
        let info = StreamInfo { runs: Vec::new(), ..log.stream(gateway.stream).await.unwrap() };
        lines.push(format!("{info:?}"));
        let wrong_root = TreeHead { size: TreeSize::new(gateway.range.end() + 1), root: leaf_hash(b"wrong") };
        let mut more = gateway.clone();
        let more = more.request(statements(2, 99), T + 5);
        let requests = [
            more.clone(),
            Append { close: true, ..more.clone() },
            Append { old_size: more.old_size + 3, ..more.clone() },
            Append { head: gateway.sign_head(wrong_root, T + 6), ..more.clone() },
            Append { head: "nonsense".into(), ..more },
            gateway.head_only(T, false),
            gateway.head_only(T + 9, false),
            gateway.head_only(T + 1, true),
            gateway.head_only(T + 9, true),
        ];
        for request in requests {
            let answer = log.append(request).await.map(|appended| appended.stream_size);
            lines.push(answer.map_or_else(|error| words(&error), |size| size.to_string()));
        }
        for (seed, previous) in [
            (10, Some(Previous { stream: gateway.stream, size: gateway.range.end() + 1 })),
            (11, Some(previous(gateway))),
        ] {
            let opened = TestGateway::open_numbered(log, seed, 900, previous).await;
            lines.push(opened.map_or_else(|error| words(&error), |gateway| gateway.stream.to_string()));
        }
    }
    lines
}

/// Streams that were closed, empty, continued, or both closed and continued.
async fn history(world: &World) -> Vec<TestGateway> {
    let log = &world.log;
    let mut ended = Vec::new();
    for (number, count) in [(1, 0), (2, 1), (3, 8), (4, 300)] {
        ended.push(closed(log, number, count).await);
    }
    let empty = TestGateway::open_numbered(log, 10, 5, None).await.unwrap();
    let mut second = TestGateway::open_numbered(log, 10, 6, Some(previous(&empty))).await.unwrap();
    second.send(log, statements(7, 6), T).await.unwrap();
    log.append(second.head_only(T + 1, false)).await.unwrap();
    let third = TestGateway::open_numbered(log, 10, 7, Some(previous(&second))).await.unwrap();
    log.append(third.head_only(T + 1, true)).await.unwrap();
    TestGateway::open_numbered(log, 10, 8, Some(previous(&third))).await.unwrap();
    ended.extend([empty, second, third]);
    ended
}

#[tokio::test]
async fn evicted_streams_answer_like_those_in_memory() {
    let (keeping, evicting) = (World::new(usize::MAX).await, World::new(0).await);
    let (kept, evicted) = (history(&keeping).await, history(&evicting).await);
    let ids: Vec<StreamId> = evicted.iter().map(|gateway| gateway.stream).collect();
    assert_eq!(ids, kept.iter().map(|gateway| gateway.stream).collect::<Vec<_>>());
    evicting.evict(&ids).await;
    // The same entries, and nothing to evict.
    keeping.evict(&[]).await;
    assert!(ids.iter().all(|id| keeping.is_held(*id)));
    let expected = answers(&keeping.log, &kept).await;
    assert_eq!(answers(&evicting.log, &evicted).await, expected);
    assert!(ids.iter().all(|id| !evicting.is_held(*id)), "a refused request brings nothing back");
    // Of a revoked gateway, too, what was taken before can still be asked for.
    for world in [&keeping, &evicting] {
        let revocation = Revocation {
            log: Origin::new(ORIGIN).unwrap(),
            gateway: kept[0].vkey().clone(),
            effective: LoggedAt::from_millis(world.clock.now()).unwrap(),
            reason: "key lost".into(),
        };
        let operator = key("operator.example.com", SignatureType::Ed25519, 2);
        world.log.revoke(revocation.sign(&operator).unwrap()).await.unwrap();
    }
    let expected = answers(&keeping.log, &kept).await;
    assert_eq!(answers(&evicting.log, &evicted).await, expected);
    // A crash does not change that.
    let evicting = evicting.reopen();
    assert_eq!(answers(&evicting.log, &evicted).await, expected);
    evicting.check().await;
    keeping.check().await;
}

#[tokio::test]
async fn an_opening_that_is_sent_again_opens_nothing() {
    let world = World::new(0).await;
    let gateway = closed(&world.log, 1, 3).await;
    world.evict(&[gateway.stream]).await;
    let size = world.log.sequenced().size();
    let (note, _) = TestGateway::numbered_opening(10, 1, None);
    assert_eq!(world.log.open_stream(note.clone()).await.unwrap().stream, gateway.stream);
    for (seed, previous) in [(11, None), (10, Some(previous(&gateway)))] {
        let (other, _) = TestGateway::numbered_opening_of(10, seed, 1, previous);
        let error = world.log.open_stream(other).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument, "{error}");
        assert!(error.message.contains("has already opened stream"), "{error}");
    }
    // While the index is behind or fails, nothing is known: neither the old key nor that a new one is new.
    for mood in [EMPTY, FAILING] {
        world.index.set(mood);
        let (fresh, _) = TestGateway::numbered_opening(10, 2, None);
        for note in [note.clone(), fresh] {
            let error = world.log.open_stream(note).await.unwrap_err();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
        }
        let asked = world.log.stream(gateway.stream).await.unwrap_err();
        assert_eq!(asked.kind, ErrorKind::Unavailable, "never `not found`: {asked}");
        let appended = world.log.append(gateway.head_only(T + 1, true)).await.unwrap_err();
        assert_eq!(appended.kind, ErrorKind::Unavailable, "{appended}");
        let next = TestGateway::open_numbered(&world.log, 10, 3, Some(previous(&gateway))).await;
        assert_eq!(next.unwrap_err().kind, ErrorKind::Unavailable);
    }
    world.index.set(WELL);
    assert_eq!(world.log.open_stream(note).await.unwrap().stream, gateway.stream);
    assert_eq!(world.log.sequenced().size(), size);
    TestGateway::open_numbered(&world.log, 10, 2, None).await.unwrap();
    world.check().await;
}

#[tokio::test]
async fn an_evicted_stream_is_continued_once() {
    let world = World::new(0).await;
    let gateway = closed(&world.log, 1, 5).await;
    world.evict(&[gateway.stream]).await;
    let second = TestGateway::open_numbered(&world.log, 10, 2, Some(previous(&gateway))).await.unwrap();
    let continued = |info: StreamInfo| assert_eq!(info.status, StreamStatus::Superseded(second.stream));
    continued(world.log.stream(gateway.stream).await.unwrap());
    let again = || TestGateway::open_numbered(&world.log, 10, 3, Some(previous(&gateway)));
    assert_eq!(again().await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    world.evict(&[gateway.stream]).await;
    continued(world.log.stream(gateway.stream).await.unwrap());
    assert_eq!(again().await.unwrap_err().kind, ErrorKind::FailedPrecondition);
    let world = world.reopen();
    continued(world.log.stream(gateway.stream).await.unwrap());
    // Two at once: one batch takes one of them.
    let gateway = closed(&world.log, 4, 5).await;
    world.evict(&[gateway.stream]).await;
    let open = |number| {
        let (log, previous) = (world.log.clone(), Some(previous(&gateway)));
        async move { TestGateway::open_numbered(&log, 10, number, previous).await }
    };
    let outcomes = all((5..15).map(open)).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    world.check().await;
}

#[tokio::test]
async fn a_fork_is_kept_whether_the_stream_was_evicted_before_or_not() {
    let world = World::new(0).await;
    let first = TestGateway::open_numbered(&world.log, 10, 1, None).await.unwrap();
    let (mut gateway, mut twin) = (first.clone(), first);
    gateway.send(&world.log, statements(7, 1), T).await.unwrap();
    let forked = |appended: vouchlog_api::Result<_>| {
        assert_eq!(appended.map(|_: vouchlog_api::Appended| ()).unwrap_err().kind, ErrorKind::Fork);
    };
    forked(world.log.append(twin.request(statements(7, 2), T)).await);
    world.log.append(gateway.head_only(T + 1, true)).await.unwrap();

    let second = TestGateway::open_numbered(&world.log, 10, 2, None).await.unwrap();
    let (mut other, mut other_twin) = (second.clone(), second);
    other.send(&world.log, statements(6, 1), T).await.unwrap();
    world.log.append(other.head_only(T + 1, true)).await.unwrap();
    world.evict(&[other.stream]).await;
    assert!(world.is_held(gateway.stream), "a fork is evidence that is nowhere else");
    for _ in 0..2 {
        forked(world.log.append(other_twin.clone().request(statements(6, 2), T + 2)).await);
    }
    let refused = other_twin.request(statements(6, 2), T + 2).head;
    for world in [&world, &world.reopen()] {
        world.settle().await;
        let fork = world.log.stream(other.stream).await.unwrap().fork.unwrap();
        assert_eq!((fork.size, fork.accepted, fork.refused), (6, other.head(T + 1), refused.clone()));
        assert!(world.is_held(gateway.stream) && world.is_held(other.stream));
    }
    world.log.stop().await;
}

#[tokio::test]
async fn an_index_that_was_deleted_is_filled_before_it_counts() {
    let world = World::new(0).await;
    let gateway = closed(&world.log, 1, 300).await;
    world.evict(&[gateway.stream]).await;
    let (note, _) = TestGateway::numbered_opening(10, 1, None);
    let world = World { index: Arc::default(), ..world }.reopen();
    let opened_once_covered = async || loop {
        match world.log.open_stream(note.clone()).await {
            Ok(opened) => break opened,
            Err(error) => assert_eq!(error.kind, ErrorKind::Unavailable, "{error}"),
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(opened_once_covered().await.stream, gateway.stream);
    // The follower clears the index some time later.
    world.log.rebuild_index();
    for _ in 0..50 {
        assert_eq!(opened_once_covered().await.stream, gateway.stream);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.log.stop().await;

    // Without an index nothing can be opened, and `/readyz` says why.
    let store = Arc::new(world.store.reopen());
    let log = crate::testing::open(store, None, &world.clock).unwrap();
    assert_eq!(log.open_stream(note).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert!(log.readiness().failure("index").unwrap().contains("switched off"));
}

#[tokio::test]
async fn a_log_without_an_index_evicts_nothing() {
    let clock = TestClock::default();
    let options = Options { kept_ended_streams: 0, ..Options::default() };
    let store = Arc::new(MemoryStore::new());
    let log = Engine::open(config(&clock, options), store, None, &mut Registry::default()).unwrap();
    log.enrol(TestGateway::enrolment(10)).await.unwrap();
    let gateway = closed(&log, 1, 3).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(log.inner.shared.directory.read().streams.contains_key(&gateway.stream));
    assert!(log.readiness().is_ready());
}

#[tokio::test]
async fn an_idle_log_evicts_by_itself() {
    let world = World::new(2).await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.push(closed(&world.log, number, 1).await.stream);
    }
    let size = world.log.sequenced().size();
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while world.held() > 2 {
        assert!(std::time::Instant::now() < deadline, "an idle log evicts");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(world.is_held(ids[3]) && world.is_held(ids[4]), "those that ended last stay");
    assert_eq!(world.log.sequenced().size(), size, "no entry is written for it");
    // Nor are those that left listed, and the list states that some are missing.
    let list = world.log.gateways(ListPlace::default());
    let listed: Vec<_> =
        list.gateways.iter().flat_map(|gateway| &gateway.streams).map(|listed| listed.stream).collect();
    assert_eq!((listed, list.has_evicted), (vec![ids[4], ids[3]], true));
    world.check().await;
}

/// An index that an earlier version filled, and that has seen more than the store holds: the store is an old copy.
#[tokio::test]
async fn what_an_index_of_an_earlier_version_has_seen_still_counts() {
    let world = World::new(0).await;
    world.log.stop().await;
    world.index.set(OLD);
    let store = Arc::new(world.store.reopen());
    let opened = World::open(store, world.index.clone(), world.clock.clone(), 0);
    assert!(matches!(opened.map(drop), Err(EngineError::Forgotten { seen: 1_000_000, .. })));
}

/// Every way the commit that evicts can fail.
#[tokio::test]
async fn an_eviction_is_committed_or_did_not_happen() {
    for fault in [Fault::Refuse, Fault::Lose, Fault::Keep] {
        let world = World::new(0).await;
        let gateway = closed(&world.log, 1, 3).await;
        let size = world.log.sequenced().size().get();
        while world.index.covered().unwrap() < size {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        world.store.set_faults(FaultPlan { commits: [(0, fault)].into(), ..FaultPlan::default() });
        let more = HouseAppend { statements: opaque(1, 7), wait_for: AckLevel::Sequenced };
        // The idle tick may have been first; either way one commit fails.
        let _ = world.log.append_house(more).await;
        let world = if fault == Fault::Refuse { world } else { world.reopen() };
        let states = world.store.load().unwrap().unwrap().states;
        let (key, _) = removed_stream(gateway.stream);
        let is_stored = states.iter().any(|(stored, _)| *stored == key);
        assert_eq!(is_stored || fault == Fault::Refuse, fault != Fault::Keep, "{fault:?}");
        world.evict(&[gateway.stream]).await;
        assert_eq!(answers(&world.log, std::slice::from_ref(&gateway)).await.len(), 12);
        world.check().await;
    }
}

/// A batch of states alone, as an engine would commit it.
fn set_state(store: &MemoryStore, state: (StateKey, bytes::Bytes)) {
    let head = store.load().unwrap().unwrap().head;
    let (entries, growth) = (bytes::Bytes::new(), Growth::default());
    store
        .commit(Some(head.size.get()), Batch { head, count: 0, entries, states: vec![state], growth })
        .unwrap();
}

#[tokio::test]
async fn only_a_stream_that_ended_may_lack_its_state() {
    let world = World::new(0).await;
    let gone = closed(&world.log, 1, 3).await;
    let open = TestGateway::open_numbered(&world.log, 10, 2, None).await.unwrap();
    world.evict(&[gone.stream]).await;
    world.log.stop().await;
    let origin = Origin::new(ORIGIN).unwrap();
    let findings = |state: Option<(StateKey, bytes::Bytes)>| {
        let store = world.store.reopen();
        state.into_iter().for_each(|state| set_state(&store, state));
        let report = fsck::fsck(&store, &origin, world.log.vkey(), |_, _| {}).unwrap();
        report.findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    assert_eq!(findings(None), Vec::<String>::new());
    let lacks = |stream: StreamId| vec![format!("stream {stream} has no state")];
    assert_eq!(findings(Some(removed_stream(open.stream))), lacks(open.stream));
    assert_eq!(findings(Some(stored_evicted_below(gone.stream.get() + 1))), lacks(gone.stream));
    let beyond = findings(Some(stored_evicted_below(1_000_000)));
    assert_eq!(beyond, ["a stream or gateway state cannot be read"]);
}

/// What `vouchlog recover` does: every stream is there again, and leaves again once the index covers it.
#[tokio::test]
async fn a_rebuilt_log_starts_and_evicts() {
    let world = World::new(0).await;
    let ended = history(&world).await;
    let ids: Vec<StreamId> = ended.iter().map(|gateway| gateway.stream).collect();
    world.evict(&ids).await;
    let expected = answers(&world.log, &ended).await;
    world.log.stop().await;
    let loaded = world.store.reopen().load().unwrap().unwrap();
    let (rebuilt, origin) = (Arc::new(MemoryStore::new()), Origin::new(ORIGIN).unwrap());
    let mut rebuilder = Rebuilder::new(&*rebuilt, &origin, world.log.vkey());
    for bundle in 0..loaded.sealed / 256 {
        rebuilder.push(&world.store.entry_bundle(bundle).unwrap().unwrap()).unwrap();
    }
    loaded.tail.iter().for_each(|piece| rebuilder.push(piece).unwrap());
    let outcome = rebuilder.finish(loaded.head, &[loaded.states]).unwrap();
    assert_eq!((outcome.broken.len(), outcome.without_head.len()), (0, 0));
    let world = World::open(rebuilt, Arc::default(), world.clock.clone(), 0).unwrap();
    assert!(ids.iter().all(|id| world.is_held(*id)));
    assert_eq!(answers(&world.log, &ended).await, expected);
    world.evict(&ids).await;
    assert_eq!(answers(&world.log, &ended).await, expected);
    world.check().await;
}

#[tokio::test]
async fn two_thousand_streams_leave_memory_as_it_was() {
    const STREAMS: u64 = 2_000;
    const AT_ONCE: u64 = 100;
    let world = World::new(64).await;
    let mut most = 0;
    for first in (0..STREAMS).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let streams = (first..first + AT_ONCE).map(|number| {
            let log = world.log.clone();
            async move { closed(&log, number, 1).await }
        });
        all(streams).await;
        most = most.max(world.held());
        // The index is not to be outrun by more than a round.
        world.settle().await;
    }
    world.settle().await;
    assert!(most <= 64 + 2 * usize::try_from(AT_ONCE).unwrap() + 1, "{most} streams were in memory at once");
    assert!(world.held() <= 64 + 1, "{} streams stayed", world.held());
    let states = world.store.load().unwrap().unwrap().states;
    let kinds: BTreeMap<u8, usize> = states.iter().fold(BTreeMap::new(), |mut kinds, (key, _)| {
        *kinds.entry(key.as_bytes()[0]).or_default() += 1;
        kinds
    });
    assert!(kinds[&b's'] <= 64 + 1, "{kinds:?}");
    // The first of them is known all the same.
    let (note, _) = TestGateway::numbered_opening(10, 0, None);
    let first = world.log.open_stream(note).await.unwrap().stream;
    assert!(!world.is_held(first));
    assert_eq!(world.log.stream(first).await.unwrap().size, 1);
    let world = world.reopen();
    assert!(world.held() <= 64 + 1);
    world.check().await;
}
