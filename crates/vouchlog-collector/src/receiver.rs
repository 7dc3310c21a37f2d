//! What listens: OTLP over gRPC and HTTP, and the other doors.
//!
//! ```text
//! request ─► token ─► body, bounded and unzipped ─► read as far as it takes to say what is refused ─► sink (durable) ─► answer
//! ```
//!
//! Start with `export.rs`: one function is the way of an OTLP body. Nothing a stranger sends makes memory grow: bodies that are
//! read take from one budget, bodies that are decoded from another, and a request without space is asked to retry.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use prometheus_client::registry::Registry;
use vouchlog_record::{Record, RecordId, SealReason};

use crate::arrival::Arrival;
use crate::collector::{Acceptance, Collector, IntentReceipt, Rejection};
use crate::forward::Forward;
use crate::limits::{BODY_PATIENCE, MAX_BODIES_BYTES, MAX_DECODED_BYTES};

mod answer;
mod body;
mod doors;
mod export;
mod exported;
mod grpc;
mod http;
mod metrics;
mod token;
mod weight;

use answer::{Form, Refusal};
use body::Room;
use exported::Export;
use metrics::ReceiverMetrics;
pub use token::{Token, TokenError};

/// Where a receiver puts what came in: a [`Collector`], in a program.
#[tonic::async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Takes a body with so many interactions, or spans; it is durable when this returns.
    async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection>;
    /// Takes what is about to happen.
    async fn intent(&self, record: Record) -> Result<IntentReceipt, Rejection>;
    /// Ends a session.
    async fn seal(&self, session: &str, reason: SealReason) -> Result<Acceptance, Rejection>;
    /// Of these records those whose id belongs to a record with other content.
    async fn conflicts(&self, records: &[Record]) -> Vec<RecordId>;
}

#[tonic::async_trait]
impl Sink for Collector {
    async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection> {
        Self::take(self, arrival, items).await
    }

    async fn intent(&self, record: Record) -> Result<IntentReceipt, Rejection> {
        Self::intent(self, record).await
    }

    async fn seal(&self, session: &str, reason: SealReason) -> Result<Acceptance, Rejection> {
        Self::seal(self, session, reason).await
    }

    async fn conflicts(&self, records: &[Record]) -> Vec<RecordId> {
        Self::conflicts(self, records).await
    }
}

/// How a receiver is set.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// What every request has to bring; without one, any client that reaches the port may send.
    pub token: Option<Token>,
    /// Where OTLP goes besides, unchanged.
    pub forward: Option<Forward>,
    /// Most bytes of bodies at a time, of all requests together.
    pub bodies_bytes: usize,
    /// Most bytes that bodies may take while they are decoded, of all requests together.
    pub decoded_bytes: usize,
    /// How long a request waits for such space before it is asked to retry.
    pub patience: Duration,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self {
            token: None,
            forward: None,
            bodies_bytes: MAX_BODIES_BYTES,
            decoded_bytes: MAX_DECODED_BYTES,
            patience: BODY_PATIENCE,
        }
    }
}

/// The routes of a receiver. Who serves them answers unknown paths, and bounds connections, headers and time.
pub struct Routes {
    /// `/v1/traces` and its like, and the other doors.
    pub http: Router,
    /// OTLP's gRPC services, each method at its full path.
    pub grpc: Router,
}

/// What all requests share.
struct Receiver {
    sink: Box<dyn Sink>,
    token: Option<Token>,
    forward: Option<Forward>,
    bodies: Room,
    decoding: Room,
    metrics: ReceiverMetrics,
}

/// The routes that lead to `sink`. The receiver's metrics go to `registry`.
pub fn routes(sink: impl Sink, config: ReceiverConfig, registry: &mut Registry) -> Routes {
    Receiver::new(sink, config, registry).routes()
}

impl Receiver {
    fn new(sink: impl Sink, config: ReceiverConfig, registry: &mut Registry) -> Arc<Self> {
        let ReceiverConfig { token, forward, bodies_bytes, decoded_bytes, patience } = config;
        if let Some(forward) = &forward {
            forward.register(registry);
        }
        Arc::new(Self {
            sink: Box::new(sink),
            token,
            forward,
            bodies: Room::new(bodies_bytes, patience),
            decoding: Room::new(decoded_bytes, patience),
            metrics: ReceiverMetrics::register(registry),
        })
    }

    fn routes(self: Arc<Self>) -> Routes {
        let mut http = doors::router();
        let mut grpc = Router::new();
        for export in Export::ALL {
            let over_http = move |State(receiver): State<Arc<Self>>, request: Request| async move {
                http::answer(&receiver, export, request).await
            };
            let over_grpc = move |State(receiver): State<Arc<Self>>, request: Request| async move {
                grpc::answer(&receiver, export, request).await
            };
            http = http.route(export.path(), post(over_http));
            grpc = grpc.route(export.method(), post(over_grpc));
        }
        let finished = |router: Router<Arc<Self>>| {
            router.route_layer(from_fn_with_state(Arc::clone(&self), admit)).with_state(Arc::clone(&self))
        };
        Routes { http: finished(http), grpc: finished(grpc) }
    }
}

/// Lets in who brings the token, before anything of the body is read.
async fn admit(State(receiver): State<Arc<Receiver>>, request: Request, next: Next) -> Response {
    if receiver.token.as_ref().is_none_or(|token| token.is_in(request.headers())) {
        return next.run(request).await;
    }
    receiver.metrics.unauthenticated();
    Refusal::unauthenticated().respond(Form::of(request.uri().path(), request.headers()))
}

#[cfg(test)]
mod tests;
