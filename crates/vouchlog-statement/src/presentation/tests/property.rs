//! Any record, any choice of its fields: the presentation holds, shows exactly what was chosen, and holds nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use vouchlog_stream::{Entry, StreamId};

use super::super::{LogTrust, Presentation, verify_presentation};
use super::claims;
use crate::statement::{ClearClaims, issue};
use crate::testing::{Log, OPENED, log_key, logged, stream_key};

/// The shape of a record; its names and texts are filled in later.
fn shape() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(json!("")),
        Just(json!("text")),
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::from)
    ];
    scalar.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
            prop::collection::vec(inner.clone(), 0..5).prop_map(members),
            // Arrays of objects, which chance makes rarely.
            prop::collection::vec(prop::collection::vec(inner, 1..4).prop_map(members), 1..6)
                .prop_map(Value::Array),
        ]
    })
}

fn members(values: Vec<Value>) -> Value {
    values.into_iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect()
}

/// The `n`th text that is nowhere else.
fn secret(n: usize) -> String {
    format!("secret-{:016x}", 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(n as u64 + 1))
}

/// Gives every member and every text a name of its own, and collects them with the place they stand at.
fn fill(value: &Value, path: &str, secrets: &mut Vec<(String, String)>) -> Value {
    match value {
        Value::String(_) => {
            let text = secret(secrets.len());
            secrets.push((path.to_owned(), text.clone()));
            Value::String(text)
        }
        Value::Array(elements) => {
            let filled =
                elements.iter().enumerate().map(|(n, value)| fill(value, &format!("{path}/{n}"), secrets));
            Value::Array(filled.collect())
        }
        Value::Object(object) => {
            let mut out = Map::new();
            for value in object.values() {
                let name = secret(secrets.len());
                let path = format!("{path}/{name}");
                secrets.push((path.clone(), name.clone()));
                out.insert(name, fill(value, &path, secrets));
            }
            Value::Object(out)
        }
        other => other.clone(),
    }
}

fn is_in(path: &str, group: &str) -> bool {
    path == group || path.strip_prefix(group).is_some_and(|rest| rest.starts_with('/'))
}

/// What of `value`, at `path`, is at one of the chosen places or has one in it.
fn chosen_of(value: &Value, path: &str, chosen: &[&str]) -> Option<Value> {
    if chosen.iter().any(|place| is_in(path, place)) {
        return Some(value.clone());
    }
    if !chosen.iter().any(|place| is_in(place, path)) {
        return None;
    }
    match value {
        Value::Object(object) => {
            let shown = object.iter().filter_map(|(name, value)| {
                Some((name.clone(), chosen_of(value, &format!("{path}/{name}"), chosen)?))
            });
            Some(Value::Object(shown.collect()))
        }
        Value::Array(elements) => {
            let shown = elements.iter().enumerate();
            let shown = shown.filter_map(|(n, value)| chosen_of(value, &format!("{path}/{n}"), chosen));
            Some(Value::Array(shown.collect()))
        }
        _ => None,
    }
}

/// Everything that can be read in a presentation: the file, and each base64url run in it decoded.
fn readable(presentation: &Presentation) -> String {
    let mut text = presentation.to_json();
    for part in presentation.sd_jwt.split(['~', '.']) {
        let decoded = URL_SAFE_NO_PAD.decode(part).unwrap();
        text.push_str(&String::from_utf8_lossy(&decoded));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_presentation_shows_what_was_chosen_and_nothing_else(
        groups in prop::collection::vec(shape(), 0..6),
        picks in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
    ) {
        let mut secrets = Vec::new();
        let Value::Object(record) = fill(&members(groups), "", &mut secrets) else { unreachable!() };
        let claims = ClearClaims { stream: StreamId::new(OPENED).unwrap(), ..claims() };
        let issued = issue(&claims, &record, &stream_key(OPENED)).unwrap();
        let chosen: Vec<&str> = picks
            .iter()
            .filter(|_| !issued.disclosures.is_empty())
            .map(|pick| pick.get(&issued.disclosures).path.as_str())
            .collect();
        let mut log = Log::default();
        let index = log.push(&Entry::Statement(logged(&issued, &claims, OPENED)));
        let presentation = log.present(&issued, &chosen, index);

        let log_key = log_key();
        let trust = LogTrust::new(log_key.verifying_key(), None);
        let verified = verify_presentation(&presentation, &trust).unwrap();
        let expected = chosen_of(&Value::Object(record), "", &chosen).unwrap_or(json!({}));
        prop_assert_eq!(Value::Object(verified.statement.disclosed), expected);

        let readable = readable(&presentation);
        for (place, secret) in &secrets {
            let is_chosen = chosen.iter().any(|path| is_in(place, path) || is_in(path, place));
            prop_assert_eq!(readable.contains(secret), is_chosen, "{} at {}", secret, place);
        }
    }
}
