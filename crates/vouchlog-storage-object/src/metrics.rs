//! What requests to a bucket and publishing there are counted by.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use vouchlog_runtime::metrics::Gauge;

/// Counted from the moment a bucket is opened; its clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ObjectMetrics {
    pub(crate) requests: Counter,
    pub(crate) retries: Counter,
    pub(crate) conflicts: Counter,
    pub(crate) published: Gauge,
    pub(crate) unpublished: Counter,
}

impl ObjectMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let r = registry.sub_registry_with_prefix("vouchlog_objects");
        r.register("requests", "Requests to the object store, retries included", self.requests.clone());
        r.register(
            "retries",
            "Requests repeated after a failure or an unknown outcome",
            self.retries.clone(),
        );
        r.register("conflicts", "Objects found with other bytes than this log has", self.conflicts.clone());
        r.register(
            "published_size",
            "Entries under the checkpoint last published there",
            self.published.clone(),
        );
        r.register(
            "publish_failures",
            "Checkpoints that were not published at an attempt",
            self.unpublished.clone(),
        );
    }
}
