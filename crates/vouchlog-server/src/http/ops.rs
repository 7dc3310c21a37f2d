//! What operators ask: is it up, is it ready, what does it count, what is here.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;
use vouchlog_api::Error;
use vouchlog_runtime::Readiness;

use super::html::{accepts_html, by_accept, page};
use super::{App, exposition};
use crate::admission::Connection;
use crate::media;
use crate::problem::Problem;

/// The routes of a log.
pub(super) const LOG_INDEX: &str = "\
This is a Vouchlog transparency log. Readers verify it offline, with the log's vkey.

checking in a browser
  GET  /index.html                      the explorer; also at / for `Accept: text/html`
  GET  /explorer/<file>                 its pages and modules

reading (C2SP tlog-tiles)
  GET  /checkpoint                      the newest signed tree head
  GET  /tile/<level>/<index>[.p/<w>]    hashes of the tree
  GET  /tile/entries/<index>[.p/<w>]    entries
  GET  /pruned                          the minimum index, if old entries were pruned, and the entry that announces it

proofs
  GET  /v1/inclusion?index=N            also ?hash= ?digest= ?stream=&sequence=, and &size=
  GET  /v1/consistency?from=A[&to=B]
  GET  /v1/receipts/<index>             a .tlog-proof file
  GET  /v1/entries?start=A&end=B
  GET  /v1/bundles?first=A&count=N      full bundles of entries, one after the other
  GET  /v1/streams/<stream>

writing (gateways use gRPC, service vouchlog.v1.Gateway on this port)
  POST /v1/statements                   {\"kind\": \"opaque\", \"digest\": \"<64 hex digits, of something salted>\"}
  POST /add                             any body; its SHA-256 is logged, the response is the index
  POST /v1/gateways                     a signed note that enrols a gateway
  POST /v1/revocations                  a signed note that revokes one
  POST /v1/quotas                       a signed note that bounds what gateways may log in a day
  POST /v1/keys                         a signed note that changes the operator's key, or names the one that recovers it
  POST /v1/retirement                   a signed note that ends the log and names the one that continues it

operations
  GET  /healthz  /readyz  /metrics  /openapi.json
";

const WITNESS_INDEX: &str = "\
This is a Vouchlog witness. It cosigns a log's tree heads if each extends the last one it has seen (C2SP tlog-witness).

logs
  POST /add-checkpoint                              a checkpoint with its consistency proof, for a cosignature
  POST /sign-subtree                                a subtree of a cosigned checkpoint, for a signature
  POST /retire-log                                  the proof that a log has ended: nothing beyond it is cosigned

monitors
  GET  /<SHA-256 of the origin, in hex>/checkpoint  the last checkpoint of a log that was cosigned

operations
  GET  /healthz  /readyz  /metrics  /openapi.json

The same over gRPC: service vouchlog.v1.Witness on this port.
";

const OPERATIONS_INDEX: &str = "\
This is a Vouchlog program that serves only health and metrics.

  GET  /healthz  /readyz  /metrics  /openapi.json
";

/// What is here: the logs that the witness knows, their last checkpoints, its keys and its refusals for browsers, a list of routes for everyone else.
#[utoipa::path(
    get, path = "/", tag = "operations",
    responses((status = 200, description = "A page for those who accept `text/html`, else a list of routes.", content(
        (String = "text/plain; charset=utf-8"),
        (String = "text/html; charset=utf-8"),
    )))
)]
pub(super) async fn witness_index(State(app): State<App>, request: HeaderMap) -> Response {
    app.index(&request, WITNESS_INDEX).await
}

/// What is here: what the program reports of itself for browsers, if it has a page; a list of routes for everyone else.
#[utoipa::path(
    get, path = "/", tag = "operations",
    responses((status = 200, description = "A page for those who accept `text/html`, else a list of routes.", content(
        (String = "text/plain; charset=utf-8"),
        (String = "text/html; charset=utf-8"),
    )))
)]
pub(super) async fn operations_index(State(app): State<App>, request: HeaderMap) -> Response {
    app.index(&request, OPERATIONS_INDEX).await
}

impl App {
    /// The page of what is served, for browsers; the list of routes for everyone else, or where there is no page.
    async fn index(&self, request: &HeaderMap, routes: &'static str) -> Response {
        by_accept(match &self.front {
            Some(front) if accepts_html(request) => page(request, front.html().await.to_string()),
            _ => routes.into_response(),
        })
    }
}

/// Whether the process can go on. Restart it when it does not answer 200.
#[utoipa::path(
    get, path = "/healthz", tag = "operations",
    responses(
        (status = 200, description = "The program works.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "Something stopped for good: restart the process.", body = String,
         content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn healthz(State(app): State<App>) -> Response {
    match app.health.readiness().stopped {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

/// The outcome of every check.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadyJson {
    /// Whether all of them passed.
    ready: bool,
    /// What was checked: `ok`, or what is wrong.
    #[schema(value_type = BTreeMap<String, String>)]
    checks: BTreeMap<&'static str, String>,
    /// What else is good to know: the state of each witness of a log, say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, String>,
}

/// For load balancers that look for the leader among the nodes of a log: what `role` is in the notes.
const ROLE: HeaderName = HeaderName::from_static("vouchlog-role");

/// Whether this program does what it is for. Send nothing here when it does not.
///
/// What was checked is told on the port for operators, and on ports of this machine's own addresses where there is none.
#[utoipa::path(
    get, path = "/readyz", tag = "operations",
    responses(
        (status = 200, description = "Ready.", body = ReadyJson),
        (status = 503, description = "Not ready: the checks give the reasons.", body = ReadyJson),
    )
)]
pub(super) async fn readyz(State(app): State<App>, extensions: Extensions) -> Response {
    let mut readiness = app.health.readiness();
    let ready = readiness.is_ready();
    // Names of witnesses and the words of errors are not for strangers.
    if extensions.get::<Arc<Connection>>().is_some_and(|from| !from.is_private()) {
        readiness = Readiness::new();
    }
    let outcome = |outcome: Result<(), String>| outcome.err().unwrap_or_else(|| "ok".to_owned());
    let checks = readiness.checks.into_iter().map(|check| (check.name, outcome(check.outcome))).collect();
    let notes: BTreeMap<_, _> = readiness.notes.into_iter().collect();
    let role = notes.get("role").and_then(|role| HeaderValue::from_str(role).ok());
    let answer = Json(ReadyJson { ready, checks, notes });
    let mut answer = match ready {
        true => answer.into_response(),
        false => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], answer).into_response(),
    };
    if let Some(role) = role {
        answer.headers_mut().insert(ROLE, role);
    }
    answer
}

/// Metrics in the text format of Prometheus, or of OpenMetrics where `Accept` asks for it.
///
/// On the port for operators, and on ports of this machine's own addresses where there is none.
#[utoipa::path(
    get, path = "/metrics", tag = "operations",
    responses(
        (status = 200, description = "The metrics.", content(
            (String = "text/plain; version=0.0.4; charset=utf-8"),
            (String = "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        )),
    )
)]
pub(super) async fn metrics(State(app): State<App>, request: HeaderMap) -> Result<Response, Problem> {
    let text = app.beside.encode_with(&app.registry);
    let text = text.map_err(|_| Error::internal("a metric cannot be written"))?;
    Ok(exposition::answer(&request, text))
}

/// This document.
#[utoipa::path(
    get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "The OpenAPI document.", body = Object, content_type = "application/json"))
)]
pub(super) async fn openapi(State(app): State<App>) -> Response {
    (media::content_type("application/json"), app.openapi).into_response()
}
