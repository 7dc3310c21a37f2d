//! What a program that audits a log again and again remembers between audits: which findings it has had, and which of them it has
//! reported. A finding is reported once, also across restarts.

mod found;
mod memory;

pub use found::NewFinding;
pub use memory::{KnownFinding, MonitorError, MonitorMemory};
