//! What the product is to reach, beside what was measured.

use serde_json::Value;

use crate::results::{Results, grouped};

/// Which way is better.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

/// A number in what was measured: the measurement's name, and the pointer to the number.
type Source = (&'static str, &'static str);

/// How the figure that counts follows from what was measured.
#[derive(Clone, Copy, Debug)]
enum Figure {
    Of(Source),
    /// The first divided by the second.
    Ratio(Source, Source),
    /// The second subtracted from the first.
    Difference(Source, Source),
}

use Bound::{AtLeast, AtMost};
use Figure::{Difference, Of, Ratio};

#[derive(Debug)]
struct Goal {
    what: &'static str,
    bound: Bound,
    unit: &'static str,
    figure: Figure,
    /// What the figure is multiplied by to be in that unit.
    scale: f64,
}

const fn goal(what: &'static str, bound: Bound, unit: &'static str, figure: Figure, scale: f64) -> Goal {
    Goal { what, bound, unit, figure, scale }
}

const RATE: &str = "/statements_per_second";
const P50: &str = "/latency_us/p50";
const P99: &str = "/latency_us/p99";
const RESIDENT: &str = "/resident_bytes";
const EACH: &str = "/processor_us_each";

const GOALS: &[Goal] = &[
    goal("gRPC `stream`, batches of 256", AtLeast(150_000.0), "/s", Of(("log-indexed-stream", RATE)), 1.0),
    goal(
        "`stream` and its index, sustained for ten minutes",
        AtLeast(450_000.0),
        "/s",
        Of(("steady-figures", "/indexed_per_second")),
        1.0,
    ),
    goal(
        "processor time that the index takes for a statement",
        AtMost(1.0),
        " µs",
        Difference(("log-indexed-stream", EACH), ("log-plain-stream", EACH)),
        1.0,
    ),
    goal("index on disk, for a statement", AtMost(16.0), " bytes", Of(("index-figures", "/bytes")), 1.0),
    goal("lookup at 100 M entries, p99", AtMost(2.0), " ms", Of(("index-figures", "/lookup_p99_us")), 1e-3),
    goal("`unary` at 1,000/s, p50", AtMost(8.0), " ms", Of(("log-indexed-unary", P50)), 1e-3),
    goal("`unary` at 1,000/s, p99", AtMost(25.0), " ms", Of(("log-indexed-unary", P99)), 1e-3),
    goal("engine in process, batches of 256", AtLeast(300_000.0), "/s", Of(("engine-256", RATE)), 1.0),
    goal(
        "engine, batches of 256, of the bound of hashing, writing and syncing",
        AtLeast(0.70),
        "",
        Ratio(("engine-256", RATE), ("bound-256", RATE)),
        1.0,
    ),
    goal(
        "engine, batches of 4,096, of that bound",
        AtLeast(0.70),
        "",
        Ratio(("engine-4096", RATE), ("bound-4096", RATE)),
        1.0,
    ),
    goal(
        "`POST /add` of 512 writers, beside a peer",
        AtLeast(2.0),
        " times",
        Ratio(("log-plain-add", RATE), ("peer-add", RATE)),
        1.0,
    ),
    goal(
        "audit over HTTP, beside a peer",
        AtLeast(3.0),
        " times as fast",
        Ratio(("log-plain-peer-audit", "/seconds"), ("log-plain-audit", "/seconds")),
        1.0,
    ),
    goal("full tiles", AtLeast(25_000.0), "/s", Of(("reads-figures", "/tiles_per_second")), 1.0),
    goal("full tiles, p99", AtMost(3.0), " ms", Of(("reads-figures", "/tile_p99_ms")), 1.0),
    goal("a witness", AtLeast(5_000.0), " heads/s", Of(("witness-http", RATE)), 1.0),
    goal("a witness with ML-DSA-44 too", AtLeast(5_000.0), " heads/s", Of(("witness-ml-dsa", RATE)), 1.0),
    goal(
        "audit of files, one core",
        AtLeast(2_000_000.0),
        " entries/s",
        Of(("audit-files-figures", "/entries_per_second")),
        1.0,
    ),
    goal(
        "collector with its vault, processor time of a record",
        AtMost(0.4),
        " ms",
        Of(("collector-figures", "/processor_ms_per_record")),
        1.0,
    ),
    goal(
        "collector at 3,000 spans/s, most resident",
        AtMost(300.0),
        " MB",
        Of(("collector-figures", "/resident_mb")),
        1.0,
    ),
    goal("vault, for a record", AtMost(8.0), " kB", Of(("collector-figures", "/vault_kb_per_record")), 1.0),
    goal("log under `stream`, resident", AtMost(100.0), " MB", Of(("log-indexed-stream", RESIDENT)), 1e-6),
    goal(
        "log, ten minutes at full rate, most resident",
        AtMost(100.0),
        " MB",
        Of(("steady-figures", RESIDENT)),
        1e-6,
    ),
    goal("log with 6,000 connections held, resident", AtMost(150.0), " MB", Of(("held", RESIDENT)), 1e-6),
    goal("witness at work, resident", AtMost(40.0), " MB", Of(("witness-http", RESIDENT)), 1e-6),
    goal("sealed part, for a statement", AtMost(110.0), " bytes", Of(("disk-figures", "/bytes")), 1.0),
    goal(
        "PostgreSQL, batches of 4,096, of sled's rate",
        AtLeast(0.60),
        "",
        Of(("store-postgres", "/of_sled")),
        1.0,
    ),
    goal(
        "PostgreSQL with a synchronous standby, batches of 4,096",
        AtLeast(100_000.0),
        "/s",
        Of(("store-synchronous", "/large")),
        1.0,
    ),
    goal(
        "`unary` at 1,000/s on PostgreSQL and a bucket, p50",
        AtMost(10.0),
        " ms",
        Of(("store-objects", "/unary_p50_us")),
        1e-3,
    ),
    goal(
        "`unary` at 1,000/s on PostgreSQL and a bucket, p99",
        AtMost(40.0),
        " ms",
        Of(("store-objects", "/unary_p99_us")),
        1e-3,
    ),
    goal("ready after kill -9", AtMost(2.0), " s", Of(("log-indexed-restart", "/seconds")), 1.0),
];

impl Figure {
    fn of(self, results: &Results) -> Option<f64> {
        let number = |(name, pointer): Source| results.get(name)?.pointer(pointer).and_then(Value::as_f64);
        match self {
            Of(source) => number(source),
            Ratio(first, second) => Some(number(first)? / number(second)?).filter(|ratio| ratio.is_finite()),
            Difference(first, second) => Some(number(first)? - number(second)?),
        }
    }
}

impl Bound {
    fn number(self) -> f64 {
        match self {
            AtLeast(number) | AtMost(number) => number,
        }
    }

    /// How far the goal is reached: 1 is just reached.
    fn reached(self, measured: f64) -> f64 {
        match self {
            AtLeast(goal) => measured / goal,
            AtMost(goal) => goal / measured,
        }
    }
}

/// The table of goals; those that were not measured are marked. None if nothing was.
pub(crate) fn markdown(results: &Results) -> Option<String> {
    if GOALS.iter().all(|goal| goal.figure.of(results).is_none()) {
        return None;
    }
    let mut lines =
        vec!["| what | goal | measured | reached |".to_owned(), "| --- | --- | --- | --- |".to_owned()];
    lines.extend(GOALS.iter().map(|goal| goal.row(results)));
    Some(lines.join("\n") + "\n")
}

impl Goal {
    fn row(&self, results: &Results) -> String {
        let shown =
            |number: f64| format!("{}{}", grouped(number, if number < 10.0 { 2 } else { 1 }), self.unit);
        let bound = match self.bound {
            AtLeast(_) => "at least",
            AtMost(_) => "at most",
        };
        let start = format!("| {} | {bound} {} |", self.what, shown(self.bound.number()));
        let Some(measured) = self.figure.of(results).map(|figure| figure * self.scale) else {
            return format!("{start} not measured | – |");
        };
        let reached = self.bound.reached(measured);
        let verdict = if reached >= 1.0 { "yes" } else { "**no**" };
        format!("{start} {} | {verdict}, {reached:.2} |", shown(measured))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(results: &[(&str, Value)]) -> String {
        let results = results.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        markdown(&results).unwrap_or_default()
    }

    #[test]
    fn a_goal_is_reached_missed_or_not_measured() {
        let table = of(&[
            ("engine-256", json!({ "statements_per_second": 900_000 })),
            ("bound-256", json!({ "statements_per_second": 1_500_000 })),
            ("witness-http", json!({ "statements_per_second": 9_000, "resident_bytes": 50_000_000 })),
        ]);
        for line in [
            "| a witness | at least 5,000 heads/s | 9,000 heads/s | yes, 1.80 |",
            "of the bound of hashing, writing and syncing | at least 0.70 | 0.60 | **no**, 0.86 |",
            "| witness at work, resident | at most 40.0 MB | 50.0 MB | **no**, 0.80 |",
            "| a witness with ML-DSA-44 too | at least 5,000 heads/s | not measured | – |",
        ] {
            assert!(table.contains(line), "{line}\n{table}");
        }
    }

    #[test]
    fn what_is_missing_is_never_reached() {
        assert_eq!(of(&[("machine", json!({}))]), "");
        let one = ("log-indexed-stream", json!({ "processor_us_each": 2.0 }));
        assert!(of(&[one]).is_empty());
        let zero = [
            ("engine-256", json!({ "statements_per_second": 0 })),
            ("bound-256", json!({ "statements_per_second": 0 })),
        ];
        assert!(
            of(&zero)
                .contains("of the bound of hashing, writing and syncing | at least 0.70 | not measured |")
        );
    }
}
