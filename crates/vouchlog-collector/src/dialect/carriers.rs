//! Where messages stand beside attributes: events of a span, and bodies of events.

use serde_json::{Map, Value};

use crate::intake::{Span, SpanEvent};

/// Where Azure's packages have the content of an event.
pub(super) const EVENT_CONTENT: &str = "gen_ai.event.content";

/// Whose message an event of a span is, and whether it is an answer.
pub(super) fn message_of(event: &str) -> Option<(&'static str, bool)> {
    Some(match event {
        "gen_ai.system.message" | "gen_ai.system.instructions" | "gen_ai.system.instruction" => {
            ("system", false)
        }
        "gen_ai.user.message" | "gen_ai.content.prompt" | "gen_ai.input.messages" => ("user", false),
        "gen_ai.assistant.message" => ("assistant", false),
        "gen_ai.tool.message" => ("tool", false),
        "gen_ai.choice" | "gen_ai.content.completion" | "gen_ai.output.messages" => ("assistant", true),
        _ => return None,
    })
}

/// Whether a span has messages in its events.
pub(super) fn has_messages(span: &Span) -> bool {
    let holds = |event: &SpanEvent| {
        ["content", "message", "message.content", "tool_calls", EVENT_CONTENT]
            .into_iter()
            .any(|name| event.attributes.contains_key(name))
    };
    span.events.iter().any(|event| message_of(&event.name).is_some() && holds(event))
}

/// Of what an event's body has the messages, as AWS's distribution of OpenTelemetry takes them out of spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodySubject {
    /// A call of a model, or an agent.
    Call,
    /// A tool: it is asked by its arguments.
    Tool,
}

pub(super) fn told_by(body: &Value) -> Option<BodySubject> {
    let body = body.as_object()?;
    let asked = listed(body, "input").unwrap_or_default();
    let is_known = !asked.is_empty() || listed(body, "output").is_some_and(|answered| !answered.is_empty());
    let is_tool = !asked.is_empty() && asked.iter().all(|one| one["role"] == "tool");
    is_known.then_some(if is_tool { BodySubject::Tool } else { BodySubject::Call })
}

pub(super) fn listed(body: &Map<String, Value>, side: &str) -> Option<Vec<Value>> {
    body.get(side)?.get("messages")?.as_array().cloned()
}
