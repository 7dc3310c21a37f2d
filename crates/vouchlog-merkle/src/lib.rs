//! RFC 6962 hashes, tree growth, proofs and C2SP tile geometry, as pure functions.
//!
//! **Invariant: no I/O, no async, no clock, no allocation tied to input it has not bounded.**
//!
//! In scope: hashing leaves and nodes, growing a tree, planning, building and verifying inclusion, consistency,
//! range and subtree proofs, and the layout of tiles and entry bundles.
//! Out of scope: checkpoints and signatures (`vouchlog-note`), what an entry means (`vouchlog-stream`), and where
//! nodes are kept (`vouchlog-storage`). A proof is made in three steps, and this crate does the first and the
//! last: *plan* which nodes are needed, fetch them, *build* the proof.
//!
//! ```
//! use vouchlog_merkle::{CompactRange, InclusionProof, LeafIndex, leaf_hash};
//!
//! let leaves = [b"one".as_slice(), b"two", b"three"].map(leaf_hash);
//! let mut tree = CompactRange::new();
//! let growth = tree.extend(&leaves);
//! let root = tree.root().expect("the range begins at leaf 0");
//!
//! let plan = InclusionProof::plan(LeafIndex::new(2), tree.size())?;
//! let nodes: Vec<_> = plan.nodes().iter().map(|&id| growth.node(id).expect("just grown")).collect();
//! let proof = InclusionProof::from_nodes(&plan, &nodes)?;
//! proof.verify(LeafIndex::new(2), tree.size(), &leaves[2], &root)?;
//! # Ok::<(), vouchlog_merkle::ProofError>(())
//! ```

mod hash;
mod head;
mod position;

mod growth;
mod perfect;
mod range;

mod consistency;
mod inclusion;
mod plan;
mod range_proof;
mod subtree;

mod bundle;
mod tile;
mod tile_path;

mod format_error;
mod proof_error;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use bundle::{EntryBundle, MAX_BUNDLE_LEN, MAX_ENTRY_LEN};
pub use consistency::ConsistencyProof;
pub use format_error::FormatError;
pub use growth::Growth;
pub use hash::{EMPTY_ROOT, Hash, leaf_hash, node_hash, sha256};
pub use head::TreeHead;
pub use inclusion::InclusionProof;
pub use perfect::perfect_range;
pub use plan::ProofPlan;
pub use position::{LeafIndex, NodeId, TreeSize};
pub use proof_error::ProofError;
pub use range::CompactRange;
pub use range_proof::{PlacedRange, RangePlan, RangeProof};
pub use subtree::{Subtree, SubtreeProof};
pub use tile::{
    TILE_HEIGHT, TILE_WIDTH, Tile, TileId, full_tiles, partial_tiles, partial_width, tile_node,
    tile_node_in_bytes, tiles_of_growth,
};
pub use tile_path::{TilePath, encode_index};
