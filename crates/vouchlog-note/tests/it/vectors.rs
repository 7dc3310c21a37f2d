//! Reads the vectors, and makes the keys and heads that several tests use.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_note::{KeyName, SignatureType, SigningKey};

pub(crate) fn bytes(path: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors")).join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn text(path: &str) -> String {
    String::from_utf8(bytes(path)).unwrap()
}

pub(crate) fn json<T: DeserializeOwned>(path: &str) -> T {
    serde_json::from_slice(&bytes(path)).unwrap()
}

pub(crate) fn hash(hex: &str) -> Hash {
    Hash::try_from(hex::decode(hex).unwrap().as_slice()).unwrap()
}

pub(crate) fn signing_key(name: &str, signature_type: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), signature_type, [seed; 32]).unwrap()
}

pub(crate) fn head(size: u64) -> TreeHead {
    TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([0x5a; 32]) }
}
