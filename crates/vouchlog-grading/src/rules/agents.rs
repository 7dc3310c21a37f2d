//! R85: whether the agent was in service, by the registry of agents.

use jiff::Timestamp;
use vouchlog_record::RegisteredAgent;

use crate::case::{Case, UncertainTime};
use crate::field_view::{FieldView, view};
use crate::rule::Reporter;

const AGENT: &str = "/workload/agent/id";

/// R85. Asked only where the log has a registry of agents.
pub(super) fn not_in_service(case: &Case<'_>, report: &mut Reporter<'_>) {
    if !case.context.has_agents() {
        return;
    }
    let agent = view(&case.body.workload).then(|workload| &workload.agent).then(|agent| &agent.id).text();
    let Some(id) = report.known(agent, AGENT) else { return };
    match case.context.registered_agent(id) {
        Some(registered) => in_service(case, registered, report),
        None => report.unknown([AGENT], format!("the registry of agents has no agent {id}")),
    }
}

fn in_service(case: &Case<'_>, agent: &RegisteredAgent, report: &mut Reporter<'_>) {
    let (created, retired) = (view(&agent.created), view(&agent.retired));
    if created.is_withheld() || retired.is_withheld() {
        report.unknown([AGENT], "when the agent was in service is withheld in the registry of agents");
    }
    if created.value().is_none() && retired.value().is_none() {
        return;
    }
    let times = times(case);
    let Some((first, last)) = times.iter().min().zip(times.iter().max()) else {
        return report.unknown(["/time/start"], "the time of the action is not recorded");
    };
    let at = |at: Timestamp| UncertainTime { what: "", at, error: case.clock_error() };
    if let FieldView::Value(retired) = retired {
        if at(*last).earliest() >= *retired {
            report.wrong([AGENT], format!("the agent acted at {last:.0}; it was retired at {retired:.0}"));
        } else if at(*last).latest() >= *retired {
            report.unknown(
                [AGENT],
                format!("the agent acted at {last:.0}, too close to its retirement at {retired:.0}"),
            );
        }
    }
    if let FieldView::Value(created) = created {
        if at(*first).latest() < *created {
            report.wrong(
                [AGENT],
                format!("the agent acted at {first:.0}; it was put into service at {created:.0}"),
            );
        } else if at(*first).earliest() < *created {
            report.unknown(
                [AGENT],
                format!("the agent acted at {first:.0}, too close to its start of service at {created:.0}"),
            );
        }
    }
}

/// When the agent did something: it began, it ran a tool. That an answer took longer is not its doing.
fn times(case: &Case<'_>) -> Vec<Timestamp> {
    let start = case.time(|time| &time.start).value();
    let tools = case.run_tools().filter_map(|(_, tool)| tool.start.value());
    start.into_iter().chain(tools).copied().collect()
}
