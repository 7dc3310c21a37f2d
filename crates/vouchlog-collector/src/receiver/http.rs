//! OTLP/HTTP: protobuf or JSON, zipped or not, answered in the encoding of the request.

use ::http::header;
use ::http::request::Parts;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};

use super::answer::{Form, Kind, Refusal, outcome};
use super::body::{gunzip, is_gzip, read};
use super::export::{AsSent, Partial, export as take};
use super::exported::{Export, JSON, PROTOBUF, encoding};
use super::{Receiver, sender_of};
use crate::intake::Encoding;
use crate::limits::MAX_BODY_BYTES;

/// Answers a POST.
pub(super) async fn answer(receiver: &Receiver, export: Export, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answer = taken(receiver, export, &parts, body).await;
    receiver.metrics.answered(export.label(), outcome(&answer));
    match answer {
        Ok((Encoding::Protobuf, partial)) => {
            ([(header::CONTENT_TYPE, PROTOBUF)], partial.to_protobuf()).into_response()
        }
        Ok((Encoding::Json, partial)) => {
            ([(header::CONTENT_TYPE, JSON)], partial.to_json(export)).into_response()
        }
        Err(refusal) => refusal.respond(Form::of(export.path(), &parts.headers)),
    }
}

async fn taken(
    receiver: &Receiver,
    export: Export,
    Parts { headers, extensions, .. }: &Parts,
    body: Body,
) -> Result<(Encoding, Partial), Refusal> {
    let sender = sender_of(extensions)?;
    let unsupported =
        || Refusal::new(Kind::Unsupported, format!("send `content-type: {PROTOBUF}` or `{JSON}`"));
    let encoding = encoding(headers).ok_or_else(unsupported)?;
    let is_gzip = is_gzip(headers, "content-encoding")?;
    let (sent, share) = read(&receiver.bodies, headers, body, MAX_BODY_BYTES).await?;
    let (body, _share) = match is_gzip && export != Export::Metrics {
        true => gunzip(share, sent.clone(), MAX_BODY_BYTES).await?,
        false => (sent.clone(), share),
    };
    let sent = AsSent { body: sent, encoding, is_gzip };
    Ok((encoding, take(receiver, export, sender, body, sent).await?))
}
