//! Bundles that were read lately, each with the tile that covers it: a reader of a whole log asks for one right after the other, and to
//! serve either, both are read and the bundle is hashed.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::TileId;
use vouchlog_storage::StoreError;

use super::Segments;

/// Bundles that are kept: more than a reader of a whole log has in flight, and few enough to look through.
const MAX_PAIRS: usize = 32;
/// Bytes of what is kept: so many bundles of statements with their tiles have 0.7 MB.
const MAX_BYTES: usize = 1 << 20;

/// A bundle and the tile of its leaf hashes, which were found to agree.
#[derive(Clone, Debug)]
pub(super) struct Pair {
    pub(super) bundle: Bytes,
    pub(super) tile: Bytes,
}

impl Pair {
    fn bytes(&self) -> usize {
        self.bundle.len() + self.tile.len()
    }
}

/// The pairs that were read lately.
#[derive(Debug, Default)]
pub(super) struct Pairs(Mutex<PairCache>);

#[derive(Debug, Default)]
struct PairCache {
    /// In the order of their reading. The oldest makes room for the newest: a reader that goes on needs it no more.
    pairs: VecDeque<(u64, Pair)>,
    bytes: usize,
    /// How often something was replaced or given up: what was read before that is not kept.
    changes: u64,
}

impl Pairs {
    /// Forgets everything: an object was replaced, or given up.
    pub(super) fn clear(&self) {
        let mut kept = self.0.lock();
        *kept = PairCache { changes: kept.changes + 1, ..PairCache::default() };
    }
}

impl Segments {
    /// A bundle that was not given up, and its tile. What is served is what the tree covers: the two must agree.
    pub(super) fn pair(&self, bundle: u64) -> Result<Pair, StoreError> {
        let changes = {
            let kept = self.pairs.0.lock();
            if let Some((_, pair)) = kept.pairs.iter().rfind(|(number, _)| *number == bundle) {
                return Ok(pair.clone());
            }
            kept.changes
        };
        let tile = self.read_tile(TileId { level: 0, index: bundle })?;
        let pair = Pair { bundle: self.read_bundle(bundle)?, tile };
        self.check_bundle(bundle, &pair.bundle, &pair.tile)?;
        self.keep(bundle, &pair, changes);
        Ok(pair)
    }

    /// Keeps a pair, unless something was changed since its reading began.
    fn keep(&self, bundle: u64, pair: &Pair, changes: u64) {
        let mut kept = self.pairs.0.lock();
        if kept.changes != changes || pair.bytes() > MAX_BYTES {
            return;
        }
        kept.bytes += pair.bytes();
        kept.pairs.push_back((bundle, pair.clone()));
        while kept.pairs.len() > MAX_PAIRS || kept.bytes > MAX_BYTES {
            let Some((_, oldest)) = kept.pairs.pop_front() else { break };
            kept.bytes -= oldest.bytes();
        }
    }
}

#[cfg(test)]
mod tests;
