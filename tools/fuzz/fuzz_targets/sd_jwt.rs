//! Statements: verifying is total, with a wrong signature and behind a right one; damage shows nothing new; and a record that is
//! stated is disclosed as it was.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use vouchlog_fuzz::damage;
use vouchlog_fuzz::stated::{sign_over, state, stream_key};
use vouchlog_record::limits::MAX_RECORD_DEPTH;
use vouchlog_statement::{StatementError, VerifiedStatement, verify};

static RIGHT: LazyLock<String> = LazyLock::new(|| {
    let record =
        json!({ "initiator": { "sub": "alice" }, "tools": [{ "name": "search" }, { "name": "pay" }] });
    let issued = state(record.as_object().expect("it is one")).expect("it can be stated");
    issued.present(&[""]).expect("it is small")
});

fn read(sd_jwt: &str) -> Option<VerifiedStatement> {
    verify(sd_jwt, stream_key().verifying_key()).ok()
}

/// Whether a verifier is shown the value as it is. Otherwise it is shown as text, since an SD-JWT cannot hold it.
fn is_plain(value: &Value, depth: usize) -> bool {
    let is_reserved = |name: &str| ["_sd", "_sd_alg", "...", "json_text"].contains(&name);
    match value {
        Value::Object(_) | Value::Array(_) if depth == MAX_RECORD_DEPTH => false,
        Value::Object(object) => {
            object.iter().all(|(name, value)| !is_reserved(name) && is_plain(value, depth + 1))
        }
        Value::Array(elements) => elements.iter().all(|value| is_plain(value, depth + 1)),
        // A number is read again to the nearest there is, which may be the next.
        Value::Number(number) => !number.is_f64(),
        _ => true,
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&which, input)) = input.split_first() else { return };
    if which % 3 == 0 {
        let damaged = String::from_utf8_lossy(&damage(RIGHT.as_bytes(), input)).into_owned();
        if let Some(shown) = read(&damaged) {
            let known = read(&RIGHT).expect("it holds");
            assert_eq!((shown.digest, shown.claims), (known.digest, known.claims));
        }
    } else if which % 3 == 1 {
        let text = String::from_utf8_lossy(input);
        let lines: Vec<&str> = text.lines().take(64).collect();
        let sd_jwt = sign_over(&lines);
        if let Some(shown) = read(&sd_jwt) {
            assert!(shown.undisclosed <= input.len());
        }
    } else if let Ok(Value::Object(record)) = serde_json::from_slice(input) {
        match state(&record) {
            Ok(issued) => {
                let shown = read(&issued.present(&[""]).expect("it is small")).expect("it was just stated");
                assert_eq!(shown.digest, issued.digest());
                if record.values().all(|value| is_plain(value, 1)) {
                    assert_eq!(shown.disclosed, record);
                }
            }
            Err(error) => {
                assert!(
                    matches!(error, StatementError::Reserved(_) | StatementError::TooManyGroups(_)),
                    "{error}"
                );
            }
        }
    }
});
