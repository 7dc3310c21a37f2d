//! `Subtree` and `SubtreeProof`: a run of leaves that hashes on its own, and its place in a tree
//! (draft-ietf-plants-merkle-tree-certs section 4).

use crate::inclusion::{check_len, check_root};
use crate::plan::path;
use crate::{
    EMPTY_ROOT, Hash, InclusionProof, LeafIndex, ProofError, ProofPlan, TreeHead, TreeSize, node_hash,
};

/// The leaves `[begin, end)`, hashed as a tree of their own.
///
/// SPEC: `begin` is a multiple of the smallest power of two that is not below `end - begin`. Then most of its nodes
/// are nodes of the whole tree, and it can be proved to be part of it. No leaves at all are a subtree anywhere.
///
/// ```text
/// leaves     0   1   2   3   4   5   6   7
/// valid              [2, 4)  [4,    7)
/// not valid      [1,    3)
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Subtree {
    begin: u64,
    end: u64,
}

impl Subtree {
    /// The subtree of the leaves `[begin, end)`.
    ///
    /// # Errors
    /// [`ProofError::InvalidSubtree`].
    pub fn new(begin: u64, end: u64) -> Result<Self, ProofError> {
        let valid = match end.checked_sub(begin) {
            None => false,
            // Above 2^63 leaves the power of two does not fit a u64, and zero is its only multiple that does.
            Some(width) => {
                width.checked_next_power_of_two().map_or(begin == 0, |unit| begin.is_multiple_of(unit))
            }
        };
        if valid { Ok(Self { begin, end }) } else { Err(ProofError::InvalidSubtree { begin, end }) }
    }

    /// One or two subtrees that together hold all leaves of `[begin, end)`, next to each other. The first may begin
    /// earlier, by fewer leaves than it has in the interval; the second is empty if one is enough.
    ///
    /// # Errors
    /// [`ProofError::InvalidSubtree`] if `begin > end`.
    pub fn covering(begin: u64, end: u64) -> Result<[Self; 2], ProofError> {
        let width = end.checked_sub(begin).ok_or(ProofError::InvalidSubtree { begin, end })?;
        if width <= 1 {
            return Ok([Self { begin, end }, Self { begin: end, end }]);
        }
        // SPEC: section 4.5. `first` and `last` part at bit `split`; the middle is where that bit of `last` sets in.
        let last = end - 1;
        let split = (begin ^ last).ilog2();
        let below_split = (1 << split) - 1;
        let middle = last & !below_split;
        // The left part hangs on the lowest node that has `first` and `middle - 1` under it.
        let left_height = u64::BITS - (!begin & below_split).leading_zeros();
        let left_begin = begin & !((1 << left_height) - 1);
        Ok([Self { begin: left_begin, end: middle }, Self { begin: middle, end }])
    }

    /// First leaf.
    #[must_use]
    pub const fn begin(self) -> u64 {
        self.begin
    }

    /// One past the last leaf.
    #[must_use]
    pub const fn end(self) -> u64 {
        self.end
    }

    /// Names the nodes that prove a leaf to be in the subtree; the proof is an [`InclusionProof`].
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`] if the leaf is not in the subtree.
    pub fn plan_inclusion(self, index: LeafIndex) -> Result<ProofPlan, ProofError> {
        self.check_contains(index)?;
        Ok(ProofPlan::of_intervals(path((index.get(), index.get() + 1), (self.begin, self.end))))
    }

    /// Checks that `leaf`, a leaf hash, is at `index` of the whole tree, inside the subtree with this hash.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`], and those of [`InclusionProof::verify`].
    pub fn verify_inclusion(
        self,
        proof: &InclusionProof,
        index: LeafIndex,
        leaf: &Hash,
        subtree_hash: &Hash,
    ) -> Result<(), ProofError> {
        self.check_contains(index)?;
        let inside = LeafIndex::new(index.get() - self.begin);
        proof.verify(inside, TreeSize::new(self.end - self.begin), leaf, subtree_hash)
    }

    fn check_contains(self, index: LeafIndex) -> Result<(), ProofError> {
        if (self.begin..self.end).contains(&index.get()) {
            Ok(())
        } else {
            Err(ProofError::IndexOutsideTree { index: index.get(), size: self.end })
        }
    }
}

/// The hashes that lead from a subtree to its own hash and to the root of the tree, leaf side first.
///
/// For a subtree that begins at 0 this is the consistency proof, for one of one leaf the inclusion proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubtreeProof(Vec<Hash>);

impl SubtreeProof {
    /// As for a consistency proof.
    pub const MAX_LEN: usize = 65;

    /// Names the nodes that prove the subtree to be part of the tree.
    ///
    /// # Errors
    /// [`ProofError::RangeOutsideTree`].
    pub fn plan(subtree: Subtree, size: TreeSize) -> Result<ProofPlan, ProofError> {
        check_inside(subtree, size)?;
        Ok(ProofPlan::of_intervals(path((subtree.begin, subtree.end), (0, size.get()))))
    }

    /// Builds the proof from the hashes of the planned nodes.
    ///
    /// # Errors
    /// [`ProofError::WrongLength`] if there is not one hash for each node.
    pub fn from_nodes(plan: &ProofPlan, fetched: &[Hash]) -> Result<Self, ProofError> {
        Self::from_hashes(plan.build(fetched)?)
    }

    /// Takes up a proof received as its hashes.
    ///
    /// # Errors
    /// [`ProofError::TooManyHashes`] above [`SubtreeProof::MAX_LEN`].
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, ProofError> {
        check_len(&hashes, Self::MAX_LEN)?;
        Ok(Self(hashes))
    }

    /// The hashes, leaf side first.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Checks that the subtree with this hash is part of the tree.
    ///
    /// # Errors
    /// [`ProofError::RangeOutsideTree`], [`ProofError::ProofTooLong`], [`ProofError::ProofTooShort`], and
    /// [`ProofError::RootMismatch`] for the subtree's hash or the root.
    pub fn verify(&self, subtree: Subtree, subtree_hash: &Hash, tree: &TreeHead) -> Result<(), ProofError> {
        check_inside(subtree, tree.size)?;
        if subtree.begin == subtree.end {
            if !self.0.is_empty() {
                return Err(ProofError::ProofTooLong { got: self.0.len() });
            }
            return check_root(EMPTY_ROOT, subtree_hash);
        }
        let (computed_subtree, computed_root) = self.roots(subtree, subtree_hash, tree.size)?;
        check_root(computed_subtree, subtree_hash)?;
        check_root(computed_root, &tree.root)
    }

    /// SPEC: section 4.3.2 of the draft; the subtree is not empty and lies in the tree.
    fn roots(
        &self,
        subtree: Subtree,
        subtree_hash: &Hash,
        size: TreeSize,
    ) -> Result<(Hash, Hash), ProofError> {
        let mut at = Climb { first: subtree.begin, last: subtree.end - 1, edge: size.get() - 1 };
        // Up to the highest node that ends with the subtree; it is the whole subtree if that is a node of the tree.
        while at.first != at.last && (at.last == at.edge || at.last % 2 == 1) {
            at.up();
        }
        let (start, rest) = match self.0.split_first() {
            _ if at.first == at.last => (subtree_hash, self.0.as_slice()),
            None => return Err(ProofError::ProofTooShort { got: 0 }),
            Some((start, rest)) => (start, rest),
        };
        let (mut below, mut root) = (*start, *start);
        for sibling in rest {
            if at.edge == 0 {
                return Err(ProofError::ProofTooLong { got: self.0.len() });
            }
            if at.last % 2 == 1 || at.last == at.edge {
                if at.first < at.last {
                    below = node_hash(sibling, &below);
                }
                root = node_hash(sibling, &root);
                // A node on the right edge without a sibling moves up as it is.
                while at.last.is_multiple_of(2) {
                    at.up();
                }
            } else {
                root = node_hash(&root, sibling);
            }
            at.up();
        }
        if at.edge == 0 { Ok((below, root)) } else { Err(ProofError::ProofTooShort { got: self.0.len() }) }
    }
}

/// The places of the subtree's first and last node and of the tree's last node, on one level.
struct Climb {
    first: u64,
    last: u64,
    edge: u64,
}

impl Climb {
    fn up(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.edge >>= 1;
    }
}

fn check_inside(subtree: Subtree, size: TreeSize) -> Result<(), ProofError> {
    if subtree.end <= size.get() {
        Ok(())
    } else {
        Err(ProofError::RangeOutsideTree { begin: subtree.begin, end: subtree.end, size: size.get() })
    }
}
