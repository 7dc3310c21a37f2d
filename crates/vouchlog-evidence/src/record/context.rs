//! When it was, what it belongs to, and how the record was made and is kept.

use jiff::Timestamp;

use super::Commitment;
use super::group::{group, words};
use super::id::RecordId;

group! {
    /// When it happened, by the gateway's clock.
    Time {
        /// When it began.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// When it was decided to go on.
        decision: Timestamp,
        /// When the first part of the answer came.
        first_chunk: Timestamp,
        /// When the recorder heard of it.
        received: Timestamp,
        /// The clock.
        clock: Clock,
    }
}

group! {
    /// A clock.
    Clock {
        /// What it is set by.
        source: String,
        /// How far off it may be, in milliseconds.
        max_error_ms: u64,
    }
}

group! {
    /// What an interaction belongs to.
    Correlation {
        /// The session. Personal.
        session: String,
        /// Place in the session, from 1.
        session_sequence: u64,
        /// The conversation (OpenTelemetry `gen_ai.conversation.id`).
        conversation: String,
        /// The turn of the conversation.
        turn: String,
        /// The conversation was shortened before this turn.
        compacted: bool,
        /// W3C trace id, 32 hexadecimal digits.
        trace: String,
        /// W3C span id, 16 hexadecimal digits.
        span: String,
        /// The span above.
        parent_span: String,
        /// The span above is another organisation's.
        parent_external: bool,
        /// Records this one follows from.
        causes: Vec<RecordId>,
        /// The provider's id of the answer.
        response_id: String,
        /// The answer this one goes on from.
        previous_response: String,
        /// Id of the request.
        request_id: String,
        /// Which attempt, from 1.
        attempt: u64,
        /// The same for every retry of one call.
        idempotency_key: String,
        /// The record of the intent this is the outcome of.
        intent: RecordId,
        /// Whether the gateway writes intents ahead, so that an outcome without one is a fault.
        write_ahead: bool,
        /// The record this one completes.
        amends: RecordId,
        /// Agent-to-agent task.
        a2a_task: String,
        /// Agent-to-agent context.
        a2a_context: String,
    }
}

words! {
    /// Why a record was made before all that belongs to it had come.
    CompletedBy {
        /// The rest did not come in time.
        Timeout,
        /// There was no room to wait for it.
        NoRoom,
        /// The recorder was told to finish.
        Flush,
    }
}

group! {
    /// How the record was made and is kept.
    Custody {
        /// Whether the source leaves interactions out.
        sampled: bool,
        /// Attributes the source dropped.
        dropped_attributes: u64,
        /// Secrets that were taken out when the record was read: how many.
        secrets_removed: u64,
        /// What the record was made from: the dialect and its version.
        source: String,
        /// The service that told of it, by its own word (OpenTelemetry `service.name`).
        service: String,
        /// Why it was made before all of the trace had come; absent where the trace was whole.
        completed_by: CompletedBy,
        /// Keyed commitments to the bodies of telemetry it was made from, each as it came: a better reader may read them again.
        bodies: Vec<Commitment>,
        /// Which recorder, and which of its keys.
        recorder: String,
        /// How long it must be kept, as a class of the deployment.
        retention: String,
        /// A legal hold that applies.
        legal_hold: String,
        /// What is redacted, as JSON pointers.
        redactions: Vec<String>,
    }
}
