//! Content that stands beside an item's attributes: in a span's events, as conventions up to 1.36 have it, and in an event's body.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::carriers::{EVENT_CONTENT, listed, message_of};
use super::messages::blocks;
use super::shape::json as read_json;
use super::table::Tables;
use super::{Role, messages};
use crate::intake::{Attributes, Event, Span, SpanEvent};

/// Attributes of events that hold all messages.
const WHOLE: [&str; 5] = [
    "gen_ai.prompt",
    "gen_ai.completion",
    "gen_ai.input.messages",
    "gen_ai.output.messages",
    "gen_ai.system_instructions",
];

/// The attribute that takes what events of a span hold that no table knows.
const UNKNOWN: &str = "span.events";

/// Attributes of a span, and what its events hold.
pub(super) fn of_span<'a>(span: &'a Span, role: Role, tables: &Tables) -> Cow<'a, Attributes> {
    let mut all = Cow::Borrowed(&span.attributes);
    let (mut asked, mut answered, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
    for event in &span.events {
        let whole = WHOLE.into_iter().filter_map(|name| Some((name, event.attributes.get(name)?)));
        let whole: Vec<_> = whole.collect();
        if !whole.is_empty() {
            for (name, value) in whole {
                if !all.contains_key(name) {
                    all.to_mut().insert(name.to_owned(), value.clone());
                }
            }
        } else if let Some((whose, is_answer)) = message_of(&event.name) {
            let list = if is_answer { &mut answered } else { &mut asked };
            list.push((whose, body_of(event)));
        } else if role == Role::Guardrail && is_finding(event) {
            for (name, value) in
                event.attributes.iter().filter(|(name, _)| !span.attributes.contains_key(*name))
            {
                all.to_mut().entry(name.as_str()).or_insert_with(|| value.clone());
            }
        } else if !is_read_elsewhere(event) {
            unknown.push(json!({ "name": event.name, "attributes": event.attributes }));
        }
    }
    if let Some(listed) = read_listed(&span.attributes, span.failed) {
        asked.extend(listed.0);
        answered.extend(listed.1);
        all.to_mut().remove(EVENTS);
    }
    let mut found = match role {
        Role::Tool | Role::McpCall => of_tool(&asked, &answered),
        _ => of_call(&asked, &answered),
    };
    found.extend(of_vercel(&span.attributes).map(|output| (OUTPUT, output)));
    for ((field, name), value) in found {
        if !tables.says(field, &all) {
            all.to_mut().insert(name.to_owned(), value);
        }
    }
    if !unknown.is_empty() {
        all.to_mut().insert(UNKNOWN.to_owned(), unknown.into());
    }
    all
}

/// The attribute in which Logfire, and Pydantic AI before it had the conventions' names, list the events of a call.
const EVENTS: &str = "events";

/// Whose messages, and their bodies.
type Messages = Vec<(&'static str, Value)>;

/// The messages of a call in such a list: what was asked and what was answered. Logfire's answers are assistant messages as those before
/// are: they are the last ones of a call that did not fail.
fn read_listed(attributes: &Attributes, failed: bool) -> Option<(Messages, Messages)> {
    let Value::Array(list) = read_json(attributes.get(EVENTS)?) else { return None };
    let of_event = |event: &Value| {
        let (whose, is_answer) = message_of(event.get("event.name")?.as_str()?)?;
        let mut body = event.as_object()?.clone();
        body.remove("event.name");
        Some((whose, is_answer, with_blocks(body.into())))
    };
    let all: Vec<_> = list.iter().map(of_event).collect::<Option<_>>()?;
    let has_choice = all.iter().any(|(_, is_answer, _)| *is_answer);
    let last = all.iter().rposition(|(whose, ..)| *whose != "assistant").map_or(0, |at| at + 1);
    let (mut asked, mut answered) = (Vec::new(), Vec::new());
    for (at, (whose, is_answer, body)) in all.into_iter().enumerate() {
        let is_answer = is_answer || !has_choice && !failed && at >= last;
        if is_answer { answered.push((whose, body)) } else { asked.push((whose, body)) }
    }
    Some((asked, answered))
}

/// Attributes of an event, and what its body holds.
pub(super) fn of_event(event: &Event, role: Role) -> Cow<'_, Attributes> {
    let mut all = Cow::Borrowed(&event.attributes);
    let Value::Object(body) = &event.body else { return all };
    let found = match role {
        Role::Details => {
            let whole = WHOLE.into_iter().filter_map(|name| Some((name, body.get(name)?.clone())));
            let sides = [(INPUT, "input"), (OUTPUT, "output")];
            let sides =
                sides.into_iter().filter_map(|((_, name), side)| Some((name, listed(body, side)?.into())));
            whole.chain(sides).collect::<Vec<(&str, Value)>>()
        }
        Role::Tool => {
            let bodies =
                |side| listed(body, side).unwrap_or_default().into_iter().map(|one| ("tool", inner(one)));
            let (asked, answered): (Vec<_>, Vec<_>) = (bodies("input").collect(), bodies("output").collect());
            of_tool(&asked, &answered).into_iter().map(|((_, name), value)| (name, value)).collect()
        }
        _ => return all,
    };
    for (name, value) in found {
        if !all.contains_key(name) {
            all.to_mut().insert(name.to_owned(), value);
        }
    }
    all
}

/// The body of a message that has another one in its content.
fn inner(message: Value) -> Value {
    match message.get("content") {
        Some(content @ Value::Object(_)) => with_blocks(content.clone()),
        _ => with_blocks(message),
    }
}

fn with_blocks(mut body: Value) -> Value {
    for name in ["content", "message"] {
        if let Some(value) = body.get_mut(name) {
            *value = blocks(value);
        }
    }
    body
}

fn body_of(event: &SpanEvent) -> Value {
    const ABOUT: [&str; 4] = ["gen_ai.system", "gen_ai.provider.name", "event.name", "event_name"];
    if let Some(content) = event.attributes.get(EVENT_CONTENT) {
        return match read_json(content) {
            read if read.is_object() || read.is_array() => read,
            text => json!({ "content": text }),
        };
    }
    let members = event.attributes.iter().filter(|(name, _)| !ABOUT.contains(&name.as_str()));
    with_blocks(members.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>().into())
}

/// What a guardrail found, as an event of its span.
fn is_finding(event: &SpanEvent) -> bool {
    matches!(
        event.name.as_str(),
        "gen_ai.security.finding" | "gen_ai.guardrail.security.finding" | "gen_ai.guardrail.result"
    )
}

/// Those that say when something was, failures, which are read with the outcome, and the pieces of a stream whose whole is the answer.
fn is_read_elsewhere(event: &SpanEvent) -> bool {
    let is_chunk = event.name.starts_with("mlflow.chunk.item.") || event.name == "ai.stream.firstChunk";
    event.attributes.is_empty() || event.name == "exception" || is_chunk
}

/// A field, and a name that stands for it in every dialect.
type Target = (&'static str, &'static str);

const INPUT: Target = ("content.input", "gen_ai.input.messages");
const OUTPUT: Target = ("content.output", "gen_ai.output.messages");

fn of_call(asked: &[(&str, Value)], answered: &[(&str, Value)]) -> Vec<(Target, Value)> {
    let all = |list: &[(&str, Value)]| -> Vec<Value> {
        list.iter().flat_map(|(whose, body)| messages(body, whose)).collect()
    };
    let sides = [(INPUT, all(asked)), (OUTPUT, all(answered))];
    sides.into_iter().filter(|(_, all)| !all.is_empty()).map(|(target, all)| (target, all.into())).collect()
}

/// Of a tool, the message is its arguments and the choice its result.
fn of_tool(asked: &[(&str, Value)], answered: &[(&str, Value)]) -> Vec<(Target, Value)> {
    let first = |list: &[(&str, Value)], names: &[&str]| {
        list.iter().find_map(|(_, body)| names.iter().find_map(|name| body.get(*name)).cloned())
    };
    let found = [
        (("tool.arguments", "gen_ai.tool.call.arguments"), first(asked, &["content", "arguments"])),
        (("tool.call_id", "gen_ai.tool.call.id"), first(asked, &["id"]).or_else(|| first(answered, &["id"]))),
        (("tool.result", "gen_ai.tool.call.result"), first(answered, &["message", "content"])),
    ];
    found.into_iter().filter_map(|(target, value)| Some((target, value?))).collect()
}

/// The answer of the Vercel AI SDK, which is in several attributes.
fn of_vercel(attributes: &Attributes) -> Option<Value> {
    let get = |name: &str| attributes.get(name).filter(|value| *value != "" && !value.is_null());
    let text = get("ai.response.text").or_else(|| get("ai.response.object"));
    let (calls, reasoning) = (get("ai.response.toolCalls"), get("ai.response.reasoning"));
    text.or(calls).or(reasoning)?;
    let members = [
        ("content", text.cloned()),
        ("reasoning", reasoning.cloned()),
        ("tool_calls", calls.cloned()),
        ("finish_reason", get("ai.response.finishReason").cloned()),
    ];
    let message = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    let mut message: Map<String, Value> = message.collect();
    message.insert("role".into(), "assistant".into());
    Some(json!([message]))
}
