//! Names of gateways that change hands without the word of their key or a reason of the operator.

use vouchlog_note::{SigningKey, UnverifiedNote};
use vouchlog_stream::{Enrolment, ReplacementCause, ReplacementReason, Replaces};

use super::entries::{check_deed, check_proven};
use super::*;

/// Another key of the name that a gateway has.
fn second_key(gateway: u8, seed: u8) -> SigningKey {
    key(&format!("gateway-{gateway}.example.com"), SignatureType::Ed25519, seed)
}

fn lost() -> ReplacementReason {
    ReplacementReason::Operator { cause: ReplacementCause::Lost, words: "in a taxi".to_owned() }
}

#[tokio::test]
async fn a_second_key_under_a_taken_name() {
    check_proven(Kind::SecondKeyForAName, None, |log| {
        log.enrol(90);
        log.enrol_key(&second_key(90, 91), None)
    })
    .await;
    // Also after the first key was rotated, revoked or both.
    check_proven(Kind::SecondKeyForAName, None, |log| {
        log.enrol(90);
        log.revoke(90);
        log.enrol_key(&second_key(90, 91), None)
    })
    .await;
}

#[tokio::test]
async fn a_rotation_and_a_replacement_are_no_findings() {
    let (entries, _) = log_with(|log| {
        let [first, second, third] = [90, 91, 92].map(|seed| second_key(90, seed));
        log.enrol(90);
        let stream = log.open_with(&first, 93, None);
        log.enrol_key(&second, Some((&first, ReplacementReason::Rotation)));
        // The streams of a rotated key go on.
        log.round(&[stream], 3);
        let before = log.previous(stream);
        let stream = log.open_with(&second, 94, Some(before));
        log.round(&[stream], 3);
        log.enrol_key(&third, Some((&second, lost())));
        let before = log.previous(stream);
        let stream = log.open_with(&third, 95, Some(before));
        log.round(&[stream], 3);
        log.now += 30_000;
        log.close(stream);
        None
    });
    let audited = run(Objects::of(&entries), &config(), None).await;
    assert!(audited.report.is_clean(), "{}", audited.report);
}

#[tokio::test]
async fn a_replacement_that_breaks_the_rules() {
    let deeds: [fn(&mut Builder) -> u64; 3] = [
        // A revoked key rotates.
        |log| {
            log.enrol(90);
            log.revoke(90);
            log.enrol_key(&second_key(90, 91), Some((&second_key(90, 90), ReplacementReason::Rotation)))
        },
        // One key is replaced twice.
        |log| {
            log.enrol(90);
            log.enrol_key(&second_key(90, 91), Some((&second_key(90, 90), ReplacementReason::Rotation)));
            log.enrol_key(&second_key(90, 92), Some((&second_key(90, 90), lost())))
        },
        // The old key did not sign its rotation.
        |log| {
            log.enrol(90);
            let new = second_key(90, 91);
            let replaces = Replaces {
                key: second_key(90, 90).verifying_key().clone(),
                reason: ReplacementReason::Rotation,
            };
            let rotation = Enrolment {
                replaces: Some(replaces),
                ..Enrolment::first(origin(), new.verifying_key().clone())
            };
            let note = rotation.cross_sign(&second_key(90, 90), &new).unwrap();
            let note = UnverifiedNote::parse(note.as_bytes()).unwrap();
            let text = note.unverified_text();
            let lines = vec![new.sign_note(text).unwrap(), operator_key().sign_note(text).unwrap()];
            let note = UnverifiedNote::from_parts(text, lines).unwrap().as_str().to_owned();
            let logged_at = log.time();
            log.push(&Entry::GatewayEnrolled { logged_at, note })
        },
    ];
    for deed in deeds {
        check_proven(Kind::BadEnrolment, None, deed).await;
    }
    // What it replaces was never enrolled: that would take every entry before it.
    let deed = |log: &mut Builder| log.enrol_key(&second_key(90, 91), Some((&second_key(90, 90), lost())));
    check_deed(Kind::BadEnrolment, None, Proves::Observation, deed).await;
    let mut log = Builder::new();
    let place = at_entry(deed(&mut log));
    check(Objects::of(&log.entries), Kind::BadEnrolment, place, Proves::Misconduct).await;
}

#[tokio::test]
async fn a_replaced_key_that_opens_a_stream() {
    for reason in [ReplacementReason::Rotation, lost()] {
        let mut place = 0;
        let (entries, _) = log_with(|log| {
            log.enrol(90);
            log.enrol_key(&second_key(90, 91), Some((&second_key(90, 90), reason.clone())));
            let stream = log.open_with(&second_key(90, 90), 93, None);
            place = log.streams[stream].id.get();
            None
        });
        check(Objects::of(&entries), Kind::RevokedKeyUsed, in_stream(place, place), Proves::Misconduct).await;
    }
}
