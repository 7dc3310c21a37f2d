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

/// Takes the run of a seed.
pub fn run(seed: u64) -> Report {
    take(world::World::new(seed, None, false))
}

/// Takes the run of a seed with the faults that a planted bug needs to show itself, with the bug or without it.
pub fn run_suited(seed: u64, plant: Plant, is_planted: bool) -> Report {
    take(world::World::new(seed, Some(plant), is_planted))
}

fn take(mut world: world::World) -> Report {
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
