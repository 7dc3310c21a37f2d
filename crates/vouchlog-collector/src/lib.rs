//! Make records of the AI interactions in a gateway's telemetry.
//!
//! **Invariant: nothing that was sent is taken for more than it says, and what is left out is named.**
//!
//! Three steps, each a pure function or a plain state machine: [`intake`] reads a body into items, [`dialect`] says what an item's
//! attributes mean, [`assemble`] puts the items of one interaction together into one record. [`doors`] are for bodies that are no
//! OTLP.
//!
//! Out of scope: network, disk, clock. A receiver brings them, signs nothing here, and hands records on.

pub mod assemble;
pub mod dialect;
pub mod doors;
pub mod intake;
pub mod limits;

#[cfg(test)]
mod testsupport;
