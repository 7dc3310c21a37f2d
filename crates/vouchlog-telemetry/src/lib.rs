//! Exports a program's own spans and metrics over OTLP.
//!
//! ```text
//! tracing span ─► layer.rs ─► queue (bounded) ─┐
//!                                              ├─► worker.rs, one thread ─► transport.rs ─► OTLP/HTTP or OTLP/gRPC
//! Prometheus registry ─► metrics.rs ───────────┘
//! ```
//!
//! In scope: the spans of this project's crates, the metrics that `/metrics` shows, the environment variables of the OpenTelemetry
//! specification ([`Config`]). Out of scope: what is a span (each crate decides), log lines, sampling other than the caller's.
//!
//! A trace that a caller began goes on: a root span with the fields `trace_id` and `parent_span_id` becomes a child of the caller's
//! span. A trace that the caller does not sample (`sampled = false`) is not exported.
//!
//! *Invariant: the program never waits for an endpoint and never fails because of one. Spans that find the queue full are dropped
//! and counted.*

mod config;
mod layer;
mod limits;
mod metrics;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

pub use config::{Config, ConfigError};
pub use layer::SpanLayer;
pub use worker::{MetricsSource, StartError, Telemetry};
