//! What the witness counts, in Prometheus' terms: counters end in `_total`, times are in seconds.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vouchlog_api::{ErrorKind, Result};

/// The witness's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<[(&'static str, &'static str); 1], Counter>,
    cosignatures: Counter,
    pub(crate) refusals: Family<[(&'static str, &'static str); 1], Counter>,
    commit_seconds: Histogram,
    pub(crate) logs: Gauge<u64, AtomicU64>,
    pub(crate) poisoned: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let m = Self {
            requests: Family::default(),
            cosignatures: Counter::default(),
            refusals: Family::default(),
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            logs: Gauge::default(),
            poisoned: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("vouchlog_witness");
        registry.register("requests", "Checkpoints sent to be cosigned, by outcome", m.requests.clone());
        registry.register("cosignatures", "Checkpoints cosigned by this process", m.cosignatures.clone());
        registry.register(
            "refusals",
            "Checkpoints signed by a log that contradict what was cosigned, by reason",
            m.refusals.clone(),
        );
        registry.register(
            "commit_duration_seconds",
            "Time to make a batch of cosignatures durable",
            m.commit_seconds.clone(),
        );
        registry.register("logs", "Logs the witness knows", m.logs.clone());
        registry.register("poisoned", "1 once the witness stopped cosigning for good", m.poisoned.clone());
        m
    }

    pub(crate) fn answered(&self, outcome: &Result<String>) {
        let word = match outcome {
            Ok(_) => "cosigned",
            Err(error) => match error.kind {
                ErrorKind::InvalidArgument => "bad_request",
                ErrorKind::NotFound => "unknown_log",
                ErrorKind::PermissionDenied => "forbidden",
                ErrorKind::Conflict { .. } => "conflict",
                ErrorKind::Inconsistent => "inconsistent",
                ErrorKind::Overloaded { .. } => "pushback",
                ErrorKind::Unavailable => "unavailable",
                _ => "error",
            },
        };
        self.requests.get_or_create(&[("outcome", word)]).inc();
        if outcome.is_ok() {
            self.cosignatures.inc();
        }
    }

    pub(crate) fn commit_started(&self) -> Instant {
        Instant::now()
    }

    pub(crate) fn commit_ended(&self, started: Instant) {
        self.commit_seconds.observe(started.elapsed().as_secs_f64());
    }
}
