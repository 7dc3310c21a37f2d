//! The right edge of a tree, grown from entries alone: the unfinished tile of each level. It is all that must be kept to go
//! on, whatever the size of the log.

use vouchlog_merkle::{
    CompactRange, Hash, ProofError, TILE_HEIGHT, TILE_WIDTH, TileId, TreeHead, TreeSize, partial_width,
    perfect_range,
};

/// Tile levels that a tree of `u64` size can have.
pub(crate) const LEVELS: u8 = 64 / TILE_HEIGHT;

/// The partial tile of every level, level 0 first. Each has fewer than 256 hashes.
///
/// ```text
/// 70,000 entries    level 0   112 leaf hashes
///                   level 1    17 roots of full tiles of level 0
///                   level 2     1 root of a full tile of level 1
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RightEdge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl RightEdge {
    /// An edge that was stored; refused unless each level has the width that the size implies.
    pub(crate) fn from_levels(size: TreeSize, levels: Vec<Vec<Hash>>) -> Option<Self> {
        let fits = levels.len() <= usize::from(LEVELS)
            && (0..LEVELS).all(|level| {
                let width = levels.get(usize::from(level)).map_or(0, Vec::len);
                width == usize::from(partial_width(level, size))
            });
        fits.then_some(Self { size: size.get(), levels })
    }

    /// The number of entries under it.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The unfinished tile of a level.
    pub(crate) fn level(&self, level: u8) -> &[Hash] {
        self.levels.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// The unfinished tiles, level 0 first.
    pub(crate) fn levels(&self) -> &[Vec<Hash>] {
        &self.levels
    }

    /// Puts the leaf hashes of the unfinished bundle in place of those there were: the bundle was read again, wider.
    pub(crate) fn set_leaves(&mut self, leaves: &[Hash]) {
        let full = self.size - self.level(0).len() as u64;
        if self.levels.is_empty() {
            self.levels.push(Vec::new());
        }
        self.levels[0].clear();
        self.levels[0].extend_from_slice(leaves);
        self.size = full + leaves.len() as u64;
    }

    /// Puts the root of a full tile of level 0 in place of the unfinished bundle. `full` sees every tile of a higher level
    /// that this completes.
    pub(crate) fn push_tile(&mut self, root: Hash, mut full: impl FnMut(TileId, &[Hash])) {
        self.size = self.size - self.level(0).len() as u64 + TILE_WIDTH as u64;
        if let Some(leaves) = self.levels.first_mut() {
            leaves.clear();
        }
        let mut hash = root;
        for level in 1..LEVELS {
            let place = usize::from(level);
            self.levels.resize_with(self.levels.len().max(place + 1), Vec::new);
            let tile = &mut self.levels[place];
            tile.push(hash);
            if tile.len() < TILE_WIDTH {
                return;
            }
            let index = (self.size >> (level * TILE_HEIGHT)) / TILE_WIDTH as u64 - 1;
            full(TileId { level, index }, tile);
            hash = tile_root(tile);
            tile.clear();
        }
    }

    /// The compact range of the tree.
    pub(crate) fn range(&self) -> Result<CompactRange, ProofError> {
        let tiles = self.levels.iter().rev().filter(|tile| !tile.is_empty());
        let hashes = tiles.flat_map(|tile| perfect_range(0, tile).hashes().to_vec()).collect();
        CompactRange::from_hashes(0, self.size, hashes)
    }

    /// Size and root of the tree.
    pub(crate) fn head(&self) -> TreeHead {
        let range = self.range().expect("an edge has the hashes its size implies");
        TreeHead { size: range.size(), root: range.root().expect("it begins at 0") }
    }
}

/// The root of a full tile.
pub(crate) fn tile_root(hashes: &[Hash]) -> Hash {
    assert_eq!(hashes.len(), TILE_WIDTH, "only a full tile has a root of its own");
    perfect_range(0, hashes).hashes()[0]
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::leaf_hash;

    use super::*;

    /// Grows an edge bundle by bundle and compares it with the compact range at every size.
    #[test]
    fn the_edge_is_the_compact_range() {
        let leaves: Vec<Hash> = (0..70_000u32).map(|i| leaf_hash(&i.to_be_bytes())).collect();
        let mut edge = RightEdge::default();
        let mut range = CompactRange::new();
        let mut completed = Vec::new();
        for bundle in leaves.chunks(TILE_WIDTH) {
            edge.set_leaves(&bundle[..bundle.len() / 2]);
            range.extend(&bundle[..bundle.len() / 2]);
            assert_eq!(edge.range().unwrap(), range);
            range.extend(&bundle[bundle.len() / 2..]);
            if bundle.len() == TILE_WIDTH {
                edge.push_tile(tile_root(bundle), |id, tile| completed.push((id, tile.len())));
            } else {
                edge.set_leaves(bundle);
            }
            assert_eq!(edge.range().unwrap(), range);
            let levels = edge.levels().to_vec();
            assert_eq!(RightEdge::from_levels(range.size(), levels), Some(edge.clone()));
        }
        assert_eq!(completed, [(TileId { level: 1, index: 0 }, TILE_WIDTH)]);
        assert_eq!((edge.level(0).len(), edge.level(1).len(), edge.level(2).len()), (112, 17, 1));
    }

    #[test]
    fn an_edge_of_another_shape_is_refused() {
        let hash = leaf_hash(b"");
        assert_eq!(RightEdge::from_levels(TreeSize::new(2), vec![vec![hash]]), None);
        assert_eq!(RightEdge::from_levels(TreeSize::new(256), vec![vec![hash; 256]]), None);
        assert_eq!(RightEdge::from_levels(TreeSize::new(0), vec![Vec::new(); 9]), None);
        assert!(RightEdge::from_levels(TreeSize::new(256), vec![Vec::new(), vec![hash]]).is_some());
    }
}
