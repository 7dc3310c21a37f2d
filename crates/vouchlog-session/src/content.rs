//! Messages as people read them: the text in what providers and frameworks spell in a dozen ways.

use serde_json::Value;

use crate::plain::clipped;

/// Most characters of content in one step.
const MOST: usize = 400;

/// Characters gathered before clipping: what is cut off is counted up to here, so that a long one costs no more.
const GATHERED: usize = 256 * 1024;

/// Nested no deeper than this; the rest is JSON.
const DEPTH: usize = 16;

/// Content in one line of at most 400 characters. Of several messages the last is shown: the others were there before.
pub(crate) fn line(content: &Value) -> String {
    let (before, last) = match content {
        Value::Array(list) if list.len() > 1 && list.iter().all(is_message) => {
            (list.len() - 1, list.last().unwrap_or(content))
        }
        other => (0, other),
    };
    let mut text = String::new();
    gather(last, &mut text, 0);
    let shown = clipped(text.trim(), MOST);
    match before {
        0 => format!("“{shown}”"),
        1 => format!("“{shown}” (1 message before it)"),
        n => format!("“{shown}” ({n} messages before it)"),
    }
}

/// A value in one line of JSON, clipped.
pub(crate) fn json(value: &Value) -> String {
    clipped(&compact(value), MOST)
}

fn compact(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn is_message(value: &Value) -> bool {
    value.get("role").is_some_and(Value::is_string)
}

/// Adds the text of a message, a part of one, or a list of those.
fn gather(value: &Value, text: &mut String, depth: usize) {
    if text.len() > GATHERED {
        return;
    }
    match value {
        Value::String(more) => add(text, more),
        Value::Array(list) => list.iter().for_each(|part| gather(part, text, depth + 1)),
        Value::Object(object) if depth < DEPTH => {
            let called = ["name", "function"].iter().find_map(|key| object.get(*key));
            let given = ["input", "arguments"].iter().find_map(|key| object.get(*key));
            if let (Some(Value::String(name)), Some(given)) = (called, given) {
                return add(text, &format!("[calls {name} {}]", compact(given)));
            }
            let inner: Vec<_> = ["content", "parts", "text", "message", "tool_calls", "function"]
                .iter()
                .filter_map(|key| object.get(*key))
                .collect();
            if inner.iter().all(|inner| inner.is_null()) {
                return add(text, &value.to_string());
            }
            inner
                .into_iter()
                .filter(|inner| !inner.is_null())
                .for_each(|inner| gather(inner, text, depth + 1));
        }
        other => add(text, &other.to_string()),
    }
}

fn add(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(more);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_of_every_spelling_are_text() {
        for (content, shown) in [
            (json!("hello\nthere"), "“hello there”"),
            (json!({ "role": "user", "content": "hi" }), "“hi”"),
            (
                json!([{ "role": "system", "content": "s" }, { "role": "user", "content": [{ "type": "text", "text": "hi" }] }]),
                "“hi” (1 message before it)",
            ),
            (
                json!([{ "role": "user", "parts": [{ "type": "text", "content": "a" }, { "type": "text", "content": "b" }] }]),
                "“a b”",
            ),
            (
                json!([{ "type": "tool_use", "name": "get_time", "input": { "timezone": "UTC" } }]),
                "“[calls get_time {\"timezone\":\"UTC\"}]”",
            ),
            (
                json!({ "role": "assistant", "content": null, "tool_calls": [
                { "id": "c", "type": "function", "function": { "name": "refund", "arguments": "{}" } }] }),
                "“[calls refund {}]”",
            ),
            (json!({ "odd": 1 }), "“{\"odd\":1}”"),
            (json!(null), "“null”"),
        ] {
            assert_eq!(line(&content), shown, "{content}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let mut deep = json!("x");
        for _ in 0..60 {
            deep = json!({ "content": deep });
        }
        assert!(line(&deep).len() < 2_000);
        assert!(line(&json!("é".repeat(100_000))).ends_with("… (99,600 characters not shown)”"));
    }
}
