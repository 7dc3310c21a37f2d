//! R32, R34 to R38: stronger authentication, approval and override.

use jiff::Timestamp;
use vouchlog_record::{
    Approval, ApprovalSource, ApprovalState, ApproverKind, Enforced, Field, OutcomeState, PolicyDecision,
    Tool, ToolStatus, Verdict,
};

use crate::case::Case;
use crate::field_view::{FieldView, same_content, view};
use crate::rule::{RULE, Reporter, Rule};
use crate::rules::overrides::{Independence, SameName, Timing, independence, overrides, same_name, timing};
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
            says: "the requester approved the request or overrode the decision, or one person approved for several",
            remedy: "have another person approve or override, and record `approval.approver` and `override.by`",
            record: Some(self_approval), ..RULE },
        Rule { code: "R36", name: "APPROVAL_OUTSIDE_WINDOW", serves: &[Identity],
            says: "the approval or the override came after the action, or the approval had expired",
            remedy: "approve or override before the action; record `approval.at`, `approval.expires` and `override.at`",
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

/// The approvals, each with its JSON pointer.
fn approvals<'a>(case: &Case<'a>) -> Vec<(String, &'a Approval)> {
    case.body.approval.value().into_iter().flat_map(|approvals| approvals.places("/approval")).collect()
}

/// The approvals, but for those that say of themselves that they are none. One without a state may be one.
fn given<'a>(case: &Case<'a>) -> Vec<(String, &'a Approval)> {
    use ApprovalState::{Expired, NotRequired, Pending, Rejected};
    let none = |approval: &Approval| {
        matches!(approval.state.value(), Some(NotRequired | Pending | Rejected | Expired))
    };
    approvals(case).into_iter().filter(|(_, approval)| !none(approval)).collect()
}

/// Whether an approval is for a tool call: it names the call, or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IsFor {
    Call,
    Another,
    Unknown,
}

impl IsFor {
    fn of(approval: &Approval, tool: &Tool) -> Self {
        match view(&approval.target).text() {
            FieldView::Value(target) if tool.call_id.value() == Some(target) => Self::Call,
            FieldView::Value(_) if view(&tool.call_id).is_withheld() => Self::Unknown,
            FieldView::Value(_) => Self::Another,
            FieldView::Withheld => Self::Unknown,
            FieldView::Absent | FieldView::NotApplicable => Self::Call,
        }
    }
}

/// The state of the approvals for a tool call, or of all of them, together: what keeps them from being given, if anything does. Of
/// several, all have to be given; but not those for calls that were not run.
fn state<'a>(case: &Case<'a>, tool: Option<&Tool>) -> FieldView<'a, ApprovalState> {
    use ApprovalState::{Approved, NotRequired};
    let all = view(&case.body.approval);
    if all.value().is_none() {
        return all.then(|_| &Field::Absent);
    }
    let is_for = |approval: &Approval| match tool {
        Some(tool) => IsFor::of(approval, tool),
        None if case.run_tools().next().is_none() => IsFor::Call,
        None => {
            let any = |wanted| case.run_tools().any(|(_, tool)| IsFor::of(approval, tool) == wanted);
            [IsFor::Call, IsFor::Unknown].into_iter().find(|wanted| any(*wanted)).unwrap_or(IsFor::Another)
        }
    };
    // From what speaks most against an approval to what speaks for it.
    let weight = |state: &FieldView<'_, ApprovalState>| match state {
        FieldView::Value(Approved) => 3,
        FieldView::Value(NotRequired) => 4,
        FieldView::Value(_) => 0,
        FieldView::Withheld => 1,
        FieldView::Absent | FieldView::NotApplicable => 2,
    };
    let states = approvals(case).into_iter().filter_map(|(_, approval)| match is_for(approval) {
        IsFor::Call => Some(view(&approval.state)),
        IsFor::Unknown => Some(FieldView::Withheld),
        IsFor::Another => None,
    });
    states.min_by_key(weight).unwrap_or(FieldView::Absent)
}

/// A field of some approvals: the first value that is wanted, else whatever keeps it from being known.
fn among<'a, T>(
    case: &Case<'a>,
    approvals: &[(String, &'a Approval)],
    get: impl Fn(&'a Approval) -> &'a Field<T>,
    is_wanted: impl Fn(&T) -> bool,
) -> FieldView<'a, T> {
    let all = view(&case.body.approval);
    if all.value().is_none() {
        return all.then(|_| &Field::Absent);
    }
    let weight = |field: &FieldView<'_, T>| match field {
        FieldView::Value(value) if is_wanted(value) => 0,
        FieldView::Withheld => 1,
        FieldView::Absent => 2,
        FieldView::Value(_) | FieldView::NotApplicable => 3,
    };
    approvals.iter().map(|(_, approval)| view(get(approval))).min_by_key(weight).unwrap_or(FieldView::Absent)
}

fn step_up(case: &Case<'_>, report: &mut Reporter<'_>) {
    let is_approved = |tool| state(case, tool).value() == Some(&ApprovalState::Approved);
    if is_approved(None) && case.run_tools().all(|(_, tool)| is_approved(Some(tool))) {
        return;
    }
    report.known(view(&case.body.policy), "/policy");
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}/enforced");
        let held = case.run_tools().map(|(_, tool)| tool).find(|tool| is_target(decision, tool));
        let state = state(case, held);
        if state.value() == Some(&ApprovalState::Approved) {
            continue;
        }
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

/// The tool calls that were run, cannot be undone, and must be approved by a person.
fn irreversible<'a>(case: &Case<'a>) -> impl Iterator<Item = (usize, &'a Tool)> {
    let asks = case.requirements.human_approval_of_irreversible;
    case.run_tools().filter(move |_| asks).filter(|(_, tool)| {
        // What changes nothing can be undone. Where nobody says, the worse is assumed.
        tool.side_effect.value() != Some(&false) && tool.irreversible.value() != Some(&false)
    })
}

fn is_done(case: &Case<'_>) -> bool {
    let ran = case.run_tools().any(|(_, tool)| tool.status.value() != Some(&ToolStatus::Failed));
    !case.is_intent()
        && (ran || !case.ended_early() || case.outcome().value() == Some(&OutcomeState::Executed))
}

const fn is_person(kind: &ApproverKind) -> bool {
    matches!(kind, ApproverKind::Human)
}

/// Whether a person approved a call that cannot be undone.
fn not_approved_by_a_person(case: &Case<'_>, place: usize, tool: &Tool, report: &mut Reporter<'_>) {
    let places = ["/approval/state".to_owned(), format!("/tools/{place}")];
    let state = state(case, Some(tool));
    let mut its = given(case);
    its.retain(|(_, approval)| IsFor::of(approval, tool) != IsFor::Another);
    let kind = among(case, &its, |approval| &approval.approver_kind, is_person);
    let told = tool.side_effect.value().is_some() && tool.irreversible.value().is_some();
    match (state.value() == Some(&ApprovalState::Approved), kind) {
        (true, FieldView::Value(ApproverKind::Human)) => {}
        (true, FieldView::Absent | FieldView::Withheld) => {
            report.unknown(places, "whether a person approved is not recorded");
        }
        _ if state.is_withheld() => report.unknown(places, "the approval is withheld"),
        _ if !told => report
            .unknown(places, "whether the call can be undone is not recorded, and no person approved it"),
        _ if matches!(view(&case.body.approval), FieldView::Absent) => {
            report.missing(places, "the call cannot be undone, and no approval is recorded");
        }
        _ => report.wrong(places, "the call cannot be undone, and no person approved it"),
    }
}

fn not_approved(case: &Case<'_>, report: &mut Reporter<'_>) {
    if !is_done(case) {
        return;
    }
    let irreversible: Vec<_> = irreversible(case).collect();
    if !irreversible.is_empty() {
        irreversible
            .into_iter()
            .for_each(|(place, tool)| not_approved_by_a_person(case, place, tool, report));
        return;
    }
    let at = "/approval/state";
    let state = state(case, None);
    let kind = among(case, &given(case), |approval| &approval.approver_kind, is_person);
    let approved = state.value() == Some(&ApprovalState::Approved);
    let by_a_person = kind.value() == Some(&ApproverKind::Human);
    if case.requirements.human_approval_of_irreversible && !(approved && by_a_person) {
        report.known(view(&case.body.tools), "/tools");
    }
    if approved {
        return;
    }
    let required = among(case, &approvals(case), |approval| &approval.required, |required| *required);
    match report.known(required, "/approval/required") {
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
    let mut names: Vec<&String> = Vec::new();
    for (at, approval) in given(case) {
        let at = format!("{at}/approver");
        let Some(approver) = report.known(view(&approval.approver).text(), &at) else { continue };
        let same: Vec<_> = names.iter().map(|name| same_name(name, approver)).collect();
        if same.contains(&SameName::Yes) {
            report.wrong([at.as_str()], "one person approved more than once");
        } else if same.contains(&SameName::Perhaps) {
            report.unknown([at.as_str()], "two approvers have similar names, and may be one person");
        }
        names.push(approver);
        by_another(case, approver, &at, "the approver is also the requester or the executor", report);
    }
    for (at, over) in overrides(case) {
        let at = format!("{at}/by");
        // R38 reports one that is missing.
        if let Some(by) = view(&over.by).text().value() {
            by_another(case, by, &at, "the decision was overridden by the requester or the executor", report);
        }
    }
}

/// Whether a person is neither the requester nor the executor.
fn by_another(case: &Case<'_>, name: &str, at: &str, message: &str, report: &mut Reporter<'_>) {
    match independence(case, name) {
        Independence::Another => {}
        Independence::Party => report.wrong([at], message),
        Independence::Unknown(why) => report.unknown([at], why),
    }
}

/// When an approval has to be there.
enum Needed {
    /// From the first to the last of the tool calls that it may be for, or at the end where there is none.
    Between(Timestamp, Timestamp),
    /// What would tell is missing: its JSON pointer.
    Unknown(String),
    /// Nothing is done yet.
    NotYet,
}

fn needed(case: &Case<'_>, approval: &Approval) -> Needed {
    if case.is_intent() {
        return Needed::NotYet;
    }
    if matches!(view(&case.body.tools), FieldView::Absent | FieldView::Withheld) {
        return Needed::Unknown("/tools".to_owned());
    }
    let is_decided = view(&case.body.policy).value().is_some();
    let may_need =
        |tool: &Tool| tool.side_effect.value() != Some(&false) || !is_decided || is_held_up(case, tool);
    let its = case.run_tools().filter(|(_, tool)| IsFor::of(approval, tool) != IsFor::Another);
    let all: Vec<_> = its.collect();
    let needing: Vec<_> = all.iter().copied().filter(|(_, tool)| may_need(tool)).collect();
    let calls = if needing.is_empty() { &all } else { &needing };
    if let Some((place, _)) = calls.iter().find(|(_, tool)| tool.start.value().is_none()) {
        return Needed::Unknown(format!("/tools/{place}/start"));
    }
    let starts = || calls.iter().filter_map(|(_, tool)| tool.start.value().copied());
    match (starts().min(), starts().max(), case.time(|time| &time.end).value()) {
        // No tool call needs it: it is then taken to be for whatever came first.
        (Some(first), Some(_), _) if needing.is_empty() => Needed::Between(first, first),
        (Some(first), Some(last), _) => Needed::Between(first, last),
        (_, _, Some(end)) => Needed::Between(*end, *end),
        (_, _, None) => Needed::Unknown("/time/end".to_owned()),
    }
}

/// Whether a policy held the tool call up until someone approves.
fn is_held_up(case: &Case<'_>, tool: &Tool) -> bool {
    case.decisions().any(|(_, decision)| {
        matches!(decision.verdict.value(), Some(Verdict::StepUp | Verdict::Escalate))
            && is_target(decision, tool)
    })
}

/// Whether a decision is about a tool call.
pub(super) fn is_target(decision: &PolicyDecision, tool: &Tool) -> bool {
    decision.target.value().is_some_and(|target| tool.call_id.value() == Some(target))
}

/// R33: whether the calls received the arguments that were approved. An approval that names no call is for one of them at least.
pub(super) fn other_arguments(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, approval) in given(case) {
        let at = format!("{place}/arguments_digest");
        let approved = match view(&approval.arguments_digest) {
            FieldView::Value(approved) => approved,
            FieldView::Withheld => {
                report.unknown([at], "which arguments were approved is withheld");
                continue;
            }
            FieldView::Absent | FieldView::NotApplicable => continue,
        };
        let received: Vec<_> = case
            .run_tools()
            .filter(|(_, tool)| IsFor::of(approval, tool) != IsFor::Another)
            .map(|(_, tool)| tool.arguments_digest.value().and_then(|got| same_content(approved, got)))
            .collect();
        let names_call = view(&approval.target).text().value().is_some();
        let is_right = |same: &Option<bool>| *same == Some(true);
        let is_approved = match names_call {
            true => received.iter().all(is_right),
            false => received.is_empty() || received.iter().any(is_right),
        };
        if is_approved {
            continue;
        }
        let at = [at, "/tools".to_owned()];
        if received.contains(&None) {
            report.unknown(at, "whether the tool received the arguments that were approved is not known");
        } else {
            report.wrong(at, "the tool received other arguments than were approved");
        }
    }
}

fn outside_window(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, approval) in given(case) {
        let (at, expires) = (format!("{place}/at"), format!("{place}/expires"));
        let given_at = report.known(view(&approval.at), &at);
        let until = report.known(view(&approval.expires), &expires);
        let (first, last) = match needed(case, approval) {
            Needed::Between(first, last) => (first, last),
            Needed::Unknown(missing) => {
                report.unknown([at, missing], "when the approved action started is not recorded");
                continue;
            }
            Needed::NotYet => continue,
        };
        if given_at.is_some_and(|given_at| *given_at > first) {
            report.wrong([at], format!("approved after the action at {first:.0}"));
        }
        if until.is_some_and(|until| *until <= last) {
            report.wrong([expires], format!("the approval had expired before the action at {last:.0}"));
        }
    }
    for (place, over) in overrides(case) {
        let at = format!("{place}/at");
        match timing(case, over) {
            Timing::InTime => {}
            Timing::Late(action) => report.wrong([at], format!("overridden after the action at {action:.0}")),
            Timing::Unknown(why) => report.unknown([at], why),
        }
    }
}

fn human_claim(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (at, approval) in given(case) {
        let (kind, at) = (format!("{at}/approver_kind"), format!("{at}/source"));
        if report.known(view(&approval.approver_kind), &kind) != Some(&ApproverKind::Human) {
            continue;
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
                report.known(other, &at);
            }
        }
    }
}

fn override_reason(case: &Case<'_>, report: &mut Reporter<'_>) {
    let over = view(&case.body.r#override);
    if matches!(over, FieldView::Absent) {
        let words = "not recorded: whether anyone overrode a decision (`override`)";
        return report.unknown(["/override"], words);
    }
    if report.known(over, "/override").is_none() {
        return;
    }
    for (at, over) in overrides(case) {
        report.require(
            view(&over.by).text(),
            &format!("{at}/by"),
            "who overrode the decision is not recorded",
        );
        report.require(view(&over.from), &format!("{at}/from"), "the overridden decision is not recorded");
        report.require(view(&over.reason).text(), &format!("{at}/reason"), "no reason code is recorded");
    }
}
