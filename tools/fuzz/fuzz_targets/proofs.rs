//! Proofs as hashes and positions of a stranger's choosing: checking them is total, and what two ways check agrees.

#![no_main]

use libfuzzer_sys::fuzz_target;
use vouchlog_merkle::{
    ConsistencyProof, Hash, InclusionProof, LeafIndex, RangeProof, Subtree, SubtreeProof, TreeHead, TreeSize,
};

fuzz_target!(|input: (u64, u64, [u8; 32], u8, u8, &[u8])| {
    let (position, size, root, leaves, left, bytes) = input;
    let hashes: Vec<Hash> = bytes.as_chunks().0.iter().copied().map(Hash::from_bytes).collect();
    let root = Hash::from_bytes(root);
    let (index, tree) = (LeafIndex::new(position), TreeHead { size: TreeSize::new(size), root });

    let Some((leaf, path)) = hashes.split_first() else { return };
    let inclusion = InclusionProof::from_hashes(path.to_vec());
    let computed = inclusion.as_ref().ok().and_then(|proof| proof.root_from(index, tree.size, leaf).ok());
    if let Ok(proof) = ConsistencyProof::from_hashes(hashes.clone()) {
        let _ = proof.verify(&TreeHead { size: TreeSize::new(position), root: *leaf }, &tree);
    }
    if let Ok(subtree) = Subtree::new(position, position.saturating_add(left.into())) {
        let _ = SubtreeProof::from_hashes(hashes.clone()).map(|proof| proof.verify(subtree, leaf, &tree));
        let _ = inclusion.map(|proof| subtree.verify_inclusion(&proof, index, leaf, &root));
    }

    let (run, sides) = hashes.split_at(hashes.len().min(leaves.into()));
    let (left, right) = sides.split_at(sides.len().min(left.into()));
    let Ok(proof) = RangeProof::from_parts(left.to_vec(), right.to_vec()) else { return };
    let Ok(placed) = proof.place(index, run, tree.size) else { return };
    // Each inclusion proof cut from the range must lead to the range's own root.
    for (offset, leaf) in run.iter().enumerate() {
        let at = LeafIndex::new(position + offset as u64);
        let cut = placed.inclusion(at).expect("the leaf is in the range");
        assert_eq!(cut.root_from(at, tree.size, leaf), Ok(placed.root()));
    }
    if let ([only], Some(computed)) = (run, computed)
        && only == leaf
        && placed.inclusion(index).is_ok_and(|cut| cut.hashes() == path)
    {
        assert_eq!(computed, placed.root());
    }
});
