//! The writing side.

use std::io;
use std::sync::Arc;

use vouchlog_merkle::Hash;

use crate::file::{FileHeader, Kind, RECORD, RecordHeader, file_name, file_number, purpose};
use crate::reader::{Reader, RecordAddress};
use crate::scan::{MARK, Mark, Scan, Summary, read};
use crate::slots::TwoSlots;
use crate::{AppendError, Disk, DiskFile, LedgerError, LockGuard};

/// The longest payload of one record.
const MAX_PAYLOAD: usize = 256 * 1024 * 1024;
/// Space is allocated in advance in steps of this size, so that most syncs need not change the file's length.
const ALLOCATION: u64 = 1024 * 1024;

/// How to open a ledger.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What its records are, in at most eight ASCII letters: a ledger of one purpose is never read as another.
    pub purpose: &'static str,
    /// Writes are refused while the file system has less room than this, in bytes.
    pub min_free_bytes: u64,
}

/// A ledger open for writing, in this process alone.
#[derive(Debug)]
pub struct Ledger {
    disk: Arc<dyn Disk>,
    options: Options,
    header: FileHeader,
    file: Arc<dyn DiskFile>,
    /// Where the next record begins.
    position: Position,
    allocated: u64,
    /// What the records written but not yet synced lead to.
    pending: Option<Position>,
    oldest: u64,
    mark: TwoSlots,
    /// Why nothing more is written.
    failed: Option<String>,
    #[expect(dead_code, reason = "held for its drop")]
    lock: LockGuard,
}

#[derive(Clone, Copy, Debug)]
struct Position {
    end: u64,
    next: u64,
    link: Hash,
}

impl Ledger {
    /// Whether there is a ledger, readable or not.
    pub fn exists(disk: &dyn Disk) -> io::Result<bool> {
        Ok(disk.list()?.iter().any(|name| name == MARK || file_number(name).is_some()))
    }

    /// Makes a ledger that begins with `snapshot`; durable when this returns. `identity` is random: 16 bytes that no other
    /// ledger has.
    pub fn create(
        disk: Arc<dyn Disk>,
        options: Options,
        identity: [u8; 16],
        snapshot: &[&[u8]],
    ) -> Result<Self, LedgerError> {
        let lock = lock(&*disk)?;
        if Self::exists(&*disk).map_err(LedgerError::io("listed", "the folder"))? {
            return Err(LedgerError::InUse);
        }
        let purpose = purpose(options.purpose);
        let header = FileHeader { purpose, identity, file: 1, first: 1, link: Hash::from_bytes([0; 32]) };
        let (file, position) = write_file(&*disk, 1, |file| write_first_records(file, &header, snapshot))?;
        let mark = Mark { identity, oldest: 1, newest: 1, next: position.next };
        let mark = TwoSlots::open(&*disk, MARK, &mark.encode())?;
        let (allocated, pending, failed) = (position.end, None, None);
        Ok(Self { disk, options, header, file, position, allocated, pending, oldest: 1, mark, failed, lock })
    }

    /// Opens the ledger in `disk`, handing every record to `visit`. All files are read and verified before anything is
    /// changed. Then the newest file is written again, without a torn end: what a failed sync left in memory only is on disk
    /// afterwards.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing was changed if it [is damage](LedgerError::is_damage).
    pub fn open(
        disk: Arc<dyn Disk>,
        options: Options,
        visit: &mut Scan<'_>,
    ) -> Result<(Self, Summary), LedgerError> {
        let lock = lock(&*disk)?;
        let (summary, newest) = read(&*disk, purpose(options.purpose), visit)?;
        if summary.torn > 0 {
            let file = file_name(summary.newest);
            tracing::warn!(
                file,
                offset = summary.end,
                bytes = summary.torn,
                "an unfinished record was cut off"
            );
        }
        if !summary.marked {
            tracing::warn!("the ledger's MARK file could not be read and was written again");
        }
        let write = |file: &dyn DiskFile| file.write_all_at(&newest.bytes, 0);
        let (file, ()) = write_file(&*disk, summary.newest, write)?;
        let Summary { identity, oldest, newest: last, next, end, .. } = summary;
        let mark = TwoSlots::open(&*disk, MARK, &Mark { identity, oldest, newest: last, next }.encode())?;
        let position = Position { end, next, link: newest.link };
        let (header, allocated, pending, failed) = (newest.header, end, None, None);
        let mut ledger =
            Self { disk, options, header, file, position, allocated, pending, oldest, mark, failed, lock };
        ledger.remove_leftovers();
        Ok((ledger, summary))
    }

    /// Appends records and returns where they lie, once they survive a power cut.
    ///
    /// Put what belongs together into one record: if the power fails during the sync, a disk may keep a later record of several
    /// and lose an earlier one, which the next start takes for damage and refuses.
    pub fn append(&mut self, records: &[&[u8]]) -> Result<Vec<RecordAddress>, AppendError> {
        let places = self.write(records)?;
        let outcome = self.file.sync_data();
        self.synced(outcome)?;
        Ok(places)
    }

    /// First half of [`append`](Self::append): writes records that are not durable yet. To be followed by a sync of
    /// [`file`](Self::file) and [`synced`](Self::synced).
    pub fn write(&mut self, records: &[&[u8]]) -> Result<Vec<RecordAddress>, AppendError> {
        self.admit()?;
        if let Some(long) = records.iter().find(|record| record.len() > MAX_PAYLOAD) {
            let message = format!("a record of {} bytes is longer than {MAX_PAYLOAD}", long.len());
            return Err(AppendError::Refused(message));
        }
        let mut position = self.position;
        let mut bytes = Vec::with_capacity(records.iter().map(|record| RECORD + record.len()).sum());
        let mut places = Vec::with_capacity(records.len());
        for record in records {
            places.push(RecordAddress { file: self.header.file, offset: position.end });
            push(&mut bytes, &mut position, &self.header, Kind::Entry, record);
        }
        let start = self.position.end;
        let written = self.allocate(position.end).and_then(|()| self.file.write_all_at(&bytes, start));
        if let Err(error) = written {
            return Err(self.take_back(&error));
        }
        self.pending = Some(position);
        Ok(places)
    }

    /// The file that [`write`](Self::write) wrote to, for its sync.
    pub fn file(&self) -> Arc<dyn DiskFile> {
        self.file.clone()
    }

    /// Second half of [`append`](Self::append): what became of the sync.
    pub fn synced(&mut self, outcome: io::Result<()>) -> Result<(), AppendError> {
        let Some(position) = self.pending.take() else { return Ok(()) };
        outcome.map_err(|error| self.fail(&error))?;
        self.position = position;
        self.note_mark();
        Ok(())
    }

    /// Begins a new file with the pieces of a snapshot; durable when this returns. Each piece is written before the next is asked for, so that
    /// a long snapshot need not be in memory as a whole.
    pub fn rotate<P: AsRef<[u8]>>(
        &mut self,
        snapshot: impl IntoIterator<Item = P>,
    ) -> Result<(), AppendError> {
        self.admit()?;
        let Position { next, link, end } = self.position;
        // The space allocated in advance is given back; that it may fail changes nothing.
        if self.file.set_length(end).is_ok() {
            self.allocated = end;
        }
        self.file.sync_data().map_err(|error| self.fail(&error))?;
        let header = FileHeader { file: self.header.file + 1, first: next, link, ..self.header };
        let name = new_name(header.file);
        let file = self.disk.create(&name).map_err(|error| refused(&error))?;
        let position = match write_first_records(&*file, &header, snapshot) {
            Ok(position) => position,
            Err(error) => {
                // Named `.new`, it is no file of the ledger; the next rotation replaces it.
                let _ = self.disk.remove(&name);
                return Err(refused(&error));
            }
        };
        file.sync_data().map_err(|error| self.fail(&error))?;
        let renamed = self.disk.rename(&name, &file_name(header.file)).and_then(|()| self.disk.sync());
        renamed.map_err(|error| self.fail(&error))?;
        (self.header, self.file, self.position, self.allocated) = (header, file, position, position.end);
        self.note_mark();
        Ok(())
    }

    /// Deletes the files before `file`: nothing in them is needed any more.
    pub fn forget_before(&mut self, file: u64) -> Result<(), AppendError> {
        let file = file.min(self.header.file);
        if file <= self.oldest {
            return Ok(());
        }
        self.admit()?;
        // Durable first: a MARK that lags behind would miss the files that are gone.
        self.oldest = file;
        self.note_mark();
        self.mark.sync().map_err(|error| self.fail(&error))?;
        self.remove_leftovers();
        Ok(())
    }

    /// Reads records back; may be used from any thread.
    pub fn reader(&self) -> Reader {
        Reader::new(self.disk.clone())
    }

    /// The file records go to now.
    pub fn newest(&self) -> u64 {
        self.header.file
    }

    /// The oldest file that is kept.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// Bytes in the newest file.
    pub fn length(&self) -> u64 {
        self.position.end
    }

    /// Why nothing more is written until the ledger is opened again, if so.
    pub fn failure(&self) -> Option<&str> {
        self.failed.as_deref()
    }

    /// Why no records are taken at the moment, if so. Never waits for a sync.
    pub fn impediment(&self) -> Option<String> {
        self.failed.clone().or_else(|| self.no_room())
    }

    fn admit(&self) -> Result<(), AppendError> {
        self.impediment().map_or(Ok(()), |reason| Err(AppendError::Refused(reason)))
    }

    fn no_room(&self) -> Option<String> {
        let free = self.disk.free_bytes().ok()?;
        let needed = self.options.min_free_bytes;
        (free < needed).then(|| format!("the disk is full: {free} bytes are free, {needed} are reserved"))
    }

    /// Makes sure that the file has room up to `end`.
    fn allocate(&mut self, end: u64) -> io::Result<()> {
        if end <= self.allocated {
            return Ok(());
        }
        let target = end.next_multiple_of(ALLOCATION);
        let zeros = vec![0; usize::try_from(target - end).expect("less than a step")];
        self.file.write_all_at(&zeros, end)?;
        self.allocated = target;
        Ok(())
    }

    /// After a write that failed: whatever reached the file is cut off again.
    fn take_back(&mut self, error: &io::Error) -> AppendError {
        use io::ErrorKind::{Interrupted, QuotaExceeded, StorageFull};
        let is_known = matches!(error.kind(), StorageFull | QuotaExceeded | Interrupted);
        self.allocated = self.position.end;
        if is_known && self.file.set_length(self.position.end).is_ok() {
            return refused(error);
        }
        self.fail(error)
    }

    fn fail(&mut self, error: &io::Error) -> AppendError {
        let file = file_name(self.header.file);
        let reason = format!("a write or sync of {file} failed ({error}); restart to recover");
        tracing::error!(file, %error, "the ledger stops writing");
        self.pending = None;
        self.failed = Some(reason.clone());
        AppendError::Unknown(reason)
    }

    fn note_mark(&mut self) {
        let mark = Mark {
            identity: self.header.identity,
            oldest: self.oldest,
            newest: self.header.file,
            next: self.position.next,
        };
        // The records are durable whether or not this can be noted; a MARK that lags proves less, and nothing false.
        if let Err(error) = self.mark.put(&mark.encode()) {
            tracing::warn!(%error, "the ledger's MARK file was not written");
        }
    }

    /// Files that are not needed, and those that a crash left unfinished. One that stays is deleted at the next start.
    fn remove_leftovers(&mut self) {
        for name in self.disk.list().unwrap_or_default() {
            let is_old = file_number(&name).is_some_and(|file| file < self.oldest);
            let is_unfinished = name.strip_suffix(".new").is_some_and(|name| file_number(name).is_some());
            if (is_old || is_unfinished)
                && let Err(error) = self.disk.remove(&name)
            {
                tracing::warn!(name, %error, "an obsolete file could not be deleted");
            }
        }
    }
}

fn lock(disk: &dyn Disk) -> Result<LockGuard, LedgerError> {
    disk.lock().map_err(LedgerError::io("locked", "LOCK"))?.ok_or(LedgerError::InUse)
}

fn refused(error: &io::Error) -> AppendError {
    AppendError::Refused(error.to_string())
}

fn new_name(file: u64) -> String {
    format!("{}.new", file_name(file))
}

/// Writes the beginning of a file: its header and a snapshot. Where it ends.
fn write_first_records<P: AsRef<[u8]>>(
    file: &dyn DiskFile,
    header: &FileHeader,
    snapshot: impl IntoIterator<Item = P>,
) -> io::Result<Position> {
    let mut bytes = header.encode().to_vec();
    let mut position = Position { end: bytes.len() as u64, next: header.first, link: header.hash() };
    let mut written = 0;
    for piece in snapshot {
        push(&mut bytes, &mut position, header, Kind::Snapshot, piece.as_ref());
        file.write_all_at(&bytes, written)?;
        written = position.end;
        bytes.clear();
    }
    // A snapshot without a piece leaves the header.
    if written < position.end {
        file.write_all_at(&bytes, written)?;
    }
    Ok(position)
}

fn push(bytes: &mut Vec<u8>, position: &mut Position, file: &FileHeader, kind: Kind, payload: &[u8]) {
    let record = RecordHeader::new(kind, position.next, position.link, &[payload]);
    bytes.extend_from_slice(&record.encode(file));
    bytes.extend_from_slice(payload);
    *position = Position {
        end: position.end + (RECORD + payload.len()) as u64,
        next: position.next + 1,
        link: record.hash(file),
    };
}

/// Writes a whole file durably under its name, or not at all.
fn write_file<T>(
    disk: &dyn Disk,
    number: u64,
    write: impl FnOnce(&dyn DiskFile) -> io::Result<T>,
) -> Result<(Arc<dyn DiskFile>, T), LedgerError> {
    let (name, new) = (file_name(number), new_name(number));
    let file = disk.create(&new).map_err(LedgerError::io("created", &new))?;
    let written = write(&*file).and_then(|written| file.sync_data().map(|()| written));
    let placed =
        written.and_then(|written| disk.rename(&new, &name).and_then(|()| disk.sync()).map(|()| written));
    placed.map(|written| (file, written)).map_err(LedgerError::io("written", &name))
}
