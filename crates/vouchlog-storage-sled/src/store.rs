//! The store in a directory: whose it is, that it is open once, and its two parts.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::{Disk, Folder, LockGuard};
use vouchlog_merkle::{TileId, TreeHead};
use vouchlog_storage::{Batch, CommitError, FileRange, Growth, Loaded, Part, Sealing, Store, StoreError};

use crate::copies::Begun;
use crate::files::{make_dir, os_error, remove_file};
use crate::living::SledLiving;
use crate::names::BACKUP;
use crate::options::Options;
use crate::segments::Segments;
use crate::stamp::Stamp;

/// A store in a directory, open in this process alone.
#[derive(Debug)]
pub struct SledStore {
    dir: PathBuf,
    stamp: Mutex<Stamp>,
    parts: Sealing<SledLiving, Segments>,
    #[expect(dead_code, reason = "held for its drop, after the parts are closed")]
    lock: LockGuard,
}

impl SledStore {
    /// Opens the store of the log `origin` in `dir`, or makes it. Refuses a directory of another format, of another log,
    /// or open elsewhere. A damaged copy of the living part is made again from the other; see the warnings it logs.
    pub fn open(dir: &Path, origin: &str, options: Options) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let stamp = Stamp::read(dir)?;
        check_origin(origin, stamp.as_ref())?;
        let lock = Folder::new(dir).lock().map_err(os_error)?.ok_or(StoreError::InUse)?;
        let living = SledLiving::open(dir, begun(stamp.as_ref()), options.min_free_bytes)?;
        let (size, sealed) = living.size_and_sealed();
        if size > 0 && stamp.is_none() {
            return Err(StoreError::Damaged("the data directory has a log but no FORMAT file".into()));
        }
        // From here on it is no backup any more.
        remove_file(&dir.join(BACKUP))?;
        let segments = Segments::open(&dir.join("sealed"), sealed)?;
        // What is sealed was committed before.
        if segments.has_bundle(size / 256) {
            return Err(StoreError::Damaged("live/ and ledger/ are older than sealed/".into()));
        }
        segments.cut_to(sealed)?;
        let current = Stamp { origin: origin.to_owned(), begun: size > 0, ledger: true };
        if stamp.as_ref() != Some(&current) {
            current.write(dir)?;
        }
        let parts = Sealing::start(living, segments)?;
        Ok(Self { dir: dir.to_owned(), stamp: Mutex::new(current), parts, lock })
    }

    /// The origin of the log whose store is in `dir`; `None` when there is no store.
    pub fn origin(dir: &Path) -> Result<Option<String>, StoreError> {
        Ok(Stamp::read(dir)?.map(|stamp| stamp.origin))
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
