//! What the layer counts. Labels are words of this crate, never text that a client sent.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::denied::Denied;
use crate::principal::Principal;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Fetch {
    outcome: &'static str,
}

/// Counters; clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct AccessMetrics {
    requests: Family<Labels, Counter>,
    fetches: Family<Fetch, Counter>,
}

impl AccessMetrics {
    /// Adds the counters to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("vouchlog_access");
        r.register("requests", "Requests that need authentication, by how it ended", self.requests.clone());
        r.register(
            "key_fetches",
            "Key sets fetched from identity providers, by outcome",
            self.fetches.clone(),
        );
    }

    pub(crate) fn decided(&self, decided: &Result<Principal, Denied>) {
        let labels = match decided {
            Ok(principal) => Labels { method: principal.method().name(), outcome: "granted" },
            Err(denied) => Labels { method: "none", outcome: denied.label() },
        };
        self.requests.get_or_create(&labels).inc();
    }

    pub(crate) fn denied(&self, denied: Denied) {
        self.requests.get_or_create(&Labels { method: "none", outcome: denied.label() }).inc();
    }

    pub(crate) fn fetched(&self, is_ok: bool) {
        self.fetches.get_or_create(&Fetch { outcome: if is_ok { "ok" } else { "failed" } }).inc();
    }
}
