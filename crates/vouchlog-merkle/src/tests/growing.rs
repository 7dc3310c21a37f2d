//! Goal: growth completes just the nodes it should, in any batches, from anywhere. Method: every begin and split of
//! small ranges against `reference.rs`; sizes around 256 and 65,536 against the second algorithm.

use proptest::prelude::*;

use crate::reference::{self, leaves};
use crate::{CompactRange, Growth, Hash, NodeId, ProofError, perfect_range};

/// Each node of the growth of `[begin, old_end)` to `end`, looked at one by one.
fn check_growth(growth: &Growth, leaves: &[Hash], begin: u64, old_end: u64, end: u64) {
    assert_eq!((growth.begin(), growth.end()), (old_end, end));
    for level in 0..8 {
        let mut found = Vec::new();
        for index in 0..=end >> level {
            let node = NodeId { level, index };
            let new = node.first_leaf() >= begin && node.end_leaf() <= end && node.end_leaf() > old_end;
            let covered = || &leaves[to_usize(node.first_leaf())..to_usize(node.end_leaf())];
            assert_eq!(
                growth.node(node),
                new.then(|| reference::mth(covered())),
                "{node} in {begin}-{old_end}-{end}"
            );
            found.extend(growth.node(node).map(|hash| (index, hash)));
        }
        let list = growth.level(level).filter(|(_, hashes)| !hashes.is_empty());
        assert_eq!(
            list.map(|(first, hashes)| (first, hashes.len())),
            found.first().map(|(at, _)| (*at, found.len()))
        );
    }
}

fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap()
}

#[test]
fn every_small_growth() {
    let leaves = leaves(36);
    for begin in 0..=20 {
        for old_end in begin..=28 {
            for end in old_end..=36_u64 {
                let mut range = CompactRange::empty_at(begin);
                range.extend(&leaves[to_usize(begin)..to_usize(old_end)]);
                let old = range.clone();
                let growth = range.extend(&leaves[to_usize(old_end)..to_usize(end)]);
                check_growth(&growth, &leaves, begin, old_end, end);
                assert_eq!(range, perfect_range(begin, &leaves[to_usize(begin)..to_usize(end)]));
                assert_eq!(range.root().is_some(), begin == 0);

                let mut merged = old;
                merged.merge(&perfect_range(old_end, &leaves[to_usize(old_end)..to_usize(end)])).unwrap();
                assert_eq!(merged, range, "{begin}-{old_end}-{end}");
            }
        }
    }
}

#[test]
fn ranges_that_do_not_touch_do_not_merge() {
    let mut range = perfect_range(0, &leaves(3));
    let before = range.clone();
    let refused = range.merge(&CompactRange::empty_at(4));
    assert_eq!(refused, Err(ProofError::RangesNotAdjacent { left_end: 3, right_begin: 4 }));
    assert_eq!(range, before);
}

#[test]
fn a_stored_range_is_taken_up_again_only_whole() {
    let range = perfect_range(3, &leaves(9));
    assert_eq!(CompactRange::from_hashes(3, 12, range.hashes().to_vec()), Ok(range.clone()));
    let short = range.hashes()[1..].to_vec();
    assert_eq!(CompactRange::from_hashes(3, 12, short), Err(ProofError::WrongLength { want: 3, got: 2 }));
    assert!(matches!(CompactRange::from_hashes(4, 3, vec![]), Err(ProofError::RangeOutsideTree { .. })));
}

#[test]
fn sizes_around_tile_borders() {
    let leaves = leaves(65_536 + 300);
    for old in [0, 1, 255, 256, 257, 65_535, 65_536] {
        for end in [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_836] {
            if old > end {
                continue;
            }
            let mut range = perfect_range(0, &leaves[..old]);
            let growth = range.extend(&leaves[old..end]);
            assert_eq!(range, perfect_range(0, &leaves[..end]), "{old} to {end}");
            // A node is new just if it ends behind the old size.
            for level in 0..17_u8 {
                let new = (end >> level) - (old >> level);
                assert_eq!(growth.level(level).map_or(0, |(_, hashes)| hashes.len()), new, "{old} to {end}");
            }
        }
    }
}

#[test]
fn a_range_ends_within_64_bits() {
    let last = CompactRange::of_leaves(u64::MAX - 1, &leaves(1)).unwrap();
    assert_eq!(last.end(), u64::MAX);
    assert_eq!(CompactRange::of_leaves(u64::MAX - 1, &leaves(2)), None);
    assert_eq!(CompactRange::of_leaves(u64::MAX, &[]), Some(CompactRange::empty_at(u64::MAX)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_do_not_matter(begin in 0_u64..1 << 40, batches in prop::collection::vec(0_usize..300, 0..8)) {
        let leaves = leaves(batches.iter().sum());
        let (mut extended, mut merged, mut appended) =
            (CompactRange::empty_at(begin), CompactRange::empty_at(begin), CompactRange::empty_at(begin));
        let mut rest = leaves.as_slice();
        for batch in batches {
            let (now, later) = rest.split_at(batch);
            rest = later;
            let growth = extended.extend(now);
            prop_assert_eq!(growth.level(0).map_or(&[][..], |(_, hashes)| hashes), now);
            merged.merge(&perfect_range(merged.end(), now)).unwrap();
            for leaf in now {
                appended.append(*leaf);
            }
        }
        let want = perfect_range(begin, &leaves);
        prop_assert_eq!(&extended, &want);
        prop_assert_eq!(&merged, &want);
        prop_assert_eq!(&appended, &want);
        prop_assert_eq!(CompactRange::of_leaves(begin, &leaves), Some(want));
    }

    /// Every node of an edge is found by itself, and no other: neither its neighbours nor its parent or child.
    #[test]
    fn a_node_of_an_edge_is_found(end: u64, begin in 1..=u64::MAX) {
        let nodes = CompactRange::nodes(0, end);
        let edge = CompactRange::from_hashes(0, end, leaves(nodes.len())).unwrap();
        for (node, hash) in nodes.iter().zip(edge.hashes()) {
            prop_assert_eq!(edge.node(*node), Some(*hash));
            let NodeId { level, index } = *node;
            let others = [(level, index + 1), (level, index.wrapping_sub(1)), (level + 1, index / 2), (level, index ^ 1)];
            let child = level.checked_sub(1).map(|below| (below, index.wrapping_mul(2)));
            for (level, index) in others.into_iter().chain(child) {
                let other = NodeId { level, index };
                if !nodes.contains(&other) {
                    prop_assert_eq!(edge.node(other), None, "{}", other);
                }
            }
        }
        prop_assert_eq!(edge.node(NodeId { level: 64, index: 0 }), None);
        let (begin, end) = (begin.min(end), begin.max(end));
        if begin > 0 {
            let hashes = leaves(CompactRange::nodes(begin, end).len());
            let elsewhere = CompactRange::from_hashes(begin, end, hashes).unwrap();
            prop_assert!(CompactRange::nodes(begin, end).iter().all(|node| elsewhere.node(*node).is_none()));
        }
    }

    #[test]
    fn a_decomposition_is_maximal_and_without_gaps(a: u64, b: u64) {
        let (begin, end) = (a.min(b), a.max(b));
        let nodes = CompactRange::nodes(begin, end);
        let mut at = begin;
        for node in &nodes {
            prop_assert_eq!(node.first_leaf(), at);
            at = node.end_leaf();
            let parent = NodeId { level: node.level + 1, index: node.index / 2 };
            prop_assert!(parent.level > 63 || parent.first_leaf() < begin || parent.end_leaf() > end);
        }
        prop_assert_eq!(at, end);
        prop_assert!(nodes.len() <= 126);
    }
}
