//! The lookup index: derived from entries, written behind the commit, rebuilt at will.
//!
//! A key is the first eight bytes of a hash, followed by the leaf index; what a lookup returns are *candidates*, which the
//! caller checks against the entries themselves. Eight bytes keep the index an eighth of what whole hashes would take, and a
//! clash costs one more read, never a wrong answer.

use std::collections::BTreeSet;
use std::ops::Bound;

use parking_lot::Mutex;
use vouchlog_merkle::LeafIndex;

use crate::StoreError;

/// The part of a 32-byte hash that the index keeps.
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

/// What the index learns from the entries up to `upto`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexBatch {
    /// The size of the log the index covers afterwards.
    pub upto: u64,
    /// Prefixes of leaf hashes, with the index each belongs to.
    pub leaf_hashes: Vec<([u8; 8], u64)>,
    /// Prefixes of statements' digests, with the index each belongs to.
    pub digests: Vec<([u8; 8], u64)>,
    /// Where runs of statements begin.
    pub runs: Vec<RunEntry>,
}

/// A lookup index. Losing it costs a rebuild, nothing else, so its writes need not be durable.
pub trait Index: Send + Sync + 'static {
    /// The size of the log it covers.
    fn covered(&self) -> Result<u64, StoreError>;

    /// Adds what follows from more entries. `batch.upto` never decreases.
    fn put(&self, batch: &IndexBatch) -> Result<(), StoreError>;

    /// Up to `limit` indexes whose leaf hash has this prefix, lowest first.
    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError>;

    /// Up to `limit` indexes whose digest has this prefix, lowest first.
    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError>;

    /// The last run of `stream` that starts at or before `sequence`.
    fn run(&self, stream: u64, sequence: u64) -> Result<Option<RunEntry>, StoreError>;

    /// Forgets everything, so that the follower builds it anew.
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
        tables.leaf_hashes.extend(&batch.leaf_hashes);
        tables.digests.extend(&batch.digests);
        tables.runs.extend(&batch.runs);
        tables.covered = batch.upto;
        Ok(())
    }

    fn by_leaf_hash(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError> {
        Ok(with_prefix(&self.0.lock().leaf_hashes, prefix, limit))
    }

    fn by_digest(&self, prefix: [u8; 8], limit: usize) -> Result<Vec<LeafIndex>, StoreError> {
        Ok(with_prefix(&self.0.lock().digests, prefix, limit))
    }

    fn run(&self, stream: u64, sequence: u64) -> Result<Option<RunEntry>, StoreError> {
        let tables = self.0.lock();
        let low = RunEntry { stream, start: 0, first: 0 };
        let high = RunEntry { stream, start: sequence, first: u64::MAX };
        Ok(tables.runs.range((Bound::Included(low), Bound::Included(high))).next_back().copied())
    }

    fn clear(&self) -> Result<(), StoreError> {
        *self.0.lock() = Tables::default();
        Ok(())
    }
}
