//! The journal: what came in, on disk until the records made of it are in the vault; and what the collector must remember.
//!
//! ```text
//! <directory>/FORMAT     that there is a journal, and which
//! <directory>/journal    a ledger: each group of changes is one record, each file begins with a snapshot of all but the entries
//!   state:  settled      everything before this position is recorded
//!           keep         entries before this position are not needed any more, to go on either
//!           keys         what the pipeline remembers
//!   LOSSES               turned away and not declared yet
//!   KEYS                 the keys of the files: what they hold is sealed, and a key is destroyed with its file
//! ```
//!
//! In memory are the state, and where the entries lie; bodies are on disk alone.
//!
//! **Invariants: an entry is durable before anybody is told that it was taken, and forgotten only when what it became is. Once
//! nothing in a file is needed, its key is destroyed; the newest file is left behind soon after what it holds is recorded.**
//!
//! Below the reserve of free disk no bodies are taken; the time, losses and what is settled are, out of the reserve. A failed sync is
//! final: nothing more is written until the journal is opened again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use vouchlog_ledger::{Disk, Folder, Ledger, Options, Reader, RecordAddress};
use vouchlog_runtime::durable;

use crate::arrival::JournalEntry;

mod keys;
mod losses;
mod opening;
mod stamp;
mod state;
mod writer;

use keys::FileKeys;
pub(crate) use losses::Lost as Losses;
use opening::Opened;
use stamp::Stamp;
use state::{State, Steady};
use writer::{FileAge, Request, Writer};

/// Requests that wait for the writer; what is in them is bounded by whoever reads bodies.
const QUEUE: usize = 4_096;
/// What the journal's ledger is for.
const PURPOSE: &str = "journal";
/// Which part of the reserve is for what makes room; below it nothing is written at all.
const LAST_RESERVE: u64 = 4;

/// Why the journal did not take something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum JournalError {
    /// It holds as much as it may.
    #[error("{held} bytes of at most {limit} are waiting to be recorded")]
    Full {
        /// Bytes it holds.
        held: u64,
        /// Bytes it may hold.
        limit: u64,
    },
    /// The disk is nearly full. It goes on by itself when there is room.
    #[error("the disk is full: {free} bytes are free, {needed} are reserved")]
    NoRoom {
        /// Bytes that are free.
        free: u64,
        /// Bytes that stay free.
        needed: u64,
    },
    /// Nothing was written, and the same may succeed later.
    #[error("the journal accepts nothing now: {0}")]
    Refused(String),
    /// A write failed in a way that leaves its outcome unknown: nothing more is written until the journal is opened again.
    #[error("the journal has stopped: {0}")]
    Failed(String),
    /// Another process has it open.
    #[error("the journal is in use by another process: each collector needs a directory of its own")]
    InUse,
    /// The disk failed.
    #[error("the journal cannot be written or read: {0}")]
    Disk(String),
    /// What is on disk is not what was written.
    #[error("the journal is rejected: {0}")]
    Damaged(String),
    /// An earlier version of this program made it.
    #[error(
        "journal/{0} is of an earlier version of this program: run that version until it has recorded all input (`vouchlog_collector_journal_bytes` is 0), then delete the directory `journal`"
    )]
    OldLayout(&'static str),
    /// The collector stops.
    #[error("the collector stops")]
    Stopping,
}

impl JournalError {
    /// Whether the same may succeed later, without anybody doing anything to this process.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::NoRoom { .. } | Self::Refused(_) | Self::Disk(_))
    }
}

/// What is remembered: keys, and what is under them.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// What the pipeline remembers from now on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) put: Pairs,
    pub(crate) remove: Vec<Vec<u8>>,
}

/// What a journal may hold, the time, and chance.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Most bytes of entries that wait. Ticks and the like, a few bytes each, are beyond it.
    pub(crate) limit: u64,
    /// Bodies are refused while the file system has less room than this, in bytes.
    pub(crate) min_free_bytes: u64,
    /// The wall clock.
    pub(crate) clock: fn() -> Timestamp,
    /// Monotonic time, from whenever on.
    pub(crate) elapsed: fn() -> Duration,
    /// 16 fresh random bytes, for the identity of a new journal.
    pub(crate) randomness: fn() -> [u8; 16],
    /// Recognises the secret that names of records are made with, and does not reveal it.
    pub(crate) secret_check: [u8; 8],
}

/// An open journal. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Journal {
    store: Arc<Store>,
    requests: mpsc::Sender<Request>,
    end: watch::Receiver<u64>,
}

/// What is on disk, for those who read.
struct Store {
    disk: Arc<dyn Disk>,
    reader: Reader,
    state: Mutex<State>,
    keys: Mutex<FileKeys>,
    min_free_bytes: u64,
    /// Why nothing more is written until the journal is opened again.
    failed: watch::Sender<Option<String>>,
}

impl Journal {
    /// Opens the journal in `dir`, or makes it.
    pub(crate) fn open(dir: &Path, settings: Settings) -> Result<Self, JournalError> {
        let folder = dir.join("journal");
        let stamp = Stamp::read(dir)?;
        stamp.map_or(Ok(()), |stamp| stamp.check_secret(settings.secret_check))?;
        stamp::check_layout(&folder)?;
        if stamp.is_some() && !folder.is_dir() {
            return Err(JournalError::Damaged(
                "the directory journal/ is missing, but the journal was in use".into(),
            ));
        }
        durable::private_dir(&folder).map_err(|error| JournalError::Disk(format!("journal/: {error}")))?;
        Self::open_on(Arc::new(Folder::new(folder)), dir, stamp, settings)
    }

    /// Opens the journal on `disk`; its stamp is in `dir`.
    fn open_on(
        disk: Arc<dyn Disk>,
        dir: &Path,
        stamp: Option<Stamp>,
        settings: Settings,
    ) -> Result<Self, JournalError> {
        let options = Options { purpose: PURPOSE, min_free_bytes: settings.min_free_bytes / LAST_RESERVE };
        let exists =
            Ledger::exists(&*disk).map_err(|error| JournalError::Disk(format!("journal/: {error}")))?;
        let opened = match stamp {
            None if !exists => opening::create(disk.clone(), options, (settings.randomness)())?,
            stamp => opening::reopen(disk.clone(), options, stamp)?,
        };
        let losses = losses::Losses::open(&*disk, opened.state.head.declared, stamp.is_none())?;
        let secret = Some(settings.secret_check);
        let written = Stamp { journal: opened.identity, secret, is_sealed: true };
        if stamp != Some(written) {
            written.write(dir)?;
        }
        Self::start(disk, opened, losses, settings)
    }

    fn start(
        disk: Arc<dyn Disk>,
        opened: Opened,
        losses: losses::Losses,
        settings: Settings,
    ) -> Result<Self, JournalError> {
        let Opened { ledger, keys, state, .. } = opened;
        let steady = Steady::new(state.head.steady, (settings.clock)(), settings.elapsed);
        let (end, end_receiver) = watch::channel(state.head.end);
        let (requests, queue) = mpsc::channel(QUEUE);
        let (reader, state, failed) = (ledger.reader(), Mutex::new(state), watch::Sender::new(None));
        let min_free_bytes = settings.min_free_bytes;
        let keys = Mutex::new(keys);
        let store = Arc::new(Store { disk, reader, state, keys, min_free_bytes, failed });
        let age = FileAge::new((settings.elapsed)());
        let writer = Writer { store: store.clone(), ledger, losses, settings, steady, queue, end, age };
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || writer.run()).map_err(|error| JournalError::Disk(error.to_string()))?;
        Ok(Self { store, requests, end: end_receiver })
    }

    /// Puts an entry at the end; durable when this returns. Where it stands.
    pub(crate) async fn append(&self, entry: JournalEntry) -> Result<u64, JournalError> {
        let is_bounded = matches!(entry.what, crate::arrival::What::Arrived(_));
        self.ask(|reply| Request::Append { entry, is_bounded, reply }).await
    }

    /// Notes that interactions were turned away; durable when this returns.
    pub(crate) async fn lost(&self, items: u64) -> Result<(), JournalError> {
        self.ask(|reply| Request::Lost { items, reply }).await.map(drop)
    }

    /// Makes an entry of what was turned away since the last time, if anything was.
    pub(crate) async fn declare_losses(&self) -> Result<(), JournalError> {
        self.ask(Request::Declare).await.map(drop)
    }

    /// Everything before `settled` is recorded; entries before `keep` are not needed any more, to go on either.
    pub(crate) async fn settle(&self, settled: u64, keep: u64, changes: Changes) -> Result<(), JournalError> {
        self.ask(|reply| Request::Settle { settled, keep, changes, reply }).await.map(drop)
    }

    /// Leaves the newest file behind if that is due: what it holds is recorded, or it is old. Call it every second or so; each group
    /// of changes does it, too.
    pub(crate) async fn tidy(&self) -> Result<(), JournalError> {
        self.ask(Request::Tidy).await.map(drop)
    }

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<u64, JournalError>>) -> Request,
    ) -> Result<u64, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| JournalError::Stopping)?;
        answer.await.map_err(|_| JournalError::Stopping)?
    }

    /// Entries from a position on, in order, until they are `max_bytes` long; at least one, if there is one.
    pub(crate) fn read(&self, from: u64, max_bytes: usize) -> Result<Vec<(u64, JournalEntry)>, JournalError> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, from);
        loop {
            let place = self.store.state.lock().place(next);
            let Some(place) = place else { return Ok(entries) };
            let record = self.store.read(place)?;
            for (position, entry) in state::entries(&record, next)? {
                bytes += entry.len();
                next = position + 1;
                entries.push((position, entry));
                if bytes >= max_bytes {
                    return Ok(entries);
                }
            }
        }
    }

    /// Position of the next entry, and every new one.
    pub(crate) fn end(&self) -> watch::Receiver<u64> {
        self.end.clone()
    }

    /// Position before which everything is recorded.
    pub(crate) fn settled(&self) -> u64 {
        self.store.state.lock().head.settled
    }

    /// Position of the first entry that is still needed, if there is any.
    pub(crate) fn first(&self) -> Option<u64> {
        self.store.state.lock().first()
    }

    /// What the pipeline remembers under a prefix.
    pub(crate) fn remembered(&self, prefix: &[u8]) -> Pairs {
        self.store.state.lock().remembered(prefix)
    }

    /// Bytes of the entries that wait.
    pub(crate) fn held(&self) -> u64 {
        self.store.state.lock().held()
    }

    /// Why no bodies are taken at the moment, if so, but for a budget that is used up.
    pub(crate) fn impediment(&self) -> Option<JournalError> {
        self.store.check_failed().err().or_else(|| self.store.no_room())
    }

    /// Waits until a write fails in a way that leaves its outcome unknown: nothing is written any more until the journal is opened
    /// again. Never returns otherwise.
    pub(crate) async fn failed(&self) -> JournalError {
        let mut failed = self.store.failed.subscribe();
        // The sender lives as long as the store.
        let _ = failed.wait_for(Option::is_some).await;
        self.store.check_failed().err().unwrap_or(JournalError::Stopping)
    }
}

impl Store {
    fn read(&self, place: RecordAddress) -> Result<Bytes, JournalError> {
        let payload = self.reader.read(place)?;
        // Opening takes a while; the keys are not locked for that long.
        let key = self.keys.lock().of(place.file);
        let opened = key.and_then(|key| opening::opened(key.as_deref(), place.file, payload));
        opened.map_err(|reason| JournalError::Damaged(format!("journal/{:08}: {reason}", place.file)))
    }

    fn no_room(&self) -> Option<JournalError> {
        let free = self.disk.free_bytes().ok()?;
        let needed = self.min_free_bytes;
        (free < needed).then_some(JournalError::NoRoom { free, needed })
    }

    fn check_failed(&self) -> Result<(), JournalError> {
        self.failed.borrow().clone().map_or(Ok(()), |why| Err(JournalError::Failed(why)))
    }

    /// Nothing more is written.
    fn fail(&self, why: &str) -> JournalError {
        self.failed.send_if_modified(|failed| {
            let is_first = failed.is_none();
            failed.get_or_insert_with(|| why.to_owned());
            is_first
        });
        tracing::error!(why, "the journal has stopped");
        JournalError::Failed(why.to_owned())
    }
}

#[cfg(test)]
mod tests;
