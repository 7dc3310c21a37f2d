//! Goal: any conversation is the same one, whatever form it is written in. Method: conversations with any texts and arguments, written as
//! each provider and convention has them.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::*;

/// A message, and the tool that was called with it.
#[derive(Clone, Debug)]
struct Turn {
    is_model: bool,
    text: String,
    call: Option<(String, Value)>,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let argument = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from)
    ];
    let arguments = prop::collection::btree_map("[a-z]{1,8}", argument, 0..3);
    let call =
        prop::option::of(("[a-z]{1,8}", arguments.prop_map(|all| Value::Object(all.into_iter().collect()))));
    let turn = (any::<bool>(), "[^\u{0}]{1,20}", call).prop_map(|(is_model, text, call)| {
        let call = call.filter(|_| is_model);
        Turn { is_model, text, call }
    });
    prop::collection::vec(turn, 1..5)
}

fn expected(turns: &[Turn]) -> Value {
    let message = |turn: &Turn| {
        let mut parts = vec![json!({ "type": "text", "content": turn.text })];
        parts.extend(turn.call.iter().map(|(name, arguments)| {
            json!({ "type": "tool_call", "id": format!("id-{name}"), "name": name, "arguments": arguments })
        }));
        json!({ "role": if turn.is_model { "assistant" } else { "user" }, "parts": parts })
    };
    turns.iter().map(message).collect()
}

type Form = fn(&Turn) -> Value;

fn role(turn: &Turn) -> &'static str {
    if turn.is_model { "assistant" } else { "user" }
}

fn with_parts(turn: &Turn, text: Value, call: impl Fn(&str, &Value) -> Value) -> Vec<Value> {
    let calls = turn.call.iter().map(|(name, arguments)| call(name, arguments));
    std::iter::once(text).chain(calls).collect()
}

fn openai(turn: &Turn) -> Value {
    let calls: Vec<Value> = turn.call.iter().map(|(name, arguments)| {
        json!({ "id": format!("id-{name}"), "type": "function", "function": { "name": name, "arguments": arguments.to_string() } })
    }).collect();
    json!({ "role": role(turn), "content": turn.text, "tool_calls": calls })
}

fn anthropic(turn: &Turn) -> Value {
    let parts = with_parts(
        turn,
        json!({ "type": "text", "text": turn.text }),
        |name, arguments| json!({ "type": "tool_use", "id": format!("id-{name}"), "name": name, "input": arguments }),
    );
    json!({ "role": role(turn), "content": parts })
}

fn bedrock(turn: &Turn) -> Value {
    let parts = with_parts(
        turn,
        json!({ "text": turn.text }),
        |name, arguments| json!({ "toolUse": { "toolUseId": format!("id-{name}"), "name": name, "input": arguments } }),
    );
    json!({ "role": role(turn), "content": parts })
}

fn gemini(turn: &Turn) -> Value {
    let parts = with_parts(
        turn,
        json!({ "text": turn.text }),
        |name, arguments| json!({ "functionCall": { "id": format!("id-{name}"), "name": name, "args": arguments } }),
    );
    json!({ "role": if turn.is_model { "model" } else { "user" }, "parts": parts })
}

fn vercel(turn: &Turn) -> Value {
    let parts = with_parts(
        turn,
        json!({ "type": "text", "text": turn.text }),
        |name, arguments| json!({ "type": "tool-call", "toolCallId": format!("id-{name}"), "toolName": name, "input": arguments }),
    );
    json!({ "role": role(turn), "content": parts })
}

fn choice(turn: &Turn) -> Value {
    let mut choice = json!({ "index": 0, "message": { "role": role(turn), "content": turn.text } });
    choice["tool_calls"] = openai(turn)["tool_calls"].clone();
    choice
}

const FORMS: [Form; 6] = [openai, anthropic, bedrock, gemini, vercel, choice];

proptest! {
    #[test]
    fn every_form_is_the_same_conversation(turns in turns()) {
        let expected = expected(&turns);
        for form in FORMS {
            let list: Value = turns.iter().map(form).collect();
            prop_assert_eq!(Value::from(messages(&list, "user")), expected.clone(), "{}", list);
            // As JSON in an attribute, and read again once it was read.
            prop_assert_eq!(Value::from(messages(&list.to_string().into(), "user")), expected.clone(), "{}", list);
            prop_assert_eq!(Value::from(messages(&json!({ "messages": list }), "user")), expected.clone());
        }
        prop_assert_eq!(Value::from(messages(&expected, "user")), expected.clone());
        let contents: Value = turns.iter().map(gemini).collect();
        prop_assert_eq!(Value::from(messages(&json!({ "contents": contents }), "user")), expected);
    }
}
