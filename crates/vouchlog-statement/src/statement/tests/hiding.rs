//! What a statement hides: values, names, counts, order, and whether two records are equal.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::process::disclosure_digest;
use super::super::{Disclosure, IssuedStatement, StatementError, issue, verify};
use super::{claims, contents, digests, issued, object, payload, record, sign, stream_key};
use crate::limits::{MAX_DISCLOSURES, MAX_GROUPS, MAX_SD_JWT_BYTES};

fn issue_of(record: &Map<String, Value>) -> IssuedStatement {
    issue(&claims(), record, &stream_key()).unwrap()
}

fn paths(issued: &IssuedStatement) -> Vec<&str> {
    issued.disclosures.iter().map(|disclosure| disclosure.path.as_str()).collect()
}

#[test]
fn the_jwt_shows_clear_claims_and_32_digests() {
    let issued = issued();
    let header = issued.jwt.split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&super::super::decode(header).unwrap()).unwrap();
    let kid = stream_key().verifying_key().id().to_string();
    assert_eq!(header, json!({ "alg": "EdDSA", "kid": kid, "typ": "interaction+sd-jwt" }));
    let mut shown = payload(&issued.jwt);
    assert_eq!(shown.remove("_sd").unwrap().as_array().unwrap().len(), 32);
    assert_eq!(
        Value::Object(shown),
        json!({
            "iss": "gateway.example.com", "iat": 1_767_225_600, "jti": "rec-0001", "kind": "interaction",
            "stream": 3, "evidence": 3, "rules": "2026-01", "_sd_alg": "sha-256",
        })
    );
    assert_eq!(issued.digest(), super::super::digest_of(&issued.jwt));
}

#[test]
fn every_field_element_and_group_has_a_disclosure() {
    assert_eq!(
        paths(&issued()),
        [
            "/credential",
            "/credential/id",
            "/credential/status",
            "/credential/status/checked",
            "/credential/status/source",
            "/empty",
            "/initiator",
            "/initiator/roles",
            "/initiator/sub",
            "/input",
            "/input/content",
            "/input/media_type",
            "/note",
            "/policy",
            "/policy/0",
            "/policy/0/decision",
            "/policy/0/id",
            "/tools",
            "/tools/0",
            "/tools/0/arguments",
            "/tools/0/name",
            "/tools/0/result",
            "/tools/1",
            "/tools/1/arguments",
            "/tools/1/downstream",
            "/tools/1/downstream/0",
            "/tools/1/downstream/0/url",
            "/tools/1/downstream/1",
            "/tools/1/downstream/1/url",
            "/tools/1/name",
        ]
    );
}

#[test]
fn counts_are_padded_and_order_is_that_of_the_digests() {
    let mut record = record();
    for place in 0..40 {
        record.insert(format!("more-{place}"), json!({ "a": 1, "b": 2, "c": 3, "d": 4, "e": 5 }));
    }
    let issued = issue_of(&record);
    let top = Value::Object(payload(&issued.jwt));
    assert_eq!(digests(&top).len(), 64);
    let values = issued.disclosures.iter().map(|disclosure| contents(&disclosure.encoded).pop().unwrap());
    let (mut objects, mut arrays) = (0, 0);
    for group in values.chain([top]) {
        if group.get("_sd").is_some() {
            let digests = digests(&group);
            assert_eq!(digests.len() % 4, 0, "{group}");
            assert!(digests.is_sorted(), "{group}");
            objects += 1;
        } else if let Some(elements) =
            group.as_array().filter(|array| array.iter().all(|e| e.get("...").is_some()))
        {
            assert_eq!(elements.len() % 4, 0, "{group}");
            arrays += 1;
        }
    }
    assert_eq!((objects, arrays), (50, 3));
}

#[test]
fn the_same_record_twice_has_nothing_in_common() {
    let (one, other) = (issued(), issued());
    assert_ne!(one.digest(), other.digest());
    let digests_of = |issued: &IssuedStatement| -> BTreeSet<String> {
        let top = Value::Object(payload(&issued.jwt));
        let disclosed = issued.disclosures.iter().map(|disclosure| disclosure_digest(&disclosure.encoded));
        disclosed.chain(digests(&top).into_iter().map(str::to_owned)).collect()
    };
    assert!(digests_of(&one).is_disjoint(&digests_of(&other)));
    let salts: BTreeSet<String> = [&one, &other]
        .into_iter()
        .flat_map(|issued| &issued.disclosures)
        .map(|disclosure| contents(&disclosure.encoded)[0].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(salts.len(), one.disclosures.len() + other.disclosures.len());
    assert!(salts.iter().all(|salt| super::super::decode(salt).unwrap().len() == 30));
}

/// Who knows the whole record, and the statement's JWT, still cannot tell that they belong together.
#[test]
fn a_guess_cannot_be_tested_without_the_salts() {
    let issued = issued();
    let top = Value::Object(payload(&issued.jwt));
    let published: BTreeSet<&str> = digests(&top).into_iter().collect();
    let values: BTreeMap<&str, Value> = issued
        .disclosures
        .iter()
        .map(|disclosure| (disclosure.path.as_str(), contents(&disclosure.encoded).pop().unwrap()))
        .collect();
    // The encoder's own values, so that all that is missing is the salt.
    for (path, value) in values.iter().filter(|(path, _)| path.rfind('/') == Some(0)) {
        let name = &path[1..];
        let own = issued.disclosures.iter().find(|disclosure| disclosure.path == *path).unwrap();
        assert!(published.contains(disclosure_digest(&own.encoded).as_str()), "{path}");
        for salt in ["", "rec-0001", "gateway.example.com", name, "_26bc4LT-ac6q2KI6cBW5es"] {
            for guess in [json!([salt, name, value]), json!([name, value]), value.clone()] {
                let guess = super::super::encode(guess.to_string().as_bytes());
                assert!(!published.contains(disclosure_digest(&guess).as_str()), "{path}");
            }
        }
    }
    // Nor is the digest that is logged that of the record in any unsalted form.
    let unsalted = sign(&json!({ "alg": "EdDSA", "typ": "interaction+sd-jwt" }), &Value::Object(record()));
    assert_ne!(super::super::digest_of(&unsalted), issued.digest());
}

#[test]
fn content_that_no_sd_jwt_can_hold_is_stated_as_text() {
    let mut deep = json!("bottom");
    for _ in 0..70 {
        deep = json!([deep]);
    }
    for hostile in [json!({ "_sd": ["x"] }), json!([{ "...": 1 }]), json!({ "a": { "_sd_alg": 0 } }), deep] {
        let record = object(json!({
            "input": { "content": hostile },
            "tools": [ { "arguments": hostile, "name": "search" } ],
            "labels": { "team": "red", "...": "x" },
        }));
        let issued = issue_of(&record);
        let verified = verify(&issued.present(&[""]).unwrap(), stream_key().verifying_key()).unwrap();
        let text = json!({ "json_text": hostile.to_string() });
        assert_eq!(verified.disclosed["input"]["content"], text);
        assert_eq!(verified.disclosed["tools"][0]["arguments"], text);
        assert_eq!(verified.disclosed["tools"][0]["name"], "search");
        let labels = verified.disclosed["labels"]["json_text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(labels).unwrap(), record["labels"]);
    }
}

#[test]
fn a_record_of_too_many_fields_is_taken_apart_less() {
    let fields: Map<String, Value> = (0..=MAX_DISCLOSURES).map(|n| (format!("f{n}"), json!(n))).collect();
    let tools = vec![json!({ "name": "search", "origin": "model", "status": "denied", "error": "x" }); 1_000];
    for (group, expected) in [(Value::Object(fields), "/labels"), (Value::Array(tools), "/labels/999")] {
        let record = object(json!({ "labels": group, "initiator": { "sub": "alice" } }));
        let issued = issue_of(&record);
        assert_eq!(paths(&issued).last(), Some(&expected));
        let verified = verify(&issued.present(&[""]).unwrap(), stream_key().verifying_key()).unwrap();
        assert_eq!(verified.disclosed, record);
    }
}

#[test]
fn why_a_value_is_missing_is_disclosed_with_its_field() {
    let record = json!({ "device": { "$": "not_applicable" }, "initiator": { "sub": { "$": "erased" } } });
    assert_eq!(paths(&issue_of(&object(record))), ["/device", "/initiator", "/initiator/sub"]);
}

#[test]
fn what_cannot_be_stated_is_refused() {
    let issue = |record: Value| issue(&claims(), &object(record), &stream_key()).unwrap_err();
    for name in ["iss", "kind", "stream", "evidence", "exp", "cnf", "_sd", "_sd_alg", "...", "json_text"] {
        assert_eq!(issue(json!({ name: 1 })), StatementError::Reserved(name.to_owned()));
    }
    let many: Map<String, Value> = (0..=MAX_GROUPS).map(|n| (format!("f{n}"), json!(n))).collect();
    assert_eq!(issue(Value::Object(many)), StatementError::TooManyGroups(MAX_GROUPS + 1));
    let long = object(json!({ "output": { "content": "x".repeat(MAX_SD_JWT_BYTES), "refusal": false } }));
    let issued = issue_of(&long);
    let refused = issued.present(&["/output"]).unwrap_err();
    assert!(matches!(refused, StatementError::TooLarge { limit: MAX_SD_JWT_BYTES, .. }), "{refused}");
    assert!(issued.present(&["/output/refusal"]).is_ok());
}

#[test]
fn claims_that_no_verifier_takes_are_refused() {
    let wrong = |change: fn(&mut super::super::ClearClaims)| {
        let mut claims = claims();
        change(&mut claims);
        issue(&claims, &record(), &stream_key()).unwrap_err()
    };
    let name = |error| match error {
        StatementError::Claim { claim, .. } => claim,
        other => panic!("{other}"),
    };
    assert_eq!(name(wrong(|claims| claims.issuer = "two words".to_owned())), "iss");
    assert_eq!(name(wrong(|claims| claims.issued_at = 1 << 53)), "iat");
    assert_eq!(name(wrong(|claims| claims.rules = String::new())), "rules");
    assert_eq!(name(wrong(|claims| claims.rules = "two\nlines".to_owned())), "rules");
    assert_eq!(name(wrong(|claims| claims.rules = "x".repeat(256))), "rules");
    for signature_type in [vouchlog_note::SignatureType::Ed25519, vouchlog_note::SignatureType::MlDsa44] {
        let key = super::key_of_type(signature_type);
        assert_eq!(issue(&claims(), &record(), &key), Err(StatementError::KeyType));
        let sd_jwt = issued().present(&[]).unwrap();
        assert_eq!(verify(&sd_jwt, key.verifying_key()), Err(StatementError::KeyType));
    }
}

/// However little a record is taken apart, what people wrote is never among the facts about it.
#[test]
fn content_is_told_from_facts_at_every_depth() {
    const SECRET: &str = "s3ntence";
    let record = |tools: usize| {
        let fields = |n: usize| (0..20).map(move |field| (format!("f{field}"), json!(n)));
        let tool = |n: usize| {
            let own = [("arguments", json!({ "a": SECRET })), ("name", json!("t"))];
            Value::Object(
                own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(fields(n)).collect(),
            )
        };
        let record = json!({
            "input": { "content": [{ "text": SECRET }], "bytes": 8 },
            "model": { "params": { "temperature": 0.2, "tools": [{ "description": SECRET }] } },
            "outcome": { "message": SECRET, "state": "error" },
            "otel": { "parts": [{ "name": "chat", "attributes": { "x": SECRET } }] },
            "tools": (0..tools).map(tool).collect::<Vec<_>>(),
            "custody": { "bodies": ["hmac-sha256:5c"] },
        });
        record.as_object().unwrap().clone()
    };
    for (tools, apart) in
        [(2, "/tools/1/name"), (300, "/tools/299"), (3_000, "/tools/2999"), (5_000, "/tools")]
    {
        let issued = issue_of(&record(tools));
        let shown = |disclosure: &Disclosure| {
            String::from_utf8(super::super::decode(&disclosure.encoded).unwrap()).unwrap()
        };
        for disclosure in &issued.disclosures {
            assert_eq!(
                disclosure.content,
                shown(disclosure).contains(SECRET),
                "{tools}: {}",
                disclosure.path
            );
        }
        assert!(paths(&issued).contains(&apart), "{tools}");
    }
    let facts = issue_of(&record(2)).disclosures.into_iter().filter(|disclosure| !disclosure.content);
    let facts: Vec<_> = facts.map(|disclosure| disclosure.path).collect();
    for fact in
        ["/model/params/temperature", "/outcome/state", "/otel/parts/0/name", "/tools/0/f1", "/input/bytes"]
    {
        assert!(facts.iter().any(|path| path == fact), "{fact}");
    }
}
