//! The second copy of the living part: each commit as a record of a ledger.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use vouchlog_ledger::{AppendError, Disk, DiskFile, Item, Ledger, LedgerError, Options, Summary, inspect};
use vouchlog_runtime::scope::in_span;
use vouchlog_storage::{Batch, CommitError, Epoch, StoreError};

use crate::contents::{Contents, encode_commit, encode_sealed};

pub(crate) const PURPOSE: &str = "log";
/// A new file is begun once the newest is longer than this, or than four snapshots.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// How the ledger is written.
#[derive(Clone, Copy, Debug)]
pub struct BookOptions {
    /// Writes are refused while the file system has less room than this, in bytes.
    pub min_free_bytes: u64,
    /// A new file is begun once the newest is longer than this, or than four snapshots.
    pub file_bytes: u64,
    /// Where the ledger is synced.
    pub syncing: Syncing,
}

impl BookOptions {
    /// Those of a log: files of 32 MiB, synced on a thread.
    pub(crate) fn new(min_free_bytes: u64) -> Self {
        Self { min_free_bytes, file_bytes: FILE_BYTES, syncing: Syncing::OnThread }
    }

    fn ledger(self) -> Options {
        Options { purpose: PURPOSE, min_free_bytes: self.min_free_bytes }
    }
}

/// Where the ledger is synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncing {
    /// On a thread of its own, beside the sync of the other copy.
    OnThread,
    /// By the committing thread, after the other copy: a simulation repeats a run exactly.
    InPlace,
}

/// The ledger, open for writing.
#[derive(Debug)]
pub struct Book {
    options: BookOptions,
    ledger: Ledger,
    /// Each file with the size the log had when it was begun.
    files: VecDeque<(u64, u64)>,
    snapshot_bytes: u64,
    syncer: Syncer,
}

impl Book {
    /// Reads the ledger in `disk` without changing anything; `None` when there is none.
    pub fn read(disk: &dyn Disk) -> Result<Option<(Contents, Summary)>, LedgerError> {
        Self::read_if(disk, |_| true)
    }

    /// As [`read`](Self::read), up to the last record that MARK confirms: a running log cannot take these back.
    pub(crate) fn read_confirmed(disk: &dyn Disk) -> Result<Option<Contents>, LedgerError> {
        Ok(Self::read_if(disk, |item| item.acknowledged)?.map(|(contents, _)| contents))
    }

    fn read_if(
        disk: &dyn Disk,
        is_wanted: impl Fn(&Item<'_>) -> bool,
    ) -> Result<Option<(Contents, Summary)>, LedgerError> {
        let exists = match Ledger::exists(disk) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            other => other.map_err(LedgerError::io("listed", "ledger"))?,
        };
        if !exists {
            return Ok(None);
        }
        let mut contents = Contents::default();
        let summary = inspect(disk, PURPOSE, &mut |item| {
            if is_wanted(&item) { contents.replay(item) } else { Ok(()) }
        })?;
        Ok(Some((contents, summary)))
    }

    /// Opens the ledger in `disk`.
    pub fn open(disk: Arc<dyn Disk>, options: BookOptions) -> Result<Self, StoreError> {
        let mut contents = Contents::default();
        let mut files = VecDeque::new();
        let (ledger, _) = Ledger::open(disk, options.ledger(), &mut |item| {
            contents.replay(item)?;
            if item.snapshot == Some(0) {
                files.push_back((item.file, contents.size()));
            }
            Ok(())
        })
        .map_err(|error| store_error(&error))?;
        let syncer = Syncer::start(options.syncing)?;
        Ok(Self { options, ledger, files, snapshot_bytes: 0, syncer })
    }

    /// Makes a ledger in the empty folder `disk` that begins with `contents`. `identity` is random: 16 bytes that no other
    /// ledger has.
    pub fn create(
        disk: Arc<dyn Disk>,
        options: BookOptions,
        identity: [u8; 16],
        contents: &Contents,
    ) -> Result<Self, StoreError> {
        let pieces = contents.snapshot();
        let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
        let ledger =
            Ledger::create(disk, options.ledger(), identity, &pieces).map_err(|error| store_error(&error))?;
        let files = VecDeque::from([(ledger.newest(), contents.sealed.min(contents.size()))]);
        let snapshot_bytes = ledger.length();
        let syncer = Syncer::start(options.syncing)?;
        Ok(Self { options, ledger, files, snapshot_bytes, syncer })
    }

    /// Writes a commit to the ledger and begins its sync, to be awaited with [`finish`](Self::finish).
    pub fn begin(&mut self, commits: u64, epoch: Epoch, batch: &Batch) -> Result<(), CommitError> {
        let record = encode_commit(commits, epoch, batch);
        self.ledger.write(&[&record]).map_err(commit_error)?;
        self.syncer.begin(self.ledger.file());
        Ok(())
    }

    /// Waits for the sync of what was begun.
    pub fn finish(&mut self) -> Result<(), CommitError> {
        let outcome = self.syncer.finish();
        self.ledger.synced(outcome).map_err(commit_error)
    }

    /// Everything below `up_to` is sealed: files that hold nothing else are deleted.
    pub fn sealed(&mut self, up_to: u64) -> Result<(), AppendError> {
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
    pub fn is_long(&self) -> bool {
        self.ledger.length() > self.options.file_bytes.max(4 * self.snapshot_bytes)
    }

    /// Begins another file with a snapshot, at `size`.
    pub fn rotate(&mut self, size: u64, snapshot: &[Vec<u8>]) -> Result<(), AppendError> {
        self.ledger.rotate(snapshot)?;
        self.files.push_back((self.ledger.newest(), size));
        self.snapshot_bytes = self.ledger.length();
        Ok(())
    }

    /// Whether nothing more is written until it is opened again.
    pub fn has_failed(&self) -> bool {
        self.ledger.failure().is_some()
    }

    /// Why no commits are taken at the moment, if so.
    pub fn impediment(&self) -> Option<String> {
        self.ledger.impediment()
    }
}

/// Syncs one file at a time, so that two files can be made durable at once.
#[derive(Debug)]
enum Syncer {
    Thread { files: SyncSender<Arc<dyn DiskFile>>, outcomes: Receiver<io::Result<()>> },
    InPlace { file: Option<Arc<dyn DiskFile>> },
}

impl Syncer {
    fn start(syncing: Syncing) -> Result<Self, StoreError> {
        if syncing == Syncing::InPlace {
            return Ok(Self::InPlace { file: None });
        }
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
        thread.spawn(in_span(run)).map_err(|error| StoreError::Io(error.to_string()))?;
        Ok(Self::Thread { files, outcomes })
    }

    fn begin(&mut self, new: Arc<dyn DiskFile>) {
        match self {
            // A thread that is gone is noticed in `finish`.
            Self::Thread { files, .. } => drop(files.send(new)),
            Self::InPlace { file } => *file = Some(new),
        }
    }

    fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Thread { outcomes, .. } => {
                outcomes.recv().unwrap_or_else(|_| Err(io::Error::other("the syncing thread ended")))
            }
            Self::InPlace { file } => file.take().map_or(Ok(()), |file| file.sync_data()),
        }
    }
}

fn commit_error(error: AppendError) -> CommitError {
    match error {
        AppendError::Refused(reason) => CommitError::Refused(reason),
        AppendError::Unknown(reason) => CommitError::Unknown(reason),
    }
}

/// Random bytes that no other ledger has.
pub(crate) fn new_identity() -> Result<[u8; 16], StoreError> {
    let mut identity = [0; 16];
    getrandom::fill(&mut identity).map_err(|error| StoreError::Io(error.to_string()))?;
    Ok(identity)
}

/// As the store reports it: files are named from the data directory on.
pub fn store_error(error: &LedgerError) -> StoreError {
    match error {
        LedgerError::InUse => StoreError::InUse,
        LedgerError::Io { .. } => StoreError::Io(format!("ledger/{error}")),
        _ => StoreError::Damaged(format!("ledger/{error}")),
    }
}
