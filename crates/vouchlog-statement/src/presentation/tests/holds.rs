//! Presentations that hold, and files that are none.

use serde_json::json;
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_stream::{Entry, StreamId};

use super::super::{LogTrust, Presentation, PresentationError, verify_presentation};
use super::{claims, record};
use crate::limits::MAX_PRESENTATION_BYTES;
use crate::statement::{ClearClaims, IssuedStatement, issue};
use crate::testing::{
    GATEWAY, Log, OF_HOUSE, OPENED, OPENED_AGAIN, ORIGIN, enrolment, gateway, key, log_key, logged, opening,
    operator, origin, policy, stream_key, witness,
};

fn claims_for(stream: u64) -> ClearClaims {
    ClearClaims { stream: StreamId::new(stream).unwrap(), ..claims() }
}

fn issued_on(stream: u64) -> IssuedStatement {
    issue(&claims_for(stream), &record(), &stream_key(stream)).unwrap()
}

#[test]
fn a_stranger_with_the_logs_key_checks_everything() {
    let (mut log, issued) = (Log::default(), issued_on(OPENED));
    let index = log.push(&Entry::Statement(logged(&issued, &claims_for(OPENED), OPENED)));
    let presentation = log.present(&issued, &["/initiator/sub"], index);
    let presentation = Presentation::from_json(presentation.to_json().as_bytes()).unwrap();
    let (log_key, policy) = (log_key(), policy());

    let trust = LogTrust::new(log_key.verifying_key(), Some(&policy));
    let verified = verify_presentation(&presentation, &trust).unwrap();
    assert_eq!(json!(verified.statement.disclosed), json!({ "initiator": { "sub": "alice@example.com" } }));
    assert_eq!(verified.statement.claims, claims_for(OPENED));
    assert_eq!((verified.index.get(), verified.size.get()), (index, index + 1));
    assert_eq!(verified.entry, logged(&issued, &claims_for(OPENED), OPENED));
    assert_eq!((verified.gateway.name().as_str(), verified.origin.as_str()), (GATEWAY, ORIGIN));
    assert_eq!(verified.witnesses[0].key(), witness().verifying_key());
    assert_eq!(verified.witnessed_until, Some(1_767_225_700));

    let trust = LogTrust { policy: None, ..trust };
    let verified = verify_presentation(&presentation, &trust).unwrap();
    assert!(verified.witnesses.is_empty() && verified.witnessed_until.is_none());
}

#[test]
fn its_parts_may_be_under_checkpoints_of_several_sizes() {
    let (mut log, issued) = (Log::default(), issued_on(OPENED));
    let early = log.clone();
    let index = log.push(&Entry::Statement(logged(&issued, &claims_for(OPENED), OPENED)));
    let mut presentation = log.present(&issued, &[], index);
    log.push(&Entry::Statement(logged(&issued_on(OPENED), &claims_for(OPENED), OPENED)));
    presentation.genesis = log.proof(0).to_text();
    presentation.stream = early.identity(1, OPENED);
    let (log_key, policy) = (log_key(), policy());
    let trust = LogTrust::new(log_key.verifying_key(), Some(&policy));
    assert_eq!(verify_presentation(&presentation, &trust).unwrap().size.get(), index + 1);
}

#[test]
fn a_statement_signed_for_one_stream_may_be_logged_in_another_of_its_gateway() {
    // Also after the operator enrolled a new key for the gateway, under the same name.
    let (mut log, issued) = (Log::default(), issued_on(OPENED_AGAIN));
    let new_key = key(GATEWAY, SignatureType::Ed25519, 33);
    let enrolled = log.push(&enrolment(&new_key, &operator()));
    let opened = enrolled + 1;
    assert_eq!(log.push(&opening(opened, &new_key)), opened);
    let log_key = log_key();
    let trust = LogTrust::new(log_key.verifying_key(), None);
    for (enrolled, stream) in [(1, OPENED), (enrolled, opened)] {
        let index = log.push(&Entry::Statement(logged(&issued, &claims_for(OPENED_AGAIN), stream)));
        let signed_by = Some(log.identity(1, OPENED_AGAIN));
        let identity = log.identity(enrolled, stream);
        let sd_jwt = issued.present(&["/note"]).unwrap();
        let presentation =
            Presentation::new(&origin(), sd_jwt, &log.proof(index), &log.proof(0), identity, signed_by);
        let verified = verify_presentation(&presentation, &trust).unwrap();
        assert_eq!(verified.statement.claims.stream.get(), OPENED_AGAIN);
        assert_eq!(verified.entry.stream.get(), stream);
    }
}

/// What is in it was signed by the log itself, whoever handed it in.
#[test]
fn the_house_stream_is_nobodys_word() {
    let mut log = Log::default();
    let claims = ClearClaims { issuer: format!("{ORIGIN}/house"), ..claims_for(OF_HOUSE) };
    let issued = issue(&claims, &record(), &stream_key(OF_HOUSE)).unwrap();
    let index = log.push(&Entry::Statement(logged(&issued, &claims, OF_HOUSE)));
    let mut presentation = log.present(&issued, &[], index);
    presentation.stream = log.identity(6, OF_HOUSE);
    let log_key = log_key();
    let trust = LogTrust::new(log_key.verifying_key(), None);
    let error = verify_presentation(&presentation, &trust).unwrap_err();
    assert_eq!(error, PresentationError::HouseStream(StreamId::new(OF_HOUSE).unwrap()));
    assert!(!error.is_finding());
}

#[test]
fn files_that_are_no_presentations_are_refused() {
    let (mut log, issued) = (Log::default(), issued_on(OPENED));
    let index = log.push(&Entry::Statement(logged(&issued, &claims_for(OPENED), OPENED)));
    let json = log.present(&issued, &[], index).to_json();
    for file in [
        "",
        "{}",
        &json[..json.len() - 1],
        &json.replace("vouchlog/v1 presentation", "vouchlog/v2 presentation"),
        &json.replacen('{', "{\"more\":1,", 1),
        &json.replacen('{', "{\"origin\":\"x\",", 1),
        &json.replace("\"opening\"", "\"opened\""),
    ] {
        let error = Presentation::from_json(file.as_bytes()).unwrap_err();
        assert!(matches!(error, PresentationError::Form(_)) && !error.is_finding(), "{error}");
    }
    let long = vec![b' '; MAX_PRESENTATION_BYTES + 1];
    assert_eq!(Presentation::from_json(&long), Err(PresentationError::TooLarge(long.len())));
}

#[test]
fn keys_that_cannot_be_a_logs_are_told_apart() {
    let (mut log, issued) = (Log::default(), issued_on(OPENED));
    let index = log.push(&Entry::Statement(logged(&issued, &claims_for(OPENED), OPENED)));
    let presentation = log.present(&issued, &[], index);
    let error = |log: SigningKey| {
        let trust = LogTrust::new(log.verifying_key(), None);
        verify_presentation(&presentation, &trust).unwrap_err()
    };
    for signature_type in [SignatureType::CosignatureEd25519, SignatureType::MlDsa44] {
        let error = error(key(ORIGIN, signature_type, 1));
        assert!(matches!(error, PresentationError::LogKey(_)) && !error.is_finding(), "{error}");
    }
    let other = error(gateway());
    assert!(matches!(other, PresentationError::OtherLog { .. }) && !other.is_finding(), "{other}");
    let forged = error(key(ORIGIN, SignatureType::Ed25519, 9));
    assert!(matches!(forged, PresentationError::Checkpoint { .. }) && forged.is_finding(), "{forged}");
}
