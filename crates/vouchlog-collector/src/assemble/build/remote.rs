//! Agents elsewhere that were called, beside the one that executed.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::a2a;
use super::super::fields::{AGENT, calls_agent, passes_on, put};
use super::super::part::Part;
use super::super::unit::{Unit, is_server};
use super::stamp;
use crate::dialect::Role;
use crate::limits::MAX_LISTED;

/// Puts the agents that a unit called into its record, and the state of the task that it worked on itself.
pub(super) fn put_in(unit: &Unit<'_>, object: &mut Map<String, Value>) {
    if !unit.creates_agent() {
        let mut agents: Vec<Value> = calls(unit).iter().filter_map(|call| agent(call)).collect();
        agents.dedup();
        agents.truncate(MAX_LISTED);
        if !agents.is_empty() {
            object.insert("remote_agents".into(), agents.into());
        }
    }
    let served = unit.parts().chain(unit.above.iter().copied());
    let served = served.filter(|part| part.role() == Role::A2a && is_server(part));
    if let Some((state, _)) = a2a::state(served) {
        put(object, "correlation.a2a_task_state", state.into());
    }
}

/// The parts that describe each call of an agent elsewhere.
fn calls<'a>(unit: &Unit<'a>) -> Vec<Vec<&'a Part>> {
    let of_run = |parts: &[&'a Part]| -> Vec<&'a Part> {
        parts.iter().copied().filter(|part| calls_agent(part)).collect()
    };
    let mut calls: Vec<Vec<&Part>> = unit.tools.iter().map(|run| of_run(&run.parts)).collect();
    // The span above a call over the protocol may describe the same call.
    if let [only] = calls.as_mut_slice() {
        only.extend(unit.above.iter().copied().filter(|above| passes_on(unit, above)));
    }
    calls.extend(unit.accounts.iter().map(|part| of_run(&[part])));
    calls.retain(|parts| !parts.is_empty());
    calls
}

fn agent(parts: &[&Part]) -> Option<Value> {
    let field = |name: &str| parts.iter().find_map(|part| part.reading.fields.get(name)).cloned();
    let mut agent = Map::new();
    for name in ["id", "name", "version"] {
        agent.extend(field(&format!("{AGENT}{name}")).map(|value| (name.to_owned(), value)));
    }
    for (name, from) in
        [("endpoint", ["tool.server", "model.endpoint"]), ("task", ["correlation.a2a_task"; 2])]
    {
        let value = from.into_iter().find_map(field);
        agent.extend(value.map(|value| (name.to_owned(), value)));
    }
    agent.extend(field("correlation.a2a_context").map(|value| ("context".to_owned(), value)));
    if let Some((state, at)) = a2a::state(parts.iter().copied()) {
        agent.insert("state".into(), state.into());
        agent.extend(stamp(at).map(|at| ("state_at".to_owned(), at)));
    }
    let polls: BTreeSet<_> =
        parts.iter().filter(|part| a2a::is_poll(part)).filter_map(|part| part.span_key()).collect();
    if agent.is_empty() {
        return None;
    }
    if !polls.is_empty() {
        agent.insert("polls".into(), polls.len().into());
    }
    Some(agent.into())
}
