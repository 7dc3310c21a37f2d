//! The one table of refusals, and their form in each protocol.
//!
//! ```text
//! kind             HTTP  gRPC                send it again
//! invalid          400   INVALID_ARGUMENT    no
//! unauthenticated  401   UNAUTHENTICATED     no
//! forbidden        403   PERMISSION_DENIED   no
//! conflict         409   ALREADY_EXISTS      no
//! too large        413   INVALID_ARGUMENT    no
//! unsupported      415   UNIMPLEMENTED       no
//! unnamed          –     INTERNAL            no
//! busy             503   RESOURCE_EXHAUSTED  when it says
//! unavailable      503   UNAVAILABLE         when it says
//! ```
//!
//! SPEC: OTLP 1.x, sections "Failures" and "OTLP/HTTP Response": which codes an emitter may send again after. OUT_OF_RANGE is one
//! of them, so what is too large is not answered with it, as gRPC libraries do.

use std::time::Duration;

use ::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, RequestInfo, RetryInfo, StatusExt};
use vouchlog_access::Denied;
use vouchlog_record::RecordId;
use vouchlog_runtime::request_id;

use super::exported::{Export, JSON, PROTOBUF, encoding};
use crate::collector::Rejection;
use crate::doors::DoorError;
use crate::intake::{Encoding, IntakeError};
use crate::limits::{BUSY_RETRY_AFTER, MAX_REASON_BYTES, RETRY_AFTER};

/// Most ids that a refusal names.
const MAX_NAMED: usize = 20;

/// Why a request is refused, as far as programs tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Invalid,
    Unauthenticated,
    Forbidden,
    Conflict,
    TooLarge,
    Unsupported,
    /// A compressed message of an RPC without the name of its encoding: the one fault of a caller for which gRPC demands INTERNAL.
    Unnamed,
    Busy,
    Unavailable,
}

impl Kind {
    const fn row(self) -> (StatusCode, Code, &'static str) {
        match self {
            Self::Invalid => (StatusCode::BAD_REQUEST, Code::InvalidArgument, "INVALID_ARGUMENT"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, Code::Unauthenticated, "UNAUTHENTICATED"),
            Self::Forbidden => (StatusCode::FORBIDDEN, Code::PermissionDenied, "PERMISSION_DENIED"),
            Self::Conflict => (StatusCode::CONFLICT, Code::AlreadyExists, "ALREADY_EXISTS"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Code::InvalidArgument, "TOO_LARGE"),
            Self::Unsupported => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unimplemented, "UNSUPPORTED_MEDIA_TYPE")
            }
            Self::Unnamed => (StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Internal, "UNSUPPORTED_MEDIA_TYPE"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, Code::ResourceExhausted, "OVERLOADED"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, Code::Unavailable, "UNAVAILABLE"),
        }
    }

    const fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Busy => Some(BUSY_RETRY_AFTER),
            Self::Unavailable => Some(RETRY_AFTER),
            _ => None,
        }
    }

    /// As metrics have it.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::TooLarge => "too_large",
            Self::Unsupported | Self::Unnamed => "unsupported",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
        }
    }
}

/// A request that is refused: how, and why in words.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) kind: Kind,
    why: String,
    /// How to authenticate, for a caller that has to.
    challenge: Option<&'static str>,
}

/// In what form a caller reads an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Grpc,
    /// OTLP/HTTP: google.rpc.Status in the request's encoding.
    Otlp(Encoding),
    /// A problem document (RFC 9457).
    Problem,
}

impl Form {
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Self {
        let content_type = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
        if content_type.starts_with(b"application/grpc") {
            return Self::Grpc;
        }
        match Export::ALL.iter().any(|export| export.path() == path) {
            // Who sends neither encoding reads JSON, if anything.
            true => Self::Otlp(encoding(headers).unwrap_or(Encoding::Json)),
            false => Self::Problem,
        }
    }
}

impl Refusal {
    pub(super) fn new(kind: Kind, why: impl Into<String>) -> Self {
        Self { kind, why: cut(why.into(), MAX_REASON_BYTES), challenge: None }
    }

    pub(super) fn invalid(why: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, why)
    }

    /// A caller that is not let in.
    pub(super) fn denied(denied: Denied) -> Self {
        let kind = match denied {
            _ if denied.is_forbidden() => Kind::Forbidden,
            _ if denied.is_passing() => Kind::Unavailable,
            _ => Kind::Unauthenticated,
        };
        // SPEC: RFC 9110 section 11.6.1: a 401 says how to authenticate; RFC 6750 section 3.1: a 403 does, too.
        let challenge = (kind != Kind::Unavailable).then(|| denied.challenge());
        Self { challenge, ..Self::new(kind, denied.to_string()) }
    }

    /// Records whose ids belong to others.
    pub(super) fn conflict(ids: &[RecordId]) -> Self {
        let named: Vec<&str> = ids.iter().map(RecordId::as_str).take(MAX_NAMED).collect();
        let why = format!(
            "{} already belong to records with other content: send each record with an id of its own",
            named.join(", ")
        );
        Self::new(Kind::Conflict, why)
    }

    pub(super) fn too_large(limit: usize) -> Self {
        let why = format!("the body has more than {limit} bytes, unzipped or not: send smaller batches");
        Self::new(Kind::TooLarge, why)
    }

    pub(super) fn busy() -> Self {
        Self::new(Kind::Busy, "too many bytes in flight: retry the same request later")
    }

    pub(super) fn too_slow() -> Self {
        Self::new(
            Kind::Unavailable,
            "the body came too slowly: send it again, faster, or send smaller batches",
        )
    }

    /// As a gRPC status, with all that a client needs in its details.
    pub(super) fn status(&self) -> Status {
        let retry = self.kind.retry_after().map(|wait| ErrorDetail::RetryInfo(RetryInfo::new(Some(wait))));
        let request =
            request_id::current().map(|id| ErrorDetail::RequestInfo(RequestInfo::new(id.as_ref(), "")));
        Status::with_error_details_vec(self.kind.row().1, self.why.as_str(), retry.into_iter().chain(request))
    }

    pub(super) fn respond(&self, form: Form) -> Response {
        let (http, code, word) = self.kind.row();
        let wait = self.kind.retry_after();
        let response = match form {
            Form::Grpc => return self.status().into_http(),
            Form::Otlp(Encoding::Protobuf) => {
                let body = self.status().details().to_vec();
                ([(header::CONTENT_TYPE, PROTOBUF)], body).into_response()
            }
            Form::Otlp(Encoding::Json) => {
                let mut status = json!({ "code": i32::from(code), "message": self.why });
                let retry = wait.map(|wait| {
                    json!({ "@type": RetryInfo::TYPE_URL, "retryDelay": format!("{}s", wait.as_secs()) })
                });
                let request = request_id::current()
                    .map(|id| json!({ "@type": RequestInfo::TYPE_URL, "requestId": &*id }));
                let details: Vec<Value> = retry.into_iter().chain(request).collect();
                if !details.is_empty() {
                    status["details"] = details.into();
                }
                ([(header::CONTENT_TYPE, JSON)], status.to_string()).into_response()
            }
            Form::Problem => {
                let mut problem = json!({
                    "type": "about:blank", "title": http.canonical_reason(), "status": http.as_u16(), "detail": self.why,
                    "code": word,
                });
                if let Some(wait) = wait {
                    problem["retry_after_ms"] = json!(wait.as_secs() * 1_000);
                }
                if let Some(id) = request_id::current() {
                    problem["request_id"] = json!(&*id);
                }
                ([(header::CONTENT_TYPE, "application/problem+json")], problem.to_string()).into_response()
            }
        };
        (http, self.headers(), response).into_response()
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(wait) = self.kind.retry_after() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        headers
    }
}

impl From<Rejection> for Refusal {
    fn from(not_taken: Rejection) -> Self {
        Self::new(Kind::Unavailable, not_taken.to_string())
    }
}

impl From<IntakeError> for Refusal {
    fn from(error: IntakeError) -> Self {
        let kind = if matches!(error, IntakeError::TooLong(_)) { Kind::TooLarge } else { Kind::Invalid };
        Self::new(kind, error.to_string())
    }
}

impl From<DoorError> for Refusal {
    fn from(error: DoorError) -> Self {
        let kind = if matches!(error, DoorError::Json(_)) { Kind::Invalid } else { Kind::TooLarge };
        Self::new(kind, error.to_string())
    }
}

/// How an answer is counted.
pub(super) fn outcome<T>(answer: &Result<T, Refusal>) -> &'static str {
    answer.as_ref().map_or_else(|refusal| refusal.kind.label(), |_| "ok")
}

/// A text, cut where it would be too long to send.
pub(super) fn cut(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}
