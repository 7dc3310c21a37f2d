//! A second way to the right edge of a tree: from the definition of a tree's hash, not from growing it.

use crate::growth::end_of;
use crate::range::CompactRange;
use crate::{Hash, node_hash};

/// The compact range of `leaves`, of which the first has index `begin`, straight from the RFC's definition.
///
/// The result equals that of [`CompactRange::extend`] on an empty range, but shares no code with it below the hash
/// functions and the list of nodes: an auditor computes edges both ways.
///
/// # Panics
/// If the leaves would end beyond leaf `u64::MAX`.
#[must_use]
pub fn perfect_range(begin: u64, leaves: &[Hash]) -> CompactRange {
    let end = end_of(begin, leaves);
    let nodes = CompactRange::nodes(begin, end);
    let mut rest = leaves;
    let mut hashes = Vec::with_capacity(nodes.len());
    for node in &nodes {
        let (subtree, others) = rest.split_at(1 << node.level);
        hashes.push(merkle_tree_hash(subtree));
        rest = others;
    }
    CompactRange::from_hashes(begin, end, hashes).expect("one hash for each node")
}

/// SPEC: RFC 6962 section 2.1: MTH of a list is that of its left and right part, of which the left is the largest
/// power of two smaller than the list. Called with at least one leaf; the recursion is as deep as the tree is high.
fn merkle_tree_hash(leaves: &[Hash]) -> Hash {
    match leaves {
        [leaf] => *leaf,
        [left, right] => node_hash(left, right),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            node_hash(&merkle_tree_hash(left), &merkle_tree_hash(right))
        }
    }
}
