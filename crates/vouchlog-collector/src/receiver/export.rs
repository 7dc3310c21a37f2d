//! The way of an OTLP body, whatever it came by: what of it is refused is counted, the body goes to the sink as it came, and on to
//! the other collector.

use std::collections::HashSet;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use prost::Message;
use serde_json::{Value, json};

use super::Receiver;
use super::answer::{Kind, Refusal, cut};
use super::exported::Export;
use super::weight::weight;
use crate::arrival::Arrival;
use crate::collector::Acceptance;
use crate::dialect::unsalted;
use crate::intake::{Encoding, IntakeError, Signal, decode};
use crate::limits::{MAX_DECODED_BYTES, MAX_REASON_BYTES, MAX_REASONS, MAX_WHY_BYTES};
use crate::sender::Sender;

/// Bodies that weigh more are decoded where it holds up nobody else.
const HEAVY: usize = 1 << 20;

/// A body as it was sent, for the other collector.
pub(super) struct AsSent {
    pub(super) body: Bytes,
    pub(super) encoding: Encoding,
    pub(super) is_gzip: bool,
}

/// What is answered where the body could be read: OTLP's partial success, empty where all is well.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Partial {
    rejected: u64,
    message: String,
}

impl Partial {
    /// The three responses are the same on the wire: field 1 the partial success, in it 1 the number and 2 the message.
    pub(super) fn to_protobuf(&self) -> Vec<u8> {
        let partial = ExportTracePartialSuccess {
            rejected_spans: i64::try_from(self.rejected).unwrap_or(i64::MAX),
            error_message: self.message.clone(),
        };
        let partial_success = (*self != Self::default()).then_some(partial);
        ExportTraceServiceResponse { partial_success }.encode_to_vec()
    }

    pub(super) fn to_json(&self, export: Export) -> String {
        if *self == Self::default() {
            return "{}".into();
        }
        let rejected = match export {
            Export::Traces => "rejectedSpans",
            Export::Logs => "rejectedLogRecords",
            Export::Metrics => "rejectedDataPoints",
        };
        // SPEC: protobuf's JSON mapping: 64-bit integers are strings.
        json!({ "partialSuccess": { rejected: self.rejected.to_string(), "errorMessage": self.message } })
            .to_string()
    }
}

/// Takes an unzipped body. Metrics are not looked into.
pub(super) async fn export(
    receiver: &Receiver,
    export: Export,
    sender: Sender,
    body: Bytes,
    sent: AsSent,
) -> Result<Partial, Refusal> {
    let encoding = sent.encoding;
    receiver.metrics.body(export.label(), body.len());
    let answer = match export.kept(encoding) {
        Some((signal, door)) => keep(receiver, signal, Arrival { door, sender, body }, encoding).await,
        None => Ok(Partial::default()),
    };
    // Also when the journal has no room: who looks at the other collector must miss nothing because of this one.
    let was_read = answer.as_ref().map_or_else(|refusal| refusal.kind == Kind::Unavailable, |_| true);
    if let Some(forward) = receiver.forward.as_ref().filter(|_| was_read) {
        forward.offer(export.path(), sent.encoding, sent.is_gzip, sent.body);
    }
    answer
}

async fn keep(
    receiver: &Receiver,
    signal: Signal,
    arrival: Arrival,
    encoding: Encoding,
) -> Result<Partial, Refusal> {
    let weight = weight(signal, encoding, &arrival.body);
    let judged = receiver.decoded(weight, {
        let arrival = arrival.clone();
        move || judge(signal, encoding, &arrival)
    });
    let Judged { good, refused, message } = judged.await??;
    let label = if signal == Signal::Traces { Export::Traces.label() } else { Export::Logs.label() };
    receiver.metrics.refused(label, refused);
    let mut partial = Partial { rejected: refused, message };
    if good > 0 {
        let taken = receiver.sink.take(arrival, good).await;
        receiver.metrics.items(label, &taken, good);
        if taken? == Acceptance::Lost && refused == 0 {
            // SPEC: with nothing rejected, the message is a warning.
            partial.message =
                "no space left: the input was dropped, and its loss is declared in the log".into();
        }
    }
    Ok(partial)
}

/// What was found in a body.
struct Judged {
    /// Items that are taken.
    good: u64,
    /// Items that are not.
    refused: u64,
    /// Why, for the first few.
    message: String,
}

fn judge(signal: Signal, encoding: Encoding, arrival: &Arrival) -> Result<Judged, IntakeError> {
    let decoded = decode(signal, encoding, &arrival.body)?;
    let mut reasons: Vec<(usize, String)> =
        decoded.refused.iter().map(|refused| (refused.place, refused.why.to_string())).collect();
    let unread: HashSet<usize> = decoded.refused.iter().map(|refused| refused.place).collect();
    let places = (0..).filter(|place| !unread.contains(place));
    for (item, place) in decoded.items.iter().zip(places) {
        if let Err(why) = unsalted(item).and_then(|()| arrival.sender.check_item(item)) {
            reasons.push((place, why.to_string()));
        }
    }
    let all = decoded.items.len() + decoded.refused.len();
    let good = (all - reasons.len()) as u64;
    Ok(Judged { good, refused: reasons.len() as u64, message: message(reasons, all, signal) })
}

/// The first few reasons in words.
fn message(mut reasons: Vec<(usize, String)>, all: usize, signal: Signal) -> String {
    if reasons.is_empty() {
        return String::new();
    }
    reasons.sort_by_key(|(place, _)| *place);
    let (one, many) =
        if signal == Signal::Traces { ("span", "spans") } else { ("log record", "log records") };
    let mut message = format!("{} of {all} {many} rejected", reasons.len());
    for (place, why) in reasons.into_iter().take(MAX_REASONS) {
        message.push_str(&format!("; {one} {place}: {}", cut(why, MAX_WHY_BYTES)));
    }
    cut(message, MAX_REASON_BYTES)
}

impl Receiver {
    /// Does work that decodes a body of this weight, once there is room for it.
    pub(super) async fn decoded<T: Send + 'static>(
        &self,
        weight: usize,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        if weight > MAX_DECODED_BYTES {
            let why = format!("the decoded body exceeds {MAX_DECODED_BYTES} bytes: send smaller batches");
            return Err(Refusal::new(Kind::TooLarge, why));
        }
        let mut share = self.decoding.share();
        share.cover(weight).await?;
        if weight < HEAVY {
            return Ok(work());
        }
        // The share goes along: work goes on when the caller is gone.
        let work = tokio::task::spawn_blocking(move || (work(), share));
        match work.await {
            Ok((done, _share)) => Ok(done),
            // Whoever serves this knows what to do with a panic.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Err(Refusal::new(
                Kind::Unavailable,
                "the collector is stopping: retry the same request later",
            )),
        }
    }
}

/// For doors that answer in JSON of their own.
pub(super) fn listed(refused: &[(usize, String)]) -> Value {
    let list =
        refused.iter().map(|(place, why)| json!({ "place": place, "why": cut(why.clone(), MAX_WHY_BYTES) }));
    list.collect()
}
