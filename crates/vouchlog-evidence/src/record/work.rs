//! What was done: data, model, input, output, tools and what they called.

use jiff::Timestamp;
use serde_json::{Map, Number, Value};

use super::group::{group, words};
use super::{ArtifactDigest, Commitment};

group! {
    /// The data an interaction touched. Classes are the organisation's own words; their order of sensitivity is configuration.
    Data {
        /// Classes of what went in.
        input_class: Vec<String>,
        /// Classes of what came out.
        output_class: Vec<String>,
        /// Whether the input was redacted on its way to the model.
        redacted_input: bool,
        /// Whether something was retrieved for the model.
        retrieved: bool,
        /// What was retrieved.
        sources: Vec<DataSource>,
        /// Resources that were read or written.
        resources: Vec<String>,
        /// Classes the answering model is approved for.
        approved_for: Vec<String>,
    }
}

group! {
    /// Something that was retrieved.
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
        /// How well it fits the query, on the scale of whoever retrieved it.
        score: Number,
    }
}

group! {
    /// The model that answered.
    Model {
        /// Who runs it (OpenTelemetry `gen_ai.provider.name`).
        provider: String,
        /// The model that was asked for.
        requested: String,
        /// The model that answered.
        served: String,
        /// Where.
        endpoint: String,
        /// Parameters: temperature, limits, seed. Definitions of tools and schemas among them are content.
        params: Map<String, Value>,
        /// The provider's tier of service that answered.
        served_tier: String,
        /// The provider's fingerprint of the backend.
        fingerprint: String,
        /// Why another model than asked for answered: an alias, a fallback.
        routing: String,
        /// Name of the prompt template.
        prompt_name: String,
        /// Its version.
        prompt_version: String,
    }
}

group! {
    /// What went into the model, or came out of it.
    Content {
        /// The messages. Content.
        content: Value,
        /// Commitment to them, where the gateway keeps them elsewhere.
        commitment: Commitment,
        /// Where they are kept.
        r#ref: String,
        /// Their bytes.
        bytes: u64,
        /// Whether something was cut off.
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
        /// In.
        input_tokens: u64,
        /// Out.
        output_tokens: u64,
        /// Of those in, read from the provider's cache.
        cache_read_input_tokens: u64,
        /// Of those in, written to it.
        cache_write_input_tokens: u64,
        /// Of those out, spent on reasoning that is not shown.
        reasoning_output_tokens: u64,
    }
}

words! {
    /// What became of a tool call.
    ToolStatus {
        /// The model asked for it, and nobody did anything yet.
        Proposed,
        /// It was run.
        Executed,
        /// It was not allowed.
        Denied,
        /// It was allowed and not run.
        Dropped,
        /// It was run and failed.
        Failed,
    }
}

words! {
    /// What became of an effect on the world.
    Effect {
        /// It was seen.
        Confirmed,
        /// It was sent off.
        Dispatched,
        /// There is none.
        None,
        /// It failed.
        Failed,
        /// It was undone.
        Reverted,
    }
}

words! {
    /// Who asked for a tool call.
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
        /// What it says of itself. Content.
        description: String,
        /// The call in the Model Context Protocol.
        mcp: Mcp,
        /// Digest of its definition as used.
        definition_digest: ArtifactDigest,
        /// Digest of its definition as pinned.
        pinned_definition_digest: ArtifactDigest,
        /// Whether it changes something.
        side_effect: bool,
        /// Whether that cannot be undone.
        irreversible: bool,
        /// Whether the model proposed the call.
        proposed: bool,
        /// Who asked for it.
        origin: ToolOrigin,
        /// What became of it.
        status: ToolStatus,
        /// When it began.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// The arguments. Content.
        arguments: Value,
        /// Commitment to the arguments the tool got.
        arguments_digest: Commitment,
        /// The result. Content.
        result: Value,
        /// Commitment to the result.
        result_digest: Commitment,
        /// The scope it takes.
        needs_scope: String,
        /// The resource or trust domain it belongs to, as an audience.
        audience: String,
        /// What it called in turn.
        downstream: Vec<Downstream>,
        /// What became of its effect.
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
        /// Whom.
        target: String,
        /// What.
        op: String,
        /// The answer's status.
        status: String,
        /// The other side's name for it.
        r#ref: String,
        /// Id of the credential it used.
        credential: String,
        /// When.
        at: Timestamp,
        /// W3C span id of the call.
        span: String,
    }
}

words! {
    /// How an interaction ended.
    OutcomeState {
        /// It was done.
        Executed,
        /// A guardrail stopped it.
        Blocked,
        /// A policy denied it.
        Denied,
        /// It failed.
        Error,
        /// It took too long.
        Timeout,
        /// It waits for somebody.
        Deferred,
        /// Somebody stopped it.
        Cancelled,
    }
}

group! {
    /// How it ended.
    Outcome {
        /// In a word.
        state: OutcomeState,
        /// The error, as a code.
        error: String,
        /// The error in its own words, which may quote what was asked. Content.
        message: String,
        /// What became of the effect.
        effect: Effect,
    }
}
