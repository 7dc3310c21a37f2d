//! The store in a directory: whose it is, that it is open once, and its two parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::{Disk, Folder, LockGuard};
use vouchlog_merkle::{TileId, TreeHead};
use vouchlog_storage::{
    Batch, CommitError, FileRange, Growth, Loaded, Move, Part, Pruned, Residence, Sealed, Sealing, Store,
    StoreError,
};

use crate::copies::Begun;
use crate::files::{make_dir, os_error, remove_file};
use crate::living::SledLiving;
use crate::names::{BACKUP, LEDGER, LIVE};
use crate::options::Options;
use crate::segments::Segments;
use crate::stamp::Stamp;

/// A store in a directory, open in this process alone.
#[derive(Debug)]
pub struct SledStore {
    dir: PathBuf,
    stamp: Mutex<Stamp>,
    parts: Sealing<SledLiving, Arc<dyn Sealed>>,
    #[expect(dead_code, reason = "held for its drop, after the parts are closed")]
    lock: LockGuard,
}

impl SledStore {
    /// Opens the store of the log `origin` in `dir`, or makes it. Refuses a directory of another format, of another log,
    /// or open elsewhere. A damaged copy of the living part is made again from the other; see the warnings it logs.
    pub fn open(dir: &Path, origin: &str, options: Options) -> Result<Self, StoreError> {
        Self::open_parts(dir, origin, options, None, |size, sealed| {
            let segments = Segments::open(&dir.join("sealed"), sealed)?;
            // What is sealed was committed before.
            if segments.has_bundle(size / 256) {
                return Err(StoreError::Damaged("live/ and ledger/ are older than sealed/".into()));
            }
            segments.cut_to(sealed)?;
            Ok(Arc::new(segments))
        })
    }

    /// As [`open`](Self::open), for a log whose sealed part is not in `dir` but in an object store at the URL `place`. `open_sealed` opens it
    /// for so many committed entries, of which so many are sealed. A log keeps the kind of its sealed part for good; the place may change,
    /// if everything was copied there.
    pub fn open_with_objects(
        dir: &Path,
        origin: &str,
        options: Options,
        place: &str,
        open_sealed: impl FnOnce(u64, u64) -> Result<Arc<dyn Sealed>, StoreError>,
    ) -> Result<Self, StoreError> {
        Self::open_parts(dir, origin, options, Some(place), open_sealed)
    }

    fn open_parts(
        dir: &Path,
        origin: &str,
        options: Options,
        place: Option<&str>,
        open_sealed: impl FnOnce(u64, u64) -> Result<Arc<dyn Sealed>, StoreError>,
    ) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let stamp = Stamp::read(dir)?;
        check_origin(origin, stamp.as_ref())?;
        let residence = stamp.as_ref().map_or(Residence::Here, |stamp| stamp.residence.clone());
        residence.check(options.arriving)?;
        check_place(place, stamp.as_ref())?;
        let lock = Folder::new(dir).lock().map_err(os_error)?.ok_or(StoreError::InUse)?;
        // Another process may have begun the log, or moved it, before this one had the directory for itself.
        if Stamp::read(dir)? != stamp {
            return Err(StoreError::InUse);
        }
        let living = SledLiving::open(dir, begun(stamp.as_ref()), options.min_free_bytes)?;
        let (size, sealed) = living.size_and_sealed();
        if size > 0 && stamp.is_none() {
            return Err(StoreError::Damaged("the data directory has a log but no FORMAT file".into()));
        }
        // From here on it is no backup any more.
        remove_file(&dir.join(BACKUP))?;
        let sealed = open_sealed(size, sealed)?;
        let elsewhere = place.map(str::to_owned);
        let current =
            Stamp { origin: origin.to_owned(), begun: size > 0, ledger: true, elsewhere, residence };
        if stamp.as_ref() != Some(&current) {
            if let Some(before) = stamp.as_ref().and_then(|stamp| stamp.elsewhere.as_deref())
                && place.is_some_and(|place| place != before)
            {
                tracing::warn!(before, now = place, "the sealed part of the log has another place now");
            }
            current.write(dir)?;
        }
        let parts = Sealing::start(living, sealed)?;
        Ok(Self { dir: dir.to_owned(), stamp: Mutex::new(current), parts, lock })
    }

    /// The origin of the log whose store is in `dir`; `None` when there is no store.
    pub fn origin(dir: &Path) -> Result<Option<String>, StoreError> {
        Ok(Stamp::read(dir)?.map(|stamp| stamp.origin))
    }

    /// Whether the log in `dir` is served from there; `None` when there is no store.
    pub fn residence(dir: &Path) -> Result<Option<Residence>, StoreError> {
        Ok(Stamp::read(dir)?.map(|stamp| stamp.residence))
    }

    /// The URL of the object store with the sealed part of the log in `dir`, if it is not in `dir`.
    pub fn objects(dir: &Path) -> Result<Option<String>, StoreError> {
        Ok(Stamp::read(dir)?.and_then(|stamp| stamp.elsewhere))
    }

    /// The entries that the log in `dir` has given up, if any.
    pub fn pruned_entries(dir: &Path) -> Result<Option<Arc<Pruned>>, StoreError> {
        Segments::read_pruned(&dir.join("sealed"))
    }

    /// Marks `dir`, which has no store, as the destination of the log `origin`, whose sealed part will be in the object store `place`
    /// or in `dir`. Returns the move to open it for: `arrival`, or an earlier one that did not complete.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when there is a log in `dir` already.
    pub fn prepare_arrival(
        dir: &Path,
        origin: &str,
        place: Option<&str>,
        arrival: &Move,
    ) -> Result<Move, StoreError> {
        make_dir(dir)?;
        // No log begins here meanwhile.
        let _lock = Folder::new(dir).lock().map_err(os_error)?.ok_or(StoreError::InUse)?;
        let stamp = Stamp::read(dir)?;
        check_origin(origin, stamp.as_ref())?;
        let elsewhere = place.map(str::to_owned);
        match stamp {
            Some(Stamp { residence: Residence::Arriving(known), elsewhere: before, .. }) => {
                if before == elsewhere {
                    return Ok(known);
                }
                let message = "a move to this directory began with another place for the sealed part: delete the directory to begin again";
                Err(StoreError::Foreign(message.into()))
            }
            Some(stamp) => Err(stamp.residence.in_the_way()),
            None if dir.join(LIVE).exists() || dir.join(LEDGER).exists() => {
                Err(StoreError::Damaged("the data directory has a log but no FORMAT file".into()))
            }
            None => {
                let (origin, residence) = (origin.to_owned(), Residence::Arriving(arrival.clone()));
                Stamp { origin, begun: false, ledger: true, elsewhere, residence }.write(dir)?;
                Ok(arrival.clone())
            }
        }
    }

    /// Marks the log as moved: from here on nothing signs from this store, now or after a restart. Call it once everything was
    /// verified at the destination.
    ///
    /// # Errors
    /// [`StoreError`] when the mark could not be made durable; whether it was made shows in [`residence`](Self::residence).
    pub fn leave(&self, departure: Move) -> Result<(), StoreError> {
        self.mark(Residence::Left(departure))
    }

    /// Lets the log be served from here: the move is complete, and the source is marked as left.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.mark(Residence::Here)
    }

    fn mark(&self, residence: Residence) -> Result<(), StoreError> {
        let mut stamp = self.stamp.lock();
        let marked = Stamp { residence, ..stamp.clone() };
        marked.write(&self.dir)?;
        *stamp = marked;
        Ok(())
    }

    /// The log has begun, whether or not this can be written down now: if not, the next start does it.
    fn stamp_begun(&self) {
        let mut stamp = self.stamp.lock();
        if std::mem::replace(&mut stamp.begun, true) {
            return;
        }
        if let Err(error) = stamp.write(&self.dir) {
            tracing::warn!(%error, "the FORMAT file does not yet record that the log is in use");
        }
    }
}

impl Store for SledStore {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        self.parts.load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        self.parts.restore(growth)
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        self.parts.commit(expected, batch)?;
        if expected.is_none() {
            self.stamp_begun();
        }
        Ok(())
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.parts.note_signed(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        self.parts.signed()
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        self.parts.tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        self.parts.entry_bundle(bundle)
    }

    fn sealed_size(&self) -> u64 {
        self.parts.sealed_size()
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        self.parts.place(part)
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        self.parts.reread(part)
    }

    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        self.parts.find_bundle(bundle, tile)
    }

    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        self.parts.repair(part, bytes)
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.parts.pruned()
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        self.parts.prune(pruned)
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        self.parts.remove_pruned()
    }

    fn shows(&self, index: u64) -> Result<bool, StoreError> {
        self.parts.shows(index)
    }

    fn impediment(&self) -> Option<String> {
        self.parts.impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        self.parts.close()
    }
}

fn begun(stamp: Option<&Stamp>) -> Begun {
    match stamp {
        Some(Stamp { begun: true, ledger: true, .. }) => Begun::Yes,
        Some(Stamp { begun: true, ledger: false, .. }) => Begun::WithoutLedger,
        _ => Begun::No,
    }
}

/// Refuses the directory of another log before anything in it is touched.
fn check_origin(origin: &str, stamp: Option<&Stamp>) -> Result<(), StoreError> {
    match stamp {
        Some(stamp) if stamp.origin != origin => Err(StoreError::Foreign(format!(
            "by its FORMAT file, the data directory belongs to the log `{}`, not to `{origin}`: give each log its own directory",
            stamp.origin
        ))),
        _ => Ok(()),
    }
}

/// Refuses to look for the sealed part where it is not.
fn check_place(place: Option<&str>, stamp: Option<&Stamp>) -> Result<(), StoreError> {
    match (place, stamp) {
        (None, Some(Stamp { elsewhere: Some(place), .. })) => Err(StoreError::ForeignObjects(format!(
            "by its FORMAT file, the sealed part of this log is in the object store {place}: give it with --objects"
        ))),
        (Some(_), Some(Stamp { elsewhere: None, begun: true, .. })) => Err(StoreError::ForeignObjects(
            "by its FORMAT file, the sealed part of this log is in the data directory, and it is not moved to an object store: omit \
             --objects, or start a new log in another data directory"
                .into(),
        )),
        _ => Ok(()),
    }
}
