//! One port for everything: the router, and the program that accepts connections for it.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vouchlog_access::Access;
use vouchlog_api::{AnyWitness, Witness};

use crate::Readiness;
use crate::access::{Gate, Hosts, refuse_other_sites, require_for_rpc};
use crate::config::ServerConfig;
use crate::connections::{Entrance, accept};
use crate::guard::{Guard, guard, speaks_grpc};
use crate::health::Health;
use crate::http::Operations;
use crate::log::{AnyLog, ServedLog};
use crate::metrics::ServerMetrics;
use crate::problem::Problem;
use crate::room::Room;
use crate::tls::Tls;
use crate::{grpc, http};

/// A server of one log, of one witness, of a program's own routes, or of its health and metrics alone.
pub struct Server {
    subject: Subject,
    config: ServerConfig,
    health: Arc<dyn Health>,
    registry: Registry,
    shared: Option<ShareMetrics>,
    gate: Gate,
    tls: Option<Tls>,
}

/// What is given the registry once it is complete.
type ShareMetrics = Box<dyn FnOnce(Arc<Registry>) + Send + Sync>;

/// What is served.
enum Subject {
    Log(AnyLog),
    Witness(AnyWitness),
    Routes { http: Router, grpc: Router },
    Nothing,
}

impl Server {
    /// A server of `log`, ready as long as it runs and with metrics of its own, until told otherwise.
    pub fn new(log: impl ServedLog, config: ServerConfig) -> Self {
        Self::of(Subject::Log(AnyLog::new(log)), config)
    }

    /// A server of `witness`, likewise: C2SP tlog-witness with the submission prefix and the monitoring prefix at the root, and
    /// the gRPC service `vouchlog.v1.Witness`.
    pub fn witness(witness: impl Witness, config: ServerConfig) -> Self {
        Self::of(Subject::Witness(AnyWitness::new(witness)), config)
    }

    /// A server of a program's own routes: `http` for plain requests, `grpc` for RPCs, each method at its full path. They get
    /// what a log's routes get, health and metrics included; what they answer to unknown paths themselves is not used.
    ///
    /// # Panics
    /// If `http` has a route that is the server's own: `/healthz`, `/readyz`, `/metrics`, `/openapi.json`.
    pub fn routes(http: Router, grpc: Router, config: ServerConfig) -> Self {
        Self::of(Subject::Routes { http: http.reset_fallback(), grpc: grpc.reset_fallback() }, config)
    }

    /// A server of none of these: only health and metrics of a program.
    pub fn operations(config: ServerConfig) -> Self {
        Self::of(Subject::Nothing, config)
    }

    fn of(subject: Subject, config: ServerConfig) -> Self {
        let health: Arc<dyn Health> = Arc::new(Readiness::default);
        let gate = Gate::default();
        Self { subject, config, health, registry: Registry::default(), shared: None, gate, tls: None }
    }

    /// Asks `health` whether what is served is ready: a [`Health`], or a closure that returns a [`Readiness`].
    #[must_use]
    pub fn health(mut self, health: impl Health) -> Self {
        self.health = Arc::new(health);
        self
    }

    /// Serves `registry` at `/metrics`, with the server's own metrics added. Register everything else before.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Serves with TLS, if given. [`Server::run`] reloads its files when they change, and has ACME certificates renewed;
    /// [`Server::router`] leaves TLS to the program that accepts connections.
    #[must_use]
    pub fn tls(mut self, tls: impl Into<Option<Tls>>) -> Self {
        self.tls = tls.into();
        self
    }

    /// Hands the registry to `share` once it is complete, with the server's own metrics: for a program that exports them.
    #[must_use]
    pub fn share_metrics(mut self, share: impl FnOnce(Arc<Registry>) + Send + Sync + 'static) -> Self {
        self.shared = Some(Box::new(share));
        self
    }

    /// Authenticates callers with `access`, and asks for the role of each route. Routes of a program's own ask for roles themselves;
    /// their requests get the caller's [certificate](vouchlog_access::CertificateNames) as an extension. Without this, nobody is authenticated.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.gate.access = access;
        self
    }

    /// The names by which web pages may write to this server, besides addresses and `localhost`. Other programs are not asked.
    #[must_use]
    pub fn hosts(mut self, names: impl IntoIterator<Item = String>) -> Self {
        self.gate.hosts = Arc::new(Hosts::new(names));
        self
    }

    /// Everything as one router, to be nested into an embedding program's own or run by it. It answers what it does not
    /// know itself, with 404 or UNIMPLEMENTED. gRPC clients find services at the root only. The embedding program sets limits on
    /// connections and headers; [`Server::run`] does.
    pub fn router(self) -> Router {
        self.build(CancellationToken::new()).0
    }

    /// Serves on `listener` until `shutdown` completes; then accepts nothing more, ends endless streams,
    /// and waits for requests under way, at most [`ServerConfig::drain_timeout`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        self.run_on(vec![listener], shutdown).await;
    }

    /// The same on several listeners: they share limits and metrics.
    pub async fn run_on(self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) {
        let stopping = CancellationToken::new();
        let room = Room::new(&self.config);
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let (router, metrics) = self.build(stopping.clone());
        let entrance = Entrance { router, tls: tls.clone() };
        let accepting = listeners
            .into_iter()
            .map(|listener| accept(listener, entrance.clone(), &config, &metrics, &room, stopping.clone()));
        let told = async {
            shutdown.await;
            stopping.cancel();
        };
        let maintaining = async {
            match &tls {
                Some(tls) => tls.maintain().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = async { tokio::join!(join_all(accepting), told) } => {}
            () = maintaining => {}
        }
    }

    fn build(self, stopping: CancellationToken) -> (Router, ServerMetrics) {
        let mut registry = self.registry;
        let metrics = ServerMetrics::register(&mut registry);
        self.gate.access.register(&mut registry);
        if let Some(tls) = &self.tls {
            tls.register(&mut registry);
        }
        let guarded = Guard::new(metrics.clone(), self.config.max_requests, self.config.request_timeout);
        let registry = Arc::new(registry);
        if let Some(share) = self.shared {
            share(Arc::clone(&registry));
        }
        let gate = self.gate;
        let operations = Operations { health: Arc::clone(&self.health), registry, gate: gate.clone() };
        let (services, routes) = match self.subject {
            Subject::Log(log) => {
                (grpc::log_router(&log, &self.health, stopping), http::log_router(log, operations))
            }
            Subject::Witness(witness) => (
                grpc::witness_router(&witness, &self.health, stopping),
                http::witness_router(witness, operations),
            ),
            Subject::Routes { http, grpc } => (
                grpc::operations_router(&self.health, stopping).merge(grpc::guarded(grpc)),
                http::foreign_router(http, operations),
            ),
            Subject::Nothing => {
                (grpc::operations_router(&self.health, stopping), http::operations_router(operations))
            }
        };
        let services = services
            .layer(from_fn_with_state(gate.clone(), require_for_rpc))
            .layer(from_fn_with_state(gate, refuse_other_sites));
        // The services bring a fallback that answers everyone as gRPC, 200 to a browser too: it is replaced after the merge.
        let router = routes.merge(services).fallback(unknown).layer(from_fn_with_state(guarded, guard));
        (router, metrics)
    }
}

/// Answers requests without a route, in the caller's own protocol.
async fn unknown(request: Request) -> Response {
    if speaks_grpc(request.headers()) {
        return Status::unimplemented("this server has no such method").into_http();
    }
    Problem::no_such_path().into_response()
}
