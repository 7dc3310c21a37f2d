//! The unfinished right edge of the tree: the partial tile of each level and the partial entry bundle.
//!
//! A narrower partial is a prefix of the newest one, so the edge serves every published size; old partials are not kept.

use bytes::{Bytes, BytesMut};
use vouchlog_merkle::{CompactRange, Growth as Nodes, Hash, NodeId, TILE_WIDTH, TileId, tile_node_in_bytes};
use vouchlog_storage::{Growth, framing};

const WIDTH: u64 = TILE_WIDTH as u64;

/// The right edge at one size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    /// Hashes of the partial tile, by level; empty where the level has none.
    tiles: Vec<Bytes>,
    /// Entries of the partial bundle, framed.
    bundle: Bytes,
}

/// Entries to append: framed, with the offset at which each begins.
#[derive(Clone)]
pub(crate) struct Framed {
    pub(crate) bytes: Bytes,
    pub(crate) starts: Vec<u32>,
}

impl Edge {
    /// The edge of a tree of `size` whose partial bundle is empty, that is, at a multiple of 256.
    pub(crate) fn at_bundle_boundary(size: u64, tiles: Vec<Bytes>) -> Self {
        Self { size, tiles, bundle: Bytes::new() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The first `width` hashes of the partial tile, if it has as many.
    pub(crate) fn tile(&self, tile: TileId, width: u16) -> Option<Bytes> {
        let level = u32::from(tile.level);
        let full = self.size.checked_shr(8 * (level + 1)).unwrap_or(0);
        let hashes = self.tiles.get(usize::from(tile.level)).filter(|_| tile.index == full)?;
        let wanted = usize::from(width) * Hash::LEN;
        (wanted <= hashes.len()).then(|| hashes.slice(..wanted))
    }

    /// The partial bundle, if `bundle` is the partial one: all its entries, framed.
    pub(crate) fn bundle(&self, bundle: u64) -> Option<Bytes> {
        (bundle == self.size / WIDTH && !self.bundle.is_empty()).then(|| self.bundle.clone())
    }

    /// The compact range of the tree, from the partial tiles.
    pub(crate) fn compact_range(&self) -> Option<CompactRange> {
        let mut hashes = Vec::new();
        for node in CompactRange::nodes(0, self.size) {
            let (tile, ..) = node.tile();
            let bytes = self.tiles.get(usize::from(tile.level))?;
            hashes.push(tile_node_in_bytes(bytes, node)?);
        }
        CompactRange::from_hashes(0, self.size, hashes).ok()
    }

    /// The edge after appending entries whose new nodes are `nodes`, with the tiles and bundles that became full.
    pub(crate) fn grow(&self, nodes: &Nodes, entries: &Framed) -> (Edge, Growth) {
        let mut growth = Growth::default();
        let mut tiles = Vec::new();
        for level in 0u8.. {
            let (_, new) = nodes.level(8 * level).unwrap_or((0, &[]));
            let old = self.tiles.get(usize::from(level)).cloned().unwrap_or_default();
            if new.is_empty() && usize::from(level) >= self.tiles.len() {
                break;
            }
            let first = self.size.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
            tiles.push(grow_tile(TileId { level, index: first }, old, new, &mut growth));
        }
        let size = self.size + entries.starts.len() as u64;
        let bundle = self.grow_bundle(entries, &mut growth);
        (Edge { size, tiles, bundle }, growth)
    }

    /// Fills bundles; returns what is left over.
    fn grow_bundle(&self, entries: &Framed, growth: &mut Growth) -> Bytes {
        let mut bundle = self.size / WIDTH;
        let mut filled = usize::try_from(self.size % WIDTH).expect("less than 256");
        let mut partial = self.bundle.clone();
        let mut from = 0;
        loop {
            let take = (TILE_WIDTH - filled).min(entries.starts.len() - from);
            let piece = entries.slice(from, from + take);
            partial = join(&partial, &piece);
            filled += take;
            from += take;
            if filled < TILE_WIDTH {
                return partial;
            }
            growth.bundles.push((bundle, partial));
            (bundle, filled, partial) = (bundle + 1, 0, Bytes::new());
        }
    }
}

/// Appends hashes to a partial tile; full tiles go to `growth`, the rest is returned.
fn grow_tile(mut tile: TileId, old: Bytes, new: &[Hash], growth: &mut Growth) -> Bytes {
    if new.is_empty() {
        return old;
    }
    let mut hashes = BytesMut::with_capacity(old.len() + Hash::LEN * new.len());
    hashes.extend_from_slice(&old);
    new.iter().for_each(|hash| hashes.extend_from_slice(hash.as_bytes()));
    let mut hashes = hashes.freeze();
    while hashes.len() >= TILE_WIDTH * Hash::LEN {
        growth.tiles.push((tile, hashes.split_to(TILE_WIDTH * Hash::LEN)));
        tile.index += 1;
    }
    // Copied, so that a short rest does not keep the whole batch in memory.
    Bytes::copy_from_slice(&hashes)
}

fn join(left: &Bytes, right: &Bytes) -> Bytes {
    // Copied even when nothing is to its left: the batch's buffer would live as long as its last bundle.
    [left.as_ref(), right.as_ref()].concat().into()
}

impl Framed {
    fn slice(&self, from: usize, to: usize) -> Bytes {
        let offset = |entry: usize| self.starts.get(entry).map_or(self.bytes.len(), |start| *start as usize);
        self.bytes.slice(offset(from)..offset(to))
    }

    /// The bytes of each entry, without its length.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &[u8]> {
        let ends = self.starts.iter().skip(1).map(|start| *start as usize).chain([self.bytes.len()]);
        self.starts.iter().zip(ends).map(|(start, end)| &self.bytes[*start as usize + 2..end])
    }
}

/// Finds where each framed entry begins; `None` when the framing is broken.
pub(crate) fn frame(pieces: &[Bytes]) -> Option<Framed> {
    let bytes: Bytes = match pieces {
        [one] => one.clone(),
        many => many.concat().into(),
    };
    let starts = framing::starts(&bytes)?;
    Some(Framed { bytes, starts })
}

/// The perfect nodes of a just grown tree: those the growth completed, and those of the compact range before it.
pub(crate) struct PerfectNodes<'a> {
    pub(crate) before: &'a CompactRange,
    pub(crate) grown: &'a Nodes,
}

impl PerfectNodes<'_> {
    /// The hashes of nodes; `None` when one is neither new nor on the old edge.
    pub(crate) fn find(&self, wanted: &[NodeId]) -> Option<Vec<Hash>> {
        let hash = |node: &NodeId| self.grown.node(*node).or_else(|| self.before.node(*node));
        wanted.iter().map(hash).collect()
    }
}
