//! What a span states elsewhere than in the attributes that tables name: in its own name, in what another library serialised into
//! an attribute, or only together with others.

use serde_json::Value;

use super::super::shape::json as read_json;
use super::super::{Dialect, Role, langchain, platforms};
use super::Reading;
use crate::intake::Span;

/// Completes the reading of a span.
pub(super) fn complete(span: &Span, reading: &mut Reading) {
    match reading.role {
        Role::Inference => {
            answer(span, reading);
            models(span, reading);
        }
        Role::Tool => tool(span, reading),
        Role::Retrieval => retrieval(span, reading),
        Role::Guardrail if reading.dialect == Dialect::Logfire => tripped(span, reading),
        Role::Agent if is_named_by_span(reading.dialect) => name(span, reading, "workload.agent.name"),
        Role::Guardrail if reading.dialect == Dialect::OpenInference => {
            name(span, reading, "decision.engine");
        }
        _ => {}
    }
}

/// Dialects whose spans of tools and agents are called as these are.
fn is_named_by_span(dialect: Dialect) -> bool {
    matches!(dialect, Dialect::Langfuse | Dialect::LangSmith | Dialect::MlFlow)
}

fn name(span: &Span, reading: &mut Reading, field: &str) {
    if !span.name.is_empty() {
        reading.fields.entry(field.to_owned()).or_insert_with(|| span.name.as_str().into());
    }
}

/// LangChain's answers have the provider's id, and the model that answered, inside.
fn answer(span: &Span, reading: &mut Reading) {
    let place = match reading.dialect {
        Dialect::OpenInference => "output.value",
        Dialect::LangSmith => "gen_ai.completion",
        _ => return,
    };
    let Some(value) = span.attributes.get(place).map(read_json) else { return };
    let Some((id, model)) = langchain::answer(&value) else { return };
    for (field, told) in [("correlation.response_id", id), ("model.served", model)] {
        if let Some(told) = told.filter(|told| !told.is_empty()) {
            reading.fields.insert(field.to_owned(), told.into());
        }
    }
}

/// Which model was asked for and which answered, where an emitter has one name for both.
fn models(span: &Span, reading: &mut Reading) {
    let has = |reading: &Reading, field: &str| reading.fields.contains_key(field);
    let has_answered = has(reading, "correlation.response_id")
        || has(reading, "content.output")
        || has(reading, "usage.output_tokens");
    let is_asked = reading.fields.get("model.served") == reading.fields.get("model.requested");
    if span.failed && !has_answered && is_asked {
        reading.fields.remove("model.served");
    }
    match reading.dialect {
        Dialect::OpenInference => open_inference(span, reading),
        // The name is the program's until an answer replaces it.
        Dialect::Langfuse if span.failed => {
            if let Some(model) = reading.fields.remove("model.served") {
                reading.fields.insert("model.requested".into(), model);
            }
        }
        // Logfire writes the model that was asked for into both until there is an answer.
        _ if span.attributes.contains_key("logfire.msg_template")
            && !has_answered
            && is_asked
            && !has(reading, "usage.input_tokens") =>
        {
            reading.fields.remove("model.served");
        }
        // Spring AI's word for nothing.
        _ if reading.text("model.served") == Some("none") => drop(reading.fields.remove("model.served")),
        _ => {}
    }
}

/// Instrumentations of OpenInference whose `llm.model_name` is the answer's.
const NAMES_SERVED: [&str; 1] = ["openinference.instrumentation.haystack"];

/// `llm.model_name` is the model of the call: the one that answered where the parameters of the call name the one that was asked
/// for, and else the one that was asked for. "Parameters" that have the answer's id are the answer's own.
fn open_inference(span: &Span, reading: &mut Reading) {
    let attribute = |name: &str| span.attributes.get(name).and_then(Value::as_str);
    let answer = reading.fields.get("correlation.response_id").cloned();
    let id = reading.left.get("llm.invocation_parameters.id");
    if id.is_some() && id == answer.as_ref() {
        reading.fields.remove("model.requested");
        return;
    }
    let names = ["llm.model_name", "embedding.model_name"];
    let Some(model) = names.into_iter().find_map(attribute).filter(|model| !model.is_empty()) else { return };
    if NAMES_SERVED.contains(&span.source.scope.as_str()) {
        return;
    }
    let is_requested = reading.fields.contains_key("model.requested");
    let is_served = reading.text("model.served") == Some(model);
    if !is_requested && is_served && answer.is_none() {
        reading.fields.insert("model.requested".into(), model.into());
        reading.fields.remove("model.served");
    }
}

fn tool(span: &Span, reading: &mut Reading) {
    if is_named_by_span(reading.dialect) {
        name(span, reading, "tool.name");
    }
    if reading.dialect == Dialect::OpenInference {
        let called = span.name.strip_suffix(".__call__").unwrap_or(&span.name);
        reading.fields.entry("tool.name".into()).or_insert_with(|| called.into());
    }
    if let Some(arguments) = reading.fields.get("tool.arguments").and_then(platforms::arguments) {
        reading.fields.insert("tool.arguments".into(), arguments);
    }
    let called = reading.fields.get("tool.arguments").and_then(langchain::called_with);
    if let Some((inputs, call)) = called.map(|(inputs, call)| (inputs.clone(), call.map(Value::from))) {
        reading.fields.insert("tool.arguments".into(), inputs);
        if let Some(call) = call {
            reading.fields.entry("tool.call_id".into()).or_insert(call);
        }
    }
    let call = reading.fields.get("tool.result").and_then(langchain::answered_call).map(Value::from);
    if let Some(call) = call {
        reading.fields.entry("tool.call_id".into()).or_insert(call);
    }
}

/// Whether a guardrail stopped the run.
fn tripped(span: &Span, reading: &mut Reading) {
    let Some(tripped) = span.attributes.get("triggered").and_then(Value::as_bool) else { return };
    reading.fields.insert("decision.verdict".into(), if tripped { "deny" } else { "allow" }.into());
    reading.left.remove("triggered");
}

/// A query that is the only argument of a function.
fn retrieval(span: &Span, reading: &mut Reading) {
    let names = ["langfuse.observation.input", "mlflow.spanInputs", "input.value"];
    let told = names.into_iter().find_map(|name| span.attributes.get(name));
    let Some(query) = told.and_then(platforms::arguments) else { return };
    let text = match &query {
        Value::String(text) => Some(text.clone()),
        Value::Object(members) => members.get("query").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    if let Some(text) = text {
        reading.fields.insert("source.query".into(), text.into());
    }
}
