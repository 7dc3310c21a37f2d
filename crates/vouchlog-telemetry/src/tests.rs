//! The exporter against endpoints of every temper: one that speaks gRPC, one that refuses, one that never answers.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::runtime::Runtime;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;
use vouchlog_runtime::queue::{Message, Queue, Waiting};

use crate::transport::Transport;
use crate::{Config, SpanLayer, Telemetry};

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// Spans alone, when a batch is full or the exporter stops.
const SPANS_AT_THE_END: [(&str, &str); 2] =
    [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")];

fn start(endpoint: &str, variables: &[(&str, &str)]) -> (SpanLayer, Telemetry) {
    let variables: HashMap<&str, &str> = variables.iter().copied().collect();
    let variable = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    let config = Config::new(Some(endpoint), "test", "1", variable).unwrap().unwrap();
    Telemetry::start(&config).unwrap()
}

fn trace(layer: SpanLayer, work: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
}

/// What an endpoint was sent: names of spans and metrics.
#[derive(Clone, Default)]
struct Inbox(Arc<Mutex<Vec<String>>>);

#[tonic::async_trait]
impl TraceService for Inbox {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        assert_eq!(request.metadata().get("x-tenant").unwrap(), "t1");
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|spans| spans.scope_spans);
        self.0.lock().unwrap().extend(spans.flat_map(|scope| scope.spans).map(|span| span.name));
        Ok(Response::new(Default::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Inbox {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let metrics =
            request.into_inner().resource_metrics.into_iter().flat_map(|metrics| metrics.scope_metrics);
        self.0.lock().unwrap().extend(metrics.flat_map(|scope| scope.metrics).map(|metric| metric.name));
        Ok(Response::new(Default::default()))
    }
}

const GRPC: [(&str, &str); 2] =
    [("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=t1")];

/// Serves gRPC until the runtime is dropped. Returns the URL.
fn serve(runtime: &Runtime, routes: Routes) -> String {
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    runtime.spawn(tonic::transport::Server::builder().add_routes(routes).serve_with_incoming(incoming));
    url
}

#[test]
fn grpc_brings_spans_metrics_and_headers() {
    let runtime = Runtime::new().unwrap();
    let inbox = Inbox::default();
    let routes = Routes::new(TraceServiceServer::new(inbox.clone()))
        .add_service(MetricsServiceServer::new(inbox.clone()));
    let (layer, telemetry) = start(&serve(&runtime, routes), &GRPC);
    let mut registry = Registry::default();
    registry.register("size", "Size", Gauge::<i64>::default());
    telemetry.metrics().add(Arc::new(registry));
    trace(layer, || (0..600).for_each(|_| drop(info_span!("work"))));
    assert!(telemetry.stop(LONG), "the last export came to an end");
    let names = inbox.0.lock().unwrap().clone();
    let spans = names.iter().filter(|name| *name == "work").count();
    assert_eq!((spans, names.iter().filter(|name| *name == "size").count()), (600, 1));
    assert!(names.iter().any(|name| name == "vouchlog_telemetry_dropped_spans"), "{names:?}");
}

/// Rejects each request and echoes its headers, as a careless gateway might.
struct Echo;

#[tonic::async_trait]
impl TraceService for Echo {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Err(Status::unauthenticated(format!("not accepted: {:?}", request.metadata().get("x-tenant"))))
    }
}

#[test]
fn a_failure_repeats_no_credential() {
    let runtime = Runtime::new().unwrap();
    let secret = ("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=secret");
    let why = |endpoint: &str, protocol| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", endpoint),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
            secret,
        ];
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name);
        let variable = |name: &str| variable(name).map(|(_, value)| (*value).to_owned());
        let config = Config::new(None, "test", "1", variable).unwrap().unwrap();
        runtime.block_on(async {
            let sent = Transport::new(&config).unwrap().spans(ExportTraceServiceRequest::default()).await;
            sent.unwrap_err().why
        })
    };
    let echo = serve(&runtime, Routes::new(TraceServiceServer::new(Echo)));
    assert_eq!(why(&echo, "grpc"), "Unauthenticated");
    let away = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for protocol in ["grpc", "http/protobuf"] {
        let why = why(&format!("http://{away}/traces?api-key=secret"), protocol);
        assert!(why.contains("refused") && !why.contains("secret"), "{why}");
    }
    // Not HTTP, and a secret in it.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        read_request(&mut stream);
        stream.write_all(b"secret: x-tenant\r\n\r\n").unwrap();
    });
    assert_eq!(why(&url, "http/protobuf"), "no valid response");
}

/// Answers every request with this status; how many there were.
fn endpoint(status: &'static str) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream: TcpStream = stream.unwrap();
            read_request(&mut stream);
            *counted.lock().unwrap() += 1;
            let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (url, count)
}

fn read_request(stream: &mut TcpStream) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let count = stream.read(&mut buffer).unwrap();
        request.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&request).to_lowercase();
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let head_bytes = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
        if count == 0
            || request.len() >= head_bytes + length.map_or(0, |length| length.parse::<usize>().unwrap())
        {
            return;
        }
    }
}

#[test]
fn spans_that_are_refused_for_good_are_dropped_and_the_next_are_sent() {
    let (url, count) = endpoint("400 Bad Request");
    let (layer, telemetry) = start(&url, &SPANS_AT_THE_END);
    trace(layer, || (0..1_100).for_each(|_| drop(info_span!("work"))));
    assert!(telemetry.stop(LONG));
    assert_eq!(*count.lock().unwrap(), 3, "three batches of at most 512");
}

#[test]
fn an_endpoint_that_is_overloaded_is_not_asked_again_at_the_end() {
    let (url, count) = endpoint("503 Service Unavailable");
    let (layer, telemetry) = start(&url, &SPANS_AT_THE_END);
    trace(layer, || (0..400).for_each(|_| drop(info_span!("work"))));
    assert!(telemetry.stop(LONG));
    assert_eq!(*count.lock().unwrap(), 1);
}

#[test]
fn an_endpoint_that_never_answers_holds_up_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let (layer, telemetry) = start(&url, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "3600000")]);
    // More than the queue holds: the program goes on, spans are dropped.
    trace(layer, || (0..10_000).for_each(|_| drop(info_span!("work"))));
    assert!(!telemetry.stop(Duration::from_millis(50)), "it gives up in time");
}

#[test]
fn a_batch_belongs_to_its_first_request_and_follows_from_the_others() {
    let (queue, messages) = Queue::<(), ()>::new(9, 9);
    let (sender, mut spans) = tokio::sync::mpsc::channel(9);
    let layer = SpanLayer::new(sender, Counter::default(), vouchlog_runtime::Clock::system());
    trace(layer, || {
        for name in ["one", "two", "three"] {
            // A span's name is part of its callsite.
            let span = match name {
                "one" => info_span!("one"),
                "two" => info_span!("two"),
                _ => info_span!("three"),
            };
            drop(span.in_scope(|| queue.submit((), 1)).unwrap());
        }
        let waiting: Vec<Waiting<(), ()>> = std::iter::from_fn(|| match messages.try_recv().ok()? {
            Message::Request(waiting) => Some(waiting),
            Message::Stop(_) => None,
        })
        .collect();
        drop(Waiting::batch_span(&waiting, |first| info_span!(parent: first, "batch")));
        assert!(Waiting::<(), ()>::batch_span(&[], |_| unreachable!()).is_none());
    });
    let mut made = HashMap::new();
    while let Ok(span) = spans.try_recv() {
        made.insert(span.name.clone(), span);
    }
    let batch = &made["batch"];
    assert_eq!(batch.parent_span_id, made["one"].span_id);
    let links: Vec<_> = batch.links.iter().map(|link| link.span_id.clone()).collect();
    assert_eq!(links, [made["two"].span_id.clone(), made["three"].span_id.clone()]);
}
