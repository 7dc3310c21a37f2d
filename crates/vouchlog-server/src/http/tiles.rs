//! C2SP tlog-tiles: the checkpoint, tiles of hashes, bundles of entries.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_merkle::{TilePath, sha256};

use crate::log::AnyLog;
use crate::media::{self, TEXT};
use crate::problem::Problem;

/// SPEC: tlog-tiles: a checkpoint "SHOULD NOT be cached for more than a few seconds".
pub(super) const CHECKPOINT_CACHING: &str = "no-cache";
/// SPEC: tlog-tiles: tiles and bundles "SHOULD have long caching headers": what a path names never changes.
pub(super) const TILE_CACHING: &str = "max-age=604800,immutable";

/// The newest checkpoint, a signed note.
#[utoipa::path(
    get, path = "/checkpoint", tag = "tlog-tiles",
    responses(
        (status = 200, description = "The checkpoint.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 304, description = "It has not changed."),
        (status = 503, description = "Not available now.", body = String, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn checkpoint(State(log): State<AnyLog>, request: HeaderMap) -> Response {
    match log.checkpoint().await {
        Ok(note) => {
            // A checkpoint of the same size changes when a witness cosigns it.
            let etag = etag(note.as_bytes());
            cached(&request, &etag, CHECKPOINT_CACHING, TEXT, note)
        }
        Err(error) => Problem::from(error).into_text(),
    }
}

/// A tile of the tree: up to 256 hashes of 32 bytes.
///
/// `path` is `<level>/<index>`, or `<level>/<index>.p/<width>` for the first hashes of a tile, in the notation of tlog-tiles:
/// `0/x001/234.p/17`.
#[utoipa::path(
    get, path = "/tile/{*path}", tag = "tlog-tiles",
    params(("path" = String, Path, description = "Level, index and, for a partial tile, `.p/` and its width.",
        pattern = r"^([0-9]|[1-5][0-9]|6[0-3])/(x([1-9][0-9]{2}|0[1-9][0-9]|00[1-9])/(x[0-9]{3}/){0,4})?[0-9]{3}(\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$",
        example = "0/000.p/3")),
    responses(
        (status = 200, description = "The hashes.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "It cannot have changed."),
        (status = 400, description = "Not a tile.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 404, description = "No such tile yet.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "Not available now.", body = String, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn tile(
    State(log): State<AnyLog>,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    serve(&log, &format!("tile/{path}"), &request).await
}

/// A bundle of entries: up to 256, each behind its 16-bit length.
///
/// `path` is `<index>`, or `<index>.p/<width>` for the first entries of a bundle. Compressed with gzip for those who accept it.
#[utoipa::path(
    get, path = "/tile/entries/{*path}", tag = "tlog-tiles",
    params(("path" = String, Path, description = "Index and, for a partial bundle, `.p/` and its width.",
        pattern = r"^(x([1-9][0-9]{2}|0[1-9][0-9]|00[1-9])/(x[0-9]{3}/){0,4})?[0-9]{3}(\.p/([1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$",
        example = "000.p/3")),
    responses(
        (status = 200, description = "The entries.", body = Vec<u8>, content_type = "application/octet-stream"),
        (status = 304, description = "It cannot have changed."),
        (status = 400, description = "Not a bundle.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 404, description = "No such bundle yet.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 410, description = "The log gave it up: it lies below the minimum index at `/pruned`.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "Not available now.", body = String, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn entry_bundle(
    State(log): State<AnyLog>,
    Path(path): Path<String>,
    request: HeaderMap,
) -> Response {
    serve(&log, &format!("tile/entries/{path}"), &request).await
}

/// Where the log announces that it gave up entries: its minimum index, and the entry that announces it.
///
/// Nothing vouches for this text. The entry is in the tree and signed by the log, and names the same minimum index.
#[utoipa::path(
    get, path = "/pruned", tag = "tlog-tiles",
    responses(
        (status = 200, description = "The minimum index and the entry, in two lines.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 304, description = "It has not changed."),
        (status = 404, description = "The log has given up no entries.", body = String, content_type = "text/plain; charset=utf-8"),
        (status = 503, description = "Not available now.", body = String, content_type = "text/plain; charset=utf-8"),
    )
)]
pub(super) async fn pruned(State(log): State<AnyLog>, request: HeaderMap) -> Response {
    notice(&log, &request).await
}

/// What a log shows of what it gave up.
pub(super) async fn notice(log: &impl LogReader, request: &HeaderMap) -> Response {
    match log.pruned().await {
        Ok(Some(notice)) => {
            let text = notice.to_text();
            let etag = etag(text.as_bytes());
            cached(request, &etag, CHECKPOINT_CACHING, TEXT, text)
        }
        Ok(None) => Problem::from(Error::not_found("the log has given up no entries")).into_text(),
        Err(error) => Problem::from(error).into_text(),
    }
}

async fn serve(log: &AnyLog, path: &str, request: &HeaderMap) -> Response {
    match read(log, path).await {
        // A path does not tell one log from another that is served later at the same URL, so the content does.
        Ok(bytes) => cached(request, &etag(&bytes), TILE_CACHING, "application/octet-stream", bytes),
        Err(error) => Problem::from(error).into_text(),
    }
}

/// What is at the path of a tile or a bundle.
pub(super) async fn read(log: &impl LogReader, path: &str) -> Result<Bytes> {
    match TilePath::parse(path).map_err(|error| Error::invalid(error.to_string()))? {
        TilePath::Hashes { tile, width } => log.tile(tile, width).await,
        TilePath::Entries { index, width } => log.entry_bundle(index, width).await,
    }
}

/// The strong validator of a content (RFC 9110 section 8.8.3): its SHA-256.
pub(super) fn etag(content: &[u8]) -> String {
    format!("\"{}\"", sha256(content))
}

/// The content with its validators, or only those when the client has it already.
pub(super) fn cached(
    request: &HeaderMap,
    etag: &str,
    caching: &'static str,
    content_type: &'static str,
    content: impl IntoResponse,
) -> Response {
    let validators = [(header::ETAG, etag.to_owned()), (header::CACHE_CONTROL, caching.to_owned())];
    if has_it(request, etag) {
        return (StatusCode::NOT_MODIFIED, validators).into_response();
    }
    // The type comes last: text would otherwise bring its own.
    (validators, media::content_type(content_type), content).into_response()
}

/// SPEC: RFC 9110 section 13.1.2: `If-None-Match` lists validators, which are compared weakly.
fn has_it(request: &HeaderMap, etag: &str) -> bool {
    let listed = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    listed
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.strip_prefix("W/").unwrap_or(candidate) == etag)
}

/// SPEC: RFC 9110 section 8.8.3.3: a compressed content is another one to a strong validator. Section 12.5.5: the answer depends on
/// `accept-encoding`, and section 15.4.5: a 304 has the same `vary` as the 200 would have.
pub(super) async fn tell_encodings_apart(mut response: Response) -> Response {
    let headers = response.headers_mut();
    let varies = headers.get_all(header::VARY).iter().any(|value| value.as_bytes() == b"accept-encoding");
    if !varies {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(etag) = headers.get(header::ETAG).and_then(|etag| etag.to_str().ok())
        && let Ok(weak) = HeaderValue::from_str(&format!("W/{etag}"))
    {
        headers.insert(header::ETAG, weak);
    }
    response
}
