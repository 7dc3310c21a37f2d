//! The tree of a stream's statements.

use vouchlog_merkle::{CompactRange, Hash, TreeHead, TreeSize};

/// The tree, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// It can grow.
    Growing(CompactRange),
    /// Only its head is known, which is enough for a stream that takes no more statements. Never of a size whose head is the whole
    /// compact range.
    Final(TreeHead),
}

impl Tree {
    /// The tree of a stream that takes no more statements.
    pub(super) fn of_head(head: TreeHead) -> Self {
        let hashes = if head.size.get() == 0 { Vec::new() } else { vec![head.root] };
        CompactRange::from_hashes(0, head.size.get(), hashes).map_or(Self::Final(head), Self::Growing)
    }

    /// Reads [`hashes`](Self::hashes) back; `None` when they do not make a tree of this size.
    pub(super) fn from_hashes(size: u64, hashes: &[Hash], has_ended: bool) -> Option<Self> {
        match (CompactRange::from_hashes(0, size, hashes.to_vec()), hashes) {
            (Ok(range), _) => Some(Self::Growing(range)),
            (Err(_), [root]) if has_ended && size > 0 => {
                Some(Self::Final(TreeHead { size: TreeSize::new(size), root: *root }))
            }
            _ => None,
        }
    }

    /// The hashes that a store keeps: those of the compact range, or the root.
    pub(super) fn hashes(&self) -> &[Hash] {
        match self {
            Self::Growing(range) => range.hashes(),
            Self::Final(head) => std::slice::from_ref(&head.root),
        }
    }

    /// Its size. Unlike the head it takes no hashing.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Growing(range) => range.end(),
            Self::Final(head) => head.size.get(),
        }
    }

    pub(super) fn head(&self) -> TreeHead {
        match self {
            Self::Growing(range) => TreeHead { size: range.size(), root: root(range) },
            Self::Final(head) => *head,
        }
    }

    pub(super) fn range(&self) -> Option<&CompactRange> {
        match self {
            Self::Growing(range) => Some(range),
            Self::Final(_) => None,
        }
    }
}

/// The root of a compact range that begins at 0, as those of streams do.
pub(super) fn root(range: &CompactRange) -> Hash {
    range.root().expect("a stream's range begins at its first statement")
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::leaf_hash;

    use super::*;

    #[test]
    fn a_tree_whose_head_alone_is_known_survives_being_stored() {
        let mut range = CompactRange::new();
        for size in 0..40_u64 {
            let head = Tree::Growing(range.clone()).head();
            let last = Tree::of_head(head);
            assert_eq!(last.head(), head);
            // Of these sizes the head is the whole range.
            let is_whole = size == 0 || size.is_power_of_two();
            assert_eq!(last.range(), is_whole.then_some(&range), "size {size}");
            assert_eq!(Tree::from_hashes(size, last.hashes(), true).as_ref(), Some(&last), "size {size}");
            // An open stream could not grow without the range.
            assert_eq!(Tree::from_hashes(size, last.hashes(), false).is_some(), is_whole, "size {size}");
            range.append(leaf_hash(&size.to_be_bytes()));
        }
        assert_eq!(Tree::from_hashes(3, &[], true), None);
        assert_eq!(Tree::from_hashes(0, &[leaf_hash(b"x")], true), None);
    }
}
