//! How many transactions of a SQLite vault were acknowledged, in a file beside the database. A database that has fewer lost some:
//! its write-ahead log was damaged, cut or deleted, or it is an older copy.
//!
//! ```text
//! slot = commits (8, big-endian), the first 8 bytes of SHA-256 over them; at byte 0 and at byte 512, written in turn
//! and at byte 1,024, in the same form: the newest generation of the list of principals
//! ```
//!
//! A commit is durable before it is noted here, and the note is not synced: after a power cut the mark may be too low, never too
//! high. The same holds when two processes write at once: each writes in place and counts with the database, which the slots of a
//! ledger do not allow, as they belong to one process and are created again when they are opened.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use vouchlog_merkle::sha256;
use vouchlog_runtime::durable::{self, Mode};

const SLOT: usize = 16;
/// Each slot has a sector of its own, so that a torn sector spoils one.
const STRIDE: u64 = 512;

/// The open file.
pub(crate) struct Mark(Mutex<File>);

impl Mark {
    /// Where the mark of a database is.
    pub(crate) fn path(database: &Path) -> PathBuf {
        let mut path = database.as_os_str().to_owned();
        path.push(".mark");
        path.into()
    }

    /// The commits that were acknowledged. 0 when there is no mark, or none that can be read: then nothing is known to be missing.
    pub(crate) fn read(database: &Path) -> io::Result<u64> {
        let path = Self::path(database);
        let mut bytes = Vec::new();
        match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            file => file?.take(STRIDE + SLOT as u64).read_to_end(&mut bytes)?,
        };
        let slot = |at: usize| decode(bytes.get(at..at + SLOT)?);
        let newest = slot(0).max(slot(usize::try_from(STRIDE).expect("it is small")));
        if newest.is_none() {
            tracing::warn!("{} cannot be read and is rebuilt from the database", path.display());
        }
        Ok(newest.unwrap_or(0))
    }

    /// The newest generation of the list of principals. 0 when there is no mark, or none that can be read.
    pub(crate) fn read_roster(database: &Path) -> io::Result<u64> {
        let mut file = match File::open(Self::path(database)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            file => file?,
        };
        file.seek(SeekFrom::Start(2 * STRIDE))?;
        let mut slot = [0; SLOT];
        match file.read_exact(&mut slot) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
            read => read.map(|()| decode(&slot).unwrap_or(0)),
        }
    }

    /// Opens the mark, or makes it.
    pub(crate) fn open(database: &Path) -> io::Result<Self> {
        let path = Self::path(database);
        match durable::create(&path, b"", Mode::Private) {
            Err(failed) if failed.kind() != io::ErrorKind::AlreadyExists => return Err(failed.error),
            _ => {}
        }
        Ok(Self(Mutex::new(OpenOptions::new().write(true).open(path)?)))
    }

    /// Notes that a commit is durable.
    pub(crate) fn note(&self, commits: u64) -> io::Result<()> {
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(commits % 2 * STRIDE))?;
        file.write_all(&encode(commits))
    }

    /// Notes that a generation of the list of principals is durable.
    pub(crate) fn note_roster(&self, generation: u64) -> io::Result<()> {
        let mut file = self.0.lock();
        file.seek(SeekFrom::Start(2 * STRIDE))?;
        file.write_all(&encode(generation))?;
        file.sync_data()
    }
}

fn encode(commits: u64) -> [u8; SLOT] {
    let mut slot = [0; SLOT];
    slot[..8].copy_from_slice(&commits.to_be_bytes());
    slot[8..].copy_from_slice(&sha256(&commits.to_be_bytes()).as_bytes()[..8]);
    slot
}

fn decode(slot: &[u8]) -> Option<u64> {
    let commits = u64::from_be_bytes(slot[..8].try_into().ok()?);
    (encode(commits) == slot).then_some(commits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_slot_that_can_be_read_counts() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("v.db");
        assert_eq!(Mark::read(&database).unwrap(), 0);
        let mark = Mark::open(&database).unwrap();
        assert_eq!(Mark::read(&database).unwrap(), 0);
        for commits in [1, 2, 7, 8] {
            mark.note(commits).unwrap();
            assert_eq!(Mark::read(&database).unwrap(), commits);
        }
        let whole = std::fs::read(Mark::path(&database)).unwrap();
        for (at, left) in [(0, 7), (520, 8)] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(Mark::path(&database), damaged).unwrap();
            assert_eq!(Mark::read(&database).unwrap(), left);
        }
        std::fs::write(Mark::path(&database), &whole[..8]).unwrap();
        assert_eq!(Mark::read(&database).unwrap(), 0);
    }
}
