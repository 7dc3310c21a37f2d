//! What an item's attributes mean. Each instrumentation has names of its own for the same thing; the names are in tables
//! (`dialect/tables/*.json`), the code here only knows how to read a table.
//!
//! ```text
//! Item ── detect ──▶ Dialect ── its table, then the common one ──▶ Reading { role, fields, left, … }
//! ```
//!
//! Fields have the names of a record (`model.requested`), and of lists in it: `decision.*` for a policy decision, `tool.*` for a
//! tool call, `source.*` for something retrieved, `content.*` for messages.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::intake::{Attributes, Item, Source};

mod carriers;
mod claims;
mod determining;
mod finish;
mod flat;
mod langchain;
mod messages;
mod noted;
mod parts;
mod platforms;
mod python;
mod read;
mod role;
mod shape;
mod table;
mod unsalted;

pub(crate) use determining::determining_policies;
pub use finish::finish_reason;
pub use messages::{messages, text_of, tool_calls};
pub(crate) use parts::{is_without_tool, served_tools};
pub use read::{Reading, read, read_payload, says_nothing};
pub use role::Role;
pub(crate) use shape::time;
pub(crate) use table::told_by_names;
pub use table::{TableFile, tables};
pub use unsalted::unsalted;

/// Who names things how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dialect {
    /// OpenTelemetry's GenAI conventions up to 1.36: `gen_ai.system`, an event for each message.
    GenAiOld,
    /// The same from 1.37 to 1.41: `gen_ai.provider.name`, messages in one attribute.
    GenAi,
    /// The same since they moved to a repository of their own, 1.42 and after.
    GenAiNew,
    /// OpenLLMetry.
    OpenLlmetry,
    /// OpenInference.
    OpenInference,
    /// LiteLLM's first OpenTelemetry callback, and its generic callback.
    LiteLlm,
    /// LiteLLM's second.
    LiteLlmV2,
    /// Model Context Protocol.
    Mcp,
    /// Agent-to-agent protocol.
    A2a,
    /// Events of Claude Code.
    ClaudeCode,
    /// agentgateway.
    AgentGateway,
    /// Anthropic's SDK.
    Anthropic,
    /// Langfuse's SDK.
    Langfuse,
    /// LangSmith's SDK.
    LangSmith,
    /// MLflow's tracing.
    MlFlow,
    /// Logfire's spans of the OpenAI Agents SDK.
    Logfire,
    /// None of them; common names are understood all the same.
    Other,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Dialect; 17] = [
        Self::GenAiOld,
        Self::GenAi,
        Self::GenAiNew,
        Self::OpenLlmetry,
        Self::OpenInference,
        Self::LiteLlm,
        Self::LiteLlmV2,
        Self::Mcp,
        Self::A2a,
        Self::ClaudeCode,
        Self::AgentGateway,
        Self::Anthropic,
        Self::Langfuse,
        Self::LangSmith,
        Self::MlFlow,
        Self::Logfire,
        Self::Other,
    ];

    /// Its name, as records state it in `custody.source`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GenAiOld => "gen_ai<=1.36",
            Self::GenAi => "gen_ai",
            Self::GenAiNew => "gen_ai>=1.42",
            Self::OpenLlmetry => "openllmetry",
            Self::OpenInference => "openinference",
            Self::LiteLlm => "litellm",
            Self::LiteLlmV2 => "litellm_v2",
            Self::Mcp => "mcp",
            Self::A2a => "a2a",
            Self::ClaudeCode => "claude_code",
            Self::AgentGateway => "agentgateway",
            Self::Anthropic => "anthropic",
            Self::Langfuse => "langfuse",
            Self::LangSmith => "langsmith",
            Self::MlFlow => "mlflow",
            Self::Logfire => "logfire",
            Self::Other => "other",
        }
    }
}

/// The dialect of an item. It is told by the item's own names first: a scope may carry another one's attributes, as when LiteLLM
/// writes on a span of its web framework.
pub fn detect(item: &Item) -> Dialect {
    match item {
        Item::Span(span) => of_attributes(&span.attributes, &span.source, &span.name),
        Item::Event(event) => {
            let is_claude = event.name.starts_with("claude_code.")
                || matches!(&event.body, Value::String(body) if body.starts_with("claude_code."));
            if is_claude {
                return Dialect::ClaudeCode;
            }
            match of_attributes(&event.attributes, &event.source, &event.name) {
                Dialect::GenAi if is_message(&event.name) => Dialect::GenAiOld,
                other => other,
            }
        }
        Item::Decision(_) => Dialect::Other,
    }
}

/// Whether an event of this name is one message of the conversations up to 1.36.
pub(crate) fn is_message(name: &str) -> bool {
    matches!(
        name,
        "gen_ai.system.message"
            | "gen_ai.user.message"
            | "gen_ai.assistant.message"
            | "gen_ai.tool.message"
            | "gen_ai.choice"
    )
}

fn of_attributes(attributes: &Attributes, source: &Source, name: &str) -> Dialect {
    let has = |name: &str| attributes.contains_key(name);
    let begins = |prefix: &str| attributes.keys().any(|name| name.starts_with(prefix));
    let scope = source.scope.as_str();
    let service = source.resource.get("service.name").and_then(Value::as_str).unwrap_or_default();
    if has("a2a.method.name") || has("a2a.method") {
        return Dialect::A2a;
    }
    if scope.contains("agentgateway") || service.contains("agentgateway") || begins("jwt.") {
        return Dialect::AgentGateway;
    }
    if begins("litellm.guardrail.") || begins("litellm.metadata.") || has("litellm.call_type") {
        return Dialect::LiteLlmV2;
    }
    let is_litellm = has("litellm.call_id") || has("guardrail_name") || begins("metadata.user_api_key");
    if is_litellm || name == "raw_gen_ai_request" {
        return Dialect::LiteLlm;
    }
    if has("mcp.method.name") && scope != "litellm" {
        return Dialect::Mcp;
    }
    if scope == "litellm" {
        return if source.version.is_empty() { Dialect::LiteLlm } else { Dialect::LiteLlmV2 };
    }
    if begins("langfuse.observation.") {
        return Dialect::Langfuse;
    }
    if scope == "logfire.openai_agents" {
        return Dialect::Logfire;
    }
    if begins("langsmith.") {
        return Dialect::LangSmith;
    }
    if begins("mlflow.") || scope.starts_with("mlflow.") {
        return Dialect::MlFlow;
    }
    if scope.starts_with("openinference.") || has("openinference.span.kind") {
        return Dialect::OpenInference;
    }
    let is_traceloop = begins("traceloop.") || has("llm.request.type") || has("gen_ai.is_streaming");
    if is_traceloop || is_openllmetry(scope, &source.version) {
        return Dialect::OpenLlmetry;
    }
    if scope.starts_with("com.anthropic.") {
        return Dialect::Anthropic;
    }
    if begins("gen_ai.") || name.starts_with("gen_ai.") {
        return gen_ai(attributes, source);
    }
    Dialect::Other
}

/// OpenLLMetry's scopes are named like those of OpenTelemetry's own packages; its versions are 0.x without a `b`.
fn is_openllmetry(scope: &str, version: &str) -> bool {
    scope == "opentelemetry.instrumentation.openai.v1"
        || scope.starts_with("opentelemetry.instrumentation.")
            && version.starts_with("0.")
            && !version.contains('b')
}

fn gen_ai(attributes: &Attributes, source: &Source) -> Dialect {
    if source.schema_url.contains("/gen-ai/") {
        return Dialect::GenAiNew;
    }
    let version = source.schema_url.rsplit('/').next().unwrap_or_default();
    let minor: Option<u32> = version.strip_prefix("1.").and_then(|rest| rest.split('.').next()?.parse().ok());
    let is_old_name =
        attributes.contains_key("gen_ai.system") && !attributes.contains_key("gen_ai.provider.name");
    match minor {
        _ if is_old_name => Dialect::GenAiOld,
        Some(minor) if minor <= 36 && !attributes.contains_key("gen_ai.provider.name") => Dialect::GenAiOld,
        _ => Dialect::GenAi,
    }
}

#[cfg(test)]
mod tests;
