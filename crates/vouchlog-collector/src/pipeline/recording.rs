//! The second half of the pipeline: what was folded is recorded, in its order, and the journal forgets what it was made of.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use vouchlog_record::{Record, RecordId};
use vouchlog_runtime::Backoff;
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Recorded, Recorder, RecordingError};

use super::heartbeat::{Account, State};
use super::{Chunk, FoldedEntry, Progress};
use crate::Forward;
use crate::arrival::What;
use crate::fold::{FoldOutcome, Tally, loss};
use crate::journal::{Changes, Journal, JournalError};
use crate::limits::TICK;
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
            self.settle(next, keep, changes).await?;
            self.metrics.settled(waiting, self.journal.held());
            self.progress.send_modify(|progress| {
                progress.settled = next;
                // Sessions and intents last long: for them a heartbeat's tick is soon enough.
                progress.waits = waiting > 0;
            });
        }
        Ok(())
    }

    /// Has the journal forget what is recorded, however long that takes: without room on its disk it cannot write that down either.
    async fn settle(&self, next: u64, keep: u64, changes: Changes) -> Result<(), JournalError> {
        loop {
            match self.journal.settle(next, keep, changes.clone()).await {
                Err(error) if error.is_passing() => {
                    self.say(Some(&error.to_string()));
                    tokio::time::sleep(TICK).await;
                }
                settled => {
                    self.say(None);
                    return settled;
                }
            }
        }
    }

    async fn take(&mut self, folded: FoldedEntry) {
        let FoldedEntry { position, at, what, step, waiting } = folded;
        let FoldOutcome { records, tally, unclaimed, failed: _ } = step;
        if what == What::Started {
            // What an earlier process had not recorded yet comes first.
            self.record_all().await;
            self.account = Account::new();
        }
        self.account.add(at, records, tally);
        self.account.add_unclaimed(unclaimed);
        self.account.add_arrival(what, at);
        if matches!(what, What::Flush | What::Heartbeat) {
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
    async fn record(&mut self, records: Vec<Record>) {
        let mut calls = VecDeque::from([records]);
        while let Some(mut records) = calls.pop_front() {
            if self.record_call(&mut records).await == Called::OneByOne {
                for record in records.into_iter().rev() {
                    calls.push_front(vec![record]);
                }
            }
        }
    }

    /// Records with one call of the recorder, which is repeated until it succeeds.
    async fn record_call(&mut self, records: &mut Vec<Record>) -> Called {
        let mut backoff = Backoff::new(FIRST_PAUSE, MAX_PAUSE);
        let mut is_first = true;
        while !records.is_empty() {
            let recorded = self.recorder.record_all(records).await;
            let was_first = std::mem::take(&mut is_first);
            let trouble = match recorded {
                Ok(recorded) => {
                    self.recorded(records, &recorded, was_first);
                    self.refused(&recorded);
                    break;
                }
                Err(
                    ref error @ (RecordingError::Statement { ref record, .. }
                    | RecordingError::Refused { ref record, .. }),
                ) => {
                    if !self.set_aside(records, record, &error.to_string()) {
                        return Called::OneByOne;
                    }
                    continue;
                }
                Err(error @ RecordingError::NotSubmitted(_)) => {
                    self.say(Some(&error.to_string()));
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
            self.say(Some(&match trouble {
                RecordingError::Vault(error) => format!("{error} ({})", self.recorder.vault().location()),
                trouble => trouble.to_string(),
            }));
            tokio::time::sleep(backoff.next_wait()).await;
        }
        self.say(None);
        Called::Done
    }

    /// Counts what is new: a record that the vault had before is in the stream already, unless an attempt that failed half way
    /// put it there just now.
    fn recorded(&mut self, records: &[Record], recorded: &[Recorded], is_first: bool) {
        let old = recorded.iter().filter(|one| is_first && one.grade.is_none() || one.is_conflict);
        let old = old.map(|one| &one.id);
        let old: BTreeSet<&RecordId> = old.collect();
        for record in records.iter().filter(|record| record.id.as_ref().is_none_or(|id| !old.contains(id))) {
            self.account.count(record.kind);
            self.metrics.recorded(record.kind);
        }
    }

    /// Counts records whose id belongs to another record. The door refuses those that it sees; of two that come at once it sees none.
    fn refused(&mut self, recorded: &[Recorded]) {
        for conflict in recorded.iter().filter(|one| one.is_conflict) {
            tracing::error!(record = %conflict.id, "a record is refused: its id belongs to a record with other content");
            self.account.add_tally(Tally { refused: 1, ..Tally::default() });
        }
    }

    /// A record that cannot be stated must not block the others: a declared loss takes its place. Returns false if it is not
    /// known which of the records it is.
    fn set_aside(&mut self, records: &mut Vec<Record>, id: &RecordId, why: &str) -> bool {
        let Some(lost) = set_aside(records, id, &self.secret, self.mode) else { return false };
        tracing::error!(record = %id, why, "a record cannot be signed and is declared lost");
        let tally = Tally { lost, ..Tally::default() };
        self.metrics.folded(tally, 1);
        self.account.add_tally(tally);
        true
    }

    fn say(&self, trouble: Option<&str>) {
        let trouble = trouble.map(str::to_owned);
        self.progress.send_if_modified(|progress| {
            if progress.trouble == trouble {
                return false;
            }
            match &trouble {
                Some(trouble) => {
                    tracing::warn!(trouble, "recording failed; input waits on disk");
                }
                None => tracing::info!("recording resumed"),
            }
            progress.trouble.clone_from(&trouble);
            true
        });
    }
}

/// How a call of the recorder ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Called {
    /// Everything is recorded, or declared lost.
    Done,
    /// One record cannot be stated and it is not known which one: each needs a call of its own.
    OneByOne,
}

/// Replaces the record that cannot be stated by a declared loss. A declared loss that cannot be stated either is removed and only
/// counted. Returns the number of interactions that nothing counted as lost before, or nothing if no record has this name.
fn set_aside(records: &mut Vec<Record>, id: &RecordId, secret: &Secret, mode: Mode) -> Option<u64> {
    let named = records.iter().position(|record| record.id.as_ref() == Some(id));
    // In a call of its own there is no other record that it could be.
    let place = named.or((records.len() == 1).then_some(0))?;
    if records[place].kind == StatementKind::DeclaredLoss {
        // Counted as lost when the loss was declared.
        records.remove(place);
        return Some(0);
    }
    records[place] = loss::left_out(&records[place], secret, mode);
    Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: StatementKind, id: &str) -> Record {
        let mut record = Record::new(kind);
        record.id = Some(RecordId::new(id).unwrap());
        record
    }

    fn kinds(records: &[Record]) -> Vec<StatementKind> {
        records.iter().map(|record| record.kind).collect()
    }

    #[test]
    fn no_record_is_dropped_for_one_that_cannot_be_stated() {
        use StatementKind::{DeclaredLoss, Interaction};
        let secret = Secret::new(&[7; 32]);
        let mut records = ["a", "b", "c"].map(|id| record(Interaction, id)).to_vec();
        let aside = |records: &mut Vec<Record>, id: &str| {
            set_aside(records, &RecordId::new(id).unwrap(), &secret, Mode::Spool)
        };
        assert_eq!(aside(&mut records, "b"), Some(1));
        assert_eq!(kinds(&records), [Interaction, DeclaredLoss, Interaction]);
        assert_eq!(aside(&mut records, "unknown"), None);
        assert_eq!(kinds(&records), [Interaction, DeclaredLoss, Interaction], "all of them are tried again");
        let mut alone = records.split_off(2);
        assert_eq!(aside(&mut alone, "unknown"), Some(1));
        assert_eq!(kinds(&alone), [DeclaredLoss]);
        assert_eq!(aside(&mut alone, "unknown"), Some(0), "it is counted already");
        assert_eq!(kinds(&alone), []);
    }
}
