//! What a span is by the names of observability platforms: Langfuse, LangSmith, MLflow, and Logfire.

use serde_json::Value;

use super::Role;
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
