//! Which agent a tool call hands the work over to.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::fields::AGENT;
use super::super::unit::Unit;

/// The names of agents, and of nodes of graphs, that act in a group of units, in one spelling.
pub(super) fn acting(units: &[Unit<'_>]) -> BTreeSet<String> {
    let parts = units.iter().flat_map(|unit| unit.parts().chain(unit.above.iter().copied()));
    let fields = [format!("{AGENT}name"), format!("{AGENT}node")];
    parts.flat_map(|part| fields.iter().filter_map(|field| part.reading.text(field))).map(spelled).collect()
}

/// As frameworks spell a name in the name of a tool.
fn spelled(name: &str) -> String {
    name.trim().to_lowercase().replace([' ', '-'], "_")
}

/// The agent that a call hands over to, if the call, its result, or an agent that acts beside it shows that it is a handoff. The name of
/// the tool is not enough: `transfer_to_savings` may move money.
pub(super) fn of(tool: &Map<String, Value>, acting: &BTreeSet<String>) -> Option<String> {
    let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
    let result = tool.get("result");
    if let Some(next) = result.and_then(goto) {
        return Some(next);
    }
    if name == "transfer_to_agent" {
        let next = tool.get("arguments").and_then(|arguments| arguments.get("agent_name"));
        return next.and_then(Value::as_str).map(str::to_owned);
    }
    let next =
        ["transfer_to_", "transfer_back_to_", "handoff_to_"].iter().find_map(|it| name.strip_prefix(it))?;
    if let Some(said) = result.and_then(transferred) {
        return Some(said);
    }
    acting.contains(&spelled(next)).then(|| next.to_owned())
}

/// Where LangGraph goes next: `goto` of a `Command`, as an object or as Python prints it.
fn goto(result: &Value) -> Option<String> {
    let result = match result {
        Value::Object(object) => object.get("output").unwrap_or(result),
        other => other,
    };
    match result {
        // A `Command`, not any object with that member.
        Value::Object(command) if command.contains_key("update") || command.contains_key("graph") => {
            command.get("goto")?.as_str().filter(|next| !next.is_empty()).map(str::to_owned)
        }
        Value::String(text) => {
            let inside = text.trim().strip_prefix("Command(")?.strip_suffix(')')?;
            let (_, next) = inside.rsplit_once("goto=")?;
            let quote = next.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
            let (next, _) = next[1..].split_once(quote)?;
            (!next.is_empty()).then(|| next.to_owned())
        }
        _ => None,
    }
}

/// What a handoff's tool answers: LangGraph's by a sentence, those of OpenAI's Agents SDK by the agent's name.
fn transferred(result: &Value) -> Option<String> {
    let text = match result {
        Value::String(text) => text.as_str(),
        Value::Object(object) => match object.get("assistant") {
            Some(name) if object.len() == 1 => return name.as_str().map(str::to_owned),
            _ => object.get("content")?.as_str()?,
        },
        _ => return None,
    };
    let rest = text.trim();
    let next = rest
        .strip_prefix("Successfully transferred back to ")
        .or_else(|| rest.strip_prefix("Successfully transferred to "))?;
    let next = next.trim_end_matches('.');
    (!next.is_empty() && !next.contains(' ')).then(|| next.to_owned())
}
