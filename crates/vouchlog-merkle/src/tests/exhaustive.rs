//! Goal: every proof is the RFC's, holds, and holds for nothing else. Method: every tree up to 130 leaves, every leaf,
//! older size and range (ranges beyond 40 leaves by sample), each hash damaged once, against `reference.rs`.

use crate::reference::{self, leaves};
use crate::{
    CompactRange, ConsistencyProof, Hash, InclusionProof, LeafIndex, ProofError, RangeProof, Subtree,
    SubtreeProof, TreeHead, TreeSize, perfect_range,
};

use super::{Tree, damaged, damaged_once, size};

const LARGEST: usize = 130;

#[test]
fn roots() {
    let leaves = leaves(LARGEST);
    let mut grown = CompactRange::new();
    for n in 0..=LARGEST {
        let want = reference::mth(&leaves[..n]);
        assert_eq!(Tree::of(&leaves[..n]).head, TreeHead { size: size(n), root: want });
        assert_eq!(grown.root(), Some(want));
        assert_eq!(perfect_range(0, &leaves[..n]), grown);
        if n < LARGEST {
            grown.append(leaves[n]);
        }
    }
}

#[test]
fn inclusion_proofs() {
    let leaves = leaves(LARGEST);
    for n in 1..=LARGEST {
        let tree = Tree::of(&leaves[..n]);
        for m in 0..n {
            check_inclusion(&tree, m, &leaves[..n]);
        }
    }
}

fn check_inclusion(tree: &Tree, m: usize, leaves: &[Hash]) {
    let TreeHead { size, root } = tree.head;
    let (index, leaf) = (LeafIndex::new(m as u64), &leaves[m]);
    let plan = InclusionProof::plan(index, size).unwrap();
    let proof = InclusionProof::from_nodes(&plan, &tree.fetch(&plan)).unwrap();
    assert_eq!(proof.hashes(), reference::path(m, leaves), "{m} in {size}");
    assert_eq!(proof.verify(index, size, leaf, &root), Ok(()));

    for hashes in damaged_once(proof.hashes()) {
        let refused = InclusionProof::from_hashes(hashes).unwrap().verify(index, size, leaf, &root);
        assert!(matches!(refused, Err(ProofError::RootMismatch { .. })), "{m} in {size}: {refused:?}");
    }
    assert!(proof.verify(index, size, &damaged(*leaf), &root).is_err());
    let longer = InclusionProof::from_hashes([proof.hashes(), &[root]].concat()).unwrap();
    assert!(matches!(longer.verify(index, size, leaf, &root), Err(ProofError::ProofTooLong { .. })));
    if let Some((_, shorter)) = proof.hashes().split_last() {
        let shorter = InclusionProof::from_hashes(shorter.to_vec()).unwrap();
        assert!(matches!(shorter.verify(index, size, leaf, &root), Err(ProofError::ProofTooShort { .. })));
    }
    for other in (0..leaves.len()).filter(|other| *other != m) {
        let wrong = LeafIndex::new(other as u64);
        assert!(proof.verify(wrong, size, leaf, &root).is_err(), "{m} is not {other} in {size}");
    }
}

#[test]
fn consistency_proofs() {
    let leaves = leaves(LARGEST);
    let trees: Vec<Tree> = (0..=LARGEST).map(|n| Tree::of(&leaves[..n])).collect();
    for n in 1..=LARGEST {
        for m in 1..=n {
            check_consistency(&trees[m].head, &trees[n], &reference::proof(m, &leaves[..n]));
        }
    }
}

fn check_consistency(old: &TreeHead, tree: &Tree, want: &[Hash]) {
    let new = &tree.head;
    let plan = ConsistencyProof::plan(old.size, new.size).unwrap();
    let proof = ConsistencyProof::from_nodes(&plan, &tree.fetch(&plan)).unwrap();
    assert_eq!(proof.hashes(), want, "{} to {}", old.size, new.size);
    assert_eq!(proof.verify(old, new), Ok(()));

    for hashes in damaged_once(proof.hashes()) {
        assert!(matches!(
            ConsistencyProof::from_hashes(hashes).unwrap().verify(old, new),
            Err(ProofError::RootMismatch { .. })
        ));
    }
    for (old, new) in [
        (TreeHead { root: damaged(old.root), ..*old }, *new),
        (*old, TreeHead { root: damaged(new.root), ..*new }),
        (TreeHead { size: TreeSize::new(old.size.get() - 1), ..*old }, *new),
        (TreeHead { size: TreeSize::new(old.size.get() + 1), ..*old }, *new),
    ] {
        assert!(proof.verify(&old, &new).is_err(), "{} to {}", old.size, new.size);
    }
    let longer = ConsistencyProof::from_hashes([want, &[new.root]].concat()).unwrap();
    assert!(matches!(longer.verify(old, new), Err(ProofError::ProofTooLong { .. })));
    if let Some((_, shorter)) = want.split_last() {
        assert!(matches!(
            ConsistencyProof::from_hashes(shorter.to_vec()).unwrap().verify(old, new),
            Err(ProofError::ProofTooShort { .. })
        ));
    }
}

#[test]
fn subtree_proofs() {
    let leaves = leaves(LARGEST);
    for n in 1..=LARGEST {
        let tree = Tree::of(&leaves[..n]);
        for end in 1..=n {
            for begin in 0..=end {
                let subtree = Subtree::new(begin as u64, end as u64);
                assert_eq!(subtree.is_ok(), reference::is_subtree(begin, end), "[{begin}, {end})");
                // Every tree to 40 leaves, above that every subtree of some sizes.
                if let Ok(subtree) = subtree
                    && (n <= 40 || n % 9 == 4)
                {
                    let want = reference::subtree_proof(begin, end, &leaves[..n]);
                    check_subtree(&tree, subtree, &reference::mth(&leaves[begin..end]), &want);
                }
            }
        }
    }
}

fn check_subtree(tree: &Tree, subtree: Subtree, hash: &Hash, want: &[Hash]) {
    let plan = SubtreeProof::plan(subtree, tree.head.size).unwrap();
    let proof = SubtreeProof::from_nodes(&plan, &tree.fetch(&plan)).unwrap();
    assert_eq!(proof.hashes(), want, "{subtree:?} of {}", tree.head.size);
    assert_eq!(proof.verify(subtree, hash, &tree.head), Ok(()));
    assert!(proof.verify(subtree, &damaged(*hash), &tree.head).is_err());
    if subtree.begin() == subtree.end() {
        return;
    }
    assert!(proof.verify(subtree, hash, &TreeHead { root: damaged(tree.head.root), ..tree.head }).is_err());
    for hashes in damaged_once(want) {
        assert!(matches!(
            SubtreeProof::from_hashes(hashes).unwrap().verify(subtree, hash, &tree.head),
            Err(ProofError::RootMismatch { .. })
        ));
    }
    let longer = SubtreeProof::from_hashes([want, &[*hash]].concat()).unwrap();
    assert!(matches!(longer.verify(subtree, hash, &tree.head), Err(ProofError::ProofTooLong { .. })));
    if let Some((_, shorter)) = want.split_last() {
        let shorter = SubtreeProof::from_hashes(shorter.to_vec()).unwrap();
        assert!(matches!(shorter.verify(subtree, hash, &tree.head), Err(ProofError::ProofTooShort { .. })));
    }
}

#[test]
fn covering_subtrees_are_valid_and_small() {
    for end in 0..=LARGEST as u64 {
        for begin in 0..=end {
            let [left, right] = Subtree::covering(begin, end).unwrap();
            for part in [left, right] {
                assert_eq!(Subtree::new(part.begin(), part.end()), Ok(part), "[{begin}, {end})");
            }
            assert!(
                left.begin() <= begin && left.end() == right.begin() && right.end() == end,
                "[{begin}, {end})"
            );
            // The draft promises less than twice the interval on the left.
            let needed = left.end() - begin;
            assert!(left.end() - left.begin() <= (2 * needed).saturating_sub(1), "[{begin}, {end})");
        }
    }
}

#[test]
fn range_proofs() {
    let leaves = leaves(LARGEST);
    for n in 1..=LARGEST {
        let tree = Tree::of(&leaves[..n]);
        for first in 0..n {
            for end in first + 1..=n {
                // Every range to 32 leaves; above that about one in a hundred, at other places in each tree.
                if n <= 32 || (first * 131 + end * 7 + n) % 101 == 0 {
                    check_range(&tree, first, end, &leaves[..n]);
                }
            }
        }
    }
}

fn check_range(tree: &Tree, first: usize, end: usize, all: &[Hash]) {
    let TreeHead { size, root } = tree.head;
    let (leaves, begin) = (&all[first..end], LeafIndex::new(first as u64));
    let plan = RangeProof::plan(begin, leaves.len() as u64, size).unwrap();
    let proof = RangeProof::from_nodes(&plan, &tree.fetch(plan.left()), &tree.fetch(plan.right())).unwrap();
    assert_eq!(proof.left(), reference::range_left(first, all), "[{first}, {end}) of {size}");
    assert_eq!(proof.right(), reference::range_right(end - 1, all), "[{first}, {end}) of {size}");
    assert_eq!(proof.verify(begin, leaves, size, &root), Ok(()));
    let last = LeafIndex::new(end as u64 - 1);
    let of = |index| proof.inclusion(begin, leaves, size, index).unwrap();
    let from_ends = RangeProof::from_ends((begin, &of(begin)), (last, &of(last)), size);
    assert_eq!(from_ends, Ok(proof.clone()), "[{first}, {end}) of {size}");

    let mismatch = |proof: &RangeProof, leaves: &[_]| {
        matches!(proof.verify(begin, leaves, size, &root), Err(ProofError::RootMismatch { .. }))
    };
    for left in damaged_once(proof.left()) {
        assert!(
            mismatch(&RangeProof::from_parts(left, proof.right().to_vec()).unwrap(), leaves),
            "[{first}, {end}) of {size}"
        );
    }
    for right in damaged_once(proof.right()) {
        assert!(
            mismatch(&RangeProof::from_parts(proof.left().to_vec(), right).unwrap(), leaves),
            "[{first}, {end}) of {size}"
        );
    }
    for leaves in damaged_once(leaves) {
        assert!(mismatch(&proof, &leaves), "[{first}, {end}) of {size}");
    }
    for (left, right) in [
        ([proof.left(), &[root]].concat(), proof.right().to_vec()),
        (proof.left().to_vec(), [proof.right(), &[root]].concat()),
    ] {
        let longer = RangeProof::from_parts(left, right).unwrap();
        assert!(matches!(longer.verify(begin, leaves, size, &root), Err(ProofError::WrongLength { .. })));
    }

    let placed = proof.place(begin, leaves, size).unwrap();
    for index in (first as u64..end as u64).map(LeafIndex::new) {
        let cut = placed.inclusion(index).unwrap();
        let plan = InclusionProof::plan(index, size).unwrap();
        assert_eq!(
            cut.hashes(),
            plan.build(&tree.fetch(&plan)).unwrap(),
            "{index} of [{first}, {end}) of {size}"
        );
    }
    let index = LeafIndex::new(end as u64 - 1);
    assert_eq!(proof.inclusion(begin, leaves, size, index), placed.inclusion(index));
    for outside in [first.wrapping_sub(1), end] {
        let refused = placed.inclusion(LeafIndex::new(outside as u64));
        assert!(matches!(refused, Err(ProofError::IndexOutsideTree { .. })));
    }
}
