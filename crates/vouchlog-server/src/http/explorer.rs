//! The explorer's pages, and the log that they check: beside a log's own routes, or for a program that reads another log.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{Extensions, HeaderMap};
use serde::{Deserialize, Serialize};
use vouchlog_api::{LogReader, Lookup, Overview};
use vouchlog_proto::EntryName;

use super::bundles::{BundlesQuery, several};
use super::html::{accepts_html, by_accept, guarded, page};
use super::ops::LOG_INDEX;
use super::proofs::InclusionQuery;
use super::tiles::{CHECKPOINT_CACHING, TILE_CACHING, cached, etag, notice, read};
use super::{Params, heavy, listed, reported};
use crate::access::Gate;
use crate::explorer::{
    AUDIT, COMPARE, ENTRY, ExplorerFile, FRONT, OFFERED_POLICY, OFFERED_VKEY, Offered, STREAMS, page_with,
};
use crate::health::Health;
use crate::log::AnyLog;
use crate::media::TEXT;
use crate::problem::Problem;

/// What the pages of a log need of its server.
#[derive(Clone)]
pub(super) struct Pages {
    pub(super) log: AnyLog,
    pub(super) health: Arc<dyn Health>,
    pub(super) gate: Gate,
    pub(super) shown: PageSources,
}

/// What pages show of a log beside what they read of it.
#[derive(Clone)]
pub(crate) struct PageSources {
    pub(crate) offered: Arc<Offered>,
    /// What the log holds in memory, for readers without JavaScript.
    pub(crate) overview: Option<Arc<dyn Overview>>,
}

/// What is here: the explorer's front page for browsers, a list of routes for everyone else.
#[utoipa::path(
    get, path = "/", tag = "operations",
    responses(
        (status = 200, description = "A page for those who accept `text/html`, else a list of routes.", content(
            (String = "text/plain; charset=utf-8"),
            (String = "text/html; charset=utf-8"),
        )),
        (status = 304, description = "The page has not changed."),
    )
)]
pub(super) async fn index(State(pages): State<Pages>, request: HeaderMap) -> Response {
    by_accept(if accepts_html(&request) { pages.front(&request).await } else { pages.list().into_response() })
}

/// The explorer's front page.
#[utoipa::path(
    get, path = "/index.html", tag = "operations",
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html; charset=utf-8"),
        (status = 304, description = "It has not changed."),
    )
)]
pub(super) async fn front(State(pages): State<Pages>, request: HeaderMap) -> Response {
    pages.front(&request).await
}

/// What the report on a page is asked for.
#[derive(Default, Deserialize)]
pub(super) struct PageQuery {
    /// An entry: an index, a digest, or a stream and a sequence number.
    q: Option<String>,
    /// Gateways from this entry on.
    from: Option<String>,
    /// Of one gateway, the streams older than this one.
    older: Option<String>,
}

/// A file of the explorer: a page, its style, a module; or the log's vkey, which proves nothing where the log itself serves it. For readers without
/// JavaScript, some pages also have what the server reports: `entry.html?q=` of an entry, `streams.html?from=&older=` of gateways and streams,
/// `compare.html` of the newest checkpoint and the witnesses, `audit.html` of the newest head.
#[utoipa::path(
    get, path = "/explorer/{*path}", tag = "operations",
    params(("path" = String, Path, description = "Which file.", example = "entry.html")),
    responses(
        (status = 200, description = "The file.", content(
            (String = "text/html; charset=utf-8"),
            (String = "text/javascript; charset=utf-8"),
            (String = "text/css; charset=utf-8"),
            (String = "text/plain; charset=utf-8"),
        )),
        (status = 304, description = "It has not changed."),
        (status = 404, description = "There is no such file.", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(super) async fn file(
    State(pages): State<Pages>,
    Path(path): Path<String>,
    asked: Result<Query<PageQuery>, QueryRejection>,
    request: HeaderMap,
) -> Response {
    let path = format!("explorer/{path}");
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    match pages.report(&path, &asked).await {
        Some(facts) => page(&request, page_with(&path, &facts)),
        None => serve(&pages.shown.offered, &path, &request),
    }
}

impl Pages {
    /// The routes, as text.
    fn list(&self) -> String {
        // This is public: it is an entry of the log.
        let notes = self.health.readiness().notes;
        let retired = notes.into_iter().find(|(name, _)| name == "retired");
        retired
            .map_or_else(|| LOG_INDEX.to_owned(), |(_, words)| format!("Read only: {words}.\n\n{LOG_INDEX}"))
    }

    /// The front page, with what this server reports of the log for readers without JavaScript.
    async fn front(&self, request: &HeaderMap) -> Response {
        let reported = if self.may_report() { reported::front(&self.log).await } else { String::new() };
        page(request, page_with(FRONT, &reported))
    }

    /// What this server reports on the page at `path`, as HTML. None for a page that has no report, and for a file that is no page.
    async fn report(&self, path: &str, asked: &PageQuery) -> Option<String> {
        let overview = self.shown.overview.as_deref();
        match path {
            _ if !self.may_report() => None,
            ENTRY => Some(reported::entry(&self.log, asked.q.as_deref()).await),
            STREAMS => {
                overview.map(|log| listed::streams(log, asked.from.as_deref(), asked.older.as_deref()))
            }
            COMPARE => {
                Some(reported::newest(&self.log).await + &overview.map(listed::witnesses).unwrap_or_default())
            }
            AUDIT => Some(reported::head(&self.log).await),
            _ => None,
        }
    }

    /// Whether readers may see what the log holds without being authenticated first.
    fn may_report(&self) -> bool {
        !self.gate.access.is_on()
    }
}

/// A file by its path below the log's root.
fn serve(offered: &Offered, path: &str, request: &HeaderMap) -> Response {
    let text = match path {
        OFFERED_VKEY => offered.log_vkey.as_ref(),
        OFFERED_POLICY => offered.policy.as_ref(),
        _ => None,
    };
    if let Some(text) = text {
        return guarded(cached(request, &etag(text.as_bytes()), CHECKPOINT_CACHING, TEXT, text.clone()));
    }
    match ExplorerFile::at(path) {
        Some(file) => {
            guarded(cached(request, &etag(file.bytes), CHECKPOINT_CACHING, file.content_type(), file.bytes))
        }
        None => Problem::no_such_path().into_response(),
    }
}

/// The explorer for a program that reads a log elsewhere: its pages, and what they read of that log. Nothing can be written. With a `lookup`, the pages
/// find entries by digest and by place in a stream; what it returns is a hint, which they verify.
pub fn explorer_router<L: LogReader, K: Lookup>(log: L, lookup: Option<K>, offered: Offered) -> Router {
    let pages = Router::new()
        .route("/", get(front_elsewhere))
        .route("/index.html", get(front_elsewhere))
        .route("/explorer/{*path}", get(file_elsewhere))
        .with_state(Arc::new(offered));
    let reads = Router::new()
        .route("/checkpoint", get(checkpoint_elsewhere::<L>))
        .route("/tile/{*path}", get(tile_elsewhere::<L>))
        .route("/pruned", get(pruned_elsewhere::<L>))
        .route("/v1/bundles", get(bundles_elsewhere::<L>))
        .with_state(Arc::new(log));
    let router = reads.merge(pages);
    match lookup {
        Some(lookup) => {
            router.merge(Router::new().route("/v1/inclusion", get(index_elsewhere::<K>)).with_state(lookup))
        }
        None => router,
    }
}

/// Where an entry is. The pages prove the rest from tiles.
#[derive(Serialize)]
struct EntryLocation {
    index: u64,
}

async fn index_elsewhere<K: Lookup>(
    State(lookup): State<K>,
    Params(query): Params<InclusionQuery>,
) -> Result<Json<EntryLocation>, Problem> {
    let index = match query.entry()? {
        EntryName::Index(index) => index,
        EntryName::Key(key) => lookup.find(key).await?,
    };
    Ok(Json(EntryLocation { index: index.get() }))
}

async fn front_elsewhere(request: HeaderMap) -> Response {
    page(&request, page_with(FRONT, ""))
}

async fn file_elsewhere(
    State(offered): State<Arc<Offered>>,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    serve(&offered, &format!("explorer/{path}"), &request)
}

async fn checkpoint_elsewhere<L: LogReader>(State(log): State<Arc<L>>, request: HeaderMap) -> Response {
    match log.checkpoint().await {
        Ok(note) => cached(&request, &etag(note.as_bytes()), CHECKPOINT_CACHING, TEXT, note),
        Err(error) => Problem::from(error).into_text(),
    }
}

async fn tile_elsewhere<L: LogReader>(
    State(log): State<Arc<L>>,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    match read(&*log, &format!("tile/{path}")).await {
        Ok(bytes) => cached(&request, &etag(&bytes), TILE_CACHING, "application/octet-stream", bytes),
        Err(error) => Problem::from(error).into_text(),
    }
}

async fn pruned_elsewhere<L: LogReader>(State(log): State<Arc<L>>, request: HeaderMap) -> Response {
    notice(&*log, &request).await
}

async fn bundles_elsewhere<L: LogReader>(
    State(log): State<Arc<L>>,
    Params(query): Params<BundlesQuery>,
    extensions: Extensions,
) -> Result<Response, Problem> {
    let _own = heavy::own_turn(&extensions).await;
    several(&*log, &query).await
}
