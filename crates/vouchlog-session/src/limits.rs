//! Every bound of this crate, with its reason.

/// Longest session bundle, in bytes.
pub const MAX_BUNDLE_BYTES: usize = 64 << 20;

/// Most presentations in a session bundle.
pub const MAX_BUNDLE_RECORDS: usize = 10_000;
