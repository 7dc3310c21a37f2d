//! Bounds of what this crate reads and keeps.

/// Most bytes of an OTLP body, after decompression: 16 MiB.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Most spans, or log records, of a body.
pub const MAX_ITEMS: usize = 20_000;

/// Most attributes of a span, an event, a resource; of what has more, the first ones by place are kept and the others counted.
pub const MAX_ATTRIBUTES: usize = 1_024;

/// Most events, or links, of a span.
pub const MAX_SPAN_EVENTS: usize = 1_024;

/// Deepest nesting of an attribute's value, and of JSON in a string. A record's own bound is 64.
pub const MAX_DEPTH: usize = 32;

/// Longest string of an attribute, in bytes: 2 MiB. Longer ones are cut, and the record says so.
pub const MAX_STRING: usize = 2 * 1024 * 1024;

/// Highest index of a flattened array such as `llm.input_messages.7.message.role`.
pub const MAX_INDEX: usize = 4_096;

/// Most decisions, tool calls, sources, observations that a record lists.
pub const MAX_LISTED: usize = 500;

/// Most spans and events of one trace; with more it is done, and says so.
pub const MAX_TRACE_PARTS: usize = 5_000;

/// Most payloads of a callback's body.
pub const MAX_PAYLOADS: usize = 10_000;
