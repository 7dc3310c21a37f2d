//! The fixed words of the format.

/// The format's name, the member `schema`.
pub const SCHEMA: &str = "vouchlog/v1 record";

/// The member that marks a state instead of a value: `{"$": "redacted"}`.
pub(crate) const MARK: &str = "$";
