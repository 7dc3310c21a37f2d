//! The fields of a record as a list: where, what, and what became of those that are not here.

use serde_json::{Map, Value};
use vouchlog_session::{State, clipped};

/// Most fields that are listed.
const MOST: usize = 400;
/// Most characters of one.
const LONGEST: usize = 2_000;
/// Nested no deeper than this; the rest is JSON.
const DEEPEST: usize = 6;

/// One field.
#[derive(Debug, PartialEq)]
pub struct FieldLine {
    /// Its JSON pointer, safe to show.
    pub pointer: String,
    /// Its value, safe to show; empty if it is not here.
    pub text: String,
    /// Whether it is.
    pub state: State,
}

/// The fields of a record, and how many there are beyond those.
pub fn fields(object: &Map<String, Value>) -> (Vec<FieldLine>, usize) {
    let mut lines = Vec::new();
    let mut left_out = 0;
    for (name, value) in object {
        add(&format!("/{name}"), value, 1, &mut lines, &mut left_out);
    }
    (lines, left_out)
}

fn add(at: &str, value: &Value, depth: usize, lines: &mut Vec<FieldLine>, left_out: &mut usize) {
    if lines.len() >= MOST {
        *left_out += 1;
        return;
    }
    let state = match value.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("$"))
    {
        Some(Value::String(mark)) if mark == "redacted" => Some(State::Redacted),
        Some(Value::String(mark)) if mark == "erased" => Some(State::Erased),
        Some(Value::String(mark)) if mark == "not_applicable" => Some(State::NotApplicable),
        _ => None,
    };
    let mut line = |text: String, state| lines.push(FieldLine { pointer: clipped(at, 200), text, state });
    match (state, value) {
        (Some(state), _) => line(String::new(), state),
        (None, Value::Object(object)) if depth < DEEPEST && !object.is_empty() => {
            for (name, value) in object {
                add(&format!("{at}/{name}"), value, depth + 1, lines, left_out);
            }
        }
        (None, Value::Array(list)) if depth < DEEPEST && list.iter().any(Value::is_object) => {
            for (place, value) in list.iter().enumerate() {
                add(&format!("{at}/{place}"), value, depth + 1, lines, left_out);
            }
        }
        (None, Value::String(text)) => line(clipped(text, LONGEST), State::Shown),
        (None, other) => line(clipped(&other.to_string(), LONGEST), State::Shown),
    }
}
