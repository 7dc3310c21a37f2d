//! The HTTP side: every route, what they share, and the document that describes them.

mod bodies;
mod bundles;
mod entries;
mod explorer;
mod exposition;
mod facts;
mod heavy;
mod html;
mod listed;
mod ops;
mod proofs;
mod reported;
mod submit;
mod tiles;
mod witness;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Method;
use http::request::Parts as RequestParts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use prometheus_client::registry::Registry;
use serde::de::DeserializeOwned;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::{CompressionLayer, CompressionLevel};
use tower_http::cors::{Any as Anyone, CorsLayer};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vouchlog_access::Role;
use vouchlog_api::{AnyWitness, Error};

pub(crate) use self::explorer::PageSources;
use self::explorer::Pages;
use crate::access::{Gate, Required, Sites, refuse_other_sites, require};
use crate::front::Front;
use crate::health::Health;
use crate::limits::{DISCARD_PATIENCE, MAX_DISCARDED};
use crate::log::AnyLog;
use crate::openapi;
use crate::problem::Problem;
use crate::registries::Registries;
use crate::request::REQUEST_ID;
use crate::status::bug;

/// The layer that requires a role of callers. Its type cannot be written down.
macro_rules! requires {
    ($gate:expr, $role:expr, $sites:expr) => {
        from_fn_with_state(Required { gate: $gate.clone(), role: $role, sites: $sites }, require)
    };
}

/// What there is to say of anything that is served.
#[derive(Clone)]
pub(crate) struct Operations {
    pub(crate) health: Arc<dyn Health>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) beside: Registries,
    pub(crate) gate: Gate,
    /// The page at `/` of what is no log.
    pub(crate) front: Option<Front>,
}

pub use self::explorer::explorer_router;
pub use self::heavy::own_turn;

/// All routes of a log.
pub(crate) fn log_router(log: AnyLog, shown: PageSources, operations: Operations) -> Router {
    let gate = operations.gate.clone();
    let pages = Pages { log: log.clone(), health: Arc::clone(&operations.health), gate: gate.clone(), shown };
    let pages = OpenApiRouter::new()
        .routes(routes!(explorer::index))
        .routes(routes!(explorer::front))
        .routes(routes!(explorer::file))
        // The modules are many and compress well.
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
        .layer(axum::middleware::map_response(tiles::tell_encodings_apart))
        .with_state(pages);
    let bundles = OpenApiRouter::new()
        .routes(routes!(tiles::entry_bundle))
        // The digests in a bundle do not compress, what is around them does.
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
        .layer(axum::middleware::map_response(tiles::tell_encodings_apart));
    let reads = OpenApiRouter::new()
        .routes(routes!(tiles::checkpoint))
        .routes(routes!(tiles::tile))
        .routes(routes!(tiles::pruned))
        .merge(bundles)
        .routes(routes!(proofs::inclusion))
        .routes(routes!(proofs::consistency))
        .routes(routes!(proofs::receipt))
        .routes(routes!(entries::entries))
        .routes(routes!(bundles::bundles))
        .routes(routes!(entries::stream))
        .layer(requires!(gate, Role::Read, Sites::All))
        .layer(open_to_all_sites());
    let house = OpenApiRouter::new()
        .routes(routes!(submit::statements))
        .routes(routes!(submit::add))
        .layer(requires!(gate, Role::Submit, Sites::Own));
    let writes = OpenApiRouter::new()
        .routes(routes!(submit::gateways))
        .routes(routes!(submit::revocations))
        .routes(routes!(submit::quotas))
        .routes(routes!(submit::keys))
        .routes(routes!(submit::retirement))
        .layer(requires!(gate, Role::Administer, Sites::Own))
        .merge(house);
    let routes = OpenApiRouter::with_openapi(openapi::of_log())
        .merge(reads)
        .merge(writes)
        .with_state(log)
        .merge(pages);
    with_operations(routes, operations)
}

/// All routes of a witness.
pub(crate) fn witness_router(witness: AnyWitness, operations: Operations) -> Router {
    let gate = operations.gate.clone();
    let reads = OpenApiRouter::new()
        .routes(routes!(witness::latest_checkpoint))
        .layer(requires!(gate, Role::Read, Sites::All))
        .layer(open_to_all_sites());
    let writes = OpenApiRouter::new()
        .routes(routes!(witness::add_checkpoint))
        .routes(routes!(witness::sign_subtree))
        .routes(routes!(witness::retire_log))
        .layer(requires!(gate, Role::Witness, Sites::Own));
    let routes = OpenApiRouter::with_openapi(openapi::of_witness())
        .merge(reads)
        .merge(writes)
        .with_state(witness)
        .routes(routes!(ops::witness_index));
    with_operations(routes, operations)
}

/// All routes of neither.
pub(crate) fn operations_router(operations: Operations) -> Router {
    let routes = OpenApiRouter::with_openapi(openapi::of_operations()).routes(routes!(ops::operations_index));
    with_operations(routes, operations)
}

/// All routes of a program that brings its own. Web pages of other sites cannot write there either.
pub(crate) fn foreign_router(http: Router, document: Option<OpenApi>, operations: Operations) -> Router {
    let http = http.layer(from_fn_with_state(operations.gate.clone(), refuse_other_sites)).with_state(());
    let routes = OpenApiRouter::with_openapi(document.unwrap_or_else(openapi::of_foreign))
        .merge(OpenApiRouter::from(http));
    with_operations(routes, operations)
}

/// Routes, those that operators ask beside them, and what all of them share. Each comes with its description: neither can be
/// there without the other.
fn with_operations(routes: OpenApiRouter<App>, operations: Operations) -> Router {
    let Operations { health, registry, beside, gate, front } = operations;
    let metrics =
        OpenApiRouter::new().routes(routes!(ops::metrics)).layer(requires!(gate, Role::Metrics, Sites::All));
    let (router, document) = routes
        .routes(routes!(ops::healthz))
        .routes(routes!(ops::readyz))
        .merge(metrics)
        .routes(routes!(ops::openapi))
        .split_for_parts();
    router
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(App { health, registry, beside, openapi: openapi::json(document), front })
}

/// What the operators' handlers are given.
#[derive(Clone)]
struct App {
    health: Arc<dyn Health>,
    registry: Arc<Registry>,
    /// What `/metrics` shows beside it.
    beside: Registries,
    openapi: Bytes,
    front: Option<Front>,
}

/// Anyone may read what is public, from any web page too.
fn open_to_all_sites() -> CorsLayer {
    let cors = CorsLayer::new().allow_origin(Anyone).allow_methods([Method::GET, Method::HEAD]);
    cors.expose_headers([REQUEST_ID])
}

/// What a handler's panic is answered with. The panic itself went to the panic hook.
fn panicked(_: Box<dyn Any + Send>) -> Response {
    Problem::from(bug()).into_response()
}

/// The parameters of a query, refused with a problem document.
struct Params<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut RequestParts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(rejection) => Err(Error::invalid(rejection.body_text()).into()),
        }
    }
}

/// The one variable part of a path, refused with a problem document.
struct PathParam<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParam<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut RequestParts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(param)) => Ok(Self(param)),
            Err(rejection) => Err(Error::invalid(rejection.body_text()).into()),
        }
    }
}

/// The whole body, if it is not longer than that.
pub async fn read(mut body: Body, limit: usize) -> Result<Bytes, Problem> {
    match Limited::new(&mut body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            discard(body).await;
            Err(Problem::too_large(limit))
        }
        Err(_) => Err(Error::invalid("the body ended early").into()),
    }
}

/// Reads what is on its way and forgets it: who still writes when the connection is closed may never see why, and whose next
/// request is on the same connection loses that too. The server does not wait for a slow client, nor for more bytes.
async fn discard(mut body: Body) {
    let reading = async {
        let mut discarded = 0;
        while discarded < MAX_DISCARDED
            && let Some(Ok(frame)) = body.frame().await
        {
            discarded += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    tokio::time::timeout(DISCARD_PATIENCE, reading).await.ok();
}
