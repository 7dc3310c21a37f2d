//! What the witness counts, in Prometheus' terms: counters end in `_total`, times are in seconds.

use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use vouchlog_api::{ErrorKind, Result};
use vouchlog_runtime::metrics::{Gauge, register, seconds};

/// The witness's metrics.
#[derive(Debug)]
pub(crate) struct WitnessMetrics {
    requests: Family<[(&'static str, &'static str); 1], Counter>,
    cosignatures: Counter,
    pub(crate) refusals: Family<[(&'static str, &'static str); 1], Counter>,
    commit_seconds: Histogram,
    pub(crate) logs: Gauge,
    pub(crate) poisoned: Gauge,
}

impl WitnessMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("vouchlog_witness");
        let refusals = "Checkpoints signed by a log that contradict an earlier cosignature, by reason";
        let commits = "Time to make a batch of cosignatures durable";
        Self {
            requests: register(r, "requests", "Checkpoints sent to be cosigned, by outcome"),
            cosignatures: register(r, "cosignatures", "Checkpoints cosigned by this process"),
            refusals: register(r, "refusals", refusals),
            commit_seconds: seconds(r, "commit_duration_seconds", commits),
            logs: register(r, "logs", "Logs known to the witness"),
            poisoned: register(r, "poisoned", "1 if the witness has stopped cosigning for good"),
        }
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
                ErrorKind::Retired => "retired",
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
