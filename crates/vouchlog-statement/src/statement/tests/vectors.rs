//! The examples of RFC 9901, and disclosures in several spellings.

use std::path::Path;

use serde_json::{Map, Value};

use super::super::process::{DecodedDisclosure, disclosure_digest, process};
use super::{object, payload};

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/sd_jwt").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|string| string.as_str().unwrap()).collect()
}

#[test]
fn the_examples_of_the_rfc_are_processed_as_it_says() {
    let file = file("rfc9901.json");
    let examples = file["examples"].as_array().unwrap();
    assert_eq!(examples.len(), 7);
    for example in examples {
        let (payload, disclosures): (Map<String, Value>, Vec<&str>) = match example["sd_jwt"].as_str() {
            Some(sd_jwt) => {
                let (jwt, disclosures) = sd_jwt.split_once('~').unwrap();
                (payload(jwt), disclosures.strip_suffix('~').unwrap().split('~').collect())
            }
            None => {
                let disclosures = strings(&example["disclosures"]);
                let digests = disclosures.iter().map(|disclosure| disclosure_digest(disclosure));
                assert!(digests.eq(strings(&example["digests"])));
                (object(example["payload"].clone()), disclosures)
            }
        };
        let section = &example["section"];
        let processed = process(payload.clone(), &disclosures).unwrap();
        assert_eq!(Value::Object(processed.claims), example["processed"], "{section}");
        let none = process(payload, &[]).unwrap();
        assert_eq!(none.undisclosed > 0, !disclosures.is_empty(), "{section}");
    }
}

#[test]
fn a_disclosure_is_hashed_as_it_is_spelt() {
    let file = file("disclosures.json");
    let disclosures = file["disclosures"].as_array().unwrap();
    assert_eq!(disclosures.len(), 5);
    for vector in disclosures {
        let encoded = vector["disclosure"].as_str().unwrap();
        assert_eq!(disclosure_digest(encoded), vector["sha256_digest_b64url"].as_str().unwrap());
        let mut contents: Vec<Value> = serde_json::from_str(vector["json"].as_str().unwrap()).unwrap();
        let shown = DecodedDisclosure::parse(encoded).unwrap();
        assert_eq!(Some(shown.value), contents.pop());
        assert_eq!(shown.name.as_deref(), contents.get(1).and_then(Value::as_str));
    }
}
