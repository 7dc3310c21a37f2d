//! The lookup index: derived from entries, written behind the commit, rebuilt at will.
//!
//! A lookup gives the first eight bytes of a hash and gets *candidates*, which the caller checks against the entries themselves. An
//! index may keep no more than the first [`COMPARED_BYTES`] of them: a clash costs one more read, never a wrong answer. Among 10^8 hashes
//! a lookup meets a clash once in three million.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use parking_lot::Mutex;
use vouchlog_merkle::LeafIndex;

use crate::StoreError;

/// How many bytes of a leaf hash's or digest's prefix a lookup compares at least. Of a stream's key it compares all eight.
pub const COMPARED_BYTES: usize = 6;

/// The part of a 32-byte hash that lookups use.
pub fn key_prefix(hash: &[u8; 32]) -> [u8; 8] {
    let mut prefix = [0; 8];
    prefix.copy_from_slice(&hash[..8]);
    prefix
}

/// Statements that are contiguous both in their stream and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunEntry {
    /// The stream.
    pub stream: u64,
    /// Sequence number of the first.
    pub start: u64,
    /// Index of the first in the log.
    pub first: u64,
}

/// What the index learns from the entries from `from` up to `upto`. Every index in it lies between the two.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    /// The size of the log that the index covered before.
    pub from: u64,
    /// The size of the log the index covers afterwards.
    pub upto: u64,
    /// Prefixes of leaf hashes, with the index each belongs to.
    pub leaf_hashes: Vec<([u8; 8], u64)>,
    /// Prefixes of statements' digests, with the index each belongs to.
    pub digests: Vec<([u8; 8], u64)>,
    /// Where runs of statements begin.
    pub runs: Vec<RunEntry>,
    /// Prefixes of hashes of streams' keys, with the stream each key opened.
    pub stream_keys: Vec<([u8; 8], u64)>,
    /// Streams, with the index of an entry that holds a signed head of them; the newest one counts.
    pub stream_heads: Vec<(u64, u64)>,
    /// Streams, with the stream that continued them.
    pub successors: Vec<(u64, u64)>,
}

/// What an index found, and how much of the log it covered when it looked. Both belong to one moment: an index may be cleared and
/// filled again at any time, and one that is half full must not look as if it had found nothing in all of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexAnswer<T> {
    /// The size of the log that was covered.
    pub covered: u64,
    /// What was found.
    pub found: T,
}

impl<T> IndexAnswer<T> {
    /// The same answer, with what was found in another form.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> IndexAnswer<U> {
        IndexAnswer { covered: self.covered, found: form(self.found) }
    }
}

/// Where the entries of a stream are that tell how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamPlaces {
    /// Its newest signed head.
    pub head: Option<LeafIndex>,
    /// The opening of the stream that continued it.
    pub successor: Option<LeafIndex>,
}

/// A lookup index. Losing it costs a rebuild, during which lookups fail and streams may not be opened; nothing is lost, so its writes
/// need not be durable.
pub trait Index: std::fmt::Debug + Send + Sync + 'static {
    /// The size of the log that every table of it covers. It falls when a part of the index was lost.
    fn covered(&self) -> Result<u64, StoreError>;

    /// The size of the log it has seen: more than it [covers](Self::covered) while a part of it is built again.
    /// A log whose store holds less is an old copy.
    fn remembered(&self) -> Result<u64, StoreError> {
        self.covered()
    }

    /// Adds what follows from more entries. A batch that does not begin where the index ends changes nothing: a part of the index may
    /// have been lost since that was asked. What the index [covers](Self::covered) afterwards shows how much of the batch it took.
    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError>;

    /// Up to `limit` indexes whose leaf hash has this prefix, lowest first.
    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError>;

    /// Up to `limit` indexes whose digest has this prefix, lowest first.
    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError>;

    /// The last run of `stream` that starts at or before `sequence`. Runs that continue each other may be one.
    fn run(&self, stream: u64, sequence: u64) -> Result<IndexAnswer<Option<RunEntry>>, StoreError>;

    /// Up to `limit` streams whose key's hash has this prefix, lowest first.
    fn by_stream_key(&self, prefix: [u8; 8], limit: usize)
    -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError>;

    /// Where the newest head of `stream` is, and its successor.
    fn stream(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError>;

    /// Deletes everything, so that the follower rebuilds it.
    fn clear(&self) -> Result<(), StoreError>;
}

/// An index in memory, for tests and for logs that live in memory.
#[derive(Debug, Default)]
pub struct MemoryIndex(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    covered: u64,
    leaf_hashes: BTreeSet<([u8; 8], u64)>,
    digests: BTreeSet<([u8; 8], u64)>,
    runs: BTreeSet<RunEntry>,
    stream_keys: BTreeSet<([u8; 8], u64)>,
    stream_heads: BTreeMap<u64, u64>,
    successors: BTreeMap<u64, u64>,
}

impl Tables {
    fn answer<T>(&self, found: T) -> IndexAnswer<T> {
        IndexAnswer { covered: self.covered, found }
    }
}

fn with_prefix(table: &BTreeSet<([u8; 8], u64)>, prefix: [u8; 8], limit: usize) -> Vec<LeafIndex> {
    table
        .range((prefix, 0)..=(prefix, u64::MAX))
        .take(limit)
        .map(|(_, index)| LeafIndex::new(*index))
        .collect()
}

impl Index for MemoryIndex {
    fn covered(&self) -> Result<u64, StoreError> {
        Ok(self.0.lock().covered)
    }

    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError> {
        let mut tables = self.0.lock();
        if batch.from != tables.covered {
            return Ok(());
        }
        tables.leaf_hashes.extend(&batch.leaf_hashes);
        tables.digests.extend(&batch.digests);
        tables.runs.extend(&batch.runs);
        tables.stream_keys.extend(&batch.stream_keys);
        tables.stream_heads.extend(batch.stream_heads.iter().copied());
        tables.successors.extend(batch.successors.iter().copied());
        tables.covered = batch.upto;
        Ok(())
    }

    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        let tables = self.0.lock();
        Ok(tables.answer(with_prefix(&tables.leaf_hashes, prefix, limit)))
    }

    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        let tables = self.0.lock();
        Ok(tables.answer(with_prefix(&tables.digests, prefix, limit)))
    }

    fn run(&self, stream: u64, sequence: u64) -> Result<IndexAnswer<Option<RunEntry>>, StoreError> {
        let tables = self.0.lock();
        let low = RunEntry { stream, start: 0, first: 0 };
        let high = RunEntry { stream, start: sequence, first: u64::MAX };
        let upto = tables.runs.range((Bound::Included(low), Bound::Included(high)));
        Ok(tables.answer(upto.copied().next_back()))
    }

    fn by_stream_key(
        &self,
        prefix: [u8; 8],
        limit: usize,
    ) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
        let tables = self.0.lock();
        Ok(tables.answer(with_prefix(&tables.stream_keys, prefix, limit)))
    }

    fn stream(&self, stream: u64) -> Result<IndexAnswer<StreamPlaces>, StoreError> {
        let tables = self.0.lock();
        let place = |table: &BTreeMap<u64, u64>| table.get(&stream).copied().map(LeafIndex::new);
        let found = StreamPlaces { head: place(&tables.stream_heads), successor: place(&tables.successors) };
        Ok(tables.answer(found))
    }

    fn clear(&self) -> Result<(), StoreError> {
        *self.0.lock() = Tables::default();
        Ok(())
    }
}
