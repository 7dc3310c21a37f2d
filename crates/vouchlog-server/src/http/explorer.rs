//! The explorer's pages, and the log that they check: beside a log's own routes, or for a program that reads another log.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::HeaderMap;
use vouchlog_api::LogReader;
use vouchlog_note::{Checkpoint, UnverifiedNote};

use super::html::{accepts_html, by_accept, guarded, page};
use super::ops::LOG_INDEX;
use super::tiles::{CHECKPOINT_CACHING, TILE_CACHING, cached, etag, read};
use crate::access::Gate;
use crate::explorer::{ExplorerFile, OFFERED_POLICY, OFFERED_VKEY, Offered, front_page};
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
    pub(super) offered: Arc<Offered>,
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
    by_accept(if accepts_html(&request) {
        page(&request, front_page(&pages.facts().await))
    } else {
        pages.list().into_response()
    })
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
    page(&request, front_page(&pages.facts().await))
}

/// A file of the explorer: a page, its style, a module; or the log's vkey, which proves nothing where the log itself serves it.
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
    request: HeaderMap,
) -> Response {
    serve(&pages.offered, &format!("explorer/{path}"), &request)
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

    /// What this server reports of the log, for readers without JavaScript. Nothing for those who must first be authenticated.
    async fn facts(&self) -> String {
        if self.gate.access.is_on() {
            return String::new();
        }
        match self.log.checkpoint().await {
            Ok(note) => facts_of(&note).unwrap_or_default(),
            Err(error) => format!(
                "<div class=\"note nojs\"><span>The server has no checkpoint to show: {}.</span></div>",
                escaped(&error.message)
            ),
        }
    }
}

/// The newest checkpoint in words, as HTML. None for what is no checkpoint.
fn facts_of(note: &str) -> Option<String> {
    let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
    let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
    let head = checkpoint.head();
    let lines: String =
        note.lines().iter().map(|line| format!("<li>{}</li>", escaped(&line.name().to_string()))).collect();
    Some(format!(
        "<div class=\"nojs near\"><div class=\"panel pad\"><h2>What the server reports</h2><dl class=\"kv\">\
         <dt>Log</dt><dd>{}</dd>\
         <dt>Entries at the newest checkpoint</dt><dd>{}</dd>\
         <dt>Root</dt><dd><code>{}</code></dd>\
         <dt>Signature lines</dt><dd><ul class=\"plain\">{lines}</ul></dd>\
         <dt>Verified</dt><dd>No. Whether the log signed this, whether its witnesses did, and whether the log still contains what it \
         showed before, takes JavaScript or the program <code>vouchlog</code>.</dd>\
         <dt>As files</dt><dd><a href=\"checkpoint\">checkpoint</a></dd></dl></div></div>",
        escaped(&checkpoint.origin().to_string()),
        head.size,
        escaped(&head.root.to_string()),
    ))
}

/// Text in HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
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

/// The explorer for a program that reads a log elsewhere: its pages, and what they read of that log. Nothing can be written.
pub fn explorer_router<L: LogReader>(log: L, offered: Offered) -> Router {
    let pages = Router::new()
        .route("/", get(front_elsewhere))
        .route("/index.html", get(front_elsewhere))
        .route("/explorer/{*path}", get(file_elsewhere))
        .with_state(Arc::new(offered));
    let reads = Router::new()
        .route("/checkpoint", get(checkpoint_elsewhere::<L>))
        .route("/tile/{*path}", get(tile_elsewhere::<L>))
        .with_state(Arc::new(log));
    reads.merge(pages)
}

async fn front_elsewhere(request: HeaderMap) -> Response {
    page(&request, front_page(""))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_escaped_and_nothing_for_what_is_no_checkpoint() {
        let root = "A".repeat(43);
        let note = format!("log.example/<b>\n7\n{root}=\n\n\u{2014} log.example/<b> AAAAAAAA\n");
        let shown = facts_of(&note).unwrap();
        assert!(
            shown.contains("log.example/&lt;b&gt;") && shown.contains("<dd>7</dd>") && !shown.contains("<b>"),
            "{shown}"
        );
        assert_eq!(facts_of("nothing"), None);
    }
}
