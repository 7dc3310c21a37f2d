//! Tiles: 256 hashes of one level, eight levels of tree each (C2SP tlog-tiles).

use crate::position::NodeId;
use crate::{FormatError, Hash, TreeSize, node_hash};

/// Levels of the tree in one tile.
pub const TILE_HEIGHT: u8 = 8;

/// Hashes in a full tile.
pub const TILE_WIDTH: usize = 256;

/// Tile levels that a tree of `u64` size can have.
const TILE_LEVELS: u8 = 64 / TILE_HEIGHT;

/// Which tile: its hashes are the nodes `index * 256 ..` of tree level `level * 8`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TileId {
    /// Level of the tile: 0 for leaf hashes, 1 for the roots of full level 0 tiles, and so on.
    pub level: u8,
    /// Place among the tiles of this level, counted from 0.
    pub index: u64,
}

impl TileId {
    /// How many hashes this tile has in a tree of this size, 0 to 256.
    #[must_use]
    pub fn width_at(self, size: TreeSize) -> u16 {
        let before = self.index.saturating_mul(TILE_WIDTH as u64);
        let width = nodes_at(self.level, size).saturating_sub(before).min(TILE_WIDTH as u64);
        u16::try_from(width).expect("at most 256")
    }
}

/// The width of the partial tile at the right end of a tile level, 0 if there is none.
#[must_use]
pub fn partial_width(level: u8, size: TreeSize) -> u16 {
    u16::try_from(nodes_at(level, size) % TILE_WIDTH as u64).expect("a remainder of 256")
}

/// The full tiles that a tree of size `new` has and one of size `old` has not, level by level.
pub fn tiles_of_growth(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TileId> {
    (0..TILE_LEVELS).flat_map(move |level| {
        (full_tiles(level, old)..full_tiles(level, new)).map(move |index| TileId { level, index })
    })
}

/// The partial tiles of a tree and their widths: at most one for each level.
pub fn partial_tiles(size: TreeSize) -> impl Iterator<Item = (TileId, u16)> {
    (0..TILE_LEVELS)
        .map(move |level| (TileId { level, index: full_tiles(level, size) }, partial_width(level, size)))
        .filter(|(_, width)| *width != 0)
}

/// The number of full tiles at a tile level.
#[must_use]
pub const fn full_tiles(level: u8, size: TreeSize) -> u64 {
    nodes_at(level, size) / TILE_WIDTH as u64
}

/// The number of perfect nodes at the base of a tile level.
const fn nodes_at(level: u8, size: TreeSize) -> u64 {
    if level < TILE_LEVELS { size.get() >> (level * TILE_HEIGHT) } else { 0 }
}

impl NodeId {
    /// The tile that holds this node, or holds what it is computed from: the tile, the row above the tile's own
    /// hashes (0 for a hash that is stored, at most 7), and the node's offset in that row.
    ///
    /// ```text
    /// row 7      0 1
    ///  ..
    /// row 1      0 1 2 3 ..  127
    /// row 0      0 1 2 3 4 5 6 7 ..  255     the bytes of the tile
    /// ```
    ///
    /// The root of a full tile is not in it: it is a row 0 hash of the tile above.
    #[must_use]
    pub fn tile(self) -> (TileId, u8, u8) {
        let row = self.level % TILE_HEIGHT;
        let row_width = TILE_HEIGHT - row;
        let offset = self.index & ((1 << row_width) - 1);
        let tile = TileId { level: self.level / TILE_HEIGHT, index: self.index >> row_width };
        (tile, row, u8::try_from(offset).expect("a row has at most 256 nodes"))
    }
}

/// The hashes of one tile, 1 to 256 of them.
///
/// ```text
/// +----------------+----------------+-- .. --+----------------+
/// | hash 0 (32)    | hash 1 (32)    |        | hash W-1 (32)  |      W = 256 in a full tile
/// +----------------+----------------+-- .. --+----------------+
/// ```
///
/// A tile does not know its own place: the caller fetched it by its path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile(Vec<Hash>);

impl Tile {
    /// Reads a tile of any width.
    ///
    /// # Errors
    /// [`FormatError::TileLength`] unless the bytes are 1 to 256 whole hashes.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        // SPEC: tlog-tiles: a full tile is 256 hashes, a partial one 1 to 255; an empty tile does not exist.
        if bytes.is_empty() || bytes.len() > TILE_WIDTH * Hash::LEN || !bytes.len().is_multiple_of(Hash::LEN)
        {
            return Err(FormatError::TileLength { got: bytes.len() });
        }
        Ok(Self(bytes.as_chunks().0.iter().copied().map(Hash::from_bytes).collect()))
    }

    /// Makes a tile of hashes.
    ///
    /// # Errors
    /// [`FormatError::TileLength`] unless there are 1 to 256.
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, FormatError> {
        if hashes.is_empty() || hashes.len() > TILE_WIDTH {
            return Err(FormatError::TileLength { got: hashes.len().saturating_mul(Hash::LEN) });
        }
        Ok(Self(hashes))
    }

    /// The bytes that [`Tile::parse`] reads.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// The hashes, left to right.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// A narrower tile of the same place, as an older tree had it.
    ///
    /// # Errors
    /// [`FormatError::Width`] if there are fewer hashes than that, or `width` is 0.
    pub fn truncated(mut self, width: u16) -> Result<Self, FormatError> {
        let want = usize::from(width);
        if want == 0 || want > self.0.len() {
            return Err(FormatError::Width { want, got: self.0.len() });
        }
        self.0.truncate(want);
        Ok(self)
    }

    /// The hash of a node, if this is the tile of [`NodeId::tile`] and wide enough.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<Hash> {
        tile_node(&self.0, node)
    }

    /// The root of a full tile, which is a hash of the tile above; `None` for a partial tile.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        (self.0.len() == TILE_WIDTH).then(|| perfect(&|at| self.0[at], 0, TILE_WIDTH))
    }
}

/// The hash of a node from the hashes of its tile; `None` if they do not reach so far.
#[must_use]
pub fn tile_node(hashes: &[Hash], node: NodeId) -> Option<Hash> {
    let (first, width) = leaves_in_tile(node);
    (first + width <= hashes.len()).then(|| perfect(&|at| hashes[at], first, width))
}

/// The hash of a node from the bytes of its tile; `None` if they do not reach so far. Reads only what it needs.
#[must_use]
pub fn tile_node_in_bytes(bytes: &[u8], node: NodeId) -> Option<Hash> {
    let hashes = bytes.as_chunks().0;
    let (first, width) = leaves_in_tile(node);
    (first + width <= hashes.len()).then(|| perfect(&|at| Hash::from_bytes(hashes[at]), first, width))
}

/// Which hashes of its tile a node is computed from: the first and how many.
fn leaves_in_tile(node: NodeId) -> (usize, usize) {
    let (_, row, offset) = node.tile();
    (usize::from(offset) << row, 1 << row)
}

/// The root over `width` hashes from `first`, `width` a power of two of at most 256.
fn perfect(hash_at: &impl Fn(usize) -> Hash, first: usize, width: usize) -> Hash {
    if width == 1 {
        return hash_at(first);
    }
    let half = width / 2;
    node_hash(&perfect(hash_at, first, half), &perfect(hash_at, first + half, half))
}
