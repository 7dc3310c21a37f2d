//! R32, R34 to R38: stronger authentication, approval and override.

use jiff::Timestamp;

use super::look::{Case, Found, Seen, seen};
use super::{Definition, RULE, Rule, Severity};
use crate::{
    Approval, ApprovalSource, ApprovalState, ApproverKind, Enforced, OutcomeState, Tool, ToolStatus, Verdict,
};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Identity, Trail};
    vec![
        Rule { code: "R32", name: "STEP_UP_UNRESOLVED", serves: &[Identity],
            says: "a policy required approval, and the action continued without it",
            remedy: "wait for the approval; record `approval.state: approved` with who and when",
            record: Some(step_up), ..RULE },
        Rule { code: "R34", name: "APPROVAL_MISSING", severity: Severity::Critical, serves: &[Identity],
            says: "a required approval was not given, and the action was executed",
            remedy: "hold the action until it is approved; for what cannot be undone a person has to approve under the privileged profile",
            record: Some(not_approved), ..RULE },
        Rule { code: "R35", name: "SELF_APPROVAL", serves: &[Identity],
            says: "the requester approved the request",
            remedy: "have another person approve, and record `approval.approver`",
            record: Some(self_approval), ..RULE },
        Rule { code: "R36", name: "APPROVAL_OUTSIDE_WINDOW", serves: &[Identity],
            says: "the approval came after the action, or had expired",
            remedy: "approve before the action; record `approval.at` and `approval.expires`",
            record: Some(outside_window), ..RULE },
        Rule { code: "R37", name: "HUMAN_CLAIM_BY_POLICY", serves: &[Identity],
            says: "a person is recorded as the approver, and a program approved",
            remedy: "record `approval.source` as it was, and `approver_kind: policy` where a rule approved",
            record: Some(human_claim), ..RULE },
        Rule { code: "R38", name: "OVERRIDE_WITHOUT_REASON", serves: &[Trail],
            says: "an override lacks its author, the decision it overrides, or its reason; or it is not recorded whether there was one",
            remedy: "record `override.by`, `from` and `reason`; where nothing was overridden, say that it is not applicable",
            record: Some(override_reason), asked_of: super::AskedOf::Interactions, ..RULE },
    ]
}

/// The approval, unless it says of itself that it is none. One without a state may be one.
fn given<'a>(case: &Case<'a>) -> Option<&'a Approval> {
    use ApprovalState::{Expired, NotRequired, Pending, Rejected};
    let none = |approval: &&Approval| {
        matches!(approval.state.value(), Some(NotRequired | Pending | Rejected | Expired))
    };
    case.body.approval.value().filter(|approval| !none(approval))
}

fn step_up(case: &Case<'_>, found: &mut Found<'_>) {
    let state = seen(&case.body.approval).then(|approval| &approval.state);
    if state.value() == Some(&ApprovalState::Approved) {
        return;
    }
    found.told(seen(&case.body.policy), "/policy");
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}/enforced");
        match decision.verdict.value() {
            Some(Verdict::StepUp | Verdict::Escalate) => {}
            // It may have asked for approval.
            None if decision.enforced.value() != Some(&Enforced::Deny) => {
                found.told(seen(&decision.verdict), &format!("/policy/{place}/verdict"));
                continue;
            }
            _ => continue,
        }
        match decision.enforced.value() {
            Some(Enforced::Deny) => {}
            None => {
                found
                    .unknown([at], "approval was required, and whether the action continued is not recorded");
            }
            Some(Enforced::Allow | Enforced::Modify) => {
                let places = [at.as_str(), "/approval/state"];
                match state {
                    Seen::Withheld => found.unknown(places, "the approval is withheld"),
                    Seen::Absent => found.missing(places, "approval was required, and none is recorded"),
                    _ => found.wrong(places, "approval was required, and the action continued without it"),
                }
            }
        }
    }
}

/// A tool call that was run, cannot be undone, and must be approved by a person.
fn irreversible<'a>(case: &Case<'a>) -> Option<(usize, &'a Tool)> {
    let asks = case.asks.human_approval_of_irreversible;
    case.run_tools().filter(|_| asks).find(|(_, tool)| {
        // What changes nothing can be undone. Where nobody says, the worse is assumed.
        tool.side_effect.value() != Some(&false) && tool.irreversible.value() != Some(&false)
    })
}

fn is_done(case: &Case<'_>) -> bool {
    let ran = case.run_tools().any(|(_, tool)| tool.status.value() != Some(&ToolStatus::Failed));
    !case.is_intent()
        && (ran || !case.ended_early() || case.outcome().value() == Some(&OutcomeState::Executed))
}

fn not_approved(case: &Case<'_>, found: &mut Found<'_>) {
    if !is_done(case) {
        return;
    }
    let at = "/approval/state";
    let approval = seen(&case.body.approval);
    let state = approval.then(|approval| &approval.state);
    let approved = state.value() == Some(&ApprovalState::Approved);
    if let Some((place, tool)) = irreversible(case) {
        let places = [at.to_owned(), format!("/tools/{place}")];
        let kind = approval.then(|approval| &approval.approver_kind);
        let told = tool.side_effect.value().is_some() && tool.irreversible.value().is_some();
        match (approved, kind) {
            (true, Seen::Value(ApproverKind::Human)) => {}
            (true, Seen::Absent | Seen::Withheld) => {
                found.unknown(places, "whether a person approved is not recorded");
            }
            _ if state.is_withheld() => found.unknown(places, "the approval is withheld"),
            _ if !told => found
                .unknown(places, "whether the call can be undone is not recorded, and no person approved it"),
            _ if matches!(approval, Seen::Absent) => {
                found.missing(places, "the call cannot be undone, and no approval is recorded");
            }
            _ => found.wrong(places, "the call cannot be undone, and no person approved it"),
        }
        return;
    }
    let by_a_person = approval.then(|approval| &approval.approver_kind).value() == Some(&ApproverKind::Human);
    if case.asks.human_approval_of_irreversible && !(approved && by_a_person) {
        found.told(seen(&case.body.tools), "/tools");
    }
    if approved {
        return;
    }
    match found.told(approval.then(|approval| &approval.required), "/approval/required") {
        Some(true) if state.is_withheld() => {
            found.unknown([at], "the approval is withheld");
        }
        Some(true) if case.outcome().value().is_none() && case.run_tools().next().is_none() => {
            found.unknown(
                [at],
                "a required approval was not given, and whether the action was executed is not recorded",
            );
        }
        Some(true) if state.value().is_none() => {
            found.missing([at], "an approval was required, and none is recorded");
        }
        Some(true) => found.wrong([at], "an approval was required, and the action was executed without it"),
        _ => {}
    }
}

fn self_approval(case: &Case<'_>, found: &mut Found<'_>) {
    let Some(approval) = given(case) else { return };
    let at = "/approval/approver";
    let Some(approver) = found.told(seen(&approval.approver).text(), at) else { return };
    let workload = seen(&case.body.workload);
    let is_workload = workload.then(|workload| &workload.id).value() == Some(approver);
    let agent = workload.then(|workload| &workload.agent).then(|agent| &agent.id);
    let agent = found.told(agent, "/workload/agent/id");
    if case.is_initiator(approver) || is_workload || agent == Some(approver) {
        found.wrong([at], "the approver is also the requester or the executor");
    } else if case.may_be_initiator(approver)
        || seen(&case.body.initiator).then(|initiator| &initiator.sub).is_withheld()
    {
        found.unknown([at], "the initiator or its issuer is not available");
    }
}

/// When the approval had to be there: the first tool call that it may be for, or the end where there is none.
fn needed_at(case: &Case<'_>) -> Option<Timestamp> {
    let held_up = |tool: &Tool| {
        case.decisions().any(|(_, decision)| {
            matches!(decision.verdict.value(), Some(Verdict::StepUp | Verdict::Escalate))
                && decision.target.value().is_some_and(|target| tool.call_id.value() == Some(target))
        })
    };
    let starts = |may_need: &dyn Fn(&Tool) -> bool| {
        case.run_tools()
            .filter(|(_, tool)| may_need(tool))
            .filter_map(|(_, tool)| tool.start.value().copied())
            .min()
    };
    starts(&|tool| tool.side_effect.value() != Some(&false) || held_up(tool))
        .or_else(|| starts(&|_| true))
        .or_else(|| case.time(|time| &time.end).value().copied())
}

fn outside_window(case: &Case<'_>, found: &mut Found<'_>) {
    let Some(approval) = given(case) else { return };
    let at = found.told(seen(&approval.at), "/approval/at");
    let expires = found.told(seen(&approval.expires), "/approval/expires");
    let Some(needed) = needed_at(case) else { return };
    if at.is_some_and(|at| *at > needed) {
        found.wrong(["/approval/at"], format!("approved after the action at {needed:.0}"));
    }
    if expires.is_some_and(|expires| *expires < needed) {
        found.wrong(
            ["/approval/expires"],
            format!("the approval had expired before the action at {needed:.0}"),
        );
    }
}

fn human_claim(case: &Case<'_>, found: &mut Found<'_>) {
    let Some(approval) = given(case) else { return };
    let at = "/approval/source";
    if found.told(seen(&approval.approver_kind), "/approval/approver_kind") != Some(&ApproverKind::Human) {
        return;
    }
    match seen(&approval.source) {
        Seen::Value(ApprovalSource::User) => {}
        Seen::Value(_) => found.wrong([at], "a person is recorded as the approver, but no person answered"),
        Seen::NotApplicable => {
            found.unknown([at], "a person approved, so the source of the approval must be recorded");
        }
        other => {
            found.told(other, at);
        }
    }
}

fn override_reason(case: &Case<'_>, found: &mut Found<'_>) {
    let over = seen(&case.body.r#override);
    if matches!(over, Seen::Absent) {
        let words = "not recorded: whether anyone overrode a decision (`override`)";
        return found.unknown(["/override"], words);
    }
    let Some(over) = found.told(over, "/override") else { return };
    found.require(seen(&over.by).text(), "/override/by", "who overrode the decision is not recorded");
    found.require(seen(&over.from), "/override/from", "the overridden decision is not recorded");
    found.require(seen(&over.reason).text(), "/override/reason", "no reason code is recorded");
}
