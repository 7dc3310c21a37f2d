//! When it was, what it belongs to, and how the record was made and is kept.

use jiff::Timestamp;

use crate::digest::Commitment;
use crate::group::{group, words};
use crate::id::RecordId;
use crate::parties::TaskState;

group! {
    /// When it happened, by the gateway's clock.
    Time {
        /// When it started.
        start: Timestamp,
        /// When it ended.
        end: Timestamp,
        /// When the approval was decided.
        decision: Timestamp,
        /// When the first part of the answer came.
        first_chunk: Timestamp,
        /// When the recorder received it.
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
        /// Maximum error of the clock, in milliseconds.
        max_error_ms: u64,
    }
}

group! {
    /// What an interaction belongs to.
    Correlation {
        /// The session. Personal.
        session: String,
        /// Number in the session, from 1.
        session_sequence: u64,
        /// The conversation (OpenTelemetry `gen_ai.conversation.id`).
        conversation: String,
        /// The turn of the conversation.
        turn: String,
        /// Whether the conversation was shortened before this turn.
        compacted: bool,
        /// W3C trace id, 32 hexadecimal digits.
        trace: String,
        /// W3C span id, 16 hexadecimal digits.
        span: String,
        /// The span above.
        parent_span: String,
        /// The span above is another organisation's.
        parent_external: bool,
        /// Records that caused this one.
        causes: Vec<RecordId>,
        /// The provider's response id.
        response_id: String,
        /// The response that this one continues.
        previous_response: String,
        /// Id of the request.
        request_id: String,
        /// Which attempt, from 1.
        attempt: u64,
        /// The same for every retry of one call.
        idempotency_key: String,
        /// The intent of which this record is the outcome.
        intent: RecordId,
        /// Whether the gateway records intents, so that an outcome without an intent is a fault.
        write_ahead: bool,
        /// The record that this one completes.
        amends: RecordId,
        /// Agent-to-agent task.
        a2a_task: String,
        /// Agent-to-agent context.
        a2a_context: String,
        /// The state of the agent-to-agent task that this interaction worked on, as it was reported last.
        a2a_task_state: TaskState,
    }
}

words! {
    /// Why a record was made before all its parts had arrived.
    CompletedBy {
        /// The rest did not arrive in time.
        Timeout,
        /// There was no space to wait for the rest.
        NoRoom,
        /// The recorder was flushed.
        Flush,
    }
}

group! {
    /// How the record was made and is kept.
    Custody {
        /// Whether the source omits interactions.
        sampled: bool,
        /// Attributes the source dropped.
        dropped_attributes: u64,
        /// Number of secrets removed when the record was read.
        secrets_removed: u64,
        /// What the record was made from: the dialect and its version.
        source: String,
        /// The service that sent it, self-asserted (OpenTelemetry `service.name`).
        service: String,
        /// Who sent it: the callers that the collector authenticated, by their names in its access file, and `anonymous` for a caller
        /// that was not, if there were others. Absent where none was authenticated. What the record states are their claims.
        emitters: Vec<String>,
        /// Why it was made before the whole trace had arrived; absent if the trace was complete.
        completed_by: CompletedBy,
        /// Keyed commitments to the original telemetry bodies behind the record, for later reprocessing.
        bodies: Vec<Commitment>,
        /// The recorder and its key.
        recorder: String,
        /// How long it must be kept, as a class of the deployment.
        retention: String,
        /// A legal hold that applies.
        legal_hold: String,
        /// What is redacted, as JSON pointers.
        redactions: Vec<String>,
    }
}
