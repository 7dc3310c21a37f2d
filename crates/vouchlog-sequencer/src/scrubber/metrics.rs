//! What the scrub counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Default)]
pub(super) struct ScrubMetrics {
    pub(super) bytes: Counter,
    pub(super) rounds: Counter,
    pub(super) repaired: Counter,
    pub(super) damaged: Gauge<u64, AtomicU64>,
    pub(super) since_last_round: Gauge<u64, AtomicU64>,
}

impl ScrubMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let registry = registry.sub_registry_with_prefix("vouchlog_scrub");
        let m = &metrics;
        registry.register("bytes", "Bytes of sealed data verified", m.bytes.clone());
        registry.register("rounds", "Completed scrubs of all sealed data", m.rounds.clone());
        registry.register("repaired", "Damaged tiles, bundles and indexes repaired", m.repaired.clone());
        registry.register("damaged", "Tiles and bundles that are currently damaged", m.damaged.clone());
        let help = "Time since the last complete scrub, or since the start";
        registry.register("last_round_age_seconds", help, m.since_last_round.clone());
        metrics
    }
}
