//! A policy follows a rotation, and one witness never counts twice: whatever its two keys cosigned.

use proptest::prelude::*;

use super::*;
use crate::key::{KeyName, SignatureType};
use crate::signing::SigningKey;

fn key(witness: u8, generation: u8) -> VerifyingKey {
    let name = KeyName::new(&format!("witness-{witness}.example.com")).unwrap();
    let seed = [witness * 16 + generation; 32];
    SigningKey::generate(name, SignatureType::CosignatureEd25519, seed).unwrap().verifying_key().clone()
}

/// A policy of three witnesses, of which `threshold` suffice.
fn policy(threshold: usize) -> String {
    let [one, two, three] = [1, 2, 3].map(|witness| key(witness, 0));
    format!(
        "# of three\nwitness w1 {one} https://w1.example.com\nwitness w2 {two}\n\nwitness w3 {three} https://w3.example.com\n\
         group all-three {threshold} w1 w2 w3\nquorum all-three\n"
    )
}

fn rotate(text: &str, witness: u8, generation: u8, old_key: OldKey) -> Result<String, PolicyRotationError> {
    let keys = [&key(witness, generation), &key(witness, generation + 1)];
    Policy::rotate_text(text.as_bytes(), keys, old_key).map(|text| String::from_utf8(text).unwrap())
}

fn is_met(text: &str, cosigned: &[VerifyingKey]) -> bool {
    Policy::parse(text.as_bytes()).unwrap().is_met_by(|key| cosigned.contains(key))
}

#[test]
fn both_keys_are_one_witness_while_both_count() {
    let both = rotate(&policy(2), 1, 0, OldKey::Counts).unwrap();
    let [old, new, other] = [key(1, 0), key(1, 1), key(2, 0)];
    assert!(
        !is_met(&both, &[old.clone(), new.clone()]),
        "one witness with two keys is no quorum of two:\n{both}"
    );
    assert!(is_met(&both, &[old.clone(), other.clone()]));
    assert!(is_met(&both, &[new.clone(), other.clone()]));
    assert!(is_met(&both, &[old.clone(), new.clone(), other.clone()]));
    assert!(!is_met(
        &rotate(&policy(3), 1, 0, OldKey::Counts).unwrap(),
        &[old.clone(), new.clone(), other.clone()]
    ));
    assert_eq!(rotate(&both, 1, 0, OldKey::Counts).unwrap(), both, "again changes nothing");
    let urls: Vec<_> = Policy::parse(both.as_bytes())
        .unwrap()
        .witnesses()
        .iter()
        .map(|w| w.url().map(str::to_owned))
        .collect();
    assert_eq!(
        urls[..2],
        [Some("https://w1.example.com".to_owned()), Some("https://w1.example.com".to_owned())]
    );

    let after = rotate(&both, 1, 0, OldKey::Goes).unwrap();
    assert_eq!(
        Policy::parse(after.as_bytes()),
        Policy::parse(rotate(&policy(2), 1, 0, OldKey::Goes).unwrap().as_bytes())
    );
    assert!(!is_met(&after, &[old, other.clone()]), "the old key no longer counts:\n{after}");
    assert!(is_met(&after, &[new, other]));
    assert!(after.starts_with("# of three\n"), "{after}");
}

#[test]
fn what_would_count_a_witness_twice_is_refused() {
    let twice = policy(2).replace("quorum", &format!("witness w4 {}\nquorum", key(1, 1)));
    for old_key in [OldKey::Counts, OldKey::Goes] {
        let refused = rotate(&twice, 1, 0, old_key);
        assert!(matches!(refused, Err(PolicyRotationError::TwoWitnesses(_))), "{refused:?}");
    }
    // Two of the three keys of a group are not any one of two.
    let grouped = policy(2).replace(
        "group all-three 2 w1 w2 w3",
        &format!("witness w4 {}\ngroup g 2 w1 w4\ngroup all-three 2 g w2 w3", key(1, 1)),
    );
    assert!(matches!(rotate(&grouped, 1, 0, OldKey::Goes), Err(PolicyRotationError::TwoWitnesses(_))));
    assert!(matches!(rotate(&policy(2), 4, 0, OldKey::Goes), Err(PolicyRotationError::NotListed(_))));
    assert!(matches!(rotate("quorum none", 1, 0, OldKey::Goes), Err(PolicyRotationError::Policy(_))));
}

proptest! {
    /// Against a model: a witness cosigned if any of its keys that counts did; so many of the three must have.
    #[test]
    fn a_quorum_counts_witnesses_and_not_keys(
        threshold in 1..=3_usize,
        rotations in prop::collection::vec((1..=3_u8, any::<bool>()), 0..8),
        cosigned in prop::collection::vec((1..=3_u8, 0..6_u8), 0..8),
    ) {
        let mut text = policy(threshold);
        // Of each witness, its newest key, and the keys that count.
        let mut newest = [0_u8; 4];
        let mut counting = [vec![], vec![0_u8], vec![0], vec![0]];
        for (witness, keeps) in rotations {
            let at = usize::from(witness);
            let old_key = if keeps { OldKey::Counts } else { OldKey::Goes };
            text = rotate(&text, witness, newest[at], old_key).unwrap();
            if !keeps {
                let gone = newest[at];
                counting[at].retain(|generation| *generation != gone);
            }
            newest[at] += 1;
            counting[at].push(newest[at]);
        }
        let keys: Vec<_> = cosigned.iter().map(|(witness, generation)| key(*witness, *generation)).collect();
        let count = (1..=3_u8).filter(|witness| {
            cosigned.iter().any(|(of, generation)| of == witness && counting[usize::from(*witness)].contains(generation))
        });
        prop_assert_eq!(is_met(&text, &keys), count.count() >= threshold, "{}", text);
    }

    #[test]
    fn any_text_is_taken(text in "(witness|group|quorum|log|#| |w1|any|2|none|\n){0,20}") {
        let _ = rotate(&text, 1, 0, OldKey::Counts);
    }
}
