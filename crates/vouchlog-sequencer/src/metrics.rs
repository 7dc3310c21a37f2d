//! What the engine counts, in Prometheus' terms: counters end in `_total`, times are in seconds.

use std::sync::atomic::AtomicU64;
use std::time::Instant;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use vouchlog_merkle::TreeHead;
use vouchlog_runtime::metrics::{Gauge, register, register_as, seconds};
use vouchlog_stream::Counted;

use crate::quotas::HighestUse;

/// What is counted by a quota.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Quota {
    quota: &'static str,
}

type Share = prometheus_client::metrics::gauge::Gauge<f64, AtomicU64>;

/// The engine's metrics.
#[derive(Debug)]
pub(crate) struct SequencerMetrics {
    entries: Counter,
    batches: Counter,
    pub(crate) refused_batches: Counter,
    batch_entries: Histogram,
    commit_seconds: Histogram,
    pub(crate) tree_size: Gauge,
    pub(crate) index_size: Gauge,
    pub(crate) index_lag: Gauge,
    pub(crate) streams: Gauge,
    pub(crate) queued: Gauge,
    pub(crate) poisoned: Gauge,
    pub(crate) retired: Gauge,
    quotas: Gauge,
    over_quota: Family<Quota, Counter>,
    quota_use: Family<Quota, Share>,
    pub(crate) unsigned: Gauge,
    pub(crate) signer_failures: Counter,
}

impl SequencerMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("vouchlog_log");
        let sizes = Histogram::new(exponential_buckets(1.0, 4.0, 9));
        Self {
            entries: register(r, "entries", "Entries committed by this process"),
            batches: register(r, "batches", "Batches committed by this process"),
            refused_batches: register(r, "batches_refused", "Batches the store did not commit"),
            batch_entries: register_as(r, "batch_entries", "Entries in a batch", sizes),
            commit_seconds: seconds(r, "commit_duration_seconds", "Time to make a batch durable"),
            tree_size: register(r, "tree_size", "Entries in the log"),
            index_size: register(r, "index_size", "Entries the lookup index covers"),
            index_lag: register(r, "index_lag", "Entries that the lookup index does not cover yet"),
            streams: register(r, "streams", "Streams in memory: open, or ended and not yet evicted"),
            queued: register(r, "queued_statements", "Statements waiting for a batch or in one"),
            poisoned: register(r, "poisoned", "1 if the log has stopped writing for good"),
            retired: register(
                r,
                "retired",
                "1 if the log has ended: it is read only, and another log continues it",
            ),
            quotas: register(r, "quotas", "Quotas that the operator has set"),
            over_quota: register(
                r,
                "over_quota",
                "Requests refused because the gateway's quota for the day is used up",
            ),
            quota_use: register(
                r,
                "quota_highest_use_ratio",
                "Largest share of its quota that any gateway has used today",
            ),
            unsigned: register(
                r,
                "unsigned",
                "1 while a committed head waits for the signature of the log's key",
            ),
            signer_failures: register(r, "signer_failures", "Times the log's key gave no signature"),
        }
    }

    pub(crate) fn commit_started(&self) -> Instant {
        Instant::now()
    }

    pub(crate) fn commit_ended(&self, started: Instant, entries: usize) {
        self.commit_seconds.observe(started.elapsed().as_secs_f64());
        self.batch_entries.observe(f64::from(u32::try_from(entries).unwrap_or(u32::MAX)));
    }

    pub(crate) fn over_quota(&self, refused: &[Counted]) {
        for counted in refused {
            self.over_quota.get_or_create(&Quota { quota: counted.name() }).inc();
        }
    }

    pub(crate) fn quotas(&self, count: usize, highest: &HighestUse) {
        self.quotas.set(count as u64);
        if count > 0 {
            for counted in Counted::ALL {
                self.quota_use.get_or_create(&Quota { quota: counted.name() }).set(highest.of(counted));
            }
        }
    }

    pub(crate) fn committed(&self, head: &TreeHead, entries: usize) {
        self.entries.inc_by(entries as u64);
        self.batches.inc();
        self.tree_size.set(head.size.get());
    }
}
