//! `Growth`: the nodes a tree gains when leaves are added.

use crate::{Hash, NodeId, node_hash};

/// Every perfect node completed by adding leaves to a range, by level.
///
/// ```text
/// a tree of 3 leaves grows by 5:
///   level 3   (3,0)
///   level 2   (2,0) (2,1)
///   level 1         (1,1) (1,2) (1,3)           (1,1) has an old left child
///   level 0               (0,3) .. (0,7)
/// ```
///
/// The new nodes of a level lie side by side, so a level is the index of its first node and a list of hashes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Growth {
    begin: u64,
    end: u64,
    levels: Vec<Level>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Level {
    first: u64,
    hashes: Vec<Hash>,
}

impl Growth {
    /// The hash of a node, if this growth completed it.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<Hash> {
        let (first, hashes) = self.level(node.level)?;
        let offset = usize::try_from(node.index.checked_sub(first)?).ok()?;
        hashes.get(offset).copied()
    }

    /// The new nodes of a level: the index of the first, and all their hashes. `None` if there are none.
    #[must_use]
    pub fn level(&self, level: u8) -> Option<(u64, &[Hash])> {
        self.levels.get(usize::from(level)).map(|level| (level.first, level.hashes.as_slice()))
    }

    /// The first added leaf, which is the size before.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// One past the last added leaf, which is the size after.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// Adds `leaves` at `old_end` to the range `[range_begin, old_end)` with the nodes `old`.
    ///
    /// One pass per level over one preallocated list: for n leaves about 2n hashes of memory and n hash operations.
    pub(crate) fn of(range_begin: u64, old_end: u64, old: &[(NodeId, Hash)], leaves: &[Hash]) -> Self {
        let end = end_of(old_end, leaves);
        let mut levels = Vec::new();
        let mut below = Level { first: old_end, hashes: leaves.to_vec() };
        while !below.hashes.is_empty() {
            let level = u8::try_from(levels.len()).expect("each level has half the nodes of the one below");
            let above = below.parents(|first| {
                // Only the leftmost new node can have a left sibling that is older than this growth.
                let sibling = NodeId { level, index: first - 1 };
                (sibling.first_leaf() >= range_begin)
                    .then(|| find(old, sibling).expect("an old sibling of a new node ends the old range"))
            });
            levels.push(std::mem::replace(&mut below, above));
        }
        Self { begin: old_end, end, levels }
    }
}

impl Level {
    /// The complete parents of these nodes. `left_sibling` gives the older left sibling of the first node when that
    /// has an odd index; without one the first node stays without a parent.
    fn parents(&self, left_sibling: impl FnOnce(u64) -> Option<Hash>) -> Self {
        let mut parents = Vec::with_capacity(self.hashes.len() / 2 + 1);
        let mut first = self.first / 2;
        let mut children = self.hashes.as_slice();
        if self.first % 2 == 1
            && let Some((right, rest)) = children.split_first()
        {
            children = rest;
            match left_sibling(self.first) {
                Some(left) => parents.push(node_hash(&left, right)),
                None => first += 1,
            }
        }
        parents.extend(children.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])));
        Self { first, hashes: parents }
    }
}

/// The hash kept for a node in a short list.
pub(crate) fn find(nodes: &[(NodeId, Hash)], wanted: NodeId) -> Option<Hash> {
    nodes.iter().find(|(node, _)| *node == wanted).map(|(_, hash)| *hash)
}

/// One past the last of `leaves`, of which the first has index `begin`.
pub(crate) fn end_of(begin: u64, leaves: &[Hash]) -> u64 {
    u64::try_from(leaves.len())
        .ok()
        .and_then(|count| begin.checked_add(count))
        .expect("a tree has fewer than 2^64 leaves")
}
