//! How an interaction ended.

use serde_json::{Map, Value};

use super::super::a2a;
use super::super::fields::{Merged, put};
use super::super::part::Part;
use super::super::unit::{Unit, is_server};
use super::lists::{decision_of, verdict_of};
use crate::dialect::Role;
use crate::intake::Item;

/// Longest message of an error that is kept, in characters.
const MAX_MESSAGE: usize = 300;

/// The end of an interaction; the state is none where nothing tells it.
pub(super) struct Ending {
    state: Option<&'static str>,
    error: Option<String>,
    message: Option<String>,
}

impl Ending {
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self.state, None | Some("executed"))
    }

    pub(super) fn put(self, object: &mut Map<String, Value>) {
        let message = self.message.map(|message| message.chars().take(MAX_MESSAGE).collect::<String>());
        let state = self.state.map(str::to_owned);
        object.remove("outcome");
        for (name, value) in [("state", state), ("error", self.error), ("message", message)] {
            if let Some(value) = value {
                put(object, &format!("outcome.{name}"), value.into());
            }
        }
    }
}

pub(super) fn of(unit: &Unit<'_>, merged: &Merged) -> Ending {
    let is_tool_alone = unit.accounts.is_empty() && !unit.tools.is_empty();
    let own: Vec<&Part> = match (unit.accounts.is_empty(), is_tool_alone) {
        (false, _) => unit.accounts.clone(),
        (true, true) => unit.tools.iter().flat_map(|run| run.parts.iter().copied()).collect(),
        (true, false) => unit.parts().collect(),
    };
    let said = own
        .iter()
        .chain(unit.notes.iter().filter(|note| !is_of_tool(note, unit)))
        .find_map(|part| exception(part));
    let named = merged.text("outcome.error").map(clean);
    let error = said
        .as_ref()
        .map(|(kind, _)| clean(kind))
        .or(named)
        .or_else(|| merged.text("outcome.code").map(str::to_owned));
    let message = said.map(|(_, message)| message).or_else(|| own.iter().find_map(|part| message(part)));
    let failed = error.is_some() || own.iter().any(|part| failed(part));
    let denied =
        unit.decisions.iter().any(|part| verdict_of(part) == Some("deny") && !is_of_one_tool(part, unit));
    let later = later(unit);
    let request = RequestEnd::of(unit);
    let is_withheld = unit.decisions.iter().any(|part| denies_answer(part, unit, &request));
    // Decisions alone run nothing: how the request they are about ended tells what came of it.
    let (failed, error) = match is_of_decisions_alone(unit) && !failed && request.failed {
        true => (true, error.or(request.error)),
        false => (failed, error),
    };
    // A request that was denied failed, or never reached a model, or its answer was withheld.
    let state = match () {
        () if denied && (failed || !unit.is_inference() || !answered(unit, merged) || is_withheld) => {
            Some(if unit.decisions.iter().all(is_guardrail) { "blocked" } else { "denied" })
        }
        () if !failed && later.is_some() => later.flatten(),
        () if failed => {
            Some(failure(error.as_deref().unwrap_or_default(), message.as_deref().unwrap_or_default()))
        }
        () if answered(unit, merged)
            || !is_of_decisions_alone(unit) && own.iter().any(|part| has_ended(part)) =>
        {
            Some("executed")
        }
        () => None,
    };
    Ending { state, error: error.filter(|_| failed), message: message.filter(|_| failed) }
}

/// Whether a note is about a run of a tool: what failed there is the tool's, where the call itself is known.
fn is_of_tool(note: &Part, unit: &Unit<'_>) -> bool {
    !unit.accounts.is_empty() && unit.tools.iter().any(|run| run.has_note(note))
}

/// Whether a decision of Claude Code is about one of its tools, beside the request that asked for it.
fn is_of_one_tool(decision: &Part, unit: &Unit<'_>) -> bool {
    decision.role() == Role::ClaudeCode && !unit.accounts.is_empty()
}

/// How it ended, where that came out after the call: the status of an answer that was asked for again, or the state of a task that an
/// agent elsewhere has. The outer option is `None` where neither is stated, and the inner one where the call or the task has not ended.
#[expect(clippy::option_option, reason = "that it has not ended is known, too")]
fn later(unit: &Unit<'_>) -> Option<Option<&'static str>> {
    let fetches = unit.accounts.iter().filter(|part| part.role() == Role::Fetch);
    let told = fetches.filter_map(|part| Some((part.times(), part.reading.text("response.status")?)));
    if let Some((_, status)) = told.max_by_key(|(times, _)| *times) {
        return match status {
            "completed" | "incomplete" => Some(Some("executed")),
            "failed" => Some(Some("error")),
            "cancelled" | "canceled" => Some(Some("cancelled")),
            "queued" | "in_progress" => Some(None),
            _ => None,
        };
    }
    let is_task = unit.accounts.is_empty()
        && !unit.tools.is_empty()
        && unit.tools.iter().flat_map(|run| &run.parts).all(|part| part.role() == Role::A2a);
    if !is_task {
        return None;
    }
    let parts = unit.tools.iter().flat_map(|run| run.parts.iter().copied());
    match a2a::state(parts).map(|(state, _)| state) {
        Some("completed") if !a2a::asks_only(unit) => Some(Some("executed")),
        Some("failed" | "rejected") => Some(Some("error")),
        Some("canceled") => Some(Some("cancelled")),
        Some("input_required" | "auth_required") => Some(Some("deferred")),
        Some(_) => Some(None),
        // To ask what became of a task executes nothing.
        None => a2a::asks_only(unit).then_some(None),
    }
}

/// Whether policies or guardrails decided, and nothing else is known.
fn is_of_decisions_alone(unit: &Unit<'_>) -> bool {
    !unit.decisions.is_empty() && unit.accounts.is_empty() && unit.tools.is_empty() && unit.sources.is_empty()
}

fn has_ended(part: &Part) -> bool {
    part.span_key().is_some() && !part.is_unfinished()
}

/// How the request around an interaction ended, by the spans above up to the one that took the request in.
#[derive(Default)]
struct RequestEnd {
    failed: bool,
    /// Whether the response to it failed, so that the caller got no answer.
    is_refused: bool,
    error: Option<String>,
}

impl RequestEnd {
    fn of(unit: &Unit<'_>) -> Self {
        let mut end = Self::default();
        for part in &unit.above {
            let Item::Span(span) = &part.item else { continue };
            let status = http_status(&span.attributes);
            if span.failed || status.is_some() {
                end.failed = true;
                end.is_refused |= is_server(part);
                let named = part.reading.text("outcome.error").map(clean);
                end.error = end.error.or(named).or_else(|| status.map(|status| status.to_string()));
            }
            if is_server(part) {
                break;
            }
        }
        end
    }
}

/// The status of an HTTP response, if it is one of a failure.
fn http_status(attributes: &Map<String, Value>) -> Option<u64> {
    let status =
        ["http.response.status_code", "http.status_code"].iter().find_map(|name| attributes.get(*name))?;
    let status = status.as_u64().or_else(|| status.as_str()?.parse().ok())?;
    (400..600).contains(&status).then_some(status)
}

/// Whether a decision withheld an answer that the model had given: it looked at the answer, or ran beside the call, and the emitter
/// states that it was enforced, or the request failed. A denial before the call that did not stop it is none.
fn denies_answer(part: &Part, unit: &Unit<'_>, request: &RequestEnd) -> bool {
    let decision = decision_of(&part.reading, None, false);
    let is = |member: &str, word: &str| decision.get(member).is_some_and(|it| it == word);
    let is_too_late_to_stop = || {
        let began = unit.main().and_then(|main| main.stated().start);
        began.zip(part.stated().end).is_some_and(|(began, decided)| decided > began)
    };
    let is_about_answer = is("phase", "output")
        || (is("phase", "input") || decision.get("phase").is_none()) && is_too_late_to_stop();
    let is_about_tool = part.reading.text("decision.target_kind") == Some("tool_call");
    is("verdict", "deny")
        && !is_about_tool
        && is_about_answer
        && (is("enforced", "deny") || request.is_refused)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "it is given to `all`")]
fn is_guardrail(part: &&Part) -> bool {
    matches!(part.item, Item::Span(_) | Item::Event(_)) && part.role() != Role::ClaudeCode
}

fn answered(unit: &Unit<'_>, merged: &Merged) -> bool {
    let told = ["content.output", "output.finish", "usage.output_tokens"];
    let by_message = unit
        .messages
        .iter()
        .any(|part| matches!(&part.item, Item::Event(event) if event.name == "gen_ai.choice"));
    by_message || told.into_iter().any(|field| merged.fields.contains_key(field))
}

fn failed(part: &Part) -> bool {
    match &part.item {
        Item::Span(span) => span.failed,
        Item::Event(_) => {
            part.role() == Role::ClaudeCode
                && part.reading.fields.get("tool.success") == Some(&Value::Bool(false))
        }
        Item::Decision(_) => false,
    }
}

/// Type and message of an exception that was noted.
fn exception(part: &Part) -> Option<(String, String)> {
    let read = |attributes: &Map<String, Value>| {
        let text = |name: &str| attributes.get(name).and_then(Value::as_str).map(str::to_owned);
        Some((text("exception.type")?, text("exception.message").unwrap_or_default()))
    };
    match &part.item {
        Item::Span(span) if span.failed => span
            .events
            .iter()
            .filter(|event| event.name == "exception")
            .find_map(|event| read(&event.attributes)),
        Item::Event(event) if part.role() == Role::Exception => read(&event.attributes),
        _ => None,
    }
}

fn message(part: &Part) -> Option<String> {
    let stated = part.reading.left.get("error.message").and_then(Value::as_str);
    match &part.item {
        Item::Span(span) if !span.message.is_empty() => Some(span.message.clone()),
        _ => stated.map(str::to_owned),
    }
}

/// `<class 'openai.NotFoundError'>` is `openai.NotFoundError`.
fn clean(kind: &str) -> String {
    kind.strip_prefix("<class '").and_then(|kind| kind.strip_suffix("'>")).unwrap_or(kind).to_owned()
}

fn failure(error: &str, message: &str) -> &'static str {
    let text = format!("{error} {message}").to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    match () {
        () if has(&["timeout", "timed out", "deadline"]) => "timeout",
        () if has(&["cancelled", "canceled", "cancellederror", "aborted by"]) => "cancelled",
        () if has(&["content blocked", "guardrailraisedexception", "blockedpiientity"]) => "blocked",
        () => "error",
    }
}
