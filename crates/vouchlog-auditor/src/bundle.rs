//! One entry bundle against the leaf hashes that the tree has in its place: which entry was altered, removed, inserted or
//! moved.

use vouchlog_merkle::{EntryBundle, Hash, TILE_WIDTH, leaf_hash};

use crate::edge::tile_root;
use crate::kind::FindingKind;

/// The leaf hashes of a bundle, and the root of the tile that they make.
#[derive(Clone, Debug)]
pub(crate) struct Leaves {
    pub(crate) hashes: Vec<Hash>,
    /// None for a partial bundle, whose tile has no root of its own.
    pub(crate) root: Option<Hash>,
}

impl Leaves {
    /// Hashes a bundle of this many entries; `None` when the bytes are another thing.
    pub(crate) fn of(bytes: &[u8], width: usize) -> Option<Self> {
        let hashes = leaves(&entries(bytes, width)?);
        let root = (hashes.len() == TILE_WIDTH).then(|| tile_root(&hashes));
        Some(Self { hashes, root })
    }
}

/// What is wrong with a bundle, and where it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BundleFault {
    pub(crate) kind: FindingKind,
    /// The first entry of the bundle that is not the tree's, from 0.
    pub(crate) at: usize,
    /// How many places of the bundle do not hold the entry they should.
    pub(crate) wrong: usize,
}

/// The entries of a bundle of this many; `None` when the bytes are another thing.
pub(crate) fn entries(bytes: &[u8], width: usize) -> Option<Vec<&[u8]>> {
    EntryBundle::entries(bytes, width).ok()
}

/// As many entries as the bytes begin with, at most `limit`, and whether anything is left over.
pub(crate) fn readable_entries(bytes: &[u8], limit: usize) -> (Vec<&[u8]>, bool) {
    let mut entries = Vec::new();
    let mut rest = bytes;
    while entries.len() < limit
        && let Some((prefix, behind)) = rest.split_first_chunk::<2>()
        && let Some((entry, behind)) = behind.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
    {
        entries.push(entry);
        rest = behind;
    }
    (entries, !rest.is_empty())
}

/// Tells what was done to a bundle. `tree` has the leaf hashes there should be, `served` those of the entries there are,
/// `rest` says whether bytes follow that are no entry.
///
/// A hash stands for its entry, so the two lists are compared as any two versions of a list are: the same set in another
/// order was reordered; where what follows the first difference is what follows one place later in the tree, an entry was
/// removed; one place earlier, inserted; all else was altered.
pub(crate) fn compare(tree: &[Hash], served: &[Hash], rest: bool) -> Option<BundleFault> {
    let common = tree.iter().zip(served).take_while(|(tree, served)| tree == served).count();
    let differing = tree.iter().zip(served).filter(|(tree, served)| tree != served).count();
    let wrong = differing + tree.len().abs_diff(served.len());
    let fault = |kind| Some(BundleFault { kind, at: common, wrong: wrong.max(1) });
    if common == tree.len() {
        let extra = served.len() > tree.len() || rest;
        return if extra { fault(FindingKind::InsertedEntry) } else { None };
    }
    if common == served.len() {
        return fault(FindingKind::TruncatedBundle);
    }
    if served.len() == tree.len() && sorted(tree) == sorted(served) {
        return fault(FindingKind::ReorderedEntries);
    }
    let (tree, served) = (&tree[common..], &served[common..]);
    if agree(&tree[1..], &served[1..]) {
        return fault(FindingKind::AlteredEntry);
    }
    if agree(&tree[1..], served) || served.len() < tree.len() && is_within(served, tree) {
        return fault(FindingKind::RemovedEntry);
    }
    if agree(tree, &served[1..]) {
        return fault(FindingKind::InsertedEntry);
    }
    fault(FindingKind::AlteredEntry)
}

/// The leaf hashes of entries.
pub(crate) fn leaves(entries: &[&[u8]]) -> Vec<Hash> {
    entries.iter().map(|entry| leaf_hash(entry)).collect()
}

/// Whether two lists are the same as far as both go, and go at all. The end of one may have moved into the next bundle.
fn agree(one: &[Hash], other: &[Hash]) -> bool {
    let common = one.len().min(other.len());
    common > 0 && one[..common] == other[..common]
}

fn sorted(hashes: &[Hash]) -> Vec<Hash> {
    let mut sorted = hashes.to_vec();
    sorted.sort_unstable();
    sorted
}

/// Whether the first list is the second with some left out.
fn is_within(part: &[Hash], whole: &[Hash]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|hash| whole.any(|other| other == hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(letters: &str) -> Vec<Hash> {
        letters.bytes().map(|byte| leaf_hash(&[byte])).collect()
    }

    fn check(tree: &str, served: &str, expected: Option<(FindingKind, usize)>) {
        let fault = compare(&list(tree), &list(served), false).map(|fault| (fault.kind, fault.at));
        assert_eq!(fault, expected, "{tree} served as {served}");
    }

    #[test]
    fn what_was_done_to_a_bundle_is_told_apart() {
        use FindingKind::{AlteredEntry, InsertedEntry, RemovedEntry, ReorderedEntries, TruncatedBundle};
        check("abcdef", "abcdef", None);
        check("abcdef", "abXdef", Some((AlteredEntry, 2)));
        check("abcdef", "abcdeX", Some((AlteredEntry, 5)));
        check("abcdef", "Xbcdef", Some((AlteredEntry, 0)));
        check("abcdef", "aXcdYf", Some((AlteredEntry, 1)));
        check("abcdef", "XXXXXX", Some((AlteredEntry, 0)));
        check("abcdef", "abdefg", Some((RemovedEntry, 2)));
        check("abcdef", "abdef", Some((RemovedEntry, 2)));
        check("abcdef", "bcdefg", Some((RemovedEntry, 0)));
        check("abcdef", "adf", Some((RemovedEntry, 1)));
        check("abcdef", "abXcde", Some((InsertedEntry, 2)));
        check("abcdef", "abXcdef", Some((InsertedEntry, 2)));
        check("abcdef", "abcdefX", Some((InsertedEntry, 6)));
        check("abcdef", "abdcef", Some((ReorderedEntries, 2)));
        check("abcdef", "fedcba", Some((ReorderedEntries, 0)));
        check("abcdef", "abcd", Some((TruncatedBundle, 4)));
        check("abcdef", "", Some((TruncatedBundle, 0)));
        check("a", "b", Some((AlteredEntry, 0)));
    }

    #[test]
    fn bytes_behind_the_last_entry_are_told_from_a_cut() {
        let fault = |rest| compare(&list("abc"), &list("abc"), rest).map(|fault| fault.kind);
        assert_eq!((fault(false), fault(true)), (None, Some(FindingKind::InsertedEntry)));
        let (entries, rest) = readable_entries(&[0, 1, b'a', 0, 2, b'b'], 256);
        assert_eq!((entries, rest), (vec![&b"a"[..]], true));
    }
}
