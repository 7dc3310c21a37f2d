//! The pipeline: from the journal to the stream. One task reads the journal in order and folds it, another records what comes of
//! that, in the same order, and has the journal forget: while one waits for a disk, the other works. Nobody else records, so the
//! gateway's stream has what the journal had, in its order.
//!
//! ```text
//! journal ─► folding ─► chunk ─► recording ─► vault, stream
//!    ▲                               │
//!    └─────────── settled ───────────┘
//! ```

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use vouchlog_vault::Recorder;

use crate::Forward;
use crate::arrival::{JournalEntry, What};
use crate::fold::{Fold, FoldOutcome};
use crate::journal::{Changes, Journal, JournalError};
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::settings::Settings;

mod folding;
mod heartbeat;
mod recording;

use folding::Folding;
use heartbeat::Account;
use recording::Recording;

/// Chunks that are folded and not being recorded yet.
const CHUNKS: usize = 1;

/// Where the pipeline is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Everything before this position is recorded.
    pub(crate) settled: u64,
    /// Whether something waits for time to go by.
    pub(crate) waits: bool,
    /// What keeps it from recording at the moment.
    pub(crate) trouble: Option<String>,
    /// Why it stopped for good.
    pub(crate) stopped: Option<String>,
}

pub(crate) struct Pipeline {
    pub(crate) journal: Journal,
    pub(crate) secret: Secret,
    pub(crate) settings: Settings,
    pub(crate) recorder: Recorder,
    /// Of whose failures it gives account.
    pub(crate) forward: Option<Forward>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) metrics: Metrics,
    /// Set when statements of an earlier process got into the stream: the account begins anew.
    pub(crate) out_of_turn: Arc<AtomicBool>,
    /// The newest position to be recorded before the pipeline ends.
    pub(crate) until: watch::Receiver<Option<u64>>,
}

/// What some entries of the journal amounted to, on its way to the recorder.
struct Chunk {
    folded: Vec<FoldedEntry>,
    /// Everything before this position is recorded once this chunk is.
    next: u64,
    /// The oldest entry to keep, for what still waits.
    keep: u64,
    changes: Changes,
    /// Items in traces that are open.
    waiting: usize,
}

/// What one entry amounted to.
struct FoldedEntry {
    position: u64,
    at: Timestamp,
    what: What,
    step: FoldOutcome,
    /// Items that wait after it.
    waiting: usize,
}

impl Pipeline {
    /// Runs until it has recorded all up to the position it is told, or something is beyond repair.
    pub(crate) async fn run(self) {
        let progress = self.progress.clone();
        let stopped = match self.work().await {
            Ok(()) => "the collector was closed".to_owned(),
            Err(error) => {
                tracing::error!(%error, "the collector stopped recording");
                error.to_string()
            }
        };
        progress.send_modify(|progress| progress.stopped = Some(stopped));
    }

    async fn work(self) -> Result<(), JournalError> {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let folding = Folding {
            journal: self.journal.clone(),
            fold: Fold::new(self.secret.clone(), self.settings.clone()),
            metrics: self.metrics.clone(),
            until: self.until,
            chunks: sender,
        };
        let recording = Recording {
            journal: self.journal,
            recorder: self.recorder,
            forward: self.forward,
            secret: self.secret,
            mode: self.settings.mode,
            progress: self.progress,
            metrics: self.metrics,
            out_of_turn: self.out_of_turn,
            account: Account::new(),
        };
        let folding = tokio::spawn(folding.run());
        let recorded = recording.run(chunks).await;
        if recorded.is_err() {
            folding.abort();
            return recorded;
        }
        folding.await.map_err(|_| JournalError::Stopping)?
    }
}

/// Appends the time to the journal while nobody sends anything, by monotonic time: setting the wall clock stops no heartbeat.
pub(crate) async fn tick(journal: Journal, progress: watch::Receiver<Progress>, pace: TickSchedule) {
    let mut interval = tokio::time::interval(pace.every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_heartbeat = Instant::now();
    let mut last_tick = None;
    loop {
        interval.tick().await;
        if let Err(JournalError::Stopping) = journal.tidy().await {
            return;
        }
        let now = Instant::now();
        let is_heartbeat = now.duration_since(last_heartbeat) >= pace.heartbeat;
        let has_work = {
            let progress = progress.borrow();
            // While the pipeline is held up, one tick that it has not seen is enough.
            progress.waits && last_tick.is_none_or(|tick| tick < progress.settled)
        };
        if !(is_heartbeat || has_work) {
            continue;
        }
        match append_time(&journal, is_heartbeat, pace.clock).await {
            Ok(position) => {
                last_tick = Some(position);
                if is_heartbeat {
                    last_heartbeat = now;
                }
            }
            Err(JournalError::Stopping) => return,
            Err(error) => tracing::error!(%error, "the time cannot be appended to the journal; retrying"),
        }
    }
}

async fn append_time(
    journal: &Journal,
    is_heartbeat: bool,
    clock: fn() -> Timestamp,
) -> Result<u64, JournalError> {
    if is_heartbeat {
        journal.declare_losses().await?;
    }
    let what = if is_heartbeat { What::Heartbeat } else { What::Tick };
    journal.append(JournalEntry::new(clock(), what, bytes::Bytes::new())).await
}

/// How often the time is appended.
#[derive(Clone, Copy)]
pub(crate) struct TickSchedule {
    pub(crate) every: Duration,
    pub(crate) heartbeat: Duration,
    pub(crate) clock: fn() -> Timestamp,
}

#[cfg(test)]
mod tests;
