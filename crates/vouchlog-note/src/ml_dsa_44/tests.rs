//! Both implementations against Wycheproof's vectors, and against a third one that shares no code with either.

use std::path::Path;

use ml_dsa::{EncodedVerifyingKey, MlDsa44, Signature, Signer, SigningKey, VerifyingKey};
use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn vectors(name: &str) -> Vec<Value> {
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/C2SP__wycheproof/testvectors_v1");
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap();
    file["testGroups"].as_array().unwrap().clone()
}

fn cases(group: &Value) -> &[Value] {
    group["tests"].as_array().unwrap()
}

/// Bytes in hexadecimal; none where the vector has none.
fn bytes(object: &Value, name: &str) -> Option<Vec<u8>> {
    object.get(name).map(|text| hex::decode(text.as_str().unwrap()).unwrap())
}

/// A case with a context of its own is one that a verifier with the empty context must refuse.
fn has_context(case: &Value) -> bool {
    bytes(case, "ctx").is_some_and(|context| !context.is_empty())
}

#[test]
fn verification_agrees_with_wycheproof() {
    let (mut accepted, mut refused) = (0, 0);
    for group in &vectors("mldsa_44_verify_test.json") {
        let Ok(key) = bytes(group, "publicKey").unwrap().try_into() else {
            assert!(cases(group).iter().all(|case| case["result"] == "invalid"), "a key of another length");
            continue;
        };
        let key = PublicKey::new(key);
        for case in cases(group) {
            let (message, signature) = (bytes(case, "msg").unwrap(), bytes(case, "sig").unwrap());
            let is_valid = case["result"] == "valid" && !has_context(case);
            assert_eq!(key.verifies(&message, &signature), is_valid, "case {}", case["tcId"]);
            (accepted, refused) = (accepted + usize::from(is_valid), refused + usize::from(!is_valid));
        }
    }
    assert!(accepted > 60 && refused > 60, "{accepted} accepted, {refused} refused");
}

#[test]
fn signatures_are_those_of_wycheproof() {
    let mut signed = 0;
    for group in &vectors("mldsa_44_sign_seed_test.json") {
        let Ok(seed) = bytes(group, "privateSeed").unwrap().try_into() else { continue };
        let secret = SecretKey::from_seed(&seed).unwrap();
        assert_eq!(secret.public_key().as_bytes().to_vec(), bytes(group, "publicKey").unwrap());
        let pure = cases(group)
            .iter()
            .filter(|case| case["result"] == "valid" && case.get("rnd").is_none() && !has_context(case));
        for case in pure {
            // Those without a message are of the variant that signs a digest.
            let Some(message) = bytes(case, "msg") else { continue };
            assert_eq!(secret.sign(&message), bytes(case, "sig").unwrap(), "case {}", case["tcId"]);
            signed += 1;
        }
    }
    assert!(signed > 50, "{signed} signed");
}

/// The same key by the third implementation.
fn third(key: &PublicKey) -> VerifyingKey<MlDsa44> {
    VerifyingKey::decode(&EncodedVerifyingKey::<MlDsa44>::try_from(&key.as_bytes()[..]).unwrap())
}

fn third_verifies(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = Signature::try_from(signature) else { return false };
    third(key).verify_with_context(message, &[], &signature)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Same keys, same signatures, and the same damage is refused.
    #[test]
    fn another_implementation_agrees(seed: [u8; 32], message: Vec<u8>, place in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let ours = SecretKey::from_seed(&seed).unwrap();
        let theirs = SigningKey::<MlDsa44>::from_seed(&seed.into());
        let key = ours.public_key();
        let their_key: &VerifyingKey<MlDsa44> = theirs.as_ref();
        prop_assert_eq!(&their_key.encode()[..], &key.as_bytes()[..]);
        let own = ours.sign(&message);
        prop_assert_eq!(&theirs.sign(&message).encode()[..], own.as_slice());
        prop_assert!(key.verifies(&message, &own) && third_verifies(&key, &message, &own));
        let mut damaged = own.clone();
        damaged[place.index(SIGNATURE_BYTES)] ^= 1 << bit;
        prop_assert!(!key.verifies(&message, &damaged) && !third_verifies(&key, &message, &damaged));
        prop_assert!(!key.verifies(&[&message[..], b"x"].concat(), &own));
    }
}

#[test]
fn signatures_of_other_lengths_and_contexts_are_none() {
    let secret = SecretKey::from_seed(&[7; SEED_BYTES]).unwrap();
    let (key, signature) = (secret.public_key(), secret.sign(b"message"));
    assert!(key.verifies(b"message", &signature));
    assert!(!key.verifies(b"message", &signature[1..]));
    assert!(!key.verifies(b"message", &[&signature[..], &[0]].concat()));
    assert!(!key.verifies(b"message", &[]));
    let theirs = SigningKey::<MlDsa44>::from_seed(&[7; SEED_BYTES].into());
    let other = theirs.expanded_key().sign_deterministic(b"message", b"context").unwrap();
    assert!(!key.verifies(b"message", &other.encode()), "the context is part of what is signed");
}
