//! The contract.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_merkle::{Hash, TILE_WIDTH, TileId, TreeHead, TreeSize, tiles_of_growth};

use crate::{CommitError, FileRange, Part, Pruned, StoreError, Tenure, framing};

/// Names a small state that is replaced whole, such as one stream's. At most [`StateKey::MAX_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StateKey(Vec<u8>);

impl StateKey {
    /// The longest key.
    pub const MAX_BYTES: usize = 320;

    /// A key. It is shortened to [`Self::MAX_BYTES`], so callers keep theirs within it.
    pub fn new(mut key: Vec<u8>) -> Self {
        key.truncate(Self::MAX_BYTES);
        Self(key)
    }

    /// The bytes of the key.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The full tiles and full entry bundles that a batch completed. They follow from the entries, so a store may keep them
/// in memory until it has sealed them; [`Store::restore`] hands them back after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Full tiles, 8,192 bytes each, in order of level and index.
    pub tiles: Vec<(TileId, Bytes)>,
    /// Full bundles of 256 framed entries, in order.
    pub bundles: Vec<(u64, Bytes)>,
}

/// Everything one commit makes durable, all or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The new head. Its size is the old size plus `count`. It is signed after the commit, never before.
    pub head: TreeHead,
    /// How many entries are appended; none when only states change.
    pub count: u64,
    /// The entries appended, each behind its 16-bit length, as they stand in bundles.
    pub entries: Bytes,
    /// States to replace. An empty value removes the state: [`Loaded::states`] does not list it any more.
    pub states: Vec<(StateKey, Bytes)>,
    /// What the entries completed.
    pub growth: Growth,
}

impl Batch {
    /// The size before this batch, where the one after it allows for its entries.
    pub fn old_size(&self) -> Option<u64> {
        self.head.size.get().checked_sub(self.count)
    }

    /// Whether `found`, the head that was committed last, has the size the batch expects.
    ///
    /// # Errors
    /// [`CommitError::Moved`].
    pub fn check_head(&self, expected: Option<u64>, found: Option<TreeHead>) -> Result<(), CommitError> {
        let found = found.map(|head| head.size.get());
        if found == expected {
            return Ok(());
        }
        Err(CommitError::Moved { expected: expected.unwrap_or(0), found: found.unwrap_or(0) })
    }

    /// Whether the parts of the batch belong together and lead on from a head of size `expected`. Every store asks before
    /// it writes: a bundle left out here would be found missing only when its entries are long forgotten.
    ///
    /// # Errors
    /// [`CommitError::Refused`], with what contradicts what.
    pub fn check(&self, expected: Option<u64>) -> Result<(), CommitError> {
        let refused = |what: &str| Err(CommitError::Refused(format!("the batch contradicts itself: {what}")));
        let (old, new) = (expected.unwrap_or(0), self.head.size.get());
        if self.old_size() != Some(old) {
            return refused("its size is not the old size plus its entries");
        }
        if framing::count(&self.entries) != Some(self.count) {
            return refused("it does not hold the stated number of framed entries");
        }
        let tiles = tiles_of_growth(TreeSize::new(old), TreeSize::new(new));
        if !self.growth.tiles.iter().map(|(id, _)| *id).eq(tiles) {
            return refused("its tiles are not those that became full");
        }
        if self.growth.tiles.iter().any(|(_, bytes)| bytes.len() != TILE_WIDTH * Hash::LEN) {
            return refused("one of its tiles is not full");
        }
        let width = TILE_WIDTH as u64;
        if !self.growth.bundles.iter().map(|(bundle, _)| *bundle).eq(old / width..new / width) {
            return refused("its bundles are not those that became full");
        }
        Ok(())
    }
}

/// What a store holds when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The last committed head.
    pub head: TreeHead,
    /// Up to which size tiles and bundles are sealed; a multiple of 256.
    pub sealed: u64,
    /// The entries from `sealed` to the head, framed, in order; each piece holds whole entries.
    pub tail: Vec<Bytes>,
    /// Every state that was set and not removed since. None is empty.
    pub states: Vec<(StateKey, Bytes)>,
}

/// A store of one log. Its methods block; the engine calls them off the async threads, except the two readers, which
/// must be quick (a page-cache read).
pub trait Store: Send + Sync + 'static {
    /// What was committed, or `None` when the store is new.
    fn load(&self) -> Result<Option<Loaded>, StoreError>;

    /// Hands back what the tail of [`load`](Self::load) completes, so that it is sealed after all. Called once, before
    /// the first commit.
    fn restore(&self, growth: Growth) -> Result<(), StoreError>;

    /// Makes a batch durable, all or nothing, if the head's size is still `expected` (`None` for a new store). When this
    /// returns `Ok`, the batch survives a power cut and its full tiles and bundles can be read. A batch that does not pass
    /// [`Batch::check`] is refused.
    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError>;

    /// Remembers, outside the part that commits replace, that this committed head is about to be signed. The memory need not
    /// survive a power cut; it must survive the end of the process.
    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError>;

    /// The newest head that [`note_signed`](Self::note_signed) remembers. A log whose store holds less must not sign.
    fn signed(&self) -> Result<Option<TreeHead>, StoreError>;

    /// A full tile, 8,192 bytes; `None` when it is not full yet.
    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError>;

    /// A full entry bundle; `None` when it is not full yet.
    ///
    /// # Errors
    /// [`StoreError::Pruned`] when it was given up.
    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError>;

    /// Size up to which everything is sealed, a multiple of 256; 0 for a store that has no sealed part.
    fn sealed_size(&self) -> u64 {
        0
    }

    /// Where a sealed object lies on disk, for a store that keeps it in a file.
    fn place(&self, _part: Part) -> Option<FileRange> {
        None
    }

    /// Names a sealed object for people: by its place on disk, or else by what it is.
    fn describe(&self, part: Part) -> String {
        self.place(part).map_or_else(|| part.to_string(), |place| place.to_string())
    }

    /// Reads a sealed object again from the disk, past caches where the system allows it.
    ///
    /// # Errors
    /// [`StoreError`] also when it is not sealed.
    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        let read = match part {
            Part::Tile(tile) => self.tile(tile),
            Part::Bundle(bundle) => self.entry_bundle(bundle),
        };
        read?.ok_or_else(|| StoreError::Damaged(format!("{part} is missing")))
    }

    /// Looks for a sealed bundle that `tile` covers where its neighbours say it lies, for a store whose index of bundles may be
    /// damaged.
    fn find_bundle(&self, _bundle: u64, _tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    /// Replaces a damaged sealed object by its verified bytes, durably. The caller has verified them against the tree.
    ///
    /// # Errors
    /// [`StoreError::Io`] also from a store that cannot replace single objects.
    fn repair(&self, part: Part, _bytes: &Bytes) -> Result<(), StoreError> {
        Err(StoreError::Io(format!("this store cannot replace {part}")))
    }

    /// The entries that were given up; none if all are there.
    fn pruned(&self) -> Option<Arc<Pruned>> {
        None
    }

    /// Gives up sealed entries permanently. It is durable when this returns; the store decides what it removes from the disk, and when.
    /// After that, [`entry_bundle`](Self::entry_bundle) and [`reread`](Self::reread) of a bundle that was given up fail with
    /// [`StoreError::Pruned`]. Tiles stay. The last sealed bundle cannot be given up.
    ///
    /// # Errors
    /// [`StoreError::Io`] also from a store that cannot give up entries, or that would have to bring some back.
    fn prune(&self, _pruned: &Pruned) -> Result<(), StoreError> {
        Err(StoreError::Io("this store cannot give up entries".into()))
    }

    /// Removes a bounded number of the bundles that were given up, and returns how many; 0 once none is left. A store that removes them by
    /// itself has nothing to do here. It may be repeated after any error, and goes on after a restart.
    fn remove_pruned(&self) -> Result<u64, StoreError> {
        Ok(0)
    }

    /// Whether each reader of the sealed part can see the entry at `index`. Where the sealed part is read without this process, such as in a
    /// bucket, it needs a checkpoint there that covers the entry.
    fn shows(&self, _index: u64) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Why the store takes no commits at the moment, if so: for a readiness check.
    fn impediment(&self) -> Option<String>;

    /// Whether this process may sign for the log now. The engine asks before and after each signature, and shows none that was made
    /// without a tenure. Never waits.
    fn tenure(&self) -> Tenure {
        Tenure::Held
    }

    /// Facts for operators that make nothing unready, each with a name: who leads the log, and since when. Never waits.
    fn notes(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Seals what can be sealed and lets go of the disk. Later commits are refused; reads go on.
    fn close(&self) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for Arc<S> {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        (**self).load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        (**self).restore(growth)
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        (**self).commit(expected, batch)
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        (**self).note_signed(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        (**self).signed()
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        (**self).tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        (**self).entry_bundle(bundle)
    }

    fn sealed_size(&self) -> u64 {
        (**self).sealed_size()
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        (**self).place(part)
    }

    fn describe(&self, part: Part) -> String {
        (**self).describe(part)
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

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        (**self).prune(pruned)
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        (**self).remove_pruned()
    }

    fn shows(&self, index: u64) -> Result<bool, StoreError> {
        (**self).shows(index)
    }

    fn impediment(&self) -> Option<String> {
        (**self).impediment()
    }

    fn tenure(&self) -> Tenure {
        (**self).tenure()
    }

    fn notes(&self) -> Vec<(String, String)> {
        (**self).notes()
    }

    fn close(&self) -> Result<(), StoreError> {
        (**self).close()
    }
}
