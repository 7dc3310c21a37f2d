//! Tool calls: each with the decisions about it, what it was given, what it gave back, and what it called in turn.

use vouchlog_record::{Body, Commitment, Downstream, Field, PolicyDecision, Tool, ToolOrigin};

use crate::content::json;
use crate::decisions;
use crate::phrases::{describe, joined, name, named, word};
use crate::step_list::{StepList, StepText};
use crate::timeline::{State, Step};

/// Adds the tool calls.
pub(crate) fn add(steps: &mut StepList, body: &Body) {
    let Some(tools) = body.tools.value() else {
        return steps.group(Step::Tool, "/tools", 0, &body.tools, |_| StepText::shown(String::new()));
    };
    for (place, tool) in tools.iter().enumerate() {
        let at = format!("/tools/{place}");
        let field = Field::Value(tool);
        steps.group(Step::Tool, &at, 0, &field, |tool| call(tool));
        for (number, decision) in body.policy.value().into_iter().flatten().enumerate() {
            if target(decision, tools) == Some(place) {
                decisions::add_one(steps, number, decision, 1);
            }
        }
        part(steps, Step::Arguments, &format!("{at}/arguments"), &tool.arguments, &tool.arguments_digest);
        part(steps, Step::Result, &format!("{at}/result"), &tool.result, &tool.result_digest);
        steps.list(Step::Downstream, &format!("{at}/downstream"), 1, &tool.downstream, downstream);
    }
}

/// The tool call a decision is about, if it is about one.
pub(crate) fn target(decision: &PolicyDecision, tools: &[Tool]) -> Option<usize> {
    let target = decision.target.value()?;
    let by_id = tools.iter().position(|tool| tool.call_id.value() == Some(target));
    by_id.or_else(|| tools.iter().position(|tool| tool.name.value() == Some(target)))
}

fn call(tool: &Tool) -> StepText {
    let what = named(&tool.name).unwrap_or_else(|| "unnamed tool".to_owned());
    let server = named(&tool.server).map(|server| format!("on {server}"));
    let status = describe(&tool.status, word);
    let error = named(&tool.error).map(|error| format!("error: {error}"));
    let effect = describe(&tool.effect, |effect| format!("effect: {}", word(effect)));
    let weight = match (tool.irreversible.value(), tool.side_effect.value()) {
        (Some(true), _) => Some("cannot be undone".to_owned()),
        (_, Some(true)) => Some("has side effects".to_owned()),
        _ => None,
    };
    let origin = describe(&tool.origin, |origin| match origin {
        ToolOrigin::Model => "requested by the model".to_owned(),
        ToolOrigin::Human => "requested by a person".to_owned(),
    });
    let head = joined([Some(joined([Some(what), server], " ")), status], ": ");
    let credential = named(&tool.credential).map(|credential| format!("with credential {credential}"));
    StepText::shown(joined([Some(head), error, effect, weight, origin, credential], "; ")).at(&tool.start)
}

/// The arguments or the result.
fn part(
    steps: &mut StepList,
    step: Step,
    at: &str,
    value: &Field<serde_json::Value>,
    digest: &Field<Commitment>,
) {
    let committed = digest.value().map(|digest| format!("commitment {}", name(digest.as_str())));
    match (value, committed) {
        (Field::Absent, None) => {}
        (Field::Absent, Some(committed)) => {
            let here = Field::Value(committed);
            steps.group(step, at, 1, &here, |committed| StepText {
                words: format!("not stored here; {committed}"),
                at: None,
                state: State::Absent,
            });
        }
        (value, _) => steps.group(step, at, 1, value, |value| StepText::shown(json(value))),
    }
}

fn downstream(it: &Downstream) -> StepText {
    let whom = joined([named(&it.target), named(&it.op)], " ");
    let status = named(&it.status).map(|status| format!("→ {status}"));
    let reference = named(&it.r#ref).map(|reference| format!("reference: {reference}"));
    let credential = named(&it.credential).map(|credential| format!("with credential {credential}"));
    StepText::shown(joined([Some(joined([Some(whom), status], " ")), reference, credential], "; ")).at(&it.at)
}
