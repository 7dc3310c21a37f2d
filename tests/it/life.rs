//! How processes live and die: signals reload or stop them, and nothing else a system does to a process loses what was
//! acknowledged, hangs it, or has it report success when it failed.

mod descriptors;
mod drain;
mod hangup;
mod lost_key;
mod output;
mod poison;
mod postgres;
mod program;
mod reserve;
mod up;
mod witness_key;

/// How long anything may take before a test gives up on it. A guard against hanging, and no measurement.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
