//! The gRPC side: the services of `proto/vouchlog/v1`, health and reflection.

mod gateway;
mod health;
mod log;
mod pipeline;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tower_http::catch_panic::CatchPanicLayer;
use vouchlog_api::Error;
use vouchlog_proto::limits::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES};
use vouchlog_proto::v1::FILE_DESCRIPTOR_SET;
use vouchlog_proto::v1::gateway_server::GatewayServer;
use vouchlog_proto::v1::log_server::LogServer;

use crate::health::Health;
use crate::log::AnyLog;
use crate::status::{bug, status};

/// What is served here, for reflection and for the names of metrics.
pub(crate) const DESCRIPTORS: [&[u8]; 4] = [
    FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// All services. Streams that would go on for ever end when `stopping` is cancelled.
pub(crate) fn router(log: &AnyLog, health: &Arc<dyn Health>, stopping: CancellationToken) -> Router {
    let gateway = GatewayServer::new(gateway::Gateway { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let reads = LogServer::new(log::Log { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let health = HealthServer::new(health::HealthService { health: Arc::clone(health), stopping });
    let described = || {
        let builder = tonic_reflection::server::Builder::configure();
        DESCRIPTORS[..2]
            .iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set))
    };
    let invariant = "descriptors are compiled in";
    Routes::new(gateway)
        .add_service(reads)
        .add_service(health)
        .add_service(described().build_v1().expect(invariant))
        .add_service(described().build_v1alpha().expect(invariant))
        .into_axum_router()
        .layer(CatchPanicLayer::custom(panicked))
}

/// What a handler's panic is answered with. The panic itself went to the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    status(&bug()).into_http()
}

/// The status of streams that end because the server does.
fn stopped() -> Status {
    status(&Error::unavailable("the server is stopping: go on with another connection"))
}
