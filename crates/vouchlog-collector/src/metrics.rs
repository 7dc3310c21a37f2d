//! What a collector counts, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use vouchlog_stream::StatementKind;

use crate::fold::Tally;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

/// Counters and gauges; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    records: Family<Kind, Counter>,
    items: Counter,
    refused: Counter,
    not_understood: Counter,
    ignored: Counter,
    unclaimed: Counter,
    conflicts: Counter,
    lost: Counter,
    failed: Counter,
    waiting: Gauge,
    journal: Gauge,
    unlogged: Gauge,
}

impl Metrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let registry = registry.sub_registry_with_prefix("vouchlog_collector");
        registry.register("records", "Records stated, by kind", self.records.clone());
        registry.register("items", "Spans, log records and payloads taken in", self.items.clone());
        registry.register(
            "items_refused",
            "Items that are malformed or must not be kept",
            self.refused.clone(),
        );
        registry.register(
            "attributes_not_understood",
            "Attributes of records that are in no mapping table; they are kept",
            self.not_understood.clone(),
        );
        registry.register("items_ignored", "Items that belong to no interaction", self.ignored.clone());
        registry.register(
            "spans_not_understood",
            "Spans that no mapping table understands; nothing of them is on record but their number, by service and scope",
            self.unclaimed.clone(),
        );
        registry.register("conflicts", "Spans sent twice with different content", self.conflicts.clone());
        registry.register("items_lost", "Items rejected for lack of space", self.lost.clone());
        registry.register("failed", "Interactions that could not be recorded", self.failed.clone());
        registry.register("items_waiting", "Items in open traces", self.waiting.clone());
        registry.register_with_unit(
            "journal",
            "Input on disk that is not recorded yet",
            Unit::Bytes,
            self.journal.clone(),
        );
        registry.register_with_unit(
            "kept_not_logged_age",
            "Age of the oldest record in the vault that is not in the log",
            Unit::Seconds,
            self.unlogged.clone(),
        );
    }

    pub(crate) fn folded(&self, tally: Tally, failed: usize) {
        self.items.inc_by(tally.received);
        self.refused.inc_by(tally.refused);
        self.not_understood.inc_by(tally.not_understood);
        self.ignored.inc_by(tally.ignored);
        self.conflicts.inc_by(tally.conflicts);
        self.lost.inc_by(tally.lost);
        self.failed.inc_by(failed as u64);
    }

    pub(crate) fn unclaimed(&self, spans: u64) {
        self.unclaimed.inc_by(spans);
    }

    pub(crate) fn recorded(&self, kind: StatementKind) {
        self.records.get_or_create(&Kind { kind: kind.name() }).inc();
    }

    pub(crate) fn unlogged(&self, seconds: i64) {
        self.unlogged.set(seconds);
    }

    pub(crate) fn settled(&self, waiting: usize, journal: u64) {
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        self.journal.set(i64::try_from(journal).unwrap_or(i64::MAX));
    }
}
