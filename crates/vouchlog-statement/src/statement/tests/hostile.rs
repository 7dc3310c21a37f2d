//! What a verifier refuses: JWTs that are not statements, and payloads and disclosures that RFC 9901 forbids, signed all the same.

use serde_json::{Value, json};
use vouchlog_note::{KeyName, SignatureType, SigningKey};

use super::super::process::disclosure_digest;
use super::super::{StatementError, encode, verify};
use super::{issued, sign, stream_key};
use crate::limits::{MAX_DEPTH, MAX_DISCLOSURES, MAX_SD_JWT_BYTES, MAX_STATEMENT_BYTES};

fn refused(sd_jwt: &str) -> StatementError {
    match verify(sd_jwt, stream_key().verifying_key()) {
        Err(error) => error,
        Ok(verified) => panic!("verified: {verified:?}"),
    }
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "interaction+sd-jwt", "kid": stream_key().verifying_key().id().to_string() })
}

fn claims_with(change: &Value) -> Value {
    let mut payload = json!({
        "iss": "gateway.example.com", "iat": 1, "jti": "r", "kind": "interaction", "stream": 3, "evidence": 0,
        "rules": "1", "_sd": [], "_sd_alg": "sha-256",
    });
    for (name, value) in change.as_object().unwrap() {
        payload[name] = value.clone();
    }
    payload
}

/// A statement with these digests at its top and these disclosures.
fn with<T: AsRef<str>>(digests: &[T], disclosures: &[T]) -> String {
    let digests: Vec<&str> = digests.iter().map(T::as_ref).collect();
    let jwt = sign(&header(), &claims_with(&json!({ "_sd": digests })));
    disclosures.iter().fold(format!("{jwt}~"), |text, disclosure| format!("{text}{}~", disclosure.as_ref()))
}

/// A disclosure and its digest.
fn disclosure(json: &Value) -> (String, String) {
    let encoded = encode(json.to_string().as_bytes());
    let digest = disclosure_digest(&encoded);
    (encoded, digest)
}

/// What a statement is refused for that shows these contents at its top.
fn refused_for(contents: &[Value]) -> StatementError {
    let (disclosures, digests): (Vec<String>, Vec<String>) = contents.iter().map(disclosure).unzip();
    refused(&with(&digests, &disclosures))
}

#[test]
fn the_helper_makes_statements_that_hold() {
    let (encoded, digest) = disclosure(&json!(["salt", "initiator", { "sub": "alice" }]));
    let verified = verify(&with(&[digest], &[encoded]), stream_key().verifying_key()).unwrap();
    assert_eq!(verified.disclosed["initiator"]["sub"], "alice");
}

#[test]
fn other_forms_are_no_statements() {
    let sd_jwt = issued().present(&["/initiator"]).unwrap();
    let (jwt, rest) = sd_jwt.split_once('~').unwrap();
    for text in ["", "~", "a.b~", "=.b.c~", jwt] {
        assert!(matches!(refused(text), StatementError::Form(_)), "{text}");
    }
    assert_eq!(refused(sd_jwt.strip_suffix('~').unwrap()), StatementError::KeyBinding);
    assert_eq!(refused(&format!("{sd_jwt}{jwt}")), StatementError::KeyBinding);
    assert!(matches!(refused(&format!("{jwt}~~{rest}")), StatementError::Disclosure { place: 0, .. }));
    assert!(matches!(refused(&format!("{jwt}=~{rest}")), StatementError::Signature));
    let bytes = MAX_SD_JWT_BYTES + 1;
    assert_eq!(refused(&"~".repeat(bytes)), StatementError::TooLarge { bytes, limit: MAX_SD_JWT_BYTES });
    let bytes = MAX_STATEMENT_BYTES + 1;
    let limit = MAX_STATEMENT_BYTES;
    assert_eq!(refused(&format!("{}~", "x".repeat(bytes))), StatementError::TooLarge { bytes, limit });
    let many = format!("{jwt}~{}", "x~".repeat(MAX_DISCLOSURES + 1));
    assert_eq!(refused(&many), StatementError::TooManyDisclosures(MAX_DISCLOSURES + 1));
}

#[test]
fn every_member_of_the_header_is_checked() {
    let refused = |change: Value| {
        let mut header = header();
        for (name, value) in change.as_object().unwrap() {
            header[name] = value.clone();
        }
        refused(&format!("{}~", sign(&header, &claims_with(&json!({})))))
    };
    assert_eq!(refused(json!({ "alg": "none" })), StatementError::Algorithm("none".to_owned()));
    assert_eq!(refused(json!({ "alg": "ES256" })), StatementError::Algorithm("ES256".to_owned()));
    assert_eq!(refused(json!({ "typ": "kb+jwt" })), StatementError::Type("kb+jwt".to_owned()));
    assert!(matches!(refused(json!({ "kid": "00000000" })), StatementError::KeyId { .. }));
    assert!(matches!(refused(json!({ "crit": ["b64"] })), StatementError::Header(_)));
    let missing = format!("{}~", sign(&json!({ "alg": "EdDSA" }), &claims_with(&json!({}))));
    assert!(matches!(super::hostile::refused(&missing), StatementError::Header(_)));
}

#[test]
fn every_bit_of_the_jwt_is_signed() {
    let sd_jwt = issued().present(&[]).unwrap();
    let jwt = sd_jwt.strip_suffix('~').unwrap();
    for place in (0..jwt.len()).step_by(7) {
        let mut damaged = jwt.as_bytes().to_vec();
        damaged[place] = if damaged[place] == b'A' { b'B' } else { b'A' };
        refused(&format!("{}~", String::from_utf8(damaged).unwrap()));
    }
    let name = KeyName::new("gateway.example.com").unwrap();
    let other = SigningKey::generate(name, SignatureType::CosignatureEd25519, [8; 32]).unwrap();
    let error = verify(&sd_jwt, other.verifying_key()).unwrap_err();
    assert!(matches!(error, StatementError::KeyId { .. }), "{error}");
    let payload = jwt.split('.').nth(1).unwrap();
    let forged = jwt.replace(payload, &encode(claims_with(&json!({})).to_string().as_bytes()));
    assert_eq!(refused(&format!("{forged}~")), StatementError::Signature);
}

#[test]
fn every_claim_is_checked() {
    let refused = |change: Value| refused(&format!("{}~", sign(&header(), &claims_with(&change))));
    for (change, name) in [
        (json!({ "iss": "two words" }), "iss"),
        (json!({ "iat": 1_u64 << 53 }), "iat"),
        (json!({ "jti": "not an id" }), "jti"),
        (json!({ "kind": "gossip" }), "kind"),
        (json!({ "stream": 1_u64 << 40 }), "stream"),
        (json!({ "evidence": 1 << 21 }), "evidence"),
        (json!({ "rules": "" }), "rules"),
    ] {
        let error = refused(change);
        assert!(matches!(error, StatementError::Claim { claim, .. } if claim == name), "{error}");
    }
    for change in [
        json!({ "exp": 1 }),
        json!({ "initiator": { "sub": "alice" } }),
        json!({ "iat": 1.5 }),
        json!({ "iat": -1 }),
        json!({ "evidence": 1_u64 << 32 }),
        json!({ "_sd": {} }),
        json!({ "_sd": [1] }),
        json!({ "_sd_alg": null }),
    ] {
        assert!(matches!(refused(change), StatementError::Payload(_)));
    }
    let error = refused(json!({ "_sd_alg": "sha-1" }));
    assert_eq!(error, StatementError::HashAlgorithm("\"sha-1\"".to_owned()));
    let twice = claims_with(&json!({})).to_string().replace("\"jti\"", "\"rules\":\"2\",\"jti\"");
    let input = format!("{}.{}", encode(header().to_string().as_bytes()), encode(twice.as_bytes()));
    let signature = encode(&stream_key().sign_jws(&input).unwrap());
    assert!(matches!(super::hostile::refused(&format!("{input}.{signature}~")), StatementError::Payload(_)));
}

#[test]
fn disclosures_of_another_shape_are_refused() {
    for contents in [
        json!(["salt"]),
        json!([]),
        json!({ "salt": "s" }),
        json!(["salt", "name", 1, 2]),
        json!([1, "name", 2]),
        json!(["salt", 1, 2]),
        json!("salt"),
    ] {
        assert!(matches!(refused_for(&[contents]), StatementError::Disclosure { place: 0, .. }));
    }
    let not_text = encode(&[0xff, 0xfe]);
    let twice = encode(br#"["salt","amount",{"eur":1,"eur":2}]"#);
    let deep = encode(format!("[\"s\",\"n\",{}{}]", "[".repeat(200), "]".repeat(200)).as_bytes());
    // The last character of the second spells two bits that no encoder sets.
    for encoded in [not_text, "WyJhIiwiYiIsMV1".to_owned(), "%%%".to_owned(), String::new(), twice, deep] {
        let digest = disclosure_digest(&encoded);
        let error = refused(&with(&[digest], &[encoded]));
        assert!(matches!(error, StatementError::Disclosure { place: 0, .. }), "{error}");
    }
}

#[test]
fn disclosures_belong_to_one_digest_each() {
    let (group, inner) = (disclosure(&json!(["s", "a", 1])), disclosure(&json!(["t", "b", 2])));
    assert_eq!(refused(&with(&[], &[&group.0])), StatementError::UnusedDisclosures(1));
    assert_eq!(refused(&with(&[&group.1], &[&group.0, &inner.0])), StatementError::UnusedDisclosures(1));
    let repeated = refused(&with(&[&group.1], &[&group.0, &group.0]));
    assert_eq!(repeated, StatementError::RepeatedDisclosure { place: 1 });
    for shown in [vec![], vec![&group.0]] {
        let repeated = refused(&with(&[&group.1, &group.1], &shown));
        assert_eq!(repeated, StatementError::RepeatedDigest(group.1.clone()));
    }
    // A field whose group is not shown.
    let issued = issued();
    let field = issued.disclosures.iter().find(|disclosure| disclosure.path == "/initiator/sub").unwrap();
    let orphan = format!("{}~{}~", issued.jwt, field.encoded);
    assert_eq!(refused(&orphan), StatementError::UnusedDisclosures(1));
    // One field cannot be shown twice, nor the digest be at two places.
    let (encoded, digest) = disclosure(&json!(["s", "a", 1]));
    let (copy, copied) = disclosure(&json!(["t", "b", { "_sd": [digest] }]));
    let error = refused(&with(&[&copied, &digest], &[&encoded, &copy]));
    assert_eq!(error, StatementError::RepeatedDigest(digest));
}

#[test]
fn names_that_are_taken_or_reserved_are_refused() {
    for name in ["_sd", "...", "_sd_alg"] {
        assert_eq!(refused_for(&[json!(["s", name, 1])]), StatementError::ReservedName(name.to_owned()));
    }
    for name in ["iss", "jti", "evidence"] {
        assert_eq!(refused_for(&[json!(["s", name, 1])]), StatementError::Collision(name.to_owned()));
    }
    let error = refused_for(&[json!(["s", "a", 1]), json!(["t", "a", 2])]);
    assert_eq!(error, StatementError::Collision("a".to_owned()));
    for name in ["...", "_sd_alg"] {
        let error = refused_for(&[json!(["s", "a", { name: "sha-256" }])]);
        assert_eq!(error, StatementError::ReservedName(name.to_owned()));
    }
}

#[test]
fn digests_out_of_place_are_refused() {
    let (member, of_member) = disclosure(&json!(["s", "name", 1]));
    let (element, of_element) = disclosure(&json!(["s", 1]));
    for value in [
        json!({ "_sd": "x" }),
        json!({ "_sd": [1] }),
        json!([{ "...": 1 }]),
        json!([{ "...": "x", "a": 1 }]),
        json!([{ "!": 1, "...": "x" }]),
    ] {
        let error = refused_for(&[json!(["s", "a", value])]);
        assert!(matches!(error, StatementError::EmbeddedDigest(_)), "{error}");
    }
    let (array, of_array) = disclosure(&json!(["s", "a", [{ "...": of_member }]]));
    let error = refused(&with(&[of_array], &[array, member]));
    assert!(matches!(error, StatementError::EmbeddedDigest(_)), "{error}");
    let error = refused(&with(&[of_element], &[element]));
    assert!(matches!(error, StatementError::EmbeddedDigest(_)), "{error}");
}

/// Each disclosure is shallow; one in the other they would exhaust the stack.
#[test]
fn a_chain_of_disclosures_is_not_followed_without_end() {
    let mut disclosures = Vec::new();
    let mut value = json!(1);
    for _ in 0..MAX_DISCLOSURES {
        let (encoded, digest) = disclosure(&json!(["s", "a", value]));
        disclosures.push(encoded);
        value = json!({ "_sd": [digest] });
    }
    let top = value["_sd"][0].as_str().unwrap().to_owned();
    assert_eq!(refused(&with(&[top], &disclosures)), StatementError::TooDeep);
    let deepest = disclosures.get(..MAX_DEPTH - 1).unwrap();
    let top = disclosure_digest(deepest.last().unwrap());
    assert!(verify(&with(&[top], deepest), stream_key().verifying_key()).is_ok());
}

/// What the decoder of the crate that encodes would change or leave.
#[test]
fn values_are_shown_as_they_are() {
    let (encoded, digest) =
        disclosure(&json!(["s", "a", [{}, [], { "b": { "_sd": ["x"] } }, [{ "...": "y" }]]]));
    let verified = verify(&with(&[digest], &[encoded]), stream_key().verifying_key()).unwrap();
    assert_eq!(verified.disclosed["a"], json!([{}, [], { "b": {} }, []]));
    assert_eq!(verified.undisclosed, 2);
}
