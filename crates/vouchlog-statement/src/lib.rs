//! A record as a signed statement whose fields are disclosed one by one, and presentations that a stranger checks offline.
//!
//! **Invariant: nothing is disclosed that was not chosen.** The statement and the digest that is logged for it show neither the
//! fields of a record nor how many it has.
//!
//! In scope: the statement, an SD-JWT (RFC 9901: [`issue`], [`verify`]), the disclosures chosen from it ([`IssuedStatement::present`]), and
//! presentations with all proofs from the log's key to the disclosed field ([`Presentation`], [`verify_presentation`]).
//!
//! Out of scope: what a record holds (`vouchlog-record`), whether it is complete (`vouchlog-grading`), bundles of a whole session
//! (`vouchlog-session`), fetching proofs, storing disclosures (`vouchlog-vault`).

pub mod limits;
mod presentation;
mod statement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use presentation::{
    KeyStatus, KeyTrust, LogTrust, Presentation, PresentationError, PresentationPart, ShownStatus,
    StreamIdentity, VerifiedPresentation, verify_presentation,
};
pub use statement::{
    ClearClaims, Concealment, Disclosure, DisclosureKind, IssuedStatement, StatementError, VerifiedStatement,
    check_members, digest_of, issue, issue_to_keep, public_jwk, verify,
};
