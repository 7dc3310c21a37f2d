//! The ways in which a proof does not hold.

use crate::hash::Hash;

/// Why a proof was refused, or could not be planned or built.
///
/// Every case carries the numbers needed to tell whose fault it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The leaf lies at or beyond the end of the tree.
    #[error("leaf index {index} is outside a tree of {size} leaves")]
    IndexOutsideTree {
        /// The index asked for.
        index: u64,
        /// The number of leaves in the tree.
        size: u64,
    },
    /// The leaves `[begin, end)` do not all lie in the tree, or begin after their end.
    #[error("leaves [{begin}, {end}) are outside a tree of {size} leaves")]
    RangeOutsideTree {
        /// First leaf of the range.
        begin: u64,
        /// One past the last leaf of the range, cut off at `u64::MAX`.
        end: u64,
        /// The number of leaves in the tree.
        size: u64,
    },
    /// A range proof speaks about at least one leaf.
    #[error("a range proof needs at least one leaf")]
    EmptyRange,
    /// `[begin, end)` is not a subtree: `begin` must be a multiple of the power of two that holds the leaves.
    #[error("[{begin}, {end}) is not a valid subtree")]
    InvalidSubtree {
        /// First leaf.
        begin: u64,
        /// One past the last leaf.
        end: u64,
    },
    /// A consistency proof from the empty tree is not defined; the caller has its own rule for first contact.
    #[error("a consistency proof from the empty tree does not exist")]
    OldSizeZero,
    /// The old tree is larger than the new one.
    #[error("the old tree has {old} leaves, more than the {new} of the new tree")]
    SizesOutOfOrder {
        /// Leaves in the old tree.
        old: u64,
        /// Leaves in the new tree.
        new: u64,
    },
    /// Two compact ranges do not touch.
    #[error("a range that begins at leaf {right_begin} cannot follow one that ends at {left_end}")]
    RangesNotAdjacent {
        /// Where the left range ends.
        left_end: u64,
        /// Where the right range begins.
        right_begin: u64,
    },
    /// The number of hashes differs from what the positions ask for.
    #[error("{got} hashes, expected {want}")]
    WrongLength {
        /// Hashes needed.
        want: usize,
        /// Hashes given.
        got: usize,
    },
    /// More hashes than a proof in any tree of `u64` size can have.
    #[error("{got} proof hashes, more than the {limit} any proof can have")]
    TooManyHashes {
        /// The most a proof can have.
        limit: usize,
        /// Hashes given.
        got: usize,
    },
    /// The proof has hashes left over after the root was reached.
    #[error("a proof of {got} hashes is too long for its positions")]
    ProofTooLong {
        /// Hashes in the proof.
        got: usize,
    },
    /// The proof ends below the root.
    #[error("a proof of {got} hashes is too short for its positions")]
    ProofTooShort {
        /// Hashes in the proof.
        got: usize,
    },
    /// The proof leads to another root than the one it should.
    #[error("the proof leads to root {got}, not to {want}")]
    RootMismatch {
        /// The root the caller trusts.
        want: Hash,
        /// The root computed from the proof.
        got: Hash,
    },
}
