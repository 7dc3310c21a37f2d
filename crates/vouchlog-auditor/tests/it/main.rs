//! Tests of the auditor through its public interface.

mod completeness;
mod engine;
mod foreign;
mod resume;
mod support;
mod tampering;
mod totality;
