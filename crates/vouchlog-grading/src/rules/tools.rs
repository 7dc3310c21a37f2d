//! R51 to R55: tool calls, from the proposal to the effect.

use vouchlog_record::{Content, Effect, Field, Tool, ToolOrigin, ToolStatus};

use crate::case::{Case, had_effect, is_said_not_to_run};
use crate::field_view::{FieldView, view};
use crate::rule::{RULE, Reporter, Rule};
use crate::rules::proposals::{Proposal, proposals};
use crate::terms::{AskedOf, Definition, Severity};

#[rustfmt::skip] // one line each: a table
pub(super) fn table() -> Vec<Rule> {
    use Definition::{Governance, Inference, Trail};
    const INTERACTION: Rule = Rule { asked_of: AskedOf::Interactions, ..RULE };
    vec![
        Rule { code: "R51", name: "TOOL_UNRESOLVED", serves: &[Trail],
            says: "the outcome of a tool call is not recorded: the call was invented, or its record was lost",
            remedy: "record every call that the answer proposes in `tools`, with its `call_id` and `status`; `tools: []` where there was none",
            record: Some(unresolved), ..INTERACTION },
        Rule { code: "R52", name: "ORPHAN_TOOL_EXEC", serves: &[Trail],
            says: "a tool was executed that neither the model nor a person requested",
            remedy: "record `tools[].proposed: true` of what an answer proposed, by the `call_id` of the answer, or `tools[].origin: human`",
            record: Some(orphan), ..INTERACTION },
        Rule { code: "R53", name: "TOOL_DEF_CHANGED", serves: &[Inference],
            says: "the tool's definition is not the one that was pinned",
            remedy: "pin definitions; record `tools[].definition_digest` and `pinned_definition_digest`",
            record: Some(changed), ..INTERACTION },
        Rule { code: "R54", name: "DOWNSTREAM_UNLINKED", serves: &[Governance, Inference],
            says: "a tool with side effects names no downstream call",
            remedy: "record `tools[].downstream` with the other side's reference; `side_effect: false` where nothing changes",
            record: Some(unlinked), ..INTERACTION },
        Rule { code: "R55", name: "EFFECT_UNCONFIRMED", severity: Severity::Warn, serves: &[Inference],
            says: "whether the call took effect is not recorded",
            remedy: "look at the result and record `tools[].effect: confirmed`, `failed`, `reverted` or `none`",
            record: Some(unconfirmed), ..INTERACTION },
    ]
}

fn unresolved(case: &Case<'_>, report: &mut Reporter<'_>) {
    report.known(view(&case.body.tools), "/tools");
    for (place, tool) in case.tools() {
        let at = format!("/tools/{place}/status");
        let status = report.require(view(&tool.status), &at, "the outcome of the call is not recorded");
        if is_said_not_to_run(tool) && had_effect(tool) {
            let effect = format!("/tools/{place}/effect");
            report.wrong([at, effect], "the call is recorded as not run, and it had an effect");
        } else if status == Some(&ToolStatus::Proposed) {
            report.wrong([at], "the model proposed the call, and no outcome is recorded");
        }
    }
    if view(&case.body.tools).is_withheld() || view(&case.body.tools).value().is_none() {
        return;
    }
    // Each listed call is the outcome of one proposal. Those with an id take theirs first.
    let mut listed: Vec<&Tool> = case.tools().map(|(_, tool)| tool).collect();
    let (named, nameless): (Vec<_>, Vec<_>) =
        proposed_in(&case.body.output).into_iter().partition(|proposal| proposal.id.is_some());
    for proposal in named.into_iter().chain(nameless) {
        if let Some(place) = listed.iter().position(|tool| proposal.is_of(tool)) {
            listed.swap_remove(place);
        } else if listed.iter().any(|tool| view(&tool.call_id).is_withheld()) {
            report.unknown(["/tools"], "whether a call that the answer proposes is listed is withheld");
        } else {
            let message = format!("the answer proposes {}, which is not listed", proposal.in_words());
            report.wrong(["/tools", "/output/content"], message);
        }
    }
}

/// The tool calls that messages show.
fn proposed_in(content: &Field<Content>) -> Vec<Proposal<'_>> {
    view(content).then(|content| &content.content).value().map(proposals).unwrap_or_default()
}

fn orphan(case: &Case<'_>, report: &mut Reporter<'_>) {
    let answered = proposed_in(&case.body.output);
    // A call of an earlier turn may be run in this one.
    let before = proposed_in(&case.body.input);
    for (place, tool) in case.run_tools() {
        let at = format!("/tools/{place}/proposed");
        if tool.origin.value() == Some(&ToolOrigin::Human) {
            continue;
        }
        if tool.proposed.value() == Some(&true) {
            // An answer that shows no calls at all may be the last of several.
            let is_shown =
                answered.is_empty() || answered.iter().chain(&before).any(|proposal| proposal.is_of(tool));
            if !is_shown {
                let message =
                    "the call is recorded as proposed, but is not among those that the answer proposes";
                report.wrong([at.as_str(), "/output/content"], message);
            }
            continue;
        }
        if view(&tool.proposed).is_withheld() || view(&tool.origin).is_withheld() {
            report.unknown([at], "who asked for the call is withheld");
        } else if tool.proposed.value() == Some(&false) && tool.origin.value().is_some() {
            report.wrong(
                [at],
                "the call is recorded as requested by the model, but the model did not propose it",
            );
        } else {
            report.missing([at], "no requester of the call is recorded");
        }
    }
}

fn changed(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, tool) in case.run_tools() {
        let used_at = format!("/tools/{place}/definition_digest");
        let pinned_at = format!("/tools/{place}/pinned_definition_digest");
        let used = report.known(view(&tool.definition_digest), &used_at);
        let pinned = report.known(view(&tool.pinned_definition_digest), &pinned_at);
        let (Some(used), Some(pinned)) = (used, pinned) else { continue };
        let is_keyed = |digest: &str| digest.starts_with("hmac-");
        if is_keyed(used.as_str()) != is_keyed(pinned.as_str()) {
            report.unknown([used_at, pinned_at], "the two digests cannot be compared: one is keyed");
        } else if used != pinned {
            report.wrong([used_at, pinned_at], "the definition in use is not the pinned one");
        }
    }
}

fn unlinked(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, tool) in case.run_tools() {
        let at = format!("/tools/{place}/downstream");
        // Where nobody says whether it changes something, it may.
        if tool.side_effect.value() == Some(&false) {
            continue;
        }
        let calls = view(&tool.downstream).list();
        if calls.value().is_none() && view(&tool.side_effect).is_withheld() {
            report.unknown([at], "whether the tool changes something is withheld");
            continue;
        }
        if report.require(calls, &at, "no downstream call is recorded").is_some()
            && let Some(calls) = tool.downstream.value()
        {
            for (call, downstream) in calls.iter().enumerate() {
                let named = view(&downstream.target).text();
                report.require(
                    named,
                    &format!("{at}/{call}/target"),
                    "the tool's downstream calls are not recorded",
                );
            }
        }
    }
}

fn unconfirmed(case: &Case<'_>, report: &mut Reporter<'_>) {
    for (place, tool) in case.run_tools() {
        if tool.side_effect.value() == Some(&false) {
            continue;
        }
        let at = format!("/tools/{place}/effect");
        let effect = report.require(view(&tool.effect), &at, "whether the call took effect is not recorded");
        if effect == Some(&Effect::Dispatched) {
            report.wrong([at], "the call was sent, and no result was received");
        }
    }
    let effect = view(&case.body.outcome).then(|outcome| &outcome.effect);
    if let FieldView::Value(Effect::Dispatched) = effect {
        report.wrong(["/outcome/effect"], "the call was sent, and no result was received");
    }
}
