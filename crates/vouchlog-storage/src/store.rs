//! The contract.

use bytes::Bytes;
use vouchlog_merkle::{TileId, TreeHead};

use crate::{CommitError, StoreError};

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

/// A committed tree head with the log's signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size and root.
    pub tree: TreeHead,
    /// The signed checkpoint, a note.
    pub checkpoint: String,
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
    /// The new head. Its size is the old size plus `count`.
    pub head: Head,
    /// How many entries are appended; none when only states change.
    pub count: u64,
    /// The entries appended, each behind its 16-bit length, as they stand in bundles.
    pub entries: Bytes,
    /// States to replace.
    pub states: Vec<(StateKey, Bytes)>,
    /// What the entries completed.
    pub growth: Growth,
}

/// What a store holds when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The last committed head.
    pub head: Head,
    /// Up to which size tiles and bundles are sealed; a multiple of 256.
    pub sealed: u64,
    /// The entries from `sealed` to the head, framed, in order; each piece holds whole entries.
    pub tail: Vec<Bytes>,
    /// Every state.
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
    /// returns `Ok`, the batch survives a power cut and its full tiles and bundles can be read.
    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError>;

    /// A full tile, 8,192 bytes; `None` when it is not full yet.
    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError>;

    /// A full entry bundle; `None` when it is not full yet.
    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError>;

    /// Why the store takes no commits at the moment, if so: for a readiness check.
    fn impediment(&self) -> Option<String>;

    /// Seals what can be sealed and lets go of the disk. Later commits are refused; reads go on.
    fn close(&self) -> Result<(), StoreError>;
}

impl<S: Store + ?Sized> Store for std::sync::Arc<S> {
    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        (**self).load()
    }

    fn restore(&self, growth: Growth) -> Result<(), StoreError> {
        (**self).restore(growth)
    }

    fn commit(&self, expected: Option<u64>, batch: Batch) -> Result<(), CommitError> {
        (**self).commit(expected, batch)
    }

    fn tile(&self, tile: TileId) -> Result<Option<Bytes>, StoreError> {
        (**self).tile(tile)
    }

    fn entry_bundle(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        (**self).entry_bundle(bundle)
    }

    fn impediment(&self) -> Option<String> {
        (**self).impediment()
    }

    fn close(&self) -> Result<(), StoreError> {
        (**self).close()
    }
}
