//! What a collector does beside its pipeline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vouchlog_vault::{Access, Recorder};

use crate::arrival::JournalEntry;
use crate::journal::{Journal, JournalError};
use crate::limits::{BACKLOG_INTERVAL, TICK};
use crate::metrics::Metrics;
use crate::pipeline::Progress;

/// Tells the journal that a process begins. If the disk has no room for even that, the returned task tries until it has.
pub(super) async fn start(
    journal: &Journal,
    started: JournalEntry,
    has_started: Arc<AtomicBool>,
) -> Result<Option<JoinHandle<()>>, JournalError> {
    match journal.append(started.clone()).await {
        Ok(_) => {
            has_started.store(true, Ordering::Release);
            return Ok(None);
        }
        Err(error) if error.is_passing() => {
            tracing::warn!(%error, "the collector is not accepting input yet");
        }
        Err(error) => return Err(error),
    }
    let journal = journal.clone();
    Ok(Some(tokio::spawn(async move {
        while journal.append(started.clone()).await.is_err() {
            tokio::time::sleep(TICK).await;
        }
        has_started.store(true, Ordering::Release);
        tracing::info!("the collector is accepting telemetry");
    })))
}

/// Looks now and then how old the oldest record is that the vault has and the log has not.
pub(super) async fn watch_backlog(
    recorder: Recorder,
    access: Access,
    metrics: Metrics,
    clock: fn() -> Timestamp,
    backlog: watch::Sender<Option<Timestamp>>,
) {
    loop {
        match recorder.vault().kept_not_logged(&access).await {
            Ok(kept) => {
                let oldest = kept.oldest.and_then(|oldest| Timestamp::from_millisecond(oldest).ok());
                let age = oldest.map_or(SignedDuration::ZERO, |oldest| clock().duration_since(oldest));
                metrics.unlogged(age.as_secs().max(0));
                backlog.send_replace(oldest);
            }
            // That the vault does not answer is reported where it is written to.
            Err(error) => tracing::debug!(%error, "the vault could not list the unlogged records"),
        }
        tokio::time::sleep(BACKLOG_INTERVAL).await;
    }
}

/// Once the journal has failed the collector has stopped for good, also if there is nothing to record.
pub(super) async fn stop_with(journal: Journal, progress: watch::Sender<Progress>) {
    let error = journal.failed().await;
    progress.send_modify(|progress| progress.stopped = Some(error.to_string()));
}

/// Monotonic time since the first call.
pub(super) fn elapsed() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}
