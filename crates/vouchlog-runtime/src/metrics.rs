//! Registering a metric in one line: the metric is created, named, described and returned.
//!
//! Names follow Prometheus: the registry adds `_total` to counters, and times are in seconds.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry, Unit};

/// A gauge of whole numbers that cannot be negative.
pub type Gauge = prometheus_client::metrics::gauge::Gauge<u64, AtomicU64>;

/// Registers a new metric that starts at its default: a counter, a gauge, or a family of them.
pub fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    register_as(registry, name, help, M::default())
}

/// Registers a given metric.
pub fn register_as<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

/// Registers a new metric of a unit, which becomes part of its name.
pub fn register_in<M: Metric + Clone + Default>(
    registry: &mut Registry,
    unit: Unit,
    name: &str,
    help: &str,
) -> M {
    let metric = M::default();
    registry.register_with_unit(name, help, unit, metric.clone());
    metric
}

/// Registers a histogram of durations in seconds, from 0.25 ms to 8 s.
pub fn seconds(registry: &mut Registry, name: &str, help: &str) -> Histogram {
    register_as(registry, name, help, Histogram::new(exponential_buckets(0.000_25, 2.0, 16)))
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::family::Family;

    use super::*;

    #[test]
    fn what_is_registered_is_what_is_returned() {
        let mut registry = Registry::default();
        let counter: Counter = register(&mut registry, "things", "Things seen");
        let gauge: Gauge = register(&mut registry, "size", "Its size");
        let family: Family<[(&'static str, &'static str); 1], Counter> =
            register(&mut registry, "outcomes", "Outcomes");
        let times = seconds(&mut registry, "wait_seconds", "Waits");
        counter.inc_by(3);
        gauge.set(7);
        family.get_or_create(&[("outcome", "ok")]).inc();
        let bodies: Counter = register_in(&mut registry, Unit::Bytes, "bodies", "Bodies");
        bodies.inc_by(9);
        times.observe(0.001);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for line in [
            "# HELP things Things seen.",
            "things_total 3",
            "size 7",
            "bodies_bytes_total 9",
            "outcomes_total{outcome=\"ok\"} 1",
            "wait_seconds_bucket{le=\"0.0005\"} 0",
            "wait_seconds_bucket{le=\"0.001\"} 1",
            "wait_seconds_count 1",
        ] {
            assert!(text.lines().any(|printed| printed == line), "{line} in\n{text}");
        }
    }
}
