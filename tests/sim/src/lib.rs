//! Deterministic simulation: a log, gateways and witnesses on machines whose disks, network and clocks fail, all from one seed.
//!
//! What runs for real, and what is simulated, is in README.md. Start at `world.rs`; `checker.rs` holds the promises.
//!
//! *Invariant: a seed gives the same run each time.*

use std::panic::{AssertUnwindSafe, catch_unwind};

pub mod checker;
pub mod disk;
mod gateway_node;
mod living;
mod log_node;
mod network;
mod plant;
mod profile;
mod report;
pub mod rng;
mod segments;
mod spool;
mod store;
mod witness_node;
mod witness_store;
mod world;

pub use plant::Plant;
pub use report::{Outcome, Report};

/// Steps of one run before everything must come to rest.
pub const STEPS: u64 = 120;

/// Takes the run of a seed, with a planted bug or none.
pub fn run(seed: u64, plant: Option<Plant>) -> Report {
    let mut world = world::World::new(seed, plant);
    let outcome = catch_unwind(AssertUnwindSafe(|| world.run(STEPS)));
    let mut report = std::mem::take(&mut world.report);
    report.violation = match outcome {
        Ok(outcome) => outcome.err(),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Some(format!("panicked: {}", text.unwrap_or_default()))
        }
    };
    report
}
