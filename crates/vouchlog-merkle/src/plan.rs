//! `ProofPlan`: which nodes a proof needs, decided before anything is fetched.

use crate::range::fold_right_to_left;
use crate::{CompactRange, Hash, NodeId, ProofError};

/// The nodes to fetch for a proof, and how they become its hashes.
///
/// Nearly every hash of a proof is one stored node. The exception is a subtree that reaches the right edge of the
/// tree: its root is not stored, and is folded from the perfect nodes it consists of.
///
/// ```text
/// inclusion of leaf 0 in a tree of 7:  hashes [ (0,1) | (1,1) | (1,2) (0,6) ]
///                                                              └── folded ──┘
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProofPlan {
    nodes: Vec<NodeId>,
    /// For each hash of the proof, how many of the nodes it takes.
    takes: Vec<usize>,
}

impl ProofPlan {
    /// The nodes to fetch. All of them are perfect, so each can be read from a tile.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// The hashes of the proof, from those of [`ProofPlan::nodes`] in the same order.
    ///
    /// # Errors
    /// [`ProofError::WrongLength`] if there is not one hash for each node.
    pub fn build(&self, fetched: &[Hash]) -> Result<Vec<Hash>, ProofError> {
        if fetched.len() != self.nodes.len() {
            return Err(ProofError::WrongLength { want: self.nodes.len(), got: fetched.len() });
        }
        let mut rest = fetched;
        let hash = |&count: &usize| {
            let (group, others) = rest.split_at(count);
            rest = others;
            fold_right_to_left(group).expect("every proof hash takes a node")
        };
        Ok(self.takes.iter().map(hash).collect())
    }

    /// Plans one hash for each of these leaf intervals, which are not empty and all are subtrees of one tree.
    pub(crate) fn of_intervals(intervals: impl IntoIterator<Item = (u64, u64)>) -> Self {
        let mut plan = Self { nodes: Vec::new(), takes: Vec::new() };
        for (begin, end) in intervals {
            let nodes = CompactRange::nodes(begin, end);
            plan.takes.push(nodes.len());
            plan.nodes.extend(nodes);
        }
        plan
    }
}

/// The leaf intervals whose hashes prove that `target` is part of `tree`, lowest first.
///
/// Both are `(begin, end)`, `tree` is a valid subtree or a whole tree, `target` a valid subtree that lies in it.
/// SPEC: this is SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs section 4, which for one leaf is PATH and for
/// a target that begins with the tree is PROOF of RFC 6962 section 2.1. Written from the root downwards, as a loop.
pub(crate) fn path((begin, end): (u64, u64), tree: (u64, u64)) -> Vec<(u64, u64)> {
    let (mut low, mut high) = tree;
    let mut target = begin;
    let mut downwards = Vec::new();
    if begin == end {
        return downwards;
    }
    // Each turn at least halves `high - low` (rounded up), so there are at most 64.
    while (low, high) != (target, end) {
        let middle = low + split(high - low);
        if end <= middle {
            downwards.push((middle, high));
            high = middle;
        } else {
            downwards.push((low, middle));
            // A target that reaches across the middle begins with the left half. From here on the question is
            // about its right part, which the verifier cannot know.
            target = target.max(middle);
            low = middle;
        }
    }
    if target != begin {
        downwards.push((low, high));
    }
    downwards.reverse();
    downwards
}

/// The number of leaves in the left part of a tree: the largest power of two smaller than `size`, which is above 1.
pub(crate) fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}
