//! `CompactRange`: a run of leaves by the fewest hashes that determine it; from leaf 0, the right edge of a tree.

use crate::growth::{Growth, find};
use crate::{EMPTY_ROOT, Hash, NodeId, ProofError, TreeSize, node_hash};

/// The leaves `[begin, end)` by the hashes of their maximal perfect aligned subtrees, left to right.
///
/// ```text
/// [0, 7):   (2,0)                  (1,2)       (0,6)
/// [3, 7):                   (0,3)  (1,2)       (0,6)
///           0   1   2   3   4   5   6
/// ```
///
/// At most 126 hashes, at most 64 when it begins at 0. This is what a log keeps in memory to go on growing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompactRange {
    begin: u64,
    end: u64,
    hashes: Vec<Hash>,
}

impl CompactRange {
    /// The empty range at leaf 0: a tree without leaves.
    #[must_use]
    pub const fn new() -> Self {
        Self::empty_at(0)
    }

    /// The empty range between the leaves `begin - 1` and `begin`.
    #[must_use]
    pub const fn empty_at(begin: u64) -> Self {
        Self { begin, end: begin, hashes: Vec::new() }
    }

    /// The range of `leaves`, of which the first has index `begin`; `None` if it would end beyond leaf `u64::MAX`.
    #[must_use]
    pub fn of_leaves(begin: u64, leaves: &[Hash]) -> Option<Self> {
        begin.checked_add(u64::try_from(leaves.len()).ok()?)?;
        let mut range = Self::empty_at(begin);
        leaves.iter().for_each(|leaf| range.append(*leaf));
        Some(range)
    }

    /// Takes up a range that was stored as its hashes.
    ///
    /// # Errors
    /// [`ProofError::RangeOutsideTree`] if `begin > end`, [`ProofError::WrongLength`] if the number of hashes is not
    /// that of [`CompactRange::nodes`].
    pub fn from_hashes(begin: u64, end: u64, hashes: Vec<Hash>) -> Result<Self, ProofError> {
        if begin > end {
            return Err(ProofError::RangeOutsideTree { begin, end, size: end });
        }
        let want = Self::nodes(begin, end).len();
        if hashes.len() != want {
            return Err(ProofError::WrongLength { want, got: hashes.len() });
        }
        Ok(Self { begin, end, hashes })
    }

    /// The nodes whose hashes make up the range `[begin, end)`, left to right; none if `begin >= end`.
    #[must_use]
    pub fn nodes(begin: u64, end: u64) -> Vec<NodeId> {
        let mut nodes = Vec::new();
        let mut at = begin;
        while at < end {
            // The largest subtree that may begin here: as aligned as `at`, and no longer than what is left.
            let level = at.trailing_zeros().min((end - at).ilog2());
            nodes.push(NodeId { level: level_of(level), index: at >> level });
            at += 1 << level;
        }
        nodes
    }

    /// First leaf of the range.
    #[must_use]
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// One past the last leaf of the range.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The size of a tree that ends where the range ends.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        TreeSize::new(self.end)
    }

    /// The hashes of [`CompactRange::nodes`], in that order.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The hash of a node, if it is one of [`CompactRange::nodes`] and the range begins at leaf 0.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<Hash> {
        // From leaf 0 on there is a node for each bit of the size, the largest first.
        let complete = self.end.checked_shr(node.level.into())?;
        if self.begin != 0 || complete % 2 == 0 || node.index != complete - 1 {
            return None;
        }
        self.hashes.get((complete / 2).count_ones() as usize).copied()
    }

    /// The root of the tree, if the range begins at leaf 0.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        (self.begin == 0).then(|| fold_right_to_left(&self.hashes).unwrap_or(EMPTY_ROOT))
    }

    /// Adds one leaf. For many leaves [`CompactRange::extend`] is faster and also gives their nodes.
    ///
    /// # Panics
    /// If the range already ends at leaf `u64::MAX`.
    pub fn append(&mut self, leaf: Hash) {
        self.push(NodeId { level: 0, index: self.end }, leaf);
    }

    /// Puts the range that follows this one behind it.
    ///
    /// # Errors
    /// [`ProofError::RangesNotAdjacent`] unless `right` begins where this range ends.
    pub fn merge(&mut self, right: &Self) -> Result<(), ProofError> {
        if right.begin != self.end {
            return Err(ProofError::RangesNotAdjacent { left_end: self.end, right_begin: right.begin });
        }
        for (node, hash) in Self::nodes(right.begin, right.end).into_iter().zip(&right.hashes) {
            self.push(node, *hash);
        }
        Ok(())
    }

    /// Adds leaves and returns every perfect node this completes.
    ///
    /// # Panics
    /// If the range would end beyond leaf `u64::MAX`.
    pub fn extend(&mut self, leaves: &[Hash]) -> Growth {
        let old = Self::nodes(self.begin, self.end)
            .into_iter()
            .zip(self.hashes.iter().copied())
            .collect::<Vec<_>>();
        let growth = Growth::of(self.begin, self.end, &old, leaves);
        self.end = growth.end();
        self.hashes = Self::nodes(self.begin, self.end)
            .into_iter()
            .map(|node| growth.node(node).or_else(|| find(&old, node)).expect("a node is either old or new"))
            .collect();
        growth
    }

    /// Adds the perfect node that begins where the range ends, and combines nodes as long as both halves of a
    /// parent are there.
    fn push(&mut self, node: NodeId, hash: Hash) {
        let NodeId { mut level, mut index } = node;
        let mut top = hash;
        // The left sibling lies in the range if it does not begin before it. It then is the last hash, since
        // nothing larger could end just here.
        while index % 2 == 1 && (index - 1) << level >= self.begin {
            let left = self.hashes.pop().expect("a sibling inside the range is its last node");
            top = node_hash(&left, &top);
            index /= 2;
            level += 1;
        }
        self.hashes.push(top);
        self.end = self.end.checked_add(1 << node.level).expect("a tree has fewer than 2^64 leaves");
    }
}

impl Default for CompactRange {
    fn default() -> Self {
        Self::new()
    }
}

/// The hash of consecutive perfect subtrees that shrink from left to right; `None` for none.
///
/// SPEC: RFC 6962 section 2.1: the left part of a tree is the largest power of two smaller than it, so the right
/// parts are combined first.
pub(crate) fn fold_right_to_left(hashes: &[Hash]) -> Option<Hash> {
    hashes.iter().copied().rev().reduce(|right, left| node_hash(&left, &right))
}

/// A level as it is kept. Levels come from counting bits of a `u64`.
pub(crate) fn level_of(bits: u32) -> u8 {
    u8::try_from(bits).expect("a u64 has 64 bits")
}
