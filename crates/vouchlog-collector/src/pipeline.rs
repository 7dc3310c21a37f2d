//! The pipeline: one task that reads the journal in order, folds it, records, and has the journal forget. It alone records, so
//! that the gateway's stream has what the journal had, in its order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use vouchlog_evidence::{Record, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Recorded, Recorder, RecordingError};

use crate::arrival::{Entry, What};
use crate::fold::{Fold, Step, Tally};
use crate::journal::{Journal, JournalError};
use crate::metrics::Metrics;

mod heartbeat;

use heartbeat::Account;

/// Bytes of entries that are read at a time.
const READ_BYTES: usize = 4 * 1024 * 1024;
/// Waits between attempts to record.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

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
    pub(crate) fold: Fold,
    pub(crate) recorder: Recorder,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) metrics: Metrics,
    pub(crate) heartbeat: SignedDuration,
    /// Set when statements of an earlier process got into the stream: the account begins anew.
    pub(crate) out_of_turn: Arc<AtomicBool>,
    /// The newest position to be recorded before the pipeline ends.
    pub(crate) until: watch::Receiver<Option<u64>>,
}

impl Pipeline {
    /// Runs until it has recorded all up to the position it is told, or something is beyond repair.
    pub(crate) async fn run(mut self) {
        let stopped = match self.work().await {
            Ok(()) => "the collector was closed".to_owned(),
            Err(error) => {
                tracing::error!(%error, "the collector stopped recording");
                error.to_string()
            }
        };
        self.progress.send_modify(|progress| progress.stopped = Some(stopped));
    }

    async fn work(&mut self) -> Result<(), JournalError> {
        let mut next = self.take_up()?;
        let mut account = Account::new();
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
            let journal = self.journal.clone();
            let read = tokio::task::spawn_blocking(move || journal.read(next, READ_BYTES)).await;
            let entries = read.map_err(|_| JournalError::Stopping)??;
            for (position, entry) in &entries {
                next = position + 1;
                self.take(*position, entry, &mut account).await;
            }
            let records = account.take_records();
            self.record(records, &mut account).await;
            self.settle(next).await?;
        }
    }

    /// Brings back what a process before this one had in memory. Where to go on.
    fn take_up(&mut self) -> Result<u64, JournalError> {
        let settled = self.journal.settled()?;
        self.fold.restore(self.journal.remembered(b"")?);
        let first = self.journal.first()?.unwrap_or(settled);
        let end = *self.journal.end().borrow();
        tracing::info!(
            waiting = end - first,
            unrecorded = end - settled,
            "going on where the journal stopped"
        );
        let mut next = first;
        while next < settled {
            let entries = self.journal.read(next, READ_BYTES)?;
            next = entries.last().map_or(settled, |(position, _)| position + 1);
            for (position, entry) in entries.iter().filter(|(position, _)| *position < settled) {
                self.fold.refill(*position, entry);
            }
        }
        Ok(settled)
    }

    async fn take(&mut self, position: u64, entry: &Entry, account: &mut Account) {
        if entry.what == What::Started {
            // What an earlier process had not recorded yet comes first.
            let records = account.take_records();
            self.record(records, account).await;
            *account = Account::new();
        }
        let Step { records, tally, failed } = self.fold.apply(position, entry);
        for problem in &failed {
            tracing::error!(problem, "no record could be made of an interaction");
        }
        account.add(entry.at, records, tally);
        self.metrics.folded(tally, failed.len());
        let ends = entry.what == What::Flush;
        if ends || account.is_due(entry.at, self.heartbeat) {
            // What it counts must be in the stream before it.
            let records = account.take_records();
            self.record(records, account).await;
            if self.out_of_turn.swap(false, Ordering::Relaxed) {
                account.begin_anew();
            }
            let id = self.fold.name(&format!("heartbeat {position}"));
            let held = self.journal.held();
            let heartbeat = account.heartbeat(id, entry.at, self.fold.waiting() as u64, held);
            self.record(vec![heartbeat], account).await;
        }
    }

    /// Records, however long it takes: what keeps it from that is in the journal's way, and nowhere else.
    async fn record(&self, mut records: Vec<Record>, account: &mut Account) {
        let mut pause = FIRST_PAUSE;
        let mut is_first = true;
        while !records.is_empty() {
            let trouble = match self.recorder.record_all(&mut records).await {
                Ok(recorded) => {
                    self.recorded(&records, &recorded, is_first, account);
                    break;
                }
                Err(RecordingError::Statement { record, error }) => {
                    self.set_aside(&mut records, &record, &error.to_string());
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
            is_first = false;
            self.say(Some(&trouble));
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
        self.say(None);
    }

    /// Counts what is new: a record that the vault had before is in the stream already, unless an attempt that failed half way
    /// put it there just now.
    fn recorded(&self, records: &[Record], recorded: &[Recorded], is_first: bool, account: &mut Account) {
        let old = recorded.iter().filter(|one| is_first && one.grade.is_none()).map(|one| &one.id);
        let old: BTreeSet<&RecordId> = old.collect();
        for record in records.iter().filter(|record| record.id.as_ref().is_none_or(|id| !old.contains(id))) {
            account.count(record.kind);
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
                records[place] = self.fold.left_out(&records[place]);
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

    async fn settle(&mut self, settled: u64) -> Result<(), JournalError> {
        let keep = self.fold.oldest().map_or(settled, |oldest| oldest.min(settled));
        let changes = self.fold.changes();
        self.journal.settle(settled, keep, changes).await?;
        let waits = self.fold.waits();
        self.metrics.settled(self.fold.waiting(), self.journal.held());
        self.progress.send_modify(|progress| {
            progress.settled = settled;
            progress.waits = waits;
        });
        Ok(())
    }
}

/// What drives the journal while nobody sends anything: the time.
pub(crate) async fn tick(journal: Journal, progress: watch::Receiver<Progress>, pace: Pace) {
    let mut interval = tokio::time::interval(pace.every);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last_heartbeat = (pace.clock)();
    let mut last_tick = None;
    loop {
        interval.tick().await;
        let now = (pace.clock)();
        let heartbeat = now.duration_since(last_heartbeat) >= pace.heartbeat;
        if heartbeat {
            last_heartbeat = now;
        }
        let has_work = {
            let progress = progress.borrow();
            // While the pipeline is held up, one tick that it has not seen is enough.
            progress.waits && last_tick.is_none_or(|tick| tick < progress.settled)
        };
        if !(heartbeat || has_work) {
            continue;
        }
        let declared = if heartbeat { journal.declare_losses().await } else { Ok(()) };
        let entry = Entry::new(now, What::Tick, bytes::Bytes::new());
        let ticked = match declared {
            Ok(()) => journal.append(entry).await,
            Err(error) => Err(error),
        };
        match ticked {
            Ok(position) => last_tick = Some(position),
            Err(JournalError::Stopping) => return,
            Err(error) => tracing::error!(%error, "the time cannot be kept"),
        }
    }
}

/// How the time is kept.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) every: Duration,
    pub(crate) heartbeat: SignedDuration,
    pub(crate) clock: fn() -> Timestamp,
}
