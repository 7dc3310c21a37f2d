//! sled, opened and written so that what it was given survives a power cut. The stores of logs and of witnesses are built on it.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use vouchlog_runtime::caught;
use vouchlog_storage::StoreError;

use crate::files::{os_error, remove_file, sync_dir};

/// sled's unit of allocation. 8 MiB keeps every value of ours inside a segment.
const SLED_SEGMENT_BYTES: usize = 8 * 1024 * 1024;
/// The living part of a log is a few MiB, and a witness reads a state once per request; more cache would only keep what is
/// hardly ever read again.
const SLED_CACHE_BYTES: u64 = 16 * 1024 * 1024;
/// sled's files: its settings, which it writes first, and all the rest.
const SETTINGS: &str = "conf";
const DATA: &str = "db";
/// How long a just closed database may take to let go of its lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// A database in a directory, open in this process alone.
pub(crate) struct Database {
    /// `None` only while it is dropped.
    db: Option<sled::Db>,
    /// For fdatasync: sled's `flush` writes to this file but does not sync it.
    file: File,
    /// Why nothing more is written: an earlier write or sync failed, and the kernel reports a failed write-back once.
    failed: Mutex<Option<String>>,
}

impl Database {
    /// Opens the database, or makes it; what is read from it afterwards is durable.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        remove_unfinished(dir)?;
        let db = open_sled(dir)?;
        // sled does not sync it, and opens nothing without it.
        File::open(dir.join(SETTINGS)).and_then(|file| file.sync_all()).map_err(os_error)?;
        let file = File::open(dir.join(DATA)).map_err(os_error)?;
        let database = Self { db: Some(db), file, failed: Mutex::default() };
        database.sync().map_err(|error| StoreError::Io(error.to_string()))?;
        sync_dir(dir)?;
        Ok(database)
    }

    pub(crate) fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<sled::IVec>, StoreError> {
        self.db().get(key).map_err(sled_error)
    }

    pub(crate) fn scan_prefix(&self, prefix: impl AsRef<[u8]>) -> sled::Iter {
        self.db().scan_prefix(prefix)
    }

    /// Writes all of it or nothing. When this returns it survives a power cut; when it fails, the outcome is unknown and
    /// nothing more is written.
    pub(crate) fn apply(&self, write: sled::Batch) -> Result<(), sled::Error> {
        if let Some(reason) = self.failure() {
            return Err(sled::Error::Unsupported(reason));
        }
        self.db().apply_batch(write).and_then(|()| self.sync()).inspect_err(|error| {
            tracing::error!(%error, "a write or sync of live/db failed; nothing more is written to it");
            let reason = format!("a write or sync of live/db failed ({error}); restart to recover");
            self.failed.lock().get_or_insert(reason);
        })
    }

    /// Why nothing more is written, if so.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failed.lock().clone()
    }

    fn db(&self) -> &sled::Db {
        self.db.as_ref().expect("it is taken out by drop alone")
    }

    /// sled's `flush` hands the bytes to the kernel; fdatasync makes them survive a power cut. Both are needed.
    fn sync(&self) -> Result<(), sled::Error> {
        self.db().flush()?;
        self.file.sync_data().map_err(sled::Error::from)
    }
}

/// Removes what a creation that was cut short left: sled writes its settings in two steps before it makes the file for data, and does
/// not open with half of them.
fn remove_unfinished(dir: &Path) -> Result<(), StoreError> {
    if dir.join(DATA).try_exists().map_err(os_error)? {
        return Ok(());
    }
    remove_file(&dir.join(SETTINGS))
}

/// Opens sled, turning its panics on damaged files into errors, and waiting a little for a lock that is being let go.
fn open_sled(dir: &Path) -> Result<sled::Db, StoreError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let config = sled::Config::default()
            .path(dir)
            .segment_size(SLED_SEGMENT_BYTES)
            .cache_capacity(SLED_CACHE_BYTES)
            .flush_every_ms(None);
        match caught(|| config.open()) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) if error.to_string().contains("could not acquire lock") => {
                if Instant::now() > deadline {
                    return Err(StoreError::InUse);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(Err(error)) => return Err(sled_error(error)),
            Err(panic) => {
                tracing::debug!(panic, "sled panicked on live/db");
                return Err(damaged("live/db"));
            }
        }
    }
}

pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} cannot be read"))
}

pub(crate) fn sled_error(error: sled::Error) -> StoreError {
    match error {
        sled::Error::Corruption { .. } => damaged("live/db"),
        other => StoreError::Io(other.to_string()),
    }
}

impl Drop for Database {
    /// sled syncs its file once more and panics if that fails. All that was acknowledged is durable by then.
    fn drop(&mut self) {
        let db = self.db.take();
        if let Err(panic) = caught(move || drop(db)) {
            tracing::warn!(panic, "live/db was not closed cleanly; the next start reads both copies");
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}
