//! The right edge of a mirror's tree: the entries and hashes that do not fill a bundle or a tile yet.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result, Watch};
use vouchlog_client::TileReader;
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, TILE_WIDTH, Tile, TileId, TilePath, TreeHead, TreeSize, leaf_hash,
    partial_tiles, tile_node,
};
use vouchlog_storage::StoreError;

const FULL: u16 = 256;

/// What is new of a bundle.
pub(super) struct MirroredBundle {
    /// Its entries; none of a bundle that the log gave up.
    pub(super) entries: Option<Vec<Bytes>>,
    /// Its leaf hashes.
    pub(super) leaves: Vec<Hash>,
}

/// A tree's compact range, its partial tiles and its partial bundle.
#[derive(Clone, Debug, Default)]
pub(super) struct Edge {
    range: CompactRange,
    /// Hashes of the partial tile, by level.
    tiles: Vec<Vec<Hash>>,
    /// Entries of the partial bundle, framed.
    bundle: Vec<u8>,
}

impl Edge {
    /// Reads the edge of a copy, which must be that of `head`.
    pub(super) async fn read(copy: &TileReader, head: TreeHead) -> std::result::Result<Self, StoreError> {
        let damaged = |what: String| {
            StoreError::Damaged(format!("the copy does not hold what its checkpoint states: {what}"))
        };
        let unread = |error: Error| damaged(error.to_string());
        let mut edge = Self::default();
        for (tile, width) in partial_tiles(head.size) {
            let bytes = copy.tile(tile, width).await.map_err(unread)?;
            let hashes = Tile::parse(&bytes).map_err(|error| damaged(error.to_string()))?;
            edge.tiles.resize(edge.tiles.len().max(usize::from(tile.level) + 1), Vec::new());
            edge.tiles[usize::from(tile.level)] = hashes.hashes().to_vec();
            if tile.level == 0 {
                edge.bundle = copy.entry_bundle(tile.index, width).await.map_err(unread)?.to_vec();
                let entries = EntryBundle::entries(&edge.bundle, usize::from(width));
                let entries = entries.map_err(|error| damaged(error.to_string()))?;
                if !entries.iter().map(|entry| leaf_hash(entry)).eq(hashes.hashes().iter().copied()) {
                    return Err(damaged("its last entries do not match their tile".into()));
                }
            }
        }
        let mut nodes = Vec::new();
        for node in CompactRange::nodes(0, head.size.get()) {
            let (tile, ..) = node.tile();
            let hashes = edge.tiles.get(usize::from(tile.level)).map_or(&[][..], Vec::as_slice);
            let hash = tile_node(hashes, node);
            nodes.push(hash.ok_or_else(|| damaged(format!("{} is too short", tile.path(FULL))))?);
        }
        let range = CompactRange::from_hashes(0, head.size.get(), nodes);
        edge.range = range.map_err(|error| damaged(error.to_string()))?;
        if edge.head().is_some_and(|found| found != head) {
            return Err(damaged("its tiles do not lead to the root".into()));
        }
        Ok(edge)
    }

    pub(super) fn size(&self) -> u64 {
        self.range.end()
    }

    /// The head; none of the empty tree.
    pub(super) fn head(&self) -> Option<TreeHead> {
        let root = self.range.root().filter(|_| self.size() > 0)?;
        Some(TreeHead { size: TreeSize::new(self.size()), root })
    }

    /// Appends a bundle, or the rest of one; the tiles and bundles that became full.
    pub(super) fn extend(&mut self, bundle: &MirroredBundle) -> Vec<(TilePath, Bytes)> {
        let mut full = Vec::new();
        let before = self.size();
        match &bundle.entries {
            Some(entries) => {
                for (entry, index) in entries.iter().zip(before..) {
                    // They were read from bundles.
                    EntryBundle::push_entry(&mut self.bundle, entry)
                        .expect("an entry of a bundle fits into one");
                    if index % 256 == 255 {
                        let path = TilePath::Entries { index: index / 256, width: FULL };
                        full.push((path, std::mem::take(&mut self.bundle).into()));
                    }
                }
            }
            // The first entries of it may be here; without the others they are no bundle.
            None => self.bundle.clear(),
        }
        let nodes = self.range.extend(&bundle.leaves);
        for level in 0u8.. {
            let Some((_, new)) = nodes.level(8 * level).filter(|(_, new)| !new.is_empty()) else { break };
            if self.tiles.len() <= usize::from(level) {
                self.tiles.push(Vec::new());
            }
            let partial = &mut self.tiles[usize::from(level)];
            partial.extend_from_slice(new);
            let mut index = before.checked_shr(8 * (u32::from(level) + 1)).unwrap_or(0);
            while partial.len() >= TILE_WIDTH {
                let hashes: Vec<Hash> = partial.drain(..TILE_WIDTH).collect();
                let bytes: Vec<u8> = hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
                full.push((TilePath::Hashes { tile: TileId { level, index }, width: FULL }, bytes.into()));
                index += 1;
            }
        }
        full
    }
}

/// An edge under its checkpoint, as it is published.
#[derive(Clone)]
pub(super) struct PublishedEdge {
    edge: Arc<Edge>,
    note: Arc<str>,
}

impl PublishedEdge {
    pub(super) fn new(edge: Edge, note: &str) -> Self {
        Self { edge: Arc::new(edge), note: note.into() }
    }
}

fn not_partial(what: &str) -> Error {
    Error::not_found(format!("{what} is not at the edge"))
}

impl LogReader for PublishedEdge {
    async fn checkpoint(&self) -> Result<String> {
        Ok(self.note.to_string())
    }

    async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
        Err(Error::unavailable("there is no later checkpoint yet"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        let hashes = self.edge.tiles.get(usize::from(tile.level));
        let hashes = hashes.and_then(|hashes| hashes.get(..usize::from(width)));
        let hashes = hashes.ok_or_else(|| not_partial(&tile.path(width)))?;
        Ok(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>().into())
    }

    async fn entry_bundle(&self, bundle: u64, _: u16) -> Result<Bytes> {
        if bundle != self.edge.size() / 256 {
            return Err(not_partial(&format!("entry bundle {bundle}")));
        }
        Ok(self.edge.bundle.clone().into())
    }
}

impl Watch for PublishedEdge {
    async fn checkpoint_other_than(&self, _: String) -> Result<String> {
        self.checkpoint().await
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        self.checkpoint().await
    }
}
