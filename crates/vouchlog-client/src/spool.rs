//! The spool: statements that wait for their receipt, and what a gateway must remember to go on where it stopped.
//!
//! ```text
//! <state directory, only its owner can enter>
//!   FORMAT                 whose spool this is
//!   stream-<key id>.key    secret key of the stream (keys.rs)
//!   spool/                 a database of its own, one atomic durable write for each group of changes:
//!     "n" || position (8)    up to 512 statements from that position on, 37 bytes each: kind[1] evidence[4] digest[32]
//!     "state"                the stream, how far it is acknowledged, the log's last verified checkpoint (state.rs)
//! ```
//!
//! Positions count the statements ever spooled and never change; the statement with sequence number 0 of the present stream
//! has position `state.base`. So the root of the stream at any size is a function of what is on disk, whenever it is signed:
//! a gateway that restarts cannot sign two histories.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use parking_lot::Mutex;
use thiserror::Error;
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_runtime::durable::{self, Mode};
use vouchlog_stream::Statement;

use crate::limits::{LOCK_PATIENCE, RECORD_STATEMENTS};

mod keys;
mod state;

pub(crate) use keys::StreamKeys;
pub(crate) use state::{State, StreamRecord};

/// First line of the stamp. Another number is another layout.
const STAMP: &str = "vouchlog spool 1";
const STATE: &[u8] = b"state";
const RECORD: u8 = b'n';
const LEAF: usize = Statement::LEAF_BYTES;
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

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
    /// What is on disk makes no sense.
    #[error("the spool is damaged: {0}")]
    Damaged(String),
    /// The disk failed, or is full.
    #[error("the spool cannot be written or read: {0}")]
    Io(String),
    /// It holds as many statements as it may. None of the submission was taken.
    #[error("the spool is full: it holds {held} statements of at most {limit}; the log must take some first")]
    Full {
        /// Statements it holds.
        held: u64,
        /// Statements it may hold.
        limit: u64,
    },
}

/// Whose spool it is. A spool of one log or gateway must never be sent as another's.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) origin: Origin,
    pub(crate) log: VerifyingKey,
    pub(crate) gateway: VerifyingKey,
}

/// An open spool.
#[derive(Debug)]
pub(crate) struct Spool {
    db: sled::Db,
    /// For fdatasync: the database's `flush` writes to this file but does not sync it.
    file: File,
    marks: Mutex<Marks>,
}

/// Where the statements on disk begin and end.
#[derive(Clone, Debug)]
struct Marks {
    /// First position that is not acknowledged.
    acknowledged: u64,
    end: u64,
    /// Set once the outcome of a write is unknown: nothing more is written until the spool is opened anew.
    failed: Option<SpoolError>,
}

impl Spool {
    /// Opens the spool in `dir`, or makes it, and reads its state.
    pub(crate) fn open(dir: &Path, owner: &Owner) -> Result<(Self, State), SpoolError> {
        durable::private_dir(dir).map_err(io_error)?;
        check_owner(dir, owner)?;
        let db_dir = dir.join("spool");
        let db = open_database(&db_dir)?;
        let file = File::open(db_dir.join("db")).map_err(io_error)?;
        let state = match db.get(STATE).map_err(sled_error)? {
            None => State::default(),
            Some(bytes) => State::from_bytes(&bytes).ok_or_else(|| damaged("its state cannot be read"))?,
        };
        let marks = Marks { acknowledged: state.position(), end: state.position(), failed: None };
        let spool = Self { db, file, marks: Mutex::new(marks) };
        spool.marks.lock().end = spool.check_records(state.position())?;
        spool.sync()?;
        durable::sync_dir(&db_dir).map_err(io_error)?;
        Ok((spool, state))
    }

    /// Position after the last statement.
    pub(crate) fn end(&self) -> u64 {
        self.marks.lock().end
    }

    /// How many statements wait for a receipt.
    pub(crate) fn len(&self) -> u64 {
        let marks = self.marks.lock();
        marks.end - marks.acknowledged
    }

    /// Takes statements and a new state, as one, and returns once they survive a power cut. What the state acknowledges is
    /// forgotten.
    pub(crate) fn commit(&self, statements: &[Statement], state: Option<&State>) -> Result<(), SpoolError> {
        let Marks { mut acknowledged, end, failed } = self.marks.lock().clone();
        if let Some(error) = failed {
            return Err(error);
        }
        let mut write = sled::Batch::default();
        for (record, first) in statements.chunks(RECORD_STATEMENTS).zip((end..).step_by(RECORD_STATEMENTS)) {
            let value: Vec<u8> = record.iter().flat_map(Statement::leaf_data).collect();
            write.insert(record_key(first).as_slice(), value);
        }
        if let Some(state) = state {
            acknowledged = state.position();
            for item in self.db.scan_prefix([RECORD]) {
                let (key, value) = item.map_err(sled_error)?;
                let (first, count) = record(&key, &value)?;
                if first + count > acknowledged {
                    break;
                }
                write.remove(key);
            }
            write.insert(STATE, state.to_bytes());
        }
        let written = self.db.apply_batch(write).map_err(sled_error).and_then(|()| self.sync());
        let mut marks = self.marks.lock();
        if let Err(error) = written {
            marks.failed = Some(error.clone());
            return Err(error);
        }
        (marks.acknowledged, marks.end) = (acknowledged, end + statements.len() as u64);
        Ok(())
    }

    /// The statements from a position on, at most `count`; fewer at the end.
    pub(crate) fn read(&self, from: u64, count: usize) -> Result<Vec<Statement>, SpoolError> {
        let mut statements = Vec::with_capacity(count.min(4 * RECORD_STATEMENTS));
        // The record that holds `from` begins at most so far before it.
        let earliest = record_key(from.saturating_sub(RECORD_STATEMENTS as u64 - 1));
        for item in self.db.range(earliest.as_slice()..=record_key(u64::MAX).as_slice()) {
            let (key, value) = item.map_err(sled_error)?;
            let (first, held) = record(&key, &value)?;
            if first + held <= from {
                continue;
            }
            if first > from + statements.len() as u64 {
                return Err(damaged("statements are missing"));
            }
            let skip = usize::try_from(from.saturating_sub(first)).expect("a record is small");
            for leaf in value.as_chunks::<LEAF>().0.iter().skip(skip) {
                if statements.len() == count {
                    return Ok(statements);
                }
                let statement =
                    Statement::from_leaf_data(leaf).map_err(|_| damaged("a statement is none"))?;
                statements.push(statement);
            }
        }
        Ok(statements)
    }

    /// The records follow one another without a gap from the first statement that is not acknowledged; where they end.
    fn check_records(&self, acknowledged: u64) -> Result<u64, SpoolError> {
        let mut next = None;
        for item in self.db.scan_prefix([RECORD]) {
            let (key, value) = item.map_err(sled_error)?;
            let (first, count) = record(&key, &value)?;
            if next.unwrap_or(first) != first || (next.is_none() && first > acknowledged) {
                return Err(damaged("statements are missing"));
            }
            next = Some(first + count);
        }
        match next {
            Some(end) if end < acknowledged => Err(damaged("it ends before what is acknowledged")),
            end => Ok(end.unwrap_or(acknowledged)),
        }
    }

    /// `flush` hands the bytes to the kernel; fdatasync makes them survive a power cut. Both are needed.
    fn sync(&self) -> Result<(), SpoolError> {
        self.db.flush().map_err(sled_error)?;
        self.file.sync_data().map_err(io_error)
    }
}

fn record_key(first: u64) -> [u8; 9] {
    let mut key = [RECORD; 9];
    key[1..].copy_from_slice(&first.to_be_bytes());
    key
}

/// First position of a record, and how many statements it holds.
fn record(key: &[u8], value: &[u8]) -> Result<(u64, u64), SpoolError> {
    let first =
        key[1..].try_into().map(u64::from_be_bytes).map_err(|_| damaged("a record has no position"))?;
    if value.is_empty() || !value.len().is_multiple_of(LEAF) || value.len() > RECORD_STATEMENTS * LEAF {
        return Err(damaged("a record is of no length"));
    }
    let count = (value.len() / LEAF) as u64;
    first.checked_add(count).ok_or_else(|| damaged("a position is past every other"))?;
    Ok((first, count))
}

/// Reads the stamp, or writes it into a new directory.
fn check_owner(dir: &Path, owner: &Owner) -> Result<(), SpoolError> {
    let path = dir.join("FORMAT");
    let Owner { origin, log, gateway } = owner;
    let ours = format!("{STAMP}\norigin {origin}\nlog {log}\ngateway {gateway}\n");
    let Some(theirs) = durable::read_bounded(&path, 16 * 1024).map_err(io_error)? else {
        if fs::exists(dir.join("spool")).map_err(io_error)? {
            return Err(damaged("its FORMAT file is missing"));
        }
        return durable::write(&path, ours.as_bytes(), Mode::Private).map_err(io_error);
    };
    let theirs = String::from_utf8_lossy(&theirs);
    if theirs == ours {
        return Ok(());
    }
    let dir = dir.display();
    let foreign = |message: String| Err(SpoolError::Foreign(message));
    if theirs.lines().next() != Some(STAMP) {
        return foreign(format!("{dir} is no spool of format `{STAMP}`: use another state directory"));
    }
    for (line, our_line) in theirs.lines().zip(ours.lines()) {
        if line != our_line {
            return foreign(format!(
                "{dir} is the spool of `{}`, not of `{our_line}`: use another state directory",
                line.escape_default()
            ));
        }
    }
    Err(damaged("its FORMAT file is cut short"))
}

/// Opens the database, turning its panics on damaged files into errors, and waiting a little for a lock that is being let go.
fn open_database(dir: &Path) -> Result<sled::Db, SpoolError> {
    let deadline = Instant::now() + LOCK_PATIENCE;
    loop {
        let config = sled::Config::default().path(dir).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            Ok(Err(error)) if error.to_string().contains("could not acquire lock") => {
                if Instant::now() > deadline {
                    return Err(SpoolError::InUse(dir.to_owned()));
                }
                std::thread::sleep(std::time::Duration::from_millis(20));
            }
            Ok(Err(error)) => return Err(sled_error(error)),
            Err(_) => return Err(damaged("its database cannot be opened")),
        }
    }
}

fn damaged(what: &str) -> SpoolError {
    SpoolError::Damaged(what.to_owned())
}

fn sled_error(error: sled::Error) -> SpoolError {
    match error {
        sled::Error::Corruption { .. } => damaged("its database cannot be read"),
        other => SpoolError::Io(other.to_string()),
    }
}

fn io_error(error: impl Into<io::Error>) -> SpoolError {
    SpoolError::Io(error.into().to_string())
}

#[cfg(test)]
mod tests;
