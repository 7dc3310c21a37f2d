//! What the benchmarks share: leaves, a tree with all its nodes, and `rs_merkle` with the hashing of RFC 6962.
//!
//! `rs_merkle` is here to be measured against, as it is in the tests of `vouchlog-merkle` to be compared with. It is no
//! tree for a log: it keeps every node in memory, has no consistency proof, and knows nothing of tiles.

pub mod counts;

use rs_merkle::Hasher;
use vouchlog_merkle::{CompactRange, Growth, Hash, ProofPlan, TreeHead, leaf_hash, node_hash};

/// `rs_merkle`'s hasher for RFC 6962: leaves come hashed, a node without a sibling moves up as it is. The hash function
/// is the one our own tree uses, so what differs is the tree.
#[derive(Clone, Debug)]
pub struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(data: &[u8]) -> [u8; 32] {
        *leaf_hash(data).as_bytes()
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => *node_hash(&Hash::from_bytes(*left), &Hash::from_bytes(*right)).as_bytes(),
            None => *left,
        }
    }
}

/// So many different leaf hashes.
pub fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// Leaf hashes as `rs_merkle` takes them.
pub fn as_bytes(leaves: &[Hash]) -> Vec<[u8; 32]> {
    leaves.iter().map(|leaf| *leaf.as_bytes()).collect()
}

/// A tree grown from nothing, with every node at hand.
#[derive(Debug)]
pub struct Tree {
    /// Size and root.
    pub head: TreeHead,
    growth: Growth,
}

impl Tree {
    /// The tree of these leaves.
    pub fn of(leaves: &[Hash]) -> Self {
        let mut range = CompactRange::new();
        let growth = range.extend(leaves);
        Self {
            head: TreeHead { size: range.size(), root: range.root().expect("it begins at leaf 0") },
            growth,
        }
    }

    /// The hashes of a plan's nodes.
    pub fn fetch(&self, plan: &ProofPlan) -> Vec<Hash> {
        plan.nodes().iter().map(|&node| self.growth.node(node).expect("a plan names perfect nodes")).collect()
    }
}
