//! What a record of an AI interaction holds, its SD-JWT statement, disclosure, and completeness verdicts.
//!
//! **Invariant: missing data never counts as present.**
//!
//! In scope: the model of a record ([`Record`]), reading it, grading it, its statement ([`issue`]), presentations of chosen
//! fields ([`Presentation`]).
//!
//! Out of scope: where records are kept (`vouchlog-vault`), how they come out of telemetry, when they are logged.

pub mod limits;
mod presentation;
mod record;
mod statement;

pub use presentation::{
    LogTrust, Part, Presentation, PresentationError, StreamIdentity, VerifiedPresentation,
    verify_presentation,
};
pub use record::*;
pub use statement::{
    ClearClaims, Disclosure, Issued, StatementError, VerifiedStatement, digest_of, issue, public_jwk, verify,
};
