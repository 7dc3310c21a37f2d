//! What the server counts, under the names the field's dashboards know: `vouchlog_http_*` and `grpc_server_*`.
//!
//! A label is never free text from a client: undeclared methods, routes and gRPC names are counted as `other`.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;
use prost::Message;
use prost_types::FileDescriptorSet;
use tonic::Code;
use vouchlog_runtime::metrics::{Gauge, register, register_as};

use crate::services::DESCRIPTORS;

/// The server's metrics. Clones count together; each request has several.
#[derive(Clone)]
pub(crate) struct ServerMetrics(Arc<Inner>);

pub(crate) struct Inner {
    http: Family<HttpLabels, Counter>,
    http_seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    started: Family<CallLabels, Counter>,
    handled: Family<HandledLabels, Counter>,
    handling_seconds: Family<CallLabels, Histogram, fn() -> Histogram>,
    pub(crate) connections: Gauge,
    pub(crate) refused_connections: Counter,
    refused: Family<ReasonLabels, Counter>,
    ended_connections: Family<ReasonLabels, Counter>,
    pub(crate) failed_handshakes: Counter,
    calls: HashMap<String, CallLabels>,
}

impl Deref for ServerMetrics {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    method: &'static str,
    route: String,
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// A gRPC method.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct CallLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
}

/// Why something was refused or ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HandledLabels {
    grpc_type: &'static str,
    grpc_service: String,
    grpc_method: String,
    grpc_code: &'static str,
}

/// What makes a histogram of latencies: its type is part of a family's.
const LATENCY: fn() -> Histogram = latency;

impl ServerMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let grpc = registry.sub_registry_with_prefix("grpc_server");
        let help = "Duration of RPCs";
        let started = register(grpc, "started", "RPCs started");
        let handled = register(grpc, "handled", "RPCs finished, by code");
        let handling_seconds =
            register_as(grpc, "handling_seconds", help, Family::new_with_constructor(LATENCY));
        let ours = registry.sub_registry_with_prefix("vouchlog");
        let help = "Time from the head of an HTTP request to the head of its response";
        let http_seconds = Family::new_with_constructor(LATENCY);
        let refused_connections = "Connections closed at once because too many were open";
        let refused = "Requests that found no room, by what was used up, or whose body came too slowly";
        let ended = "Connections that the server ended, by reason: idle when others needed the room, or answers not read in time";
        Self(Arc::new(Inner {
            http: register(ours, "http_requests", "HTTP requests, by status"),
            http_seconds: register_as(ours, "http_request_duration_seconds", help, http_seconds),
            started,
            handled,
            handling_seconds,
            connections: register(ours, "server_connections", "Open connections"),
            refused_connections: register(ours, "server_connections_refused", refused_connections),
            refused: register(ours, "server_requests_refused", refused),
            ended_connections: register(ours, "server_connections_ended", ended),
            failed_handshakes: register(
                ours,
                "tls_handshakes_failed",
                "TLS handshakes that failed or took too long",
            ),
            calls: calls(),
        }))
    }

    /// Counts a request without room.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts a connection that the server ended.
    pub(crate) fn ended_connection(&self, reason: &'static str) {
        self.ended_connections.get_or_create(&ReasonLabels { reason }).inc();
    }

    /// Counts an HTTP request that was answered.
    pub(crate) fn http(
        &self,
        method: &http::Method,
        route: Option<&str>,
        code: http::StatusCode,
        took: Duration,
    ) {
        let (method, route) = (method_label(method), route.unwrap_or("other").to_owned());
        let labels = RouteLabels { method, route: route.clone() };
        self.http_seconds.get_or_create(&labels).observe(took.as_secs_f64());
        self.http.get_or_create(&HttpLabels { method, route, code: code.as_u16() }).inc();
    }

    /// Counts an RPC that begins. It ends when the returned guard is finished or dropped. A path that a program has a route for
    /// is named as it is.
    pub(crate) fn rpc(&self, path: &str, is_declared: bool) -> Rpc {
        let labels = self.calls.get(path).cloned().unwrap_or_else(|| {
            let named = path.trim_start_matches('/').split_once('/').filter(|_| is_declared);
            let (service, method) = named.unwrap_or(("other", "other"));
            CallLabels {
                grpc_type: "unary",
                grpc_service: service.to_owned(),
                grpc_method: method.to_owned(),
            }
        });
        self.started.get_or_create(&labels).inc();
        Rpc { metrics: self.clone(), labels, started: Instant::now(), code: None }
    }
}

/// An RPC under way. One that is dropped before it has a code was given up by the client.
pub(crate) struct Rpc {
    metrics: ServerMetrics,
    labels: CallLabels,
    started: Instant,
    code: Option<Code>,
}

impl Rpc {
    /// The service's name, or `other`.
    pub(crate) fn service(&self) -> &str {
        &self.labels.grpc_service
    }

    /// The method's name, or `other`.
    pub(crate) fn method(&self) -> &str {
        &self.labels.grpc_method
    }

    pub(crate) fn ended(&mut self, code: Code) {
        self.code = Some(code);
    }
}

impl Drop for Rpc {
    fn drop(&mut self) {
        let CallLabels { grpc_type, grpc_service, grpc_method } = self.labels.clone();
        let grpc_code = code_label(self.code.unwrap_or(Code::Cancelled));
        let handled = HandledLabels { grpc_type, grpc_service, grpc_method, grpc_code };
        self.metrics.handled.get_or_create(&handled).inc();
        let took = self.started.elapsed().as_secs_f64();
        self.metrics.handling_seconds.get_or_create(&self.labels).observe(took);
    }
}

/// A quarter of a millisecond to sixteen seconds: a tile comes from memory, an append waits for a disk.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 17))
}

/// Every method this server declares, by its path.
fn calls() -> HashMap<String, CallLabels> {
    let files = DESCRIPTORS
        .iter()
        .flat_map(|set| FileDescriptorSet::decode(*set).expect("descriptors are compiled in").file);
    let mut calls = HashMap::new();
    for file in files {
        for service in &file.service {
            let name = format!("{}.{}", file.package(), service.name());
            for method in &service.method {
                let labels = CallLabels {
                    grpc_type: match (method.client_streaming(), method.server_streaming()) {
                        (false, false) => "unary",
                        (true, false) => "client_stream",
                        (false, true) => "server_stream",
                        (true, true) => "bidi_stream",
                    },
                    grpc_service: name.clone(),
                    grpc_method: method.name().to_owned(),
                };
                calls.insert(format!("/{name}/{}", method.name()), labels);
            }
        }
    }
    calls
}

/// A method's name, or `other`.
pub(crate) fn method_label(method: &http::Method) -> &'static str {
    match *method {
        http::Method::GET => "GET",
        http::Method::HEAD => "HEAD",
        http::Method::POST => "POST",
        http::Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The spelling that go-grpc-middleware gave these codes.
fn code_label(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "Canceled",
        Code::Unknown => "Unknown",
        Code::InvalidArgument => "InvalidArgument",
        Code::DeadlineExceeded => "DeadlineExceeded",
        Code::NotFound => "NotFound",
        Code::AlreadyExists => "AlreadyExists",
        Code::PermissionDenied => "PermissionDenied",
        Code::ResourceExhausted => "ResourceExhausted",
        Code::FailedPrecondition => "FailedPrecondition",
        Code::Aborted => "Aborted",
        Code::OutOfRange => "OutOfRange",
        Code::Unimplemented => "Unimplemented",
        Code::Internal => "Internal",
        Code::Unavailable => "Unavailable",
        Code::DataLoss => "DataLoss",
        Code::Unauthenticated => "Unauthenticated",
    }
}
