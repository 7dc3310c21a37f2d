//! Which tool calls a model's messages propose, whatever the provider's form.

use serde_json::Value;
use vouchlog_record::Tool;

use crate::field_view::view;
use crate::limits::{MAX_PROPOSAL_DEPTH, MAX_PROPOSALS};

/// Types of a message's part that is a call: OpenTelemetry, Anthropic, OpenAI's responses.
const CALLS: [&str; 8] = [
    "tool_call",
    "tool_use",
    "function_call",
    "custom_tool_call",
    "mcp_call",
    "server_tool_call",
    "server_tool_use",
    "mcp_tool_use",
];

/// A call that a message shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Proposal<'a> {
    /// The call's id.
    pub(super) id: Option<&'a str>,
    /// The tool.
    name: Option<&'a str>,
}

impl<'a> Proposal<'a> {
    fn of(call: &'a Value) -> Self {
        let text = |value: &'a Value, names: &[&str]| {
            names.iter().find_map(|name| value.get(name)?.as_str()).filter(|text| !text.is_empty())
        };
        // OpenAI's responses have an id of the item beside that of the call; chat completions have the name in a function.
        let id = text(call, &["call_id", "id", "tool_call_id"]);
        let name = text(call, &["name"]).or_else(|| text(call.get("function")?, &["name"]));
        Self { id, name }
    }

    /// Whether a listed call is this one: by its id, and by its name where one of the two has no id.
    pub(super) fn is_of(&self, tool: &Tool) -> bool {
        match (self.id, view(&tool.call_id).text().value()) {
            (Some(id), Some(listed)) => id == listed,
            _ => self.name.is_some() && tool.name.value().map(String::as_str) == self.name,
        }
    }

    pub(super) fn in_words(&self) -> String {
        match (self.id, self.name) {
            (Some(id), Some(name)) => format!("the call {id} of {name}"),
            (Some(id), None) => format!("the call {id}"),
            (None, Some(name)) => format!("a call of {name}"),
            (None, None) => "a call without a name".to_owned(),
        }
    }
}

/// The calls that messages show, in their order, each id once.
pub(super) fn proposals(messages: &Value) -> Vec<Proposal<'_>> {
    let mut found = Vec::new();
    collect(messages, 0, &mut found);
    let mut ids = std::collections::BTreeSet::new();
    found.retain(|proposal: &Proposal<'_>| proposal.id.is_none_or(|id| ids.insert(id)));
    found
}

fn collect<'a>(value: &'a Value, depth: usize, found: &mut Vec<Proposal<'a>>) {
    if depth > MAX_PROPOSAL_DEPTH || found.len() >= MAX_PROPOSALS {
        return;
    }
    match value {
        Value::Array(list) => list.iter().for_each(|value| collect(value, depth + 1, found)),
        Value::Object(object) => {
            let kind = object.get("type").and_then(Value::as_str);
            if kind.is_some_and(|kind| CALLS.contains(&kind)) {
                // What is in a call is its arguments, which may be anything.
                found.push(Proposal::of(value));
                return;
            }
            if let Some(Value::Array(calls)) = object.get("tool_calls") {
                let left = MAX_PROPOSALS.saturating_sub(found.len());
                found.extend(calls.iter().filter(|call| call.is_object()).take(left).map(Proposal::of));
            }
            // What messages and parts are listed in; texts and results may be anything.
            for name in ["message", "messages", "parts", "content", "output", "choices", "candidates"] {
                if let Some(value) = object.get(name).filter(|_| !is_result(kind)) {
                    collect(value, depth + 1, found);
                }
            }
        }
        _ => {}
    }
}

/// Whether a part is what a tool gave back.
fn is_result(kind: Option<&str>) -> bool {
    kind.is_some_and(|kind| {
        kind.ends_with("_result") || kind.ends_with("_response") || kind.ends_with("_output")
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(messages: &Value) -> Vec<(Option<&str>, Option<&str>)> {
        proposals(messages).into_iter().map(|proposal| (proposal.id, proposal.name)).collect()
    }

    #[test]
    fn calls_are_found_in_every_form() {
        for messages in [
            json!([{ "role": "assistant", "parts": [{ "type": "tool_call", "id": "c1", "name": "refund", "arguments": {} }] }]),
            json!([{ "index": 0, "message": { "tool_calls": [{ "id": "c1", "type": "function", "function": { "name": "refund" } }] } }]),
            json!([{ "type": "text", "text": "so" }, { "type": "tool_use", "id": "c1", "name": "refund", "input": {} }]),
            json!({ "content": [{ "type": "server_tool_use", "id": "c1", "name": "refund" }] }),
            json!([{ "type": "function_call", "id": "fc_9", "call_id": "c1", "name": "refund", "arguments": "{}" }]),
        ] {
            assert_eq!(shown(&messages), [(Some("c1"), Some("refund"))], "{messages}");
        }
    }

    #[test]
    fn what_is_said_about_calls_is_none() {
        for messages in [
            json!("call refund with tool_calls: [1]"),
            json!([{ "role": "tool", "parts": [{ "type": "tool_call_response", "id": "c1", "result": [{ "type": "tool_call", "id": "x" }] }] }]),
            json!([{ "type": "tool_result", "tool_use_id": "c1", "content": [{ "type": "tool_use", "id": "x" }] }]),
            json!([{ "role": "assistant", "parts": [{ "type": "text", "content": "done" }] }]),
            json!({ "tool_calls": "none" }),
            json!(null),
        ] {
            assert_eq!(shown(&messages), [], "{messages}");
        }
        let nested = json!([{ "type": "tool_use", "id": "c1", "name": "n", "input": { "content": [{ "type": "tool_use", "id": "c2" }] } }]);
        assert_eq!(shown(&nested), [(Some("c1"), Some("n"))]);
    }
}
