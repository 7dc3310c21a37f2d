//! Whose key a gateway's is: pinned, handed over, revoked.

use vouchlog_merkle::TreeSize;
use vouchlog_note::{SignatureType, SigningKey, VerifyingKey};
use vouchlog_stream::{
    Enrolment, Entry, OperatorCause, OperatorChange, ReplacementCause, ReplacementReason, Replaces, StreamId,
};

use super::super::{
    KeyStatus, KeyTrust, LogTrust, Presentation, PresentationError, PresentationPart, verify_presentation,
};
use super::{claims, record, revocation_of, with_status};
use crate::statement::{ClearClaims, issue};
use crate::testing::{
    GATEWAY, Log, OPENED, at, enrolment, gateway, key, log_key, logged, opening, operator, origin,
    other_gateway, stream_key,
};

fn second() -> SigningKey {
    key(GATEWAY, SignatureType::Ed25519, 33)
}

fn vkey(key: &SigningKey) -> VerifyingKey {
    key.verifying_key().clone()
}

fn replacing(reason: ReplacementReason) -> Entry {
    let is_rotation = reason == ReplacementReason::Rotation;
    let replaces = Some(Replaces { key: vkey(&gateway()), reason });
    let enrolment = Enrolment { replaces, ..Enrolment::first(origin(), vkey(&second())) };
    let note = if is_rotation {
        let note = enrolment.cross_sign(&gateway(), &second()).unwrap();
        Enrolment::countersign(&note, &origin(), &operator()).unwrap()
    } else {
        enrolment.sign(&operator()).unwrap()
    };
    Entry::GatewayEnrolled { logged_at: at(), note }
}

fn lost() -> ReplacementReason {
    ReplacementReason::Operator { cause: ReplacementCause::Lost, words: "in a taxi".to_owned() }
}

/// A statement in the stream that the entry at `opened` opens, under the enrolment at `enrolled`.
fn presented(log: &mut Log, enrolled: u64, opened: u64) -> Presentation {
    let claims = ClearClaims { stream: StreamId::new(opened).unwrap(), ..claims() };
    let issued = issue(&claims, &record(), &stream_key(opened)).unwrap();
    let index = log.push(&Entry::Statement(logged(&issued, &claims, opened)));
    let mut presentation = log.present(&issued, &[], index);
    presentation.stream = log.identity(enrolled, opened);
    presentation
}

/// The same of a second key of the gateway, which the given entry enrols.
fn of_second(entry: &Entry) -> Presentation {
    let mut log = Log::default();
    let enrolled = log.push(entry);
    let opened = log.push(&opening(enrolled + 1, &second()));
    presented(&mut log, enrolled, opened)
}

fn verified(
    presentation: &Presentation,
    pinned: &[VerifyingKey],
) -> Result<(KeyTrust, KeyStatus), PresentationError> {
    let log_key = log_key();
    let trust = LogTrust::new(log_key.verifying_key(), None).pinned_to(pinned);
    verify_presentation(presentation, &trust).map(|verified| (verified.trust, verified.status))
}

#[test]
fn a_pinned_key_is_the_only_one_that_holds() {
    let presentation = presented(&mut Log::default(), 1, OPENED);
    assert_eq!(verified(&presentation, &[]).unwrap().0, KeyTrust::Operator);
    let pins = [vkey(&other_gateway()), vkey(&gateway())];
    assert_eq!(verified(&presentation, &pins).unwrap().0, KeyTrust::Pinned);
    let error = verified(&presentation, &pins[..1]).unwrap_err();
    assert!(matches!(error, PresentationError::NotPinned { .. }) && error.is_finding());
    let id = gateway().verifying_key().id().to_string();
    assert!(error.to_string().contains(&id), "{error}");
}

/// What an operator enrols under a gateway's name satisfies no pin: neither silently nor with a reason.
#[test]
fn the_operators_word_does_not_move_a_pin() {
    for entry in [enrolment(&second(), &operator()), replacing(lost())] {
        let presentation = of_second(&entry);
        assert_eq!(verified(&presentation, &[]).unwrap().0, KeyTrust::Operator);
        let error = verified(&presentation, &[vkey(&gateway())]).unwrap_err();
        assert!(matches!(error, PresentationError::NotPinned { .. }), "{error}");
        assert_eq!(verified(&presentation, &[vkey(&second())]).unwrap().0, KeyTrust::Pinned);
    }
}

#[test]
fn a_rotation_moves_a_pin_to_the_new_key() {
    let presentation = of_second(&replacing(ReplacementReason::Rotation));
    let trust = verified(&presentation, &[vkey(&gateway())]).unwrap().0;
    assert_eq!(trust, KeyTrust::RotatedFrom(Box::new(vkey(&gateway()))));
    assert!(verified(&presentation, &[vkey(&other_gateway())]).is_err());
}

#[test]
fn the_senders_word_on_revocation_reaches_no_further_than_the_tree() {
    let mut presentation = presented(&mut Log::default(), 1, OPENED);
    assert_eq!(verified(&presentation, &[]).unwrap().1, KeyStatus::Unknown);
    for (as_of, shown) in [(4, 4), (9, 9), (1 << 40, 9)] {
        presentation.stream = with_status(presentation.stream.clone(), TreeSize::new(as_of), None);
        let read = Presentation::from_json(presentation.to_json().as_bytes()).unwrap();
        let as_of = TreeSize::new(shown);
        assert_eq!(verified(&read, &[]).unwrap().1, KeyStatus::NotKnownRevoked { as_of });
    }
}

#[test]
fn what_was_logged_before_a_key_was_revoked_stays_its_word() {
    let millis = at().millis();
    for (effective, holds) in [(millis + 1, true), (millis, false), (millis - 1, false), (0, false)] {
        let mut log = Log::default();
        let mut presentation = presented(&mut log, 1, OPENED);
        let index = log.push(&revocation_of(&gateway(), &operator(), effective));
        let proof = log.proof(index);
        presentation.stream = with_status(presentation.stream, TreeSize::new(index + 1), Some(&proof));
        match verified(&presentation, &[vkey(&gateway())]) {
            Ok((_, KeyStatus::RevokedLater(revoked))) => {
                assert!(holds);
                assert_eq!((revoked.index.get(), revoked.reason.as_str()), (index, "it was stolen"));
            }
            Err(error @ PresentationError::RevokedKey { .. }) => {
                assert!(
                    !holds && error.is_finding() && error.to_string().contains("it was stolen"),
                    "{error}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_replacement_by_the_operator_revokes_the_old_key() {
    let mut log = Log::default();
    let mut presentation = presented(&mut log, 1, OPENED);
    let index = log.push(&replacing(lost()));
    let proof = log.proof(index);
    presentation.stream = with_status(presentation.stream, TreeSize::new(index + 1), Some(&proof));
    // All entries of this log have one time, so the statement was not logged before.
    let error = verified(&presentation, &[]).unwrap_err();
    assert!(error.to_string().contains("lost: in a taxi"), "{error}");
}

#[test]
fn a_revocation_is_of_this_key_and_by_the_operator() {
    let millis = at().millis() + 1;
    for entry in [
        revocation_of(&other_gateway(), &operator(), millis),
        revocation_of(&gateway(), &gateway(), millis),
        replacing(ReplacementReason::Rotation),
        enrolment(&second(), &operator()),
    ] {
        let mut log = Log::default();
        let mut presentation = presented(&mut log, 1, OPENED);
        let index = log.push(&entry);
        let proof = log.proof(index);
        presentation.stream = with_status(presentation.stream, TreeSize::new(index + 1), Some(&proof));
        let part = PresentationPart::Revocation;
        let error = verified(&presentation, &[]).unwrap_err();
        assert!(
            error == PresentationError::OtherKey { part }
                || error == PresentationError::OtherEntry { part }
                || matches!(error, PresentationError::Note { part: of, .. } if of == part),
            "{error}"
        );
    }
    // One from before the key was enrolled says nothing of it.
    let mut log = Log::default();
    let revoked = log.push(&revocation_of(&second(), &operator(), millis));
    let enrolled = log.push(&enrolment(&second(), &operator()));
    let opened = log.push(&opening(enrolled + 1, &second()));
    let mut presentation = presented(&mut log, enrolled, opened);
    let proof = log.proof(revoked);
    presentation.stream = with_status(presentation.stream, TreeSize::new(revoked + 1), Some(&proof));
    let error = verified(&presentation, &[]).unwrap_err();
    assert!(matches!(error, PresentationError::Order { .. }), "{error}");
}

fn next_operator(seed: u8) -> SigningKey {
    key(operator().verifying_key().name().as_str(), SignatureType::Ed25519, seed)
}

fn operator_change(old: &SigningKey, new: &SigningKey) -> Entry {
    let change = OperatorChange {
        log: origin(),
        operator: vkey(new),
        replaces: vkey(old),
        cause: OperatorCause::Rotation,
        words: String::new(),
    };
    Entry::OperatorChanged { logged_at: at(), note: change.sign(old, new).unwrap() }
}

/// An enrolment by a later key of the operator holds with each change before it, in order, and with none left out.
#[test]
fn a_presentation_shows_who_the_operator_was() {
    let (second, third) = (next_operator(40), next_operator(41));
    let mut log = Log::default();
    let changes =
        [log.push(&operator_change(&operator(), &second)), log.push(&operator_change(&second, &third))];
    let enrolled = log.push(&enrolment(&second_gateway(), &third));
    let opened = log.push(&opening(enrolled + 1, &second_gateway()));
    let presentation = presented(&mut log, enrolled, opened);
    let with = |parts: &[u64]| {
        let genesis = parts.iter().map(|index| log.proof(*index).to_text()).collect();
        let presentation = Presentation { genesis, ..presentation.clone() };
        verified(&presentation, &[]).map(drop)
    };
    assert_eq!(with(&[0, changes[0], changes[1]]), Ok(()));
    for (parts, part) in [
        (&[0][..], PresentationPart::Enrolment),
        (&[0, changes[0]], PresentationPart::Enrolment),
        (&[0, changes[0], enrolled], PresentationPart::OperatorChange),
        (&[0, changes[1], changes[0]], PresentationPart::OperatorChange),
        (&[0, changes[0], changes[0]], PresentationPart::OperatorChange),
        (&[changes[0], changes[1]], PresentationPart::Genesis),
    ] {
        let error = with(parts).unwrap_err();
        assert!(error.is_finding(), "{error}");
        let named = match &error {
            PresentationError::Note { part, .. }
            | PresentationError::OtherEntry { part }
            | PresentationError::Order { part, .. } => *part,
            PresentationError::Operator(_) => PresentationPart::OperatorChange,
            other => panic!("{other}"),
        };
        assert_eq!(named, part, "{parts:?}: {error}");
    }
    // What the first key signs after it was replaced is no enrolment, and what it signed before stays one.
    let late = log.push(&enrolment(&third_gateway(), &operator()));
    let opened = log.push(&opening(late + 1, &third_gateway()));
    let genesis: String =
        [0, changes[0], changes[1]].iter().map(|index| log.proof(*index).to_text()).collect();
    let forged = Presentation { genesis: genesis.clone(), ..presented(&mut log, late, opened) };
    let refused = verified(&forged, &[]).unwrap_err();
    assert!(
        matches!(refused, PresentationError::Note { part: PresentationPart::Enrolment, .. }),
        "{refused}"
    );
    let before = Presentation { genesis, ..presented(&mut log, 1, OPENED) };
    verified(&before, &[]).unwrap();
}

fn second_gateway() -> SigningKey {
    key(GATEWAY, SignatureType::Ed25519, 42)
}

fn third_gateway() -> SigningKey {
    key(GATEWAY, SignatureType::Ed25519, 43)
}
