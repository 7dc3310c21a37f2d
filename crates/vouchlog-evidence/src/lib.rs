//! What a record of an AI interaction holds, its SD-JWT statement, disclosure, and completeness verdicts.

pub mod limits;
mod presentation;
mod record {
    mod id;
    pub use id::RecordId;
}
mod statement;

pub use presentation::{
    LogTrust, Part, Presentation, PresentationError, StreamIdentity, VerifiedPresentation,
    verify_presentation,
};
pub use record::RecordId;
pub use statement::{
    ClearClaims, Disclosure, Issued, StatementError, VerifiedStatement, digest_of, issue, public_jwk, verify,
};
