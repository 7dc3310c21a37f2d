//! The tiles of the audited tree, from the root down: what hash every bundle and tile must have.
//!
//! The partial tiles, one for each level at most, together determine the root: if they lead to the signed one, each hash in
//! them is right, and so is each full tile whose root stands in one above it.
//!
//! ```text
//! signed root ── partial tiles ── full tiles of level 2 ── full tiles of level 1 ── level 0 ── entries
//! ```

use vouchlog_api::{LogReader, Result};
use vouchlog_merkle::{Hash, TILE_HEIGHT, TILE_WIDTH, Tile, TileId, TreeHead, TreeSize, full_tiles};

use crate::edge::{LEVELS, RightEdge, tile_root};
use crate::evidence::{EvidenceSource, ServedBytes};
use crate::fetch::{Fetcher, Served};
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;

const WIDTH: u64 = TILE_WIDTH as u64;

/// The tiles on the way from the root to one bundle.
pub(crate) struct Tiles {
    size: TreeSize,
    /// The partial tile of each level; empty where there is none or it cannot be read.
    edge: Vec<Vec<Hash>>,
    /// Whether the partial tiles lead to the signed root.
    is_edge_right: bool,
    /// The full or partial tile of each level, from 1 on, that the current bundle is under.
    parents: Vec<Option<Parent>>,
    /// Tiles read so far.
    pub(crate) count: u64,
}

struct Parent {
    index: u64,
    hashes: Vec<Hash>,
    /// Whether its hashes are known to be those of the tree.
    is_right: bool,
}

/// The hash a tile must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expected {
    pub(crate) root: Hash,
    /// Whether that is known, or only what the tile above says.
    pub(crate) is_right: bool,
}

impl Tiles {
    /// Reads the partial tiles of a tree and holds them against its root.
    pub(crate) async fn open<R: LogReader>(
        log: &Fetcher<R>,
        head: &TreeHead,
        found: &mut Suspicions,
    ) -> Result<Self> {
        let mut edge = vec![Vec::new(); usize::from(LEVELS)];
        let mut count = 0;
        for (id, width) in vouchlog_merkle::partial_tiles(head.size) {
            let served = log.served_tile(id, width).await?;
            count += 1;
            edge[usize::from(id.level)] = read(&served, id, width, found).unwrap_or_default();
        }
        let levels = RightEdge::from_levels(head.size, edge.clone());
        let is_edge_right = levels.is_some_and(|levels| levels.head() == *head);
        let parents = (0..=LEVELS).map(|_| None).collect();
        Ok(Self { size: head.size, edge, is_edge_right, parents, count })
    }

    /// Whether the partial tiles lead to the signed root.
    pub(crate) fn is_edge_right(&self) -> bool {
        self.is_edge_right
    }

    /// The partial tile of a level, if it could be read.
    pub(crate) fn partial(&self, level: u8) -> Option<&[Hash]> {
        let tile = &self.edge[usize::from(level)];
        (!tile.is_empty()).then_some(tile.as_slice())
    }

    /// The full tiles above level 0 that have to be read before this bundle is looked at; all above it if it is the first.
    pub(crate) fn parents_of(bundle: u64, is_first: bool, size: TreeSize) -> Vec<TileId> {
        let begins = |level: u8| bundle.trailing_zeros() >= u32::from(level * TILE_HEIGHT) || bundle == 0;
        (1..LEVELS)
            .filter(|level| is_first || begins(*level))
            .map(|level| TileId { level, index: bundle >> (level * TILE_HEIGHT) })
            .filter(|id| usize::from(id.width_at(size)) == TILE_WIDTH)
            .collect()
    }

    /// Goes on to a bundle: takes up the tiles above it, from the top down, each checked by the one above.
    pub(crate) fn enter(&mut self, bundle: u64, full: &[(TileId, Served)], found: &mut Suspicions) {
        for level in (1..LEVELS).rev() {
            let id = TileId { level, index: bundle >> (level * TILE_HEIGHT) };
            let place = usize::from(level);
            if self.parents[place].as_ref().is_some_and(|parent| parent.index == id.index) {
                continue;
            }
            self.parents[place] = match full.iter().find(|(tile, _)| *tile == id) {
                Some((_, served)) => self.full_parent(id, served, found),
                None if !self.edge[place].is_empty() && id.index == full_tiles(level, self.size) => {
                    Some(Parent {
                        index: id.index,
                        hashes: self.edge[place].clone(),
                        is_right: self.is_edge_right,
                    })
                }
                None => None,
            };
        }
    }

    fn full_parent(&mut self, id: TileId, served: &Served, found: &mut Suspicions) -> Option<Parent> {
        self.count += 1;
        let hashes = read(served, id, 256, found)?;
        let root = tile_root(&hashes);
        match self.expected(id) {
            Some(Expected { root: right, is_right: true }) if right != root => {
                mismatch(id, 256, served, found);
                None
            }
            expected => {
                let is_right = expected.is_some_and(|expected| expected.is_right);
                Some(Parent { index: id.index, hashes, is_right })
            }
        }
    }

    /// The root that a full tile must have, by the tile above it.
    pub(crate) fn expected(&self, id: TileId) -> Option<Expected> {
        let parent = self.parents.get(usize::from(id.level) + 1)?.as_ref()?;
        let offset = usize::try_from(id.index % WIDTH).expect("less than 256");
        let is_above = parent.index == id.index / WIDTH;
        let root = *parent.hashes.get(offset).filter(|_| is_above)?;
        Some(Expected { root, is_right: parent.is_right })
    }

    /// Holds a tile that was computed from the entries against the one that was served and could not be checked from above.
    pub(crate) fn compare_computed(&self, id: TileId, computed: &[Hash], found: &mut Suspicions) {
        let parent = self.parents[usize::from(id.level)].as_ref().filter(|parent| parent.index == id.index);
        if let Some(parent) = parent.filter(|parent| !parent.is_right && parent.hashes != computed) {
            let served: Vec<u8> = parent.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect();
            mismatch(id, 256, &Served::Bytes(served.into()), found);
        }
    }
}

/// Reads a tile; one that is missing or of another length is a finding.
pub(crate) fn read(served: &Served, id: TileId, width: u16, found: &mut Suspicions) -> Option<Vec<Hash>> {
    let place = || Place::tile(id, width);
    let bytes = match served {
        Served::Bytes(bytes) => bytes,
        Served::Missing(message) => {
            let words = || format!("the tile is not served: {message}");
            found.add(FindingKind::MissingTile, place(), EvidenceSource::Object { served: None }, words);
            return None;
        }
    };
    let want = usize::from(width) * Hash::LEN;
    match Tile::parse(bytes) {
        Ok(tile) if bytes.len() == want => Some(tile.hashes().to_vec()),
        _ => {
            let lead = EvidenceSource::Object { served: Some(ServedBytes::hash_of(bytes)) };
            let words = || format!("the tile has {} bytes, not {want}", bytes.len());
            found.add(FindingKind::TruncatedTile, place(), lead, words);
            None
        }
    }
}

/// A tile is not what the tree has in its place.
pub(crate) fn mismatch(id: TileId, width: u16, served: &Served, found: &mut Suspicions) -> Cause {
    let served = match served {
        Served::Bytes(bytes) => Some(ServedBytes::hash_of(bytes)),
        Served::Missing(_) => None,
    };
    let words = || "the tile does not lead to the signed root".to_owned();
    found.add(
        FindingKind::TileParentMismatch,
        Place::tile(id, width),
        EvidenceSource::Object { served },
        words,
    )
}
