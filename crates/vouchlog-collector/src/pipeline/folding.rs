//! The first half of the pipeline: the journal is read in order, and folded.

use tokio::sync::{mpsc, watch};
use tracing::field::Empty;

use super::{Chunk, FoldedEntry};
use crate::arrival::JournalEntry;
use crate::fold::Fold;
use crate::journal::{Journal, JournalError};
use crate::limits::TICK;
use crate::metrics::Metrics;

/// Bytes of entries that are read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;

pub(super) struct Folding {
    pub(super) journal: Journal,
    pub(super) fold: Fold,
    pub(super) metrics: Metrics,
    /// The newest position to be folded.
    pub(super) until: watch::Receiver<Option<u64>>,
    pub(super) chunks: mpsc::Sender<Chunk>,
}

impl Folding {
    /// Folds until it has come to the position it is told, or nobody takes what it folds.
    pub(super) async fn run(mut self) -> Result<(), JournalError> {
        let mut next = self.take_up().await?;
        let mut end = self.journal.end();
        loop {
            let until = *self.until.borrow_and_update();
            if until.is_some_and(|until| next >= until) {
                return Ok(());
            }
            if *end.borrow_and_update() <= next {
                tokio::select! {
                    changed = end.changed() => changed.map_err(|_| JournalError::Stopping)?,
                    changed = self.until.changed() => changed.map_err(|_| JournalError::Stopping)?,
                }
                continue;
            }
            let chunks = self.chunks.clone();
            // A place for the chunk first: one that is folded and has to wait would be in memory beside the two before it.
            let Ok(place) = chunks.reserve().await else { return Ok(()) };
            let entries = read(&self.journal, next).await?;
            next = entries.last().map_or(next, |(position, _)| position + 1);
            place.send(self.fold(&entries, next));
        }
    }

    /// Brings back what a process before this one had in memory. Where to go on.
    async fn take_up(&mut self) -> Result<u64, JournalError> {
        let settled = self.journal.settled();
        let unread = self.fold.restore(self.journal.remembered(b""));
        if unread > 0 {
            let what = format!(
                "{unread} stored values cannot be read: another version of this program wrote them; stop this one, and run that one until it has recorded all input"
            );
            return Err(JournalError::Damaged(what));
        }
        let first = self.journal.first().unwrap_or(settled);
        let end = *self.journal.end().borrow();
        tracing::info!(waiting = end - first, unrecorded = end - settled, "resuming from the journal");
        let mut next = first;
        while next < settled {
            let entries = read(&self.journal, next).await?;
            next = entries.last().map_or(settled, |(position, _)| position + 1);
            for (position, entry) in entries.iter().filter(|(position, _)| *position < settled) {
                self.fold.refill(*position, entry);
            }
        }
        Ok(settled)
    }

    fn fold(&mut self, entries: &[(u64, JournalEntry)], next: u64) -> Chunk {
        let size: usize = entries.iter().map(|(_, entry)| entry.len()).sum();
        let span =
            tracing::debug_span!(parent: None, "fold", entries = entries.len(), next, size, records = Empty);
        let _entered = span.enter();
        let mut folded = Vec::with_capacity(entries.len());
        for (position, entry) in entries {
            let step = self.fold.apply(*position, entry);
            for problem in &step.failed {
                tracing::error!(problem, "an interaction could not be recorded");
            }
            self.metrics.folded(step.tally, step.failed.len());
            self.metrics.unclaimed(step.unclaimed.total());
            let (JournalEntry { at, what, .. }, waiting) = (entry, self.fold.waiting());
            folded.push(FoldedEntry { position: *position, at: *at, what: *what, step, waiting });
        }
        span.record("records", folded.iter().map(|folded| folded.step.records.len()).sum::<usize>());
        Chunk {
            folded,
            next,
            keep: self.fold.oldest().map_or(next, |oldest| oldest.min(next)),
            changes: self.fold.changes(),
            waiting: self.fold.waiting(),
        }
    }
}

/// Reads entries; a disk that fails to read them is asked again.
async fn read(journal: &Journal, from: u64) -> Result<Vec<(u64, JournalEntry)>, JournalError> {
    loop {
        let reading = journal.clone();
        let read = tokio::task::spawn_blocking(move || reading.read(from, READ_BYTES)).await;
        match read.map_err(|_| JournalError::Stopping)? {
            Err(error) if error.is_passing() => {
                tracing::warn!(%error, "the journal cannot be read; retrying");
                tokio::time::sleep(TICK).await;
            }
            read => return read,
        }
    }
}
