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

/// First line of the stamp. Another number is another layout, which this version cannot read.
const STAMP: &str = "vouchlog store 1";

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
        fs::create_dir_all(dir).map_err(io_error)?;
        check_stamp(dir, origin)?;
        let live = Arc::new(Live::open(&dir.join("live"))?);
        write_stamp(dir, origin)?;
        let segments = Arc::new(Segments::open(&dir.join("sealed")).map_err(io_error)?);
        let size = live.size()?;
        let sealer = Arc::new(Sealer::new(live.clone(), segments)?);
        let worker = sealer.clone();
        let thread = std::thread::Builder::new()
            .name("vouchlog-sealer".into())
            .spawn(move || worker.run())
            .map_err(io_error)?;
        Ok(Self {
            dir: dir.to_owned(),
            options,
            live,
            sealer,
            writer: Mutex::new(Writer { size, stopped: None }),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The origin of the log whose store is in `dir`; `None` when there is no store.
    pub fn origin(dir: &Path) -> Result<Option<String>, StoreError> {
        let text = match fs::read_to_string(dir.join("FORMAT")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(io_error)?,
        };
        let (stamp, rest) = text.split_once('\n').unwrap_or((&text, ""));
        if stamp != STAMP {
            return Err(StoreError::Foreign(format!(
                "the data directory has format `{}`, this program reads `{STAMP}`: use the version that made it",
                stamp.escape_default()
            )));
        }
        match rest.strip_prefix("origin ").and_then(|line| line.strip_suffix('\n')) {
            Some(origin) => Ok(Some(origin.to_owned())),
            None => Err(StoreError::Damaged("its FORMAT file names no origin".into())),
        }
    }

    fn no_room(&self) -> Option<String> {
        let free = fs4::available_space(&self.dir).ok()?;
        let needed = self.options.min_free_bytes;
        (free < needed)
            .then(|| format!("the disk is full: {free} bytes are free, at least {needed} are kept"))
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
        if let Some(full) = self.no_room() {
            return Err(CommitError::Refused(full));
        }
        self.sealer.admit_commit().map_err(CommitError::Refused)?;
        match self.live.commit(&batch) {
            Ok(records) => {
                writer.size = Some(batch.head.tree.size.get());
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

fn check_stamp(dir: &Path, origin: &str) -> Result<(), StoreError> {
    match SledStore::origin(dir)? {
        None if dir.join("live").exists() => {
            Err(StoreError::Damaged("the data directory has a database but no FORMAT file".into()))
        }
        Some(found) if found != origin => Err(StoreError::Foreign(format!(
            "the data directory belongs to the log `{found}`, not to `{origin}`: give each log its own directory"
        ))),
        _ => Ok(()),
    }
}

/// The stamp is written once the database exists, and before anything is in it.
fn write_stamp(dir: &Path, origin: &str) -> Result<(), StoreError> {
    let stamp = dir.join("FORMAT");
    if stamp.exists() {
        return Ok(());
    }
    let temporary = dir.join("FORMAT.new");
    fs::write(&temporary, format!("{STAMP}\norigin {origin}\n")).map_err(io_error)?;
    fs::File::open(&temporary).and_then(|file| file.sync_all()).map_err(io_error)?;
    fs::rename(&temporary, &stamp).map_err(io_error)?;
    sync_dir(dir).map_err(io_error)
}

/// An operating-system error without the path of the machine.
pub(crate) fn io_error(error: io::Error) -> StoreError {
    StoreError::Io(error.to_string())
}
