//! Errors as problem documents (RFC 9457), the same for every route but those of C2SP, whose clients expect a line of text.

use axum::Extension;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use vouchlog_access::Denied;
use vouchlog_api::Error;
use vouchlog_runtime::request_id;

use crate::media::{TEXT, content_type};
use crate::status::{Row, row, sentence};

/// Why a request failed (RFC 9457).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells problems apart.
    #[schema(value_type = String)]
    r#type: &'static str,
    /// What the status means in general.
    #[schema(value_type = String)]
    title: &'static str,
    /// The HTTP status.
    #[serde(serialize_with = "number")]
    #[schema(value_type = u16)]
    status: StatusCode,
    /// What happened.
    detail: Box<str>,
    /// One word for programs, the same as `reason` over gRPC: `INVALID_ARGUMENT`, `NOT_FOUND`, `CONFLICT`, `STREAM_FORK`,
    /// `UNAUTHENTICATED`, `PERMISSION_DENIED`, `FAILED_PRECONDITION`, `OVERLOADED`, `QUOTA_EXCEEDED`, `UNAVAILABLE`, `NOT_LEADER`, `INTERNAL`, `METHOD_NOT_ALLOWED`,
    /// `TOO_LARGE` or `UNSUPPORTED_MEDIA_TYPE`.
    #[schema(value_type = String)]
    code: &'static str,
    /// With `CONFLICT`: the size the log has.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// With `OVERLOADED`, `QUOTA_EXCEEDED` and `UNAVAILABLE`: milliseconds to wait before sending the same again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    /// The request's id, also in the header `x-request-id`: quote it to the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<Box<str>>,
}

/// Why a request failed, for the span and the log. An extension of the response.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            r#type: "about:blank",
            title,
            status,
            detail: detail.into().into_boxed_str(),
            code,
            size: None,
            retry_after_ms: None,
            request_id: request_id::current().map(|id| id.as_ref().into()),
        }
    }

    fn of_row(row: &Row, status: StatusCode, error: &Error) -> Self {
        let retry_after_ms = row.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        Self { size: row.size, retry_after_ms, ..Self::new(status, row.reason, sentence(&error.message)) }
    }

    /// An error of a witness, which has a column of its own in the table.
    pub(super) fn of_witness(error: &Error) -> Self {
        let row = row(&error.kind);
        Self::of_row(&row, row.witness, error)
    }

    /// The size that comes with a conflict.
    pub(super) fn size(&self) -> Option<u64> {
        self.size
    }

    /// Nothing is at this path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NOT_FOUND", "no such path: GET / lists the paths")
    }

    /// The path takes other methods.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "the path does not support this method: see the header `allow`";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", detail)
    }

    /// A web page of another site sent this.
    pub(super) fn other_site() -> Self {
        let detail = "requests from web pages of other origins cannot write";
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", detail)
    }

    /// A web page sent this to a name that this server does not have.
    pub(super) fn unknown_host() -> Self {
        let detail = "web pages cannot write to this server by this host name: start it with --host NAME if the name is its own";
        Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", detail)
    }

    /// The caller is not let in.
    pub(crate) fn denied(denied: Denied) -> Self {
        let detail = denied.to_string();
        if denied.is_forbidden() {
            Self::new(StatusCode::FORBIDDEN, "PERMISSION_DENIED", detail)
        } else if denied.is_passing() {
            Error::unavailable(detail).into()
        } else {
            Self::new(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", detail)
        }
    }

    /// The body is longer than the route takes.
    pub(super) fn too_large(limit: usize) -> Self {
        let detail = format!("the body has more than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE", detail)
    }

    /// The body is of another type than the route takes.
    pub fn unsupported(expected: &str) -> Self {
        let detail = format!("the body must have `content-type: {expected}`");
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail)
    }

    /// The body is of the right form, but does not say what it has to.
    pub fn unprocessable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_ARGUMENT", detail)
    }

    /// The same as a line of text.
    pub(super) fn into_text(self) -> Response {
        let headers = self.headers();
        let text = format!("{}\n", self.detail);
        (self.status, Extension(self.reason()), headers, content_type(TEXT), text).into_response()
    }

    /// Why the request failed.
    pub(super) fn reason(self) -> Reason {
        Reason { code: self.code, detail: self.detail.into_string() }
    }

    fn headers(&self) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        if let Some(wait) = self.retry_after_ms {
            // SPEC: RFC 9110 section 10.2.3: whole seconds; rounded up, so that who obeys is not early.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.div_ceil(1_000).max(1)));
        }
        // What is absent now may be there in a second.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let row = row(&error.kind);
        Self::of_row(&row, row.http, &error)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).expect("a problem has string keys only");
        let (status, headers) = (self.status, self.headers());
        let reason = Extension(self.reason());
        (status, reason, headers, content_type("application/problem+json"), body).into_response()
    }
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

/// What a read may be refused with, for the document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes responses; handlers answer with `Problem`")]
pub(super) enum ReadProblems {
    /// The request is wrong.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// No such entry, stream or tree, or not yet.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Not now; `retry-after` says when.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

/// What a write may be refused with, for the document.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "describes responses; handlers answer with `Problem`")]
pub(super) enum WriteProblems {
    /// The request is wrong.
    #[response(status = 400, content_type = "application/problem+json")]
    Invalid(Problem),
    /// The caller has to authenticate itself; `www-authenticate` says how.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// The key did not sign this, the caller lacks the role, or a web page of another site sent it.
    #[response(status = 403, content_type = "application/problem+json")]
    Denied(Problem),
    /// The log is in a state that does not allow it.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The log has ended, and another one continues it.
    #[response(status = 410, content_type = "application/problem+json")]
    Retired(Problem),
    /// The body is too long.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is of another content type.
    #[response(status = 415, content_type = "application/problem+json")]
    Unsupported(Problem),
    /// The body is JSON, but not the JSON that is asked for.
    #[response(status = 422, content_type = "application/problem+json")]
    Unprocessable(Problem),
    /// The gateway's quota for the day is used up; `retry-after` says when it renews.
    #[response(status = 429, content_type = "application/problem+json")]
    QuotaExceeded(Problem),
    /// Not now; `retry-after` says when.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}
