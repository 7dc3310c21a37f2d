//! Goal: every node a proof can ask for is in the tiles a log of that size has. Method: cut real trees into tiles and
//! build proofs from their bytes alone; count tiles for sizes too large to build.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::reference::leaves;
use crate::{
    ConsistencyProof, FormatError, Hash, InclusionProof, LeafIndex, NodeId, ProofPlan, TILE_WIDTH, Tile,
    TileId, TreeSize, full_tiles, partial_tiles, partial_width, tile_node, tile_node_in_bytes,
    tiles_of_growth,
};

use super::Tree;

/// All tiles of a tree as a log would store them.
fn tiles_of(tree: &Tree) -> BTreeMap<TileId, Vec<u8>> {
    let full = tiles_of_growth(TreeSize::new(0), tree.head.size).map(|id| (id, 256));
    let tiles = full.chain(partial_tiles(tree.head.size)).map(|(id, width)| {
        assert_eq!(id.width_at(tree.head.size), width);
        let (first, hashes) = tree.growth.level(id.level * 8).unwrap();
        let begin = usize::try_from(id.index * 256 - first).unwrap();
        let tile = Tile::from_hashes(hashes[begin..begin + usize::from(width)].to_vec()).unwrap();
        (id, tile.to_bytes())
    });
    tiles.collect()
}

fn fetch(tiles: &BTreeMap<TileId, Vec<u8>>, plan: &ProofPlan) -> Vec<Hash> {
    let node = |node: &NodeId| {
        let bytes = &tiles[&node.tile().0];
        let hash = tile_node_in_bytes(bytes, *node).unwrap();
        assert_eq!(Tile::parse(bytes).unwrap().node(*node), Some(hash));
        hash
    };
    plan.nodes().iter().map(node).collect()
}

#[test]
fn proofs_from_tiles_alone() {
    let all = leaves(70_000);
    for n in [1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 70_000] {
        let tree = Tree::of(&all[..n]);
        let tiles = tiles_of(&tree);
        for m in [0, 1, 254, 255, 256, 257, n / 3, n / 2, n.saturating_sub(257), n - 1] {
            if m >= n {
                continue;
            }
            let index = LeafIndex::new(m as u64);
            let plan = InclusionProof::plan(index, tree.head.size).unwrap();
            let proof = InclusionProof::from_nodes(&plan, &fetch(&tiles, &plan)).unwrap();
            assert_eq!(proof.verify(index, tree.head.size, &all[m], &tree.head.root), Ok(()), "{m} of {n}");

            let old = Tree::of(&all[..=m]).head;
            let plan = ConsistencyProof::plan(old.size, tree.head.size).unwrap();
            let proof = ConsistencyProof::from_nodes(&plan, &fetch(&tiles, &plan)).unwrap();
            assert_eq!(proof.verify(&old, &tree.head), Ok(()), "{} to {n}", old.size);
        }
    }
}

#[test]
fn every_node_is_where_its_tile_says() {
    let tree = Tree::of(&leaves(65_536 + 700));
    let tiles = tiles_of(&tree);
    for level in 0..17 {
        let (first, hashes) = tree.growth.level(level).unwrap();
        // Low rows are many and all alike: every 7th will do.
        for (index, hash) in (first..).zip(hashes).step_by(if level < 4 { 7 } else { 1 }) {
            let node = NodeId { level, index };
            let (tile, row, offset) = node.tile();
            let leaf = (u128::from(tile.index) << (8 * (u32::from(tile.level) + 1)))
                + (u128::from(offset) << (8 * u32::from(tile.level) + u32::from(row)));
            assert_eq!(leaf, u128::from(node.first_leaf()), "{node}");
            assert_eq!(tile_node_in_bytes(&tiles[&tile], node), Some(*hash), "{node}");
        }
    }
}

#[test]
fn the_root_of_a_full_tile_is_in_the_tile_above() {
    let tree = Tree::of(&leaves(3 * 256 + 10));
    let tiles = tiles_of(&tree);
    let tile = |level, index| Tile::parse(&tiles[&TileId { level, index }]).unwrap();
    assert_eq!(tile(1, 0).hashes(), [0, 1, 2].map(|index| tile(0, index).root().unwrap()));
    assert_eq!(tile(0, 3).root(), None);
    assert_eq!(tile(1, 0).root(), None);
}

#[test]
fn a_partial_tile_gives_only_what_it_covers() {
    let hashes = leaves(5);
    let tile = Tile::from_hashes(hashes.clone()).unwrap();
    let covered = |level, index| tile.node(NodeId { level, index }).is_some();
    assert!(covered(0, 4) && covered(1, 1) && covered(2, 0));
    assert!(!covered(0, 5) && !covered(1, 2) && !covered(2, 1) && !covered(3, 0));
    assert_eq!(tile_node(&hashes, NodeId { level: 2, index: 0 }), Some(Tree::of(&hashes[..4]).head.root));
    assert_eq!(tile_node(&[], NodeId { level: 0, index: 0 }), None);

    assert_eq!(tile.clone().truncated(3).unwrap().hashes(), &hashes[..3]);
    assert_eq!(tile.clone().truncated(6), Err(FormatError::Width { want: 6, got: 5 }));
    assert_eq!(tile.truncated(0), Err(FormatError::Width { want: 0, got: 5 }));
}

#[test]
fn tiles_of_large_growths() {
    let count = |old, new| tiles_of_growth(TreeSize::new(old), TreeSize::new(new)).count();
    assert_eq!(count(0, 255), 0);
    assert_eq!(count(0, 256), 1);
    assert_eq!(count(255, 256), 1);
    assert_eq!(count(256, 511), 0);
    assert_eq!(count(0, 65_536), 257);
    assert_eq!(count(65_535, 65_536), 2);
    assert_eq!(count(0, 1 << 24), 65_536 + 256 + 1);
    assert_eq!(count((1 << 24) - 1, 1 << 24), 3);
    assert_eq!(count((1 << 24) - 1, (1 << 24) + 255), 3);
    assert_eq!(count(9, 9), 0);
    assert_eq!(count(9, 3), 0);
    assert_eq!(count(u64::MAX - 1, u64::MAX), 0);
    // The whole of it is never built: the first of 2^56 tiles comes at once.
    let mut tiles = tiles_of_growth(TreeSize::new(0), TreeSize::new(u64::MAX));
    assert_eq!(tiles.next(), Some(TileId { level: 0, index: 0 }));
}

#[test]
fn widths_at_the_ends() {
    let size = TreeSize::new(u64::MAX);
    assert_eq!(
        (0..=9).map(|level| partial_width(level, size)).collect::<Vec<_>>(),
        [255, 255, 255, 255, 255, 255, 255, 255, 0, 0]
    );
    assert_eq!(full_tiles(0, size), (1 << 56) - 1);
    assert_eq!(full_tiles(200, size), 0);
    assert_eq!(partial_tiles(size).count(), 8);
    assert_eq!(TileId { level: 0, index: u64::MAX }.width_at(size), 0);
    assert_eq!(TileId { level: 0, index: (1 << 56) - 1 }.width_at(size), 255);
    assert_eq!(TileId { level: 0, index: (1 << 56) - 2 }.width_at(size), 256);
    assert_eq!(TileId { level: 63, index: 0 }.width_at(size), 0);
}

#[test]
fn the_last_nodes_of_a_u64_tree_have_tiles() {
    for plan in [0, 1 << 40, u64::MAX - 1]
        .map(|index| InclusionProof::plan(LeafIndex::new(index), TreeSize::new(u64::MAX)))
    {
        for node in plan.unwrap().nodes() {
            let (tile, row, offset) = node.tile();
            let reach = (u32::from(offset) + 1) << row;
            assert!(reach <= u32::from(tile.width_at(TreeSize::new(u64::MAX))), "{node}");
        }
    }
}

proptest! {
    #[test]
    fn any_planned_node_is_inside_a_tile_of_the_tree(index: u64, size in 1_u64..) {
        let plan = InclusionProof::plan(LeafIndex::new(index % size), TreeSize::new(size)).unwrap();
        for node in plan.nodes() {
            let (tile, row, offset) = node.tile();
            prop_assert!((u32::from(offset) + 1) << row <= u32::from(tile.width_at(TreeSize::new(size))));
        }
    }

    #[test]
    fn growth_is_the_difference_of_widths(old in 0_u64..1 << 20, by in 0_u64..100_000) {
        let (old, new) = (TreeSize::new(old), TreeSize::new(old + by));
        let mut count = 0;
        for tile in tiles_of_growth(old, new) {
            count += 1;
            prop_assert!(tile.width_at(old) < 256);
            prop_assert_eq!(tile.width_at(new), 256);
        }
        let want: u64 = (0..8).map(|level| full_tiles(level, new) - full_tiles(level, old)).sum();
        prop_assert_eq!(count, want);
    }

    #[test]
    fn any_bytes_are_a_tile_or_not(bytes in prop::collection::vec(any::<u8>(), 0..9000)) {
        let whole = !bytes.is_empty() && bytes.len() % 32 == 0 && bytes.len() / 32 <= TILE_WIDTH;
        match Tile::parse(&bytes) {
            Ok(tile) => prop_assert!(whole && tile.to_bytes() == bytes),
            Err(why) => prop_assert_eq!((whole, why), (false, FormatError::TileLength { got: bytes.len() })),
        }
    }

    #[test]
    fn any_node_of_any_bytes_is_there_or_not(bytes in prop::collection::vec(any::<u8>(), 0..9000), level: u8, index: u64) {
        let node = NodeId { level, index };
        let (_, row, offset) = node.tile();
        let covered = (usize::from(offset) + 1) << row <= bytes.len() / 32;
        prop_assert_eq!(tile_node_in_bytes(&bytes, node).is_some(), covered);
    }

    #[test]
    fn whole_tiles_round_trip(count in 1_usize..=TILE_WIDTH) {
        let tile = Tile::from_hashes(leaves(count)).unwrap();
        prop_assert_eq!(Tile::parse(&tile.to_bytes()), Ok(tile.clone()));
        prop_assert_eq!(tile.root().is_some(), count == TILE_WIDTH);
    }
}
