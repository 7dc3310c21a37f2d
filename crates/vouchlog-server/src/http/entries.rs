//! Entries and streams in JSON, for people and scripts. Who verifies reads the bytes.

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Extensions, HeaderName, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use vouchlog_api::{Appender, Error, StreamInfo};
use vouchlog_stream::{Entry, StreamId, StreamStatus};

use super::{Params, PathParam, heavy};
use crate::log::AnyLog;
use crate::problem::{Problem, ReadProblems};
use crate::reads;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EntriesQuery {
    /// Index of the first.
    start: u64,
    /// Index after the last. An answer has at most 1,024 entries and may have fewer; go on after the last. A range that ends where it
    /// starts, or before, has no entries.
    end: u64,
}

/// An entry. Which of the optional fields are there depends on its kind.
#[derive(Serialize, ToSchema)]
pub(super) struct EntryJson {
    /// Its index.
    pub(super) index: u64,
    /// Name of its kind; `unknown` when this version of the software does not know it.
    #[schema(value_type = String)]
    pub(super) kind: &'static str,
    /// When the log took it, milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logged_at: Option<u64>,
    /// The stream it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stream: Option<u64>,
    /// A statement's place in its stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<u64>,
    /// A statement's evidence bitmap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) evidence: Option<u32>,
    /// A statement's digest in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) digest: Option<String>,
    /// The signed note of a control entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Its bytes in base64.
    entry: String,
}

/// Entries of the log, decoded.
#[utoipa::path(
    get, path = "/v1/entries", tag = "proofs", params(EntriesQuery),
    responses((status = 200, description = "The entries: at least one, unless the range is empty.", body = Vec<EntryJson>), ReadProblems)
)]
pub(super) async fn entries(
    State(log): State<AnyLog>,
    Params(query): Params<EntriesQuery>,
    extensions: Extensions,
) -> Result<([(HeaderName, &'static str); 1], Vec<u8>), Problem> {
    let many = query.end.saturating_sub(query.start) > heavy::AT_ONCE as u64;
    let _own = if many { heavy::own_turn(&extensions).await } else { None };
    let entries = match query.end <= query.start {
        true => Vec::new(),
        false => reads::entries(&log, query.start, query.end).await?,
    };
    let answer = move || to_json(query.start, &entries);
    let answer = if many { heavy::made(answer).await?? } else { answer()? };
    Ok(([(header::CONTENT_TYPE, "application/json")], answer))
}

/// The JSON of entries that follow each other: of the most, 2 MiB with notes.
fn to_json(start: u64, entries: &[Bytes]) -> Result<Vec<u8>, Error> {
    let entries: Vec<_> = (start..).zip(entries).map(|(index, bytes)| EntryJson::new(index, bytes)).collect();
    serde_json::to_vec(&entries).map_err(|error| Error::internal(error.to_string()))
}

impl EntryJson {
    pub(super) fn new(index: u64, bytes: &[u8]) -> Self {
        let decoded = Entry::decode(bytes);
        let mut json = Self {
            index,
            kind: decoded.as_ref().map_or("unknown", Entry::kind_name),
            logged_at: decoded.as_ref().ok().map(|entry| entry.logged_at().millis()),
            stream: None,
            sequence: None,
            evidence: None,
            digest: None,
            note: None,
            entry: BASE64.encode(bytes),
        };
        match decoded {
            Ok(Entry::Statement(entry)) => {
                json.stream = Some(entry.stream.get());
                json.sequence = Some(entry.sequence.get());
                json.evidence = Some(entry.statement.evidence.bits());
                json.digest = Some(entry.statement.digest.to_string());
            }
            Ok(Entry::StreamHead { stream, note, .. } | Entry::StreamClosed { stream, note, .. }) => {
                json.stream = Some(stream.get());
                json.note = Some(note);
            }
            Ok(
                Entry::Genesis { note, .. }
                | Entry::StreamOpened { note, .. }
                | Entry::GatewayEnrolled { note, .. }
                | Entry::GatewayRevoked { note, .. }
                | Entry::QuotaSet { note, .. }
                | Entry::OperatorChanged { note, .. }
                | Entry::WitnessRotated { note, .. }
                | Entry::LogRetired { note, .. }
                | Entry::LogContinued { note, .. }
                | Entry::LogPruned { note, .. },
            ) => json.note = Some(note),
            Err(_) => {}
        }
        json
    }
}

/// What the log knows of a stream.
#[derive(Serialize, ToSchema)]
pub(super) struct StreamJson {
    /// The stream: index of the entry that opened it.
    stream: u64,
    /// Name of the gateway that opened it.
    gateway: String,
    /// The vkey that signs its heads.
    key: String,
    /// `open`, `closed` or `superseded`.
    #[schema(value_type = String)]
    status: &'static str,
    /// The stream that continues it, when it is superseded.
    #[serde(skip_serializing_if = "Option::is_none")]
    superseded_by: Option<u64>,
    /// The stream it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<PreviousJson>,
    /// How many statements it has.
    size: u64,
    /// The newest head its gateway signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    /// Its latest runs, oldest first.
    runs: Vec<RunJson>,
    /// The first fork its gateway was caught at.
    #[serde(skip_serializing_if = "Option::is_none")]
    fork: Option<ForkJson>,
}

/// The stream that another one continues.
#[derive(Serialize, ToSchema)]
struct PreviousJson {
    /// The predecessor.
    stream: u64,
    /// Its size when the successor was opened.
    size: u64,
}

/// Statements of one request.
#[derive(Serialize, ToSchema)]
struct RunJson {
    /// Sequence number of the first.
    start: u64,
    /// How many.
    count: u32,
    /// Log index of the first.
    first_index: u64,
    /// When the log took them, milliseconds since 1970-01-01 UTC.
    logged_at: u64,
}

/// Two heads of one size with different roots, both signed by the stream's key.
#[derive(Serialize, ToSchema)]
struct ForkJson {
    /// The size.
    size: u64,
    /// The note the log had accepted.
    accepted: String,
    /// The note that contradicts it.
    refused: String,
}

/// What the log knows of a stream.
#[utoipa::path(
    get, path = "/v1/streams/{stream}", tag = "proofs",
    params(("stream" = u64, Path, description = "The stream: index of the entry that opened it.")),
    responses((status = 200, description = "The stream.", body = StreamJson), ReadProblems)
)]
pub(super) async fn stream(
    State(log): State<AnyLog>,
    PathParam(stream): PathParam<u64>,
) -> Result<Json<StreamJson>, Problem> {
    let no_such = || Error::not_found(format!("the log has no stream {stream}"));
    let info = log.stream(StreamId::new(stream).ok_or_else(no_such)?).await?;
    Ok(Json(info.into()))
}

impl From<StreamInfo> for StreamJson {
    fn from(info: StreamInfo) -> Self {
        let (status, superseded_by) = match info.status {
            StreamStatus::Open => ("open", None),
            StreamStatus::Closed => ("closed", None),
            StreamStatus::Superseded(by) => ("superseded", Some(by.get())),
        };
        let run = |run: &vouchlog_api::RunInfo| RunJson {
            start: run.start,
            count: run.count,
            first_index: run.first.get(),
            logged_at: run.logged_at.millis(),
        };
        Self {
            stream: info.stream.get(),
            gateway: info.gateway,
            key: info.key,
            status,
            superseded_by,
            previous: info
                .previous
                .map(|previous| PreviousJson { stream: previous.stream.get(), size: previous.size }),
            size: info.size,
            head: info.head,
            runs: info.runs.iter().map(run).collect(),
            fork: info.fork.map(|fork| ForkJson {
                size: fork.size,
                accepted: fork.accepted,
                refused: fork.refused,
            }),
        }
    }
}
