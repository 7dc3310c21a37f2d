//! Every bound of this crate, with its reason.

/// Longest record as JSON, in bytes. With base64 and salts, the disclosures of such a record still fit into one SD-JWT.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// Longest name of a person that a record is found or erased by, in bytes; a vault takes none that is longer.
pub const MAX_PERSON_BYTES: usize = 4_096;

/// Most entries of a list of groups in a record: policy decisions, tool calls, sources, downstream calls.
pub const MAX_LIST: usize = 1_000;

/// Deepest nesting of a record's JSON. A value that nests deeper than a statement may is stated as text.
pub const MAX_RECORD_DEPTH: usize = 64;
