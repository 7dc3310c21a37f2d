//! Goal: the program's own spans and metrics reach an OpenTelemetry collector, and an endpoint that is away costs nothing but them.
//! Method: the real program, and a receiver of OTLP over HTTP in this process that keeps what it is sent.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use parking_lot::Mutex;
use prost::Message;
use vouchlog_sequencer::testing::ORIGIN;
use vouchlog_stream::StatementKind;

use crate::collect::world::World;
use crate::monitor::{serve, until};
use crate::process::{Server, free_port, vouchlog, write_keys};
use crate::witnesses::{start_witness, write_policy};

const TRACE: &str = "80e1afed08e019fc1110464cfa66635c";
const CALLER: &str = "7a085853722dc6d2";
const TOKEN: &str = "Bearer otlp-token";

/// What was exported.
#[derive(Clone, Default)]
struct Receiver {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Their names.
    metrics: Arc<Mutex<Vec<String>>>,
    services: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    async fn start() -> (Self, String) {
        let receiver = Self::default();
        let routes = Router::new().route("/v1/traces", post(traces)).route("/v1/metrics", post(metrics));
        let url = serve(routes.with_state(receiver.clone())).await;
        (receiver, url)
    }

    /// The first span that is as `is_wanted` says, once it is there.
    async fn span(&self, what: &str, is_wanted: impl Fn(&Span) -> bool) -> Span {
        until(what, async || self.spans.lock().iter().find(|span| is_wanted(span)).cloned()).await
    }

    async fn named(&self, name: &str) -> Span {
        self.span(name, |span| span.name == name).await
    }

    async fn metric(&self, name: &str) {
        until(name, async || self.metrics.lock().iter().any(|known| known == name).then_some(())).await;
    }
}

fn is_authorized(headers: &HeaderMap) -> bool {
    headers.get("authorization").is_some_and(|value| value == TOKEN)
}

async fn traces(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED;
    }
    for spans in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        let resource = spans.resource.unwrap_or_default();
        receiver.services.lock().extend(text(&resource.attributes, "service.name"));
        receiver.spans.lock().extend(spans.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    StatusCode::OK
}

async fn metrics(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    if !is_authorized(&headers) {
        return StatusCode::UNAUTHORIZED;
    }
    let exported = ExportMetricsServiceRequest::decode(body).unwrap().resource_metrics;
    let scopes = exported.into_iter().flat_map(|metrics| metrics.scope_metrics);
    receiver.metrics.lock().extend(scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name));
    StatusCode::OK
}

fn attribute(attributes: &[KeyValue], key: &str) -> Option<Value> {
    attributes.iter().find(|attribute| attribute.key == key)?.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match attribute(attributes, key)? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Exports at short intervals, with the receiver's token.
fn exporting(command: &mut Command) {
    command.env("OTEL_BSP_SCHEDULE_DELAY", "50").env("OTEL_METRIC_EXPORT_INTERVAL", "50");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20otlp-token");
}

fn log(data: &Path, more: &[&str]) -> Command {
    write_keys(data);
    let mut command = vouchlog();
    command.args(["serve", "--json", "--origin", ORIGIN, "--listen", "127.0.0.1:0", "--data"]);
    command.arg(data).args(more);
    command
}

async fn add(log: &Server) -> reqwest::Response {
    let request = reqwest::Client::new().post(format!("{}/add", log.url)).body("salted");
    request.header("traceparent", format!("00-{TRACE}-{CALLER}-01")).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_exports_its_spans_and_metrics() {
    let (receiver, url) = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = log(&folder.path().join("data"), &["--otlp-endpoint", &url]);
    exporting(&mut command);
    let log = Server::spawn(command);
    assert_eq!(add(&log).await.headers()["x-request-id"], TRACE);
    let request =
        receiver.span("the request", |span| hex(&span.trace_id) == TRACE && span.name == "POST /add").await;
    assert_eq!((hex(&request.parent_span_id), request.kind()), (CALLER.to_owned(), SpanKind::Server));
    assert_eq!(attribute(&request.attributes, "http.response.status_code"), Some(Value::IntValue(200)));
    for (name, parent) in
        [("append", "POST /add"), ("batch", "append"), ("commit", "batch"), ("publish", "batch")]
    {
        let ours = |span: &Span, name: &str| span.name == name && hex(&span.trace_id) == TRACE;
        let parent = receiver.span(parent, |span| ours(span, parent)).await;
        let child = receiver.span(name, |span| ours(span, name)).await;
        assert_eq!(child.parent_span_id, parent.span_id, "{name}");
        assert!(parent.start_time_unix_nano <= child.start_time_unix_nano, "{name}");
    }
    for name in ["vouchlog_log_tree_size", "vouchlog_http_requests", "vouchlog_log_commit_duration_seconds"] {
        receiver.metric(name).await;
    }
    assert!(receiver.services.lock().iter().all(|service| service == "vouchlog-serve"));
    assert_eq!(log.terminate(), 0);
}

/// At the default intervals nothing would be sent for five seconds: only the last export brings these.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drain_exports_what_is_left() {
    let (receiver, url) = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let mut command = log(&folder.path().join("data"), &[]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &url).env("OTEL_SERVICE_NAME", "our-log");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20otlp-token");
    command.env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let log = Server::spawn(command);
    add(&log).await;
    assert!(receiver.spans.lock().is_empty());
    assert_eq!(log.terminate(), 0);
    let spans = receiver.spans.lock().clone();
    assert!(spans.iter().any(|span| span.name == "POST /add" && hex(&span.trace_id) == TRACE), "{spans:?}");
    assert!(receiver.metrics.lock().iter().any(|name| name == "vouchlog_log_tree_size"));
    assert!(receiver.services.lock().iter().all(|service| service == "our-log"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_away_costs_nothing_but_the_export() {
    let folder = tempfile::tempdir().unwrap();
    let lines = folder.path().join("lines");
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let more = ["--otlp-endpoint", &endpoint, "--log-format", "json"];
    let mut command = log(&folder.path().join("data"), &more);
    exporting(&mut command);
    let log = Server::spawn_logging(command, &lines);
    let read = || std::fs::read_to_string(&lines).unwrap();
    let reports = || read().matches("cannot be exported").count();
    add(&log).await;
    until("the report", async || (reports() > 0).then_some(())).await;
    for _ in 0..20 {
        assert_eq!(add(&log).await.status(), 200);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // A wrong request leaves a line with its id, as JSON with all fields of its span.
    let bad = reqwest::Client::new().post(format!("{}/add", log.url)).header("x-request-id", "ticket-7");
    let refused = bad.send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-request-id"]),
        (400, &"ticket-7".parse().unwrap())
    );
    let body: serde_json::Value = refused.json().await.unwrap();
    assert_eq!(body["request_id"], "ticket-7");
    let logged =
        until("the line", async || read().lines().find(|line| line.contains("ticket-7")).map(str::to_owned))
            .await;
    let logged: serde_json::Value = serde_json::from_str(&logged).unwrap();
    assert_eq!((&logged["span"]["name"], &logged["span"]["http.route"]), (&"request".into(), &"/add".into()));
    assert_eq!(log.terminate(), 0);
    assert_eq!(reports(), 1, "it is reported once: {}", read());
}

#[test]
fn an_endpoint_that_is_no_url_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = log(folder.path(), &["--otlp-endpoint", "http://user:secret@host"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("--otlp-endpoint") && !said.contains("secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_exports_what_it_does_with_a_body() {
    let (receiver, url) = Receiver::start().await;
    let world = World::new();
    let log = world.start_log();
    let mut command = world.collector(&["--otlp-endpoint", &url]);
    exporting(&mut command);
    let collector = Server::spawn(command);
    world.send_traces(0, 2).await;
    world.wait_for(StatementKind::Interaction, 2).await;
    let body = receiver.named("body").await;
    assert!(matches!(attribute(&body.attributes, "size"), Some(Value::IntValue(1..))), "{body:?}");
    receiver.named("fold").await;
    let record = receiver.named("record").await;
    assert_eq!(text(&record.attributes, "tenant").as_deref(), Some("default"));
    assert!(attribute(&record.attributes, "stream").is_some(), "{record:?}");
    let kept = receiver.named("vault keep").await;
    assert!(!kept.parent_span_id.is_empty(), "a vault call is part of what it is for: {kept:?}");
    receiver.metric("vouchlog_http_requests").await;
    assert_eq!((collector.terminate(), log.terminate()), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rounds_cosignatures_and_audits_are_exported() {
    let (receiver, url) = Receiver::start().await;
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let witness = start_witness(folder, "w1", 0, &[]);
    let policy = write_policy(folder, &[("w1", &witness, "http")]);
    let more = ["--policy", &policy, "--witness-interval", "50ms", "--otlp-endpoint", &url];
    let mut command = log(&folder.join("data"), &more);
    exporting(&mut command);
    let log = Server::spawn(command);
    add(&log).await;
    let cosign = receiver.named("cosign").await;
    assert_eq!(text(&cosign.attributes, "witness").as_deref(), Some("w1"));
    let round = receiver.named("round").await;
    assert!(attribute(&round.attributes, "size").is_some(), "{round:?}");
    let mut command = vouchlog();
    let state = folder.join("monitor");
    command.args(["monitor", "--json", "--log", &log.url, "--log-vkey", &log.vkey, "--interval", "50ms"]);
    command.args(["--listen", "127.0.0.1:0", "--otlp-endpoint", &url, "--state"]).arg(&state);
    exporting(&mut command);
    let monitor = Server::spawn(command);
    let audit = receiver.named("audit").await;
    assert_eq!(text(&audit.attributes, "origin").as_deref(), Some(ORIGIN));
    receiver.metric("vouchlog_monitor_audits").await;
    for process in [monitor, log, witness] {
        assert_eq!(process.terminate(), 0);
    }
}
