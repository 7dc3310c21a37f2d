//! What is known of each witness, for operators: metrics and words.

use std::fmt;

use parking_lot::Mutex;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use vouchlog_merkle::TreeSize;
use vouchlog_runtime::metrics::{Gauge, register};

use super::trouble::Trouble;

/// What the log knows of one of its witnesses. Displays as what it did, without its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WitnessState {
    /// Its name.
    pub name: String,
    /// Size of the last head it cosigned since the log was opened.
    pub size: Option<TreeSize>,
    /// When it did, in POSIX seconds by its own clock.
    pub timestamp: Option<u64>,
    /// What is wrong with it at the moment.
    pub trouble: Option<String>,
}

impl fmt::Display for WitnessState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.size, &self.trouble) {
            (None, None) => f.write_str("has not responded yet"),
            (Some(size), None) => write!(f, "cosigned the head of size {size}"),
            (None, Some(trouble)) => write!(f, "has cosigned nothing: {trouble}"),
            (Some(size), Some(trouble)) => write!(f, "last cosigned the head of size {size}: {trouble}"),
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Name {
    witness: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Request {
    witness: String,
    outcome: &'static str,
}

/// Metrics of all witnesses.
#[derive(Clone, Debug)]
pub(super) struct WitnessingMetrics {
    size: Family<Name, Gauge>,
    timestamp: Family<Name, Gauge>,
    requests: Family<Request, Counter>,
}

impl WitnessingMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("vouchlog_log_witness");
        let when = "Time of the last cosignature of the witness, by its clock";
        Self {
            size: register(r, "cosigned_size", "Entries in the last head the witness cosigned"),
            timestamp: register(r, "cosigned_timestamp_seconds", when),
            requests: register(r, "requests", "Heads sent to the witness, by outcome"),
        }
    }
}

/// The state of one witness, and its metrics.
#[derive(Debug)]
pub(super) struct Status {
    state: Mutex<WitnessState>,
    metrics: WitnessingMetrics,
}

impl Status {
    pub(super) fn new(name: String, metrics: WitnessingMetrics) -> Self {
        // Counters appear with their first count; a witness that never answers shall be seen too.
        metrics.size.get_or_create(&Name { witness: name.clone() }).set(0);
        Self { state: Mutex::new(WitnessState { name, ..WitnessState::default() }), metrics }
    }

    pub(super) fn state(&self) -> WitnessState {
        self.state.lock().clone()
    }

    /// Whether nothing is to be expected of it soon for a head of this size: it has cosigned it, or is in trouble.
    pub(super) fn is_done_with(&self, size: TreeSize) -> bool {
        let state = self.state.lock();
        state.trouble.is_some() || state.size >= Some(size)
    }

    pub(super) fn cosigned(&self, size: TreeSize, timestamp: u64) {
        let mut state = self.state.lock();
        if state.trouble.take().is_some() {
            tracing::info!(witness = state.name, "the witness is cosigning again");
        }
        (state.size, state.timestamp) = (Some(size), Some(timestamp));
        let name = Name { witness: state.name.clone() };
        self.metrics.size.get_or_create(&name).set(size.get());
        self.metrics.timestamp.get_or_create(&name).set(timestamp);
        self.count(&state.name, "cosigned");
    }

    pub(super) fn failed(&self, trouble: &Trouble) {
        let mut state = self.state.lock();
        let words = trouble.to_string();
        if state.trouble.as_ref() != Some(&words) {
            tracing::warn!(
                witness = state.name,
                trouble = words,
                "the witness has not cosigned the newest head"
            );
        }
        state.trouble = Some(words);
        self.count(&state.name, trouble.label());
    }

    fn count(&self, witness: &str, outcome: &'static str) {
        self.metrics.requests.get_or_create(&Request { witness: witness.to_owned(), outcome }).inc();
    }
}
