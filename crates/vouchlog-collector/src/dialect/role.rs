//! What an item is in an interaction.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::carriers::{BodySubject, has_messages, told_by};
use super::is_message;
use crate::intake::{Attributes, Event, Span, SpanKind};

mod platforms;

/// What an item is in an interaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Role {
    /// A model was called: chat, completion, embedding.
    Inference,
    /// The same call as the provider saw it, below one of `Inference` (LiteLLM's `raw_gen_ai_request`).
    RawInference,
    /// A tool was run.
    Tool,
    /// A call over MCP that runs a tool, reads a resource or gets a prompt.
    McpCall,
    /// A call over MCP or A2A that only talks about the protocol: `initialize`, `tools/list`, `GetExtendedAgentCard`.
    McpTalk,
    /// Another agent was called.
    A2a,
    /// An answer that had been given, or was under way, was asked for again. No model was called.
    Fetch,
    /// Something was retrieved.
    Retrieval,
    /// A policy or guardrail decided.
    Guardrail,
    /// An agent ran.
    Agent,
    /// An agent was set up; it did not run.
    AgentCreation,
    /// A call to another system.
    Downstream,
    /// Details of an inference, in an event.
    Details,
    /// One message of a conversation, in an event.
    Message,
    /// An answer was judged afterwards.
    Evaluation,
    /// Something failed.
    Exception,
    /// An event of Claude Code.
    ClaudeCode,
    /// None of these: surroundings.
    Context,
}

pub(super) fn of_span(span: &Span) -> Role {
    let role = of_attributes(&span.attributes, &span.name);
    if role != Role::Context {
        return role;
    }
    let is_call = matches!(span.kind, SpanKind::Client | SpanKind::Producer);
    let has = |name: &str| span.attributes.contains_key(name);
    let calls = [
        "http.request.method",
        "http.method",
        "db.system.name",
        "db.system",
        "rpc.system",
        "messaging.system",
    ];
    if is_call && calls.into_iter().any(has) {
        return Role::Downstream;
    }
    if tells_of_call(span) { Role::Inference } else { Role::Context }
}

/// Whether a span has messages and nothing that says more: somebody's own span of a call, or one of Azure's, whose agents have one for
/// each message and run. A cycle of Strands' loop repeats what the calls in it say.
fn tells_of_call(span: &Span) -> bool {
    const AZURE: [&str; 4] = ["create_message", "list_messages", "process_thread_run", "submit_tool_outputs"];
    let operation = span.attributes.get("gen_ai.operation.name").and_then(Value::as_str);
    let is_loop = span.attributes.keys().any(|name| name.starts_with("event_loop."));
    !is_loop && operation.is_none_or(|operation| AZURE.contains(&operation)) && has_messages(span)
}

pub(super) fn of_event(event: &Event) -> Role {
    match event.name.as_str() {
        "gen_ai.client.inference.operation.details" => Role::Details,
        "gen_ai.evaluation.result" => Role::Evaluation,
        "gen_ai.security.finding" | "gen_ai.guardrail.result" | "gen_ai.guardrail.security.finding" => {
            Role::Guardrail
        }
        "exception" => Role::Exception,
        // One for each operation: `gen_ai.client.inference.exception`, `gen_ai.execute_tool.exception`.
        name if name.starts_with("gen_ai.") && name.ends_with(".exception") => Role::Exception,
        name if is_message(name) => Role::Message,
        name if name.starts_with("claude_code.") => Role::ClaudeCode,
        _ if matches!(&event.body, Value::String(body) if body.starts_with("claude_code.")) => {
            Role::ClaudeCode
        }
        // A gateway's access log has the attributes of a span.
        name => match of_attributes(&event.attributes, name) {
            Role::Inference => Role::Details,
            Role::Context => match told_by(&event.body) {
                Some(BodySubject::Call) => Role::Details,
                Some(BodySubject::Tool) => Role::Tool,
                None => Role::Context,
            },
            other => other,
        },
    }
}

/// Names of who decided what. A call of a model or a tool may carry them, too.
const DECISION: [&str; 8] = [
    "gen_ai.guardrail.component.name",
    "gen_ai.guardrail.name",
    "gen_ai.guardian.name",
    "gen_ai.security.verdict.type",
    "gen_ai.guardrail.verdict.type",
    "gen_ai.guardrail.verdict",
    "gen_ai.security.decision.type",
    "evidence.policy.verdict",
];

fn of_attributes(attributes: &Attributes, name: &str) -> Role {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let has = |name: &str| attributes.contains_key(name);
    if let Some(method) = text("mcp.method.name") {
        let calls =
            ["tools/call", "resources/read", "prompts/get", "sampling/createMessage", "elicitation/create"];
        return if calls.contains(&method) { Role::McpCall } else { Role::McpTalk };
    }
    if let Some(method) = text("a2a.method.name").or_else(|| text("a2a.method")) {
        return of_a2a(method);
    }
    if has("gen_ai.handoff.to_agent") {
        return Role::Tool;
    }
    if has("guardrail_name") || has("litellm.guardrail.name") || has("gen_ai.security.guardrail.name") {
        return Role::Guardrail;
    }
    if let Some(role) = platforms::role(attributes) {
        return role;
    }
    if let Some(role) = text("ai.operationId").and_then(of_vercel).or_else(|| of_spring(attributes)) {
        return role;
    }
    if name == "raw_gen_ai_request" {
        return Role::RawInference;
    }
    let operation = text("gen_ai.operation.name").and_then(of_operation);
    // LiteLLM calls what it does over MCP a request, too.
    if let Some(role) = operation.or_else(|| text("llm.request.type").and_then(of_operation)) {
        return role;
    }
    // LlamaIndex marks the preparation of a call as the call itself.
    if name.ends_with("._prepare_chat_with_tools") && has("openinference.span.kind") {
        return Role::Context;
    }
    if let Some(role) = text("openinference.span.kind").and_then(of_open_inference) {
        return role;
    }
    match text("traceloop.span.kind").map(str::to_ascii_lowercase).as_deref() {
        Some("tool") => return Role::Tool,
        Some("agent") => return Role::Agent,
        Some("workflow" | "task") => return Role::Context,
        _ => {}
    }
    if DECISION.into_iter().any(has) {
        return Role::Guardrail;
    }
    by_what_is_left(attributes, name)
}

/// Where the name of the operation is missing, or was dropped: what only an inference has tells it, or the span's name does.
fn by_what_is_left(attributes: &Attributes, name: &str) -> Role {
    let is_gen_ai = attributes.keys().any(|name| name.starts_with("gen_ai."));
    let first = name.split(' ').next().unwrap_or_default();
    if let (true, Some(role)) = (is_gen_ai && name.contains(' '), of_operation(first)) {
        return role;
    }
    let told = [
        "gen_ai.response.id",
        "gen_ai.response.model",
        "gen_ai.response.finish_reasons",
        "gen_ai.usage.input_tokens",
        "gen_ai.usage.prompt_tokens",
        "gen_ai.usage.output_tokens",
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.prompt",
        "gen_ai.completion",
        "gen_ai.prompt.0.content",
        "gen_ai.prompt.0.role",
        "llm.request.type",
        "llm.model_name",
        "llm.input_messages.0.message.role",
        "gcp.vertex.agent.llm_request",
        "gcp.vertex.agent.llm_response",
    ];
    if told.into_iter().any(|name| attributes.contains_key(name)) {
        return Role::Inference;
    }
    let is_tool =
        ["gen_ai.tool.call.id", "gen_ai.tool.name"].into_iter().any(|name| attributes.contains_key(name));
    if is_tool || is_agentcore_tool(attributes) { Role::Tool } else { Role::Context }
}

/// Methods of the agent-to-agent protocol that are about no task are talk about the protocol.
fn of_a2a(method: &str) -> Role {
    let is_talk = method.contains("PushNotification")
        || method.contains("pushNotification")
        || method.contains("AgentCard")
        || method.contains("agentCard")
        || matches!(method, "ListTasks" | "tasks/list");
    if is_talk || method.contains("ExtendedCard") { Role::McpTalk } else { Role::A2a }
}

/// The span that a gateway of Amazon Bedrock AgentCore has for a tool.
fn is_agentcore_tool(attributes: &Attributes) -> bool {
    let is_gateway = ["gateway.id", "gateway.name"].into_iter().any(|name| attributes.contains_key(name));
    is_gateway && attributes.contains_key("tool.name")
}

fn of_operation(operation: &str) -> Option<Role> {
    Some(match operation {
        "chat" | "generate_content" | "text_completion" | "completion" | "embeddings" | "embedding"
        | "responses" | "message" | "messages" | "image_generation" | "rerank" | "transcription"
        | "speech" | "moderation" | "acompletion" | "atext_completion" | "aembedding" | "aresponses"
        | "anthropic_messages" | "agenerate_content" | "aimage_generation" | "arerank" | "atranscription"
        | "aspeech" | "amoderation" => Role::Inference,
        "execute_tool" | "call_mcp_tool" => Role::Tool,
        "list_mcp_tools" => Role::McpTalk,
        "retrieval" | "search_memory" => Role::Retrieval,
        "run_guardrail" | "apply_guardrail" | "execute_guardrail" | "guardrail" => Role::Guardrail,
        // To the conventions a workflow, or one turn of a program's runner, is an agent that is run in the program.
        "invoke_agent" | "invoke_workflow" | "handle_conversation_turn" => Role::Agent,
        "create_agent" => Role::AgentCreation,
        "plan" => Role::Context,
        "fetch_response" => Role::Fetch,
        _ if operation.ends_with("_memory") || operation.ends_with("_memory_store") => Role::Tool,
        _ => return None,
    })
}

/// Spans of the Vercel AI SDK. The outer span of a call says what the inner one says, and may have several of those below it.
fn of_vercel(operation: &str) -> Option<Role> {
    match operation {
        "ai.toolCall" => Some(Role::Tool),
        _ if operation.ends_with(".doGenerate")
            || operation.ends_with(".doStream")
            || operation.ends_with(".doEmbed") =>
        {
            Some(Role::Inference)
        }
        _ if operation.starts_with("ai.") => Some(Role::Context),
        _ => None,
    }
}

/// Spans of Spring AI, whose operation may be `framework`.
fn of_spring(attributes: &Attributes) -> Option<Role> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    match text("spring.ai.kind")? {
        "tool_call" => Some(Role::Tool),
        "vector_store" if text("db.operation.name") == Some("query") => Some(Role::Retrieval),
        "chat_client" | "advisor" => Some(Role::Context),
        _ => None,
    }
}

fn of_open_inference(kind: &str) -> Option<Role> {
    Some(match kind.to_ascii_uppercase().as_str() {
        "LLM" | "EMBEDDING" => Role::Inference,
        "TOOL" => Role::Tool,
        "RETRIEVER" | "RERANKER" => Role::Retrieval,
        "AGENT" => Role::Agent,
        "GUARDRAIL" => Role::Guardrail,
        "CHAIN" | "EVALUATOR" | "PROMPT" => Role::Context,
        _ => return None,
    })
}
