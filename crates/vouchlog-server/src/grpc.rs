//! The gRPC side: the services of `proto/vouchlog/v1`, health and reflection.

mod gateway;
mod health;
mod log;
mod pipeline;
mod witness;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::service::Routes;
use tonic_health::pb::health_server::{self, HealthServer};
use tower_http::catch_panic::CatchPanicLayer;
use vouchlog_api::{AnyWitness, Error};
use vouchlog_proto::limits::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, MAX_WITNESS_REQUEST_BYTES};
use vouchlog_proto::v1::FILE_DESCRIPTOR_SET;
use vouchlog_proto::v1::gateway_server::{self, GatewayServer};
use vouchlog_proto::v1::log_server::{self, LogServer};
use vouchlog_proto::v1::witness_server::{self, WitnessServer};

use crate::health::Health;
use crate::log::AnyLog;
use crate::status::{bug, status};

/// What may be served here, for reflection and for the names of metrics.
pub(crate) const DESCRIPTORS: [&[u8]; 4] = [
    FILE_DESCRIPTOR_SET,
    tonic_health::pb::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET,
    tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
];

/// All services of a log. Open-ended streams end when `stopping` is cancelled.
pub(crate) fn log_router(log: &AnyLog, health: &Arc<dyn Health>, stopping: CancellationToken) -> Router {
    let gateway = GatewayServer::new(gateway::Gateway { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let reads = LogServer::new(log::LogService { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    let names = vec![gateway_server::SERVICE_NAME, log_server::SERVICE_NAME];
    with_operations(Routes::new(gateway).add_service(reads), names, health, stopping)
}

/// All services of a witness.
pub(crate) fn witness_router(
    witness: &AnyWitness,
    health: &Arc<dyn Health>,
    stopping: CancellationToken,
) -> Router {
    let witness = WitnessServer::new(witness::Witness { witness: witness.clone() })
        .max_decoding_message_size(MAX_WITNESS_REQUEST_BYTES);
    with_operations(Routes::new(witness), vec![witness_server::SERVICE_NAME], health, stopping)
}

/// The services of neither.
pub(crate) fn operations_router(health: &Arc<dyn Health>, stopping: CancellationToken) -> Router {
    with_operations(Routes::default(), Vec::new(), health, stopping)
}

/// A program's own services, of which a panic costs one call.
pub(crate) fn guarded(services: Router) -> Router {
    services.layer(CatchPanicLayer::custom(panicked))
}

/// Services, which have these names, with their health and their description.
fn with_operations(
    services: Routes,
    names: Vec<&'static str>,
    health: &Arc<dyn Health>,
    stopping: CancellationToken,
) -> Router {
    let described = || {
        let builder = tonic_reflection::server::Builder::configure();
        let builder = DESCRIPTORS[..2]
            .iter()
            .fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set));
        let names = names.iter().chain([&health_server::SERVICE_NAME]);
        names.fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let invariant = "descriptors are compiled in";
    let (v1, v1alpha) =
        (described().build_v1().expect(invariant), described().build_v1alpha().expect(invariant));
    let health = HealthServer::new(health::HealthService { names, health: Arc::clone(health), stopping });
    services
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
        .into_axum_router()
        .layer(CatchPanicLayer::custom(panicked))
}

/// The status of a message that cannot be a request.
fn refused(error: vouchlog_proto::ConvertError) -> Status {
    status(&error.into())
}

/// What a handler's panic is answered with. The panic itself went to the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    status(&bug()).into_http()
}

/// The status of streams that end because the server does.
fn stopped() -> Status {
    status(&Error::unavailable("the server is stopping: use another connection"))
}
