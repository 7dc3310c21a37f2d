//! The lookup index in fjall, a log-structured store made for random keys.
//!
//! ```text
//! "L" || leaf hash prefix (8) || index (8)             → nothing
//! "D" || digest prefix (8)    || index (8)             → nothing
//! "R" || stream (8) || sequence of first (8)           → index of first (8)
//! "K" || stream key prefix (8) || stream (8)           → nothing
//! "H" || stream (8)                                    → index of its newest signed head (8)
//! "S" || stream (8)                                    → the stream that continued it (8)
//! "V"                                                  → size that all tables cover (8)
//! "C"                                                  → size that "L", "D" and "R" cover (8)
//! ```
//!
//! Earlier versions kept "L", "D" and "R" alone, and wrote "C". An index of theirs has no "V", so it is filled again from the first
//! entry; "C" stays, since it shows how long the log was.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fjall::config::{BlockSizePolicy, FilterPolicy, PinningPolicy};
use fjall::{Database, Keyspace, KeyspaceCreateOptions};
use parking_lot::RwLock;
use vouchlog_merkle::LeafIndex;
use vouchlog_runtime::caught;
use vouchlog_storage::{Index, IndexAnswer, IndexBatch, RunEntry, StoreError, StreamPlaces};

use crate::files::os_error;

const LEAF_HASH: u8 = b'L';
const DIGEST: u8 = b'D';
const RUN: u8 = b'R';
const STREAM_KEY: u8 = b'K';
const HEAD: u8 = b'H';
const SUCCESSOR: u8 = b'S';
const COVERED: &[u8] = b"V";
/// What versions that kept fewer tables covered.
const COVERED_BEFORE: &[u8] = b"C";

/// fjall's block and blob cache: lookups are rare, so little is enough.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;
/// What is buffered before it goes to disk, counted by the bytes of keys; in memory each key takes several times its size.
const MEMTABLE_BYTES: u64 = 4 * 1024 * 1024;
/// One to compact and one to flush meanwhile: what waits to be flushed lies in memory.
const WORKERS: usize = 2;
/// What fjall writes ahead; it is never needed, but cannot be smaller.
const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;
/// A block of a table: keys of 17 bytes, so large blocks keep the index of blocks small.
const BLOCK_BYTES: u32 = 16 * 1024;

/// A lookup index in a directory of its own, which may be deleted while the log is stopped.
///
/// After an error of the operating system (no room, no file descriptors) it is closed and opened again by the next call, since
/// fjall refuses all work after one failure. Only one that is damaged is deleted and begun again.
pub struct FjallIndex {
    dir: PathBuf,
    open: RwLock<Option<Open>>,
}

struct Open {
    db: Database,
    keys: Keyspace,
}

impl FjallIndex {
    /// Opens the index in `dir`. One that is damaged is deleted and begun again: everything in it can be computed from the
    /// entries.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let index = Self { dir: dir.to_owned(), open: RwLock::new(None) };
        match index.open_again() {
            // It is opened by the first call that finds the disk well.
            Err(StoreError::Io(reason)) => tracing::warn!(reason, "the lookup index cannot be opened now"),
            other => other?,
        }
        Ok(index)
    }

    /// Opens the index in `dir` as it is. An index that does not open is an error, and stays.
    pub fn open_existing(dir: &Path) -> Result<Self, StoreError> {
        let open = Open::at(dir).map_err(fjall_error)?;
        Ok(Self { dir: dir.to_owned(), open: RwLock::new(Some(open)) })
    }

    /// Opens what is closed.
    fn open_again(&self) -> Result<(), StoreError> {
        let mut open = self.open.write();
        if open.is_none() {
            *open = Some(match Open::at(&self.dir) {
                Err(error) if is_damage(&error) => {
                    tracing::warn!(%error, "the lookup index is damaged and is rebuilt");
                    remove(&self.dir)?;
                    Open::at(&self.dir).map_err(fjall_error)?
                }
                other => other.map_err(fjall_error)?,
            });
        }
        Ok(())
    }

    fn with<T>(&self, f: impl Fn(&Open) -> fjall::Result<T>) -> Result<T, StoreError> {
        if self.open.read().is_none() {
            self.open_again()?;
        }
        let outcome = match &*self.open.read() {
            Some(open) => or_damage(caught(|| f(open))),
            None => return Err(StoreError::Io("the lookup index is being opened".into())),
        };
        outcome.map_err(|error| {
            let mut open = self.open.write();
            close(open.take());
            if is_damage(&error) {
                tracing::warn!(%error, "the lookup index is damaged and is rebuilt");
                if let Err(error) = remove(&self.dir) {
                    tracing::warn!(%error, "the damaged lookup index could not be deleted");
                }
            }
            fjall_error(error)
        })
    }

    fn indexes(&self, kind: u8, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError> {
        self.with(|open| open.indexes(kind, prefix, limit))
    }
}

impl Drop for FjallIndex {
    fn drop(&mut self) {
        close(self.open.get_mut().take());
    }
}

impl std::fmt::Debug for FjallIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FjallIndex")
    }
}

impl Open {
    /// Opens the database, turning its panics on damaged files into errors.
    fn at(dir: &Path) -> fjall::Result<Self> {
        or_damage(caught(|| Self::begin(dir)))
    }

    fn begin(dir: &Path) -> fjall::Result<Self> {
        let db = Database::builder(dir)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(WORKERS)
            .open()?;
        let keys = db.keyspace("lookup", options)?;
        Ok(Self { db, keys })
    }

    fn number(&self, key: impl AsRef<[u8]>) -> fjall::Result<Option<u64>> {
        Ok(self.keys.get(key)?.and_then(|value| number(&value, 0)))
    }

    /// The size that all tables cover. Read before the tables are: they only grow while the database is open.
    fn covered(&self) -> fjall::Result<u64> {
        Ok(self.number(COVERED)?.unwrap_or(0))
    }

    fn indexes(&self, kind: u8, prefix: [u8; 8], limit: usize) -> fjall::Result<Vec<LeafIndex>> {
        let start = [&[kind][..], &prefix].concat();
        let mut found = Vec::new();
        for item in self.keys.prefix(start).take(limit) {
            if let Some(index) = number(&item.key()?, 9) {
                found.push(LeafIndex::new(index));
            }
        }
        Ok(found)
    }
}

/// Small in memory, since lookups are rare: lookups scan a prefix, for which filters are of no use, and nothing is pinned.
fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES)
        .filter_policy(FilterPolicy::disabled())
        .filter_block_pinning_policy(PinningPolicy::disabled())
        .index_block_pinning_policy(PinningPolicy::disabled())
        .data_block_size_policy(BlockSizePolicy::all(BLOCK_BYTES))
}

impl Index for FjallIndex {
    fn covered(&self) -> Result<u64, StoreError> {
        self.with(Open::covered)
    }

    fn remembered(&self) -> Result<u64, StoreError> {
        self.with(|open| Ok(open.covered()?.max(open.number(COVERED_BEFORE)?.unwrap_or(0))))
    }

    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError> {
        self.with(|open| {
            let mut write = open.db.batch();
            let hashed =
                [(LEAF_HASH, &batch.leaf_hashes), (DIGEST, &batch.digests), (STREAM_KEY, &batch.stream_keys)];
            for (kind, hashes) in hashed {
                for (prefix, index) in hashes {
                    write.insert(&open.keys, [&[kind][..], prefix, &index.to_be_bytes()].concat(), []);
                }
            }
            for run in &batch.runs {
                write.insert(&open.keys, run_key(run.stream, run.start), run.first.to_be_bytes());
            }
            for (kind, places) in [(HEAD, &batch.stream_heads), (SUCCESSOR, &batch.successors)] {
                for (stream, place) in places {
                    write.insert(&open.keys, stream_key(kind, *stream), place.to_be_bytes());
                }
            }
            write.insert(&open.keys, COVERED, batch.upto.to_be_bytes());
            write.commit()
        })
    }

    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError> {
        self.indexes(LEAF_HASH, prefix, limit)
    }

    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError> {
        self.indexes(DIGEST, prefix, limit)
    }

    fn run(&self, stream: u64, sequence: u64) -> Result<Option<RunEntry>, StoreError> {
        self.with(|open| {
            let Some(item) = open.keys.range(run_key(stream, 0)..=run_key(stream, sequence)).next_back()
            else {
                return Ok(None);
            };
            let (key, value) = item.into_inner()?;
            Ok(number(&key, 9).zip(number(&value, 0)).map(|(start, first)| RunEntry { stream, start, first }))
        })
    }

    fn by_stream_key(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.with(|open| {
            let covered = open.covered()?;
            Ok(IndexAnswer { covered, found: open.indexes(STREAM_KEY, prefix, limit)? })
        })
    }

    fn stream(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError> {
        self.with(|open| {
            let covered = open.covered()?;
            let place = |kind| open.number(stream_key(kind, stream));
            let (head, successor) = (place(HEAD)?, place(SUCCESSOR)?);
            let found =
                StreamPlaces { head: head.map(LeafIndex::new), successor: successor.map(LeafIndex::new) };
            Ok(IndexAnswer { covered, found })
        })
    }

    /// Locked throughout, so that no lookup opens what is about to be deleted.
    fn clear(&self) -> Result<(), StoreError> {
        let mut open = self.open.write();
        close(open.take());
        remove(&self.dir)?;
        *open = Some(Open::at(&self.dir).map_err(fjall_error)?);
        Ok(())
    }
}

/// A panic of fjall means that it met what it did not write.
fn or_damage<T>(outcome: Result<fjall::Result<T>, String>) -> fjall::Result<T> {
    outcome.unwrap_or_else(|panic| {
        tracing::debug!(panic, "fjall panicked on the lookup index");
        Err(fjall::Error::Unrecoverable)
    })
}

/// Closing syncs, which may fail: nothing in the index has to be durable.
fn close(open: Option<Open>) {
    if let Err(panic) = caught(|| drop(open)) {
        tracing::debug!(panic, "fjall panicked while the lookup index was closed");
    }
}

fn run_key(stream: u64, start: u64) -> Vec<u8> {
    [stream_key(RUN, stream), start.to_be_bytes().to_vec()].concat()
}

fn stream_key(kind: u8, stream: u64) -> Vec<u8> {
    [&[kind][..], &stream.to_be_bytes()].concat()
}

/// The big-endian number at `at`.
fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8).map(|field| u64::from_be_bytes(field.try_into().expect("8 bytes")))
}

fn remove(dir: &Path) -> Result<(), StoreError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(os_error(error)),
        _ => Ok(()),
    }
}

/// Whether the files are not what was written, as opposed to a failure of the operating system, which may pass.
fn is_damage(error: &fjall::Error) -> bool {
    // A file that is gone does not come back.
    let of_the_system =
        |error: &std::io::Error| error.raw_os_error().is_some() && error.kind() != ErrorKind::NotFound;
    match error {
        fjall::Error::Io(error) | fjall::Error::Storage(fjall::LsmError::Io(error)) => !of_the_system(error),
        fjall::Error::Poisoned | fjall::Error::Locked | fjall::Error::KeyspaceDeleted => false,
        _ => true,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn fjall_error(error: fjall::Error) -> StoreError {
    StoreError::Io(format!("the lookup index failed: {error}"))
}
