//! Where things are in a tree: `LeafIndex`, `TreeSize` and `NodeId`.

use std::fmt;

/// The place of a leaf, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct LeafIndex(u64);

/// The number of leaves in a tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TreeSize(u64);

/// A node whose subtree is perfect: it covers the `1 << level` leaves `[index << level, (index + 1) << level)`.
///
/// ```text
/// level 3                      0
///                  ┌───────────┴───────────┐
/// level 2          0                       1
///            ┌─────┴─────┐           ┌─────┴─────┐
/// level 1    0           1           2           3
///         ┌──┴──┐     ┌──┴──┐     ┌──┴──┐     ┌──┴──┐
/// level 0 0     1     2     3     4     5     6     7     = leaf index
/// ```
///
/// A tree of 7 leaves has every node here but `(0, 7)`, `(1, 3)`, `(2, 1)` and `(3, 0)`. Its own inner nodes on the
/// right edge are no `NodeId`s: they change when the tree grows, so they are folded when needed and never stored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeId {
    /// Height above the leaves, 0 for a leaf, at most 63.
    pub level: u8,
    /// Place among the nodes of this level, counted from 0.
    pub index: u64,
}

impl LeafIndex {
    /// The leaf at this place.
    #[must_use]
    pub const fn new(index: u64) -> Self {
        Self(index)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl TreeSize {
    /// A tree of this many leaves.
    #[must_use]
    pub const fn new(size: u64) -> Self {
        Self(size)
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Whether the leaf is in a tree of this size.
    #[must_use]
    pub const fn contains(self, leaf: LeafIndex) -> bool {
        leaf.0 < self.0
    }
}

impl NodeId {
    /// The node of a leaf.
    #[must_use]
    pub const fn leaf(leaf: LeafIndex) -> Self {
        Self { level: 0, index: leaf.0 }
    }

    /// The node over the `width` leaves from `first`: `width` is a power of two and `first` a multiple of it.
    pub(crate) const fn covering(first: u64, width: u64) -> Self {
        let level = width.trailing_zeros();
        // At most 63, since `width` is not zero.
        #[expect(clippy::cast_possible_truncation, reason = "a u64 has 64 bits")]
        Self { level: level as u8, index: first >> level }
    }

    /// First leaf under the node; `u64::MAX` for a node beyond every possible tree.
    #[must_use]
    pub const fn first_leaf(self) -> u64 {
        saturating_shl(self.index, self.level)
    }

    /// One past the last leaf under the node; `u64::MAX` where that does not fit.
    #[must_use]
    pub const fn end_leaf(self) -> u64 {
        saturating_shl(self.index.saturating_add(1), self.level)
    }
}

const fn saturating_shl(value: u64, by: u8) -> u64 {
    if value == 0 {
        0
    } else if (by as u32) > value.leading_zeros() {
        u64::MAX
    } else {
        value << by
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.level, self.index)
    }
}
