//! Goal: Ed25519 is verified by the policy documented at `UnverifiedNote::verify`. Method: the 914 edge cases of
//! C2SP's CCTV, each with the verdict that follows from its flags.

use super::{Verdict, check_note_signature};
use crate::key::{KeyError, KeyName, SignatureType, VerifyingKey};

#[derive(serde::Deserialize)]
struct Case {
    number: u32,
    key: String,
    sig: String,
    msg: String,
    flags: Option<Vec<String>>,
}

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

#[test]
fn cctv_ed25519_cases_have_the_verdict_of_our_policy() {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/C2SP__CCTV/ed25519/ed25519vectors.json");
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(cases.len(), 914);
    let name = KeyName::new("edge.example").unwrap();

    let (mut refused_keys, mut valid, mut invalid) = (0, 0, 0);
    for case in cases {
        let flags = case.flags.unwrap_or_default();
        let has = |flag: &str| flags.iter().any(|f| f == flag);
        let key = VerifyingKey::ed25519(name.clone(), SignatureType::Ed25519, bytes(&case.key));
        // In this set every non-canonical key is of low order too.
        if has("low_order_A") {
            assert_eq!(key.unwrap_err(), KeyError::WeakKey, "case {}: {flags:?}", case.number);
            refused_keys += 1;
            continue;
        }
        let verdict = check_note_signature(&key.unwrap(), &case.msg, &bytes::<64>(&case.sig));
        // What ref10, Go and OpenSSL do with a key that is neither.
        let expected = !has("non_canonical_R") && !has("low_order_residue");
        assert_eq!(
            matches!(verdict, Verdict::Valid { timestamp: None }),
            expected,
            "case {}: {flags:?}",
            case.number
        );
        if expected { valid += 1 } else { invalid += 1 }
    }
    assert!(refused_keys > 0 && valid > 0 && invalid > 0, "{refused_keys} {valid} {invalid}");
}

#[test]
fn a_key_in_a_second_spelling_is_refused() {
    // y = 3 + p is the point of y = 3, which is not of low order: the vectors above have no such key.
    let mut second_spelling = [0xff; 32];
    second_spelling[0] = 0xf0;
    second_spelling[31] = 0x7f;
    let mut first_spelling = [0; 32];
    first_spelling[0] = 3;
    let key = |bytes| {
        VerifyingKey::ed25519(KeyName::new("edge.example").unwrap(), SignatureType::CosignatureEd25519, bytes)
    };
    assert!(key(first_spelling).is_ok());
    assert_eq!(key(second_spelling).unwrap_err(), KeyError::NonCanonicalKey);
}
