//! Why a model stopped.

/// A reason to stop, by the name of OpenTelemetry's list: stop, length, content_filter, tool_call, error. Others stay.
pub fn finish_reason(reason: &str) -> String {
    // As Python names a member of an enumeration.
    let reason = reason.strip_prefix("FinishReason.").unwrap_or(reason);
    match reason.to_ascii_lowercase().as_str() {
        "tool_calls" | "tool_call" | "tool-calls" | "tool_use" | "function_call" => "tool_call".into(),
        "stop" | "end_turn" | "stop_sequence" | "complete" | "completed" => "stop".into(),
        "length" | "max_tokens" | "max_output_tokens" => "length".into(),
        "content_filter" | "content-filter" | "content_filtered" | "safety" => "content_filter".into(),
        _ => reason.to_owned(),
    }
}
