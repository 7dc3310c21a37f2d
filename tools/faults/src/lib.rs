//! Fault campaigns against the unmodified `vouchlog` binary: its data is damaged, its system calls fail, its disk lies. What it makes of
//! that is judged by what it had acknowledged before.
//!
//! The engine is a library so that the integration tests can run a short campaign.

pub mod calls;
pub mod campaign;
mod collector;
pub mod damage;
mod gateway;
mod history;
pub mod log;
#[cfg(feature = "fuse")]
pub mod lying_disk;
pub mod lying_sync;
pub mod outcome;
pub mod program;
mod promised;
pub mod subject;
