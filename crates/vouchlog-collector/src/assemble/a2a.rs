//! Agent-to-agent calls. A task lives longer than the call that gave it: its client asks again and again what became of it. Those
//! requests tell of the call that gave the task, and execute nothing themselves.

use super::part::Part;
use super::unit::{ToolRun, Unit, is_server};
use crate::dialect::Role;

/// Methods that ask for the state of a task, by their names in A2A 1.0 and in JSON-RPC of the versions before.
const POLLS: [&str; 4] = ["GetTask", "SubscribeToTask", "tasks/get", "tasks/resubscribe"];

/// Whether a part only asks what became of a task.
pub(super) fn is_poll(part: &Part) -> bool {
    let method = part.reading.text("a2a.method");
    part.role() == Role::A2a && method.is_some_and(|method| POLLS.contains(&method))
}

pub(super) fn is_polls(run: &ToolRun<'_>) -> bool {
    !run.parts.is_empty() && run.parts.iter().all(|part| is_poll(part))
}

/// Adds requests for the state of a task to the call that gave the task, else to each other.
pub(super) fn join_polls(runs: Vec<ToolRun<'_>>) -> Vec<ToolRun<'_>> {
    let (polls, mut joined): (Vec<_>, Vec<_>) = runs.into_iter().partition(is_polls);
    for mut poll in polls {
        let task = side_and_task(&poll);
        let home = joined.iter_mut().find(|run| task.is_some() && side_and_task(run) == task);
        match home {
            Some(run) => {
                run.parts.append(&mut poll.parts);
                run.downstream.append(&mut poll.downstream);
            }
            None => joined.push(poll),
        }
    }
    joined
}

/// The service that tells of a call, on which side of it, and the task.
fn side_and_task<'a>(run: &ToolRun<'a>) -> Option<(&'a str, bool, &'a str)> {
    let first = run.parts.first().copied().filter(|part| part.role() == Role::A2a)?;
    let task = run.parts.iter().find_map(|part| part.reading.text("correlation.a2a_task"))?;
    Some((first.service(), is_server(first), task))
}

/// What a task's record is remembered by: an answer's key, since a task is what was answered.
pub(super) fn keys<'a>(unit: &'a Unit<'_>) -> impl Iterator<Item = String> + 'a {
    let tasks = unit.tools.iter().filter_map(side_and_task);
    tasks.map(|(service, is_server, task)| {
        format!("a2a {} {service} {task}", if is_server { "server" } else { "client" })
    })
}

/// Whether a unit has nothing but requests for the state of tasks.
pub(super) fn asks_only(unit: &Unit<'_>) -> bool {
    let is_bare =
        [&unit.accounts, &unit.messages, &unit.decisions, &unit.sources].iter().all(|it| it.is_empty());
    is_bare && !unit.tools.is_empty() && unit.tools.iter().all(is_polls)
}

/// The state that was reported last, by the words of a record, and when.
pub(super) fn state<'a>(parts: impl IntoIterator<Item = &'a Part>) -> Option<(&'static str, u64)> {
    let told = parts.into_iter().filter_map(|part| {
        let state = word(part.reading.text("a2a.state")?)?;
        Some((part.stated().end.unwrap_or(part.times().1), state))
    });
    told.max_by_key(|(at, _)| *at).map(|(at, state)| (state, at))
}

fn word(said: &str) -> Option<&'static str> {
    Some(match said.strip_prefix("task_state_").unwrap_or(said) {
        "submitted" => "submitted",
        "working" => "working",
        "input_required" => "input_required",
        "completed" => "completed",
        "failed" => "failed",
        "canceled" | "cancelled" => "canceled",
        "rejected" => "rejected",
        "auth_required" => "auth_required",
        _ => return None,
    })
}
