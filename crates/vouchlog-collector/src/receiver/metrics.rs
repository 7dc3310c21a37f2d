//! What a receiver counts, for Prometheus. Labels are words of this crate, never text that a client sent.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::{Registry, Unit};
use vouchlog_runtime::metrics::{register, register_in};

use crate::collector::{Acceptance, Rejection};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    door: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Door {
    door: &'static str,
}

/// Counters; clones are the same ones.
#[derive(Clone, Debug)]
pub(super) struct ReceiverMetrics {
    requests: Family<Labels, Counter>,
    items: Family<Labels, Counter>,
    bytes: Family<Door, Counter>,
    unauthenticated: Counter,
}

impl ReceiverMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let r = registry.sub_registry_with_prefix("vouchlog_receiver");
        let items = "Spans, log records, records, payloads: kept, lost (declared), pushed_back, refused";
        Self {
            requests: register(r, "requests", "Requests, by door and outcome"),
            items: register(r, "items", items),
            bytes: register_in(r, Unit::Bytes, "bodies", "Size of bodies, uncompressed"),
            unauthenticated: register(
                r,
                "unauthenticated",
                "Requests without the token, or with a wrong one",
            ),
        }
    }

    pub(super) fn answered(&self, door: &'static str, outcome: &'static str) {
        self.requests.get_or_create(&Labels { door, outcome }).inc();
    }

    pub(super) fn body(&self, door: &'static str, bytes: usize) {
        self.bytes.get_or_create(&Door { door }).inc_by(bytes as u64);
    }

    pub(super) fn items(&self, door: &'static str, taken: &Result<Acceptance, Rejection>, items: u64) {
        let outcome = match taken {
            Ok(Acceptance::Kept) => "kept",
            Ok(Acceptance::Lost) => "lost",
            Err(_) => "pushed_back",
        };
        self.items.get_or_create(&Labels { door, outcome }).inc_by(items);
    }

    pub(super) fn refused(&self, door: &'static str, items: u64) {
        if items > 0 {
            self.items.get_or_create(&Labels { door, outcome: "refused" }).inc_by(items);
        }
    }

    pub(super) fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }
}
