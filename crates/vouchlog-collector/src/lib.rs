//! Make records of the AI interactions in a gateway's telemetry.
//!
//! **Invariant: what was acknowledged is on disk, and becomes records exactly once; nothing that was sent is taken for more than it
//! says, and what is left out is named.**
//!
//! ```text
//! emitter ─► receiver ─► journal (durable) ─► answer
//!                           │ one task, in order
//!                           ▼
//!                         fold: intake ─► dialect ─► assemble, sessions, intents ─► records
//!                           ▼
//!                         recorder (vouchlog-vault) ─► log;   then the journal forgets
//! ```
//!
//! Everything that changes a collector is an entry of its journal, the time included. So the fold is a plain state machine, and a
//! collector that is killed makes the same records again, by the same names, which the recorder knows.
//!
//! The steps of the fold are pure: [`intake`] reads a body into items, [`dialect`] says what an item's attributes mean, [`assemble`]
//! puts the items of one interaction together into one record. [`doors`] are for bodies that are no OTLP.
//!
//! [`doctor`] reads the records back from the vault, and reports what the evidence of each gateway lacks.

mod arrival;
pub mod assemble;
mod collector;
pub mod dialect;
pub mod doctor;
pub mod doors;
mod fold;
mod forward;
pub mod intake;
mod intents;
mod journal;
pub mod limits;
mod metrics;
mod packing;
mod pipeline;
pub mod receiver;
mod secret;
mod sender;
mod sessions;
mod settings;

pub use arrival::{Arrival, Door};
pub use collector::{
    Acceptance, Collector, CollectorConfig, Destination, IntentReceipt, OpenError, Rejection,
};
pub use forward::{Forward, ForwardError, ForwardLimits, ForwardTarget};
pub use sender::Sender;
pub use settings::{Mode, Settings};
pub use vouchlog_outbound::{Reach, ReachError};

#[cfg(test)]
mod testsupport;
