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
use tracing::{Instrument, Span};
use utoipa::openapi::OpenApi;
use vouchlog_access::Access;
use vouchlog_api::{AnyWitness, Overview, Witness};

use crate::Readiness;
use crate::access::{Gate, Hosts, refuse_other_sites, require_for_rpc};
use crate::admission::{Pools, is_local};
use crate::config::ServerConfig;
use crate::connections::{Serving, accept};
use crate::explorer::Offered;
use crate::front::Front;
use crate::guard::{Guard, guard, speaks_grpc};
use crate::health::Health;
use crate::http::{Operations, PageSources};
use crate::limits::{ADMIN_BYTES, MAX_ADMIN_CONNECTIONS};
use crate::log::{AnyLog, ServedLog};
use crate::metrics::ServerMetrics;
use crate::problem::Problem;
use crate::registries::Registries;
use crate::room::{Port, Room, relieve};
use crate::services::Described;
use crate::tls::Tls;
use crate::{grpc, http, openapi};

/// A server of one log, of one witness, of a program's own routes, or of its health and metrics alone.
pub struct Server {
    subject: Subject,
    offered: Offered,
    overview: Option<Arc<dyn Overview>>,
    front: Option<Front>,
    config: ServerConfig,
    health: Arc<dyn Health>,
    registry: Registry,
    beside: Registries,
    shared: Option<ShareMetrics>,
    gate: Gate,
    admin: Option<TcpListener>,
    tls: Option<Tls>,
    scope: Span,
}

/// A server as it runs.
struct Built {
    router: Router,
    /// What operators ask alone.
    admin: Router,
    metrics: ServerMetrics,
    pools: Arc<Pools>,
}

/// What is given the registry once it is complete.
type ShareMetrics = Box<dyn FnOnce(Arc<Registry>) + Send + Sync>;

/// What is served.
enum Subject {
    Log(AnyLog),
    Witness(AnyWitness),
    Routes { http: Router, grpc: Router, document: Option<Box<OpenApi>>, described: Described },
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
        let (http, grpc) = (http.reset_fallback(), grpc.reset_fallback());
        Self::of(Subject::Routes { http, grpc, document: None, described: Described::default() }, config)
    }

    /// Describes a program's own routes at `/openapi.json`, with the server's own added. Problem documents are described by the
    /// component `Problem`, which is added as well.
    #[must_use]
    pub fn describe(mut self, mut description: OpenApi) -> Self {
        openapi::add_problem(&mut description);
        if let Subject::Routes { document, .. } = &mut self.subject {
            *document = Some(Box::new(description));
        }
        self
    }

    /// Names gRPC services among a program's own routes, so that the health service knows them and reflection describes them: their full
    /// names, and the encoded descriptor set of their files.
    #[must_use]
    pub fn describe_services(mut self, names: &[&'static str], descriptors: &'static [u8]) -> Self {
        if let Subject::Routes { described, .. } = &mut self.subject {
            described.names.extend(names);
            described.descriptors.push(descriptors);
        }
        self
    }

    /// A server of none of these: only health and metrics of a program.
    pub fn operations(config: ServerConfig) -> Self {
        Self::of(Subject::Nothing, config)
    }

    fn of(subject: Subject, config: ServerConfig) -> Self {
        let health: Arc<dyn Health> = Arc::new(Readiness::default);
        let (gate, registry) = (Gate::default(), Registry::default());
        let offered = Offered::default();
        Self {
            subject,
            offered,
            overview: None,
            front: None,
            config,
            health,
            registry,
            beside: Registries::default(),
            shared: None,
            gate,
            admin: None,
            tls: None,
            scope: Span::none(),
        }
    }

    /// Asks `health` whether what is served is ready: a [`Health`], or a closure that returns a [`Readiness`].
    #[must_use]
    pub fn health(mut self, health: impl Health) -> Self {
        self.health = Arc::new(health);
        self
    }

    /// What the explorer's pages are offered beside a log. They never trust it.
    #[must_use]
    pub fn offer(mut self, offered: Offered) -> Self {
        self.offered = offered;
        self
    }

    /// Shows readers without JavaScript what `overview` lists: the log's gateways, streams and witnesses. Nothing of it where callers are authenticated.
    #[must_use]
    pub fn overview(mut self, overview: impl Overview) -> Self {
        self.overview = Some(Arc::new(overview));
        self
    }

    /// Shows browsers a page at `/`, which `make` makes as HTML: at most once in two seconds. Other clients get the list of routes, and so does
    /// everyone where callers are authenticated. A log has pages of its own, and shows none of these.
    #[must_use]
    pub fn front<F>(mut self, make: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = String> + Send + 'static,
    {
        self.front = Some(Front::new(make));
        self
    }

    /// Serves `registry` at `/metrics`, with the server's own metrics added. Register everything else before.
    #[must_use]
    pub fn registry(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Shows these registries at `/metrics` as well, as they are when it is asked for.
    #[must_use]
    pub fn beside(mut self, others: Registries) -> Self {
        self.beside = others;
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

    /// The span that all of the server's spans and events are in: one of several servers in a process is then recognised by its fields.
    #[must_use]
    pub fn scope(mut self, scope: Span) -> Self {
        self.scope = scope;
        self
    }

    /// Serves health, readiness, metrics and reflection on a listener of their own, outside every bound of the others; those then
    /// tell whether the server is healthy and ready, and nothing of its inside. Without it, all is told on listeners of this
    /// machine's own addresses (loopback), and as little on others. It has the server's [TLS](Self::tls), if it is not on loopback.
    #[must_use]
    pub fn admin(mut self, listener: TcpListener) -> Self {
        self.admin = Some(listener);
        self
    }

    /// Everything as one router, to be nested into an embedding program's own or run by it. It answers what it does not
    /// know itself, with 404 or UNIMPLEMENTED. gRPC clients find services at the root only. The embedding program sets limits on
    /// connections and headers; [`Server::run`] does.
    pub fn router(self) -> Router {
        self.build(CancellationToken::new()).router
    }

    /// Serves on `listener` until `shutdown` completes; then accepts nothing more, ends endless streams,
    /// and waits for requests under way, at most [`ServerConfig::drain_timeout`].
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        self.run_on(vec![listener], shutdown).await;
    }

    /// The same on several listeners: they share limits and metrics.
    pub async fn run_on(self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) {
        let scope = self.scope.clone();
        self.run_in_scope(listeners, shutdown).instrument(scope).await;
    }

    async fn run_in_scope(mut self, listeners: Vec<TcpListener>, shutdown: impl Future<Output = ()> + Send) {
        let stopping = CancellationToken::new();
        let (config, tls) = (self.config.clone(), self.tls.clone());
        let admin = self.admin.take();
        // Health and metrics alone are for operators wherever they are asked for.
        let is_for_operators = matches!(self.subject, Subject::Nothing);
        let has_admin = admin.is_some();
        let built = self.build(stopping.clone());
        let room = Room::new(&config, built.metrics.clone());
        let admin_room = Room::new(&of_admin(&config), built.metrics);
        let public = listeners.into_iter().map(|listener| {
            let is_local = listener.local_addr().is_ok_and(is_local);
            let is_private = is_for_operators || is_local && !has_admin;
            let port = Port { is_private, tls: tls.clone(), stopping: stopping.clone() };
            (listener, &built.router, &room, port)
        });
        let admin = admin.map(|listener| {
            // On this machine probes and scrapers need none.
            let tls = tls.clone().filter(|_| !listener.local_addr().is_ok_and(is_local));
            let port = Port { is_private: true, tls, stopping: stopping.clone() };
            (listener, &built.admin, &admin_room, port)
        });
        let accepting = public.chain(admin).map(|(listener, router, room, port)| {
            accept(listener, Serving { router: router.clone(), room: Arc::clone(room), port }, &config)
        });
        let told = async {
            shutdown.await;
            stopping.cancel();
        };
        let served = async { tokio::join!(join_all(accepting), told) };
        let maintaining = async {
            match &tls {
                Some(tls) => tls.maintain().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = room.cut_slow_readers() => {}
            () = relieve(&room, &built.pools) => {}
            () = admin_room.cut_slow_readers() => {}
            () = maintaining => {}
            _ = served => {}
        }
    }

    fn build(self, stopping: CancellationToken) -> Built {
        let mut registry = self.registry;
        let metrics = ServerMetrics::register(&mut registry);
        self.gate.access.register(&mut registry);
        if let Some(tls) = &self.tls {
            tls.register(&mut registry);
        }
        let registry = Arc::new(registry);
        if let Some(share) = self.shared {
            share(Arc::clone(&registry));
        }
        let gate = self.gate;
        // What a page shows is for those who may read, and a browser has no token.
        let front = self.front.filter(|_| !gate.access.is_on());
        let (health, beside) = (Arc::clone(&self.health), self.beside);
        let operations = Operations { health, registry, beside, gate: gate.clone(), front };
        let described = match &self.subject {
            Subject::Log(_) => Described::own(&grpc::OF_LOG),
            Subject::Witness(_) => Described::own(&grpc::OF_WITNESS),
            Subject::Routes { described, .. } => described.clone(),
            Subject::Nothing => Described::default(),
        };
        let admin = grpc::operations_router(&described, &self.health, stopping.clone())
            .merge(http::operations_router(Operations { front: None, ..operations.clone() }));
        let (services, routes) = match self.subject {
            Subject::Log(log) => (
                grpc::log_router(&log, &self.health, stopping),
                http::log_router(
                    log,
                    PageSources { offered: Arc::new(self.offered), overview: self.overview },
                    operations,
                ),
            ),
            Subject::Witness(witness) => (
                grpc::witness_router(&witness, &self.health, stopping),
                http::witness_router(witness, operations),
            ),
            Subject::Routes { http, grpc, document, .. } => (
                grpc::operations_router(&described, &self.health, stopping).merge(grpc::guarded(grpc)),
                http::foreign_router(http, document.map(|document| *document), operations),
            ),
            Subject::Nothing => (
                grpc::operations_router(&described, &self.health, stopping),
                http::operations_router(operations),
            ),
        };
        let services = services
            .layer(from_fn_with_state(gate.clone(), require_for_rpc))
            .layer(from_fn_with_state(gate, refuse_other_sites));
        // The services bring a fallback that answers everyone as gRPC, 200 to a browser too: it is replaced after the merge.
        let finished = |router: Router, guarded: Guard| {
            router.fallback(unknown).layer(from_fn_with_state(guarded, guard))
        };
        let guarded = Guard::new(metrics.clone(), &self.config, self.scope.clone());
        let pools = Arc::clone(guarded.pools());
        let router = finished(routes.merge(services), guarded);
        let admin = finished(admin, Guard::new(metrics.clone(), &of_admin(&self.config), self.scope));
        Built { router, admin, metrics, pools }
    }
}

/// The settings of the port for operators: little is needed there, and no room is shared with the others.
fn of_admin(config: &ServerConfig) -> ServerConfig {
    ServerConfig {
        max_connections: MAX_ADMIN_CONNECTIONS,
        max_descriptors: None,
        max_streams: MAX_ADMIN_CONNECTIONS,
        body_bytes: ADMIN_BYTES,
        answer_bytes: ADMIN_BYTES,
        window_bytes: ADMIN_BYTES,
        ..config.clone()
    }
}

/// Answers requests without a route, in the caller's own protocol.
async fn unknown(request: Request) -> Response {
    if speaks_grpc(request.headers()) {
        return Status::unimplemented("this server has no such method").into_http();
    }
    Problem::no_such_path().into_response()
}
