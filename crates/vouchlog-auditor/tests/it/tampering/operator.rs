//! The operator's key: who changes it, and what a key that was replaced still signs.

use vouchlog_note::{SigningKey, UnverifiedNote};
use vouchlog_stream::{Enrolment, OperatorCause, OperatorChange, RecoveryKey, Revocation};

use super::entries::{check_deed, check_proven};
use super::*;

fn recovery() -> SigningKey {
    key("recovery.example.com", SignatureType::Ed25519, 210)
}

fn change_for(
    log: &vouchlog_note::Origin,
    cause: OperatorCause,
    old: u8,
    new: u8,
    by: &SigningKey,
) -> String {
    let (replaces, new) = (next_operator(old).verifying_key().clone(), next_operator(new));
    let (operator, words) = (new.verifying_key().clone(), "yearly".to_owned());
    OperatorChange { log: log.clone(), operator, replaces, cause, words }.sign(by, &new).unwrap()
}

fn rotation(old: u8, new: u8) -> String {
    change_for(&origin(), OperatorCause::Rotation, old, new, &next_operator(old))
}

fn push(log: &mut Builder, note: String) -> u64 {
    let logged_at = log.time();
    log.push(&Entry::OperatorChanged { logged_at, note })
}

fn name_recovery(log: &mut Builder, by: u8) -> u64 {
    let naming = RecoveryKey { log: origin(), recovery: recovery().verifying_key().clone(), replaces: None };
    push(log, naming.sign(&next_operator(by), &recovery(), None).unwrap())
}

fn enrol(log: &mut Builder, gateway: u8, by: u8) -> u64 {
    let enrolment = Enrolment::first(origin(), gateway_key(gateway).verifying_key().clone());
    let logged_at = log.time();
    log.push(&Entry::GatewayEnrolled { logged_at, note: enrolment.sign(&next_operator(by)).unwrap() })
}

fn revoke(log: &mut Builder, gateway: u8, by: u8) -> u64 {
    let gateway = gateway_key(gateway).verifying_key().clone();
    let revocation = Revocation { log: origin(), gateway, effective: log.time(), reason: "x".to_owned() };
    let logged_at = log.time();
    log.push(&Entry::GatewayRevoked { logged_at, note: revocation.sign(&next_operator(by)).unwrap() })
}

/// A rotation and a recovery are facts in the report, also of an audit that goes on from a saved state.
#[tokio::test]
async fn changes_of_the_operators_key_are_reported_and_no_findings() {
    let mut changes = Vec::new();
    let (entries, _) = log_with(|log| {
        changes.push(push(log, rotation(2, 3)));
        enrol(log, 90, 3);
        name_recovery(log, 3);
        let back = change_for(&origin(), OperatorCause::Compromised, 3, 4, &recovery());
        changes.push(push(log, back));
        revoke(log, 90, 4);
        None
    });
    for report in both_reports(&entries).await {
        let shown: Vec<_> = report.operators.iter().map(|one| (one.since, one.cause)).collect();
        assert_eq!(shown, [(0, None), (changes[0], Some("rotation")), (changes[1], Some("compromised"))]);
        let (text, id) = (report.to_string(), next_operator(4).verifying_key().id());
        assert!(text.contains(&format!("operator's key replaced by {id} with the recovery key")), "{text}");
    }
}

#[tokio::test]
async fn a_retired_operators_key_that_signs() {
    for deed in [enrol, revoke] {
        check_proven(Kind::RetiredOperatorKey, None, |log| {
            enrol(log, 90, 2);
            push(log, rotation(2, 3));
            deed(log, 90, 2)
        })
        .await;
    }
    check_proven(Kind::RetiredOperatorKey, None, |log| {
        push(log, rotation(2, 3));
        log.quota(7, 1_000)
    })
    .await;
    // Two changes later it is the same, and so it is for the second key.
    for retired in [2, 3] {
        check_proven(Kind::RetiredOperatorKey, None, |log| {
            push(log, rotation(2, 3));
            push(log, rotation(3, 4));
            enrol(log, 90, retired)
        })
        .await;
    }
}

#[tokio::test]
async fn a_change_of_the_operators_key_that_nobody_may_make() {
    let elsewhere = vouchlog_note::Origin::new("elsewhere.example.com").unwrap();
    let deeds: [&dyn Fn(&mut Builder) -> u64; 6] = [
        // The old key did not sign.
        &|log| {
            let note = UnverifiedNote::parse(rotation(2, 3).as_bytes()).unwrap();
            let text = note.unverified_text();
            let lines =
                vec![next_operator(3).sign_note(text).unwrap(), gateway_key(80).sign_note(text).unwrap()];
            let forged = UnverifiedNote::from_parts(text, lines).unwrap().as_str().to_owned();
            push(log, forged)
        },
        // A rotation of another log, by the same keys.
        &|log| push(log, change_for(&elsewhere, OperatorCause::Rotation, 2, 3, &next_operator(2))),
        // Two rotations race, and the log takes both.
        &|log| {
            push(log, rotation(2, 3));
            push(log, rotation(2, 4))
        },
        // The same one twice.
        &|log| {
            push(log, rotation(2, 3));
            push(log, rotation(2, 3))
        },
        // Back to a key that was retired.
        &|log| {
            push(log, rotation(2, 3));
            push(log, rotation(3, 2))
        },
        // Another entry's note in this kind of entry.
        &|log| {
            let enrolment = Enrolment::first(origin(), gateway_key(80).verifying_key().clone());
            push(log, enrolment.sign(&next_operator(2)).unwrap())
        },
    ];
    for deed in deeds {
        check_proven(Kind::BadOperatorChange, None, deed).await;
    }
}

/// What another key could have allowed is only observed, unless every entry before is in the evidence.
#[tokio::test]
async fn what_an_unknown_key_of_the_operator_signed_accuses_nobody_by_itself() {
    let stranger = |log: &mut Builder| enrol(log, 90, 9);
    check_deed(Kind::BadEnrolment, None, Proves::Observation, stranger).await;
    let unnamed =
        |log: &mut Builder| push(log, change_for(&origin(), OperatorCause::Lost, 2, 3, &recovery()));
    check_deed(Kind::BadOperatorChange, None, Proves::Observation, unnamed).await;
    for (kind, deed) in
        [(Kind::BadEnrolment, &stranger as &dyn Fn(&mut Builder) -> u64), (Kind::BadOperatorChange, &unnamed)]
    {
        let mut log = Builder::new();
        log.enrol(10);
        let place = at_entry(deed(&mut log));
        check(Objects::of(&log.entries), kind, place, Proves::Misconduct).await;
    }
}

#[tokio::test]
async fn rotations_of_witnesses_keys_are_facts_and_false_ones_are_findings() {
    let mut index = 0;
    let (entries, _) = log_with(|log| {
        index = log.rotate_witness(1, 50);
        None
    });
    for report in both_reports(&entries).await {
        let [rotation] = &report.witness_rotations[..] else { panic!("{report}") };
        assert_eq!(
            (rotation.index, &rotation.replaces),
            (index, &witness_key(1).verifying_key().to_string())
        );
        assert!(report.to_string().contains(&format!("witness's key {}", rotation.replaces)), "{report}");
    }
    let deeds: [&dyn Fn(&mut Builder) -> u64; 4] = [
        // Two rotations of one key: the owner's and a thief's.
        &|log| {
            log.rotate_witness(1, 50);
            log.rotate_witness(1, 51)
        },
        &|log| {
            log.rotate_witness(1, 50);
            log.rotate_witness(1, 50)
        },
        &|log| {
            log.rotate_witness(1, 50);
            log.rotate_witness(50, 1)
        },
        // The old key did not sign.
        &|log| {
            let note = UnverifiedNote::parse(witness_rotation(1, 50).as_bytes()).unwrap();
            let lines = vec![next_witness(50).cosign_note(note.unverified_text(), 7).unwrap()];
            let forged = UnverifiedNote::from_parts(note.unverified_text(), lines).unwrap();
            log.push(&Entry::WitnessRotated { logged_at: log.time(), note: forged.as_str().to_owned() })
        },
    ];
    for deed in deeds {
        check_proven(Kind::BadWitnessRotation, None, deed).await;
    }
}
