//! Goal: ML-DSA cosigners sign the bytes of the specification. Method: the messages an independent implementation
//! wrote down, for a checkpoint and for a subtree.

use vouchlog_merkle::{Hash, Subtree};

use super::subtree_message;
use crate::checkpoint::Origin;
use crate::key::KeyName;

#[derive(serde::Deserialize)]
struct Params {
    origin: String,
    witness_mldsa44: Witness,
    timestamp: u64,
    roots: std::collections::HashMap<String, String>,
    mldsa44_cosigned_message_hex: String,
    mldsa44_subtree_256_300_message_hex: String,
}

#[derive(serde::Deserialize)]
struct Witness {
    name: String,
}

#[test]
fn messages_have_the_bytes_of_the_specification() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/computed/e2e/params.json");
    let params: Params = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cosigner = KeyName::new(&params.witness_mldsa44.name).unwrap();
    let origin = Origin::new(&params.origin).unwrap();
    let hash = |bytes: &[u8]| Hash::try_from(bytes).unwrap();

    let root = hash(&hex::decode(&params.roots["300"]).unwrap());
    let tree = Subtree::new(0, 300).unwrap();
    let message = subtree_message(&cosigner, params.timestamp, &origin, tree, &root);
    assert_eq!(hex::encode(&message), params.mldsa44_cosigned_message_hex);
    assert_eq!(message.len(), 118);

    // The subtree's hash is published as the end of its message, and proved by the request in the same folder.
    let expected = hex::decode(&params.mldsa44_subtree_256_300_message_hex).unwrap();
    let (_, subtree_hash) = expected.split_at(expected.len() - 32);
    let subtree = Subtree::new(256, 300).unwrap();
    assert_eq!(subtree_message(&cosigner, 0, &origin, subtree, &hash(subtree_hash)), expected);
}

#[test]
fn the_longest_names_fit() {
    let cosigner = KeyName::new(&"c".repeat(255)).unwrap();
    let origin = Origin::new(&"o".repeat(255)).unwrap();
    let subtree = Subtree::new(0, u64::MAX).unwrap();
    let message = subtree_message(&cosigner, u64::MAX, &origin, subtree, &Hash::from_bytes([0xff; 32]));
    assert_eq!((message.len(), message[12], message[12 + 256 + 8]), (12 + 256 + 8 + 256 + 16 + 32, 255, 255));
}
