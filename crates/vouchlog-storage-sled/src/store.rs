//! The store: opening, the commit, and the readers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::TileId;
use vouchlog_storage::{Batch, CommitError, Growth, Loaded, Store, StoreError};

use crate::live::Live;
use crate::sealer::Sealer;
use crate::segments::{Segments, sync_dir};
use crate::stamp::Stamp;

/// How to open a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Commits are refused while the file system has less room than this, in bytes: a full disk must stop the log before
    /// it breaks the database.
    pub min_free_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { min_free_bytes: 64 * 1024 * 1024 }
    }
}

/// A store in a directory, open in this process alone.
pub struct SledStore {
    dir: PathBuf,
    origin: String,
    options: Options,
    live: Arc<Live>,
    sealer: Arc<Sealer>,
    writer: Mutex<Writer>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What only the committing thread touches.
struct Writer {
    size: Option<u64>,
    /// Set once commits must not go on until the store is opened anew.
    stopped: Option<String>,
}

impl SledStore {
    /// Opens the store of the log `origin` in `dir`, or makes it. Refuses a directory of another format, of another log,
    /// or open elsewhere.
    pub fn open(dir: &Path, origin: &str, options: Options) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let stamp = Stamp::read(dir)?;
        check_stamp(dir, origin, stamp.as_ref())?;
        let live = Arc::new(Live::open(&dir.join("live"))?);
        let size = live.size()?;
        let segments = Arc::new(Segments::open(&dir.join("sealed")).map_err(io_error)?);
        check_age(size, stamp.as_ref(), &segments)?;
        let current = Stamp { origin: origin.to_owned(), begun: size.is_some() };
        if stamp.as_ref() != Some(&current) {
            current.write(dir)?;
        }
        let sealer = Arc::new(Sealer::new(live.clone(), segments)?);
        let worker = sealer.clone();
        let thread = std::thread::Builder::new()
            .name("vouchlog-sealer".into())
            .spawn(move || worker.run())
            .map_err(io_error)?;
        Ok(Self {
            dir: dir.to_owned(),
            origin: origin.to_owned(),
            options,
            live,
            sealer,
            writer: Mutex::new(Writer { size, stopped: None }),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The origin of the log whose store is in `dir`; `None` when there is no store.
    pub fn origin(dir: &Path) -> Result<Option<String>, StoreError> {
        Ok(Stamp::read(dir)?.map(|stamp| stamp.origin))
    }

    /// The log has begun, whether or not this can be written down now: if not, the next start does it.
    fn stamp_begun(&self) {
        if let Err(error) = (Stamp { origin: self.origin.clone(), begun: true }).write(&self.dir) {
            tracing::warn!(%error, "the FORMAT file does not yet say that the log has begun");
        }
    }

    fn no_room(&self) -> Option<String> {
        no_room(&self.dir, &self.options)
    }
}

impl Store for SledStore {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.live.load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.sealer.add(growth, Vec::new());
        Ok(())
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        let mut writer = self.writer.lock();
        if let Some(reason) = &writer.stopped {
            return Err(CommitError::Refused(reason.clone()));
        }
        if writer.size != expected {
            return Err(CommitError::Moved {
                expected: expected.unwrap_or(0),
                found: writer.size.unwrap_or(0),
            });
        }
        batch.check(expected)?;
        if let Some(full) = self.no_room() {
            return Err(CommitError::Refused(full));
        }
        self.sealer.admit_commit().map_err(CommitError::Refused)?;
        match self.live.commit(&batch) {
            Ok(records) => {
                writer.size = Some(batch.head.tree.size.get());
                if expected.is_none() {
                    self.stamp_begun();
                }
                self.sealer.add(batch.growth, records);
                Ok(())
            }
            Err(error) => {
                if matches!(error, CommitError::Unknown(_)) {
                    writer.stopped =
                        Some("an earlier commit has an unknown outcome: open the store anew".into());
                }
                Err(error)
            }
        }
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.sealer.tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.sealer.bundle(bundle)
    }

    fn impediment(&self) -> Option<String> {
        // A commit may hold the writer for as long as the disk takes; readiness must not wait for it.
        let stopped = self.writer.try_lock().and_then(|writer| writer.stopped.clone());
        stopped.or_else(|| self.no_room()).or_else(|| self.sealer.failure())
    }

    fn close(&self) -> Result<(), StoreError> {
        self.writer.lock().stopped = Some("the store is closed".into());
        self.sealer.stop();
        if let Some(thread) = self.thread.lock().take() {
            thread.join().map_err(|_| StoreError::Io("the sealing thread panicked".into()))?;
        }
        Ok(())
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "the store was not closed cleanly; the next start repeats the sealing");
        }
    }
}

/// Why nothing more is written where `dir` is, if the disk is nearly full.
pub(crate) fn no_room(dir: &Path, options: &Options) -> Option<String> {
    let free = fs4::available_space(dir).ok()?;
    let needed = options.min_free_bytes;
    (free < needed).then(|| format!("the disk is full: {free} bytes are free, at least {needed} are kept"))
}

/// Makes a directory that survives a power cut.
pub(crate) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(io_error)?;
    // A relative path of one part has an empty parent, which is the working directory.
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    sync_dir(parent.unwrap_or(Path::new("."))).map_err(io_error)
}

/// Refuses a directory that is not a store of the log `origin`, before anything in it is touched.
fn check_stamp(dir: &Path, origin: &str, stamp: Option<&Stamp>) -> Result<(), StoreError> {
    let Some(stamp) = stamp else { return Ok(()) };
    if stamp.origin != origin {
        return Err(StoreError::Foreign(format!(
            "the data directory belongs to the log `{}`, not to `{origin}`: give each log its own directory",
            stamp.origin
        )));
    }
    // The stamp is written after the database. To begin a new one here could be to sign a second history.
    if !dir.join("live").join("db").exists() {
        return Err(StoreError::Damaged("the data directory has a FORMAT file but no database".into()));
    }
    Ok(())
}

/// Refuses a database that is older than what lies beside it: going on from there would be a second history. It happens
/// when one part of a directory is restored from a backup, or when a damaged database opens as an empty one.
fn check_age(size: Option<u64>, stamp: Option<&Stamp>, segments: &Segments) -> Result<(), StoreError> {
    let problem = match (size, stamp) {
        (Some(_), None) => "the data directory has a log but no FORMAT file",
        (None, Some(Stamp { begun: true, .. })) => "the database is empty, but the log had begun",
        // What is sealed was committed before.
        (size, _) if segments.has_bundle(size.unwrap_or(0) / 256) => {
            "the database is older than the segments"
        }
        _ => return Ok(()),
    };
    Err(StoreError::Damaged(problem.into()))
}

/// An operating-system error without the path of the machine.
#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
pub(crate) fn io_error(error: io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}
