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
//! Why this is not OpenTelemetry's SDK (`opentelemetry_sdk` 0.33, `opentelemetry-otlp` 0.33, `tracing-opentelemetry` 0.34), of which only
//! the messages and gRPC clients in `opentelemetry-proto` are used:
//!
//! * The SDK takes no metrics from a registry of another library, so what reads the registry and sends it would stay.
//! * Its batch processor loses a batch when an endpoint is away for longer than its retries, and does not tell how many spans it dropped.
//! * Its exporters return one error for an endpoint that is busy and one that rejects a batch for good.
//! * The layer exports the words of log lines, writes unsigned numbers as text, and cannot begin a trace under the id of a request.
//!
//! *Invariant: the program never waits for an endpoint and never fails because of one. Spans that find the queue full are dropped
//! and counted.*

mod config;
mod layer;
mod limits;
mod metrics;
mod outage;
#[cfg(test)]
mod tests;
mod transport;
mod worker;

pub use config::{Config, ConfigError};
pub use layer::SpanLayer;
pub use worker::{MetricsSource, StartError, Telemetry};
