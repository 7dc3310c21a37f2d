//! The collector as its doors and its program see it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use serde_json::json;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use vouchlog_record::{Record, RecordId, SealReason};
use vouchlog_stream::Digest;
use vouchlog_vault::limits::SILENCE;
use vouchlog_vault::{Access, Recorder, VaultError};

use crate::Forward;
use crate::arrival::{Arrival, Door, JournalEntry, What};
use crate::fold::SealRequest;
use crate::journal::{self, Journal, JournalError};
use crate::limits::{KEPT_NOT_LOGGED_PATIENCE, RECEIPT_PATIENCE, RECORDED_PATIENCE, TICK};
use crate::metrics::Metrics;
use crate::pipeline::{Pipeline, Progress, TickSchedule, tick};
use crate::secret::Secret;
use crate::sender::Sender;
use crate::settings::{Mode, Settings};

mod background;

use background::{elapsed, start, stop_with, watch_backlog};

/// What a collector is opened with.
pub struct CollectorConfig {
    /// Where the journal is. Each collector needs a directory of its own.
    pub dir: PathBuf,
    /// 32 secret bytes that stay the same for this directory: names of records are made with them.
    pub secret: [u8; 32],
    /// What sends telemetry on, if anything does: the collector reports what it could not forward.
    pub forward: Option<Forward>,
    /// How it is set.
    pub settings: Settings,
    /// The time.
    pub clock: fn() -> Timestamp,
    /// 16 fresh random bytes at each call, for names of intents that have none.
    pub randomness: fn() -> [u8; 16],
}

/// Where records go.
#[derive(Clone)]
pub struct Destination {
    /// Keeps the records and has their digests logged.
    pub recorder: Recorder,
    /// As whom the collector looks into the vault: the role `submit` is enough.
    pub access: Access,
}

/// Why a collector does not start.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct OpenError(#[from] JournalError);

impl OpenError {
    /// Whether what is on disk is not what was written.
    pub fn is_damage(&self) -> bool {
        matches!(self.0, JournalError::Damaged(_))
    }

    /// Whether another process has the directory.
    pub fn is_in_use(&self) -> bool {
        self.0 == JournalError::InUse
    }
}

/// What became of something that was to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceptance {
    /// It is on disk.
    Kept,
    /// There is no space, and the collector is configured to let traffic continue: nothing is kept, and the loss is declared.
    Lost,
}

/// Why something was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The budget of the disk is used up. Send the same again later.
    #[error(
        "the journal is full: {held} bytes of at most {limit} are waiting to be recorded; retry the same request later"
    )]
    Full {
        /// Bytes that wait.
        held: u64,
        /// The budget.
        limit: u64,
    },
    /// The disk is nearly full. Send the same again later: the collector goes on by itself when there is room.
    #[error("the disk is full: {free} bytes are free, {needed} are reserved; retry the same request later")]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that stay free.
        needed: u64,
    },
    /// The collector stops. Send the same again later.
    #[error("the collector is stopping: retry the same request later")]
    Stopping,
    /// The disk fails. Send the same again later; somebody has to look after it.
    #[error("the request could not be stored: {0}")]
    Disk(String),
    /// Mode `fail_closed`: the log's receipt did not come in time. The intent is kept; what it announces must not be done.
    #[error("the log has not confirmed the intent: do not proceed ({0})")]
    NoReceipt(String),
}

impl From<JournalError> for Rejection {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::Full { held, limit } => Self::Full { held, limit },
            JournalError::NoRoom { free, needed } => Self::NoRoom { free, needed },
            JournalError::Stopping => Self::Stopping,
            error => Self::Disk(error.to_string()),
        }
    }
}

/// What a caller may show for an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentReceipt {
    /// The intent's name, for the outcome to cite (`correlation.intent`, attribute `evidence.intent.id`).
    pub id: RecordId,
    /// What is logged for it, once it is recorded.
    pub digest: Option<Digest>,
    /// Where it is in the log, once it is.
    pub index: Option<u64>,
    /// The proof of that: a C2SP tlog-proof.
    pub proof: Option<String>,
    /// Whether it was dropped for lack of space (mode `fail_open`).
    pub lost: bool,
}

/// A collector. Clones are the same one.
#[derive(Clone)]
pub struct Collector(Arc<Inner>);

struct Inner {
    journal: Journal,
    /// Set once the vault is there.
    destination: OnceLock<Destination>,
    /// The pipeline until then.
    waiting: Mutex<Option<Waiting>>,
    settings: Settings,
    clock: fn() -> Timestamp,
    randomness: fn() -> [u8; 16],
    progress: watch::Receiver<Progress>,
    oldest_unlogged: watch::Receiver<Option<Timestamp>>,
    until: watch::Sender<Option<u64>>,
    metrics: Metrics,
    /// Whether the journal knows that this process has begun, and how it is set.
    has_started: Arc<AtomicBool>,
    closing: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// A pipeline that has nowhere to record to yet.
struct Waiting {
    secret: Secret,
    forward: Option<Forward>,
    progress: watch::Sender<Progress>,
    until: watch::Receiver<Option<u64>>,
    backlog: watch::Sender<Option<Timestamp>>,
}

impl Collector {
    /// Opens the journal: what comes in is kept from now on. It is recorded, from where an earlier process stopped, once the
    /// collector is told where: [`record_to`](Self::record_to).
    pub async fn open(config: CollectorConfig) -> Result<Self, OpenError> {
        let CollectorConfig { dir, secret, forward, settings, clock, randomness } = config;
        let opening = journal::Settings {
            limit: settings.disk_budget,
            min_free_bytes: settings.min_free_bytes,
            clock,
            elapsed,
            randomness,
            secret_check: Secret::new(&secret).check(),
        };
        let opened = tokio::task::spawn_blocking(move || Journal::open(&dir, opening)).await;
        let journal = opened.map_err(|_| JournalError::Stopping)??;
        let metrics = Metrics::default();
        let trouble = Some("the vault is not open yet".to_owned());
        let (progress_sender, progress) = watch::channel(Progress { trouble, ..Progress::default() });
        let stopping = stop_with(journal.clone(), progress_sender.clone());
        let (until, until_receiver) = watch::channel(None);
        let (backlog, oldest_unlogged) = watch::channel(None);
        let waiting = Waiting {
            secret: Secret::new(&secret),
            forward,
            progress: progress_sender,
            until: until_receiver,
            backlog,
        };
        let started = JournalEntry::new(clock(), What::Started, told(&settings));
        let has_started = Arc::new(AtomicBool::new(false));
        let starting = start(&journal, started, has_started.clone()).await?;
        let heartbeat = Duration::try_from(settings.heartbeat).unwrap_or_default();
        let pace = TickSchedule { every: TICK, heartbeat, clock };
        let tasks = starting
            .into_iter()
            .chain([tokio::spawn(stopping), tokio::spawn(tick(journal.clone(), progress.clone(), pace))]);
        let tasks = Mutex::new(tasks.collect());
        let inner = Inner {
            journal,
            destination: OnceLock::new(),
            waiting: Mutex::new(Some(waiting)),
            settings,
            clock,
            randomness,
            progress,
            oldest_unlogged,
            until,
            metrics,
            has_started,
            closing: AtomicBool::new(false),
            tasks,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Records to `destination` from now on, and takes up what an earlier process left. Nothing fails because the log is away. A
    /// second destination is ignored.
    pub fn record_to(&self, destination: Destination) {
        let inner = &self.0;
        let Some(Waiting { secret, forward, progress, until, backlog }) = inner.waiting.lock().take() else {
            return;
        };
        progress.send_modify(|progress| progress.trouble = None);
        let Destination { recorder, access } = destination.clone();
        // The lock above lets nobody else get here.
        let _ = inner.destination.set(destination);
        let out_of_turn = Arc::new(AtomicBool::new(false));
        let pipeline = Pipeline {
            journal: inner.journal.clone(),
            secret,
            settings: inner.settings.clone(),
            recorder: recorder.clone(),
            forward,
            progress,
            metrics: inner.metrics.clone(),
            out_of_turn: out_of_turn.clone(),
            until,
        };
        let mut tasks = inner.tasks.lock();
        tasks.push(tokio::spawn(pipeline.run()));
        tasks.push(tokio::spawn(watch_backlog(
            recorder.clone(),
            access,
            inner.metrics.clone(),
            inner.clock,
            backlog,
        )));
        tasks.push(tokio::spawn(take_up(recorder, out_of_turn)));
    }

    /// Reports why there is no destination yet, until there is one.
    pub fn waits_because(&self, trouble: &str) {
        if let Some(waiting) = &*self.0.waiting.lock() {
            waiting.progress.send_modify(|progress| progress.trouble = Some(trouble.to_owned()));
        }
    }

    /// Waits until recording has stopped for good, and returns why. Only opening the collector again recovers.
    pub fn poisoned(&self) -> impl Future<Output = String> + Send + use<> {
        let mut progress = self.0.progress.clone();
        async move {
            let stopped = progress.wait_for(|progress| progress.stopped.is_some()).await;
            match stopped.ok().and_then(|progress| progress.stopped.clone()) {
                Some(reason) => reason,
                // The collector is gone, and nothing went wrong.
                None => std::future::pending().await,
            }
        }
    }

    /// Why recording stopped for good, if it did.
    pub fn poison(&self) -> Option<String> {
        self.0.progress.borrow().stopped.clone()
    }

    /// Takes a body; it is durable when this returns. `items` is how many interactions (or spans) are in it, for a loss to be
    /// declared when there is no room.
    #[tracing::instrument(name = "body", skip_all, fields(door = ?arrival.door, size = arrival.body.len(), items = items))]
    pub async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection> {
        self.put(arrival, items)
            .await
            .map(|place| if place.is_some() { Acceptance::Kept } else { Acceptance::Lost })
    }

    /// Puts a body into the journal. Where it stands, or nothing if it was dropped.
    async fn put(&self, arrival: Arrival, items: u64) -> Result<Option<u64>, Rejection> {
        if self.0.closing.load(Ordering::Relaxed) {
            return Err(Rejection::Stopping);
        }
        let appended = if self.0.has_started.load(Ordering::Acquire) {
            self.0.journal.append(JournalEntry::arrived((self.0.clock)(), arrival)).await
        } else {
            let why = self.0.journal.impediment();
            Err(why.unwrap_or_else(|| JournalError::Refused("the collector has just started".into())))
        };
        match appended {
            Ok(place) => Ok(Some(place)),
            Err(
                full @ (JournalError::Full { .. } | JournalError::NoRoom { .. } | JournalError::Refused(_)),
            ) => {
                self.0.journal.lost(items).await?;
                if self.0.settings.mode == Mode::FailOpen { Ok(None) } else { Err(full.into()) }
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Takes what is about to happen. Answers when the log has it; with less, if that takes too long: in mode `fail_closed` with
    /// [`Rejection::NoReceipt`], in the others with what there is.
    #[tracing::instrument(name = "body", skip_all, fields(door = ?Door::Intents))]
    pub async fn intent(&self, mut record: Record, sender: Sender) -> Result<IntentReceipt, Rejection> {
        let id = record.id.get_or_insert_with(|| RecordId::from_random((self.0.randomness)())).clone();
        let body = serde_json::Value::Object(record.to_object()).to_string();
        let arrival = Arrival { door: Door::Intents, sender, body: Bytes::from(body) };
        let mut receipt = IntentReceipt { id, digest: None, index: None, proof: None, lost: false };
        let Some(place) = self.put(arrival, 1).await? else {
            receipt.lost = true;
            return Ok(receipt);
        };
        let confirmed = self.confirm(place, &mut receipt).await;
        match confirmed {
            Err(why) if self.0.settings.mode == Mode::FailClosed => Err(Rejection::NoReceipt(why)),
            _ => Ok(receipt),
        }
    }

    /// Fills in what the vault and the log have of an intent, as far as they get in time.
    async fn confirm(&self, place: u64, receipt: &mut IntentReceipt) -> Result<(), String> {
        let mut progress = self.0.progress.clone();
        let recorded = progress.wait_for(|it| it.settled > place || it.stopped.is_some());
        match tokio::time::timeout(RECORDED_PATIENCE, recorded).await {
            Ok(Ok(progress)) if progress.settled > place => {}
            Ok(_) => return Err("recording has stopped".into()),
            Err(_) => return Err("it is not recorded yet".into()),
        }
        let destination = self.0.destination.get().ok_or("it is not recorded yet")?;
        let (vault, access) = (destination.recorder.vault(), &destination.access);
        let row = vault.row(access, &receipt.id).await.map_err(|error: VaultError| error.to_string())?;
        receipt.digest = Some(row.digest);
        let logged = tokio::time::timeout(RECEIPT_PATIENCE, destination.recorder.flush()).await;
        logged.map_err(|_| "the log did not respond")?.map_err(|error| error.to_string())?;
        let row = vault.row(access, &receipt.id).await.map_err(|error| error.to_string())?;
        receipt.index = row.place.map(|place| place.index.get());
        receipt.proof = vault.proof(access, &receipt.id).await.map_err(|error| error.to_string())?;
        if receipt.proof.is_some() { Ok(()) } else { Err("the log returned no receipt".into()) }
    }

    /// Of these records those whose id belongs to a record with other content, as far as the vault knows.
    pub async fn conflicts(&self, records: &[Record]) -> Vec<RecordId> {
        let Some(destination) = self.0.destination.get() else { return Vec::new() };
        // While the vault is away, records are taken; the recorder compares them when it is back.
        destination.recorder.conflicts(records).await.unwrap_or_default()
    }

    /// Ends a session, if `sender` may: the fold knows whose records are in it.
    pub async fn seal(
        &self,
        session: &str,
        reason: SealReason,
        sender: Sender,
    ) -> Result<Acceptance, Rejection> {
        let request = SealRequest { session: session.to_owned(), reason };
        let body = serde_json::to_vec(&request).expect("it is a text and a word");
        self.take(Arrival { door: Door::Seal, sender, body: Bytes::from(body) }, 0).await
    }

    /// Whether everything is as it should be; else what is wrong.
    pub fn readiness(&self) -> Result<(), String> {
        let Progress { trouble, stopped, .. } = self.0.progress.borrow().clone();
        let journal = || self.0.journal.impediment().map(|error| error.to_string());
        let vault = || self.0.destination.get().and_then(|to| to.recorder.vault().impediment());
        stopped.or(trouble).or_else(journal).or_else(vault).map_or(Ok(()), Err)
    }

    /// The oldest record that is in the vault and not in the log, in words with its age in seconds; none if there is no such record.
    /// An error once it has waited for more than [`KEPT_NOT_LOGGED_PATIENCE`]: a log that is away for some minutes is no reason to
    /// send telemetry elsewhere.
    pub fn kept_not_logged(&self) -> Result<Option<String>, String> {
        let Some(oldest) = *self.0.oldest_unlogged.borrow() else { return Ok(None) };
        let age = (self.0.clock)().duration_since(oldest).max(SignedDuration::ZERO);
        let words =
            format!("the oldest record that is not in the log has been waiting for {} s", age.as_secs());
        if age <= KEPT_NOT_LOGGED_PATIENCE { Ok(Some(words)) } else { Err(words) }
    }

    /// Adds the collector's metrics.
    pub fn register(&self, registry: &mut Registry) {
        self.0.metrics.register(registry);
    }

    /// Takes nothing more, completes what is open, and waits until all is recorded, at most so long. Whether it is; what is not stays
    /// on disk for the next process.
    pub async fn close(&self, patience: Duration) -> bool {
        if self.0.closing.swap(true, Ordering::Relaxed) {
            return false;
        }
        let has_destination = self.0.destination.get().is_some();
        let closing = async {
            self.0.journal.declare_losses().await?;
            if !has_destination {
                return Ok(false);
            }
            let flush = JournalEntry::new((self.0.clock)(), What::Flush, Bytes::new());
            let last = self.0.journal.append(flush).await?;
            self.0.until.send_replace(Some(last + 1));
            let mut progress = self.0.progress.clone();
            let done = progress.wait_for(|it| it.settled > last || it.stopped.is_some()).await;
            Ok::<_, JournalError>(done.is_ok_and(|progress| progress.settled > last))
        };
        let done = tokio::time::timeout(patience, closing).await.is_ok_and(|done| done.unwrap_or(false));
        for task in self.0.tasks.lock().drain(..) {
            task.abort();
        }
        done
    }
}

/// The settings as they are logged.
fn told(settings: &Settings) -> Bytes {
    let Settings {
        mode,
        disk_budget,
        min_free_bytes,
        assemble,
        session_idle,
        intent_timeout,
        heartbeat,
        unsampled,
        profile,
    } = settings;
    let told = json!({
        "mode": mode, "disk_budget": disk_budget, "min_free_bytes": min_free_bytes, "settle_seconds": assemble.settle.as_secs(),
        "idle_seconds": assemble.idle.as_secs(), "max_age_seconds": assemble.max_age.as_secs(),
        "session_idle_seconds": session_idle.as_secs(), "intent_timeout_seconds": intent_timeout.as_secs(),
        "heartbeat_seconds": heartbeat.as_secs(), "unsampled": unsampled, "profile": profile,
    });
    Bytes::from(told.to_string())
}

/// Has submitted what an earlier process kept and did not submit, whenever the log can be reached; last, what was signed for streams
/// that nothing connects to the present one.
async fn take_up(recorder: Recorder, out_of_turn: Arc<AtomicBool>) {
    let mut is_ours_sent = false;
    loop {
        let sent = if is_ours_sent { recorder.take_over(SILENCE).await } else { recorder.resume().await };
        match sent {
            Ok(submitted) => {
                out_of_turn.fetch_or(submitted > 0, Ordering::Relaxed);
                if std::mem::replace(&mut is_ours_sent, true) {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the records of an earlier process cannot be sent yet");
                tokio::time::sleep(TICK).await;
            }
        }
    }
}
