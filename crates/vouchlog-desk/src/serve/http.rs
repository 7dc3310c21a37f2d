//! The HTTP side: one route for each ask, `POST` with JSON.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use vouchlog_access::Denied;
use vouchlog_api::Error;
use vouchlog_server::{Problem, read_body, refusal};

use super::service::{CallerError, Service};
use crate::ask::Ask;
use crate::limits::MAX_REQUEST_BYTES;

/// Why a request is not carried out.
pub(super) enum Refused {
    Caller(Denied),
    Request(Box<Problem>),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Caller(denied) => refusal(denied),
            Self::Request(problem) => problem.into_response(),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Request(Box::new(error.into()))
    }
}

impl From<CallerError> for Refused {
    fn from(error: CallerError) -> Self {
        match error {
            CallerError::Denied(denied) => Self::Caller(denied),
            CallerError::Failed(error) => error.into(),
        }
    }
}

/// Answers one.
pub(super) async fn answer<A: Ask>(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    let (access, _request) = service.recognised(&parts).await?;
    if !is_json(&parts) {
        return Err(Refused::Request(Box::new(Problem::unsupported("application/json"))));
    }
    let body =
        read_body(body, MAX_REQUEST_BYTES).await.map_err(|problem| Refused::Request(Box::new(problem)))?;
    // The reason may quote what was sent, which names people: it goes back to its sender and nowhere else.
    let unprocessable = |why: String| Refused::Request(Box::new(Problem::unprocessable(why)));
    // An array would be taken for a struct whose fields are in order, an empty one for a question without conditions.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(unprocessable("a JSON object is expected".to_owned()));
    }
    let ask: A = serde_json::from_slice(&body).map_err(|error| unprocessable(error.to_string()))?;
    let answer = Box::pin(service.ask(access, ask)).await?;
    let no_store = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((StatusCode::OK, no_store, Json(answer)).into_response())
}

fn is_json(parts: &Parts) -> bool {
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}
