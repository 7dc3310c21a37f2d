//! `RangeProof`: a run of leaves is in a tree, proved at once.
//!
//! A tree of 11 leaves and the range `[3, 6)`; `L` and `R` are the hashes of the proof, `x` the range:
//!
//! ```text
//!                        root
//!              ┌──────────┴──────────┐
//!              o                     R2 = MTH[8, 11)
//!        ┌─────┴─────┐
//!        o           o
//!     ┌──┴──┐     ┌──┴──┐
//!     L1    o     o     R1 = MTH[6, 8)
//!          ┌┴┐   ┌┴┐
//!         L2 x   x x
//!
//! left  = [L1, L2]   the compact range [0, 3), left to right
//! right = [R1, R2]   what is right of the path of leaf 5, leaf side first
//! ```
//!
//! `left` has the hashes of [`CompactRange::nodes`]`(0, first)`: all of them perfect. `right` has one hash for each
//! node on the path from the root to the last leaf of the range that is a left child with a sibling: the hash of that
//! sibling, which is incomplete if it reaches the right edge of the tree. All its leaves lie behind the range. Both
//! lists together are the parts of an ordinary inclusion proof that the range itself cannot supply, so each leaf's own
//! proof can be cut out of them offline.

use crate::growth::find;
use crate::inclusion::{check_index, check_len, check_root};
use crate::plan::{path, split};
use crate::{
    CompactRange, Growth, Hash, InclusionProof, LeafIndex, NodeId, ProofError, ProofPlan, TreeSize, node_hash,
};

/// The hashes left and right of a run of leaves; see the drawing in `range_proof.rs`.
///
/// `left` are the hashes of the perfect subtrees of the leaves before the range, left to right. `right` are the
/// hashes of the right siblings on the path of the range's last leaf, leaf side first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangeProof {
    left: Vec<Hash>,
    right: Vec<Hash>,
}

/// The nodes to fetch for a range proof, one plan for each side.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RangePlan {
    left: ProofPlan,
    right: ProofPlan,
}

impl RangePlan {
    /// The nodes left of the range.
    #[must_use]
    pub const fn left(&self) -> &ProofPlan {
        &self.left
    }

    /// The nodes right of the range.
    #[must_use]
    pub const fn right(&self) -> &ProofPlan {
        &self.right
    }
}

impl RangeProof {
    /// Neither side of a tree of `u64` size has more hashes.
    pub const MAX_LEN: usize = 64;

    /// Names the nodes that prove the leaves `[first, first + count)`.
    ///
    /// # Errors
    /// [`ProofError::EmptyRange`], [`ProofError::RangeOutsideTree`].
    pub fn plan(first: LeafIndex, count: u64, size: TreeSize) -> Result<RangePlan, ProofError> {
        let bounds = Bounds::new(first, count, size)?;
        Ok(RangePlan {
            left: ProofPlan::of_intervals(
                CompactRange::nodes(0, bounds.first).iter().map(|node| (node.first_leaf(), node.end_leaf())),
            ),
            right: ProofPlan::of_intervals(bounds.right_siblings()),
        })
    }

    /// Builds the proof from the hashes of the planned nodes, side by side.
    ///
    /// # Errors
    /// [`ProofError::WrongLength`] if there is not one hash for each node.
    pub fn from_nodes(plan: &RangePlan, left: &[Hash], right: &[Hash]) -> Result<Self, ProofError> {
        Self::from_parts(plan.left.build(left)?, plan.right.build(right)?)
    }

    /// Takes up a proof received as its hashes.
    ///
    /// # Errors
    /// [`ProofError::TooManyHashes`] if either side is above [`RangeProof::MAX_LEN`].
    pub fn from_parts(left: Vec<Hash>, right: Vec<Hash>) -> Result<Self, ProofError> {
        check_len(&left, Self::MAX_LEN)?;
        check_len(&right, Self::MAX_LEN)?;
        Ok(Self { left, right })
    }

    /// The proof of a range from the inclusion proofs of its first and its last leaf, which contain its hashes.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`], and [`ProofError::WrongLength`] if an inclusion proof has not just the hashes that
    /// its position needs.
    pub fn from_ends(
        first: (LeafIndex, &InclusionProof),
        last: (LeafIndex, &InclusionProof),
        size: TreeSize,
    ) -> Result<Self, ProofError> {
        let left = siblings(first, size)?.into_iter().filter(|(begin, _)| *begin < first.0.get());
        let mut left: Vec<Hash> = left.map(|(_, hash)| hash).collect();
        left.reverse();
        let right = siblings(last, size)?.into_iter().filter(|(begin, _)| *begin > last.0.get());
        Self::from_parts(left, right.map(|(_, hash)| hash).collect())
    }

    /// The hashes of the perfect subtrees before the range, left to right.
    #[must_use]
    pub fn left(&self) -> &[Hash] {
        &self.left
    }

    /// The hashes of the right siblings on the path of the last leaf, leaf side first.
    #[must_use]
    pub fn right(&self) -> &[Hash] {
        &self.right
    }

    /// The root of the tree, if these leaf hashes are at `first` and after, and the proof is right.
    ///
    /// # Errors
    /// Those of [`RangeProof::place`].
    pub fn root(&self, first: LeafIndex, leaves: &[Hash], size: TreeSize) -> Result<Hash, ProofError> {
        Ok(self.place(first, leaves, size)?.root())
    }

    /// Checks that these leaf hashes are at `first` and after in the tree of this size and root.
    ///
    /// # Errors
    /// [`ProofError::RootMismatch`], and those of [`RangeProof::place`].
    pub fn verify(
        &self,
        first: LeafIndex,
        leaves: &[Hash],
        size: TreeSize,
        root: &Hash,
    ) -> Result<(), ProofError> {
        check_root(self.root(first, leaves, size)?, root)
    }

    /// Cuts the inclusion proof of one leaf of the range out of this proof.
    ///
    /// It proves what this proof proves: cut from a range proof that was not verified, it is as good as unverified.
    /// Hashes all leaves of the range; to cut many, use [`RangeProof::place`] once.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`] if the leaf is not in the range, and those of [`RangeProof::place`].
    pub fn inclusion(
        &self,
        first: LeafIndex,
        leaves: &[Hash],
        size: TreeSize,
        index: LeafIndex,
    ) -> Result<InclusionProof, ProofError> {
        self.place(first, leaves, size)?.inclusion(index)
    }

    /// Puts the leaves in their place between the two sides. Takes about one hash operation for each leaf.
    ///
    /// # Errors
    /// [`ProofError::EmptyRange`] without leaves, [`ProofError::RangeOutsideTree`] if they end behind the tree, and
    /// [`ProofError::WrongLength`] if either side has not just the hashes these positions need.
    pub fn place(
        &self,
        first: LeafIndex,
        leaves: &[Hash],
        size: TreeSize,
    ) -> Result<PlacedRange, ProofError> {
        // A count that does not fit a u64 is outside every tree, which is what this maximum is reported as.
        let bounds = Bounds::new(first, u64::try_from(leaves.len()).unwrap_or(u64::MAX), size)?;
        let mut edge = CompactRange::from_hashes(0, bounds.first, self.left.clone())?;
        let siblings = bounds.right_siblings();
        if self.right.len() != siblings.len() {
            return Err(ProofError::WrongLength { want: siblings.len(), got: self.right.len() });
        }
        Ok(PlacedRange {
            left: CompactRange::nodes(0, bounds.first).into_iter().zip(self.left.iter().copied()).collect(),
            growth: edge.extend(leaves),
            right: siblings.into_iter().map(|(begin, _)| begin).zip(self.right.iter().copied()).collect(),
            bounds,
        })
    }
}

/// The hashes of an inclusion proof, leaf side first, each with the first leaf that it covers.
fn siblings(
    (index, proof): (LeafIndex, &InclusionProof),
    size: TreeSize,
) -> Result<Vec<(u64, Hash)>, ProofError> {
    check_index(index, size)?;
    let siblings = path((index.get(), index.get() + 1), (0, size.get()));
    let hashes = proof.hashes();
    if hashes.len() != siblings.len() {
        return Err(ProofError::WrongLength { want: siblings.len(), got: hashes.len() });
    }
    Ok(siblings.into_iter().map(|(begin, _)| begin).zip(hashes.iter().copied()).collect())
}

/// A run of leaves in its place in a tree: every node hash that a [`RangeProof`] and its leaves determine.
#[derive(Clone, Debug)]
pub struct PlacedRange {
    bounds: Bounds,
    left: Vec<(NodeId, Hash)>,
    growth: Growth,
    /// Each right sibling by its first leaf.
    right: Vec<(u64, Hash)>,
}

impl PlacedRange {
    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.subtree((0, self.bounds.size))
    }

    /// The inclusion proof of one leaf of the range. Takes a few hash operations, whatever the length of the range.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`] if the leaf is not in the range.
    pub fn inclusion(&self, index: LeafIndex) -> Result<InclusionProof, ProofError> {
        let Bounds { first, end, size } = self.bounds;
        let index = index.get();
        if index < first || index >= end {
            return Err(ProofError::IndexOutsideTree { index, size });
        }
        let siblings = path((index, index + 1), (0, size));
        InclusionProof::from_hashes(siblings.into_iter().map(|interval| self.subtree(interval)).collect())
    }

    /// The hash of a subtree on, or beside, the path of a leaf of the range. Recurs along the two borders of the range
    /// only, so at most twice the height of the tree.
    fn subtree(&self, (low, high): (u64, u64)) -> Hash {
        if low >= self.bounds.end {
            let sibling = self.right.iter().find(|(begin, _)| *begin == low);
            return sibling.expect("behind the range only the planned siblings are asked for").1;
        }
        if high <= self.bounds.end && (high - low).is_power_of_two() {
            let node = NodeId::covering(low, high - low);
            if let Some(hash) = self.growth.node(node).or_else(|| find(&self.left, node)) {
                return hash;
            }
        }
        let middle = low + split(high - low);
        node_hash(&self.subtree((low, middle)), &self.subtree((middle, high)))
    }
}

/// The leaves `[first, end)`, of which there is at least one, in a tree of `size` leaves.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    first: u64,
    end: u64,
    size: u64,
}

impl Bounds {
    fn new(first: LeafIndex, count: u64, size: TreeSize) -> Result<Self, ProofError> {
        let (first, size) = (first.get(), size.get());
        if count == 0 {
            return Err(ProofError::EmptyRange);
        }
        match first.checked_add(count) {
            Some(end) if end <= size => Ok(Self { first, end, size }),
            end => Err(ProofError::RangeOutsideTree { begin: first, end: end.unwrap_or(u64::MAX), size }),
        }
    }

    /// The siblings right of the path of the last leaf, leaf side first.
    fn right_siblings(self) -> Vec<(u64, u64)> {
        let mut siblings = path((self.end - 1, self.end), (0, self.size));
        siblings.retain(|(begin, _)| *begin >= self.end);
        siblings
    }
}
