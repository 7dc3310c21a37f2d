//! The journal: what came in, on disk until the records made of it are in the vault; and what the collector must remember.
//!
//! ```text
//! <directory>/journal   a fjall database, one atomic durable write for each group of changes:
//!   entries: position (8) → entry          what came in, in order, until it is settled
//!   state:   "settled"    → position (8)   everything before it is recorded
//!            "lost"       → Losses         turned away and not declared yet
//!            other keys                    the pipeline's own
//! ```
//!
//! **Invariant: an entry is durable before anybody is told that it was taken, and forgotten only when what it became is.**

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use vouchlog_runtime::durable;

use crate::arrival::Entry;

mod writer;

use writer::{Request, Writer};

const SETTLED: &[u8] = b"settled";
const LOST: &[u8] = b"lost";

/// fjall's block and blob cache: the journal is read once, right behind its writer.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// What is buffered of entries before they go to tables: small, most of them are settled before.
const ENTRIES_MEMTABLE: u64 = 16 * 1024 * 1024;
const STATE_MEMTABLE: u64 = 4 * 1024 * 1024;
/// What fjall writes ahead at most before it flushes.
const JOURNALING_BYTES: u64 = 128 * 1024 * 1024;
const WORKERS: usize = 2;
/// Requests that wait for the writer; what is in them is bounded by whoever reads bodies.
const QUEUE: usize = 4_096;

/// Why the journal did not take something.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum JournalError {
    /// It holds as much as it may.
    #[error("{held} bytes wait to be recorded, of at most {limit}")]
    Full {
        /// Bytes it holds.
        held: u64,
        /// Bytes it may hold.
        limit: u64,
    },
    /// Another process has it open.
    #[error("the journal is in use by another process: each collector needs a directory of its own")]
    InUse,
    /// The disk failed or is full.
    #[error("the journal cannot be written or read: {0}")]
    Disk(String),
    /// What is on disk makes no sense.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// The collector stops.
    #[error("the collector stops")]
    Stopping,
}

/// What was turned away and is not declared yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Losses {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// Interactions, or spans where nobody can tell. Each attempt of an emitter counts.
    pub(crate) items: u64,
    /// Attempts.
    pub(crate) attempts: u64,
}

/// What is remembered: keys, and what is under them.
pub(crate) type Kept = Vec<(Vec<u8>, Vec<u8>)>;

/// What the pipeline remembers from now on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    pub(crate) put: Kept,
    pub(crate) remove: Vec<Vec<u8>>,
}

/// What a journal may hold, and the time.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Most bytes of entries that wait. Ticks and the like, a few bytes each, are beyond it.
    pub(crate) limit: u64,
    pub(crate) clock: fn() -> Timestamp,
}

/// An open journal. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Journal {
    store: Arc<Store>,
    requests: mpsc::Sender<Request>,
    end: watch::Receiver<u64>,
}

/// What is on disk.
struct Store {
    db: Database,
    entries: Keyspace,
    state: Keyspace,
    /// Bytes of the entries that are there.
    held: AtomicU64,
}

impl Journal {
    /// Opens the journal in `dir`, or makes it.
    pub(crate) fn open(dir: &Path, settings: Settings) -> Result<Self, JournalError> {
        let store = Store::open(dir)?;
        let (end, held) = store.scan()?;
        let end = end.max(store.number(SETTLED)?.unwrap_or(0));
        store.held.store(held, Ordering::Relaxed);
        let lost = store.lost()?;
        let store = Arc::new(store);
        let (requests, queue) = mpsc::channel(QUEUE);
        let (end_sender, end_receiver) = watch::channel(end);
        let writer = Writer::new(store.clone(), settings, queue, end_sender, lost);
        let thread = std::thread::Builder::new().name("journal".into());
        thread.spawn(move || writer.run()).map_err(|error| JournalError::Disk(error.to_string()))?;
        Ok(Self { store, requests, end: end_receiver })
    }

    /// Puts an entry at the end; durable when this returns. Where it stands.
    pub(crate) async fn append(&self, entry: Entry) -> Result<u64, JournalError> {
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

    async fn ask(
        &self,
        request: impl FnOnce(oneshot::Sender<Result<u64, JournalError>>) -> Request,
    ) -> Result<u64, JournalError> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).await.map_err(|_| JournalError::Stopping)?;
        answer.await.map_err(|_| JournalError::Stopping)?
    }

    /// Entries from a position on, in order, until they are `max_bytes` long; at least one, if there is one.
    pub(crate) fn read(&self, from: u64, max_bytes: usize) -> Result<Vec<(u64, Entry)>, JournalError> {
        self.store.read(from, max_bytes)
    }

    /// Position of the next entry, and every new one.
    pub(crate) fn end(&self) -> watch::Receiver<u64> {
        self.end.clone()
    }

    /// Position before which everything is recorded.
    pub(crate) fn settled(&self) -> Result<u64, JournalError> {
        Ok(self.store.number(SETTLED)?.unwrap_or(0))
    }

    /// Position of the first entry that is still there, if there is any.
    pub(crate) fn first(&self) -> Result<Option<u64>, JournalError> {
        self.store.entries.first_key_value().map(|item| position(&item.key().map_err(disk)?)).transpose()
    }

    /// What the pipeline remembers under a prefix.
    pub(crate) fn remembered(&self, prefix: &[u8]) -> Result<Kept, JournalError> {
        let items = self.store.state.prefix(prefix);
        items
            .map(|item| item.into_inner().map(|(key, value)| (key.to_vec(), value.to_vec())).map_err(disk))
            .collect()
    }

    /// Bytes of the entries that wait.
    pub(crate) fn held(&self) -> u64 {
        self.store.held.load(Ordering::Relaxed)
    }
}

impl Store {
    fn open(dir: &Path) -> Result<Self, JournalError> {
        durable::make_dir(dir).map_err(|error| JournalError::Disk(error.to_string()))?;
        let db = Database::builder(dir.join("journal"))
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNALING_BYTES)
            .worker_threads(WORKERS)
            .open()
            .map_err(disk)?;
        let entries = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(ENTRIES_MEMTABLE)
                .with_kv_separation(Some(KvSeparationOptions::default()))
        };
        let entries = db.keyspace("entries", entries).map_err(disk)?;
        let state = || KeyspaceCreateOptions::default().max_memtable_size(STATE_MEMTABLE);
        let state = db.keyspace("state", state).map_err(disk)?;
        Ok(Self { db, entries, state, held: AtomicU64::new(0) })
    }

    /// Where the entries end, and how long they are together. There is no gap in them.
    fn scan(&self) -> Result<(u64, u64), JournalError> {
        let (mut end, mut held) = (None, 0);
        for item in self.entries.iter() {
            let key = item.key().map_err(disk)?;
            let at = position(&key)?;
            if end.is_some_and(|end| end != at) {
                return Err(JournalError::Damaged(format!("an entry before {at} is missing")));
            }
            end = Some(at + 1);
            // The bodies themselves may be gigabytes, and are not read for that.
            held += u64::from(self.entries.size_of(&key).map_err(disk)?.unwrap_or_default());
        }
        Ok((end.unwrap_or(0), held))
    }

    fn read(&self, from: u64, max_bytes: usize) -> Result<Vec<(u64, Entry)>, JournalError> {
        let (mut entries, mut bytes) = (Vec::new(), 0);
        for item in self.entries.range(from.to_be_bytes()..) {
            let (key, value) = item.into_inner().map_err(disk)?;
            let at = position(&key)?;
            let value = Bytes::copy_from_slice(&value);
            bytes += value.len();
            let entry = Entry::from_bytes(&value);
            let entry = entry.ok_or_else(|| JournalError::Damaged(format!("entry {at} is none")))?;
            entries.push((at, entry));
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(entries)
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, JournalError> {
        let value = self.state.get(key).map_err(disk)?;
        value.map(|value| position(&value)).transpose()
    }

    fn lost(&self) -> Result<Option<Losses>, JournalError> {
        let Some(value) = self.state.get(LOST).map_err(disk)? else { return Ok(None) };
        let damaged = |error: serde_json::Error| JournalError::Damaged(error.to_string());
        serde_json::from_slice(&value).map(Some).map_err(damaged)
    }
}

fn position(bytes: &[u8]) -> Result<u64, JournalError> {
    let bytes = bytes.try_into().map_err(|_| JournalError::Damaged("a position has not 8 bytes".into()))?;
    Ok(u64::from_be_bytes(bytes))
}

fn disk(error: fjall::Error) -> JournalError {
    match error {
        fjall::Error::Locked => JournalError::InUse,
        error => JournalError::Disk(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
