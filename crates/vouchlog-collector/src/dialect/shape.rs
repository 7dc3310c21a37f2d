//! What a field's value looks like in a record, and how an attribute is brought into that shape.

use jiff::Timestamp;
use serde_json::{Map, Value};
use vouchlog_record::json::{self, JsonError};

use super::finish::finish_reason;
use super::python::{self, NoLiteral};
use crate::limits::MAX_DEPTH;

/// The shape of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    /// One of a list of words, spelled with underscores.
    Word,
    Count,
    Flag,
    Time,
    List,
    Finish,
    /// What a decision was about, by the words of a record where one of them fits.
    Phase,
    /// A list of credentials.
    Credentials,
    /// The principals of a chain of authority, by name or with what is known of the delegation.
    Chain,
    /// The scopes of each hop of a chain.
    Scopes,
    /// The policies that determined a decision.
    Policies,
    /// The `act` claim of a token: actors, the first to act first.
    Act,
    /// Anything; JSON in a string is read.
    Json,
}

pub(super) fn shape(field: &str) -> Shape {
    match field {
        "initiator.kind"
        | "initiator.verified_by"
        | "device.posture"
        | "workload.method"
        | "workload.verified_by"
        | "authority.mode"
        | "credential.type"
        | "credential.binding"
        | "hop.confirmation"
        | "credential.status.method"
        | "credential.status.result"
        | "grant.kind"
        | "approval.state"
        | "approval.approver_kind"
        | "approval.source"
        | "override.from"
        | "override.to"
        | "outcome.effect"
        | "tool.effect"
        | "tool.origin"
        | "decision.fail_mode"
        | "determining.effect"
        | "decision.verdict"
        | "decision.enforced"
        | "a2a.state"
        | "response.status" => Shape::Word,
        "correlation.session_sequence"
        | "correlation.attempt"
        | "grant.ttl_s"
        | "event.sequence"
        | "time.clock.max_error_ms" => Shape::Count,
        "correlation.compacted"
        | "session.verified"
        | "session.shared"
        | "device.attested"
        | "workload.verified"
        | "workload.shared"
        | "approval.required"
        | "data.retrieved"
        | "data.redacted_input"
        | "input.truncated"
        | "output.truncated"
        | "decision.declassifies"
        | "decision.modified"
        | "tool.side_effect"
        | "tool.irreversible"
        | "credential.proof_verified"
        | "tool.success"
        | "model.params.stream" => Shape::Flag,
        "session.auth_time"
        | "hop.iat"
        | "hop.nbf"
        | "hop.exp"
        | "credential.iat"
        | "credential.nbf"
        | "credential.exp"
        | "credential.status.checked_at"
        | "override.at"
        | "approval.at"
        | "approval.expires" => Shape::Time,
        "initiator.roles"
        | "session.amr"
        | "workload.aud"
        | "credential.aud"
        | "credential.scope"
        | "decision.unevaluated"
        | "data.input_class"
        | "data.output_class"
        | "data.approved_for"
        | "data.resources" => Shape::List,
        "output.finish" => Shape::Finish,
        "decision.phase" => Shape::Phase,
        "credentials" => Shape::Credentials,
        "authority.chain" => Shape::Chain,
        "authority.scopes" => Shape::Scopes,
        "authority.act" => Shape::Act,
        "decision.determining" => Shape::Policies,
        "credential.authorization_details"
        | "decision.response"
        | "decision.masked"
        | "tool.arguments"
        | "tool.result"
        | "source.documents" => Shape::Json,
        _ if field.starts_with("none.") || field == "use.none" => Shape::Flag,
        _ if field.starts_with("usage.") => Shape::Count,
        _ if field.starts_with("content.") || field.starts_with("model.params.") => Shape::Json,
        _ => Shape::Text,
    }
}

/// The value in that shape, which is a plain one; none if it cannot be brought into it.
pub(super) fn convert(shape: Shape, value: &Value) -> Option<Value> {
    match shape {
        Shape::Text => text(value).map(Value::String),
        Shape::Word => word(value).map(Value::String),
        Shape::Phase => word(value).map(|word| phase(&word).map_or(word, str::to_owned).into()),
        Shape::Count => count(value).map(Value::from),
        Shape::Flag => flag(value).map(Value::Bool),
        Shape::Time => time(value).map(|time| time.to_string().into()),
        Shape::List => Some(Value::Array(list(value).into_iter().map(Value::String).collect())),
        Shape::Finish => Some(list(value).iter().map(|reason| finish_reason(reason)).collect()),
        Shape::Json => Some(json(value)),
        // They have members with shapes of their own: `claims::convert`.
        Shape::Credentials | Shape::Chain | Shape::Scopes | Shape::Act | Shape::Policies => None,
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn word(value: &Value) -> Option<String> {
    text(value).map(|word| word.trim().to_ascii_lowercase().replace(['-', ' '], "_"))
}

/// What OpenTelemetry's drafts call the targets of guardrails.
fn phase(target: &str) -> Option<&'static str> {
    Some(match target {
        "llm_input" | "agent_input" | "user_input" | "message_input" => "input",
        "llm_output" | "agent_output" | "message_output" => "output",
        "tool_input" => "pre_tool",
        "memory_retrieve" => "resource_read",
        _ => return None,
    })
}

fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            let is_whole = number.fract() == 0.0 && (0.0..9e15).contains(&number);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
            is_whole.then_some(number as u64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) => text.trim().to_ascii_lowercase().parse().ok(),
        _ => None,
    }
}

/// RFC 3339 text, or seconds, milliseconds, microseconds or nanoseconds of the Unix epoch, told apart by their size.
pub(crate) fn time(value: &Value) -> Option<Timestamp> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => match text.trim().parse::<Timestamp>() {
            Ok(time) => return Some(time),
            Err(_) => text.trim().parse().ok()?,
        },
        _ => return None,
    };
    let seconds = match number.abs() {
        size if size < 1e11 => number,
        size if size < 1e14 => number / 1e3,
        size if size < 1e17 => number / 1e6,
        _ => number / 1e9,
    };
    // A double holds microseconds of our time, not more.
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and the timestamp checks its range")]
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

/// A list of texts: an array, JSON of one, or words with spaces or commas between them.
pub(super) fn list(value: &Value) -> Vec<String> {
    match json(value) {
        Value::Array(list) => list.iter().filter_map(text).collect(),
        Value::String(text) => {
            let is_between = |c: char| c == ' ' || c == ',';
            text.split(is_between).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        other => text(&other).into_iter().collect(),
    }
}

/// The value, read if it is JSON or a Python literal in a string. What would be changed by that, or is nested too deeply, stays a string.
pub(super) fn json(value: &Value) -> Value {
    let Value::String(text) = value else { return value.clone() };
    if !text.trim_start().starts_with(['{', '[', '(']) {
        return value.clone();
    }
    let read = json::read(text.as_bytes(), MAX_DEPTH).ok();
    read.or_else(|| python::literal(text).ok()).unwrap_or_else(|| value.clone())
}

/// Whether a string is JSON, or a Python literal, that was cut off.
pub(super) fn is_cut(value: &Value) -> bool {
    let Value::String(text) = value else { return false };
    if !text.trim_start().starts_with(['{', '[']) {
        return false;
    }
    match json::read(text.as_bytes(), MAX_DEPTH) {
        Err(JsonError::Ended) => true,
        Err(JsonError::Syntax(_)) => {
            let is_marked = text.ends_with("...") || text.ends_with('…');
            python::literal(text) == Err(NoLiteral::Ended) || is_marked && python::literal(text).is_err()
        }
        _ => false,
    }
}

/// The members of an object that stands in a string.
pub(super) fn object(value: &Value) -> Option<Map<String, Value>> {
    match json(value) {
        Value::Object(object) => Some(object),
        _ => None,
    }
}
