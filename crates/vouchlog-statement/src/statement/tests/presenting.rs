//! Showing chosen fields, and nothing else.

use serde_json::{Value, json};

use super::super::{IssuedStatement, StatementError, VerifiedStatement, issue, public_jwk, verify};
use super::{claims, issued, object, record, stream_key};

fn shown(issued: &IssuedStatement, paths: &[&str]) -> VerifiedStatement {
    verify(&issued.present(paths).unwrap(), stream_key().verifying_key()).unwrap()
}

#[test]
fn the_chosen_fields_are_shown_with_the_groups_they_stand_in() {
    let issued = issued();
    for (paths, expected) in [
        (vec![], json!({})),
        (vec![""], Value::Object(record())),
        (vec!["/initiator/sub"], json!({ "initiator": { "sub": "alice@example.com" } })),
        (vec!["/initiator/roles"], json!({ "initiator": { "roles": ["clerk", "auditor"] } })),
        (vec!["/note", "/empty"], json!({ "note": "free", "empty": {} })),
        (vec!["/credential/status/checked"], json!({ "credential": { "status": { "checked": true } } })),
        (vec!["/policy"], json!({ "policy": [ { "id": "p-1", "decision": "allow" } ] })),
        (vec!["/tools/1/name"], json!({ "tools": [ { "name": "pay" } ] })),
        (
            vec!["/tools/0/result", "/tools/1/downstream/1/url"],
            json!({ "tools": [ { "result": null }, { "downstream": [ { "url": "https://fx.example" } ] } ] }),
        ),
    ] {
        let verified = shown(&issued, &paths);
        assert_eq!(Value::Object(verified.disclosed), expected, "{paths:?}");
        assert_eq!(verified.claims, claims());
        assert_eq!(verified.digest, issued.digest());
    }
}

#[test]
fn what_is_left_is_counted_with_its_decoys() {
    let issued = issued();
    assert_eq!(shown(&issued, &[]).undisclosed, 32);
    // 31 at the top, and three of the four in the group.
    assert_eq!(shown(&issued, &["/initiator/sub"]).undisclosed, 34);
    assert_eq!(shown(&issued, &["/tools/1/name"]).undisclosed, 31 + 3 + 3);
}

#[test]
fn a_path_that_has_no_disclosure_is_named() {
    let issued = issued();
    for path in ["/nothing", "/initiator/nobody", "initiator", "/", "/tools/2", "/initiat", "/initiator/"] {
        let refused = issued.present(&["/initiator/sub", path]);
        assert_eq!(refused, Err(StatementError::UnknownPath(path.to_owned())));
    }
    for (path, whole) in
        [("/tools/0/arguments/city", "/tools/0/arguments"), ("/initiator/roles/1", "/initiator/roles")]
    {
        let refused = issued.present(&[path]);
        assert_eq!(
            refused,
            Err(StatementError::InsideWhole { path: path.to_owned(), whole: whole.to_owned() })
        );
    }
}

#[test]
fn names_may_hold_what_json_pointers_escape() {
    let record =
        object(json!({ "a/b": { "~": 1, "": 2, "#": { "%41": 3 }, "-": 4, "ü \"": 5 }, "": { "": 6 } }));
    let issued = issue(&claims(), &record, &stream_key()).unwrap();
    assert_eq!(shown(&issued, &[""]).disclosed, record);
    for (path, expected) in [
        ("/a~1b/~0", json!({ "a/b": { "~": 1 } })),
        ("/a~1b/", json!({ "a/b": { "": 2 } })),
        ("/a~1b/#/%41", json!({ "a/b": { "#": { "%41": 3 } } })),
        ("/a~1b/-", json!({ "a/b": { "-": 4 } })),
        ("/a~1b/ü \"", json!({ "a/b": { "ü \"": 5 } })),
        ("//", json!({ "": { "": 6 } })),
    ] {
        assert_eq!(Value::Object(shown(&issued, &[path]).disclosed), expected, "{path}");
    }
}

#[test]
fn the_key_is_told_to_other_software_as_rfc_8037_writes_it() {
    let jwk = public_jwk(stream_key().verifying_key()).unwrap();
    assert_eq!(jwk["crv"], "Ed25519");
    let x = super::super::decode(jwk["x"].as_str().unwrap()).unwrap();
    assert_eq!(x, stream_key().verifying_key().ed25519_bytes().unwrap());
    assert_eq!(public_jwk(super::key_of_type(vouchlog_note::SignatureType::MlDsa44).verifying_key()), None);
}

#[test]
fn nothing_of_the_content_is_shown_for_debugging() {
    let debug = format!("{:?}", issued().disclosures);
    assert!(debug.contains("/initiator/sub"));
    let encoded = &issued().disclosures[0].encoded;
    assert!(!debug.contains("encoded") && !debug.contains(&encoded[..20]));
}
