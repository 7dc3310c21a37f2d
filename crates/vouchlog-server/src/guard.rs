//! What every request passes before its handler: it gets an id and a span, is counted, has to find room ([`Admission`]), and has to
//! be answered in time.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use hyper::body::{Frame, SizeHint};
use tonic::Status;
use tracing::{Instrument, Span};
use vouchlog_api::Error;
use vouchlog_runtime::request_id;
use vouchlog_runtime::sender::{self, Sender};

use crate::admission::{Admission, Call, Connection, Form, Pools};
use crate::config::ServerConfig;
use crate::metrics::{Rpc, ServerMetrics, method_label};
use crate::outcome;
use crate::problem::Problem;
use crate::request::{Caller, Ids, REQUEST_ID, RequestTarget, is_forwarded};
use crate::status::status;

/// What all requests of a server share.
#[derive(Clone)]
pub(crate) struct Guard {
    metrics: ServerMetrics,
    admission: Admission,
    timeout: Duration,
    ids: Arc<Ids>,
    /// The span that the spans of requests are in.
    scope: Span,
}

impl Guard {
    pub(crate) fn new(metrics: ServerMetrics, config: &ServerConfig, scope: Span) -> Self {
        let admission = Admission::new(config, metrics.clone());
        Self { metrics, admission, timeout: config.request_timeout, ids: Arc::new(Ids::new()), scope }
    }

    /// The pools that requests take from.
    pub(crate) fn pools(&self) -> &Arc<Pools> {
        self.admission.pools()
    }
}

/// The middleware.
pub(crate) async fn guard(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    if let Some(connection) = request.extensions().get::<Arc<Connection>>().cloned() {
        connection.turn_to_begin().await;
    }
    let caller = Caller::of(request.headers(), &guard.ids);
    let is_rpc = speaks_grpc(request.headers());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let asked = RequestTarget { method: method_label(request.method()), route };
    let span = guard.scope.in_scope(|| caller.span((!is_rpc).then_some(asked)));
    let header = caller.header();
    let sender = sender_of(request.headers());
    let guarded = async {
        if !is_framed_in_one_way(&request) {
            refuse_framing()
        } else if is_rpc {
            guard_rpc(&guard, caller.id(), request, next).await
        } else {
            guard_http(&guard, request, next).await
        }
    };
    let guarded = sender::scope(sender, guarded);
    let mut response = request_id::scope(caller.id(), guarded).instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, header);
    response
}

/// Who sent a request, for what passes it on.
fn sender_of(headers: &HeaderMap) -> Sender {
    // A malformed one is refused where callers are authenticated, and means nothing elsewhere.
    let token = vouchlog_access::bearer(headers).ok().flatten().map(Into::into);
    Sender { token, is_forwarded: is_forwarded(headers), ..Sender::default() }
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
    let answer = match answer(guard, request, next, Form::Rpc).await {
        Ok(answer) => answer,
        Err(error) => status(&error).into_http(),
    };
    observe(answer, rpc, id)
}

async fn guard_http(guard: &Guard, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (method, route) = (request.method().clone(), request.extensions().get::<MatchedPath>().cloned());
    let route = route.as_ref().map(MatchedPath::as_str);
    let answer = answer(guard, request, next, Form::Http).await;
    let answer = answer.unwrap_or_else(|error| Problem::from(error).into_response());
    guard.metrics.http(&method, route, answer.status(), started.elapsed());
    outcome::of_http(&Span::current(), &answer);
    answer
}

/// SPEC: RFC 9112 section 6.1: a sender "MUST NOT apply the chunked transfer coding more than once". A proxy in front may see another
/// end of such a body than this server, and a second request behind it that it never checked.
fn is_framed_in_one_way(request: &Request) -> bool {
    let mut codings = request.headers().get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"),
        _ => false,
    }
}

fn refuse_framing() -> Response {
    let why = Error::invalid("`transfer-encoding` may only be `chunked`, once");
    let mut answer = Problem::from(why).into_response();
    // What follows cannot be told from the rest of the body.
    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Whether a request is an RPC, by its content type.
pub(crate) fn speaks_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// The handler's answer, or why there is none. A stream's answer begins at once, so it is not cut short here.
async fn answer(guard: &Guard, request: Request, next: Next, form: Form) -> Result<Response, Error> {
    let call = Call::of(form, request.method(), request.uri());
    let is_public = request.extensions().get::<Arc<Connection>>().is_some_and(|from| !from.is_private());
    if call.is_inside && is_public {
        return Ok(match form {
            Form::Rpc => Status::unimplemented("not on this port: see --admin-listen").into_http(),
            Form::Http => Problem::no_such_path().into_response(),
        });
    }
    let respond = async |request| {
        tokio::time::timeout(guard.timeout, next.run(request)).await.map_err(|_| {
            Error::unavailable(format!(
                "timed out after {} s: the request may or may not have been carried out",
                guard.timeout.as_secs_f32()
            ))
        })
    };
    guard.admission.answer(call, request, respond).await
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
