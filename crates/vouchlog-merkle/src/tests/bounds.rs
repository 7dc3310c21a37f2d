//! Goal: positions up to the last `u64` neither panic nor lie. Method: trees whose leaves are all equal, so that a node's
//! hash follows from its level and a tree of 2^64 - 1 leaves fits in 64 hashes.

use proptest::prelude::*;

use crate::range::fold_right_to_left;
use crate::{
    CompactRange, ConsistencyProof, Hash, InclusionProof, LeafIndex, NodeId, ProofError, ProofPlan,
    RangeProof, Subtree, SubtreeProof, TreeHead, TreeSize, leaf_hash, node_hash,
};

/// The node hashes of a tree of equal leaves, by level.
struct Uniform(Vec<Hash>);

impl Uniform {
    fn new() -> Self {
        let leaf = leaf_hash(b"the same");
        Self(std::iter::successors(Some(leaf), |below| Some(node_hash(below, below))).take(64).collect())
    }

    fn fetch(&self, nodes: &[NodeId]) -> Vec<Hash> {
        nodes.iter().map(|node| self.0[usize::from(node.level)]).collect()
    }

    fn hash(&self, begin: u64, end: u64) -> Hash {
        fold_right_to_left(&self.fetch(&CompactRange::nodes(begin, end))).unwrap()
    }

    fn head(&self, size: u64) -> TreeHead {
        TreeHead { size: TreeSize::new(size), root: self.hash(0, size) }
    }

    fn build(&self, plan: &ProofPlan) -> Vec<Hash> {
        plan.build(&self.fetch(plan.nodes())).unwrap()
    }

    fn check_inclusion(&self, index: u64, size: u64) {
        let (index, head) = (LeafIndex::new(index), self.head(size));
        let plan = InclusionProof::plan(index, head.size).unwrap();
        assert!(
            plan.nodes().iter().all(|node| node.end_leaf() <= size),
            "{index} of {size} needs only what is there"
        );
        let proof = InclusionProof::from_hashes(self.build(&plan)).unwrap();
        assert_eq!(proof.verify(index, head.size, &self.0[0], &head.root), Ok(()), "{index} of {size}");
    }

    fn check_consistency(&self, old: u64, new: u64) {
        let (old, new) = (self.head(old), self.head(new));
        let plan = ConsistencyProof::plan(old.size, new.size).unwrap();
        let proof = ConsistencyProof::from_hashes(self.build(&plan)).unwrap();
        assert_eq!(proof.verify(&old, &new), Ok(()), "{} to {}", old.size, new.size);
        let subtree = Subtree::new(0, old.size.get()).unwrap();
        let proof = SubtreeProof::from_hashes(proof.hashes().to_vec()).unwrap();
        assert_eq!(proof.verify(subtree, &old.root, &new), Ok(()), "{} to {}", old.size, new.size);
    }

    fn check_range(&self, first: u64, count: u64, size: u64) {
        let (begin, head) = (LeafIndex::new(first), self.head(size));
        let plan = RangeProof::plan(begin, count, head.size).unwrap();
        let proof = RangeProof::from_parts(self.build(plan.left()), self.build(plan.right())).unwrap();
        let leaves = vec![self.0[0]; usize::try_from(count).unwrap()];
        let placed = proof.place(begin, &leaves, head.size).unwrap();
        assert_eq!(placed.root(), head.root, "{count} from {first} of {size}");
        for index in [first, first + count / 2, first + count - 1].map(LeafIndex::new) {
            let cut = placed.inclusion(index).unwrap();
            assert_eq!(cut.verify(index, head.size, &self.0[0], &head.root), Ok(()), "{index} of {size}");
        }
    }
}

const MAX: u64 = u64::MAX;

/// Sizes at which something changes: tile borders, halves, both ends.
const SIZES: [u64; 22] = [
    1,
    2,
    255,
    256,
    257,
    65_535,
    65_536,
    65_537,
    (1 << 24) - 1,
    1 << 24,
    (1 << 24) + 1,
    1 << 40,
    (1 << 40) + 256,
    (1 << 62) + 3,
    (1 << 63) - 1,
    1 << 63,
    (1 << 63) + 1,
    MAX - 256,
    MAX - 255,
    MAX - 2,
    MAX - 1,
    MAX,
];

#[test]
fn proofs_at_remarkable_sizes() {
    let tree = Uniform::new();
    for size in SIZES {
        for index in SIZES.into_iter().chain([0]).flat_map(|near| [near - u64::from(near > 0), near]) {
            if index < size {
                tree.check_inclusion(index, size);
                tree.check_range(index, 1.max((size - index).min(3)), size);
            }
        }
        for old in SIZES.into_iter().filter(|old| *old <= size) {
            tree.check_consistency(old, size);
        }
    }
}

#[test]
fn the_longest_proofs_fit_their_bounds() {
    let size = TreeSize::new(MAX);
    let leaf = leaf_hash(b"");
    let length = |plan: ProofPlan| plan.build(&vec![leaf; plan.nodes().len()]).unwrap().len();
    assert_eq!(length(InclusionProof::plan(LeafIndex::new(0), size).unwrap()), InclusionProof::MAX_LEN);
    let plan = ConsistencyProof::plan(TreeSize::new((1 << 63) - 1), size).unwrap();
    assert_eq!(length(plan), ConsistencyProof::MAX_LEN);
    assert!(InclusionProof::from_hashes(vec![leaf; 64]).is_ok());
    let too_many = |limit, got| Some(ProofError::TooManyHashes { limit, got });
    assert_eq!(InclusionProof::from_hashes(vec![leaf; 65]).err(), too_many(64, 65));
    assert_eq!(ConsistencyProof::from_hashes(vec![leaf; 66]).err(), too_many(65, 66));
    assert_eq!(SubtreeProof::from_hashes(vec![leaf; 66]).err(), too_many(65, 66));
    assert_eq!(RangeProof::from_parts(vec![leaf; 65], vec![]).err(), too_many(64, 65));
    assert_eq!(RangeProof::from_parts(vec![], vec![leaf; 65]).err(), too_many(64, 65));
}

#[test]
fn positions_outside_are_refused() {
    let (index, size) = (LeafIndex::new, TreeSize::new);
    let outside = ProofError::IndexOutsideTree { index: MAX, size: MAX };
    assert_eq!(InclusionProof::plan(index(MAX), size(MAX)), Err(outside));
    assert!(InclusionProof::plan(index(0), size(0)).is_err());
    assert_eq!(ConsistencyProof::plan(size(0), size(5)), Err(ProofError::OldSizeZero));
    assert_eq!(ConsistencyProof::plan(size(0), size(0)), Err(ProofError::OldSizeZero));
    assert_eq!(ConsistencyProof::plan(size(6), size(5)), Err(ProofError::SizesOutOfOrder { old: 6, new: 5 }));
    assert_eq!(RangeProof::plan(index(0), 0, size(5)), Err(ProofError::EmptyRange));
    let beyond = |begin, end, size| Err(ProofError::RangeOutsideTree { begin, end, size });
    assert_eq!(RangeProof::plan(index(3), 3, size(5)), beyond(3, 6, 5));
    assert_eq!(RangeProof::plan(index(3), MAX, size(5)), beyond(3, MAX, 5));
    assert_eq!(RangeProof::plan(index(MAX), MAX, size(MAX)), beyond(MAX, MAX, MAX));
}

#[test]
fn a_plan_wants_one_hash_for_each_node() {
    let plan = InclusionProof::plan(LeafIndex::new(0), TreeSize::new(7)).unwrap();
    assert_eq!(plan.nodes().len(), 4);
    let hashes = [leaf_hash(b""); 5];
    assert_eq!(plan.build(&hashes[..3]), Err(ProofError::WrongLength { want: 4, got: 3 }));
    assert_eq!(plan.build(&hashes), Err(ProofError::WrongLength { want: 4, got: 5 }));
}

#[test]
fn wide_subtrees() {
    assert!(Subtree::new(0, MAX).is_ok());
    assert!(Subtree::new(1 << 63, MAX).is_ok());
    assert!(Subtree::new(MAX, MAX).is_ok());
    assert!(Subtree::new(1, MAX).is_err());
    assert!(Subtree::new(2, 1).is_err());
    let [left, right] = Subtree::covering(1, MAX).unwrap();
    assert_eq!((left.begin(), left.end(), right.begin(), right.end()), (0, 1 << 63, 1 << 63, MAX));
    assert!(Subtree::covering(2, 1).is_err());
}

#[test]
fn nodes_beyond_every_tree_saturate() {
    assert_eq!(NodeId { level: 63, index: 1 }.first_leaf(), 1 << 63);
    assert_eq!(NodeId { level: 63, index: 1 }.end_leaf(), MAX);
    assert_eq!(NodeId { level: 63, index: 2 }.first_leaf(), MAX);
    assert_eq!(NodeId { level: 255, index: MAX }.end_leaf(), MAX);
    assert_eq!(NodeId { level: 255, index: 0 }.first_leaf(), 0);
    assert_eq!(NodeId { level: 0, index: MAX }.end_leaf(), MAX);
}

#[test]
#[should_panic(expected = "fewer than 2^64 leaves")]
fn a_full_range_does_not_wrap() {
    CompactRange::empty_at(MAX).append(leaf_hash(b""));
}

/// Any 64 bits, and often ones near the ends and near powers of two.
fn position() -> impl Strategy<Value = u64> {
    let near = (0_u32..64, -2_i64..=2).prop_map(|(bit, by)| (1_u64 << bit).wrapping_add_signed(by));
    prop_oneof![any::<u64>(), 0_u64..300, near]
}

fn some_hashes() -> impl Strategy<Value = Vec<Hash>> {
    (0_usize..66).prop_map(|count| vec![leaf_hash(b"any"); count])
}

proptest! {
    #[test]
    fn planned_proofs_hold_at_any_size(a in position(), b in position(), count in 1_u64..40) {
        let tree = Uniform::new();
        let (low, high) = (a.min(b), a.max(b).max(1));
        if low < high {
            tree.check_inclusion(low, high);
            tree.check_range(low, count.min(high - low), high);
        }
        if low > 0 {
            tree.check_consistency(low, high);
        }
    }

    #[test]
    fn subtree_proofs_hold_at_any_size(a in position(), b in position(), c in position()) {
        let mut ends = [a, b, c];
        ends.sort_unstable();
        let tree = Uniform::new();
        for subtree in Subtree::covering(ends[0], ends[1]).unwrap() {
            prop_assert_eq!(Subtree::new(subtree.begin(), subtree.end()), Ok(subtree));
            if subtree.begin() == subtree.end() {
                continue;
            }
            let head = tree.head(ends[2]);
            let plan = SubtreeProof::plan(subtree, head.size).unwrap();
            let proof = SubtreeProof::from_hashes(tree.build(&plan)).unwrap();
            prop_assert_eq!(proof.verify(subtree, &tree.hash(subtree.begin(), subtree.end()), &head), Ok(()));
        }
    }

    #[test]
    fn verifiers_refuse_any_numbers_without_panic(
        a in position(), b in position(), c in position(), hashes in some_hashes(), more in some_hashes(),
    ) {
        let other = leaf_hash(b"other");
        let head = |size| TreeHead { size: TreeSize::new(size), root: other };
        if let Ok(proof) = InclusionProof::from_hashes(hashes.clone()) {
            prop_assert!(proof.verify(LeafIndex::new(a), TreeSize::new(b), &hashes_first(&hashes), &other).is_err());
        }
        if let Ok(proof) = ConsistencyProof::from_hashes(hashes.clone()) && a != b {
            prop_assert!(proof.verify(&head(a), &head(b)).is_err());
        }
        if let (Ok(proof), Ok(subtree)) = (SubtreeProof::from_hashes(hashes.clone()), Subtree::new(a, b)) {
            let whole = a == 0 && b == c && hashes.is_empty();
            prop_assert!(whole || proof.verify(subtree, &other, &head(c)).is_err());
        }
        if let Ok(proof) = RangeProof::from_parts(hashes, more.clone()) {
            prop_assert!(proof.verify(LeafIndex::new(a), &more, TreeSize::new(b), &other).is_err());
        }
    }
}

fn hashes_first(hashes: &[Hash]) -> Hash {
    hashes.first().copied().unwrap_or(leaf_hash(b"any"))
}
