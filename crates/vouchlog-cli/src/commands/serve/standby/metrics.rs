//! What a standby counts.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use vouchlog_runtime::metrics::{Gauge, register};

/// Metrics of a standby.
#[derive(Clone, Debug)]
pub(super) struct StandbyMetrics {
    forwarded: Family<[(&'static str, &'static str); 1], Counter>,
    repeated: Counter,
    pub(super) leader_reached: Gauge,
    pub(super) lag_entries: Gauge,
    pub(super) lag_seconds: Gauge,
    pub(super) read_age: Gauge,
}

impl StandbyMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("vouchlog_standby");
        Self {
            forwarded: register(r, "forwarded", "Requests passed on to the leader, by outcome"),
            repeated: register(
                r,
                "forward_retries",
                "Requests sent again, because the leader was out of reach or another one",
            ),
            leader_reached: register(
                r,
                "leader_reached",
                "1 while the leader responds to this standby, else 0",
            ),
            lag_entries: register(r, "lag_entries", "Committed entries that this standby does not serve yet"),
            lag_seconds: register(
                r,
                "lag_seconds",
                "How long this standby has not served the newest checkpoint",
            ),
            read_age: register(
                r,
                "read_age_seconds",
                "Time since this standby read the log in the store and found it in order",
            ),
        }
    }

    /// The leader answered, with whatever.
    pub(super) fn answered(&self) {
        self.count("answered");
    }

    /// No leader answered in time.
    pub(super) fn out_of_reach(&self) {
        self.count("out_of_reach");
    }

    fn count(&self, outcome: &'static str) {
        self.forwarded.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn repeated(&self) {
        self.repeated.inc();
    }
}
