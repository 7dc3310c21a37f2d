//! OPA's decision log (`decision_logs`): a gzip'd JSON array; the receiver has unzipped it.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{DoorError, Rejection, objects, set};
use crate::dialect::determining_policies;
use crate::intake::{Attributes, Decision, Item};
use crate::limits::MAX_LISTED;

/// The decisions of a body, to be fed to the [`Assembler`](crate::assemble::Assembler), which joins them by trace, span, call or
/// answer. What OPA was asked about (`input`) is content that is not asked for: it is left out, by name.
pub fn opa(body: &[u8]) -> Result<(Vec<Item>, Vec<Rejection>), DoorError> {
    let (mut items, mut not_taken) = (Vec::new(), Vec::new());
    for (place, entry) in objects(body)?.into_iter().enumerate() {
        match entry.and_then(decision) {
            Ok(decision) => items.push(Item::Decision(decision)),
            Err(why) => not_taken.push((place, why)),
        }
    }
    Ok((items, not_taken))
}

fn decision(mut entry: Map<String, Value>) -> Result<Decision, String> {
    let mut take = |name: &str| entry.remove(name).filter(|value| !value.is_null());
    let text = |value: Option<Value>| value.and_then(|value| value.as_str().map(str::to_owned));
    let id = text(take("decision_id")).ok_or("it has no decision_id")?;
    let input = take("input").unwrap_or_default();
    let result = take("result");
    let mut fields = Attributes::new();
    fields.insert("decision_id".into(), id.into());
    fields.insert("engine".into(), "opa".into());
    set(&mut fields, "id", take("path").or_else(|| take("query")));
    set(&mut fields, "version", take("bundles").as_ref().and_then(revisions));
    set(&mut fields, "engine_id", entry_label(take("labels").as_ref()));
    let failed = take("error");
    let verdict = verdict(result.as_ref(), failed.is_some());
    set(&mut fields, "verdict", Some(verdict.into()));
    let said = |names: &[&str]| names.iter().find_map(|name| result.as_ref()?.get(*name)).cloned();
    set(&mut fields, "reason", said(&["reason", "code"]).filter(Value::is_string));
    set(&mut fields, "rule", said(&["rule", "rule_id"]).filter(Value::is_string));
    let target = ["tool_call_id", "call_id"].iter().find_map(|name| input.get(*name)).cloned();
    set(&mut fields, "target", target);
    let phase = said_phase(&[Some(&input), result.as_ref()]);
    let phase = phase.or_else(|| is_about(&input, fields.contains_key("target")).map(str::to_owned));
    set(&mut fields, "phase", phase.map(Value::from));
    set(&mut fields, "log_erased", pointers(take("erased")));
    set(&mut fields, "log_masked", pointers(take("masked")));
    set(&mut fields, "determining", result.as_ref().and_then(determining_policies));
    let digest = input.get("args_digest").filter(|digest| is_commitment(digest)).cloned();
    set(&mut fields, "input_digest", digest);
    let time = text(take("timestamp")).and_then(|time| time.parse::<Timestamp>().ok());
    let time = time.and_then(|time| u64::try_from(time.as_nanosecond()).ok()).unwrap_or_default();
    let answer = ["response_id", "gen_ai.response.id"].iter().find_map(|name| input.get(*name)?.as_str());
    let hex = |value: Option<String>, length| {
        value.filter(|id| id.len() == length && id.bytes().all(|c| c.is_ascii_hexdigit()))
    };
    let (trace, span) = (hex(text(take("trace_id")), 32), hex(text(take("span_id")), 16));
    let response = answer.map(str::to_owned);
    if let Some(result) = result.filter(Value::is_object) {
        entry.insert("result".into(), result);
    }
    Ok(Decision { trace, span, response, time, fields, left: entry })
}

/// The paths that OPA's mask policy took out of the entry, or overwrote in it: `/input/password`.
fn pointers(value: Option<Value>) -> Option<Value> {
    let Some(Value::Array(list)) = value else { return None };
    let paths = list.into_iter().filter(Value::is_string).take(MAX_LISTED);
    Some(paths.collect::<Vec<_>>().into()).filter(|paths| *paths != Value::Array(Vec::new()))
}

/// The phase that the caller or the policy states.
fn said_phase(who: &[Option<&Value>]) -> Option<String> {
    let names = ["phase", "stage", "gen_ai.guardrail.target.type"];
    let said =
        who.iter().flatten().find_map(|said| names.iter().find_map(|name| said.get(*name)?.as_str()))?;
    Some(said.trim().to_ascii_lowercase().replace(['-', ' '], "_")).filter(|said| !said.is_empty())
}

/// What was decided on, by what OPA was given: a tool's call, an answer, a prompt, or something that is read.
fn is_about(input: &Value, has_target: bool) -> Option<&'static str> {
    let has =
        |names: &[&str]| names.iter().any(|name| input.get(*name).is_some_and(|value| !value.is_null()));
    let reads = || {
        let word = ["action", "method", "operation"].into_iter().find_map(|name| input.get(name)?.as_str());
        word.is_some_and(|word| {
            matches!(
                word.to_ascii_lowercase().as_str(),
                "read" | "get" | "retrieve" | "search" | "query" | "resources/read"
            )
        })
    };
    match () {
        () if has_target || has(&["tool", "tool_name", "tool_call"]) => Some("pre_tool"),
        () if has(&["response", "output", "completion", "answer", "output_messages"]) => Some("output"),
        () if has(&["prompt", "messages", "input_messages", "user_message"]) => Some("input"),
        () if has(&["resource", "document", "documents", "data_source"]) && reads() => Some("resource_read"),
        () => None,
    }
}

fn is_commitment(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.parse::<vouchlog_record::Commitment>().is_ok())
}

fn entry_label(labels: Option<&Value>) -> Option<Value> {
    labels?.get("id").cloned()
}

/// `authz@W3sibCI6`, for each bundle.
fn revisions(bundles: &Value) -> Option<Value> {
    let each = bundles
        .as_object()?
        .iter()
        .filter_map(|(name, bundle)| Some(format!("{name}@{}", bundle.get("revision")?.as_str()?)));
    let all: Vec<String> = each.collect();
    (!all.is_empty()).then(|| all.join(",").into())
}

/// A policy without a result decided nothing.
fn verdict(result: Option<&Value>, failed: bool) -> &'static str {
    let word = |result: &Value| {
        ["decision", "verdict", "action"]
            .iter()
            .find_map(|name| result.get(*name)?.as_str().map(str::to_ascii_lowercase))
    };
    let allows = |result: &Value| {
        result.as_bool().or_else(|| ["allow", "allowed"].iter().find_map(|name| result.get(*name)?.as_bool()))
    };
    match result {
        _ if failed => "error",
        None => "not_evaluated",
        Some(result) => match (allows(result), word(result).as_deref()) {
            (Some(true), _) | (None, Some("allow" | "permit")) => "allow",
            (Some(false), _) | (None, Some("deny" | "forbid")) => "deny",
            (None, Some("step_up" | "step-up")) => "step_up",
            (None, Some("escalate")) => "escalate",
            _ => "not_evaluated",
        },
    }
}
