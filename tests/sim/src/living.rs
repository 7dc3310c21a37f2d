//! The living part of the simulated log: the real commit, the real ledger and the real table of decisions. Only sled is
//! missing: the first copy is a ledger too, on the same simulated disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::{AppendError, Disk, Item, LedgerError};
use vouchlog_storage::{Batch, CommitError, Epoch, StateKey, StoreError};
use vouchlog_storage_sled::parts::{
    Begun, Book, BookOptions, Contents, Copy, Decision, FirstCopy, Header, Syncing, Twice, decide,
    encode_commit, is_unreadable, read_signed, snapshot, store_error,
};

use crate::disk::SimDisk;
use crate::plant::Plant;

/// Short files, so that runs of a few hundred records begin many.
const OPTIONS: BookOptions =
    BookOptions { min_free_bytes: 1 << 20, file_bytes: 8 * 1024, syncing: Syncing::InPlace };
const LEDGER: &str = "ledger";
const LIVE: &str = "live";
const REMADE: &str = "remade";
const OPEN: &str = "OPEN";
const BEGUN: &str = "BEGUN";

/// The first copy.
pub(crate) struct FirstLedger(Mutex<Inner>);

struct Inner {
    disk: SimDisk,
    book: Book,
    contents: Contents,
}

impl FirstLedger {
    fn open(disk: SimDisk) -> Result<Self, StoreError> {
        let book = Book::open(Arc::new(disk.clone()), OPTIONS)?;
        let (contents, _) = Book::read(&disk)
            .map_err(|error| store_error(&error))?
            .ok_or_else(|| StoreError::Damaged("live is missing".into()))?;
        Ok(Self(Mutex::new(Inner { disk, book, contents })))
    }
}

impl FirstCopy for FirstLedger {
    fn commit(&self, commits: u64, epoch: Epoch, batch: &Batch) -> Result<(), CommitError> {
        let mut inner = self.0.lock();
        // The other copy has the batch already: whether it is committed is not known any more.
        let unknown = |error: CommitError| CommitError::Unknown(format!("live: {error}"));
        inner.book.begin(commits, epoch, batch).and_then(|()| inner.book.finish()).map_err(unknown)?;
        let payload = encode_commit(commits, epoch, batch);
        let item =
            Item { file: 0, offset: 0, number: 0, snapshot: None, acknowledged: true, payload: &payload };
        inner.contents.replay(item).map_err(CommitError::Unknown)
    }

    fn seal(&self, up_to: u64) -> Result<(), StoreError> {
        let mut inner = self.0.lock();
        inner.contents.sealed = up_to;
        let mut outcome = inner.book.sealed(up_to);
        if outcome.is_ok() && inner.book.is_long() {
            let Contents { commits, epoch, sealed, head, .. } = inner.contents;
            let header = Header { commits, epoch, sealed, head };
            let states = inner.contents.states.iter().map(|(key, value)| (key.as_bytes(), value));
            let pieces = snapshot(&header, states);
            let size = inner.contents.size();
            outcome = inner.book.rotate(size, &pieces);
        }
        match outcome {
            Err(AppendError::Unknown(reason)) => Err(StoreError::Unsynced(reason)),
            _ => Ok(()),
        }
    }

    fn contents(&self) -> Result<Contents, StoreError> {
        let inner = self.0.lock();
        let read = Book::read(&inner.disk).map_err(|error| store_error(&error))?;
        read.map(|(contents, _)| contents).ok_or_else(|| StoreError::Damaged("live is missing".into()))
    }

    fn states(&self) -> Result<BTreeMap<StateKey, Bytes>, StoreError> {
        Ok(self.0.lock().contents.states.clone())
    }

    fn failure(&self) -> Option<String> {
        let inner = self.0.lock();
        inner.book.has_failed().then(|| "a write or sync of live failed; restart to recover".to_owned())
    }
}

/// The start of the simulated log, in the order of the real one: both copies are read before either is written.
pub(crate) fn open(disk: &SimDisk, plant: Option<Plant>) -> Result<Twice<FirstLedger>, StoreError> {
    let place = LivingDisk { root: disk.folder(""), plant };
    let misdirected = disk.counts().misdirected;
    let begun = if place.root.exists(BEGUN).map_err(io_error)? { Begun::Yes } else { Begun::No };
    let signed = read_signed(&place.root)?;
    let signed = signed.filter(|_| plant != Some(Plant::ForgetSigned));
    if plant == Some(Plant::CutAcknowledged) && place.root.exists(OPEN).map_err(io_error)? {
        cut_last_record(&disk.folder(LEDGER));
        cut_last_record(&disk.folder(LIVE));
    }
    let ledger = place.read(LEDGER, begun)?;
    let live = match place.read(LIVE, begun)? {
        Copy::Whole(contents) => Copy::Whole(((), contents)),
        Copy::Torn(contents) => Copy::Torn(((), contents)),
        Copy::Absent => Copy::Absent,
        Copy::Damaged(error) => Copy::Damaged(error),
    };
    let contents = match decide(live, ledger, begun, signed)? {
        Decision::GoOn { contents, .. } => contents,
        Decision::RemakeFirst { contents, .. } => {
            place.remake(LIVE, &contents)?;
            contents
        }
        Decision::RemakeLedger { contents, .. } => {
            place.remake(LEDGER, &contents)?;
            contents
        }
        Decision::Create => {
            place.remake(LIVE, &Contents::default())?;
            place.remake(LEDGER, &Contents::default())?;
            Contents::default()
        }
    };
    let book = Book::open(Arc::new(place.root.folder(LEDGER)), OPTIONS)?;
    let live = FirstLedger::open(place.root.folder(LIVE))?;
    place.root.write_file(OPEN, b"this store is open, or was not closed\n").map_err(io_error)?;
    if contents.head.is_some() {
        note_begun(disk)?;
    }
    // Both were read to the end, and what was damaged has been made again, unless that write went astray.
    if disk.counts().misdirected == misdirected {
        [LEDGER, LIVE].iter().for_each(|folder| disk.forget_damage(folder));
    }
    Twice::join(Arc::new(place.root.clone()), live, book, &contents, signed)
}

/// Remembers that something was committed.
pub(crate) fn note_begun(disk: &SimDisk) -> Result<(), StoreError> {
    let root = disk.folder("");
    if root.exists(BEGUN).map_err(io_error)? {
        return Ok(());
    }
    root.write_file(BEGUN, b"begun\n").map_err(io_error)
}

struct LivingDisk {
    root: SimDisk,
    plant: Option<Plant>,
}

impl LivingDisk {
    fn read(&self, folder: &str, begun: Begun) -> Result<Copy<Contents>, StoreError> {
        let disk = self.root.folder(folder);
        let mut read = Book::read(&disk);
        if self.plant == Some(Plant::TakeDamageForTorn)
            && let Err(LedgerError::Damaged { file, offset, .. }) = &read
            && cut(&disk, file, *offset).is_ok()
        {
            read = Book::read(&disk);
        }
        match read {
            Ok(Some((_, summary))) if self.plant == Some(Plant::TakeTornForDamage) && summary.torn > 0 => {
                Ok(Copy::Damaged(StoreError::Damaged(format!("{folder} has a torn end"))))
            }
            Ok(Some((contents, summary))) if summary.torn > 0 => Ok(Copy::Torn(contents)),
            Ok(Some((contents, _))) => Ok(Copy::Whole(contents)),
            Ok(None) if begun == Begun::Yes => {
                Ok(Copy::Damaged(StoreError::Damaged(format!("{folder} is missing"))))
            }
            Ok(None) => Ok(Copy::Absent),
            Err(error) if error.is_damage() || is_unreadable(&error) => {
                Ok(Copy::Damaged(StoreError::Damaged(format!("{folder}/{error}"))))
            }
            Err(error) => Err(StoreError::Io(format!("{folder}/{error}"))),
        }
    }

    /// Makes a copy again beside the old one, and only then puts it in its place.
    fn remake(&self, folder: &str, contents: &Contents) -> Result<(), StoreError> {
        // Until the start has come to its end, this copy cannot be counted on.
        self.root.note_damage(folder);
        self.root.remove_folder(REMADE).map_err(io_error)?;
        // No two ledgers of a run have the same.
        let identity = u128::from(contents.commits) << 64 | u128::from(self.root.operations());
        let disk = Arc::new(self.root.folder(REMADE));
        drop(Book::create(disk, OPTIONS, identity.to_be_bytes(), contents)?);
        self.root.remove_folder(folder).map_err(io_error)?;
        self.root.rename_folder(REMADE, folder).map_err(io_error)?;
        self.root.sync().map_err(io_error)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn io_error(error: std::io::Error) -> StoreError {
    StoreError::Io(format!("a file of the data directory: {error}"))
}

/// A planted bug: what follows in a ledger is cut off, and so is the memory that there was more.
fn cut(disk: &SimDisk, file: &str, offset: u64) -> std::io::Result<()> {
    for later in disk.list()?.into_iter().filter(|name| name.as_str() > file && name.parse::<u64>().is_ok()) {
        disk.remove(&later)?;
    }
    disk.remove("MARK")?;
    disk.open_for_writing(file)?.set_length(offset)
}

/// A planted bug.
fn cut_last_record(disk: &SimDisk) {
    let mut last = None;
    let read = vouchlog_ledger::inspect(disk, "log", &mut |item| {
        last = (item.snapshot.is_none()).then_some((item.file, item.offset)).or(last);
        Ok(())
    });
    if let (Ok(_), Some((file, offset))) = (read, last) {
        // A disk that fails here leaves the bug for another time.
        drop(cut(disk, &format!("{file:08}"), offset));
    }
}
