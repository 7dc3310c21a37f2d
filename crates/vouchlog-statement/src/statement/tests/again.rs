//! Disclosures of facts that are made again are those that were issued, byte for byte.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Concealment, Disclosure, IssuedStatement, issue_to_keep};
use super::{claims, object, record, stream_key};
use crate::limits::MAX_DISCLOSURES;

/// A record as it is kept: facts in their places, any object in those of content, and the digests of its disclosures.
fn kept(
    record: &Map<String, Value>,
    issued: &IssuedStatement,
) -> (Map<String, Value>, BTreeMap<String, String>) {
    let mut facts = Value::Object(record.clone());
    let mut withheld = BTreeMap::new();
    for disclosure in issued.disclosures.iter().filter(|disclosure| disclosure.content) {
        *facts.pointer_mut(&disclosure.path).unwrap() = json!({ "content": null });
        withheld.insert(disclosure.path.clone(), disclosure.digest());
    }
    // Written and read, as it is kept.
    (object(serde_json::from_str(&facts.to_string()).unwrap()), withheld)
}

fn facts(issued: &IssuedStatement) -> Vec<Disclosure> {
    issued.disclosures.iter().filter(|disclosure| !disclosure.content).cloned().collect()
}

fn check(record: &Map<String, Value>) -> (IssuedStatement, Concealment) {
    let (issued, concealment) = issue_to_keep(&claims(), record, &stream_key()).unwrap();
    let (kept, withheld) = kept(record, &issued);
    let read: Concealment = serde_json::from_str(&serde_json::to_string(&concealment).unwrap()).unwrap();
    assert_eq!(read.facts(kept, &withheld), facts(&issued));
    (issued, concealment)
}

#[test]
fn facts_are_made_again_beside_content_of_every_shape() {
    check(&record());
    check(&object(json!({
        "input": { "content": "Please refund order 8841", "media_type": "text/plain" },
        "tools": [ { "name": "a", "arguments": [{ "b": 1 }], "result": "done" }, { "name": "c" } ],
        "model": { "params": { "temperature": 0.1, "stop": [{ "a": 1 }], "schema": { "type": "object", "of": { "x": 1e300 } } } },
        "credential": { "authorization_details": [{ "type": "pay", "limit": 12.5 }], "id": "c" },
        "own": { "a/b": { "~": -0.0, "deep": { "1": { "2": { "3": { "4": { "5": { "6": { "7": [] } } } } } } } }, "...": 1 },
        "marked": { "$": "redacted" },
    })));
}

#[test]
fn a_record_that_was_taken_apart_less_is_made_again() {
    let many: Vec<Value> = (0..MAX_DISCLOSURES).map(|n| json!({ "n": n, "of": { "x": n } })).collect();
    let record = object(json!({ "list": many, "input": { "content": "a" } }));
    let (issued, _) = check(&record);
    assert!(issued.disclosures.len() < MAX_DISCLOSURES);
}

#[test]
fn a_reader_of_facts_cannot_test_a_guess_of_content() {
    let record = object(json!({ "input": { "content": "yes" }, "note": "free" }));
    let (issued, concealment) = check(&record);
    let content = issued.disclosures.iter().find(|disclosure| disclosure.path == "/input/content").unwrap();
    // With the seed and the right guess, but without the salt of content.
    let guessed = concealment.facts(record.clone(), &BTreeMap::new());
    let guess = guessed.iter().find(|disclosure| disclosure.path == "/input/content").unwrap();
    assert_ne!(guess.digest(), content.digest());
}

#[test]
fn another_record_or_seed_gives_other_disclosures() {
    let (issued, concealment) = issue_to_keep(&claims(), &record(), &stream_key()).unwrap();
    let (mut changed, withheld) = kept(&record(), &issued);
    changed.insert("note".to_owned(), "free!".into());
    assert_ne!(concealment.facts(changed, &withheld), facts(&issued));
    let (_, other) = issue_to_keep(&claims(), &record(), &stream_key()).unwrap();
    let (same, withheld) = kept(&record(), &issued);
    assert_ne!(other.facts(same, &withheld), facts(&issued));
    assert_eq!(format!("{concealment:?}"), "Concealment { .. }");
}

/// What is kept today has to be read by every later version.
#[test]
fn a_seed_makes_these_disclosures_for_good() {
    let kept = json!({ "seed": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", "depth": 8, "whole": ["/model/params/schema"] });
    let concealment: Concealment = serde_json::from_value(kept.clone()).unwrap();
    assert_eq!(serde_json::to_value(&concealment).unwrap(), kept);
    let record = object(json!({
        "model": { "params": { "schema": { "type": "object" }, "top_p": 0.5 }, "served": "m-1" }, "note": "free",
    }));
    let made = concealment.facts(record.clone(), &BTreeMap::new());
    let paths: Vec<_> = made.iter().map(|disclosure| disclosure.path.as_str()).collect();
    assert_eq!(
        paths,
        ["/model", "/model/params", "/model/params/schema", "/model/params/top_p", "/model/served", "/note"]
    );
    let all: String = made.iter().map(Disclosure::digest).collect();
    assert_eq!(vouchlog_merkle::sha256(all.as_bytes()).to_string(), GOLDEN);
}

/// How numbers and strings are written is a library's, and has to stay what it is.
#[test]
fn numbers_and_strings_are_written_alike_for_good() {
    let numbers = json!([
        0.1,
        12.5,
        1e15,
        1e16,
        1e17,
        1e300,
        1e-5,
        1e-7,
        5e-324,
        -0.0,
        1.0,
        123_456_789.123_456_78,
        u64::MAX,
        i64::MIN,
    ]);
    assert_eq!(
        numbers.to_string(),
        "[0.1,12.5,1000000000000000.0,1e+16,1e+17,1e+300,0.00001,1e-7,5e-324,-0.0,1.0,123456789.12345678,18446744073709551615,-9223372036854775808]"
    );
    let strings = json!(["\u{0}\u{8}\u{9}\u{a}\u{c}\u{d}\u{1f}\u{7f}", "\"\\/", "é\u{2028}\u{1f600}"]);
    assert_eq!(
        strings.to_string(),
        "[\"\\u0000\\b\\t\\n\\f\\r\\u001f\u{7f}\",\"\\\"\\\\/\",\"é\u{2028}\u{1f600}\"]"
    );
}

/// SHA-256 over the digests of those disclosures, one after the other.
const GOLDEN: &str = "bc5208d725ae27c771ca30545c445688c0509db3fb53dd7fbf5e4627883ebc4d";

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = prop_oneof!["[a-z/~]{1,4}", Just("content".to_owned()), Just("arguments".to_owned())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name, inner, 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_record_is_made_again(
        input in value(), output in value(), tools in prop::collection::vec(value(), 0..3), data in value(), own in value(),
    ) {
        check(&object(json!({ "input": input, "output": output, "tools": tools, "data": data, "own": own })));
    }
}
