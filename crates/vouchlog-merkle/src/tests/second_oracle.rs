//! Goal: agree with a Merkle tree we did not write. Method: `rs_merkle` with RFC 6962 node hashes; its own proofs verify
//! here and ours verify there.

use rs_merkle::{Hasher, MerkleProof, MerkleTree};

use crate::reference::leaves;
use crate::{Hash, InclusionProof, LeafIndex, node_hash};

use super::{Tree, size};

/// Leaves come hashed; a node without a sibling moves up as it is.
#[derive(Clone)]
struct Rfc6962;

impl Hasher for Rfc6962 {
    type Hash = [u8; 32];

    fn hash(_: &[u8]) -> [u8; 32] {
        unreachable!("leaves are hashed before they are given to the tree")
    }

    fn concat_and_hash(left: &[u8; 32], right: Option<&[u8; 32]>) -> [u8; 32] {
        match right {
            Some(right) => *node_hash(&Hash::from_bytes(*left), &Hash::from_bytes(*right)).as_bytes(),
            None => *left,
        }
    }
}

#[test]
fn roots_and_inclusion_proofs() {
    for n in (1..=130).chain([255, 256, 257, 1000, 4097]) {
        let leaves = leaves(n);
        let bytes: Vec<[u8; 32]> = leaves.iter().map(|leaf| *leaf.as_bytes()).collect();
        let theirs = MerkleTree::<Rfc6962>::from_leaves(&bytes);
        let ours = Tree::of(&leaves);
        assert_eq!(theirs.root(), Some(*ours.head.root.as_bytes()), "{n} leaves");

        for m in (0..n).step_by(1 + n / 131) {
            let index = LeafIndex::new(m as u64);
            let plan = InclusionProof::plan(index, size(n)).unwrap();
            let proof = plan.build(&ours.fetch(&plan)).unwrap();
            let proof: Vec<[u8; 32]> = proof.iter().map(|hash| *hash.as_bytes()).collect();
            assert_eq!(theirs.proof(&[m]).proof_hashes(), proof, "{m} of {n}");
            let accepted =
                MerkleProof::<Rfc6962>::new(proof).verify(*ours.head.root.as_bytes(), &[m], &[bytes[m]], n);
            assert!(accepted, "{m} of {n}");
        }
    }
}
