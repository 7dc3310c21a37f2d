//! `ConsistencyProof`: a tree is a prefix of another (RFC 6962 section 2.1.2, RFC 9162 section 2.1.4).

use crate::inclusion::{check_len, check_root};
use crate::plan::path;
use crate::{Hash, ProofError, ProofPlan, TreeHead, TreeSize, node_hash};

/// The hashes that lead from the old tree to both roots, leaf side first.
///
/// Strict: the old tree has at least one leaf. What to make of a first contact, with nothing to be consistent with,
/// is a rule of the protocol that uses the proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsistencyProof(Vec<Hash>);

impl ConsistencyProof {
    /// A path in a tree of `u64` size, and one hash more where the path ends inside the old tree.
    pub const MAX_LEN: usize = 65;

    /// Names the nodes that prove the tree of size `old` to be a prefix of the tree of size `new`.
    ///
    /// # Errors
    /// [`ProofError::OldSizeZero`], [`ProofError::SizesOutOfOrder`].
    pub fn plan(old: TreeSize, new: TreeSize) -> Result<ProofPlan, ProofError> {
        check_sizes(old, new)?;
        Ok(ProofPlan::of_intervals(path((0, old.get()), (0, new.get()))))
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
    /// [`ProofError::TooManyHashes`] above [`ConsistencyProof::MAX_LEN`].
    pub fn from_hashes(hashes: Vec<Hash>) -> Result<Self, ProofError> {
        check_len(&hashes, Self::MAX_LEN)?;
        Ok(Self(hashes))
    }

    /// The hashes, leaf side first.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.0
    }

    /// Checks that the leaves under `old` are the first leaves under `new`.
    ///
    /// # Errors
    /// [`ProofError::OldSizeZero`], [`ProofError::SizesOutOfOrder`], [`ProofError::ProofTooLong`],
    /// [`ProofError::ProofTooShort`], and [`ProofError::RootMismatch`] for either root.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofError> {
        check_sizes(old.size, new.size)?;
        if old.size == new.size {
            if !self.0.is_empty() {
                return Err(ProofError::ProofTooLong { got: self.0.len() });
            }
            return check_root(old.root, &new.root);
        }
        let (old_root, new_root) = self.roots(old, new.size)?;
        check_root(old_root, &old.root)?;
        check_root(new_root, &new.root)
    }

    /// SPEC: RFC 9162 section 2.1.4.2, from step 3 on; `old` is smaller than `new` and not empty.
    fn roots(&self, old: &TreeHead, new: TreeSize) -> Result<(Hash, Hash), ProofError> {
        let (mut at, mut last) = (old.size.get() - 1, new.get() - 1);
        let levels = at.trailing_ones();
        (at, last) = (at >> levels, last >> levels);
        // An old tree that is perfect is a node of the new one: its root is the start, and is not in the proof.
        let (start, rest) = match self.0.split_first() {
            None => return Err(ProofError::ProofTooShort { got: 0 }),
            Some(_) if old.size.get().is_power_of_two() => (&old.root, self.0.as_slice()),
            Some((first, rest)) => (first, rest),
        };
        let (mut old_root, mut new_root) = (*start, *start);
        for sibling in rest {
            if last == 0 {
                return Err(ProofError::ProofTooLong { got: self.0.len() });
            }
            if at % 2 == 1 || at == last {
                old_root = node_hash(sibling, &old_root);
                new_root = node_hash(sibling, &new_root);
                while at % 2 == 0 && at != 0 {
                    (at, last) = (at >> 1, last >> 1);
                }
            } else {
                new_root = node_hash(&new_root, sibling);
            }
            (at, last) = (at >> 1, last >> 1);
        }
        if last == 0 {
            Ok((old_root, new_root))
        } else {
            Err(ProofError::ProofTooShort { got: self.0.len() })
        }
    }
}

fn check_sizes(old: TreeSize, new: TreeSize) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::SizesOutOfOrder { old: old.get(), new: new.get() });
    }
    if old.get() == 0 {
        return Err(ProofError::OldSizeZero);
    }
    Ok(())
}
