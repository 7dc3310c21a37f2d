//! The second copy of the living part: each commit as a record of a ledger.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use vouchlog_ledger::{AppendError, DiskFile, Folder, Item, Ledger, LedgerError, Options, Summary, inspect};
use vouchlog_storage::{Batch, CommitError, Epoch, StoreError};

use crate::contents::{Contents, encode_commit, encode_sealed};

pub(crate) const PURPOSE: &str = "log";
/// A new file is begun once the newest is longer than this, or than four snapshots.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// The ledger, open for writing.
#[derive(Debug)]
pub(crate) struct Book {
    ledger: Ledger,
    /// Each file with the size the log had when it was begun.
    files: VecDeque<(u64, u64)>,
    snapshot_bytes: u64,
    syncer: Syncer,
}

impl Book {
    /// Reads the ledger in `dir` without changing anything; `None` when there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<(Contents, Summary)>, LedgerError> {
        Self::read_if(dir, |_| true)
    }

    /// As [`read`](Self::read), up to the last record that MARK confirms: a running log cannot take these back.
    pub(crate) fn read_confirmed(dir: &Path) -> Result<Option<Contents>, LedgerError> {
        Ok(Self::read_if(dir, |item| item.acknowledged)?.map(|(contents, _)| contents))
    }

    fn read_if(
        dir: &Path,
        is_wanted: impl Fn(&Item<'_>) -> bool,
    ) -> Result<Option<(Contents, Summary)>, LedgerError> {
        let disk = Folder::new(dir);
        let exists = match Ledger::exists(&disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            other => other.map_err(LedgerError::io("listed", "ledger"))?,
        };
        if !exists {
            return Ok(None);
        }
        let mut contents = Contents::default();
        let summary = inspect(&disk, PURPOSE, &mut |item| {
            if is_wanted(&item) { contents.replay(item) } else { Ok(()) }
        })?;
        Ok(Some((contents, summary)))
    }

    /// Opens the ledger in `dir`.
    pub(crate) fn open(dir: &Path, min_free_bytes: u64) -> Result<Self, StoreError> {
        let mut contents = Contents::default();
        let mut files = VecDeque::new();
        let (ledger, _) = Ledger::open(Arc::new(Folder::new(dir)), options(min_free_bytes), &mut |item| {
            contents.replay(item)?;
            if item.snapshot == Some(0) {
                files.push_back((item.file, contents.size()));
            }
            Ok(())
        })
        .map_err(|error| store_error(&error))?;
        Ok(Self { ledger, files, snapshot_bytes: 0, syncer: Syncer::start()? })
    }

    /// Makes a ledger in the empty folder `dir` that begins with `contents`.
    pub(crate) fn create(dir: &Path, min_free_bytes: u64, contents: &Contents) -> Result<Self, StoreError> {
        let mut identity = [0; 16];
        getrandom::fill(&mut identity).map_err(|error| StoreError::Io(error.to_string()))?;
        let pieces = contents.snapshot();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let ledger = Ledger::create(Arc::new(Folder::new(dir)), options(min_free_bytes), identity, &pieces)
            .map_err(|error| store_error(&error))?;
        let files = VecDeque::from([(ledger.newest(), contents.sealed.min(contents.size()))]);
        let snapshot_bytes = ledger.length();
        Ok(Self { ledger, files, snapshot_bytes, syncer: Syncer::start()? })
    }

    /// Writes a commit to the ledger and hands its sync to another thread, to be awaited with [`finish`](Self::finish).
    pub(crate) fn begin(&mut self, commits: u64, epoch: Epoch, batch: &Batch) -> Result<(), CommitError> {
        let record = encode_commit(commits, epoch, batch);
        self.ledger.write(&[&record]).map_err(commit_error)?;
        self.syncer.begin(self.ledger.file());
        Ok(())
    }

    /// Waits for the sync of what was begun.
    pub(crate) fn finish(&mut self) -> Result<(), CommitError> {
        let outcome = self.syncer.finish();
        self.ledger.synced(outcome).map_err(commit_error)
    }

    /// Everything below `up_to` is sealed: files that hold nothing else are deleted.
    pub(crate) fn sealed(&mut self, up_to: u64) -> Result<(), AppendError> {
        let Some((keep, _)) = self.files.iter().rev().find(|(_, size)| *size <= up_to).copied() else {
            return Ok(());
        };
        if keep == self.ledger.oldest() {
            return Ok(());
        }
        // Which entries are needed must be known from the files that stay.
        self.ledger.append(&[&encode_sealed(up_to)])?;
        self.ledger.forget_before(keep)?;
        self.files.retain(|(file, _)| *file >= keep);
        Ok(())
    }

    /// Whether the newest file is long enough to begin another.
    pub(crate) fn is_long(&self) -> bool {
        self.ledger.length() > FILE_BYTES.max(4 * self.snapshot_bytes)
    }

    /// Begins another file with a snapshot, at `size`.
    pub(crate) fn rotate(&mut self, size: u64, snapshot: &[Vec<u8>]) -> Result<(), AppendError> {
        let pieces: Vec<&[u8]> = snapshot.iter().map(Vec::as_slice).collect();
        self.ledger.rotate(&pieces)?;
        self.files.push_back((self.ledger.newest(), size));
        self.snapshot_bytes = self.ledger.length();
        Ok(())
    }

    /// Whether nothing more is written until it is opened again.
    pub(crate) fn has_failed(&self) -> bool {
        self.ledger.failure().is_some()
    }

    pub(crate) fn impediment(&self) -> Option<String> {
        self.ledger.impediment()
    }
}

fn options(min_free_bytes: u64) -> Options {
    Options { purpose: PURPOSE, min_free_bytes }
}

/// A thread that syncs one file at a time, so that two files can be made durable at once.
#[derive(Debug)]
struct Syncer {
    files: SyncSender<Arc<dyn DiskFile>>,
    outcomes: Receiver<io::Result<()>>,
}

impl Syncer {
    fn start() -> Result<Self, StoreError> {
        let (files, to_sync) = sync_channel::<Arc<dyn DiskFile>>(1);
        let (done, outcomes) = sync_channel(1);
        let run = move || {
            while let Ok(file) = to_sync.recv() {
                if done.send(file.sync_data()).is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("vouchlog-ledger".into());
        thread.spawn(run).map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self { files, outcomes })
    }

    fn begin(&self, file: Arc<dyn DiskFile>) {
        // A thread that is gone is noticed in `finish`.
        let _ = self.files.send(file);
    }

    fn finish(&self) -> io::Result<()> {
        self.outcomes.recv().unwrap_or_else(|_| Err(io::Error::other("the syncing thread ended")))
    }
}

fn commit_error(error: AppendError) -> CommitError {
    match error {
        AppendError::Refused(reason) => CommitError::Refused(reason),
        AppendError::Unknown(reason) => CommitError::Unknown(reason),
    }
}

/// As the store reports it: files are named from the data directory on.
pub(crate) fn store_error(error: &LedgerError) -> StoreError {
    match error {
        LedgerError::InUse => StoreError::InUse,
        LedgerError::Io { .. } => StoreError::Io(format!("ledger/{error}")),
        _ => StoreError::Damaged(format!("ledger/{error}")),
    }
}
