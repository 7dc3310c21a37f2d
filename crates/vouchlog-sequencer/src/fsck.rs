//! Checks a store from the ground: every entry against its tile, every tile against the one above, the root against the
//! signed checkpoint, and every stream against the rules.
//!
//! What is read is never trusted: the root is computed from the entries alone, and compared with what the log signed. Where an
//! entry and its tile differ, the root decides which of them is damaged.

use bytes::Bytes;
use vouchlog_merkle::TILE_WIDTH;
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_storage::{FileRange, Store, StoreError};

use crate::edge::frame;

mod check;
mod doubts;
mod index;

pub use index::fsck_index;

use check::Check;

const WIDTH: u64 = TILE_WIDTH as u64;
/// Findings reported one by one; a store with more is broken throughout.
const MAX_FINDINGS: usize = 1_000;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Size of the tree that was checked.
    pub size: u64,
    /// Statements among its entries.
    pub statements: u64,
    /// Streams that were opened in it.
    pub streams: u64,
    /// Entries that the log has given up. Their hashes were checked, and nothing else of them.
    pub pruned: u64,
    /// What is wrong, in the order it was found; at most a thousand.
    pub findings: Vec<Finding>,
    /// What is not wrong with the store, but for the operator to look at.
    pub notes: Vec<String>,
}

/// Something wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing is wrong.
    pub code: FindingCode,
    /// The file and the bytes that are wrong, where they are known.
    pub place: Option<FileRange>,
    /// What is wrong, in words.
    pub message: String,
}

/// Kinds of findings. [`FindingCode::name`] is stable, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FindingCode {
    /// The checkpoint does not carry the log's signature.
    Checkpoint,
    /// The entries do not lead to the signed root.
    Root,
    /// A tile is missing, malformed, or not what lies below it.
    Tile,
    /// A bundle is missing or malformed.
    Bundle,
    /// An entry cannot be decoded, or is not the one its tile covers.
    Entry,
    /// An entry is older than the one before it.
    Time,
    /// A stream's statements do not follow one another, or its signed heads do not fit them.
    Stream,
    /// The state kept of a stream or gateway is not what the entries lead to.
    State,
    /// The lookup index does not lead to the entries.
    Index,
}

impl FindingCode {
    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Checkpoint => "checkpoint",
            Self::Root => "root",
            Self::Tile => "tile",
            Self::Bundle => "bundle",
            Self::Entry => "entry",
            Self::Time => "time",
            Self::Stream => "stream",
            Self::State => "state",
            Self::Index => "index",
        }
    }
}

/// Checks the store of the log `origin`, whose key is `key`. `progress` receives the number of entries done and their total.
///
/// Fails when the store cannot be read at all; everything else is a [`Finding`].
pub fn fsck<S: Store>(
    store: &S,
    origin: &Origin,
    key: &VerifyingKey,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, StoreError> {
    let Some(loaded) = store.load()? else {
        return Err(StoreError::Damaged("the directory holds no log".into()));
    };
    let mut check = Check::new(store, origin, key, &loaded);
    let size = loaded.head.size;
    check.checkpoints(&loaded)?;
    let tail = frame(&loaded.tail);
    for bundle in 0..loaded.sealed / WIDTH {
        check.sealed_bundle(bundle)?;
        progress((bundle + 1) * WIDTH, size.get());
    }
    match tail {
        Some(tail) => tail.entries().for_each(|entry| check.unsealed_entry(entry)),
        None => check.find(FindingCode::Bundle, None, "the entries not yet sealed are malformed".into()),
    }
    progress(size.get(), size.get());
    check.root(&loaded);
    check.blame(&loaded)?;
    check.upper_tiles(loaded.sealed)?;
    check.states(&loaded);
    Ok(check.into_report())
}

/// Damage to one object is a finding, and what was given up is not there; a store that fails altogether is an error.
fn readable(read: Result<Option<Bytes>, StoreError>) -> Result<Option<Bytes>, StoreError> {
    match read {
        Err(StoreError::Damaged(_) | StoreError::Pruned(_)) => Ok(None),
        other => other,
    }
}
