//! Tiles: the bytes come back, and every node of a tile is found in hashes and bytes alike.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_merkle::{NodeId, Tile, tile_node_in_bytes};

fuzz_target!(|input: (u8, u64, &[u8])| {
    let (level, index, bytes) = input;
    let node = NodeId { level, index };
    let in_bytes = tile_node_in_bytes(bytes, node);
    if let Ok(tile) = Tile::parse(bytes) {
        assert_eq!(tile.to_bytes(), bytes);
        assert_eq!(tile.node(node), in_bytes);
        let _ = tile.root();
    }
});
