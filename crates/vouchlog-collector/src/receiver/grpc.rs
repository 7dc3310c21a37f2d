//! OTLP/gRPC. A call is one message and one answer, so its frame is read here: the message has to be kept byte for byte as it came,
//! and has to find room before it is read and unzipped.
//!
//! SPEC: gRPC over HTTP/2 (PROTOCOL-HTTP2): a message is a byte that says whether it is zipped, its length in four bytes, itself.

use ::http::request::Parts;
use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};

use super::answer::{Form, Kind, Refusal, outcome};
use super::body::{gunzip, is_gzip, read};
use super::export::{AsSent, Partial, export as take};
use super::exported::Export;
use super::{Receiver, sender_of};
use crate::intake::Encoding;
use crate::limits::MAX_BODY_BYTES;

/// Bytes before a message.
const HEAD: usize = 5;

const ENCODING: &str = "grpc-encoding";
const ACCEPTED: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const STATUS: HeaderName = HeaderName::from_static("grpc-status");

/// Answers a call of `Export`.
pub(super) async fn answer(receiver: &Receiver, export: Export, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = taken(receiver, export, &parts, body).await;
    receiver.metrics.answered(export.label(), outcome(&answer));
    let mut response = match answer {
        Ok(partial) => ok(&partial),
        Err(refusal) => refusal.respond(Form::Grpc),
    };
    response.headers_mut().insert(ACCEPTED, HeaderValue::from_static("identity,gzip"));
    response
}

async fn taken(
    receiver: &Receiver,
    export: Export,
    Parts { headers, extensions, .. }: &Parts,
    body: Body,
) -> Result<Partial, Refusal> {
    let sender = sender_of(extensions)?;
    let is_gzip = is_gzip(headers, ENCODING)?;
    let (framed, share) = read(&receiver.bodies, headers, body, HEAD + MAX_BODY_BYTES).await?;
    let (message, _share) = match unframed(&framed)? {
        (false, message) => (message, share),
        (true, zipped) if is_gzip => gunzip(share, zipped, MAX_BODY_BYTES).await?,
        // SPEC: gRPC's compression.md, "Test cases": this "MUST fail with INTERNAL status".
        (true, _) => {
            return Err(Refusal::new(
                Kind::Unnamed,
                "the message has its compressed-flag set, but `grpc-encoding` does not name the encoding",
            ));
        }
    };
    let sent = AsSent { body: message.clone(), encoding: Encoding::Protobuf, is_gzip: false };
    take(receiver, export, sender, message, sent).await
}

/// The one message of a call, and whether it is zipped.
fn unframed(framed: &Bytes) -> Result<(bool, Bytes), Refusal> {
    let Some(([flag, length @ ..], _)) = framed.split_first_chunk::<HEAD>() else {
        return Err(Refusal::invalid("the call has no message"));
    };
    let message = framed.slice(HEAD..);
    if *flag > 1 || u32::from_be_bytes(*length) as usize != message.len() {
        return Err(Refusal::invalid("the call is not one message of the stated length"));
    }
    Ok((*flag == 1, message))
}

/// An answer with its message, and the status after it.
fn ok(partial: &Partial) -> Response {
    let message = partial.to_protobuf();
    let length = u32::try_from(message.len()).unwrap_or_default();
    let framed = [&[0][..], &length.to_be_bytes(), &message].concat();
    let trailers = HeaderMap::from_iter([(STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(Bytes::from(framed)).with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
