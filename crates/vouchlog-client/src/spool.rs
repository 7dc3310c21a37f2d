//! The spool: statements that wait for their receipt, and what a gateway must remember to go on where it stopped.
//!
//! ```text
//! <state directory, only its owner can enter>
//!   FORMAT                 whose spool this is, and whether it had begun (format.rs)
//!   STREAM                 the stream that was written to last
//!   stream-<key id>.key    secret key of the stream (keys.rs)
//!   spool/                 a ledger (vouchlog-ledger), one record for each group of changes (record.rs)
//! ```
//!
//! Positions count the statements ever spooled and never change; the statement with sequence number 0 of the present stream
//! has position `state.base`. So the root of the stream at any size is a function of what is on disk, whenever it is signed:
//! a gateway that restarts cannot sign two histories.
//!
//! The ledger notices when it is not what was written. A spool that is damaged, cut, gone, or older than its MARK is refused, and never
//! opened as an emptier one. After 4 MiB it begins a new file with a snapshot of the state, and deletes files whose statements are
//! all acknowledged. In memory are the state and the waiting statements (waiting.rs).

use std::collections::{HashSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use thiserror::Error;
use vouchlog_ledger::{AppendError, Disk, Folder, Ledger, LedgerError};
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_runtime::durable;
use vouchlog_stream::{Digest, Statement, StreamId};

use crate::limits::{LOCK_PATIENCE, MAX_COMMIT_BYTES, SPOOL_FILE_BYTES};

mod format;
mod keys;
mod record;
mod state;
mod waiting;

pub(crate) use keys::StreamKeys;
pub(crate) use state::{State, StreamRecord};

use format::Format;
use record::Replay;
use waiting::Waiting;

/// What the ledger's records are.
const PURPOSE: &str = "spool";

/// Why a spool cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another process, or another gateway of this one, has it open.
    #[error("the state directory {0} is in use by another process: each gateway needs its own")]
    InUse(PathBuf),
    /// It belongs to another log or gateway, or has another format.
    #[error("{0}")]
    Foreign(String),
    /// What is on disk is not what was written. The message names the file and what an operator can do.
    #[error("the spool is damaged: {0}")]
    Damaged(String),
    /// The disk failed: what became of the last write is unknown, so nothing more is written until the spool is opened again.
    #[error("the spool cannot be written or read: {0}")]
    Io(String),
    /// Nothing was written, because the disk is nearly full or the process has too many files open. It may succeed later.
    #[error("the spool accepts nothing now: {0}")]
    Refused(String),
    /// It holds as many statements as it may. None of the submission was taken.
    #[error("the spool is full: it holds {held} statements of at most {limit}; the log must take some first")]
    Full {
        /// Statements it holds.
        held: u64,
        /// Statements it may hold.
        limit: u64,
    },
}

impl SpoolError {
    /// Whether the same may succeed later, without opening the spool again.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Full { .. })
    }
}

/// Whose spool it is. A spool of one log or gateway must never be sent as another's.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) origin: Origin,
    pub(crate) log: VerifyingKey,
    pub(crate) gateway: VerifyingKey,
}

/// How to open a spool.
#[derive(Clone, Debug)]
pub(crate) struct SpoolOptions {
    /// Where its ledger is; `None` is the folder `spool` in its directory.
    pub(crate) disk: Option<Arc<dyn Disk>>,
    /// Bytes of the disk that are left free.
    pub(crate) min_free: u64,
    /// Random: no other ledger has the same.
    pub(crate) identity: [u8; 16],
}

/// An open spool.
#[derive(Debug)]
pub(crate) struct Spool {
    files: Mutex<Files>,
    waiting: Mutex<Waiting>,
    /// Why the last write was refused or failed; for callers that ask while a write is in flight.
    trouble: Mutex<Option<SpoolError>>,
    format: Format,
    last_stream: Option<StreamId>,
}

/// The writing side.
#[derive(Debug)]
struct Files {
    ledger: Ledger,
    /// Each file with the position that its statements begin at.
    begins: VecDeque<(u64, u64)>,
    state: State,
}

impl Spool {
    /// Opens the spool in `dir`, or makes it, and reads its state.
    pub(crate) fn open(
        dir: &Path,
        owner: &Owner,
        options: SpoolOptions,
    ) -> Result<(Self, State), SpoolError> {
        durable::private_dir(dir).map_err(io_error)?;
        let mut format = Format::open(dir, owner)?;
        let mut replay = Replay::default();
        let ledger = open_ledger(&format, options, &mut replay)?;
        format.begin()?;
        let Replay { state, waiting, files, .. } = replay;
        let last_stream = format.last_stream();
        let spool = Self {
            files: Mutex::new(Files { ledger, begins: files, state: state.clone() }),
            waiting: Mutex::new(waiting),
            trouble: Mutex::new(None),
            format,
            last_stream,
        };
        Ok((spool, state))
    }

    /// Position after the last statement.
    pub(crate) fn end(&self) -> u64 {
        self.waiting.lock().end()
    }

    /// How many statements wait for a receipt.
    pub(crate) fn len(&self) -> u64 {
        let waiting = self.waiting.lock();
        waiting.end() - waiting.first()
    }

    /// Takes statements and a new state, as one, and returns once they survive a power cut. What the state acknowledges is
    /// forgotten.
    pub(crate) fn commit(&self, statements: &[Statement], state: Option<&State>) -> Result<(), SpoolError> {
        let mut files = self.files.lock();
        if let Some(error) = self.trouble.lock().as_ref().filter(|error| !error.may_pass()) {
            return Err(error.clone());
        }
        let record = record::entry(self.end(), state, statements);
        if record.len() > MAX_COMMIT_BYTES {
            return Err(SpoolError::Refused(format!(
                "a submission takes {} bytes, more than {MAX_COMMIT_BYTES}: submit in parts",
                record.len()
            )));
        }
        let written = files.ledger.append(&[&record]).map_err(append_error);
        *self.trouble.lock() = written.as_ref().err().cloned();
        written?;
        {
            let mut waiting = self.waiting.lock();
            statements.iter().for_each(|statement| waiting.push(statement.leaf_data()));
            if let Some(state) = state {
                waiting.forget_before(state.position());
                files.state = state.clone();
            }
        }
        if let Err(error) = files.tidy(self.end()) {
            // What was asked for is durable. A refusal passes, anything else is final.
            tracing::warn!(%error, "the spool could not start a new file");
            if !error.may_pass() {
                *self.trouble.lock() = Some(error);
            }
        }
        Ok(())
    }

    /// The statements from a position on, at most `count`; fewer at the end.
    pub(crate) fn read(&self, from: u64, count: usize) -> Result<Vec<Statement>, SpoolError> {
        self.waiting.lock().read(from, count)
    }

    /// Those of the digests whose statements wait.
    pub(crate) fn pending(&self, digests: &HashSet<Digest>) -> HashSet<Digest> {
        self.waiting.lock().pending(digests)
    }

    /// Why nothing can be written at the moment, if so. Never waits for a write.
    pub(crate) fn trouble(&self) -> Option<SpoolError> {
        let last = self.trouble.lock().clone();
        if last.as_ref().is_some_and(|error| !error.may_pass()) {
            return last;
        }
        // Room may have been made, or used up, since the last write.
        match self.files.try_lock() {
            Some(files) => files.ledger.impediment().map(SpoolError::Refused),
            None => last,
        }
    }

    /// The stream that was written to before this spool was opened, as far as its directory still tells.
    pub(crate) fn last_stream(&self) -> Option<StreamId> {
        self.last_stream
    }

    /// Remembers the stream that is written to, to be continued if the spool is lost.
    pub(crate) fn note_stream(&self, id: StreamId) -> Result<(), SpoolError> {
        self.format.note_stream(id)
    }
}

impl Files {
    /// Begins a new file when one is long enough, and deletes those that hold nothing that waits.
    fn tidy(&mut self, end: u64) -> Result<(), SpoolError> {
        if self.ledger.length() >= SPOOL_FILE_BYTES {
            self.ledger.rotate([record::snapshot(end, &self.state)]).map_err(append_error)?;
            self.begins.push_back((self.ledger.newest(), end));
        }
        let acknowledged = self.state.position();
        while self.begins.get(1).is_some_and(|(_, begins)| *begins <= acknowledged) {
            self.begins.pop_front();
        }
        match self.begins.front() {
            Some((oldest, _)) => self.ledger.forget_before(*oldest).map_err(append_error),
            None => Ok(()),
        }
    }
}

/// Opens the ledger, waiting a little for a lock that is being let go, or makes it where there was none.
fn open_ledger(format: &Format, options: SpoolOptions, replay: &mut Replay) -> Result<Ledger, SpoolError> {
    let path = format.ledger();
    let SpoolOptions { disk, min_free, identity } = options;
    let exists = match &disk {
        Some(disk) => Ledger::exists(&**disk).map_err(io_error)?,
        None => path.is_dir() && Ledger::exists(&Folder::new(&path)).map_err(io_error)?,
    };
    if !exists && format.has_begun() {
        let lost = format!("the ledger in {} is missing. {}", path.display(), format.way_on());
        return Err(damaged(&lost));
    }
    let disk = match disk {
        Some(disk) => disk,
        None => {
            durable::private_dir(&path).map_err(io_error)?;
            Arc::new(Folder::new(&path))
        }
    };
    let options = vouchlog_ledger::Options { purpose: PURPOSE, min_free_bytes: min_free };
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        *replay = Replay::default();
        let opened = if exists {
            Ledger::open(disk.clone(), options, &mut |item| replay.take(item)).map(|(ledger, _)| ledger)
        } else {
            replay.files.push_back((1, 0));
            Ledger::create(disk.clone(), options, identity, &[&record::snapshot(0, &State::default())])
        };
        match opened {
            Ok(ledger) => {
                let whole = replay.finish();
                whole.map_err(|reason| {
                    damaged(&format!("{}: {reason}. {}", path.display(), format.way_on()))
                })?;
                return Ok(ledger);
            }
            Err(LedgerError::InUse) if Instant::now() <= deadline => {
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Err(error) => return Err(refusal(format, &error, replay)),
        }
    }
}

/// Why a ledger is not opened: the file, what is wrong, which statements are concerned, and what to do.
fn refusal(format: &Format, error: &LedgerError, replay: &Replay) -> SpoolError {
    let path = format.ledger();
    if matches!(error, LedgerError::InUse) {
        return SpoolError::InUse(path.parent().unwrap_or(&path).to_owned());
    }
    if !error.is_damage() {
        return SpoolError::Io(format!("{}/{error}", path.display()));
    }
    let (first, end) = (replay.state.position(), replay.waiting.end());
    damaged(&format!(
        "{}/{error}. In the readable part, statements from position {first} have no receipt yet, and {} of them can be read. Those submitted without a vault must be submitted again. {}",
        path.display(),
        end.saturating_sub(first),
        format.way_on()
    ))
}

fn damaged(what: &str) -> SpoolError {
    SpoolError::Damaged(what.to_owned())
}

fn append_error(error: AppendError) -> SpoolError {
    match error {
        AppendError::Refused(reason) => SpoolError::Refused(reason),
        AppendError::Unknown(reason) => SpoolError::Io(reason),
    }
}

fn io_error(error: impl Into<io::Error>) -> SpoolError {
    SpoolError::Io(error.into().to_string())
}

#[cfg(test)]
mod tests;
