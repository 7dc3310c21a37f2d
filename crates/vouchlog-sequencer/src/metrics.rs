//! What the engine counts, in Prometheus' terms: counters end in `_total`, times are in seconds.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vouchlog_merkle::TreeHead;

/// The engine's metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    entries: Counter,
    batches: Counter,
    pub(crate) refused_batches: Counter,
    batch_entries: Histogram,
    commit_seconds: Histogram,
    pub(crate) tree_size: Gauge<u64, AtomicU64>,
    pub(crate) index_size: Gauge<u64, AtomicU64>,
    pub(crate) queued: Gauge<u64, AtomicU64>,
    pub(crate) poisoned: Gauge<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            entries: Counter::default(),
            batches: Counter::default(),
            refused_batches: Counter::default(),
            batch_entries: Histogram::new(exponential_buckets(1.0, 4.0, 9)),
            commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            tree_size: Gauge::default(),
            index_size: Gauge::default(),
            queued: Gauge::default(),
            poisoned: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("vouchlog_log");
        let m = &metrics;
        registry.register("entries", "Entries committed by this process", m.entries.clone());
        registry.register("batches", "Batches committed by this process", m.batches.clone());
        registry.register("batches_refused", "Batches the store did not commit", m.refused_batches.clone());
        registry.register("batch_entries", "Entries in a batch", m.batch_entries.clone());
        registry.register(
            "commit_duration_seconds",
            "Time to make a batch durable",
            m.commit_seconds.clone(),
        );
        registry.register("tree_size", "Entries in the log", m.tree_size.clone());
        registry.register("index_size", "Entries the lookup index covers", m.index_size.clone());
        registry.register("queued_statements", "Statements waiting for a batch or in one", m.queued.clone());
        registry.register("poisoned", "1 once the log stopped writing for good", m.poisoned.clone());
        metrics
    }

    pub(crate) fn commit_started(&self) -> Instant {
        Instant::now()
    }

    pub(crate) fn commit_ended(&self, started: Instant, entries: usize) {
        self.commit_seconds.observe(started.elapsed().as_secs_f64());
        self.batch_entries.observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
    }

    pub(crate) fn committed(&self, head: &TreeHead, entries: usize) {
        self.entries.inc_by(entries as u64);
        self.batches.inc();
        self.tree_size.set(head.size.get());
    }
}
