//! What an emitter sent, in one form: spans and events with plain attributes, whatever encoding they came in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::limits::MAX_BODY_BYTES;
use crate::packing;

mod json;
mod mapping;
mod members;
mod otlp;
mod scalar;
mod wire;

pub(crate) use members::is_again;

/// Attributes by name.
pub type Attributes = Map<String, Value>;

/// Which of OTLP's signals a body carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `/v1/traces`: ExportTraceServiceRequest.
    Traces,
    /// `/v1/logs`: ExportLogsServiceRequest.
    Logs,
}

/// How the body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/x-protobuf`, and the messages of gRPC.
    Protobuf,
    /// `application/json` (OTLP/JSON: ids in hexadecimal, 64-bit integers as strings).
    Json,
}

/// Who sent an item: the resource and the instrumentation scope, shared by all items beneath them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Attributes of the resource: `service.name` and the like.
    pub resource: Attributes,
    /// Name of the instrumentation scope.
    pub scope: String,
    /// Its version.
    pub version: String,
    /// Its attributes.
    pub scope_attributes: Attributes,
    /// Schema URL of the scope, else of the resource.
    pub schema_url: String,
}

/// Span kinds of OpenTelemetry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpanKind {
    /// Not said, or unknown to us.
    #[default]
    Unspecified,
    /// Within the program.
    Internal,
    /// Answers a request.
    Server,
    /// Makes a request.
    Client,
    /// Puts a message in a queue.
    Producer,
    /// Takes one out.
    Consumer,
}

/// Something noted within a span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpanEvent {
    /// When, in nanoseconds of the Unix epoch.
    pub time: u64,
    /// Its name.
    pub name: String,
    /// Its attributes.
    #[serde(with = "packing::members")]
    pub attributes: Attributes,
}

/// A span another one points to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Trace id, 32 hexadecimal digits.
    pub trace: String,
    /// Span id, 16 hexadecimal digits.
    pub span: String,
}

/// A span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Who sent it.
    #[serde(skip)]
    pub source: Arc<Source>,
    /// Trace id, 32 hexadecimal digits.
    pub trace: String,
    /// Span id, 16 hexadecimal digits.
    pub span: String,
    /// The span above.
    pub parent: Option<String>,
    /// Flags: bits 0 to 7 of W3C, bit 8 "it is known whether the parent is remote", bit 9 "it is remote".
    pub flags: u32,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: SpanKind,
    /// Begin, in nanoseconds of the Unix epoch.
    pub start: u64,
    /// End, likewise.
    pub end: u64,
    /// Its attributes.
    #[serde(with = "packing::members")]
    pub attributes: Attributes,
    /// What the source reports as dropped, and what exceeded a bound here: attributes, events, links.
    pub dropped: u64,
    /// Whether a string was cut here.
    pub cut: bool,
    /// Its events, in order of time.
    pub events: Vec<SpanEvent>,
    /// Its links.
    pub links: Vec<Link>,
    /// Whether its status is "error".
    pub failed: bool,
    /// The status in words.
    pub message: String,
}

/// A log record; with a name it is an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Who sent it.
    #[serde(skip)]
    pub source: Arc<Source>,
    /// Trace id, if it names one.
    pub trace: Option<String>,
    /// Span id, if it names one.
    pub span: Option<String>,
    /// W3C trace flags; bit 0 is "sampled".
    pub flags: u32,
    /// When, in nanoseconds of the Unix epoch; the time it was observed where the source did not say.
    pub time: u64,
    /// Its name: the field, else the attribute `event.name` or `event_name`, else empty.
    pub name: String,
    /// Its body.
    #[serde(with = "packing::value")]
    pub body: Value,
    /// Its attributes.
    #[serde(with = "packing::members")]
    pub attributes: Attributes,
    /// Attributes that the source dropped, or that were over a bound here.
    pub dropped: u64,
    /// Whether a string was cut here.
    pub cut: bool,
}

/// A policy engine's decision that came by a door of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Trace id, if it names one.
    pub trace: Option<String>,
    /// Span id, if it names one.
    pub span: Option<String>,
    /// The provider's id of the answer it is about, if it names one.
    pub response: Option<String>,
    /// When, in nanoseconds of the Unix epoch.
    pub time: u64,
    /// Fields of a policy decision of a record.
    #[serde(with = "packing::members")]
    pub fields: Attributes,
    /// What of the log entry is not among them.
    #[serde(with = "packing::members")]
    pub left: Attributes,
}

/// One thing that was sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Item {
    /// A span.
    Span(Span),
    /// A log record.
    Event(Event),
    /// A policy decision.
    Decision(Decision),
}

/// A body that was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// What could be read.
    pub items: Vec<Item>,
    /// What could not, for OTLP's partial success: their number is `rejected_spans` or `rejected_log_records`.
    pub refused: Vec<Refused>,
}

/// An item that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place among the items of the body, from 0.
    pub place: usize,
    /// Why.
    pub why: ItemError,
}

/// Why one item was not taken. The others of the body are.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ItemError {
    /// A trace or span id is not what it must be; the emitter is broken.
    #[error("{0} has the wrong length, or is all zero")]
    Id(&'static str),
    /// It is malformed, nested too deeply, or not UTF-8; the emitter is broken.
    #[error("a field cannot be read: {0}")]
    Field(String),
    /// The body has too many; send smaller batches.
    #[error("more than {} items in one body", crate::limits::MAX_ITEMS)]
    TooMany,
    /// A digest of content without key or salt can be guessed, and is not stored; send `hmac-sha256:…`, or the content.
    #[error("attribute `{0}` is an unsalted digest of content: give a keyed one as hmac-sha256:<value>")]
    Unsalted(String),
    /// The caller may not send it, and why.
    #[error("{0}")]
    NotGranted(String),
}

/// Why a body was not read at all: answer 400 and do not take it again.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IntakeError {
    /// It is too long.
    #[error("the body has {0} bytes; at most {MAX_BODY_BYTES} are accepted: send smaller batches")]
    TooLong(usize),
    /// It is no protobuf of that kind.
    #[error("the body is not an OTLP message: {0}")]
    Protobuf(#[from] prost::DecodeError),
    /// It is no JSON of that kind.
    #[error("the body is not OTLP/JSON: {0}")]
    Json(String),
}

/// Reads a body. Total: whatever the bytes, it answers, and what can be read is.
pub fn decode(signal: Signal, encoding: Encoding, body: &[u8]) -> Result<Decoded, IntakeError> {
    if body.len() > MAX_BODY_BYTES {
        return Err(IntakeError::TooLong(body.len()));
    }
    match encoding {
        Encoding::Protobuf => wire::decode(signal, body),
        Encoding::Json => json::decode(signal, body),
    }
}

/// What a value or a member costs beside its text, about.
const VALUE_BYTES: usize = 48;

/// Bytes of a value, about as it lies in memory.
pub(crate) fn size_of_value(value: &Value) -> usize {
    VALUE_BYTES
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(size_of_value).sum(),
            Value::Object(members) => size_of(members),
            _ => 0,
        }
}

/// Bytes of attributes, likewise.
pub(crate) fn size_of(attributes: &Attributes) -> usize {
    attributes.iter().map(|(name, value)| VALUE_BYTES + name.len() + size_of_value(value)).sum()
}

impl Span {
    /// Whether the span above is known to be another process's.
    pub fn has_remote_parent(&self) -> bool {
        self.flags & 0x300 == 0x300
    }
}

impl Event {
    /// Whether the source reports that it does not export the spans of this trace. Unknown without a trace.
    pub fn is_unsampled(&self) -> bool {
        self.trace.is_some() && self.flags != 0 && self.flags & 1 == 0
    }
}

#[cfg(test)]
mod tests;
