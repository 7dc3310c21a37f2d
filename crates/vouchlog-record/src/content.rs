//! Which fields are content: what people wrote and models answered, as opposed to facts about it.

use serde_json::{Value, json};

use crate::path::escape_pointer_token;
use crate::record::Record;

/// Whether the field at a JSON pointer is content. Reading content takes another role than reading the rest, and each reading is
/// put on record.
pub fn is_content(pointer: &str) -> bool {
    let mut parts = pointer.strip_prefix('/').unwrap_or(pointer).split('/');
    let Some(group) = parts.next() else { return false };
    match (group, parts.next().unwrap_or_default()) {
        ("input" | "output", "content") | ("approval", "rationale") | ("override", "reason_text") => true,
        // Of a list of them, each has its own.
        ("approval", place) if is_place(place) => parts.next() == Some("rationale"),
        ("override", place) if is_place(place) => parts.next() == Some("reason_text"),
        ("outcome", "message") => true,
        ("model", "params") => {
            matches!(parts.next(), Some("tools" | "response_format" | "response_schema"))
        }
        ("tools", _) => matches!(parts.next(), Some("arguments" | "result" | "description")),
        ("policy", _) => matches!(parts.next(), Some("reason_text" | "response")),
        ("data", "sources") => matches!(parts.nth(1), Some("query" | "content")),
        // What no table of telemetry knows may be anything.
        ("otel", "attributes" | "conflicts" | "evaluations" | "refused") => true,
        ("otel", "parts" | "above") => parts.nth(1) == Some("attributes"),
        _ => false,
    }
}

/// Whether it is a place in a list.
fn is_place(token: &str) -> bool {
    !token.is_empty() && token.bytes().all(|c| c.is_ascii_digit())
}

impl Record {
    /// The record with its content redacted. What became of content that is not here stays as it is.
    pub fn without_content(&self) -> Self {
        let mut value = Value::Object(self.to_object());
        let mut place = String::new();
        redact(&mut value, &mut place);
        Self::from_value(value).expect("what the model writes it reads, and content may be redacted").record
    }
}

fn redact(value: &mut Value, place: &mut String) {
    let is_state = value.as_object().is_some_and(|object| object.len() == 1 && object.contains_key("$"));
    if is_state || value.is_null() {
        return;
    }
    if is_content(place) {
        *value = json!({ "$": "redacted" });
        return;
    }
    let length = place.len();
    let mut below = |name: &str, value: &mut Value| {
        place.push('/');
        place.push_str(&escape_pointer_token(name));
        redact(value, place);
        place.truncate(length);
    };
    match value {
        Value::Object(object) => object.iter_mut().for_each(|(name, value)| below(name, value)),
        Value::Array(list) => {
            list.iter_mut().enumerate().for_each(|(at, value)| below(&at.to_string(), value));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_place() {
        for content in [
            "/input/content",
            "/output/content/0/text",
            "/tools/3/arguments",
            "/data/sources/0/content",
            "/approval/rationale",
            "/approval/1/rationale",
            "/override/0/reason_text",
            "/model/params/tools/0/name",
            "/tools/0/description",
            "/outcome/message",
            "/otel/above/2/attributes/http.route",
            "/otel/conflicts",
        ] {
            assert!(is_content(content), "{content}");
        }
        for fact in [
            "",
            "/input",
            "/input/bytes",
            "/tools/3/name",
            "/initiator/sub",
            "/content",
            "/input/contents",
            "/model/params/temperature",
            "/outcome/error",
            "/approval/0/approver",
            "/approval/0",
            "/override/reason",
            "/otel/parts/0/span",
        ] {
            assert!(!is_content(fact), "{fact}");
        }
    }
}
