//! Reads on a standby: a replica of the log that follows the shared store. What callers logged through this node, they can read here; and
//! who reads checkpoints here and there never sees an older one after a later one.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;
use vouchlog::postgres::{Replica, ReplicaError};
use vouchlog::{Error, ErrorKind, LogReader, PrunedNotice, StoreError, TreeSize, Watch};
use vouchlog_merkle::{TileId, TilePath};
use vouchlog_note::{Checkpoint, UnverifiedNote};

use super::metrics::StandbyMetrics;

/// How often the store is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(200);
/// How soon after a look another one may follow, when a caller was shown a newer checkpoint.
const SOONEST: Duration = Duration::from_millis(20);
/// How long reads wait for what was logged through this node. Usually one look at the store.
const FRESHNESS: Duration = Duration::from_secs(2);
/// Pause after the store could not be opened.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// How long following may fail before the standby is not ready.
const PATIENCE: Duration = Duration::from_secs(10);
/// Sizes that are remembered with the time they were first seen.
const MAX_SIGHTINGS: usize = 1_024;

/// The reads of a standby. Clones are the same.
#[derive(Clone)]
pub(super) struct Reads(Arc<Inner>);

struct Inner {
    replica: OnceLock<Replica>,
    /// The newest checkpoint that a caller of this node was shown by the leader.
    offered: watch::Sender<Offer>,
    looks: watch::Sender<Look>,
    progress: Mutex<Progress>,
}

/// What the newest successful look at the store found.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    number: u64,
    /// Entries that are committed, and of these the ones that are served.
    committed: u64,
    served: u64,
}

/// A checkpoint, and the size it states.
#[derive(Clone, Debug, Default)]
struct Offer {
    note: Option<String>,
    size: u64,
}

/// How following the log goes.
#[derive(Debug)]
struct Progress {
    /// When the log was last read and found in order.
    success: Instant,
    trouble: Option<String>,
    /// The store contradicts what the log signed.
    finding: bool,
    committed: u64,
    /// Sizes beyond the one served, and when each was first seen.
    sightings: VecDeque<(u64, Instant)>,
}

/// How far a standby is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lag {
    pub(super) entries: u64,
    pub(super) seconds: u64,
}

impl Reads {
    pub(super) fn new() -> Self {
        let progress = Progress {
            success: Instant::now(),
            trouble: None,
            finding: false,
            committed: 0,
            sightings: VecDeque::new(),
        };
        Self(Arc::new(Inner {
            replica: OnceLock::new(),
            offered: watch::Sender::default(),
            looks: watch::Sender::default(),
            progress: Mutex::new(progress),
        }))
    }

    /// Follows the log until it is dropped. `open` opens the store, and blocks.
    pub(super) async fn follow(
        self,
        open: impl Fn() -> Result<Replica, StoreError> + Clone + Send + 'static,
        metrics: StandbyMetrics,
    ) {
        let mut offered = self.0.offered.subscribe();
        loop {
            let Some(replica) = self.0.replica.get() else {
                match tokio::task::spawn_blocking(open.clone()).await {
                    Ok(Ok(replica)) => drop(self.0.replica.set(replica)),
                    Ok(Err(error)) => self.failed(&error.into()),
                    Err(error) => self.failed(&StoreError::Io(error.to_string()).into()),
                }
                if self.0.replica.get().is_none() {
                    self.measure(&metrics);
                    tokio::time::sleep(REOPEN_AFTER).await;
                }
                continue;
            };
            let offer = offered.borrow_and_update().note.clone();
            match replica.update(offer).await {
                Ok(committed) => {
                    let served = replica.size().get();
                    self.0.progress.lock().caught_up(committed, served);
                    self.0.looks.send_modify(|look| {
                        *look = Look { number: look.number + 1, committed, served };
                    });
                }
                Err(error) => self.failed(&error),
            }
            self.measure(&metrics);
            tokio::time::sleep(SOONEST).await;
            // The sender lives as long as this.
            let _ = tokio::time::timeout(FOLLOW_EVERY, offered.changed()).await;
        }
    }

    fn measure(&self, metrics: &StandbyMetrics) {
        let lag = self.lag();
        metrics.lag_entries.set(lag.entries);
        metrics.lag_seconds.set(lag.seconds);
        metrics.read_age.set(self.0.progress.lock().success.elapsed().as_secs());
    }

    fn failed(&self, error: &ReplicaError) {
        let mut progress = self.0.progress.lock();
        let is_finding = matches!(error, ReplicaError::Checkpoint(_) | ReplicaError::Contradiction { .. });
        if progress.trouble.as_deref() != Some(&error.to_string()) {
            if is_finding {
                tracing::error!(%error, "the log contradicts itself: this standby serves what it has verified, and nothing later");
            } else {
                tracing::warn!(%error, "the log cannot be followed; retrying");
            }
        }
        progress.trouble = Some(error.to_string());
        progress.finding |= is_finding;
    }

    /// Notes a checkpoint that the leader gave to a caller of this node: reads wait until the replica covers it.
    pub(super) fn offer(&self, note: &str) {
        let Some(size) = stated_size(note) else { return };
        self.0.offered.send_if_modified(|known| {
            let is_newer = size > known.size;
            if is_newer {
                *known = Offer { note: Some(note.to_owned()), size };
            }
            is_newer
        });
    }

    /// Whether reads are served in order, and how far they are behind.
    pub(super) fn check(&self) -> Result<(), String> {
        let progress = self.0.progress.lock();
        let trouble = || progress.trouble.clone().unwrap_or_else(|| "the log was not read yet".to_owned());
        let is_late = progress.trouble.is_some() && progress.success.elapsed() > PATIENCE;
        if progress.finding || is_late || !self.has_something() { Err(trouble()) } else { Ok(()) }
    }

    pub(super) fn lag(&self) -> Lag {
        let served = self.0.replica.get().map_or(0, |replica| replica.size().get());
        let progress = self.0.progress.lock();
        let since = progress.sightings.front().map_or(0, |(_, seen)| seen.elapsed().as_secs());
        Lag { entries: progress.committed.saturating_sub(served), seconds: since }
    }

    fn has_something(&self) -> bool {
        self.0.replica.get().is_some_and(|replica| replica.size() > TreeSize::new(0))
    }

    /// The replica, once it covers what was logged through this node.
    async fn replica(&self) -> Result<&Replica, Error> {
        let Some(replica) = self.0.replica.get() else {
            let trouble = self.0.progress.lock().trouble.clone();
            let reason = trouble.map_or_else(String::new, |trouble| format!(": {trouble}"));
            return Err(Error::unavailable(format!(
                "this node is a standby and has not read the log yet{reason}"
            )));
        };
        let wanted = self.0.offered.borrow().size;
        let is_in_order = self.0.progress.lock().trouble.is_none();
        if self.0.looks.borrow().served < wanted && is_in_order {
            // What is older is served then: it is no less true.
            self.look(|look| look.served >= wanted).await;
        }
        Ok(replica)
    }

    /// Waits for a look at the store, within bounds.
    async fn look(&self, is_enough: impl Fn(&Look) -> bool) -> Option<Look> {
        let mut looks = self.0.looks.subscribe();
        let look = tokio::time::timeout(FRESHNESS, looks.wait_for(is_enough)).await;
        look.ok()?.ok().map(|look| *look)
    }

    /// The checkpoint that the leader has published, `note`, or a later one, once it is verified.
    pub(super) async fn checkpoint_from(&self, note: String) -> Result<String, Error> {
        self.offer(&note);
        let replica = self.replica().await?;
        replica.publish(note.clone()).await.map_err(|error| {
            self.failed(&error);
            Error::unavailable(format!("the leader's checkpoint was not verified: {error}"))
        })?;
        let newest = replica.checkpoint().await?;
        // Readers of several nodes must not see the log go back.
        if stated_size(&newest) < stated_size(&note) {
            return Err(Error::unavailable("this node has not caught up with the leader: retry"));
        }
        Ok(newest)
    }

    /// The checkpoint without a leader to ask, because of `reason`: only if it covers everything that is committed. Otherwise the leader may
    /// have shown a later one to others, and to show an older one would look as if the log had gone back.
    pub(super) async fn checkpoint_alone(&self, reason: &Error) -> Result<String, Error> {
        let replica = self.replica().await?;
        // The one that is under way began earlier.
        let before = self.0.looks.borrow().number;
        let look = self.look(|look| look.number >= before + 2).await;
        let checkpoint = replica.checkpoint().await?;
        let covers = stated_size(&checkpoint).unwrap_or_default();
        match look {
            Some(look) if look.committed == covers => Ok(checkpoint),
            Some(look) => Err(Error::unavailable(format!(
                "the newest checkpoint of this node covers {covers} of {} entries, and there may be a later one: {reason}",
                look.committed
            ))),
            None => Err(Error::unavailable(format!(
                "the store cannot be read, and no leader can be asked: {reason}"
            ))),
        }
    }

    pub(super) async fn checkpoint_after(&self, size: TreeSize) -> Result<String, Error> {
        self.replica().await?.checkpoint_after(size).await
    }

    pub(super) async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes, Error> {
        self.find(TilePath::Hashes { tile, width }).await
    }

    pub(super) async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes, Error> {
        self.find(TilePath::Entries { index: bundle, width }).await
    }

    /// Reads what a reader may know from another node's checkpoint. It is denied only if a look at the store that began later finds no entries
    /// there, since what was shown was committed before: an auditor would take it for a loss.
    async fn find(&self, path: TilePath) -> Result<Bytes, Error> {
        let is_missing = |error: &Error| error.kind == ErrorKind::NotFound;
        let replica = self.replica().await?;
        let missing = match read(replica, path).await {
            Err(error) if is_missing(&error) => error,
            other => return other,
        };
        // The one that is under way may have begun earlier.
        let before = self.0.looks.borrow().number;
        self.0.offered.send_modify(|_| {});
        let look = self.look(|look| look.number >= before + 2).await;
        match read(replica, path).await {
            Err(error) if is_missing(&error) => match look {
                Some(look) if !is_within(path, TreeSize::new(look.committed)) => Err(missing),
                _ => Err(Error::unavailable("this node has not caught up with the leader: retry")),
            },
            other => other,
        }
    }

    pub(super) async fn pruned(&self) -> Result<Option<PrunedNotice>, Error> {
        self.replica().await?.pruned().await
    }

    pub(super) async fn checkpoint_other_than(&self, seen: String) -> Result<String, Error> {
        self.replica().await?.checkpoint_other_than(seen).await
    }

    pub(super) async fn sequenced_checkpoint(&self) -> Result<String, Error> {
        self.replica().await?.sequenced_checkpoint().await
    }
}

/// Whether a tree of this size has so much of a tile.
fn is_within(path: TilePath, size: TreeSize) -> bool {
    let (tile, width) = match path {
        TilePath::Hashes { tile, width } => (tile, width),
        TilePath::Entries { index, width } => (TileId { level: 0, index }, width),
    };
    tile.width_at(size) >= width
}

async fn read(replica: &Replica, path: TilePath) -> Result<Bytes, Error> {
    match path {
        TilePath::Hashes { tile, width } => replica.tile(tile, width).await,
        TilePath::Entries { index, width } => replica.entry_bundle(index, width).await,
    }
}

/// The size that a checkpoint states.
pub(super) fn stated_size(note: &str) -> Option<u64> {
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
    Some(checkpoint.head().size.get())
}

impl Progress {
    /// Notes that the log was read: so many entries are committed, so many are served.
    fn caught_up(&mut self, committed: u64, served: u64) {
        let now = Instant::now();
        (self.success, self.trouble, self.finding, self.committed) = (now, None, false, committed);
        while self.sightings.front().is_some_and(|(size, _)| *size <= served) {
            self.sightings.pop_front();
        }
        let is_new = self.sightings.back().is_none_or(|(size, _)| *size < committed);
        if committed > served && is_new && self.sightings.len() < MAX_SIGHTINGS {
            self.sightings.push_back((committed, now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_counts_from_the_first_entry_that_is_not_served() {
        let mut progress = Progress {
            success: Instant::now(),
            trouble: Some("away".to_owned()),
            finding: false,
            committed: 0,
            sightings: VecDeque::new(),
        };
        let sizes =
            |progress: &Progress| progress.sightings.iter().map(|(size, _)| *size).collect::<Vec<_>>();
        progress.caught_up(10, 10);
        assert!(progress.trouble.is_none() && progress.sightings.is_empty());
        progress.caught_up(20, 10);
        progress.caught_up(20, 10);
        progress.caught_up(30, 15);
        assert_eq!(sizes(&progress), [20, 30]);
        progress.caught_up(40, 20);
        assert_eq!(sizes(&progress), [30, 40]);
        progress.caught_up(40, 40);
        assert_eq!((sizes(&progress), progress.committed), (vec![], 40));
    }
}
