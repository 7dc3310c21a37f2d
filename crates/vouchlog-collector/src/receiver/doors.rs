//! The doors that are no OTLP: JSON in, JSON out, errors as problem documents (RFC 9457).

use std::sync::Arc;

use ::http::{HeaderMap, StatusCode};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use vouchlog_record::json;
use vouchlog_record::limits::MAX_RECORD_BYTES;
use vouchlog_record::{Record, RecordId, SealReason};
use vouchlog_stream::StatementKind;

use super::answer::{Form, Kind, Refusal, outcome};
use super::body::{Share, gunzip, is_gzip, read};
use super::export::listed;
use super::weight;
use super::{Receiver, sender_of};
use crate::arrival::{Arrival, Door};
use crate::assemble::Naming;
use crate::collector::Acceptance;
use crate::doors::{self, DoorError, Rejection};
use crate::intake::Item;
use crate::limits::{MAX_BODY_BYTES, MAX_SESSION_BYTES};
use crate::sender::Sender;

/// The routes, before they have their receiver.
pub(super) fn router() -> Router<Arc<Receiver>> {
    Router::new()
        .route("/v1/records", post(|state, request| many(state, Door::Records, "records", request)))
        .route("/v1/litellm", post(|state, request| many(state, Door::LiteLlm, "litellm", request)))
        .route("/logs", post(|state, request| many(state, Door::Opa, "opa", request)))
        .route("/v1/intents", post(intent))
        .route("/v1/sessions/{id}/seal", post(seal))
}

type Answer = Result<(StatusCode, Value), Refusal>;

fn finish(receiver: &Receiver, label: &'static str, answer: Answer) -> Response {
    let is_refused = answer.as_ref().is_ok_and(|(status, _)| !status.is_success());
    receiver.metrics.answered(label, if is_refused { Kind::Invalid.label() } else { outcome(&answer) });
    match answer {
        Ok((status, body)) => (status, Json(body)).into_response(),
        Err(refusal) => refusal.respond(Form::Problem),
    }
}

/// The body of a request, unzipped, and the room it takes.
async fn body(
    receiver: &Receiver,
    label: &'static str,
    headers: &HeaderMap,
    body: Body,
    limit: usize,
) -> Result<(Bytes, Share), Refusal> {
    let is_gzip = is_gzip(headers, "content-encoding")?;
    let (mut body, mut share) = read(&receiver.bodies, headers, body, limit).await?;
    if is_gzip {
        (body, share) = gunzip(share, body, limit).await?;
    }
    receiver.metrics.body(label, body.len());
    Ok((body, share))
}

/// A door that takes many payloads at once.
async fn many(
    State(receiver): State<Arc<Receiver>>,
    door: Door,
    label: &'static str,
    request: Request,
) -> Response {
    let answer = take_many(&receiver, door, label, request).await;
    finish(&receiver, label, answer)
}

async fn take_many(receiver: &Receiver, door: Door, label: &'static str, request: Request) -> Answer {
    let (parts, sent) = request.into_parts();
    let sender = sender_of(&parts.extensions)?;
    let (body, _share) = body(receiver, label, &parts.headers, sent, MAX_BODY_BYTES).await?;
    if body.trim_ascii().is_empty() {
        return Ok((StatusCode::OK, Judged::default().to_json()));
    }
    let arrival = Arrival { door, sender, body };
    let work = {
        let arrival = arrival.clone();
        move || judge(&arrival)
    };
    // The JSON, and what is made of it, which is about twice as much.
    let mut judged = receiver.decoded(3 * weight::json(&arrival.body), work).await??;
    judged.conflicts = receiver.sink.conflicts(&std::mem::take(&mut judged.named)).await;
    // The recorder refuses them as well, so that their neighbours can go on in the same body.
    judged.accepted = judged.accepted.saturating_sub(judged.conflicts.len() as u64);
    if judged.accepted == 0 && judged.refused.is_empty() && !judged.conflicts.is_empty() {
        return Err(Refusal::conflict(&judged.conflicts));
    }
    receiver.metrics.refused(label, judged.refused.len() as u64);
    if judged.accepted == 0 && !(judged.refused.is_empty() && judged.conflicts.is_empty()) {
        let status = if judged.is_forbidden { StatusCode::FORBIDDEN } else { StatusCode::BAD_REQUEST };
        return Ok((status, judged.to_json()));
    }
    if judged.accepted > 0 {
        let taken = receiver.sink.take(arrival, judged.accepted).await;
        receiver.metrics.items(label, &taken, judged.accepted);
        taken?;
    }
    Ok((StatusCode::OK, judged.to_json()))
}

/// What was found in a body.
#[derive(Default)]
struct Judged {
    accepted: u64,
    refused: Vec<Rejection>,
    secrets: usize,
    /// Records that came with an id.
    named: Vec<Record>,
    /// Of these: whose id belongs to a record with other content.
    conflicts: Vec<RecordId>,
    /// Whether something could be read, and the caller may send nothing of it.
    is_forbidden: bool,
}

impl Judged {
    fn to_json(&self) -> Value {
        let mut answer = json!({ "accepted": self.accepted, "refused": listed(&self.refused), "secrets_removed": self.secrets });
        if !self.conflicts.is_empty() {
            answer["conflicts"] = json!(self.conflicts);
        }
        answer
    }
}

/// Reads a body as the collector will, to say what of it is refused. What it becomes is decided there.
fn judge(Arrival { door, sender, body }: &Arrival) -> Result<Judged, DoorError> {
    let mut named = Vec::new();
    let (accepted, read, refused, secrets) = match door {
        Door::LiteLlm => {
            let nameless = Box::new(|_: &[u8]| [0_u8; 16]) as Naming;
            let (records, refused) = doors::litellm(body, &nameless, Timestamp::UNIX_EPOCH)?;
            let (read, mut refused) = (records.len(), refused.into_iter().collect());
            let records = Sender::keep(records, &mut refused, |record| sender.check_record(record));
            (records.len(), read, refused, 0)
        }
        Door::Opa => {
            let (decisions, refused) = doors::opa(body)?;
            let (read, mut refused) = (decisions.len(), refused.into_iter().collect());
            let check = |item: &Item| sender.check_item(item).map_err(|error| error.to_string());
            (Sender::keep(decisions, &mut refused, check).len(), read, refused, 0)
        }
        _ => {
            let (records, refused) = doors::records(body)?;
            let (read, mut refused) = (records.len(), refused.into_iter().collect());
            let records = Sender::keep(records, &mut refused, |one| sender.check_record(&one.record));
            let (accepted, secrets) =
                (records.len(), records.iter().map(|record| record.removed.len()).sum());
            named.extend(records.into_iter().map(|one| one.record).filter(|record| record.id.is_some()));
            (accepted, read, refused, secrets)
        }
    };
    let (is_forbidden, refused) = (accepted == 0 && read > 0, refused.into_iter().collect());
    Ok(Judged { accepted: accepted as u64, refused, secrets, named, conflicts: Vec::new(), is_forbidden })
}

/// `POST /v1/intents`: what is about to happen, and what shows that it was announced.
async fn intent(State(receiver): State<Arc<Receiver>>, request: Request) -> Response {
    let answer = take_intent(&receiver, request).await;
    finish(&receiver, "intents", answer)
}

async fn take_intent(receiver: &Receiver, request: Request) -> Answer {
    let (parts, sent) = request.into_parts();
    let sender = sender_of(&parts.extensions)?;
    let (body, _share) = body(receiver, "intents", &parts.headers, sent, MAX_RECORD_BYTES).await?;
    let weight = weight::json(&body);
    let record = receiver.decoded(weight, move || intent_of(&body)).await??;
    sender.check_record(&record).map_err(|why| Refusal::new(Kind::Forbidden, why))?;
    let conflicts = receiver.sink.conflicts(std::slice::from_ref(&record)).await;
    if !conflicts.is_empty() {
        return Err(Refusal::conflict(&conflicts));
    }
    let taken = receiver.sink.intent(record, sender).await;
    let counted = taken.as_ref().map_err(Clone::clone);
    let counted = counted.map(|receipt| if receipt.lost { Acceptance::Lost } else { Acceptance::Kept });
    receiver.metrics.items("intents", &counted, 1);
    let receipt = taken?;
    let state = match (receipt.lost, &receipt.proof) {
        (true, _) => "lost",
        (false, Some(_)) => "logged",
        (false, None) => "kept",
    };
    let answer = json!({
        "id": receipt.id.as_str(), "digest": receipt.digest.map(|digest| digest.to_string()), "index": receipt.index,
        "receipt": receipt.proof, "state": state,
    });
    Ok((StatusCode::CREATED, answer))
}

/// A record of kind intent; who leaves the kind out means it.
fn intent_of(body: &[u8]) -> Result<Record, Refusal> {
    let value = json::read(body, json::MAX_DEPTH)
        .map_err(|error| Refusal::invalid(format!("an intent is one JSON object: {error}")))?;
    let Value::Object(mut object) = value else {
        return Err(Refusal::invalid("an intent is one JSON object"));
    };
    object.entry("kind").or_insert_with(|| StatementKind::Intent.name().into());
    doors::check_statable(&object).map_err(Refusal::invalid)?;
    let parsed = Record::from_value(object.into()).map_err(|error| Refusal::invalid(error.to_string()))?;
    match parsed.record.kind {
        StatementKind::Intent => Ok(parsed.record),
        kind => {
            Err(Refusal::invalid(format!("the record is of kind {kind}: this endpoint takes only intents")))
        }
    }
}

/// `POST /v1/sessions/{id}/seal`: nothing more comes of this session.
async fn seal(
    State(receiver): State<Arc<Receiver>>,
    Path(session): Path<String>,
    request: Request,
) -> Response {
    let answer = take_seal(&receiver, &session, request).await;
    finish(&receiver, "seal", answer)
}

async fn take_seal(receiver: &Receiver, session: &str, request: Request) -> Answer {
    const MAX_BYTES: usize = 1_024;
    let (parts, sent) = request.into_parts();
    let sender = sender_of(&parts.extensions)?;
    let (body, _share) = body(receiver, "seal", &parts.headers, sent, MAX_BYTES).await?;
    if session.is_empty() || session.len() > MAX_SESSION_BYTES {
        return Err(Refusal::invalid(format!("a session's name has 1 to {MAX_SESSION_BYTES} bytes")));
    }
    let reason = reason(&body)?;
    // Whether it is the caller's own is known when all that came before is folded.
    if !sender.may_seal(session, || true) {
        return Err(Refusal::new(Kind::Forbidden, "the caller may not seal this session"));
    }
    let taken = receiver.sink.seal(session, reason, sender).await?;
    let state = if taken == Acceptance::Lost { "lost" } else { "kept" };
    Ok((StatusCode::ACCEPTED, json!({ "session": session, "state": state })))
}

/// Why a session ends: `{"reason": "done"}`. Who says nothing means that.
fn reason(body: &[u8]) -> Result<SealReason, Refusal> {
    if body.trim_ascii().is_empty() {
        return Ok(SealReason::Done);
    }
    let value = json::read(body, json::MAX_DEPTH).map_err(|error| Refusal::invalid(error.to_string()))?;
    match value.get("reason").map(|reason| reason.as_str().unwrap_or_default()) {
        None | Some("done") if value.is_object() => Ok(SealReason::Done),
        Some("abandoned") => Ok(SealReason::Abandoned),
        Some("timeout") => Err(Refusal::invalid("only the collector seals a session for a timeout")),
        _ => Err(Refusal::invalid(r#"the body is {"reason": "done"}, or abandoned, or nothing"#)),
    }
}
