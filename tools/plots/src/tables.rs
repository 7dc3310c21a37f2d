//! The tables of `docs/performance.md`, written between their marks from what was measured:
//!
//! ```text
//! <!-- table: witnesses -->
//! | logs at once, transport | … |
//! <!-- end of table -->
//! ```

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::goals;
use crate::results::{Results, grouped};

const BEGIN: &str = "<!-- table: ";
const END: &str = "<!-- end of table -->";

/// Of one measurement, what a column shows.
#[derive(Clone, Copy, Debug)]
enum Figure {
    /// Statements, heads or appends a second.
    Rate,
    P50,
    P99,
    Resident,
    /// Processor time of the server for each.
    Processor,
    Seconds,
    IndexBehind,
}

#[derive(Debug)]
struct Table {
    name: &'static str,
    first: &'static str,
    columns: &'static [(&'static str, Figure)],
    /// What is measured, and the measurement's name.
    rows: &'static [(&'static str, &'static str)],
}

const LOAD: &[(&str, Figure)] = &[
    ("a second", Figure::Rate),
    ("p50", Figure::P50),
    ("p99", Figure::P99),
    ("resident", Figure::Resident),
    ("processor time each", Figure::Processor),
];

const TABLES: &[Table] = &[
    Table {
        name: "log",
        first: "load on a log",
        columns: LOAD,
        rows: &[
            ("`stream`, batches of 256, lookup index on", "log-indexed-stream"),
            ("`stream`, batches of 256, `--index off`", "log-plain-stream"),
            ("`unary` at 1,000 requests/s, lookup index on", "log-indexed-unary"),
            ("`unary` at 1,000 requests/s, `--index off`", "log-plain-unary"),
            ("`POST /add`, 512 connections, lookup index on", "log-indexed-add"),
            ("`POST /add`, 512 connections, `--index off`", "log-plain-add"),
            ("`POST /add`, 64 connections, 8 requests under way on each", "log-indexed-add-pipelined"),
            ("a peer, `POST /add`, 512 connections", "peer-add"),
        ],
    },
    Table {
        name: "engine",
        first: "in process",
        columns: &[
            ("a second", Figure::Rate),
            ("p50", Figure::P50),
            ("p99", Figure::P99),
            ("resident", Figure::Resident),
        ],
        rows: &[
            ("engine, batches of 256, 8 gateways", "engine-256"),
            ("engine, batches of 4,096, 2 gateways", "engine-4096"),
            ("engine, batches of 1, 8 gateways", "engine-1"),
            ("hashing, writing and syncing alone, 8,192 entries at once", "bound-256"),
            ("hashing, writing and syncing alone, 32,768 entries at once", "bound-4096"),
        ],
    },
    Table {
        name: "witnesses",
        first: "logs at once, transport",
        columns: LOAD,
        rows: &[
            ("64, HTTP", "witness-http"),
            ("64, gRPC", "witness-grpc"),
            ("16, HTTP", "witness-few"),
            ("1, HTTP: each head waits for the one before", "witness-one"),
            ("64, HTTP, with an ML-DSA-44 key beside the Ed25519 key", "witness-ml-dsa"),
            ("a peer, 64, HTTP", "peer-witness"),
        ],
    },
    Table {
        name: "memory",
        first: "idle, a second after the start or with connections",
        columns: &[("resident", Figure::Resident)],
        rows: &[
            ("a log, lookup index on", "log-indexed-idle"),
            ("a log, `--index off`", "log-plain-idle"),
            ("a witness", "witness-http-idle"),
            ("a log with 6,000 connections held, lookup index on", "held"),
        ],
    },
    Table {
        name: "times",
        first: "after the log was filled",
        columns: &[("seconds", Figure::Seconds), ("index whole after, seconds", Figure::IndexBehind)],
        rows: &[
            ("lookup index", "log-indexed-indexed"),
            ("kill -9, then `serve` until `/readyz` answers 200", "log-indexed-restart"),
            ("`vouchlog fsck`", "log-indexed-fsck"),
            ("`vouchlog audit` over HTTP", "log-plain-audit"),
            ("a peer's audit of the same log over HTTP", "log-plain-peer-audit"),
        ],
    },
];

/// Tables that the measurements have as they are to be shown.
const AS_MEASURED: &[&str] = &[
    "steady",
    "stores",
    "disk",
    "huge-pages",
    "streams",
    "reads",
    "audit-files",
    "vault",
    "index-alone",
    "collector",
    "benches",
    "machine",
];

/// A file of figures that is drawn as a chart.
#[derive(Debug)]
struct Chart {
    file: &'static str,
    head: &'static str,
    figures: &'static [Figure],
    rows: &'static [(&'static str, &'static str)],
}

const CHARTS: &[Chart] = &[
    Chart {
        file: "statements",
        head: "# Statements durable, signed, and acknowledged\nstatements a second,rate",
        figures: &[Figure::Rate],
        rows: &[
            ("engine in process; batches of 4096", "engine-4096"),
            ("engine in process; batches of 256", "engine-256"),
            ("stream over gRPC; no lookup index", "log-plain-stream"),
            ("stream over gRPC; lookup index", "log-indexed-stream"),
        ],
    },
    Chart {
        file: "latency",
        head: "# From the request to the verified receipt\nmilliseconds,p50,p99",
        figures: &[Figure::P50, Figure::P99],
        rows: &[
            ("1000 requests a second; no lookup index", "log-plain-unary"),
            ("1000 requests a second; lookup index", "log-indexed-unary"),
            ("stream at full rate; no lookup index", "log-plain-stream"),
            ("stream at full rate; lookup index", "log-indexed-stream"),
        ],
    },
    Chart {
        file: "witnesses",
        head: "# Heads that one witness cosigns\nheads a second,rate",
        figures: &[Figure::Rate],
        rows: &[
            ("64 logs; HTTP", "witness-http"),
            ("64 logs; gRPC", "witness-grpc"),
            ("16 logs; HTTP", "witness-few"),
            ("1 log; HTTP", "witness-one"),
            ("64 logs; HTTP; Ed25519 and ML-DSA-44", "witness-ml-dsa"),
        ],
    },
];

impl Chart {
    /// None if not all of it was measured: a chart with a missing bar would mislead.
    fn csv(&self, results: &Results) -> Option<String> {
        let row = |(label, name): &(&str, &str)| {
            let measured = results.get(*name)?;
            let figures =
                self.figures.iter().map(|figure| figure.number(measured).map(|text| text.replace(',', "")));
            Some(format!("{label},{}", figures.collect::<Option<Vec<_>>>()?.join(",")))
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect::<Option<_>>()?;
        Some(format!("{}\n{}\n", self.head, rows.join("\n")))
    }
}

/// The files of figures that were measured as a whole, by name.
pub(crate) fn charts(results: &Results) -> Vec<(&'static str, String)> {
    CHARTS.iter().filter_map(|chart| Some((chart.file, chart.csv(results)?))).collect()
}

impl Figure {
    /// As the page shows it; a dash where it was not measured.
    fn of(self, measured: &Value) -> String {
        let unit = match self {
            Self::P50 | Self::P99 => " ms",
            Self::Resident => " MB",
            Self::Processor => " µs",
            Self::Rate | Self::Seconds | Self::IndexBehind => "",
        };
        self.number(measured).map_or("–".to_owned(), |number| number + unit)
    }

    /// In milliseconds, megabytes and microseconds.
    fn number(self, measured: &Value) -> Option<String> {
        let (pointer, scale, decimals) = match self {
            Self::Rate => ("/statements_per_second", 1.0, 0),
            Self::P50 => ("/latency_us/p50", 1e-3, 1),
            Self::P99 => ("/latency_us/p99", 1e-3, 1),
            Self::Resident => ("/resident_bytes", 1e-6, 0),
            Self::Processor => ("/processor_us_each", 1.0, 1),
            Self::Seconds => ("/seconds", 1.0, 1),
            Self::IndexBehind => ("/index_behind_seconds", 1.0, 1),
        };
        Some(grouped(measured.pointer(pointer)?.as_f64()? * scale, decimals))
    }
}

impl Table {
    /// None if nothing of it was measured.
    fn markdown(&self, results: &Results) -> Option<String> {
        let titles: Vec<_> = self.columns.iter().map(|(title, _)| *title).collect();
        let mut lines = vec![
            format!("| {} | {} |", self.first, titles.join(" | ")),
            format!("| {} |", vec!["---"; 1 + titles.len()].join(" | ")),
        ];
        for (what, name) in self.rows {
            let Some(measured) = results.get(*name) else { continue };
            let figures: Vec<_> = self.columns.iter().map(|(_, figure)| figure.of(measured)).collect();
            lines.push(format!("| {what} | {} |", figures.join(" | ")));
        }
        (lines.len() > 2).then(|| lines.join("\n") + "\n")
    }
}

/// None if it was not measured.
fn as_measured(name: &str, results: &Results) -> Option<String> {
    results.get(name)?.get("markdown")?.as_str().map(str::to_owned)
}

/// Reads a folder of results.
pub(crate) fn collect(folder: &Path) -> Result<Results, Box<dyn Error>> {
    let mut results = Results::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let name = path.file_stem().ok_or("a file of results has a name")?.to_string_lossy().into_owned();
            let value = serde_json::from_slice(&fs::read(&path)?)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            results.insert(name, value);
        }
    }
    if results.is_empty() {
        return Err(format!("{}: there are no results", folder.display()).into());
    }
    Ok(results)
}

/// The page with each marked table made again, if any of it was measured.
pub(crate) fn written(page: &str, results: &Results) -> Result<String, String> {
    let mut whole = String::new();
    let mut rest = page;
    while let Some(at) = rest.find(BEGIN) {
        let (before, marked) = rest.split_at(at);
        let name = marked[BEGIN.len()..].split(" -->").next().unwrap_or_default();
        let new = match TABLES.iter().find(|table| table.name == name) {
            Some(table) => table.markdown(results),
            None if name == "goals" => goals::markdown(results),
            None if AS_MEASURED.contains(&name) => as_measured(name, results),
            None => return Err(format!("there is no table `{name}`")),
        };
        let (old, after) = marked.split_once(END).ok_or_else(|| format!("the table `{name}` has no end"))?;
        let new = new.map(|table| format!("{BEGIN}{name} -->\n{table}"));
        whole += &format!("{before}{}{END}", new.as_deref().unwrap_or(old));
        rest = after;
    }
    Ok(whole + rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        for (figure, decimals, text) in [
            (1_188_234.0, 0, "1,190,000"),
            (999.6, 0, "1,000"),
            (64_000.0, 0, "64,000"),
            (9_049.0, 0, "9,050"),
            (0.06, 1, "0.1"),
            (16.64, 1, "16.6"),
            (115.4, 1, "115"),
        ] {
            assert_eq!(grouped(figure, decimals), text);
        }
        let measured = json!({ "latency_us": { "p50": 1_940 }, "resident_bytes": 115_400_000, "processor_us_each": 47.96 });
        let shown = [Figure::P50, Figure::Resident, Figure::Processor, Figure::Rate]
            .map(|figure| figure.of(&measured));
        assert_eq!(shown, ["1.9 ms", "115 MB", "48.0 µs", "–"]);
    }

    #[test]
    fn a_marked_table_is_made_again_and_nothing_else_changes() {
        let results =
            Results::from([("witness-few".to_owned(), json!({ "statements_per_second": 6_600.4 }))]);
        let page = "# A\n<!-- table: witnesses -->\nold\n<!-- end of table -->\nwords\n";
        let once = written(page, &results).unwrap();
        assert!(once.starts_with("# A\n<!-- table: witnesses -->\n| logs at once, transport |"), "{once}");
        assert!(once.contains("| 16, HTTP | 6,600 | – |"), "{once}");
        assert!(!once.contains("old") && !once.contains("64, HTTP"), "{once}");
        assert!(once.ends_with("<!-- end of table -->\nwords\n"));
        assert_eq!(written(&once, &results).unwrap(), once);
    }

    #[test]
    fn a_table_may_come_as_it_is() {
        let table = "| what | figure |\n| --- | --- |\n| kept | 3,490 records/s |\n";
        let results = Results::from([("vault".to_owned(), json!({ "markdown": table }))]);
        let page = "<!-- table: vault -->\nold\n<!-- end of table -->\n<!-- table: benches -->\nstays\n<!-- end of table -->\n";
        let new = written(page, &results).unwrap();
        assert_eq!(new, page.replace("old\n", table));
    }

    #[test]
    fn a_chart_is_whole_or_left_out() {
        let figure = json!({ "statements_per_second": 9_049.3 });
        let all = ["witness-http", "witness-grpc", "witness-few", "witness-one", "witness-ml-dsa"];
        let mut results: Results = all.iter().map(|name| ((*name).to_owned(), figure.clone())).collect();
        let drawn = charts(&results);
        let [("witnesses", csv)] = drawn.as_slice() else { panic!("{drawn:?}") };
        assert!(
            csv.starts_with("# Heads that one witness cosigns\nheads a second,rate\n64 logs; HTTP,9050\n"),
            "{csv}"
        );
        assert!(crate::chart::Chart::parse(csv).is_ok(), "{csv}");
        results.remove("witness-one");
        assert!(charts(&results).is_empty());
    }

    #[test]
    fn a_page_with_a_broken_mark_is_refused() {
        let results = Results::new();
        for (page, words) in [
            ("<!-- table: nonsense -->\n<!-- end of table -->", "no table"),
            ("<!-- table: log -->\n", "no end"),
        ] {
            let error = written(page, &results).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
