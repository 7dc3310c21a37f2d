//! Tests of the auditor through its public interface.

#![expect(clippy::unwrap_used, reason = "a test may panic; the lint's exception does not reach its helpers")]

mod ahead;
mod completeness;
mod engine;
mod foreign;
mod pruning;
mod registry;
mod resume;
mod support;
mod tampering;
mod totality;
