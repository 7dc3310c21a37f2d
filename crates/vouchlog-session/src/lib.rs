//! What happened in a session, step by step in causal order, with what is missing drawn where it is missing; and session bundles.
//!
//! **Invariant: what is not here is never drawn as if it were.** A gap, a withheld field and an erased one each have a line or a mark
//! of their own, and no control character and no change of writing direction in a record reaches a terminal or a page.
//!
//! ```text
//! records ─┬─ order      who follows from whom: intents, causes, spans; then the session's numbers, then time
//!          ├─ steps      initiator → executor → credential → prompt → data → decisions → approval → model → tools → outcome
//!          ├─ gaps       missing numbers, declared losses, the seal's count, late records
//!          ├─ questions  who authorised it, what executed it, was the credential valid at that moment
//!          └─ summary    the same in sentences; whether all records are here
//! ```
//!
//! In scope: the timeline of a session ([`Timeline`], plain data: drawing it needs nothing else), text made safe to show ([`plain`]),
//! everything disclosed about a session in one file that verifies offline ([`SessionBundle`], [`verify_bundle`]), and the same with the
//! program that checks it ([`CourtFile`]).
//!
//! Out of scope: which records belong to a session (`vouchlog-vault`), judging a record (`vouchlog-grading`), drawing the timeline as
//! text or HTML.

mod bundle;
mod completeness;
mod content;
mod court;
mod decisions;
mod events;
mod findings;
mod gaps;
mod input;
pub mod limits;
mod numbers;
mod order;
mod phrases;
mod plain;
mod questions;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod step_list;
mod steps;
mod summary;
mod timeline;
mod timeline_builder;
mod tools;

pub use bundle::{
    BundleContents, BundleError, BundlePart, DisclosedRecord, SessionBundle, VerifiedSession, verify_bundle,
};
pub use court::{CourtFile, CourtPart, VERIFIER, verifier_digest};
pub use input::{ErasedAt, Loss, ProofState, SessionContext, SessionRecord, StreamGap};
pub use plain::{clipped, plain};
pub use timeline::{
    ActionAnswers, CriticalFinding, DeclaredGap, Gap, GapScope, Line, ProofCounts, ReasonedAnswer,
    ShownFinding, State, Step, Summary, Timeline, TimelineRecord,
};

#[cfg(test)]
mod tests;
