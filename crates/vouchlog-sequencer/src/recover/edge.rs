//! The right edge of the sealed part when a tile or bundle that it is read from is damaged.

use bytes::Bytes;
use vouchlog_merkle::{Hash, Tile, TileId, leaf_hash};
use vouchlog_storage::{Part, Store, StoreError};

use super::damaged;
use crate::edge::frame;

/// Tiles that differ from what lies below them, of which every combination is tried.
const MAX_DOUBTS: usize = 10;
/// Places that an error names.
const MAX_NAMED: usize = 8;

/// The tiles whose roots make up the partial tiles at a size that is a multiple of 256, by level from the lowest.
pub(crate) fn tiles_at_edge(size: u64) -> impl Iterator<Item = (u8, std::ops::Range<u64>)> {
    (1u8..8).map_while(move |level| {
        let below = size >> (8 * u32::from(level));
        (below > 0).then_some((level - 1, below & !255..below))
    })
}

/// The partial tiles at a size that is a multiple of 256: each hash is the root of a full tile one level down. Tiles are read as they
/// are: the committed root tells whether they are right, and a damaged bundle must not keep the log from starting, or it could
/// not be repaired from a mirror.
pub(super) fn edge_tiles(store: &impl Store, size: u64) -> Result<Vec<Bytes>, StoreError> {
    let mut tiles = vec![Bytes::new()];
    for (level, indexes) in tiles_at_edge(size) {
        let mut hashes = Vec::new();
        for index in indexes {
            hashes.extend_from_slice(stored_root(store, TileId { level, index })?.as_bytes());
        }
        tiles.push(hashes.into());
    }
    Ok(tiles)
}

/// A tile at the edge: its root by itself, and by what lies below it.
struct Doubtful {
    id: TileId,
    stored: Option<Hash>,
    below: Option<(Hash, Tile)>,
}

/// The edge in the versions that are possible while some tiles differ from what lies below them.
pub(super) struct Doubts {
    tiles: Vec<Doubtful>,
    /// Which of them have two versions.
    open: Vec<usize>,
}

impl Doubts {
    pub(super) fn read(store: &impl Store, size: u64) -> Self {
        let ids = tiles_at_edge(size)
            .flat_map(|(level, indexes)| indexes.map(move |index| TileId { level, index }));
        let tiles: Vec<Doubtful> = ids
            .map(|id| {
                let below = hashes_below(store, id).and_then(|hashes| Tile::from_hashes(hashes).ok());
                let below = below.and_then(|tile| Some((tile.root()?, tile)));
                Doubtful { id, stored: stored_root(store, id).ok(), below }
            })
            .collect();
        let has_two = |tile: &Doubtful| match (tile.stored, &tile.below) {
            (Some(stored), Some((below, _))) => stored != *below,
            _ => false,
        };
        let open = (0..tiles.len()).filter(|at| has_two(&tiles[*at])).collect();
        Self { tiles, open }
    }

    /// The choices to try. A choice has a bit for each tile in doubt, set if what lies below it counts.
    pub(super) fn choices(&self) -> impl Iterator<Item = u64> + use<> {
        let count = self.open.len();
        let all = if count > MAX_DOUBTS { 2 } else { 1 << count };
        (0..all).map(move |choice| if count > MAX_DOUBTS && choice == 1 { u64::MAX } else { choice })
    }

    fn is_from_below(&self, at: usize, choice: u64) -> bool {
        match self.open.iter().position(|open| *open == at) {
            Some(bit) => choice == u64::MAX || choice >> bit.min(63) & 1 == 1,
            None => self.tiles[at].stored.is_none(),
        }
    }

    /// The partial tiles of a choice; `None` when a tile has no version at all.
    pub(super) fn edge(&self, choice: u64) -> Option<Vec<Bytes>> {
        let mut levels: Vec<Vec<u8>> = vec![Vec::new()];
        for (at, tile) in self.tiles.iter().enumerate() {
            let level = usize::from(tile.id.level) + 1;
            levels.resize(levels.len().max(level + 1), Vec::new());
            let below = tile.below.as_ref().map(|(root, _)| *root);
            let root = if self.is_from_below(at, choice) { below } else { tile.stored };
            levels[level].extend_from_slice(root?.as_bytes());
        }
        Some(levels.into_iter().map(Bytes::from).collect())
    }

    /// Why the log does not start, with the places that no choice could make right.
    pub(super) fn explain(&self, store: &impl Store, reason: &str) -> String {
        let is_sound = |tile: &Doubtful| {
            let below = tile.below.as_ref().map(|(root, _)| *root);
            tile.stored.is_some() && tile.stored == below
        };
        let suspects: Vec<TileId> =
            self.tiles.iter().filter(|tile| !is_sound(tile)).map(|tile| tile.id).collect();
        let parts = suspects.iter().flat_map(|id| {
            let bundle = (id.level == 0).then_some(Part::Bundle(id.index));
            [Some(Part::Tile(*id)), bundle].into_iter().flatten()
        });
        let mut places: Vec<String> =
            parts.filter_map(|part| store.place(part)).map(|place| place.to_string()).collect();
        let more = places.len().saturating_sub(MAX_NAMED);
        places.truncate(MAX_NAMED);
        let more = if more > 0 { format!(" and {more} more places") } else { String::new() };
        match places.as_slice() {
            [] => format!("{reason}: sealed/, live/, and ledger/ do not fit together"),
            places => format!("{reason}: damage in {}{more}", places.join(", ")),
        }
    }

    /// Writes the tiles again of which a choice that proved right took what lies below.
    pub(super) fn repair(&self, store: &impl Store, choice: u64) {
        for (at, tile) in self.tiles.iter().enumerate() {
            let Some((_, below)) = &tile.below else { continue };
            if self.is_from_below(at, choice) {
                let part = Part::Tile(tile.id);
                let outcome = store.repair(part, &below.to_bytes().into());
                tracing::warn!(?outcome, "{part} was damaged and has been recomputed");
            }
        }
    }
}

fn stored_root(store: &impl Store, id: TileId) -> Result<Hash, StoreError> {
    let root = Tile::parse(&store.reread(Part::Tile(id))?).ok().and_then(|tile| tile.root());
    root.ok_or_else(|| damaged("a sealed tile is malformed"))
}

fn hashes_below(store: &impl Store, id: TileId) -> Option<Vec<Hash>> {
    if let Some(level) = id.level.checked_sub(1) {
        let children = id.index * 256..(id.index + 1) * 256;
        return children.map(|index| stored_root(store, TileId { level, index }).ok()).collect();
    }
    let bundle = store.reread(Part::Bundle(id.index)).ok()?;
    Some(frame(&[bundle])?.entries().map(leaf_hash).collect())
}
