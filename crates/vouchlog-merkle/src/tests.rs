//! Tests of the whole crate, by kind. Each file says its goal and method.

mod bounds;
mod exhaustive;
mod formats;
mod growing;
mod second_oracle;
mod tiles;
mod vectors;

use crate::{CompactRange, Growth, Hash, ProofPlan, TreeHead, TreeSize};

/// A tree with all its perfect nodes.
struct Tree {
    growth: Growth,
    head: TreeHead,
}

impl Tree {
    fn of(leaves: &[Hash]) -> Self {
        let mut range = CompactRange::new();
        let growth = range.extend(leaves);
        Self { growth, head: TreeHead { size: range.size(), root: range.root().unwrap() } }
    }

    /// What a caller does between planning and building.
    fn fetch(&self, plan: &ProofPlan) -> Vec<Hash> {
        plan.nodes().iter().map(|node| self.growth.node(*node).unwrap()).collect()
    }
}

fn size(n: usize) -> TreeSize {
    TreeSize::new(n as u64)
}

/// The same hash with one bit the other way.
fn damaged(hash: Hash) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[17] ^= 0x04;
    Hash::from_bytes(bytes)
}

/// The list with each of its hashes damaged once.
fn damaged_once(hashes: &[Hash]) -> impl Iterator<Item = Vec<Hash>> {
    (0..hashes.len()).map(|at| {
        let mut list = hashes.to_vec();
        list[at] = damaged(list[at]);
        list
    })
}
