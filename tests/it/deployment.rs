//! What `packaging/` deploys is what the program has: each metric of the dashboard and the alerts is served, each flag and variable of the
//! chart and the Compose file is read, the alerts pass their own tests, and the chart renders.
//!
//! This takes Prometheus's promtool, and a Python with Helm's engine and a reader of YAML (`VOUCHLOG_PYTHON`, or else `python3`). Where
//! they are missing the tests report it; `.ci/run` installs both and sets `VOUCHLOG_NEEDS_DEPLOYMENT_TOOLS`, so that none is left out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use regex::Regex;
use serde_json::Value;
use vouchlog_client::{Connection, GrpcLog};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, statements};

use crate::database::Postgres;
use crate::process::{Server, free_port, succeed, vouchlog, write_keys};
use crate::witnesses::{json, start_witness, write_policy};

const T: u64 = 1_767_225_600;

/// Labels that Prometheus adds, and the one of histograms.
const LABELS_OF_PROMETHEUS: [&str; 3] = ["job", "instance", "le"];
/// Labels of families that have no sample unless something is wrong, or telemetry was sent.
const LABELS_WITHOUT_SAMPLE: [&str; 2] = ["reason", "kind"];

/// Families that are not served before their first sample, which takes a client that is refused, or a log that contradicts itself: where
/// they are registered, and by what name.
const QUIET: [Quiet; 3] = [
    Quiet {
        metric: "vouchlog_witness_refusals_total",
        source: "vouchlog-witness/src/metrics.rs",
        name: "\"refusals\"",
    },
    Quiet {
        metric: "vouchlog_server_connections_ended_total",
        source: "vouchlog-server/src/metrics.rs",
        name: "\"server_connections_ended\"",
    },
    Quiet {
        metric: "vouchlog_server_requests_refused_total",
        source: "vouchlog-server/src/metrics.rs",
        name: "\"server_requests_refused\"",
    },
];

struct Quiet {
    metric: &'static str,
    source: &'static str,
    name: &'static str,
}

impl Quiet {
    fn is_registered(&self) -> bool {
        let source = packaging().join("../crates").join(self.source);
        std::fs::read_to_string(source).unwrap().contains(self.name)
    }
}

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging").canonicalize().unwrap()
}

fn read(name: &str) -> String {
    std::fs::read_to_string(packaging().join("monitoring").join(name)).unwrap()
}

/// That a tool is missing, which must not be where tests are to leave nothing out.
fn missing(what: &str) {
    assert!(std::env::var_os("VOUCHLOG_NEEDS_DEPLOYMENT_TOOLS").is_none(), "{what} is missing");
    eprintln!("not tested: {what} is missing");
}

/// The expressions of the dashboard's panels.
fn expressions_of_dashboard() -> Vec<String> {
    let board = json(&read("vouchlog.json"));
    let panels = board["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

fn expressions_of_alerts() -> Vec<String> {
    let rules = read("vouchlog.rules.yml");
    rules.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).map(str::to_owned).collect()
}

fn found<'t>(pattern: &str, texts: impl IntoIterator<Item = &'t String>) -> BTreeSet<String> {
    let pattern = Regex::new(pattern).unwrap();
    let found = texts.into_iter().flat_map(|text| pattern.captures_iter(text));
    found
        .flat_map(|found| found[1].split(',').map(|name| name.trim().to_owned()).collect::<Vec<_>>())
        .collect()
}

async fn metrics(url: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.get(format!("{url}/metrics")).send().await.unwrap().text().await.unwrap()
}

/// One call of a model, as an instrumented program sends it.
fn telemetry() -> Value {
    let attribute =
        |key: &str, value: &str| serde_json::json!({ "key": key, "value": { "stringValue": value } });
    let span = serde_json::json!({
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "chat gpt-5", "kind": 3,
        "startTimeUnixNano": format!("{T}000000000"), "endTimeUnixNano": format!("{T}900000000"),
        "attributes": [
            attribute("gen_ai.operation.name", "chat"),
            attribute("gen_ai.provider.name", "openai"),
            attribute("gen_ai.request.model", "gpt-5"),
        ],
    });
    serde_json::json!({ "resourceSpans": [{ "scopeSpans": [{ "spans": [span] }] }] })
}

/// What a collector with a log of its own serves about itself once it has recorded something.
async fn metrics_of_collector(folder: &Path) -> String {
    let mut command = vouchlog();
    let ports = [free_port(), free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
    command.args(["collect", "--listen", &ports[0], "--otlp-grpc", &ports[1], "--otlp-http", &ports[2]]);
    command.args(["--settle", "50ms"]).arg("--data").arg(folder.join("collector"));
    let mut collector = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("http://{}", ports[2]);
    let (mut is_sent, mut served) = (false, String::new());
    for _ in 0..600 {
        if !is_sent {
            let sent = client.post(format!("{url}/v1/traces")).json(&telemetry()).send().await;
            is_sent = sent.is_ok_and(|response| response.status().is_success());
        } else {
            served = metrics(&url).await;
            if served.contains("vouchlog_collector_records_total{") {
                break;
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    collector.kill().unwrap();
    collector.wait().unwrap();
    served
}

/// What a log with an object store and witnesses, a witness, a collector, and one of several logs, all of whose files are its own, serve after some work.
async fn served() -> String {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let objects = format!("file://{}", folder.join("objects").display());
    let more = ["--policy", &policy, "--witness-interval", "50ms", "--objects", &objects];
    let server = Server::start(&folder.join("data"), 0, &more);
    let log = GrpcLog::connect(&Connection::new(&server.url)).unwrap();
    let mut gateway = TestGateway::open(&log, 10).await.unwrap();
    gateway.send(&log, statements(50, 1), T).await.unwrap();
    succeed(&["submit", "--log", &server.url, "--digest", &"08".repeat(32), "--witnessed"]);
    let served =
        [metrics(&server.url).await, metrics(&witness.url).await, metrics_of_collector(folder).await];
    assert_eq!((server.terminate(), witness.terminate()), (0, 0));
    // Reads its own files again and again, which is not done with what lies in an object store; and is one of a process for several.
    let plain = folder.join("plain");
    write_keys(&plain);
    let file = folder.join("logs.toml");
    let table = format!("origin = \"{ORIGIN}\"\nlisten = \"127.0.0.1:0\"\ndata = \"{}\"\n", plain.display());
    std::fs::write(&file, format!("[log.plain]\n{table}")).unwrap();
    let mut command = vouchlog();
    command.args(["serve", "--json", "--config"]).arg(&file);
    let server = Server::spawn(command);
    let scrubbed = metrics(&server.url).await;
    assert_eq!(server.terminate(), 0);
    served.concat() + &scrubbed
}

/// What the leader and a standby of a log in PostgreSQL serve. None where PostgreSQL is not installed.
async fn served_by_nodes() -> Option<String> {
    let bin = Postgres::programs()?;
    let folder = tempfile::Builder::new().prefix("pg").tempdir().unwrap();
    let postgres = Postgres::start(&bin, folder.path(), free_port());
    let leader = Server::start(&folder.path().join("data"), 0, &["--store", &postgres.url(), "--create"]);
    let standby = folder.path().join("standby");
    write_keys(&standby);
    let port = free_port();
    let mut command = vouchlog();
    command.args(["serve", "--json", "--origin", ORIGIN, "--listen", &format!("127.0.0.1:{port}")]);
    command.args(["--store", &postgres.url(), "--data"]).arg(&standby);
    let mut standby = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let url = format!("http://127.0.0.1:{port}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for _ in 0..600 {
        let ready = client.get(format!("{url}/readyz")).send().await;
        if ready.is_ok_and(|response| response.status().is_success()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The standby passes it on to the leader.
    succeed(&["submit", "--log", &url, "--digest", &"09".repeat(32)]);
    let served = metrics(&leader.url).await + &metrics(&url).await;
    standby.kill().unwrap();
    standby.wait().unwrap();
    assert_eq!(leader.terminate(), 0);
    Some(served)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_metric_of_dashboard_and_alerts_is_served() {
    let mut served = served().await;
    let nodes = served_by_nodes().await;
    if nodes.is_none() {
        eprintln!("not tested: the metrics of a leader and a standby, since PostgreSQL is not installed");
    }
    let has_nodes = nodes.is_some();
    served.push_str(&nodes.unwrap_or_default());
    let kinds = Regex::new("(?m)^# TYPE ([a-z0-9_]+) ([a-z]+)$").unwrap();
    let mut names = BTreeSet::new();
    for kind in kinds.captures_iter(&served) {
        match &kind[2] {
            "histogram" => {
                names.extend(["bucket", "sum", "count"].map(|part| format!("{}_{part}", &kind[1])));
            }
            _ => names.extend([kind[1].to_owned()]),
        }
    }
    let (alerts, panels) = (expressions_of_alerts(), expressions_of_dashboard());
    assert!(alerts.len() >= 26 && panels.len() >= 45, "{} alerts, {} panels", alerts.len(), panels.len());
    let used = found("((?:vouchlog|grpc_server)_[a-z0-9_]+)", alerts.iter().chain(&panels));
    let of_nodes = ["vouchlog_store_", "vouchlog_standby_"];
    let can_be_served = |name: &String| has_nodes || !of_nodes.iter().any(|prefix| name.starts_with(prefix));
    let is_quiet = |name: &String| QUIET.iter().any(|quiet| quiet.metric == name && quiet.is_registered());
    let missing: Vec<_> = used.iter().filter(|name| !names.contains(*name) && !is_quiet(name)).collect();
    let missing: Vec<_> = missing.into_iter().filter(|name| can_be_served(name)).collect();
    assert!(missing.is_empty(), "not served: {missing:?}");
    let texts = [read("vouchlog.rules.yml"), panels.join("\n")];
    let mut labels = found(r"(?:by|on|group_right|ignoring) \(([a-z_, ]+)\)", &texts);
    labels.extend(found(r"\$labels\.([a-z_]+)", &texts));
    for label in labels.iter().map(String::as_str) {
        let is_known = LABELS_OF_PROMETHEUS.contains(&label) || LABELS_WITHOUT_SAMPLE.contains(&label);
        let is_served = Regex::new(&format!("[{{,]{label}=\"")).unwrap().is_match(&served);
        assert!(is_known || is_served, "no sample has the label {label}");
    }
}

fn promtool(args: &[&str]) -> Option<Output> {
    Command::new("promtool").args(args).current_dir(packaging().join("monitoring")).output().ok()
}

fn passes(args: &[&str]) -> bool {
    let Some(output) = promtool(args) else {
        missing("promtool, of the package `prometheus`,");
        return false;
    };
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}");
    true
}

#[test]
fn the_alerts_pass_their_own_tests() {
    let _ = passes(&["check", "rules", "--lint-fatal", "vouchlog.rules.yml"])
        && passes(&["test", "rules", "vouchlog.test.yml"]);
}

/// Prometheus parses what Grafana would send to it.
#[test]
fn every_expression_of_the_dashboard_is_valid() {
    let mut rules = String::from("groups:\n  - name: dashboard\n    rules:\n");
    for (number, expression) in expressions_of_dashboard().into_iter().enumerate() {
        let sent = expression.replace("$__rate_interval", "5m").replace("$job", ".*");
        let quoted = serde_json::to_string(&sent).unwrap();
        rules.push_str(&format!("      - {{ record: 'panel:{number}', expr: {quoted} }}\n"));
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules).unwrap();
    passes(&["check", "rules", "--lint=none", file.to_str().unwrap()]);
}

/// Grafana's own rules for a dashboard that is loaded from a file: ids are unique, panels do not overlap, each names its source.
#[test]
fn the_dashboard_can_be_loaded() {
    let board = json(&read("vouchlog.json"));
    assert!(board["schemaVersion"].as_u64() >= Some(36) && board["uid"] == "vouchlog");
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in board["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is used twice");
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_u64().unwrap());
        assert!(x + w <= 24, "{title}: it is wider than the page");
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{title}: it lies on another panel");
        }
        if panel["type"] != "row" {
            let targets = panel["targets"].as_array().unwrap();
            let names: BTreeSet<_> = targets.iter().map(|target| target["refId"].to_string()).collect();
            assert!(!targets.is_empty() && names.len() == targets.len(), "{title}: its queries");
            assert!(targets.iter().all(|target| target["datasource"]["uid"] == "${datasource}"), "{title}");
        }
    }
}

/// What the script `tests/deploy/check.py` found. None where its Python lacks what it needs.
fn checked() -> Option<Value> {
    let python = PathBuf::from(std::env::var_os("VOUCHLOG_PYTHON").unwrap_or("python3".into()));
    let has = Command::new(&python).args(["-c", "import helm_python, yaml"]).output();
    if !has.is_ok_and(|has| has.status.success()) {
        missing("a Python with helm-python-sdk and PyYAML");
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/deploy/check.py");
    let output = Command::new(python).arg(script).arg(packaging()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(json(&String::from_utf8_lossy(&output.stdout)))
}

/// Helm renders the chart as it should be, and the program has every flag and variable that chart and Compose file give it.
#[test]
fn the_chart_renders_and_the_program_takes_its_flags() {
    let Some(checked) = checked() else { return };
    let help = succeed(&["serve", "--help"]);
    let words = |list: &str| -> Vec<String> {
        let words: Vec<_> =
            checked[list].as_array().unwrap().iter().map(|word| word.as_str().unwrap().into()).collect();
        assert!(words.len() > 5, "{list}: {words:?}");
        words
    };
    for flag in words("flags") {
        let is_known = help.lines().any(|line| line.trim_start().split(' ').next() == Some(&*flag));
        assert!(is_known, "`serve` takes no {flag}");
    }
    for name in words("names") {
        assert!(help.contains(&format!("[env: {name}=")), "`serve` reads no {name}");
    }
}
