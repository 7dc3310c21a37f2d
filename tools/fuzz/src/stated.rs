//! Statements for the targets that read them, by the gateway of [`crate::log::SmallLog`].

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use vouchlog_note::{SignatureType, SigningKey};
use vouchlog_record::RecordId;
use vouchlog_statement::{ClearClaims, IssuedStatement, StatementError, issue};
use vouchlog_stream::{Digest, Evidence, StatementKind, StreamId};

use crate::key;

/// The key of stream 2.
pub fn stream_key() -> SigningKey {
    key("gateway.example", SignatureType::CosignatureEd25519, 4)
}

/// What statements of that stream say in clear.
pub fn claims() -> ClearClaims {
    ClearClaims {
        issuer: "gateway.example".to_owned(),
        issued_at: 1_767_225_600,
        record: RecordId::new("record").expect("well-formed"),
        kind: StatementKind::Interaction,
        stream: StreamId::new(2).expect("small"),
        evidence: Evidence::NONE,
        rules: "1".to_owned(),
    }
}

/// States a record.
pub fn state(record: &Map<String, Value>) -> Result<IssuedStatement, StatementError> {
    issue(&claims(), record, &stream_key())
}

/// The digest of a disclosure.
pub fn digest(disclosure: &str) -> String {
    URL_SAFE_NO_PAD.encode(Digest::of(disclosure.as_bytes()).as_bytes())
}

/// A statement, rightly signed, whose disclosures encode these lines. What a line says as `@3` is the digest of the third; each
/// digest is also at the top.
pub fn sign_over(lines: &[&str]) -> String {
    let mut disclosures: Vec<String> = Vec::new();
    for line in lines {
        let mut line = (*line).to_owned();
        for (place, disclosure) in disclosures.iter().enumerate() {
            line = line.replace(&format!("@{place}"), &digest(disclosure));
        }
        disclosures.push(URL_SAFE_NO_PAD.encode(line));
    }
    let digests: Vec<String> = disclosures.iter().map(|disclosure| digest(disclosure)).collect();
    let key = stream_key();
    let header =
        json!({ "alg": "EdDSA", "typ": "interaction+sd-jwt", "kid": key.verifying_key().id().to_string() });
    let payload = json!({
        "iss": "gateway.example", "iat": 1, "jti": "r", "kind": "interaction", "stream": 2, "evidence": 0, "rules": "1",
        "_sd": digests, "_sd_alg": "sha-256",
    });
    let input = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
    let signature = key.sign_jws(&input).expect("it signs");
    let jwt = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    disclosures.iter().fold(format!("{jwt}~"), |text, disclosure| format!("{text}{disclosure}~"))
}
