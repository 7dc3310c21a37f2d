//! Bounds of what this crate reads.

/// Most bytes of a record's JSON: 4 MiB.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Most entries of a list of groups in a record: policy decisions, tool calls, sources, downstream calls.
pub const MAX_LIST: usize = 1_000;

/// Deepest nesting of a record's JSON.
pub const MAX_DEPTH: usize = 64;
