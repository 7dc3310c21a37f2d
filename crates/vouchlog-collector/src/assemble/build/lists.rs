//! The lists of a record: tool calls, policy decisions, what was retrieved.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::a2a;
use super::super::attach::is_output;
use super::super::fields::{Merged, put};
use super::super::part::Part;
use super::super::unit::{ToolRun, Unit};
use super::{credentials, handoff, put_times, stamp};
use crate::dialect::{Reading, Role, determining_policies, says_nothing, served_tools, tool_calls};
use crate::intake::Item;
use crate::limits::MAX_LISTED;

/// Calls that the model proposed, in its order, with what became of them; those that the provider ran itself; then runs that nobody is
/// known to have proposed.
pub(super) fn tools(unit: &Unit<'_>, merged: &Merged, acting: &BTreeSet<String>) -> Vec<Value> {
    let mut runs: Vec<Option<&ToolRun<'_>>> =
        unit.tools.iter().filter(|run| !a2a::is_polls(run)).map(Some).collect();
    let mut tools = Vec::new();
    let output = merged.fields.get("content.output");
    let proposed = output.map(tool_calls).unwrap_or_default().into_iter().map(proposed);
    for mut tool in proposed.chain(output.map(served_tools).unwrap_or_default()) {
        let id = tool.get("call_id").and_then(Value::as_str);
        let run =
            runs.iter_mut().find(|run| run.is_some_and(|run| id.is_some() && run.text("tool.call_id") == id));
        if let Some(run) = run.and_then(Option::take) {
            describe(run, unit, &mut tool);
        }
        tools.push(tool);
    }
    for run in runs.into_iter().flatten() {
        let mut tool = Map::new();
        describe(run, unit, &mut tool);
        tools.push(tool);
    }
    tools.truncate(MAX_LISTED);
    for tool in &mut tools {
        if !tool.contains_key("handoff") {
            let next = handoff::of(tool, acting);
            tool.extend(next.map(|next| ("handoff".to_owned(), next.into())));
        }
    }
    tools.into_iter().map(Value::Object).collect()
}

/// A call that the model asked for.
fn proposed(call: &Map<String, Value>) -> Map<String, Value> {
    let mut tool = Map::new();
    for (name, member) in [("call_id", "id"), ("name", "name"), ("arguments", "arguments")] {
        let value = call.get(member).filter(|value| !value.is_null() && *value != "");
        tool.extend(value.map(|value| (name.to_owned(), value.clone())));
    }
    tool.insert("proposed".into(), true.into());
    tool.insert("origin".into(), "model".into());
    tool.insert("status".into(), "proposed".into());
    tool
}

/// What a run states of itself, by the names of a record.
const TOOL_FIELDS: [&str; 18] = [
    "call_id",
    "server",
    "name",
    "description",
    "type",
    "handoff",
    "arguments",
    "arguments_digest",
    "result",
    "result_digest",
    "side_effect",
    "irreversible",
    "effect",
    "origin",
    "needs_scope",
    "audience",
    "definition_digest",
    "pinned_definition_digest",
];

fn describe(run: &ToolRun<'_>, unit: &Unit<'_>, tool: &mut Map<String, Value>) {
    let value = |field: &str| run.parts.iter().find_map(|part| part.reading.fields.get(field)).cloned();
    for name in TOOL_FIELDS {
        if let Some(value) = value(&format!("tool.{name}")) {
            tool.insert(name.into(), value);
        }
    }
    if !tool.contains_key("name") {
        tool.extend(
            run.parts.iter().find_map(|part| name_of(part)).map(|name| ("name".to_owned(), name.into())),
        );
    }
    let first = run.parts.iter().find(|part| part.span_key().is_some());
    put_times(first.map(|part| part.stated()).unwrap_or_default(), tool);
    tool.extend(credentials::used_by(&run.parts).map(|used| ("credential".to_owned(), used)));
    let error = run.text("outcome.error").or_else(|| run.text("outcome.code")).map(str::to_owned);
    let error = error.or_else(|| exception_of(run, unit));
    let task = a2a::state(run.parts.iter().copied()).map(|(state, _)| state);
    let failed = error.is_some()
        || value("tool.success") == Some(Value::Bool(false))
        || run.parts.iter().any(|part| part.is_failed_span());
    let denied = run.parts.iter().any(|part| verdict_of(part) == Some("deny"));
    let only_decided = run.parts.iter().all(|part| super::super::claude::name(part) == "tool_decision");
    let status = match () {
        () if denied => Some("denied"),
        () if failed => Some("failed"),
        () if task == Some("rejected") => Some("denied"),
        () if matches!(task, Some("failed" | "canceled")) => Some("failed"),
        // The agent has the task, and is not done.
        () if task.is_some_and(|task| task != "completed") => None,
        // It was allowed, or it began; whether it ran is not stated.
        () if only_decided || run.parts.iter().all(|part| part.is_unfinished()) => None,
        () => Some("executed"),
    };
    tool.extend(status.map(|status| ("status".to_owned(), status.into())));
    let error = error.or_else(|| {
        task.filter(|task| matches!(*task, "failed" | "canceled" | "rejected"))
            .map(|task| format!("task_{task}"))
    });
    if status.is_none() && task.is_some() {
        tool.entry("effect").or_insert_with(|| "dispatched".into());
    }
    tool.extend(error.map(|error| ("error".to_owned(), error.into())));
    for name in ["method", "request", "session", "protocol"] {
        if let Some(value) = value(&format!("mcp.{name}")) {
            put(tool, &format!("mcp.{name}"), value);
        }
    }
    let downstream: Vec<Value> =
        run.downstream.iter().take(MAX_LISTED).map(|part| downstream(part)).collect();
    if !downstream.is_empty() {
        tool.insert("downstream".into(), downstream.into());
    }
}

/// The type of an exception that an event records for a run.
fn exception_of(run: &ToolRun<'_>, unit: &Unit<'_>) -> Option<String> {
    let note = unit.notes.iter().find(|note| note.role() == Role::Exception && run.has_note(note))?;
    match &note.item {
        Item::Event(event) => event.attributes.get("exception.type")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// What was called, where no attribute says it: after the method in the span's name, as conventions have it; else the method.
fn name_of(part: &Part) -> Option<String> {
    let method = part.reading.text("mcp.method").or_else(|| part.reading.text("a2a.method"));
    let Item::Span(span) = &part.item else { return None };
    let Some(method) = method else {
        // Of a memory, the operation is what was done with it.
        let operation = span.attributes.get("gen_ai.operation.name").and_then(Value::as_str);
        let operation = operation.filter(|it| it.ends_with("_memory") || it.ends_with("_memory_store"));
        return operation.or_else(|| span.name.strip_prefix("execute_tool ")).map(str::to_owned);
    };
    let rest = span.name.split_once(method).map(|(_, rest)| rest.trim()).filter(|rest| !rest.is_empty());
    Some(rest.unwrap_or(method).to_owned())
}

fn downstream(part: &Part) -> Value {
    let Item::Span(span) = &part.item else { return Value::Null };
    let text = |names: &[&str]| {
        let value = names.iter().find_map(|name| span.attributes.get(*name))?;
        value.as_str().map(str::to_owned).or_else(|| value.as_u64().map(|number| number.to_string()))
    };
    let target = text(&[
        "server.address",
        "peer.service",
        "net.peer.name",
        "db.namespace",
        "db.name",
        "messaging.destination.name",
    ]);
    let status = text(&[
        "http.response.status_code",
        "http.status_code",
        "db.response.status_code",
        "rpc.response.status_code",
    ]);
    let members = [
        ("target", target.map(Value::from)),
        ("op", Some(span.name.clone().into())),
        ("status", status.or_else(|| span.failed.then(|| "error".to_owned())).map(Value::from)),
        ("credential", credentials::used_downstream(span)),
        ("at", stamp(span.start)),
        ("span", Some(span.span.clone().into())),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// Decisions, in order of time.
pub(super) fn policy(unit: &Unit<'_>, failed: bool) -> Vec<Value> {
    let mut parts = unit.decisions.clone();
    parts.sort_by_cached_key(|part| part.order());
    parts.iter().take(MAX_LISTED).map(|part| decision(part, failed)).collect()
}

fn decision(part: &Part, failed: bool) -> Value {
    // A verdict exists when the engine is done.
    let at = part.stated().end.and_then(|end| Timestamp::from_nanosecond(i128::from(end)).ok());
    decision_of(&part.reading, at, failed)
}

/// A decision of a record. `failed` says that the request went no further.
pub(crate) fn decision_of(reading: &Reading, at: Option<Timestamp>, failed: bool) -> Value {
    let mut decision = Map::new();
    for (field, value) in &reading.fields {
        if let Some(name) = field.strip_prefix("decision.") {
            decision.insert(name.to_owned(), value.clone());
        }
    }
    let is_claude = reading.role == Role::ClaudeCode;
    if is_claude {
        decision.insert("engine".into(), "claude_code".into());
        decision.insert("phase".into(), "pre_tool".into());
        let target = reading.text("tool.call_id").or_else(|| reading.text("tool.name"));
        decision.extend(target.map(|target| ("target".to_owned(), target.into())));
    }
    let verdict = verdict_in(reading);
    decision.extend(verdict.map(|verdict| ("verdict".to_owned(), verdict.into())));
    let tool = decision.remove("target_kind").is_some_and(|kind| kind == "tool_call");
    let said = decision.remove("phase").and_then(|phase| phase.as_str().map(str::to_owned));
    // What a tool gave back is neither the call before it ran nor the model's answer.
    let is_result = tool && said.as_deref().is_some_and(is_output);
    let said = if is_result { Some("tool_output".to_owned()) } else { said };
    match if tool && !is_result { Some("pre_tool") } else { said.as_deref().and_then(phase) } {
        Some(phase) => decision.insert("phase".into(), phase.into()),
        None => said.and_then(|said| decision.insert("mode".into(), said.into())),
    };
    let enforced = decision.remove("enforced").and_then(|word| action(word.as_str()?));
    let enforced = enforced.or(match verdict {
        Some("allow") => Some("allow"),
        Some("modify") => Some("modify"),
        Some("deny") if failed || is_claude => Some("deny"),
        _ => None,
    });
    decision.extend(enforced.map(|enforced| ("enforced".to_owned(), enforced.into())));
    if let Some((rule, reason)) = matched(decision.get("response")) {
        decision.entry("rule").or_insert_with(|| rule.into());
        decision.entry("reason").or_insert_with(|| reason.into());
    }
    let determining = decision.get("response").and_then(determining_policies);
    if let Some(determining) = determining {
        decision.entry("determining").or_insert(determining);
    }
    for name in ["response", "masked"] {
        if decision.get(name).is_some_and(says_nothing) {
            decision.remove(name);
        }
    }
    decision.extend(at.map(|at| ("at".to_owned(), at.to_string().into())));
    Value::Object(decision)
}

/// What LiteLLM's content filter found: `us_ssn`, and why it acted: `block:us_ssn`.
fn matched(response: Option<&Value>) -> Option<(String, String)> {
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).map(str::to_owned);
    let found: Vec<(String, String)> = response?
        .as_array()?
        .iter()
        .filter_map(|one| {
            let name = text(one, "pattern_name")
                .or_else(|| text(one, "keyword_name"))
                .or_else(|| text(one, "category"))?;
            let action = text(one, "action").unwrap_or_default().to_ascii_lowercase();
            Some((name.clone(), format!("{action}:{name}")))
        })
        .collect();
    if found.is_empty() {
        return None;
    }
    let (names, reasons): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    Some((names.join(","), reasons.join(",")))
}

/// The verdict by the model's word, whatever the emitter's.
pub(super) fn verdict_of(part: &Part) -> Option<&'static str> {
    verdict_in(&part.reading)
}

fn verdict_in(reading: &Reading) -> Option<&'static str> {
    let said = reading.text("decision.verdict")?;
    let verdict = verdict(said)?;
    let response = reading.fields.get("decision.response").map(Value::to_string).unwrap_or_default();
    let masked = reading
        .fields
        .get("decision.masked")
        .is_some_and(|masked| !matches!(masked.to_string().as_str(), "{}" | "0" | "\"0\""));
    let modified = reading.fields.get("decision.modified") == Some(&Value::Bool(true));
    let is_changed = masked || modified || response.contains("\"MASK\"");
    Some(if verdict == "allow" && is_changed { "modify" } else { verdict })
}

fn verdict(word: &str) -> Option<&'static str> {
    Some(match word {
        "allow" | "allowed" | "pass" | "passed" | "success" | "accept" | "permit" | "audit" | "warn"
        | "monitor" => "allow",
        "deny"
        | "denied"
        | "block"
        | "blocked"
        | "reject"
        | "rejected"
        | "guardrail_intervened"
        | "forbid" => "deny",
        "modify" | "modified" | "mask" | "masked" | "redact" | "sanitize" | "transform" => "modify",
        "step_up" | "require_approval" => "step_up",
        "escalate" => "escalate",
        "error" | "guardrail_failed_to_respond" | "failure" => "error",
        "not_run" | "not_evaluated" | "skip" | "skipped" => "not_evaluated",
        _ => return None,
    })
}

fn action(word: &str) -> Option<&'static str> {
    verdict(word).filter(|verdict| matches!(*verdict, "allow" | "deny" | "modify"))
}

fn phase(word: &str) -> Option<&'static str> {
    match word {
        "input" | "pre_call" | "during_call" | "prompt" | "request" | "pre" => Some("input"),
        "tool_call" | "pre_tool" | "pre_mcp_call" => Some("pre_tool"),
        "resource" | "resource_read" | "knowledge_query" => Some("resource_read"),
        word if is_output(word) => Some("output"),
        _ => None,
    }
}

/// What people and rules of Claude Code decided about its tools. A refusal is of its tool alone: what was approved is the rest. Of
/// several approvals the weakest is stated, a rule's before a person's. Where nothing was approved, the action was rejected.
pub(super) fn approval(unit: &Unit<'_>) -> Map<String, Value> {
    let decided = unit.decisions.iter().filter(|part| part.role() == Role::ClaudeCode);
    let (refused, approved): (Vec<&Part>, Vec<&Part>) =
        decided.copied().partition(|part| verdict_of(part) == Some("deny"));
    let is_no = approved.is_empty();
    let source = |part: &Part| match part.reading.text("decision.reason").unwrap_or_default() {
        source if source.starts_with("user") => ("human", "user"),
        "hook" => ("policy", "hook"),
        _ => ("policy", "config"),
    };
    let all = if is_no { refused } else { approved };
    let Some(part) = all.iter().rev().max_by_key(|part| source(part).0) else { return Map::new() };
    let (kind, from) = source(part);
    let mut approval = Map::new();
    approval.insert("state".into(), if is_no { "rejected" } else { "approved" }.into());
    approval.insert("approver_kind".into(), kind.into());
    approval.insert("source".into(), from.into());
    approval.extend(part.stated().end.and_then(stamp).map(|at| ("at".to_owned(), at)));
    approval
}

/// What was retrieved, one entry for each document.
pub(super) fn sources(unit: &Unit<'_>, object: &mut Map<String, Value>) {
    let mut sources = Vec::new();
    for part in &unit.sources {
        let mut about = Map::new();
        for name in ["id", "query", "class", "document"] {
            let value = part.reading.fields.get(&format!("source.{name}")).cloned();
            about.extend(value.map(|value| (name.to_owned(), value)));
        }
        put_times(part.stated(), &mut about);
        about.extend(credentials::used_by(&[part]).map(|used| ("credential".to_owned(), used)));
        let documents = part.reading.fields.get("source.documents").and_then(Value::as_array);
        for document in documents.into_iter().flatten() {
            let mut source = about.clone();
            source.extend(document_of(document));
            sources.push(Value::Object(source));
        }
        if documents.is_none_or(Vec::is_empty) {
            sources.push(Value::Object(about));
        }
    }
    if unit.sources.is_empty() {
        return;
    }
    sources.truncate(MAX_LISTED);
    put(object, "data.retrieved", true.into());
    put(object, "data.sources", sources.into());
}

fn document_of(document: &Value) -> Map<String, Value> {
    let document = document.get("document").unwrap_or(document);
    let mut source = Map::new();
    let members: [(&str, &[&str]); 2] =
        [("document", &["id", "document_id"]), ("content", &["content", "text", "page_content"])];
    for (name, names) in members {
        let value = names.iter().find_map(|name| document.get(*name)).cloned();
        let value = if name == "document" {
            value.map(|id| id.as_str().map_or_else(|| id.to_string().into(), Value::from))
        } else {
            value
        };
        source.extend(value.map(|value| (name.to_owned(), value)));
    }
    source.extend(document.get("score").map(|score| ("score".to_owned(), score.clone())));
    source
}
