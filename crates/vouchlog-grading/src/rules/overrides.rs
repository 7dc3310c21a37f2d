//! Overrides of decisions: who gave them, and when.

use jiff::Timestamp;
use vouchlog_record::{Enforced, OneOrMany, Override, PolicyDecision, PolicyPhase};

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
    let initiator = view(&case.body.initiator);
    let workload = view(&case.body.workload);
    let agent = workload.then(|workload| &workload.agent);
    let parties = [
        // Of an application's call, its end user is the one who asked.
        initiator.then(|initiator| &initiator.end_user),
        initiator.then(|initiator| &initiator.pseudonym),
        workload.then(|workload| &workload.id),
        workload.then(|workload| &workload.service_account),
        agent.then(|agent| &agent.id),
        agent.then(|agent| &agent.name),
    ];
    let parties = parties.into_iter().filter_map(|party| party.text().value().map(String::as_str));
    let chain = view(&case.body.authority).then(|authority| &authority.chain).value();
    let hops = chain.into_iter().flatten().filter_map(|hop| hop.principal());
    // The initiator is compared by itself, with its issuer.
    let hops = hops.filter(|hop| !case.is_initiator(hop));
    let same: Vec<_> = parties.chain(hops).map(|party| same_name(name, party)).collect();
    let asked = same_as_initiator(case, name);
    if asked == SameName::Yes || same.contains(&SameName::Yes) {
        return Independence::Party;
    }
    if asked == SameName::Perhaps || initiator.then(|initiator| &initiator.sub).is_withheld() {
        return Independence::Unknown("the initiator or its issuer is not available, or its name is similar");
    }
    if same.contains(&SameName::Perhaps) {
        return Independence::Unknown("the name is similar to that of the requester or the executor");
    }
    match agent.then(|agent| &agent.id) {
        FieldView::Withheld => Independence::Unknown("/workload/agent/id is withheld"),
        FieldView::Absent => Independence::Unknown("not recorded: /workload/agent/id"),
        FieldView::Value(_) | FieldView::NotApplicable => Independence::Another,
    }
}

fn same_as_initiator(case: &Case<'_>, name: &str) -> SameName {
    let initiator = view(&case.body.initiator);
    let Some(sub) = initiator.then(|initiator| &initiator.sub).value() else { return SameName::No };
    if case.is_initiator(name) {
        return SameName::Yes;
    }
    match case.record.initiator() {
        // Both have an issuer.
        Some(full) if name.contains('|') && full.contains('|') => same_name(name, &full),
        _ => same_name(name, sub),
    }
}

/// Whether two names are of one person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SameName {
    Yes,
    /// They differ in case or white space alone, or one of them lacks its issuer.
    Perhaps,
    No,
}

/// Whether two names are of one person. A name may have its issuer before it, as in `iss|sub`.
pub(super) fn same_name(one: &str, other: &str) -> SameName {
    if one == other {
        return SameName::Yes;
    }
    let (one, other) = (one.trim(), other.trim());
    let sub =
        |name: &str| name.rsplit_once('|').map_or_else(|| name.to_lowercase(), |(_, sub)| sub.to_lowercase());
    let is_similar = match (one.contains('|'), other.contains('|')) {
        (true, true) | (false, false) => one.to_lowercase() == other.to_lowercase(),
        _ => sub(one) == sub(other),
    };
    if is_similar { SameName::Perhaps } else { SameName::No }
}

/// When an override was given, beside the action.
pub(super) enum Timing {
    InTime,
    /// After the action at this time.
    Late(Timestamp),
    Unknown(String),
}

/// Whether an override was given before the action that it allowed: before all that were decided on under the id that it names.
pub(super) fn timing(case: &Case<'_>, over: &Override) -> Timing {
    let at = match view(&over.at) {
        FieldView::Value(at) => *at,
        FieldView::Withheld => return Timing::Unknown("the time of the override is withheld".to_owned()),
        FieldView::Absent | FieldView::NotApplicable => {
            return Timing::Unknown("the time of the override is not recorded".to_owned());
        }
    };
    let named = view(&over.decision_id).text().value();
    let overridden = case.decisions().map(|(_, decision)| decision);
    let overridden: Vec<_> = overridden
        .filter(|decision| named.is_some() && decision.decision_id.value() == named)
        .map(|decision| action(case, Some(decision)))
        .collect();
    let actions = if overridden.is_empty() { vec![action(case, None)] } else { overridden };
    let first = actions.iter().flatten().min();
    match first {
        Some(action) if at > *action => Timing::Late(*action),
        _ if actions.contains(&None) => Timing::Unknown("the time of the action is not recorded".to_owned()),
        _ => Timing::InTime,
    }
}

/// When that was done which a decision was about.
fn action(case: &Case<'_>, decision: Option<&PolicyDecision>) -> Option<Timestamp> {
    let end = case.time(|time| &time.end).value();
    if let Some(decision) = decision {
        if let Some(target) = decision.target.value() {
            let its = case.run_tools().filter(|(_, tool)| tool.call_id.value() == Some(target));
            let starts: Vec<_> = its.map(|(_, tool)| tool.start.value().copied()).collect();
            if !starts.is_empty() {
                return if starts.contains(&None) { None } else { starts.into_iter().flatten().min() };
            }
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
    let decision_id = view(&decision.decision_id).text().value();
    let is_its = |over: &&Override| decision_id.is_some() && over.decision_id.value() == decision_id;
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
        if over.to.value() == Some(&Enforced::Deny) {
            found = Overriding::Void("the override confirmed the denial");
            continue;
        }
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
