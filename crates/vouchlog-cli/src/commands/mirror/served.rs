//! A mirror as its readers and operators see it: reads from the copy, refuses whatever would append, and reports how following goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use vouchlog::mirroring::{LogMirror, MirrorError};
use vouchlog::{Error, LogReader, TreeSize, Watch};
use vouchlog_api::{ErrorKind, PrunedNotice};
use vouchlog_client::TileReader;
use vouchlog_merkle::TileId;
use vouchlog_note::SignedCheckpoint;
use vouchlog_runtime::metrics::{Gauge, register};
use vouchlog_server::Readiness;

use crate::commands::refusing::{Refusal, refuse};

/// Intervals without a successful look at the log after which the mirror is not ready.
const PATIENCE: u32 = 3;

/// How following a log goes. Clones are the same.
#[derive(Clone)]
pub(super) struct Followed(Arc<Inner>);

struct Inner {
    patience: Duration,
    last: Mutex<Last>,
    /// That of the copy; none before there is one.
    checkpoint: watch::Sender<Option<SignedCheckpoint>>,
    entries: Gauge,
    updates: Counter,
    failures: Counter,
    contradictions: Counter,
}

struct Last {
    /// When the log was last read and found in order.
    success: Instant,
    trouble: Option<String>,
    /// The log was caught at a contradiction, and was not in order since.
    finding: bool,
}

impl Followed {
    pub(super) fn new(mirror: &LogMirror, interval: Duration) -> (Self, Registry) {
        let mut registry = Registry::default();
        let r = registry.sub_registry_with_prefix("vouchlog_mirror");
        let inner = Inner {
            patience: interval * PATIENCE + Duration::from_secs(30),
            last: Mutex::new(Last { success: Instant::now(), trouble: None, finding: false }),
            checkpoint: watch::Sender::new(mirror.checkpoint().cloned()),
            entries: register(r, "entries", "Entries in the copy"),
            updates: register(r, "updates", "Looks at the log that found it in order"),
            failures: register(r, "failures", "Looks at the log that failed"),
            contradictions: register(
                r,
                "contradictions",
                "Looks at the log that caught it at a contradiction",
            ),
        };
        inner.entries.set(mirror.size().get());
        (Self(Arc::new(inner)), registry)
    }

    /// Notes how a look at the log ended.
    pub(super) fn updated(&self, mirror: &LogMirror, outcome: Result<(), MirrorError>) {
        let inner = &self.0;
        inner.entries.set(mirror.size().get());
        let mut last = inner.last.lock();
        match outcome {
            Ok(()) => {
                inner.updates.inc();
                *last = Last { success: Instant::now(), trouble: None, finding: false };
                inner.checkpoint.send_if_modified(|known| {
                    let is_news = known.as_ref().map(SignedCheckpoint::note)
                        != mirror.checkpoint().map(SignedCheckpoint::note);
                    *known = mirror.checkpoint().cloned();
                    is_news
                });
            }
            Err(error) => {
                let is_finding = error.is_finding();
                if is_finding {
                    inner.contradictions.inc();
                    tracing::error!(%error, "the log contradicts itself; the copy stays as it is");
                } else {
                    inner.failures.inc();
                    tracing::warn!(%error, "the log was not mirrored; retrying");
                }
                last.trouble = Some(error.to_string());
                last.finding |= is_finding;
            }
        }
    }

    pub(super) fn readiness(&self) -> Readiness {
        let last = self.0.last.lock();
        let trouble = last.trouble.clone().unwrap_or_default();
        let is_late = last.success.elapsed() > self.0.patience;
        let log =
            if last.finding || is_late && last.trouble.is_some() { Err(trouble.clone()) } else { Ok(()) };
        let note = if trouble.is_empty() { "in order".to_owned() } else { trouble };
        Readiness::new().check("log", log).note("log", note)
    }
}

/// The copy as a log that takes nothing.
#[derive(Clone)]
pub(super) struct MirrorLog {
    reader: TileReader,
    checkpoint: watch::Receiver<Option<SignedCheckpoint>>,
}

impl MirrorLog {
    pub(super) fn new(reader: TileReader, followed: &Followed) -> Self {
        Self { reader, checkpoint: followed.0.checkpoint.subscribe() }
    }

    /// The checkpoint, once it is one that `is_wanted`.
    async fn awaited(
        &self,
        is_wanted: impl Fn(&SignedCheckpoint) -> bool + Send + Sync,
    ) -> Result<String, Error> {
        let mut checkpoints = self.checkpoint.clone();
        let wanted = checkpoints.wait_for(|known| known.as_ref().is_some_and(&is_wanted)).await;
        let note = wanted.ok().and_then(|known| known.as_ref().map(|known| known.note().to_owned()));
        note.ok_or_else(|| Error::unavailable("the mirror is stopping"))
    }
}

impl LogReader for MirrorLog {
    async fn checkpoint(&self) -> Result<String, Error> {
        let note = self.checkpoint.borrow().as_ref().map(|known| known.note().to_owned());
        note.ok_or_else(|| Error::not_found("the mirror holds nothing yet"))
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String, Error> {
        self.awaited(|known| known.head().size > size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes, Error> {
        self.reader.tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes, Error> {
        self.reader.entry_bundle(bundle, width).await
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>, Error> {
        self.reader.pruned().await
    }
}

impl Watch for MirrorLog {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String, Error> {
        self.awaited(|known| known.note() != seen).await
    }

    async fn sequenced_checkpoint(&self) -> Result<String, Error> {
        self.checkpoint().await
    }
}

impl Refusal for MirrorLog {
    fn refusal(&self) -> Error {
        let message = "this is a mirror: it serves a copy of the log for reading; ask the log itself";
        Error::new(ErrorKind::FailedPrecondition, message)
    }
}

refuse!(MirrorLog: Appender, Lookup);
