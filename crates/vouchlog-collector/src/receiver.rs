//! What listens: OTLP over gRPC and HTTP, and the other doors.
//!
//! ```text
//! request ─► caller ─► body, bounded and unzipped ─► read as far as it takes to say what is refused ─► sink (durable) ─► answer
//! ```
//!
//! Start with `export.rs`: one function is the way of an OTLP body. Nothing a stranger sends makes memory grow: bodies that are
//! read take from one budget, bodies that are decoded from another, and a request without space is asked to retry.

use std::sync::Arc;
use std::time::Duration;

use ::http::Extensions;
use ::http::request::Parts;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::post;
use prometheus_client::registry::Registry;
use vouchlog_access::{Access, CertificateNames, Denied, Principal};
use vouchlog_record::{Record, RecordId, SealReason};
use vouchlog_runtime::charge;

use crate::arrival::Arrival;
use crate::collector::{Acceptance, Collector, IntentReceipt, Rejection};
use crate::forward::Forward;
use crate::limits::{BODY_PATIENCE, MAX_BODIES_BYTES, MAX_DECODED_BYTES};
use crate::sender::Sender;

mod answer;
mod body;
mod doors;
mod export;
mod exported;
mod grpc;
mod http;
mod metrics;
mod weight;

use answer::{Form, Refusal};
use body::Room;
use exported::Export;
use metrics::ReceiverMetrics;
/// Where a receiver puts what came in: a [`Collector`], in a program.
#[tonic::async_trait]
pub trait Sink: Send + Sync + 'static {
    /// Takes a body with so many interactions, or spans; it is durable when this returns.
    async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection>;
    /// Takes what is about to happen.
    async fn intent(&self, record: Record, sender: Sender) -> Result<IntentReceipt, Rejection>;
    /// Ends a session, if the caller may.
    async fn seal(&self, session: &str, reason: SealReason, sender: Sender) -> Result<Acceptance, Rejection>;
    /// Of these records those whose id belongs to a record with other content.
    async fn conflicts(&self, records: &[Record]) -> Vec<RecordId>;
}

#[tonic::async_trait]
impl Sink for Collector {
    async fn take(&self, arrival: Arrival, items: u64) -> Result<Acceptance, Rejection> {
        Self::take(self, arrival, items).await
    }

    async fn intent(&self, record: Record, sender: Sender) -> Result<IntentReceipt, Rejection> {
        Self::intent(self, record, sender).await
    }

    async fn seal(&self, session: &str, reason: SealReason, sender: Sender) -> Result<Acceptance, Rejection> {
        Self::seal(self, session, reason, sender).await
    }

    async fn conflicts(&self, records: &[Record]) -> Vec<RecordId> {
        Self::conflicts(self, records).await
    }
}

/// How a receiver is set.
#[derive(Clone, Debug)]
pub struct ReceiverConfig {
    /// Who may send what.
    pub access: Access,
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
            access: Access::default(),
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
    access: Access,
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
        let ReceiverConfig { access, forward, bodies_bytes, decoded_bytes, patience } = config;
        if let Some(forward) = &forward {
            forward.register(registry);
        }
        Arc::new(Self {
            sink: Box::new(sink),
            access,
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

/// Lets in callers that may send something, before anything of the body is read. The request's extensions then have the
/// [`Principal`](vouchlog_access::Principal) and the [`Sender`].
async fn admit(State(receiver): State<Arc<Receiver>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    match receiver.sender(&parts).await {
        Ok((principal, sender)) => {
            if !principal.name().is_none_or(|name| charge::to(|| format!("principal {name}"))) {
                return Refusal::busy().respond(Form::of(parts.uri.path(), &parts.headers));
            }
            parts.extensions.insert(principal);
            parts.extensions.insert(sender);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(denied) => {
            if !denied.is_forbidden() {
                receiver.metrics.unauthenticated();
            }
            Refusal::denied(denied).respond(Form::of(parts.uri.path(), &parts.headers))
        }
    }
}

impl Receiver {
    async fn sender(&self, parts: &Parts) -> Result<(Principal, Sender), Denied> {
        let certificate = parts.extensions.get::<CertificateNames>();
        let principal = self.access.authenticate(&parts.headers, certificate).await?;
        let grants = principal.require_emit().inspect_err(|denied| self.access.count(*denied))?;
        let sender = Sender::of(&principal, grants);
        Ok((principal, sender))
    }
}

/// Who sent a request that was let in.
fn sender_of(extensions: &Extensions) -> Result<Sender, Refusal> {
    extensions.get().cloned().ok_or_else(|| Refusal::denied(Denied::Missing))
}

#[cfg(test)]
mod tests;
