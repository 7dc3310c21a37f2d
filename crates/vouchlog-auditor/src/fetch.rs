//! Asking a log, politely: so many requests a second, and again when it is busy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};
use vouchlog_api::{Error, ErrorKind, LogReader, PrunedNotice, Result};
use vouchlog_merkle::{TileId, TreeSize};
use vouchlog_runtime::{Backoff, Pace};

use crate::config::Options;
use crate::limits::{READ_ATTEMPTS, READ_PATIENCE};

/// What a log answers when asked for something it must have.
#[derive(Clone, Debug)]
pub(crate) enum Served {
    /// The bytes.
    Bytes(Bytes),
    /// It has none, or none that a reader would take; in its words.
    Missing(String),
}

/// The longest wait before a busy log is asked again.
const MAX_WAIT: Duration = Duration::from_secs(10);
/// The first wait before an unreachable log is asked again.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A reader that keeps the pace and asks again. Clones share the pace.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher<R> {
    reader: R,
    pace: Option<Arc<Mutex<Pace>>>,
}

impl<R: LogReader> Fetcher<R> {
    pub(crate) fn new(reader: R, options: &Options) -> Self {
        let rate = options.max_requests_per_second;
        Self { reader, pace: rate.map(|rate| Arc::new(Mutex::new(Pace::of_requests(rate.into())))) }
    }

    /// Asks once, and again while the log says that it is busy or cannot be reached.
    async fn ask<T, F: Future<Output = Result<T>>>(&self, request: impl Fn() -> F) -> Result<T> {
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        let begun = Instant::now();
        let mut attempt = 1;
        loop {
            if let Some(pace) = &self.pace {
                let wait = pace.lock().await.wait_for(1, Instant::now().into_std());
                sleep(wait).await;
            }
            let error = match request().await {
                // A reader of its own patience has tried for as long as it does then.
                Err(error) if attempt < READ_ATTEMPTS && begun.elapsed() < READ_PATIENCE => error,
                other => return other,
            };
            let wait = match error.kind {
                ErrorKind::Overloaded { retry_after } => backoff.next_wait_of_at_least(retry_after),
                ErrorKind::Unavailable => backoff.next_wait(),
                _ => return Err(error),
            };
            sleep(wait).await;
            attempt += 1;
        }
    }

    /// The bytes, or that the log has none. A log that cannot be asked is an error: nothing is known of it then.
    async fn serve<F: Future<Output = Result<Bytes>>>(&self, request: impl Fn() -> F) -> Result<Served> {
        match self.ask(request).await {
            Ok(bytes) => Ok(Served::Bytes(bytes)),
            Err(error) if is_log_unreadable(&error) => Err(error),
            Err(error) => Ok(Served::Missing(error.message)),
        }
    }

    pub(crate) async fn served_tile(&self, id: TileId, width: u16) -> Result<Served> {
        self.serve(|| self.reader.tile(id, width)).await
    }

    pub(crate) async fn served_bundle(&self, bundle: u64, width: u16) -> Result<Served> {
        self.serve(|| self.reader.entry_bundle(bundle, width)).await
    }
}

/// Whether an error says something about the way to the log, and nothing about the log.
pub(crate) fn is_log_unreadable(error: &Error) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::Overloaded { .. })
}

impl<R: LogReader> LogReader for Fetcher<R> {
    async fn checkpoint(&self) -> Result<String> {
        self.ask(|| self.reader.checkpoint()).await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.ask(|| self.reader.checkpoint_after(size)).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.ask(|| self.reader.tile(tile, width)).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        self.ask(|| self.reader.entry_bundle(bundle, width)).await
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        self.ask(|| self.reader.pruned()).await
    }
}
