//! The gRPC health protocol (`grpc.health.v1`): every service here is as ready as what is served.

use std::sync::{Arc, Weak};

use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use parking_lot::Mutex;
use tokio::sync::watch::{self, Receiver, Sender};
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
    names: Vec<&'static str>,
    health: Arc<dyn Health>,
    stopping: CancellationToken,
    watched: Arc<Mutex<Weak<Sender<ServingStatus>>>>,
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
        // SPEC: a watch of an unknown service is answered SERVICE_UNKNOWN and goes on.
        let newest = self.knows(&request.get_ref().service).then(|| self.newest());
        let watch = Watch { newest, stopping: self.stopping.clone(), last: None };
        let changes = stream::unfold(watch, |mut watch| async move {
            let status = watch.change().await?;
            Some((Ok(HealthCheckResponse { status: status.into() }), watch))
        });
        Ok(Response::new(changes.boxed()))
    }
}

impl HealthService {
    pub(crate) fn new(
        names: Vec<&'static str>,
        health: Arc<dyn Health>,
        stopping: CancellationToken,
    ) -> Self {
        Self { names, health, stopping, watched: Arc::default() }
    }

    /// SPEC: the empty name asks about the server as a whole.
    fn knows(&self, service: &str) -> bool {
        service.is_empty() || self.names.contains(&service)
    }

    /// The status as it changes. However many watch, one task looks: a watch that begins beside others is told what that saw last.
    fn newest(&self) -> Receiver<ServingStatus> {
        let mut watched = self.watched.lock();
        if let Some(sender) = watched.upgrade() {
            return sender.subscribe();
        }
        let (sender, receiver) = watch::channel(serving(self.health.as_ref(), &self.stopping));
        let sender = Arc::new(sender);
        *watched = Arc::downgrade(&sender);
        let (health, stopping) = (Arc::clone(&self.health), self.stopping.clone());
        tokio::spawn(look(sender, Arc::clone(&self.watched), health, stopping));
        receiver
    }
}

/// Looks for changes until the server stops or nothing watches any more.
async fn look(
    sender: Arc<Sender<ServingStatus>>,
    watched: Arc<Mutex<Weak<Sender<ServingStatus>>>>,
    health: Arc<dyn Health>,
    stopping: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return,
            () = sender.closed() => {
                // A watch that begins meanwhile either is seen here or begins another task.
                let mut watched = watched.lock();
                if sender.receiver_count() == 0 {
                    *watched = Weak::new();
                    return;
                }
            }
            () = tokio::time::sleep(HEALTH_INTERVAL) => update(&sender, serving(health.as_ref(), &stopping)),
        }
    }
}

fn update(sender: &Sender<ServingStatus>, now: ServingStatus) {
    sender.send_if_modified(|last| std::mem::replace(last, now) != now);
}

struct Watch {
    /// None for a service that is not there.
    newest: Option<Receiver<ServingStatus>>,
    stopping: CancellationToken,
    last: Option<ServingStatus>,
}

impl Watch {
    /// The status now if it has not been told yet, else the next other one; `None` once the server stops and that was told.
    async fn change(&mut self) -> Option<ServingStatus> {
        loop {
            let is_stopping = self.stopping.is_cancelled();
            let now = match &mut self.newest {
                Some(_) if is_stopping => ServingStatus::NotServing,
                Some(newest) => *newest.borrow_and_update(),
                None => ServingStatus::ServiceUnknown,
            };
            if self.last.replace(now) != Some(now) {
                return Some(now);
            }
            if is_stopping {
                return None;
            }
            let newest = &mut self.newest;
            let changed = async {
                let changed = match newest {
                    Some(newest) => newest.changed().await.is_ok(),
                    None => false,
                };
                // What looks ends before its watches do only when the server stops.
                if !changed {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = self.stopping.cancelled() => {}
            }
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
