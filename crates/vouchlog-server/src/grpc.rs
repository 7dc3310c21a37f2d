//! The gRPC side: the services of `proto/vouchlog/v1`, health and reflection.

mod gateway;
mod health;
mod log;
mod pipeline;
mod witness;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Code, Status};
use tonic_health::pb::health_server::{self, HealthServer};
use tower_http::catch_panic::CatchPanicLayer;
use vouchlog_api::{AnyWitness, Error};
use vouchlog_proto::limits::{MAX_REQUEST_BYTES, MAX_RESPONSE_BYTES, MAX_WITNESS_REQUEST_BYTES};
use vouchlog_proto::v1::gateway_server::{self, GatewayServer};
use vouchlog_proto::v1::log_server::{self, LogServer};
use vouchlog_proto::v1::witness_server::{self, WitnessServer};

use crate::health::Health;
use crate::limits::MAX_OPERATIONS_BYTES;
use crate::log::AnyLog;
use crate::services::{DESCRIPTORS, Described};
use crate::status::{bug, rpc_unread, status};

/// All services of a log. Open-ended streams end when `stopping` is cancelled.
pub(crate) fn log_router(log: &AnyLog, health: &Arc<dyn Health>, stopping: CancellationToken) -> Router {
    let gateway = GatewayServer::new(gateway::Gateway { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES);
    let reads = LogServer::new(log::LogService { log: log.clone(), stopping: stopping.clone() })
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_RESPONSE_BYTES);
    with_operations(Routes::new(gateway).add_service(reads), &Described::own(&OF_LOG), health, stopping)
}

/// All services of a witness.
pub(crate) fn witness_router(
    witness: &AnyWitness,
    health: &Arc<dyn Health>,
    stopping: CancellationToken,
) -> Router {
    let witness = WitnessServer::new(witness::Witness { witness: witness.clone() })
        .max_decoding_message_size(MAX_WITNESS_REQUEST_BYTES);
    with_operations(Routes::new(witness), &Described::own(&OF_WITNESS), health, stopping)
}

/// Health and reflection of services that are served elsewhere, if any.
pub(crate) fn operations_router(
    described: &Described,
    health: &Arc<dyn Health>,
    stopping: CancellationToken,
) -> Router {
    with_operations(Routes::default(), described, health, stopping)
}

/// The services of a log.
pub(crate) const OF_LOG: [&str; 2] = [gateway_server::SERVICE_NAME, log_server::SERVICE_NAME];

/// The service of a witness.
pub(crate) const OF_WITNESS: [&str; 1] = [witness_server::SERVICE_NAME];

/// A program's own services, of which a panic costs one call.
pub(crate) fn guarded(services: Router) -> Router {
    services.layer(CatchPanicLayer::custom(panicked))
}

/// Services with their health and their description.
fn with_operations(
    services: Routes,
    Described { names, descriptors }: &Described,
    health: &Arc<dyn Health>,
    stopping: CancellationToken,
) -> Router {
    let described = || {
        let builder = tonic_reflection::server::Builder::configure();
        let sets = DESCRIPTORS[..3].iter().chain(descriptors);
        let builder = sets.fold(builder, |builder, set| builder.register_encoded_file_descriptor_set(set));
        let names = names.iter().chain([&health_server::SERVICE_NAME]);
        names.fold(builder, |builder, name| builder.with_service_name(*name))
    };
    let invariant = "descriptors are compiled in";
    let v1 = described().build_v1().expect(invariant).max_decoding_message_size(MAX_OPERATIONS_BYTES);
    let v1alpha = described().build_v1alpha().expect(invariant);
    let v1alpha = v1alpha.max_decoding_message_size(MAX_OPERATIONS_BYTES);
    let health = HealthServer::new(health::HealthService::new(names.clone(), Arc::clone(health), stopping))
        .max_decoding_message_size(MAX_OPERATIONS_BYTES);
    services
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
        .into_axum_router()
        .layer(map_response(blame_caller_for))
        .layer(CatchPanicLayer::custom(panicked))
}

/// Corrects the status of an RPC that failed at once because its message cannot be read.
async fn blame_caller_for(answer: Response) -> Response {
    match Status::from_header_map(answer.headers()) {
        Some(unread) if matches!(unread.code(), Code::Internal | Code::InvalidArgument) => {
            rpc_unread(unread).into_http()
        }
        _ => answer,
    }
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
