//! The lookup index: sorted runs, each of a range of entries, written once and merged in the background.
//!
//! What is indexed comes in order, never changes, and is never deleted, so the index needs no general database.
//!
//! ```text
//! <index>/FORMAT             "vouchlog index 1\n"
//! <index>/<start>-<end>.run  all that is known of these entries; see `run.rs`
//! <index>/SEEN               two slots: how far the index ever reached
//! ```
//!
//! The newest entries, up to 65,536, are in memory until they are written as a run. There is no list of runs: their names show what
//! they cover, a run within a longer one is left over from a merge, and a gap is filled again from the log. A file is written under a
//! temporary name, synced, and renamed, so a crash leaves whole runs only. What is read is checked block by block; a run that is damaged
//! is deleted, and until it was built again the index covers no more than what lies before it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use vouchlog_ledger::{Disk, Folder};
use vouchlog_merkle::LeafIndex;
use vouchlog_storage::{Index, IndexAnswer, IndexBatch, RunEntry, StoreError, StreamPlaces};

use crate::files::{make_dir, remove_dir, write_file};

mod block;
mod filter;
mod hashes;
mod lookup;
mod merge;
mod merger;
mod places;
mod recent;
mod run;
mod run_store;
#[cfg(test)]
mod tests;

use merger::Merger;
use run_store::{Access, RunStore};

const FORMAT: &str = "FORMAT";
const VERSION: &[u8] = b"vouchlog index 1\n";

/// A lookup index in a directory of its own, which may be deleted while the log is stopped.
///
/// An index that cannot be opened because the operating system fails (no room, no file descriptors) is opened by the next call.
#[derive(Debug)]
pub struct RunIndex {
    dir: PathBuf,
    access: Access,
    open: RwLock<Option<Open>>,
}

#[derive(Debug)]
struct Open {
    store: Arc<RunStore>,
    #[expect(dead_code, reason = "held for its drop")]
    merger: Option<Merger>,
}

/// What an index takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexUse {
    /// Runs, each a file.
    pub runs: usize,
    /// Bytes of all runs.
    pub disk_bytes: u64,
    /// Bytes that directories and filters of the runs take in memory.
    pub resident_bytes: usize,
}

impl RunIndex {
    /// Opens the index in `dir`. Parts of it that are damaged are deleted and built again, and so is all of an index that another
    /// version made: everything in it can be computed from the entries.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        let index = Self { dir: dir.to_owned(), access: Access::Write, open: RwLock::new(None) };
        match index.open_again() {
            // It is opened by the first call that finds the disk well.
            Err(StoreError::Io(reason)) => tracing::warn!(reason, "the lookup index cannot be opened now"),
            other => other?,
        }
        Ok(index)
    }

    /// Opens the index in `dir` as it is, and reads all of it; nothing is changed. `None` when another version made it.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when a part of it is damaged.
    pub fn open_existing(dir: &Path) -> Result<Option<Self>, StoreError> {
        if fs::read(dir.join(FORMAT)).ok().as_deref() != Some(VERSION) {
            return Ok(None);
        }
        let store = RunStore::open(Arc::new(Folder::new(dir)), Access::ReadOnly)?;
        for run in store.runs().iter() {
            run.verify().map_err(|trouble| StoreError::from(trouble.of(&run.range)))?;
        }
        let open = Open { store: Arc::new(store), merger: None };
        Ok(Some(Self { dir: dir.to_owned(), access: Access::ReadOnly, open: RwLock::new(Some(open)) }))
    }

    /// What the index takes now.
    pub fn in_use(&self) -> Result<IndexUse, StoreError> {
        self.with(|store| {
            let runs = store.runs();
            Ok(IndexUse {
                runs: runs.len(),
                disk_bytes: runs.iter().map(|run| run.bytes).sum(),
                resident_bytes: runs.iter().map(|run| run.resident_bytes()).sum(),
            })
        })
    }

    /// Opens what is closed.
    fn open_again(&self) -> Result<(), StoreError> {
        let mut open = self.open.write();
        if open.is_none() {
            *open = Some(self.begin()?);
        }
        Ok(())
    }

    fn begin(&self) -> Result<Open, StoreError> {
        make_dir(&self.dir)?;
        let format = self.dir.join(FORMAT);
        match fs::read(&format) {
            Ok(version) if version == VERSION => {}
            Ok(_) => self.begin_anew()?,
            Err(error) if error.kind() == ErrorKind::NotFound && self.is_empty()? => {}
            Err(error) if error.kind() == ErrorKind::NotFound => self.begin_anew()?,
            Err(error) => return Err(crate::files::os_error(error)),
        }
        if !format.exists() {
            write_file(&format, VERSION)?;
        }
        let store = Arc::new(RunStore::open(Arc::new(Folder::new(&self.dir)), Access::Write)?);
        Ok(Open { merger: Some(Merger::start(Arc::clone(&store))?), store })
    }

    /// Deletes what another version left.
    fn begin_anew(&self) -> Result<(), StoreError> {
        tracing::warn!("the lookup index is of another format: it is deleted and rebuilt from the log");
        remove_dir(&self.dir)?;
        make_dir(&self.dir)
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(Folder::new(&self.dir).list().map_err(crate::files::os_error)?.is_empty())
    }

    fn with<T>(&self, f: impl FnOnce(&Arc<RunStore>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.open.read().is_none() {
            self.open_again()?;
        }
        match &*self.open.read() {
            Some(open) => f(&open.store),
            None => Err(StoreError::Io("the lookup index is being opened".into())),
        }
    }
}

impl Drop for RunIndex {
    fn drop(&mut self) {
        let Some(open) = self.open.get_mut().take() else { return };
        // Nothing in the index has to be durable: without this the next start reads some entries again.
        if self.access == Access::Write
            && let Err(error) = open.store.write_rest()
        {
            tracing::debug!(%error, "the end of the lookup index could not be written");
        }
    }
}

fn leaf_indexes(found: Vec<u64>) -> Vec<LeafIndex> {
    found.into_iter().map(LeafIndex::new).collect()
}

impl Index for RunIndex {
    fn covered(&self) -> Result<u64, StoreError> {
        self.with(|store| Ok(store.covered()))
    }

    fn remembered(&self) -> Result<u64, StoreError> {
        self.with(|store| Ok(store.seen()))
    }

    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError> {
        let put = self.with(|store| store.put(batch));
        if put.is_err() && !self.dir.exists() {
            // Deleted meanwhile: the next call begins again.
            *self.open.write() = None;
        }
        put
    }

    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.with(|store| Ok(store.by_leaf_hash(prefix, limit)?.map(leaf_indexes)))
    }

    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.with(|store| Ok(store.by_digest(prefix, limit)?.map(leaf_indexes)))
    }

    fn run(&self, stream: u64, sequence: u64) -> Result<IndexAnswer<Option<RunEntry>>, StoreError> {
        self.with(|store| store.statements(stream, sequence))
    }

    fn by_stream_key(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        self.with(|store| Ok(store.by_stream_key(prefix, limit)?.map(leaf_indexes)))
    }

    fn stream(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError> {
        self.with(|store| store.stream_places(stream))
    }

    /// Locked throughout, so that no lookup opens what is about to be deleted.
    fn clear(&self) -> Result<(), StoreError> {
        let mut open = self.open.write();
        *open = None;
        remove_dir(&self.dir)?;
        *open = Some(self.begin()?);
        Ok(())
    }
}
