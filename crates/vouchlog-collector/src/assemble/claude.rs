//! Events of Claude Code. They name no span, but a session, a prompt and a number that counts the session's events: a request to
//! the model and the tools run after it, up to the next request, are one interaction.

use std::collections::BTreeMap;

use super::part::Part;
use super::unit::{ToolRun, Unit};
use crate::intake::Item;

pub(super) fn name(part: &Part) -> &str {
    let Item::Event(event) = &part.item else { return "" };
    let body = event.body.as_str().unwrap_or_default();
    let name = if event.name.is_empty() { body } else { &event.name };
    name.strip_prefix("claude_code.").unwrap_or(name)
}

pub(super) fn units<'a>(events: &[&'a Part]) -> Vec<Unit<'a>> {
    let mut turns: BTreeMap<(Option<&str>, Option<&str>), Vec<&'a Part>> = BTreeMap::new();
    for part in events {
        let key = (part.reading.text("correlation.session"), part.reading.text("correlation.turn"));
        turns.entry(key).or_default().push(part);
    }
    turns.into_values().flat_map(turn).collect()
}

fn turn(mut events: Vec<&Part>) -> Vec<Unit<'_>> {
    let number = |part: &Part| part.reading.fields.get("event.sequence").and_then(serde_json::Value::as_u64);
    events.sort_by_cached_key(|part| (number(part).unwrap_or(u64::MAX), part.order()));
    let mut units: Vec<Unit<'_>> = Vec::new();
    let mut has_request = false;
    for part in events {
        let name = name(part);
        let is_request = matches!(name, "api_request" | "api_error");
        if units.is_empty() || is_request && has_request {
            units.push(Unit::default());
            has_request = false;
        }
        has_request |= is_request;
        let Some(unit) = units.last_mut() else { continue };
        match name {
            "tool_decision" => {
                unit.decisions.push(part);
                unit.tools.push(ToolRun { parts: vec![part], downstream: Vec::new() });
            }
            "tool_result" => result(unit, part),
            // What tells most of the request stands first.
            _ if is_request => unit.accounts.insert(0, part),
            _ => unit.accounts.push(part),
        }
    }
    units
}

/// A result belongs to the decision with its call id; without one, to the first of that tool that has no result yet.
fn result<'a>(unit: &mut Unit<'a>, part: &'a Part) {
    let call = part.reading.text("tool.call_id");
    let tool = part.reading.text("tool.name");
    let fits = |run: &&mut ToolRun<'a>| {
        let is_open = run.parts.len() == 1 && run.parts.iter().all(|part| name(part) == "tool_decision");
        is_open && run.text("tool.name") == tool && run.text("tool.call_id") == call
    };
    match unit.tools.iter_mut().find(fits) {
        Some(run) => run.parts.push(part),
        None => unit.tools.push(ToolRun { parts: vec![part], downstream: Vec::new() }),
    }
}
