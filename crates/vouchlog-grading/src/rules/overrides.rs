//! Overrides of decisions: who gave them, and when.

use jiff::Timestamp;
use vouchlog_record::{OneOrMany, Override, PolicyDecision, PolicyPhase};

use crate::case::Case;
use crate::field_view::{FieldView, view};

/// The overrides, each with its JSON pointer.
pub(super) fn overrides<'a>(case: &Case<'a>) -> Vec<(String, &'a Override)> {
    case.body.r#override.value().into_iter().flat_map(|overrides| overrides.places("/override")).collect()
}

/// Whether a person is neither the requester nor the executor.
pub(super) enum Independence {
    Another,
    /// The initiator, the workload, its agent, or one the authority passed through.
    Party,
    Unknown(&'static str),
}

/// Whether `name` is neither the requester nor the executor of a record.
pub(super) fn independence(case: &Case<'_>, name: &str) -> Independence {
    let is = |field: FieldView<'_, String>| field.value().is_some_and(|value| value == name);
    let workload = view(&case.body.workload);
    let agent = workload.then(|workload| &workload.agent);
    let executors = [
        workload.then(|workload| &workload.id),
        workload.then(|workload| &workload.service_account),
        agent.then(|agent| &agent.id),
        agent.then(|agent| &agent.name),
    ];
    let chain = view(&case.body.authority).then(|authority| &authority.chain).value();
    let acts = chain.is_some_and(|chain| chain.iter().any(|hop| hop.principal() == Some(name)));
    if case.is_initiator(name) || acts || executors.into_iter().any(is) {
        return Independence::Party;
    }
    if case.may_be_initiator(name)
        || view(&case.body.initiator).then(|initiator| &initiator.sub).is_withheld()
    {
        return Independence::Unknown("the initiator or its issuer is not available");
    }
    match agent.then(|agent| &agent.id) {
        FieldView::Withheld => Independence::Unknown("/workload/agent/id is withheld"),
        FieldView::Absent => Independence::Unknown("not recorded: /workload/agent/id"),
        FieldView::Value(_) | FieldView::NotApplicable => Independence::Another,
    }
}

/// When an override was given, beside the action.
pub(super) enum Timing {
    InTime,
    /// After the action at this time.
    Late(Timestamp),
    Unknown(String),
}

/// Whether an override was given before the action that it allowed.
pub(super) fn timing(case: &Case<'_>, over: &Override) -> Timing {
    let at = match view(&over.at) {
        FieldView::Value(at) => *at,
        FieldView::Withheld => return Timing::Unknown("the time of the override is withheld".to_owned()),
        FieldView::Absent | FieldView::NotApplicable => {
            return Timing::Unknown("the time of the override is not recorded".to_owned());
        }
    };
    let overridden = over.decision_id.value().and_then(|id| {
        case.decisions()
            .map(|(_, decision)| decision)
            .find(|decision| decision.decision_id.value() == Some(id))
    });
    match action(case, overridden) {
        Some(action) if at > action => Timing::Late(action),
        Some(_) => Timing::InTime,
        None => Timing::Unknown("the time of the action is not recorded".to_owned()),
    }
}

/// When that was done which a decision was about.
fn action(case: &Case<'_>, decision: Option<&PolicyDecision>) -> Option<Timestamp> {
    let end = case.time(|time| &time.end).value();
    if let Some(decision) = decision {
        if let Some(target) = decision.target.value()
            && let Some((_, tool)) = case.run_tools().find(|(_, tool)| tool.call_id.value() == Some(target))
        {
            return tool.start.value().copied();
        }
        if decision.phase.value() == Some(&PolicyPhase::Output) {
            // The answer is held back until a decision on it is made, which may be after the model has ended.
            return end.max(case.time(|time| &time.received).value()).copied();
        }
    }
    let started = case.run_tools().filter_map(|(_, tool)| tool.start.value()).min();
    started.or(end).copied()
}

/// Whether an override of a decision holds: it names the decision, and another person gave it in time.
pub(super) fn overriding(case: &Case<'_>, decision: &PolicyDecision) -> Overriding {
    let all = view(&case.body.r#override);
    let is_its = |over: &&Override| {
        over.decision_id.value().is_some() && over.decision_id.value() == decision.decision_id.value()
    };
    let Some(list) = all.value().map(OneOrMany::as_slice) else {
        return match all {
            FieldView::Withheld => Overriding::Unknown("the override is withheld".to_owned()),
            FieldView::Absent => Overriding::Missing,
            FieldView::Value(_) | FieldView::NotApplicable => Overriding::None,
        };
    };
    let mut found = Overriding::None;
    if list.iter().any(|over| view(&over.decision_id).is_withheld()) {
        found = Overriding::Unknown("the decision that was overridden is withheld".to_owned());
    }
    for over in list.iter().filter(is_its) {
        let by = match view(&over.by).text() {
            FieldView::Value(by) => independence(case, by),
            _ => Independence::Unknown("who overrode the decision is not recorded"),
        };
        match (by, timing(case, over)) {
            (Independence::Another, Timing::InTime) => return Overriding::Holds,
            (Independence::Party, _) => found = Overriding::Void("the requester or the executor overrode it"),
            (_, Timing::Late(_)) => found = Overriding::Void("it was overridden only after the action"),
            (Independence::Unknown(why), _) => found = Overriding::Unknown(why.to_owned()),
            (_, Timing::Unknown(why)) => found = Overriding::Unknown(why),
        }
    }
    found
}

/// Whether a decision was overridden.
pub(super) enum Overriding {
    Holds,
    /// It was, but by a person who may not override it, or too late.
    Void(&'static str),
    /// It was not.
    None,
    /// Whether it was is not recorded.
    Missing,
    Unknown(String),
}
