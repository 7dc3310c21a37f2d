//! What a record of an AI interaction holds, its SD-JWT statement, disclosure, and completeness verdicts.
//!
//! **Invariant: missing data never counts as present.**
//!
//! In scope: the model of a record ([`Record`]), reading it, grading it, its statement, presentations of chosen fields.
//!
//! Out of scope: where records are kept (`vouchlog-vault`), how they come out of telemetry, when they are logged.

pub mod limits;
mod record;

pub use record::*;
