//! What every request passes before its handler: it gets an id and a span, is counted, has to find room, and has to be answered in
//! time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use hyper::body::{Frame, SizeHint};
use tokio::sync::Semaphore;
use tonic::Status;
use tracing::{Instrument, Span};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_runtime::request_id;

use crate::limits::RETRY_AFTER;
use crate::metrics::{Rpc, ServerMetrics, method_label};
use crate::outcome;
use crate::problem::Problem;
use crate::request::{Caller, Ids, REQUEST_ID};
use crate::status::status;

/// What all requests of a server share.
#[derive(Clone)]
pub(crate) struct Guard {
    metrics: ServerMetrics,
    room: Arc<Semaphore>,
    timeout: Duration,
    ids: Arc<Ids>,
}

impl Guard {
    pub(crate) fn new(metrics: ServerMetrics, max_requests: usize, timeout: Duration) -> Self {
        let room = Arc::new(Semaphore::new(max_requests.min(Semaphore::MAX_PERMITS)));
        Self { metrics, room, timeout, ids: Arc::new(Ids::new()) }
    }
}

/// The middleware.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let caller = Caller::of(request.headers(), &guard.ids);
    let span = caller.span();
    let header = caller.header();
    let guarded = async {
        if speaks_grpc(request.headers()) {
            guard_rpc(&guard, caller.id(), request, next).await
        } else {
            guard_http(&guard, request, next).await
        }
    };
    let mut response = request_id::scope(caller.id(), guarded).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, header);
    response
}

async fn guard_rpc(guard: &Guard, id: Arc<str>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // A route without variables is one method, and was declared.
    let is_declared = request.extensions().get::<MatchedPath>().is_some_and(|route| route.as_str() == path);
    let rpc = guard.metrics.rpc(path, is_declared);
    let span = Span::current();
    span.record("rpc.system", "grpc");
    span.record("rpc.service", rpc.service());
    span.record("rpc.method", rpc.method());
    let answer = match answer(guard, request, next).await {
        Ok(answer) => answer,
        Err(error) => status(&error).into_http(),
    };
    observe(answer, rpc, id)
}

async fn guard_http(guard: &Guard, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let route = route.as_ref().map(MatchedPath::as_str);
    let span = Span::current();
    span.record("http.request.method", method_label(&method));
    span.record("http.route", route);
    let answer =
        answer(guard, request, next).await.unwrap_or_else(|error| Problem::from(error).into_response());
    guard.metrics.http(&method, route, answer.status(), started.elapsed());
    outcome::of_http(&span, &answer);
    answer
}

/// Whether a request is an RPC, by its content type.
pub(crate) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The handler's answer, or why there is none. A stream's answer begins at once, so it is not cut short here.
async fn answer(guard: &Guard, request: Request, next: Next) -> Result<Response, Error> {
    let Ok(_room) = guard.room.try_acquire() else {
        return Err(Error::new(
            ErrorKind::Overloaded { retry_after: RETRY_AFTER },
            "too many requests in flight: retry the same request later",
        ));
    };
    tokio::time::timeout(guard.timeout, next.run(request)).await.map_err(|_| {
        Error::unavailable(format!(
            "timed out after {} s: the request may or may not have been carried out",
            guard.timeout.as_secs_f32()
        ))
    })
}

/// Has an RPC end where its answer does: in the headers when it failed at once, else in the trailers.
fn observe(answer: Response, mut rpc: Rpc, id: Arc<str>) -> Response {
    let span = Span::current();
    if let Some(status) = Status::from_header_map(answer.headers()) {
        rpc.ended(status.code());
        outcome::of_rpc(&span, &status);
        return answer;
    }
    answer.map(|body| Body::new(Observed { body, rpc, id, span }))
}

/// The body of an RPC's answer, watched for the trailers that bring its code. The request lasts as long as it does.
struct Observed {
    body: Body,
    rpc: Rpc,
    id: Arc<str>,
    span: Span,
}

impl HttpBody for Observed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { body, rpc, id, span } = &mut *self;
        let frame = span.in_scope(|| request_id::in_scope(Arc::clone(id), || Pin::new(body).poll_frame(cx)));
        let frame = std::task::ready!(frame);
        if let Some(trailers) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.trailers_ref()) {
            let status = Status::from_header_map(trailers).unwrap_or_else(|| Status::unknown("no status"));
            rpc.ended(status.code());
            outcome::of_rpc(span, &status);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
