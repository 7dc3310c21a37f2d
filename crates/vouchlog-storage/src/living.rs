//! The two parts of a store. A store is any pair of them, joined by [`Sealing`](crate::Sealing).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_merkle::{TileId, TreeHead};

use crate::{Batch, CommitError, FileRange, Loaded, Part, Pruned, StoreError, Tenure};

/// A tenure of one writer. Each claim gives the next number; a writer of an earlier epoch is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The entries that are committed and not sealed: framed, in order, each piece of whole entries.
pub type Tail = Vec<Bytes>;

/// The living part: head, states and the entries that are not sealed. Small, and replaced atomically by each commit.
pub trait Living: Send + Sync + fmt::Debug + 'static {
    /// Takes the log over from whichever writer had it. Commits of earlier epochs fail from then on.
    fn claim(&self) -> Result<Epoch, StoreError>;

    /// What was committed, or `None` when nothing was.
    fn load(&self) -> Result<Option<Loaded>, StoreError>;

    /// The last committed head.
    fn head(&self) -> Result<Option<TreeHead>, StoreError>;

    /// Makes head, entries and states of a batch durable, all or nothing, if the head's size is still `expected` and `epoch`
    /// is the last claimed one. The batch has passed [`Batch::check`].
    fn commit(&self, epoch: Epoch, expected: Option<u64>, batch: &Batch) -> Result<(), CommitError>;

    /// Records that everything below `up_to`, a multiple of 256, is sealed; its entries are not needed any more.
    fn seal(&self, epoch: Epoch, up_to: u64) -> Result<(), StoreError>;

    /// Remembers that a head is about to be signed; see [`Store::note_signed`](crate::Store::note_signed).
    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError>;

    /// The newest head that was about to be signed.
    fn signed(&self) -> Result<Option<TreeHead>, StoreError>;

    /// Why no commits are taken at the moment, if so. Never waits.
    fn impediment(&self) -> Option<String>;

    /// Whether this process may sign; see [`Store::tenure`](crate::Store::tenure).
    fn tenure(&self) -> Tenure {
        Tenure::Held
    }

    /// Facts for operators; see [`Store::notes`](crate::Store::notes).
    fn notes(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Lets go of the disk. Loading goes on.
    fn close(&self) -> Result<(), StoreError>;
}

/// The sealed part: full tiles and full bundles, which never change again.
pub trait Sealed: Send + Sync + fmt::Debug + 'static {
    /// Writes tiles and bundles and makes them durable. Writing the same again is harmless; bundles come in order, the
    /// first directly after the last sealed one.
    ///
    /// # Errors
    /// [`StoreError::Unsynced`] when a sync failed, [`StoreError::Conflict`] when another history is there already; after any
    /// other error the same may be tried again.
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError>;

    /// Whether it is far away or shares a machine's processors with others: it is filled gently then, unless commits wait for that.
    fn is_remote(&self) -> bool {
        false
    }

    /// A full tile that was put.
    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError>;

    /// A full bundle that was put.
    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError>;

    /// Where an object that was put lies; see [`Store::place`](crate::Store::place).
    fn place(&self, part: Part) -> Option<FileRange>;

    /// Reads an object from the disk, past caches; see [`Store::reread`](crate::Store::reread).
    fn reread(&self, part: Part) -> Result<Bytes, StoreError>;

    /// Looks for a bundle that a tile covers; see [`Store::find_bundle`](crate::Store::find_bundle).
    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Replaces a damaged object by its verified bytes, durably; see [`Store::repair`](crate::Store::repair).
    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError>;

    /// The entries that were given up; see [`Store::pruned`](crate::Store::pruned).
    fn pruned(&self) -> Option<Arc<Pruned>> {
        None
    }

    /// Refuses a bundle that was given up: it is neither read nor put back.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] if it was.
    fn check_kept(&self, part: Part) -> Result<(), StoreError> {
        match (part, self.pruned()) {
            (Part::Bundle(bundle), Some(pruned)) => pruned.check_kept(bundle),
            _ => Ok(()),
        }
    }

    /// The entries that were given up, as it is recorded now: another process may have given up more.
    fn reread_pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        Ok(self.pruned())
    }

    /// Gives up entries that were put; see [`Store::prune`](crate::Store::prune).
    fn prune(&self, _pruned: &Pruned) -> Result<(), StoreError> {
        Err(StoreError::Io("the store of the sealed part cannot give up entries".into()))
    }

    /// Removes some of what was given up; see [`Store::remove_pruned`](crate::Store::remove_pruned).
    fn remove_pruned(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Whether readers of this part can see an entry; see [`Store::shows`](crate::Store::shows).
    fn shows(&self, _index: u64) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl<S: Sealed + ?Sized> Sealed for Arc<S> {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        (**self).put(tiles, bundles)
    }

    fn is_remote(&self) -> bool {
        (**self).is_remote()
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        (**self).tile(tile)
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        (**self).bundle(bundle)
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        (**self).place(part)
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        (**self).reread(part)
    }

    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        (**self).find_bundle(bundle, tile)
    }

    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        (**self).repair(part, bytes)
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        (**self).pruned()
    }

    fn reread_pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        (**self).reread_pruned()
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        (**self).prune(pruned)
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        (**self).remove_pruned()
    }

    fn shows(&self, index: u64) -> Result<bool, StoreError> {
        (**self).shows(index)
    }
}
