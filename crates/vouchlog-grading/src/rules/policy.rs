//! R24 to R31, R33, R84: what policy engines decided, and whether that is what happened.

use vouchlog_record::{Enforced, OutcomeState, PolicyDecision, PolicyPhase, Tool, ToolStatus, Verdict};

use crate::case::Case;
use crate::described::is_pinned;
use crate::field_view::{FieldView, same_content, view};
use crate::rule::{RULE, Reporter, Rule};
use crate::rules::approval::{is_target, other_arguments};
use crate::rules::determining;
use crate::rules::overrides::{Overriding, overriding};
use crate::terms::{Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Interaction, Trail};
    use Severity::Critical;
    vec![
        Rule { code: "R24", name: "NO_POLICY_DECISION", serves: &[Interaction, Trail],
            says: "a required policy decision is not recorded",
            remedy: "record in `policy` a decision with `phase`, `target` and `verdict` for the input, each tool call, what was retrieved, and the output",
            record: Some(no_decision), ..RULE },
        Rule { code: "R25", name: "DECISION_AFTER_ACTION", serves: &[Governance],
            says: "the policy decision is dated after the action",
            remedy: "ask the policy engine before the action; record `policy[].at` and `tools[].start`",
            record: Some(decided_late), ..RULE },
        Rule { code: "R26", name: "DENY_BUT_EXECUTED", severity: Critical, serves: &[Trail],
            says: "a policy denied the action, it was executed anyway, and no override by another person before it is recorded",
            remedy: "none for this record; where a person decides against a policy, record `override` with the `decision_id`, `by` and `at`",
            record: Some(denied_but_done), ..RULE },
        Rule { code: "R27", name: "POLICY_UNPINNED", serves: &[Interaction],
            says: "the version of the policy that decided is not recorded",
            remedy: "record `policy[].digest`, or at least `policy[].version`",
            record: Some(unpinned), ..RULE },
        Rule { code: "R28", name: "POLICY_NOT_IN_FORCE", serves: &[Governance, Trail],
            says: "the policy that decided was not in force",
            remedy: "send a record of kind `configuration` whenever a policy changes, with its `id`, `digest` and `in_force_from`",
            record: Some(determining::not_in_force), ..RULE },
        Rule { code: "R29", name: "FAIL_OPEN", severity: Critical, serves: &[Trail],
            says: "the policy engine failed or was not asked, and the action continued",
            remedy: "let the gateway fail closed",
            record: Some(fail_open), ..RULE },
        Rule { code: "R30", name: "REASON_MISSING", serves: &[Interaction],
            says: "the action was denied, changed or delayed, and no reason is recorded",
            remedy: "record a code in `policy[].reason`",
            record: Some(no_reason), ..RULE },
        Rule { code: "R31", name: "MODIFY_WITHOUT_DIFF", serves: &[Trail],
            says: "a policy changed something, and the change is not recorded, or was not made",
            remedy: "record `policy[].before_digest` and `policy[].after_digest`",
            record: Some(no_diff), ..RULE },
        Rule { code: "R33", name: "POLICY_INPUT_MISMATCH", severity: Critical, serves: &[Governance],
            says: "a policy decided, or a person approved, other arguments than those the tool received",
            remedy: "pass the tool the arguments that the policy decided on; record `policy[].input_digest` (of what stands after a change, `after_digest`), `approval.arguments_digest` and `tools[].arguments_digest`, keyed alike",
            record: Some(input_mismatch), ..RULE },
        Rule { code: "R84", name: "DECISION_CONTRADICTED", serves: &[Governance, Trail],
            says: "the verdict is not that of the policies that determined it, or a policy that could not be evaluated may forbid the action",
            remedy: "record `policy[].determining` as the engine returned it, with the effect of each policy, and `policy[].unevaluated`",
            record: Some(determining::contradicted), ..RULE },
    ]
}

/// Whether a decision that is not found may be among those whose place is withheld.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    /// Every decision shows what it is about.
    Exhaustive,
    /// Some decision does not.
    Inconclusive,
}

impl Search {
    const fn inconclusive_if(withheld: bool) -> Self {
        if withheld { Self::Inconclusive } else { Self::Exhaustive }
    }
}

/// Reports that no decision on `what` was found.
fn not_found(report: &mut Reporter<'_>, search: Search, at: String, what: &str) {
    match search {
        Search::Inconclusive => {
            report.unknown([at], format!("whether a policy decided on {what} is withheld"));
        }
        Search::Exhaustive => report.missing([at], format!("no policy decided on {what}")),
    }
}

fn no_decision(case: &Case<'_>, report: &mut Reporter<'_>) {
    let message = "no policy decision is recorded";
    if report.require(view(&case.body.policy), "/policy", message).is_none() {
        return;
    }
    for (place, decision) in case.decisions() {
        let at = |field| format!("/policy/{place}/{field}");
        report.require(view(&decision.verdict), &at("verdict"), "the verdict is not recorded");
        let phase =
            report.require(view(&decision.phase), &at("phase"), "the phase of the decision is not recorded");
        if phase == Some(&PolicyPhase::PreTool) {
            report.require(
                view(&decision.target).text(),
                &at("target"),
                "the tool call decided on is not named",
            );
        }
    }
    let phase_withheld = case.decisions().any(|(_, decision)| view(&decision.phase).is_withheld());
    let search = Search::inconclusive_if(phase_withheld);
    for phase in case.requirements.decisions {
        let decided = case.decisions().any(|(_, decision)| decision.phase.value() == Some(phase));
        let what = match phase {
            // Before it is done, the input is all there is to decide on.
            PolicyPhase::PreTool | PolicyPhase::ResourceRead | PolicyPhase::Output if case.is_intent() => {
                continue;
            }
            PolicyPhase::PreTool => {
                tools_decided(case, search, report);
                continue;
            }
            PolicyPhase::Input => "the input",
            PolicyPhase::ResourceRead => "the retrieved data",
            PolicyPhase::Output => "the output",
        };
        if decided {
            continue;
        }
        match is_due(case, *phase) {
            Some(true) => not_found(report, search, "/policy".into(), what),
            Some(false) => {}
            None => report.unknown(["/policy"], format!("whether a decision on {what} was due is not known")),
        }
    }
}

/// Whether a decision at this point is due in this record; `None` where that is not known.
fn is_due(case: &Case<'_>, phase: PolicyPhase) -> Option<bool> {
    match phase {
        PolicyPhase::Input | PolicyPhase::PreTool => Some(true),
        PolicyPhase::Output => Some(!(case.ended_early() && view(&case.body.output).is_not_applicable())),
        PolicyPhase::ResourceRead => {
            let data = view(&case.body.data);
            match (data.then(|data| &data.sources).list(), data.then(|data| &data.retrieved)) {
                (FieldView::Value(_), _) | (_, FieldView::Value(true)) => Some(true),
                (FieldView::Withheld, _) => None,
                (_, FieldView::Value(false) | FieldView::NotApplicable) => Some(false),
                (_, FieldView::Absent | FieldView::Withheld) => None,
            }
        }
    }
}

fn tools_decided(case: &Case<'_>, search: Search, report: &mut Reporter<'_>) {
    report.known(view(&case.body.tools), "/tools");
    let undone =
        |tool: &Tool| matches!(tool.status.value(), Some(ToolStatus::Proposed | ToolStatus::Dropped));
    for (place, tool) in case.tools().filter(|(_, tool)| !undone(tool)) {
        let on_tools = || {
            case.decisions()
                .map(|(_, decision)| decision)
                .filter(|decision| decision.phase.value() == Some(&PolicyPhase::PreTool))
        };
        let decided = on_tools().any(|decision| is_target(decision, tool));
        if !decided {
            let target_withheld = view(&tool.call_id).is_withheld()
                || on_tools().any(|decision| view(&decision.target).is_withheld());
            let search = if target_withheld { Search::Inconclusive } else { search };
            not_found(report, search, format!("/tools/{place}"), "the tool call");
        }
    }
}

/// The tool calls that a decision is about: all of its id, as a call may be run more than once.
fn its_tools<'a>(case: &Case<'a>, decision: &PolicyDecision) -> impl Iterator<Item = (usize, &'a Tool)> {
    case.run_tools().filter(|(_, tool)| is_target(decision, tool))
}

/// Whether it is known which tool call each decision is about.
fn linked(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, tool) in case.run_tools() {
        report.known(view(&tool.call_id).text(), &format!("/tools/{place}/call_id"));
    }
    let of_tools = |phase: FieldView<'_, PolicyPhase>| match phase {
        FieldView::Value(phase) => *phase == PolicyPhase::PreTool,
        _ => true,
    };
    for (place, decision) in case.decisions().filter(|(_, decision)| of_tools(view(&decision.phase))) {
        report.known(view(&decision.target).text(), &format!("/policy/{place}/target"));
    }
}

fn decided_late(case: &Case<'_>, report: &mut Reporter<'_>) {
    linked(case, report);
    for (place, decision) in case.decisions() {
        let at = format!("/policy/{place}/at");
        let Some(decided) = report.known(view(&decision.at), &at) else { continue };
        let mut is_about_tool = false;
        for (place, tool) in its_tools(case, decision) {
            is_about_tool = true;
            let start = format!("/tools/{place}/start");
            if report.known(view(&tool.start), &start).is_some_and(|start| decided > start) {
                report.wrong([at.as_str(), &start], "the policy decided after the tool call started");
            }
        }
        // A tool runs when the model has answered: the end of the call is no measure of it.
        if is_about_tool || case.is_intent() {
            continue;
        }
        if report.known(case.time(|time| &time.end), "/time/end").is_some_and(|end| decided > end) {
            decided_after_end(case, decision, &at, report);
        }
    }
}

/// A decision that is dated after the end. An answer is held back until a decision on it is made: the model has ended by then, and the
/// record is not made yet.
fn decided_after_end(case: &Case<'_>, decision: &PolicyDecision, at: &str, report: &mut Reporter<'_>) {
    match view(&decision.phase) {
        FieldView::Value(PolicyPhase::Output) => {
            let received = report.known(case.time(|time| &time.received), "/time/received");
            if received.is_some_and(|received| decision.at.value() > Some(received)) {
                report.wrong([at, "/time/received"], "the policy decided after the record was received");
            }
        }
        FieldView::Withheld => report.unknown([at], "whether the policy decided on the output is withheld"),
        _ => report.wrong([at, "/time/end"], "the policy decided after the action ended"),
    }
}

fn denied_but_done(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        if decision.verdict.value() != Some(&Verdict::Deny) {
            continue;
        }
        let at = format!("/policy/{place}/verdict");
        let ran = its_tools(case, decision).any(|(_, tool)| tool.status.value().is_some());
        let went_on = match decision.enforced.value() {
            Some(Enforced::Allow | Enforced::Modify) => true,
            // A denial of the input stops all that would follow.
            Some(Enforced::Deny) => {
                decision.phase.value() == Some(&PolicyPhase::Input)
                    && case.outcome().value() == Some(&OutcomeState::Executed)
            }
            None => false,
        };
        if !ran && !went_on {
            report.known(view(&decision.enforced), &format!("/policy/{place}/enforced"));
            continue;
        }
        match overriding(case, decision) {
            Overriding::Holds => {}
            Overriding::Void(why) => {
                report.wrong(
                    [at.as_str(), "/override"],
                    format!("the action was denied and executed, and {why}"),
                );
            }
            Overriding::None => report.wrong([at], "the action was denied and executed without an override"),
            Overriding::Missing => {
                report.missing([at], "the action was denied and executed, and no override is recorded");
            }
            Overriding::Unknown(why) => report.unknown([at], why),
        }
    }
}

fn unpinned(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        if is_pinned(decision) {
            continue;
        }
        let at = format!("/policy/{place}/digest");
        if view(&decision.digest).is_withheld() {
            report.unknown([at], "the policy's digest is withheld");
        } else {
            report.require(
                view(&decision.version).text(),
                &at,
                "neither digest nor version of the policy is recorded",
            );
        }
    }
}

fn fail_open(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        if !matches!(decision.verdict.value(), Some(Verdict::Error | Verdict::NotEvaluated)) {
            continue;
        }
        let at = format!("/policy/{place}/enforced");
        match decision.enforced.value() {
            Some(Enforced::Deny) => {}
            Some(Enforced::Allow | Enforced::Modify) => {
                report.wrong([at], "no decision was made, and the action continued");
            }
            None => {
                report
                    .unknown([at], "no decision was made, and whether the action continued is not recorded");
            }
        }
    }
}

fn no_reason(case: &Case<'_>, report: &mut Reporter<'_>) {
    use Verdict::{Deny, Escalate, Modify, StepUp};
    for (place, decision) in case.decisions() {
        if matches!(decision.verdict.value(), Some(Deny | Modify | StepUp | Escalate)) {
            let at = format!("/policy/{place}/reason");
            report.require(view(&decision.reason).text(), &at, "no reason code is recorded");
        }
    }
}

fn no_diff(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        if decision.verdict.value() == Some(&Verdict::Modify) {
            let at = |field| format!("/policy/{place}/{field}");
            if decision.enforced.value() == Some(&Enforced::Allow) {
                report
                    .wrong([at("enforced")], "a change was decided on, and the action continued without it");
            }
            report.require(
                view(&decision.before_digest),
                &at("before_digest"),
                "the digest before the change is not recorded",
            );
            report.require(
                view(&decision.after_digest),
                &at("after_digest"),
                "the digest after the change is not recorded",
            );
        }
    }
}

fn input_mismatch(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, decision) in case.decisions() {
        for (call, tool) in its_tools(case, decision) {
            // What a policy changed on purpose is not what it saw.
            let changed = decision.verdict.value() == Some(&Verdict::Modify);
            let (field, saw) = if changed {
                ("after_digest", &decision.after_digest)
            } else {
                ("input_digest", &decision.input_digest)
            };
            let saw_at = format!("/policy/{place}/{field}");
            let got_at = format!("/tools/{call}/arguments_digest");
            let saw = report.known(view(saw), &saw_at);
            let got = report.known(view(&tool.arguments_digest), &got_at);
            let (Some(saw), Some(got)) = (saw, got) else { continue };
            let at = [saw_at, got_at];
            match same_content(saw, got) {
                Some(true) => {}
                Some(false) => {
                    report.wrong(at, "the tool received other arguments than the policy decided on");
                }
                None => {
                    report.unknown(at, "the two commitments cannot be compared: use one key for both");
                }
            }
        }
    }
    other_arguments(case, report);
}
