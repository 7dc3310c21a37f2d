//! Which key is the operator's: who may change it, and that nobody may change it back or twice.

use proptest::prelude::*;
use vouchlog_note::{KeyName, SignatureType, SigningKey, UnverifiedNote};

use super::*;
use crate::{Enrolment, LoggedAt, Revocation};

fn named(name: &str, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), SignatureType::Ed25519, [seed; 32]).unwrap()
}

fn operator(seed: u8) -> SigningKey {
    named("log.example.com/operator", seed)
}

fn recovery(seed: u8) -> SigningKey {
    named("log.example.com/recovery", 100 + seed)
}

fn origin() -> Origin {
    Origin::new("log.example.com").unwrap()
}

fn at(index: u64) -> LeafIndex {
    LeafIndex::new(index)
}

fn change(cause: OperatorCause, old: &SigningKey, new: &SigningKey) -> OperatorChange {
    let (operator, replaces) = (new.verifying_key().clone(), old.verifying_key().clone());
    OperatorChange { log: origin(), operator, replaces, cause, words: "the yearly change".to_owned() }
}

fn rotation(old: &SigningKey, new: &SigningKey) -> String {
    change(OperatorCause::Rotation, old, new).sign(old, new).unwrap()
}

fn recovered(cause: OperatorCause, by: &SigningKey, old: &SigningKey, new: &SigningKey) -> String {
    change(cause, old, new).sign(by, new).unwrap()
}

fn naming(operator: &SigningKey, new: &SigningKey, old: Option<&SigningKey>) -> String {
    let replaces = old.map(|old| old.verifying_key().clone());
    let naming = RecoveryKey { log: origin(), recovery: new.verifying_key().clone(), replaces };
    naming.sign(operator, new, old).unwrap()
}

fn operators() -> Operators {
    Operators::new(operator(1).verifying_key().clone())
}

/// The text of a note, signed by other keys.
fn signed(note: &str, by: &[&SigningKey]) -> String {
    let text = format!("{}\n", note.split("\n\n").next().unwrap());
    let lines = by.iter().map(|key| key.sign_note(&text).unwrap()).collect();
    UnverifiedNote::from_parts(&text, lines).unwrap().as_str().to_owned()
}

#[test]
fn a_rotation_puts_the_new_key_in_force_from_its_entry_on() {
    let mut operators = operators();
    let [first, second, third] = [1, 2, 3].map(|seed| operator(seed).verifying_key().clone());
    operators.take(at(7), &rotation(&operator(1), &operator(2)), &origin()).unwrap();
    operators.take(at(9), &rotation(&operator(2), &operator(3)), &origin()).unwrap();
    for (index, key) in [(1, &first), (7, &first), (8, &second), (9, &second), (10, &third), (99, &third)] {
        assert_eq!(operators.at(at(index)), key, "{index}");
    }
    assert_eq!(operators.key(), &third);
    assert_eq!(operators.retired_by(&first), Some(at(7)));
    assert_eq!(operators.retired_by(&second), Some(at(9)));
    assert_eq!(operators.retired_by(&third), None);
    assert_eq!(operators.changes(), [at(7), at(9)]);
}

#[test]
fn a_rotation_needs_both_keys() {
    let note = rotation(&operator(1), &operator(2));
    let keys = [operator(1), operator(2), operator(3), recovery(1)];
    for by in [&[&keys[0]][..], &[&keys[1]], &[&keys[0], &keys[2]], &[&keys[3], &keys[1]], &[&keys[2]]] {
        let error = operators().open(&signed(&note, by), &origin()).unwrap_err();
        assert!(matches!(error, OperatorError::Text(TextError::Note(_))), "{error}");
    }
    assert!(operators().open(&note, &origin()).is_ok());
    assert!(
        change(OperatorCause::Rotation, &operator(1), &operator(2)).sign(&operator(3), &operator(2)).is_err()
    );
    assert!(
        change(OperatorCause::Rotation, &operator(1), &operator(2)).sign(&operator(1), &operator(3)).is_err()
    );
    assert!(
        change(OperatorCause::Lost, &operator(1), &operator(2)).sign(&operator(1), &operator(2)).is_err()
    );
    assert!(
        change(OperatorCause::Rotation, &operator(1), &named("other", 2))
            .sign(&operator(1), &named("other", 2))
            .is_err()
    );
}

/// The same note again, one for another log, a second one from the same key, and a way back to a key that was in force.
#[test]
fn no_note_counts_twice_or_elsewhere() {
    let first = rotation(&operator(1), &operator(2));
    let mut operators = operators();
    let elsewhere = Origin::new("other.example.com").unwrap();
    let error = operators.open(&first, &elsewhere).unwrap_err();
    assert_eq!(error, OperatorError::Text(TextError::OtherLog("log.example.com".into())));
    assert_eq!(operators.applied(&first, &origin()), None);
    operators.take(at(5), &first, &origin()).unwrap();

    let refused = |operators: &Operators, note: &str| operators.open(note, &origin()).unwrap_err();
    assert!(matches!(refused(&operators, &first), OperatorError::NotInForce { .. }));
    assert_eq!(operators.applied(&first, &origin()), Some(at(5)));
    assert_eq!(operators.applied(&first, &elsewhere), None);
    let racing = rotation(&operator(1), &operator(3));
    assert!(matches!(refused(&operators, &racing), OperatorError::NotInForce { .. }));
    assert_eq!(operators.applied(&racing, &origin()), None);
    let back = rotation(&operator(2), &operator(1));
    assert!(matches!(refused(&operators, &back), OperatorError::UsedBefore(_)));
    operators.take(at(6), &rotation(&operator(2), &operator(3)), &origin()).unwrap();
    assert!(matches!(refused(&operators, &first), OperatorError::NotInForce { .. }));
    assert_eq!(operators.applied(&first, &origin()), Some(at(5)));
}

#[test]
fn the_recovery_key_replaces_a_lost_key_and_that_of_a_thief() {
    let mut operators = operators();
    let lost = recovered(OperatorCause::Lost, &recovery(1), &operator(1), &operator(2));
    let error = operators.open(&lost, &origin()).unwrap_err();
    assert!(matches!(error, OperatorError::Text(_) | OperatorError::NoRecoveryKey), "{error}");
    let name = naming(&operator(1), &recovery(1), None);
    for by in [&[&operator(1)][..], &[&recovery(1)], &[&operator(2), &recovery(1)]] {
        assert!(operators.open(&signed(&name, by), &origin()).is_err());
    }
    operators.take(at(3), &name, &origin()).unwrap();
    assert_eq!(operators.recovery(), Some(recovery(1).verifying_key()));
    // The thief rotates first; what he cannot do is take the recovery key away.
    operators.take(at(4), &rotation(&operator(1), &operator(9)), &origin()).unwrap();
    assert!(operators.open(&lost, &origin()).is_err());
    let thiefs = RecoveryKey {
        log: origin(),
        recovery: recovery(9).verifying_key().clone(),
        replaces: Some(recovery(1).verifying_key().clone()),
    };
    assert!(thiefs.sign(&operator(9), &recovery(9), None).is_err());
    let stolen =
        signed(&naming(&operator(9), &recovery(9), Some(&recovery(1))), &[&operator(9), &recovery(9)]);
    assert!(operators.open(&stolen, &origin()).is_err());
    assert!(operators.open(&naming(&operator(9), &recovery(9), None), &origin()).is_err());
    let back = recovered(OperatorCause::Compromised, &recovery(1), &operator(9), &operator(3));
    let by_another =
        change(OperatorCause::Compromised, &operator(9), &operator(3)).sign(&recovery(2), &operator(3));
    assert!(operators.open(&by_another.unwrap(), &origin()).is_err());
    operators.take(at(5), &back, &origin()).unwrap();
    assert_eq!(operators.key(), operator(3).verifying_key());
    operators.take(at(6), &naming(&operator(3), &recovery(2), Some(&recovery(1))), &origin()).unwrap();
    assert_eq!(operators.recovery(), Some(recovery(2).verifying_key()));
    assert_eq!(operators.applied(&name, &origin()), Some(at(3)));
    assert_eq!(operators.changes(), [3, 4, 5, 6].map(at));
    let causes: Vec<_> = operators.terms().map(|term| term.cause).collect();
    assert_eq!(causes, [None, Some(OperatorCause::Rotation), Some(OperatorCause::Compromised)]);
}

#[test]
fn a_recovery_key_is_none_of_the_operators() {
    let mut operators = operators();
    let own = RecoveryKey { log: origin(), recovery: operator(1).verifying_key().clone(), replaces: None };
    if let Ok(own) = own.sign(&operator(1), &operator(1), None) {
        assert!(operators.open(&own, &origin()).is_err());
    }
    // The same secret under another name is the same key.
    let disguised = naming(&operator(1), &named("log.example.com/recovery", 1), None);
    assert!(matches!(operators.open(&disguised, &origin()), Err(OperatorError::UsedBefore(_))));
    operators
        .take(at(1), &naming(&operator(1), &named("log.example.com/operator", 2), None), &origin())
        .unwrap();
    let taken = rotation(&operator(1), &operator(2));
    assert!(matches!(operators.open(&taken, &origin()), Err(OperatorError::UsedBefore(_))));
}

#[test]
fn changes_end_at_their_bound() {
    let mut operators = operators();
    let mut key = operator(1);
    operators.take(at(1), &naming(&key, &recovery(1), None), &origin()).unwrap();
    for number in 1..MAX_OPERATOR_CHANGES - OPERATOR_CHANGES_FOR_RECOVERY {
        let seed = vouchlog_merkle::sha256(&number.to_be_bytes());
        let name = KeyName::new("log.example.com/operator").unwrap();
        let next = SigningKey::generate(name, SignatureType::Ed25519, *seed.as_bytes()).unwrap();
        operators.take(at(number as u64 + 1), &rotation(&key, &next), &origin()).unwrap();
        key = next;
    }
    let most = MAX_OPERATOR_CHANGES - OPERATOR_CHANGES_FOR_RECOVERY;
    let rotated = operators.open(&rotation(&key, &operator(2)), &origin());
    assert_eq!(rotated, Err(OperatorError::TooMany { most }));
    // A thief who rotated until the end did not lock the recovery key out.
    for number in 2..2 + OPERATOR_CHANGES_FOR_RECOVERY {
        let next = operator(u8::try_from(number).unwrap());
        let note = recovered(OperatorCause::Compromised, &recovery(1), &key, &next);
        operators.take(at(100 + number as u64), &note, &origin()).unwrap();
        key = next;
    }
    let note = recovered(OperatorCause::Compromised, &recovery(1), &key, &operator(200));
    assert_eq!(operators.open(&note, &origin()), Err(OperatorError::TooMany { most: MAX_OPERATOR_CHANGES }));
    assert_eq!(Operators::from_bytes(&operators.to_bytes()), Some(operators));
}

/// A note is one or nothing: whichever bit is flipped, it is refused.
#[test]
fn no_bit_of_a_note_may_change() {
    let mut with_recovery = operators();
    with_recovery.take(at(1), &naming(&operator(1), &recovery(1), None), &origin()).unwrap();
    let notes = [
        (operators(), rotation(&operator(1), &operator(2))),
        (operators(), naming(&operator(1), &recovery(1), None)),
        (with_recovery.clone(), naming(&operator(1), &recovery(2), Some(&recovery(1)))),
        (with_recovery, recovered(OperatorCause::Lost, &recovery(1), &operator(1), &operator(2))),
    ];
    for (operators, note) in notes {
        assert!(operators.open(&note, &origin()).is_ok(), "{note}");
        for place in 0..note.len() {
            for bit in 0..8 {
                let mut bytes = note.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                assert!(operators.open(&changed, &origin()).is_err(), "bit {bit} of byte {place}: {changed}");
            }
        }
        for (length, _) in note.char_indices() {
            assert!(operators.open(&note[..length], &origin()).is_err(), "cut to {length}");
        }
    }
}

#[test]
fn other_notes_of_the_operator_are_not_about_its_key() {
    let revocation = Revocation {
        log: origin(),
        gateway: named("gateway.example.com", 7).verifying_key().clone(),
        effective: LoggedAt::from_millis(1).unwrap(),
        reason: "x".to_owned(),
    };
    let enrolment = Enrolment::first(origin(), operator(2).verifying_key().clone());
    for note in [revocation.sign(&operator(1)).unwrap(), enrolment.sign(&operator(1)).unwrap()] {
        assert!(matches!(
            operators().open(&note, &origin()),
            Err(OperatorError::Text(TextError::Form { .. }))
        ));
    }
    let note = rotation(&operator(1), &operator(2));
    let key = operator(1).verifying_key().clone();
    assert!(Enrolment::open(&note, &origin(), &key).is_err());
    assert!(Revocation::open(&note, &origin(), &key).is_err());
}

proptest! {
    #[test]
    fn what_is_stored_comes_back(words in any::<String>(), since in 1..1_u64 << 40, with_recovery: bool, extra: u8) {
        let mut operators = operators();
        if with_recovery {
            operators.take(at(since), &naming(&operator(1), &recovery(1), None), &origin()).unwrap();
        }
        let note = OperatorChange { words, ..change(OperatorCause::Rotation, &operator(1), &operator(2)) };
        operators.take(at(since + 1), &note.sign(&operator(1), &operator(2)).unwrap(), &origin()).unwrap();
        let bytes = operators.to_bytes();
        prop_assert_eq!(Operators::from_bytes(&bytes), Some(operators));
        prop_assert_eq!(Operators::from_bytes(&[&bytes[..], &[extra]].concat()), None);
    }

    #[test]
    fn random_lines_never_panic(
        title in "vouchlog/v1 (operator|recovery)",
        lines in proptest::collection::vec("(replaces|reason|operator|recovery|log) (rotation|none|lost x|log.example.com| |\\PC){0,9}", 0..6)
    ) {
        let text = format!("{title}\nlog log.example.com\n{}\n", lines.join("\n"));
        if let Ok(line) = operator(1).sign_note(&text)
            && let Ok(note) = UnverifiedNote::from_parts(&text, vec![line])
        {
            prop_assert!(operators().open(note.as_str(), &origin()).is_err());
        }
    }
}
