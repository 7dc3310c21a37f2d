//! Sessions: what happened in one, step by step in causal order, with what is missing drawn where it is missing.
//!
//! ```text
//! records ─┬─ order      who follows from whom: intents, causes, spans; then the session's numbers, then time
//!          ├─ steps      initiator → executor → credential → prompt → data → decisions → approval → model → tools → outcome
//!          ├─ gaps       missing numbers, declared losses, the seal's count, late records
//!          ├─ questions  who authorised it, what executed it, was the credential valid at that moment
//!          └─ summary    the same in sentences; whether all records are here
//! ```
//!
//! A [`Timeline`] is plain data: drawing it needs nothing else. Text in its lines that a record brought along has passed
//! [`plain`], so no control character and no change of writing direction reaches a terminal or a page.

mod complete;
mod content;
mod events;
mod gaps;
mod input;
mod judged;
mod order;
mod plain;
mod questions;
mod reconstruct;
#[cfg(any(test, feature = "testing"))]
pub mod sample;
mod steps;
mod summary;
mod timeline;
mod tools;
mod words;

pub use input::{ErasedAt, Loss, Place, ProofState, SessionRecord, StreamGap, Surroundings};
pub use plain::{clipped, plain};
pub use timeline::{
    Act, DeclaredGap, Gap, GapOf, Line, Noted, Proven, Recorded, Reply, State, Step, Summary, Timeline,
};

#[cfg(test)]
mod tests;
