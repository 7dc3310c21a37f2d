//! `TreeHead`: all there is to say about a tree in 40 bytes.

use crate::{EMPTY_ROOT, Hash, TreeSize};

/// The size of a tree and its root hash; what a checkpoint signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: TreeSize,
    /// Root hash over all of them.
    pub root: Hash,
}

impl TreeHead {
    /// The head of a tree without leaves.
    pub const EMPTY: Self = Self { size: TreeSize::new(0), root: EMPTY_ROOT };
}
