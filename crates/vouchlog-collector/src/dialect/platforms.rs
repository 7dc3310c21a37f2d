//! Observability platforms with names of their own: what a span is by the word of Langfuse, LangSmith, MLflow, and Logfire.

use serde_json::{Map, Value};

use super::shape::json as read_json;
use super::{Dialect, Role};
use crate::intake::Attributes;

/// What a span is, if a platform states it.
pub(super) fn role(attributes: &Attributes) -> Option<Role> {
    if let Some(role) = attributes.get("logfire.msg_template").and_then(Value::as_str).and_then(of_logfire) {
        return Some(role);
    }
    let names = ["langfuse.observation.type", "langsmith.span.kind", "mlflow.spanType"];
    let kind = names.into_iter().find_map(|name| attributes.get(name)?.as_str())?;
    Some(match kind.trim_matches('"').to_ascii_lowercase().as_str() {
        "generation" | "llm" | "chat_model" | "embedding" => Role::Inference,
        "tool" => Role::Tool,
        "agent" => Role::Agent,
        "retriever" | "reranker" => Role::Retrieval,
        "guardrail" => Role::Guardrail,
        _ => Role::Context,
    })
}

/// What Logfire's spans of the OpenAI Agents SDK are.
fn of_logfire(template: &str) -> Option<Role> {
    Some(match template {
        "Agent run: {name!r}" => Role::Agent,
        "Function: {name}" => Role::Tool,
        "Guardrail {name!r} {triggered=}" => Role::Guardrail,
        _ => return None,
    })
}

/// Replaces texts that are JSON of a text, as Langfuse writes them, or of any value but a list or an object, as MLflow does.
pub(super) fn unquote(dialect: Dialect, attributes: &mut Attributes) {
    let is_mlflow = dialect == Dialect::MlFlow;
    for (name, value) in attributes.iter_mut() {
        let is_json = is_mlflow && !name.starts_with("gen_ai.");
        let is_scalar = |text: &&str| text.starts_with('"') || is_json && !text.starts_with(['{', '[']);
        let read = value.as_str().filter(is_scalar).and_then(|text| serde_json::from_str(text).ok());
        if let Some(read) = read {
            *value = read;
        }
    }
}

/// The arguments of a function that a decorator recorded as `{args, kwargs}`: the named ones where there are no others, or the only one.
pub(super) fn arguments(value: &Value) -> Option<Value> {
    let value = read_json(value);
    let object = value.as_object()?;
    // Whichever is empty may be missing.
    let (no_args, no_kwargs) = (Value::Array(Vec::new()), Value::Object(Map::new()));
    let args = object.get("args").unwrap_or(&no_args).as_array()?;
    let kwargs = object.get("kwargs").unwrap_or(&no_kwargs).as_object()?;
    let is_wrapping = (object.contains_key("args") || object.contains_key("kwargs"))
        && object.keys().all(|name| matches!(name.as_str(), "args" | "kwargs" | "sanitize_inputs_outputs"));
    match (args.as_slice(), kwargs.is_empty()) {
        _ if !is_wrapping => None,
        ([], _) => Some(kwargs.clone().into()),
        ([only], true) => Some(only.clone()),
        _ => None,
    }
}
