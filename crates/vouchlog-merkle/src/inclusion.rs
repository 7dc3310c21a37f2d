//! `InclusionProof`: a leaf is in a tree (RFC 6962 section 2.1.1, RFC 9162 section 2.1.3).

use crate::plan::path;
use crate::{Hash, LeafIndex, ProofError, ProofPlan, TreeSize, node_hash};

/// The hashes beside the path from a leaf to the root, leaf side first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InclusionProof(Vec<Hash>);

impl InclusionProof {
    /// A path in a tree of `u64` size has at most this many hashes.
    pub const MAX_LEN: usize = 64;

    /// Names the nodes that prove a leaf.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`].
    pub fn plan(index: LeafIndex, size: TreeSize) -> Result<ProofPlan, ProofError> {
        check_index(index, size)?;
        Ok(ProofPlan::of_intervals(path((index.get(), index.get() + 1), (0, size.get()))))
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
    /// [`ProofError::TooManyHashes`] above [`InclusionProof::MAX_LEN`].
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, ProofError> {
        check_len(&hashes, Self::MAX_LEN)?;
        Ok(Self(hashes))
    }

    /// The hashes, leaf side first.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Checks that `leaf`, a leaf hash, is at `index` in the tree of this size and root.
    ///
    /// # Errors
    /// [`ProofError::RootMismatch`], and those of [`InclusionProof::root_from`].
    pub fn verify(
        &self,
        index: LeafIndex,
        size: TreeSize,
        leaf: &Hash,
        root: &Hash,
    ) -> Result<(), ProofError> {
        check_root(self.root_from(index, size, leaf)?, root)
    }

    /// The root of the tree, if `leaf`, a leaf hash, is at `index` and the proof is right.
    ///
    /// # Errors
    /// [`ProofError::IndexOutsideTree`], [`ProofError::ProofTooLong`], [`ProofError::ProofTooShort`].
    pub fn root_from(&self, index: LeafIndex, size: TreeSize, leaf: &Hash) -> Result<Hash, ProofError> {
        check_index(index, size)?;
        // SPEC: RFC 9162 section 2.1.3.2. `at` and `last` are the places of our node and of the last node, level
        // by level upwards.
        let (mut at, mut last) = (index.get(), size.get() - 1);
        let mut hash = *leaf;
        for sibling in &self.0 {
            if last == 0 {
                return Err(ProofError::ProofTooLong { got: self.0.len() });
            }
            if at % 2 == 1 || at == last {
                hash = node_hash(sibling, &hash);
                // On the right edge a node without a right sibling moves up as it is; those levels have no hash.
                while at % 2 == 0 && at != 0 {
                    (at, last) = (at >> 1, last >> 1);
                }
            } else {
                hash = node_hash(&hash, sibling);
            }
            (at, last) = (at >> 1, last >> 1);
        }
        if last == 0 { Ok(hash) } else { Err(ProofError::ProofTooShort { got: self.0.len() }) }
    }
}

pub(crate) fn check_index(index: LeafIndex, size: TreeSize) -> Result<(), ProofError> {
    if size.contains(index) {
        Ok(())
    } else {
        Err(ProofError::IndexOutsideTree { index: index.get(), size: size.get() })
    }
}

/// Refuses a list longer than any proof of its kind.
pub(crate) fn check_len(hashes: &[Hash], limit: usize) -> Result<(), ProofError> {
    if hashes.len() <= limit { Ok(()) } else { Err(ProofError::TooManyHashes { limit, got: hashes.len() }) }
}

/// Refuses a computed root that is not the trusted one.
pub(crate) fn check_root(got: Hash, want: &Hash) -> Result<(), ProofError> {
    if got == *want { Ok(()) } else { Err(ProofError::RootMismatch { want: *want, got }) }
}
