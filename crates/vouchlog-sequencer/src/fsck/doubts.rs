//! Which of a bundle and its tile is damaged, where the two differ: the committed root decides.

use vouchlog_merkle::{CompactRange, Hash};

/// Bundles that differ from their tiles, of which every combination is tried.
const MAX_DOUBTS: usize = 12;

/// The tree, with two versions of some bundles.
#[derive(Default)]
pub(super) struct Doubts {
    /// What lies before each bundle in doubt, from the one before it on.
    before: Vec<CompactRange>,
    /// Each bundle in doubt, by its entries and by its tile.
    versions: Vec<[CompactRange; 2]>,
    /// What lies behind the last of them.
    rest: CompactRange,
}

impl Doubts {
    /// Leaves on which entries and tiles agree.
    pub(super) fn agree(&mut self, leaves: &[Hash]) {
        leaves.iter().for_each(|leaf| self.rest.append(*leaf));
    }

    /// The leaves of a bundle, by its entries and by its tile; returns the number of the doubt.
    pub(super) fn differ(&mut self, entries: &[Hash], tile: &[Hash]) -> usize {
        let begin = self.rest.end();
        let version = |leaves: &[Hash]| {
            let mut range = CompactRange::empty_at(begin);
            leaves.iter().for_each(|leaf| range.append(*leaf));
            range
        };
        let versions = [version(entries), version(tile)];
        let rest = CompactRange::empty_at(versions[0].end());
        self.before.push(std::mem::replace(&mut self.rest, rest));
        self.versions.push(versions);
        self.versions.len() - 1
    }

    /// For each doubt, whether the tile is right; `None` when no combination leads to the root.
    pub(super) fn resolve(&self, root: Hash) -> Option<Vec<bool>> {
        let count = self.versions.len();
        if count == 0 {
            return None;
        }
        let choices: Vec<Vec<bool>> = if count > MAX_DOUBTS {
            vec![vec![true; count], vec![false; count]]
        } else {
            (0..1_u32 << count).map(|choice| (0..count).map(|bit| choice >> bit & 1 == 1).collect()).collect()
        };
        choices.into_iter().find(|choice| self.root(choice) == Some(root))
    }

    fn root(&self, choice: &[bool]) -> Option<Hash> {
        let mut range = CompactRange::new();
        for ((before, versions), is_tile) in self.before.iter().zip(&self.versions).zip(choice) {
            range.merge(before).ok()?;
            range.merge(&versions[usize::from(*is_tile)]).ok()?;
        }
        range.merge(&self.rest).ok()?;
        range.root()
    }
}

#[cfg(test)]
mod tests {
    use vouchlog_merkle::leaf_hash;

    use super::*;

    #[test]
    fn every_combination_of_damaged_bundles_and_tiles_is_resolved() {
        let leaves: Vec<Hash> = (0..1600_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut whole = CompactRange::new();
        leaves.iter().for_each(|leaf| whole.append(*leaf));
        let root = whole.root().unwrap();
        for truth in 0..16_u32 {
            let mut doubts = Doubts::default();
            let mut expected = Vec::new();
            for (bundle, right) in leaves.chunks(256).enumerate() {
                let mut wrong = right.to_vec();
                wrong[17] = leaf_hash(b"wrong");
                // Bundles 1, 2, 4 and 5 are in doubt.
                let Some(bit) = [1, 2, 4, 5].iter().position(|doubtful| *doubtful == bundle) else {
                    doubts.agree(right);
                    continue;
                };
                let is_tile_right = truth >> bit & 1 == 1;
                expected.push(is_tile_right);
                if is_tile_right {
                    doubts.differ(&wrong, right)
                } else {
                    doubts.differ(right, &wrong)
                };
            }
            assert_eq!(doubts.resolve(root), Some(expected));
            assert_eq!(doubts.resolve(leaf_hash(b"another root")), None);
        }
        assert_eq!(Doubts::default().resolve(root), None);
    }
}
