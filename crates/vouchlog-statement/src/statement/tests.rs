//! Statements: what they show, what they hide, and what a verifier refuses.

use serde_json::{Map, Value, json};
use vouchlog_note::{KeyName, SignatureType, SigningKey};
use vouchlog_record::RecordId;
use vouchlog_stream::{Evidence, StatementKind, StreamId};

use super::{ClearClaims, IssuedStatement, encode, issue};

mod again;
mod hiding;
mod hostile;
mod presenting;
mod vectors;

/// The key of stream 3.
pub(crate) fn stream_key() -> SigningKey {
    key_of_type(SignatureType::CosignatureEd25519)
}

fn key_of_type(signature_type: SignatureType) -> SigningKey {
    SigningKey::generate(KeyName::new("gateway.example.com").unwrap(), signature_type, [7; 32]).unwrap()
}

pub(crate) fn claims() -> ClearClaims {
    ClearClaims {
        issuer: "gateway.example.com".to_owned(),
        issued_at: 1_767_225_600,
        record: RecordId::new("rec-0001").unwrap(),
        kind: StatementKind::Interaction,
        stream: StreamId::new(3).unwrap(),
        evidence: Evidence::new(0x0003).unwrap(),
        rules: "2026-01".to_owned(),
    }
}

/// A record with groups in groups, elements, and other people's JSON.
pub(crate) fn record() -> Map<String, Value> {
    object(json!({
        "initiator": { "sub": "alice@example.com", "roles": ["clerk", "auditor"] },
        "credential": { "id": "cred-7", "status": { "checked": true, "source": "introspection" } },
        "policy": [ { "id": "p-1", "decision": "allow" } ],
        "input": { "content": [ { "role": "user", "text": "What is my balance?" } ], "media_type": "text/plain" },
        "tools": [
            { "name": "search", "arguments": { "city": "Bern", "within": { "km": 5 } }, "result": null },
            { "name": "pay", "arguments": {}, "downstream": [ { "url": "https://bank.example" }, { "url": "https://fx.example" } ] },
        ],
        "note": "free",
        "empty": {},
    }))
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn issued() -> IssuedStatement {
    issue(&claims(), &record(), &stream_key()).unwrap()
}

/// The payload of a JWT.
fn payload(jwt: &str) -> Map<String, Value> {
    let payload = super::decode(jwt.split('.').nth(1).unwrap()).unwrap();
    object(serde_json::from_slice(&payload).unwrap())
}

/// The digests of an object.
fn digests(object: &Value) -> Vec<&str> {
    object["_sd"].as_array().unwrap().iter().map(|digest| digest.as_str().unwrap()).collect()
}

/// A disclosure's array.
fn contents(encoded: &str) -> Vec<Value> {
    serde_json::from_slice(&super::decode(encoded).unwrap()).unwrap()
}

/// A compact JWS of any header and payload, signed as statements are.
fn sign(header: &Value, payload: &Value) -> String {
    let input = [header, payload].map(|part| encode(part.to_string().as_bytes())).join(".");
    let signature = stream_key().sign_jws(&input).unwrap();
    format!("{input}.{}", encode(&signature))
}

#[test]
fn the_holder_reads_what_the_disclosures_it_has_show() {
    let issued = issued();
    assert_eq!(issued.record().unwrap(), record());
    let none = super::IssuedStatement { disclosures: Vec::new(), ..issued };
    assert_eq!(none.record().unwrap(), serde_json::Map::new());
}
