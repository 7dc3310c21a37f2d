//! The follower: reads entries behind the commits and fills the lookup index. It may fail or start over, and the log goes on; it may
//! lag within bounds (`lag.rs`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use vouchlog_merkle::{Tile, TileId, TreeSize, leaf_hash};
use vouchlog_note::Origin;
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::{Index, IndexBatch, RunEntry, Store, StoreError, key_prefix};
use vouchlog_stream::{Entry, StatementEntry, StreamOpening};

use crate::lag::Lag;
use crate::limits::{MAX_FOLLOW_ENTRIES, MAX_INDEX_LAG};
use crate::publish::Sequenced;
use crate::read::{WIDTH, framed_bundle};
use crate::recall::stream_key_prefix;
use crate::state::Shared;

/// How often a follower with nothing to do checks whether to stop or start over, and how long it rests after a
/// failure.
const REST: Duration = Duration::from_millis(250);

/// An index that is far behind reports its progress once for so many entries, a power of two.
const REPORT_EVERY: u64 = 1 << 22;

/// The handle on the follower's thread, which ends when the handle is dropped.
pub(crate) struct Follower {
    index: Arc<dyn Index>,
    control: Arc<Control>,
    covered: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Control {
    stop: AtomicBool,
    rebuild: AtomicBool,
    failure: Mutex<Option<String>>,
    lag: Lag,
    /// Whether it was reported that the index is being filled.
    is_filling: AtomicBool,
}

impl Follower {
    pub(crate) fn start<S: Store>(shared: &Arc<Shared<S>>, index: Arc<dyn Index>) -> std::io::Result<Self> {
        let control = Control {
            stop: AtomicBool::new(false),
            rebuild: AtomicBool::new(false),
            failure: Mutex::default(),
            lag: Lag::new(shared.options.max_index_lag),
            is_filling: AtomicBool::new(false),
        };
        let control = Arc::new(control);
        let (covered_now, covered) = watch::channel(0);
        let worker =
            Worker { shared: Arc::downgrade(shared), index: index.clone(), control: control.clone() };
        let heads = shared.publisher.watch_sequenced();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        std::thread::Builder::new()
            .name("vouchlog-index".into())
            .spawn(in_span(move || runtime.block_on(worker.run(heads, &covered_now))))?;
        Ok(Self { index, control, covered })
    }

    pub(crate) fn index(&self) -> &dyn Index {
        self.index.as_ref()
    }

    /// Resolves once the index covers `size`.
    pub(crate) async fn covered(&self, size: TreeSize) {
        let mut covered = self.covered.clone();
        if covered.wait_for(|covered| *covered >= size.get()).await.is_err() {
            // The follower is gone, so it will never cover more.
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn rebuild(&self) {
        self.control.rebuild.store(true, Ordering::Relaxed);
    }

    pub(crate) fn failure(&self) -> Option<String> {
        self.control.failure.lock().clone()
    }

    pub(crate) fn lag(&self) -> &Lag {
        &self.control.lag
    }

    /// How far the index lags behind a log of this size, in words; `None` when that is no more than a busy log's does.
    pub(crate) fn behind(&self, size: TreeSize) -> Option<String> {
        let lag = self.lag();
        let covered = lag.covered();
        (lag.of(size) > MAX_FOLLOW_ENTRIES).then(|| {
            format!(
                "it covers {covered} of the log's {size} entries; lookups of the others return unavailable"
            )
        })
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower").field("covered", &*self.covered.borrow()).finish_non_exhaustive()
    }
}

/// What the thread works with. It holds the log weakly: an index must not keep a log alive.
struct Worker<S> {
    shared: Weak<Shared<S>>,
    index: Arc<dyn Index>,
    control: Arc<Control>,
}

impl<S: Store> Worker<S> {
    async fn run(self, mut heads: watch::Receiver<Arc<Sequenced>>, covered: &watch::Sender<u64>) {
        while !self.control.stop.load(Ordering::Relaxed) {
            let sequenced = heads.borrow_and_update().clone();
            match self.step(&sequenced, covered) {
                Ok(true) => *self.control.failure.lock() = None,
                // A new head, or a moment's rest: whatever comes first.
                Ok(false) => drop(tokio::time::timeout(REST, heads.changed()).await),
                Err(error) => {
                    let error = error.to_string();
                    self.control.lag.excuse();
                    // Retried four times a second: once reported is enough.
                    if self.control.failure.lock().replace(error.clone()).as_ref() != Some(&error) {
                        tracing::warn!(error, "the lookup index could not follow");
                    }
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }

    /// Indexes some entries; whether there may be more to do.
    fn step(&self, sequenced: &Sequenced, covered: &watch::Sender<u64>) -> Result<bool, StoreError> {
        let Some(shared) = self.shared.upgrade() else {
            self.control.stop.store(true, Ordering::Relaxed);
            return Ok(false);
        };
        if self.control.rebuild.swap(false, Ordering::Relaxed) {
            self.index.clear()?;
        }
        let (from, seen) = (self.index.covered()?, self.index.remembered()?);
        if seen > sequenced.size().get() {
            // The last trace of entries that the store has lost: it is never deleted for that.
            let message = format!("it covers {seen} entries, the log has {}", sequenced.size());
            return Err(StoreError::Damaged(message));
        }
        self.covers(&shared, from, sequenced.size(), covered);
        if from == sequenced.size().get() {
            return Ok(false);
        }
        let batch = read(&*shared.store, &shared.origin, sequenced, from)?;
        self.index.put(&batch)?;
        let now = self.index.covered()?;
        self.covers(&shared, now, sequenced.size(), covered);
        // One that takes nothing now is asked again in a moment.
        Ok(now != from)
    }

    /// Shows how much of the log is covered.
    fn covers(&self, shared: &Shared<S>, now: u64, size: TreeSize, covered: &watch::Sender<u64>) {
        let before = covered.send_replace(now);
        let lag = &self.control.lag;
        lag.note(now, size);
        shared.metrics.index_size.set(now);
        shared.metrics.index_lag.set(lag.of(size));
        if lag.of(size) > MAX_INDEX_LAG {
            let was_filling = self.control.is_filling.swap(true, Ordering::Relaxed);
            if !was_filling || before / REPORT_EVERY != now / REPORT_EVERY {
                tracing::info!(covered = now, size = size.get(), "the lookup index is being filled");
            }
        } else if lag.of(size) == 0 && self.control.is_filling.swap(false, Ordering::Relaxed) {
            tracing::info!(size = size.get(), "the lookup index covers all of the log");
        }
    }
}

/// What the index learns from entries `from` on, up to a bounded number of them.
fn read(
    store: &impl Store,
    log: &Origin,
    sequenced: &Sequenced,
    from: u64,
) -> Result<IndexBatch, StoreError> {
    let end = sequenced.size().get().min(from + MAX_FOLLOW_ENTRIES);
    let mut batch = IndexBatch { from, upto: end, ..IndexBatch::default() };
    for bundle in from / WIDTH..end.div_ceil(WIDTH) {
        let framed = match framed_bundle(store, sequenced, bundle) {
            Err(StoreError::Pruned(_)) => {
                add_leaves(&mut batch, store, bundle, from..end)?;
                continue;
            }
            other => other?,
        };
        for (entry, index) in framed.entries().zip(bundle * WIDTH..) {
            if (from..end).contains(&index) {
                add(&mut batch, log, entry, index);
            }
        }
    }
    Ok(batch)
}

/// Of entries that were given up, the leaf hashes are left: proofs of them are found by these.
fn add_leaves(
    batch: &mut IndexBatch,
    store: &impl Store,
    bundle: u64,
    range: std::ops::Range<u64>,
) -> Result<(), StoreError> {
    let tile = store.tile(TileId { level: 0, index: bundle })?;
    let tile = tile.and_then(|bytes| Tile::parse(&bytes).ok());
    let tile =
        tile.ok_or_else(|| StoreError::Damaged(format!("the tile of entry bundle {bundle} cannot be read")))?;
    let wanted = tile.hashes().iter().zip(bundle * WIDTH..).filter(|(_, index)| range.contains(index));
    batch.leaf_hashes.extend(wanted.map(|(leaf, index)| (key_prefix(leaf.as_bytes()), index)));
    Ok(())
}

fn add(batch: &mut IndexBatch, log: &Origin, entry: &[u8], index: u64) {
    batch.leaf_hashes.push((key_prefix(leaf_hash(entry).as_bytes()), index));
    match Entry::decode(entry) {
        Ok(Entry::Statement(entry)) => add_statement(batch, &entry, index),
        Ok(Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. }) => {
            batch.stream_heads.push((stream.get(), index));
        }
        Ok(Entry::StreamOpened { note, .. }) => {
            // One that does not verify has opened no stream.
            let Ok(opening) = StreamOpening::open(&note, log) else { return };
            batch.stream_keys.push((stream_key_prefix(&opening.stream), index));
            batch.successors.extend(opening.previous.map(|previous| (previous.stream.get(), index)));
        }
        _ => {}
    }
}

fn add_statement(batch: &mut IndexBatch, entry: &StatementEntry, index: u64) {
    batch.digests.push((key_prefix(entry.statement.digest.as_bytes()), index));
    let (stream, sequence) = (entry.stream.get(), entry.sequence.get());
    let continues = |run: &RunEntry| {
        run.stream == stream
            && run.first <= index
            && sequence.checked_sub(run.start) == Some(index - run.first)
    };
    if !batch.runs.last().is_some_and(continues) {
        batch.runs.push(RunEntry { stream, start: sequence, first: index });
    }
}
