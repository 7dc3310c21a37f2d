//! R32, R34 to R38: stronger authentication, approval and override.

use jiff::Timestamp;
use vouchlog_record::{
    Approval, ApprovalSource, ApprovalState, ApproverKind, Enforced, OutcomeState, Tool, ToolStatus, Verdict,
};

use crate::case::Case;
use crate::field_view::{FieldView, view};
use crate::rule::{RULE, Reporter, Rule};
use crate::terms::{AskedOf, Definition, Severity};

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
            record: Some(override_reason), asked_of: AskedOf::Interactions, ..RULE },
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

fn step_up(case: &Case<'_>, report: &mut Reporter<'_>) {
    let state = view(&case.body.approval).then(|approval| &approval.state);
    if state.value() == Some(&ApprovalState::Approved) {
        return;
    }
    report.known(view(&case.body.policy), "/policy");
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}/enforced");
        match decision.verdict.value() {
            Some(Verdict::StepUp | Verdict::Escalate) => {}
            // It may have asked for approval.
            None if decision.enforced.value() != Some(&Enforced::Deny) => {
                report.known(view(&decision.verdict), &format!("/policy/{place}/verdict"));
                continue;
            }
            _ => continue,
        }
        match decision.enforced.value() {
            Some(Enforced::Deny) => {}
            None => {
                report
                    .unknown([at], "approval was required, and whether the action continued is not recorded");
            }
            Some(Enforced::Allow | Enforced::Modify) => {
                let places = [at.as_str(), "/approval/state"];
                match state {
                    FieldView::Withheld => report.unknown(places, "the approval is withheld"),
                    FieldView::Absent => {
                        report.missing(places, "approval was required, and none is recorded");
                    }
                    _ => report.wrong(places, "approval was required, and the action continued without it"),
                }
            }
        }
    }
}

/// A tool call that was run, cannot be undone, and must be approved by a person.
fn irreversible<'a>(case: &Case<'a>) -> Option<(usize, &'a Tool)> {
    let asks = case.requirements.human_approval_of_irreversible;
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

fn not_approved(case: &Case<'_>, report: &mut Reporter<'_>) {
    if !is_done(case) {
        return;
    }
    let at = "/approval/state";
    let approval = view(&case.body.approval);
    let state = approval.then(|approval| &approval.state);
    let approved = state.value() == Some(&ApprovalState::Approved);
    if let Some((place, tool)) = irreversible(case) {
        let places = [at.to_owned(), format!("/tools/{place}")];
        let kind = approval.then(|approval| &approval.approver_kind);
        let told = tool.side_effect.value().is_some() && tool.irreversible.value().is_some();
        match (approved, kind) {
            (true, FieldView::Value(ApproverKind::Human)) => {}
            (true, FieldView::Absent | FieldView::Withheld) => {
                report.unknown(places, "whether a person approved is not recorded");
            }
            _ if state.is_withheld() => report.unknown(places, "the approval is withheld"),
            _ if !told => report
                .unknown(places, "whether the call can be undone is not recorded, and no person approved it"),
            _ if matches!(approval, FieldView::Absent) => {
                report.missing(places, "the call cannot be undone, and no approval is recorded");
            }
            _ => report.wrong(places, "the call cannot be undone, and no person approved it"),
        }
        return;
    }
    let by_a_person = approval.then(|approval| &approval.approver_kind).value() == Some(&ApproverKind::Human);
    if case.requirements.human_approval_of_irreversible && !(approved && by_a_person) {
        report.known(view(&case.body.tools), "/tools");
    }
    if approved {
        return;
    }
    match report.known(approval.then(|approval| &approval.required), "/approval/required") {
        Some(true) if state.is_withheld() => {
            report.unknown([at], "the approval is withheld");
        }
        Some(true) if case.outcome().value().is_none() && case.run_tools().next().is_none() => {
            report.unknown(
                [at],
                "a required approval was not given, and whether the action was executed is not recorded",
            );
        }
        Some(true) if state.value().is_none() => {
            report.missing([at], "an approval was required, and none is recorded");
        }
        Some(true) => report.wrong([at], "an approval was required, and the action was executed without it"),
        _ => {}
    }
}

fn self_approval(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(approval) = given(case) else { return };
    let at = "/approval/approver";
    let Some(approver) = report.known(view(&approval.approver).text(), at) else { return };
    let workload = view(&case.body.workload);
    let is_workload = workload.then(|workload| &workload.id).value() == Some(approver);
    let agent = workload.then(|workload| &workload.agent).then(|agent| &agent.id);
    let agent = report.known(agent, "/workload/agent/id");
    if case.is_initiator(approver) || is_workload || agent == Some(approver) {
        report.wrong([at], "the approver is also the requester or the executor");
    } else if case.may_be_initiator(approver)
        || view(&case.body.initiator).then(|initiator| &initiator.sub).is_withheld()
    {
        report.unknown([at], "the initiator or its issuer is not available");
    }
}

/// When the approval had to be there: the first tool call that it may be for, or the end where there is none.
fn needed_at(case: &Case<'_>) -> Option<Timestamp> {
    let may_need = |tool: &Tool| tool.side_effect.value() != Some(&false) || is_held_up(case, tool);
    first_start(case, may_need)
        // No tool call needs it: it is then taken to be for whatever came first.
        .or_else(|| first_start(case, |_| true))
        .or_else(|| case.time(|time| &time.end).value().copied())
}

/// Whether a policy held the tool call up until someone approves.
fn is_held_up(case: &Case<'_>, tool: &Tool) -> bool {
    case.decisions().any(|(_, decision)| {
        matches!(decision.verdict.value(), Some(Verdict::StepUp | Verdict::Escalate))
            && decision.target.value().is_some_and(|target| tool.call_id.value() == Some(target))
    })
}

/// When the first of the chosen tool calls started.
fn first_start(case: &Case<'_>, chosen: impl Fn(&Tool) -> bool) -> Option<Timestamp> {
    let chosen = case.run_tools().filter(|(_, tool)| chosen(tool));
    chosen.filter_map(|(_, tool)| tool.start.value().copied()).min()
}

fn outside_window(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(approval) = given(case) else { return };
    let at = report.known(view(&approval.at), "/approval/at");
    let expires = report.known(view(&approval.expires), "/approval/expires");
    let Some(needed) = needed_at(case) else { return };
    if at.is_some_and(|at| *at > needed) {
        report.wrong(["/approval/at"], format!("approved after the action at {needed:.0}"));
    }
    if expires.is_some_and(|expires| *expires < needed) {
        report.wrong(
            ["/approval/expires"],
            format!("the approval had expired before the action at {needed:.0}"),
        );
    }
}

fn human_claim(case: &Case<'_>, report: &mut Reporter<'_>) {
    let Some(approval) = given(case) else { return };
    let at = "/approval/source";
    if report.known(view(&approval.approver_kind), "/approval/approver_kind") != Some(&ApproverKind::Human) {
        return;
    }
    match view(&approval.source) {
        FieldView::Value(ApprovalSource::User) => {}
        FieldView::Value(_) => {
            report.wrong([at], "a person is recorded as the approver, but no person answered");
        }
        FieldView::NotApplicable => {
            report.unknown([at], "a person approved, so the source of the approval must be recorded");
        }
        other => {
            report.known(other, at);
        }
    }
}

fn override_reason(case: &Case<'_>, report: &mut Reporter<'_>) {
    let over = view(&case.body.r#override);
    if matches!(over, FieldView::Absent) {
        let words = "not recorded: whether anyone overrode a decision (`override`)";
        return report.unknown(["/override"], words);
    }
    let Some(over) = report.known(over, "/override") else { return };
    report.require(view(&over.by).text(), "/override/by", "who overrode the decision is not recorded");
    report.require(view(&over.from), "/override/from", "the overridden decision is not recorded");
    report.require(view(&over.reason).text(), "/override/reason", "no reason code is recorded");
}
