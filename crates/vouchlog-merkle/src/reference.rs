//! The recursive definitions of RFC 6962 and of the subtree draft, word by word: the oracle of the tests.
//!
//! Slow, and as close to the text as Rust allows. Shares nothing with the code under test but the hash function
//! itself, which has its own vectors.

use crate::{Hash, leaf_hash, node_hash, sha256};

/// RFC 6962 section 2.1, over leaf hashes.
pub(crate) fn mth(leaves: &[Hash]) -> Hash {
    match leaves.len() {
        0 => sha256(b""),
        1 => leaves[0],
        n => node_hash(&mth(&leaves[..k(n)]), &mth(&leaves[k(n)..])),
    }
}

/// RFC 6962 section 2.1.1.
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    let n = leaves.len();
    if n == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(k(n));
    if m < k(n) { then(path(m, left), mth(right)) } else { then(path(m - k(n), right), mth(left)) }
}

/// RFC 6962 section 2.1.2.
pub(crate) fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    subproof(m, leaves, true)
}

fn subproof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    let n = leaves.len();
    if m == n {
        return if whole { vec![] } else { vec![mth(leaves)] };
    }
    let (left, right) = leaves.split_at(k(n));
    if m <= k(n) {
        then(subproof(m, left, whole), mth(right))
    } else {
        then(subproof(m - k(n), right, false), mth(left))
    }
}

/// SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs.
pub(crate) fn subtree_proof(start: usize, end: usize, leaves: &[Hash]) -> Vec<Hash> {
    if start == end { vec![] } else { subtree_subproof(start, end, leaves, true) }
}

fn subtree_subproof(start: usize, end: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    let n = leaves.len();
    if start == 0 && end == n {
        return if whole { vec![] } else { vec![mth(leaves)] };
    }
    let k = k(n);
    let (left, right) = leaves.split_at(k);
    if end <= k {
        then(subtree_subproof(start, end, left, whole), mth(right))
    } else if k <= start {
        then(subtree_subproof(start - k, end - k, right, whole), mth(left))
    } else {
        then(subtree_subproof(0, end - k, right, false), mth(left))
    }
}

/// Whether `[start, end)` is a subtree, by the draft's own words.
pub(crate) fn is_subtree(start: usize, end: usize) -> bool {
    let mut bit_ceil = 1;
    while bit_ceil < end - start {
        bit_ceil *= 2;
    }
    start.is_multiple_of(bit_ceil)
}

/// Leaf hashes for tests: that of the index in decimal.
pub(crate) fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(index.to_string().as_bytes())).collect()
}

/// The largest power of two smaller than n.
fn k(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

fn then(mut proof: Vec<Hash>, last: Hash) -> Vec<Hash> {
    proof.push(last);
    proof
}

/// The left hashes of a range proof whose first leaf is m: left siblings on the path of leaf m, root side first.
pub(crate) fn range_left(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    let n = leaves.len();
    if n == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(k(n));
    if m < k(n) { range_left(m, left) } else { [vec![mth(left)], range_left(m - k(n), right)].concat() }
}

/// The right hashes of a range proof whose last leaf is m: right siblings on the path of leaf m, leaf side first.
pub(crate) fn range_right(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    let n = leaves.len();
    if n == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(k(n));
    if m < k(n) { then(range_right(m, left), mth(right)) } else { range_right(m - k(n), right) }
}
