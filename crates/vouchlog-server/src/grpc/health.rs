//! The gRPC health protocol (`grpc.health.v1`): every service here is as ready as what is served.

use std::sync::Arc;

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::Health as Protocol;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use crate::health::Health;
use crate::limits::HEALTH_INTERVAL;

/// Answers probes.
pub(crate) struct HealthService {
    /// The services that are asked about.
    pub(crate) names: Vec<&'static str>,
    pub(crate) health: Arc<dyn Health>,
    pub(crate) stopping: CancellationToken,
}

#[tonic::async_trait]
impl Protocol for HealthService {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        if !self.knows(&request.get_ref().service) {
            return Err(Status::not_found("this server has no such service"));
        }
        let status = serving(self.health.as_ref(), &self.stopping).into();
        Ok(Response::new(HealthCheckResponse { status }))
    }

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let known = self.knows(&request.get_ref().service);
        let watch =
            Watch { health: Arc::clone(&self.health), stopping: self.stopping.clone(), known, last: None };
        let changes = stream::unfold(watch, |mut watch| async move {
            let status = watch.change().await?;
            Some((Ok(HealthCheckResponse { status: status.into() }), watch))
        });
        Ok(Response::new(changes.boxed()))
    }
}

impl HealthService {
    /// SPEC: the empty name asks about the server as a whole.
    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.names.contains(&service)
    }
}

struct Watch {
    health: Arc<dyn Health>,
    stopping: CancellationToken,
    known: bool,
    last: Option<ServingStatus>,
}

impl Watch {
    /// The status now if it has not been told yet, else the next other one; `None` once the server stops and that was told.
    async fn change(&mut self) -> Option<ServingStatus> {
        loop {
            let now = match self.known {
                true => serving(self.health.as_ref(), &self.stopping),
                // SPEC: a watch of an unknown service is answered SERVICE_UNKNOWN and goes on.
                false => ServingStatus::ServiceUnknown,
            };
            if self.last.replace(now) != Some(now) {
                return Some(now);
            }
            if self.stopping.is_cancelled() {
                return None;
            }
            let _ = tokio::time::timeout(HEALTH_INTERVAL, self.stopping.cancelled()).await;
        }
    }
}

fn serving(health: &dyn Health, stopping: &CancellationToken) -> ServingStatus {
    if !stopping.is_cancelled() && health.readiness().is_ready() {
        ServingStatus::Serving
    } else {
        ServingStatus::NotServing
    }
}
