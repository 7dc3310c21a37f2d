//! The gRPC side: each method is answered by the same function, which recognises the caller before it reads the message.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, header};
use tonic::Status;
use tonic::server::{Grpc, UnaryService};
use vouchlog_api::Error;
use vouchlog_proto::vault::StrictCodec;
use vouchlog_server::{Problem, rpc_refusal, rpc_status, rpc_unread};
use vouchlog_vault::Access;

use super::rpc::{Rpc, ask_of, reply_of};
use super::service::{CallerError, Service};
use crate::limits::{MAX_ANSWER_BYTES, MAX_REQUEST_BYTES};

/// A call whose caller is known.
struct Call<A> {
    service: Arc<Service>,
    access: Access,
    asked: PhantomData<A>,
}

/// Answers a call.
pub(super) async fn answer<A: Rpc>(State(service): State<Arc<Service>>, request: Request) -> Response {
    // SPEC: gRPC over HTTP/2 (PROTOCOL-HTTP2): another content type is answered 415.
    if !is_grpc(request.headers()) {
        return Problem::unsupported("application/grpc").into_response();
    }
    let (parts, body) = request.into_parts();
    let (access, _request) = match service.recognised(&parts).await {
        Ok(recognised) => recognised,
        Err(CallerError::Denied(denied)) => return rpc_refusal(denied).into_http(),
        Err(CallerError::Failed(error)) => return rpc_status(&error).into_http(),
    };
    let codec = StrictCodec::<A::Reply, A::Request>::default();
    let mut grpc = Grpc::new(codec)
        .max_decoding_message_size(MAX_REQUEST_BYTES)
        .max_encoding_message_size(MAX_ANSWER_BYTES);
    let call = Call::<A> { service, access, asked: PhantomData };
    let answer = grpc.unary(call, Request::from_parts(parts, body)).await.map(Body::new);
    match Status::from_header_map(answer.headers()) {
        Some(failed) => rpc_unread(failed).into_http(),
        None => answer,
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

impl<A: Rpc> Call<A> {
    async fn carried_out(self, message: A::Request) -> Result<A::Reply, Error> {
        let Self { service, access, .. } = self;
        let answer = Box::pin(service.ask(access, ask_of::<A>(&message)?)).await?;
        reply_of::<A>(&answer)
    }
}

impl<A: Rpc> UnaryService<A::Request> for Call<A> {
    type Response = A::Reply;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<A::Reply>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<A::Request>) -> Self::Future {
        let call =
            Self { service: Arc::clone(&self.service), access: self.access.clone(), asked: PhantomData };
        Box::pin(async move {
            let reply = call.carried_out(request.into_inner()).await;
            reply.map(tonic::Response::new).map_err(|error| rpc_status(&error))
        })
    }
}
