//! What was done: data, model, input, output, tools and what they called.

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use crate::digest::{ArtifactDigest, Commitment};
use crate::group::{group, words};

group! {
    /// The data of an interaction. Classes are the organisation's own words; their order of sensitivity is configuration.
    Data {
        /// Data classes of the input.
        input_class: Vec<String>,
        /// Data classes of the output.
        output_class: Vec<String>,
        /// Whether the input was redacted before it reached the model.
        redacted_input: bool,
        /// Whether data was retrieved for the model.
        retrieved: bool,
        /// What was retrieved.
        sources: Vec<DataSource>,
        /// Resources that were read or written.
        resources: Vec<String>,
        /// Data classes for which the model that answered is approved.
        approved_for: Vec<String>,
    }
}

group! {
    /// A retrieved document.
    DataSource {
        /// The source.
        id: String,
        /// The document in it.
        document: String,
        /// Its class.
        class: String,
        /// Commitment to its content.
        digest: Commitment,
        /// The query. Content.
        query: String,
        /// The text. Content.
        content: Value,
        /// Relevance to the query, on the retriever's scale.
        score: Number,
        /// When the retrieval started.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// Id of the credential it used.
        credential: String,
    }
}

group! {
    /// The model that answered.
    Model {
        /// Who runs it (OpenTelemetry `gen_ai.provider.name`).
        provider: String,
        /// The requested model.
        requested: String,
        /// The model that answered.
        served: String,
        /// The endpoint.
        endpoint: String,
        /// Parameters: temperature, limits, seed. Definitions of tools and schemas among them are content.
        params: Map<String, Value>,
        /// The provider's tier of service that answered.
        served_tier: String,
        /// The provider's fingerprint of the backend.
        fingerprint: String,
        /// Why a model other than the requested one answered: an alias, a fallback.
        routing: String,
        /// Name of the prompt template.
        prompt_name: String,
        /// Its version.
        prompt_version: String,
        /// Id of the credential that the call of the model used.
        credential: String,
    }
}

group! {
    /// Input or output of the model.
    Content {
        /// The messages. Content.
        content: Value,
        /// Commitment to them, where the gateway keeps them elsewhere.
        commitment: Commitment,
        /// Where they are kept.
        r#ref: String,
        /// Their bytes.
        bytes: u64,
        /// Whether the content was truncated.
        truncated: bool,
        /// Why the model stopped (OpenTelemetry `gen_ai.response.finish_reasons`); output only.
        finish: Vec<String>,
        /// Whether the model refused; output only.
        refusal: bool,
    }
}

group! {
    /// Tokens.
    Usage {
        /// Input tokens.
        input_tokens: u64,
        /// Output tokens.
        output_tokens: u64,
        /// Input tokens read from the provider's cache.
        cache_read_input_tokens: u64,
        /// Input tokens written to the provider's cache.
        cache_write_input_tokens: u64,
        /// Output tokens spent on hidden reasoning.
        reasoning_output_tokens: u64,
    }
}

words! {
    /// The status of a tool call.
    ToolStatus {
        /// The model proposed the call; it has not been run.
        Proposed,
        /// It was run.
        Executed,
        /// It was not allowed.
        Denied,
        /// It was allowed, but not run.
        Dropped,
        /// It was run and failed.
        Failed,
    }
}

words! {
    /// The state of a side effect.
    Effect {
        /// The effect was confirmed.
        Confirmed,
        /// The call was sent; the effect is not confirmed.
        Dispatched,
        /// There was no effect.
        None,
        /// It failed.
        Failed,
        /// The effect was reverted.
        Reverted,
    }
}

words! {
    /// Who requested a tool call.
    ToolOrigin {
        /// The model.
        Model,
        /// A person.
        Human,
    }
}

group! {
    /// One tool call.
    Tool {
        /// Its id.
        call_id: String,
        /// The server of the tool.
        server: String,
        /// The tool.
        name: String,
        /// Its type, as OpenTelemetry's `gen_ai.tool.type`.
        r#type: String,
        /// Its self-description. Content.
        description: String,
        /// The call in the Model Context Protocol.
        mcp: Mcp,
        /// The agent that the call hands the work over to.
        handoff: String,
        /// Digest of its definition as used.
        definition_digest: ArtifactDigest,
        /// Digest of its definition as pinned.
        pinned_definition_digest: ArtifactDigest,
        /// Whether the tool has side effects.
        side_effect: bool,
        /// Whether the effect cannot be undone.
        irreversible: bool,
        /// Whether the model proposed the call.
        proposed: bool,
        /// Who requested the call.
        origin: ToolOrigin,
        /// The status of the call.
        status: ToolStatus,
        /// When it started.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// The arguments. Content.
        arguments: Value,
        /// Commitment to the arguments the tool received.
        arguments_digest: Commitment,
        /// The result. Content.
        result: Value,
        /// Commitment to the result.
        result_digest: Commitment,
        /// The scope it takes.
        needs_scope: String,
        /// The resource or trust domain it belongs to, as an audience.
        audience: String,
        /// Id of the credential it was called with.
        credential: String,
        /// Its downstream calls.
        downstream: Vec<Downstream>,
        /// The state of the call's side effect.
        effect: Effect,
        /// The error, as a code.
        error: String,
    }
}

group! {
    /// A call in the Model Context Protocol.
    Mcp {
        /// The method: `tools/call`.
        method: String,
        /// Id of the JSON-RPC request.
        request: String,
        /// Id of the transport's session.
        session: String,
        /// Version of the protocol.
        protocol: String,
    }
}

group! {
    /// A call that a tool made.
    Downstream {
        /// The target.
        target: String,
        /// The operation.
        op: String,
        /// The status of the response.
        status: String,
        /// The other side's reference.
        r#ref: String,
        /// Id of the credential it used.
        credential: String,
        /// The time.
        at: Timestamp,
        /// W3C span id of the call.
        span: String,
    }
}

words! {
    /// How an interaction ended.
    OutcomeState {
        /// It was executed.
        Executed,
        /// A guardrail blocked it.
        Blocked,
        /// A policy denied it.
        Denied,
        /// It failed.
        Error,
        /// It timed out.
        Timeout,
        /// It was deferred to a person.
        Deferred,
        /// It was cancelled.
        Cancelled,
    }
}

group! {
    /// How the interaction ended.
    Outcome {
        /// The state.
        state: OutcomeState,
        /// The error, as a code.
        error: String,
        /// The error message, which may quote the request. Content.
        message: String,
        /// The state of the side effect.
        effect: Effect,
    }
}
