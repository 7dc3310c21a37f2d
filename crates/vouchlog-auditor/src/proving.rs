//! From a suspicion to evidence, and from evidence back to what it proves.

mod broken_rule;
mod build;
mod contradiction;
mod verify;

pub(crate) use build::{build, prefix_of, proven_run};
pub use contradiction::contradiction;
pub(crate) use verify::verify_run;
pub use verify::{Verdict, verify_finding};
