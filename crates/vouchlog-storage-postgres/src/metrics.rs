//! What a lease counts.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use vouchlog_runtime::metrics::Gauge;

/// Metrics of a store with a lease.
#[derive(Clone, Debug, Default)]
pub struct LeaseMetrics {
    leader: Gauge,
    epoch: Gauge,
    renewals_failed: Counter,
    reclaims: Counter,
    takeover: Seconds,
}

type Seconds = prometheus_client::metrics::gauge::Gauge<f64, AtomicU64>;

impl LeaseMetrics {
    /// Shows them.
    pub fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("vouchlog_store");
        r.register("leader", "1 while this process leads the log, 0 on a standby", self.leader.clone());
        r.register("epoch", "How often the log was claimed, by any process", self.epoch.clone());
        r.register(
            "lease_renewals_failed",
            "Renewals of the lease that failed or took too long",
            self.renewals_failed.clone(),
        );
        r.register(
            "reclaims",
            "Times this process claimed its log again to learn the outcome of a commit",
            self.reclaims.clone(),
        );
        r.register(
            "last_takeover_seconds",
            "Time from this process's claim of the log until it was ready to serve",
            self.takeover.clone(),
        );
    }

    /// Notes how long the last takeover took.
    pub fn took_over(&self, duration: Duration) {
        self.takeover.set(duration.as_secs_f64());
    }

    /// Notes how often the log was claimed, on a standby.
    pub fn seen(&self, epoch: u64) {
        self.epoch.set(epoch);
    }

    pub(crate) fn claimed(&self, epoch: i64, is_first: bool) {
        self.leader.set(1);
        self.epoch.set(epoch.unsigned_abs());
        if !is_first {
            self.reclaims.inc();
        }
    }

    pub(crate) fn renewal_failed(&self) {
        self.renewals_failed.inc();
    }

    pub(crate) fn lost(&self) {
        self.leader.set(0);
    }
}
