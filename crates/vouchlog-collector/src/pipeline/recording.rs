//! The second half of the pipeline: what was folded is recorded, in its order, and the journal forgets what it was made of.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{mpsc, watch};
use vouchlog_evidence::{Record, RecordId};
use vouchlog_runtime::Backoff;
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Recorded, Recorder, RecordingError};

use super::heartbeat::{Account, State};
use super::{Chunk, Folded, Progress};
use crate::Forward;
use crate::arrival::What;
use crate::fold::{Step, Tally, loss};
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;
use crate::secret::Secret;
use crate::settings::Mode;

/// Waits between attempts to record.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

pub(super) struct Recording {
    pub(super) journal: Journal,
    pub(super) recorder: Recorder,
    pub(super) forward: Option<Forward>,
    pub(super) secret: Secret,
    pub(super) mode: Mode,
    pub(super) heartbeat: SignedDuration,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) metrics: Metrics,
    pub(super) out_of_turn: Arc<AtomicBool>,
    pub(super) account: Account,
}

impl Recording {
    /// Records until there is nothing more to come.
    pub(super) async fn run(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Result<(), JournalError> {
        while let Some(chunk) = chunks.recv().await {
            let Chunk { folded, next, keep, changes, waiting } = chunk;
            for folded in folded {
                self.take(folded).await;
            }
            self.record_all().await;
            self.journal.settle(next, keep, changes).await?;
            self.metrics.settled(waiting, self.journal.held());
            self.progress.send_modify(|progress| {
                progress.settled = next;
                // Sessions and intents last long: for them a heartbeat's tick is soon enough.
                progress.waits = waiting > 0;
            });
        }
        Ok(())
    }

    async fn take(&mut self, folded: Folded) {
        let Folded { position, at, what, step: Step { records, tally, failed: _ }, waiting } = folded;
        if what == What::Started {
            // What an earlier process had not recorded yet comes first.
            self.record_all().await;
            self.account = Account::new();
        }
        self.account.add(at, records, tally);
        if what == What::Flush || self.account.is_due(at, self.heartbeat) {
            // What it counts must be in the stream before it.
            self.record_all().await;
            if self.out_of_turn.swap(false, Ordering::Relaxed) {
                self.account.begin_anew();
            }
            let id = self.secret.record_id(&format!("heartbeat {position}"));
            let state = State {
                waiting: waiting as u64,
                journal_bytes: self.journal.held(),
                not_forwarded: self.forward.as_ref().map(Forward::not_sent),
            };
            let heartbeat = self.account.heartbeat(id, at, state);
            self.record(vec![heartbeat]).await;
        }
    }

    async fn record_all(&mut self) {
        let records = self.account.take_records();
        self.record(records).await;
    }

    /// Records, however long it takes: what keeps it from that is in the journal's way, and nowhere else.
    async fn record(&mut self, mut records: Vec<Record>) {
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        let mut is_first = true;
        while !records.is_empty() {
            let recorded = self.recorder.record_all(&mut records).await;
            let was_first = std::mem::take(&mut is_first);
            let trouble = match recorded {
                Ok(recorded) => {
                    self.recorded(&records, &recorded, was_first);
                    break;
                }
                Err(
                    ref error @ (RecordingError::Statement { ref record, .. }
                    | RecordingError::Refused { ref record, .. }),
                ) => {
                    self.set_aside(&mut records, record, &error.to_string());
                    continue;
                }
                Err(error @ RecordingError::NotSubmitted(_)) => {
                    self.say(Some(&error));
                    // They are in the vault: what is missing is their way to the log.
                    match self.recorder.resume().await {
                        Ok(submitted) => {
                            self.out_of_turn.fetch_or(submitted > 0, Ordering::Relaxed);
                            error
                        }
                        Err(error) => error,
                    }
                }
                Err(error) => error,
            };
            self.say(Some(&trouble));
            tokio::time::sleep(backoff.next_wait()).await;
        }
        self.say(None);
    }

    /// Counts what is new: a record that the vault had before is in the stream already, unless an attempt that failed half way
    /// put it there just now.
    fn recorded(&mut self, records: &[Record], recorded: &[Recorded], is_first: bool) {
        let old = recorded.iter().filter(|one| is_first && one.grade.is_none()).map(|one| &one.id);
        let old: BTreeSet<&RecordId> = old.collect();
        for record in records.iter().filter(|record| record.id.as_ref().is_none_or(|id| !old.contains(id))) {
            self.account.count(record.kind);
            self.metrics.recorded(record.kind);
        }
    }

    /// A record that cannot be stated must not keep the others waiting for ever: in its place is said that it is lost.
    fn set_aside(&self, records: &mut Vec<Record>, id: &RecordId, why: &str) {
        tracing::error!(record = %id, why, "a record cannot be stated and is declared lost");
        self.metrics.folded(Tally { lost: 1, ..Tally::default() }, 1);
        let place = records.iter().position(|record| record.id.as_ref() == Some(id));
        match place {
            Some(place) if records[place].kind != StatementKind::DeclaredLoss => {
                records[place] = loss::left_out(&records[place], &self.secret, self.mode);
            }
            // What says that something is lost is short, and can be stated; if even that cannot, the others go on.
            Some(place) => drop(records.remove(place)),
            None => records.clear(),
        }
    }

    fn say(&self, trouble: Option<&RecordingError>) {
        let trouble = trouble.map(ToString::to_string);
        self.progress.send_if_modified(|progress| {
            if progress.trouble == trouble {
                return false;
            }
            match &trouble {
                Some(trouble) => {
                    tracing::warn!(trouble, "nothing can be recorded; what comes in waits on disk");
                }
                None => tracing::info!("recording goes on"),
            }
            progress.trouble.clone_from(&trouble);
            true
        });
    }
}
