//! The living part, twice: sled and a ledger, both made durable by each commit. Whichever of them is damaged is made again
//! from the other at the next start.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use vouchlog_ledger::{AppendError, Disk, Folder, TwoSlots};
use vouchlog_merkle::TreeHead;
use vouchlog_storage::{Batch, CommitError, Epoch, Living, Loaded, StoreError};

use crate::book::Book;
use crate::contents::{Contents, Header, snapshot};
use crate::copies::{self, Copies};
use crate::files::write_file;
use crate::first_copy::FirstCopy;
use crate::live::Live;
use crate::names::{OPEN, SIGNED};
use crate::signed::{encode_signed, read_signed};

/// The living part of a log in a data directory.
pub type SledLiving = Twice<Live>;

/// A living part in two copies: `C` and a ledger.
pub struct Twice<C> {
    disk: Arc<dyn Disk>,
    live: C,
    writer: Mutex<Writer>,
    signed: Mutex<Signed>,
}

/// What only one commit or sealing at a time touches.
struct Writer {
    book: Book,
    head: Option<TreeHead>,
    commits: u64,
    epoch: Epoch,
    sealed: u64,
    closed: bool,
}

struct Signed {
    slots: TwoSlots,
    head: Option<TreeHead>,
}

impl SledLiving {
    /// Opens both copies in `dir`, after comparing them and mending what can be mended. `begun` is whether anything was ever
    /// committed here.
    pub(crate) fn open(dir: &Path, begun: copies::Begun, min_free_bytes: u64) -> Result<Self, StoreError> {
        let disk = Arc::new(Folder::new(dir));
        let signed = read_signed(&*disk)?;
        let was_clean = !dir.join(OPEN).try_exists().map_err(|error| StoreError::Io(error.to_string()))?;
        let Copies { live, book, contents } = copies::open(dir, begun, was_clean, signed, min_free_bytes)?;
        write_file(&dir.join(OPEN), b"this store is open, or was not closed\n")?;
        Self::join(disk, live, book, &contents, signed)
    }
}

impl<C: FirstCopy> Twice<C> {
    /// The living part of two open copies that both hold `contents`. SIGNED, which held `signed`, and OPEN lie in `disk`.
    pub fn join(
        disk: Arc<dyn Disk>,
        live: C,
        book: Book,
        contents: &Contents,
        signed: Option<TreeHead>,
    ) -> Result<Self, StoreError> {
        let slots = TwoSlots::open(&*disk, SIGNED, &encode_signed(signed))
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let writer = Writer {
            book,
            head: contents.head,
            commits: contents.commits,
            epoch: contents.epoch,
            sealed: contents.sealed,
            closed: false,
        };
        let signed = Signed { slots, head: signed };
        Ok(Self { disk, live, writer: Mutex::new(writer), signed: Mutex::new(signed) })
    }

    /// Size of the log, and up to where it is sealed.
    pub fn size_and_sealed(&self) -> (u64, u64) {
        let writer = self.writer.lock();
        (writer.head.map_or(0, |head| head.size.get()), writer.sealed)
    }

    /// Begins a new file of the ledger once the present one is long.
    fn rotate(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if !writer.book.is_long() {
            return Ok(());
        }
        let header =
            Header { commits: writer.commits, epoch: writer.epoch, sealed: writer.sealed, head: writer.head };
        let states = self.live.states()?;
        let pieces = snapshot(&header, states.iter().map(|(key, value)| (key.as_bytes(), value)));
        let size = writer.head.map_or(0, |head| head.size.get());
        lenient(writer.book.rotate(size, &pieces))
    }
}

impl<C: FirstCopy> Living for Twice<C> {
    /// The lock on the data directory keeps other writers out, so a claim only counts.
    fn claim(&self) -> Result<Epoch, StoreError> {
        let mut writer = self.writer.lock();
        writer.epoch = writer.epoch.next();
        Ok(writer.epoch)
    }

    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.live.contents()?.loaded()
    }

    fn head(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.writer.lock().head)
    }

    fn commit(&self, epoch: Epoch, expected: Option<u64>, batch: &Batch) -> Result<(), CommitError> {
        let mut writer = self.writer.lock();
        batch.check_head(expected, writer.head)?;
        if writer.epoch != epoch || writer.closed {
            return Err(CommitError::Refused("the store is closed".into()));
        }
        if let Some(reason) = self.live.failure() {
            return Err(CommitError::Refused(reason));
        }
        let commits = writer.commits + 1;
        writer.book.begin(commits, epoch, batch)?;
        // The ledger's sync runs meanwhile: the commit takes as long as the slower of the two, not as long as both.
        let in_sled = self.live.commit(commits, epoch, batch);
        let in_ledger = writer.book.finish();
        in_sled.and(in_ledger)?;
        (writer.head, writer.commits) = (Some(batch.head), commits);
        Ok(())
    }

    fn seal(&self, epoch: Epoch, up_to: u64) -> Result<(), StoreError> {
        if self.writer.lock().epoch != epoch {
            return Err(StoreError::Io("another process has taken over the log".into()));
        }
        self.live.seal(up_to)?;
        let mut writer = self.writer.lock();
        writer.sealed = up_to;
        lenient(writer.book.sealed(up_to))?;
        self.rotate(&mut writer)
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        let mut signed = self.signed.lock();
        let noted = signed.slots.put(&encode_signed(Some(head)));
        noted.map_err(|error| StoreError::Io(format!("{SIGNED} could not be written: {error}")))?;
        signed.head = Some(head);
        Ok(())
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.signed.lock().head)
    }

    fn impediment(&self) -> Option<String> {
        // A commit may hold the writer for as long as the disk takes; readiness must not wait for it.
        self.live.failure().or_else(|| self.writer.try_lock().and_then(|writer| writer.book.impediment()))
    }

    /// Both copies are durable already. What is left is to say so, unless a write failed: then the next start must not
    /// trust them.
    fn close(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        if std::mem::replace(&mut writer.closed, true) || self.live.failure().is_some() {
            return Ok(());
        }
        let unsynced = |error: std::io::Error| StoreError::Unsynced(format!("{SIGNED}: {error}"));
        self.signed.lock().slots.sync().map_err(unsynced)?;
        if writer.book.has_failed() {
            return Ok(());
        }
        match self.disk.remove(OPEN) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => {
                other.map_err(|error| StoreError::Io(format!("{OPEN} could not be deleted: {error}")))?;
            }
        }
        self.disk
            .sync()
            .map_err(|error| StoreError::Io(format!("the data directory could not be synced: {error}")))
    }
}

impl<C> fmt::Debug for Twice<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Twice")
    }
}

/// A ledger that could not be cut down has lost nothing; it is retried with the next sealing.
fn lenient(outcome: Result<(), AppendError>) -> Result<(), StoreError> {
    match outcome {
        Err(AppendError::Unknown(reason)) => Err(StoreError::Unsynced(reason)),
        Err(AppendError::Refused(reason)) => {
            tracing::warn!(reason, "the ledger was not truncated; retrying later");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
