//! Messages of the `Gateway` service.

use bytes::Bytes;
use vouchlog_api::limits::MAX_STATEMENTS;
use vouchlog_api::{
    AckLevel, Append, Appended, HouseAppend, HouseAppended, Opened, RangeReceipt, RunInfo, StreamInfo,
};
use vouchlog_merkle::LeafIndex;
use vouchlog_stream::limits::RECENT_RUNS;
use vouchlog_stream::{Digest, Evidence, Fork, Previous, Statement, StatementKind, StreamStatus};

use super::{ConvertError, array, logged_at, stream_id};
use crate::v1;

impl From<&Statement> for v1::Statement {
    fn from(statement: &Statement) -> Self {
        Self {
            kind: u32::from(statement.kind.byte()),
            evidence: statement.evidence.bits(),
            digest: Bytes::copy_from_slice(statement.digest.as_bytes()),
        }
    }
}

impl TryFrom<&v1::Statement> for Statement {
    type Error = ConvertError;

    fn try_from(message: &v1::Statement) -> Result<Self, ConvertError> {
        let kind = u8::try_from(message.kind).ok().and_then(StatementKind::from_byte);
        let kind = kind.ok_or(ConvertError::Number { field: "kind", value: u64::from(message.kind) })?;
        let evidence = Evidence::new(message.evidence);
        let evidence =
            evidence.ok_or(ConvertError::Number { field: "evidence", value: u64::from(message.evidence) })?;
        Ok(Self { kind, evidence, digest: Digest::from_bytes(array("digest", &message.digest)?) })
    }
}

/// Statements of a request, which are counted before anything is allocated for them.
fn statements(messages: &[v1::Statement]) -> Result<Vec<Statement>, ConvertError> {
    if messages.len() > MAX_STATEMENTS {
        return Err(ConvertError::Count {
            field: "statements",
            count: messages.len(),
            limit: MAX_STATEMENTS,
        });
    }
    let mut statements = Vec::with_capacity(messages.len());
    for (place, message) in messages.iter().enumerate() {
        let statement = Statement::try_from(message)
            .map_err(|error| ConvertError::Statement { place, error: Box::new(error) })?;
        statements.push(statement);
    }
    Ok(statements)
}

/// Statements as messages. Their digests are slices of one allocation.
fn statement_messages(statements: &[Statement]) -> Vec<v1::Statement> {
    let mut digests = Vec::with_capacity(statements.len() * Digest::LEN);
    for statement in statements {
        digests.extend_from_slice(statement.digest.as_bytes());
    }
    let digests = Bytes::from(digests);
    let message = |(place, statement): (usize, &Statement)| v1::Statement {
        kind: u32::from(statement.kind.byte()),
        evidence: statement.evidence.bits(),
        digest: digests.slice(place * Digest::LEN..(place + 1) * Digest::LEN),
    };
    statements.iter().enumerate().map(message).collect()
}

/// The level as a field carries it.
fn ack_level_number(level: AckLevel) -> i32 {
    let level = match level {
        AckLevel::Sequenced => v1::AckLevel::Sequenced,
        AckLevel::Witnessed => v1::AckLevel::Witnessed,
    };
    level.into()
}

/// The level a field asks for. An unknown level is refused: a client that asks for more must not silently get less.
fn ack_level(number: i32) -> Result<AckLevel, ConvertError> {
    match v1::AckLevel::try_from(number) {
        Ok(v1::AckLevel::Unspecified | v1::AckLevel::Sequenced) => Ok(AckLevel::Sequenced),
        Ok(v1::AckLevel::Witnessed) => Ok(AckLevel::Witnessed),
        Err(_) => Err(ConvertError::Number { field: "wait_for", value: u64::from(number.cast_unsigned()) }),
    }
}

impl From<&Append> for v1::AppendRequest {
    fn from(append: &Append) -> Self {
        Self {
            stream: append.stream.get(),
            old_size: append.old_size,
            statements: statement_messages(&append.statements),
            head: append.head.clone(),
            close: append.close,
            wait_for: ack_level_number(append.wait_for),
        }
    }
}

impl TryFrom<v1::AppendRequest> for Append {
    type Error = ConvertError;

    fn try_from(message: v1::AppendRequest) -> Result<Self, ConvertError> {
        Ok(Self {
            stream: stream_id("stream", message.stream)?,
            old_size: message.old_size,
            statements: statements(&message.statements)?,
            head: message.head,
            close: message.close,
            wait_for: ack_level(message.wait_for)?,
        })
    }
}

impl From<Appended> for v1::AppendResponse {
    fn from(appended: Appended) -> Self {
        Self {
            stream_size: appended.stream_size,
            receipt: appended.receipt.map(Into::into),
            repeated: appended.repeated,
            witnessed: appended.witnessed,
        }
    }
}

impl TryFrom<v1::AppendResponse> for Appended {
    type Error = ConvertError;

    fn try_from(message: v1::AppendResponse) -> Result<Self, ConvertError> {
        Ok(Self {
            stream_size: message.stream_size,
            receipt: message.receipt.map(RangeReceipt::try_from).transpose()?,
            repeated: message.repeated,
            witnessed: message.witnessed,
        })
    }
}

impl From<&HouseAppend> for v1::AppendHouseRequest {
    fn from(append: &HouseAppend) -> Self {
        Self {
            statements: statement_messages(&append.statements),
            wait_for: ack_level_number(append.wait_for),
        }
    }
}

impl TryFrom<v1::AppendHouseRequest> for HouseAppend {
    type Error = ConvertError;

    fn try_from(message: v1::AppendHouseRequest) -> Result<Self, ConvertError> {
        if message.statements.is_empty() {
            return Err(ConvertError::Missing("statements"));
        }
        let wait_for = ack_level(message.wait_for)?;
        Ok(Self { statements: statements(&message.statements)?, wait_for })
    }
}

impl From<HouseAppended> for v1::AppendHouseResponse {
    fn from(appended: HouseAppended) -> Self {
        Self { receipt: Some(appended.receipt.into()), witnessed: appended.witnessed }
    }
}

impl TryFrom<v1::AppendHouseResponse> for HouseAppended {
    type Error = ConvertError;

    fn try_from(message: v1::AppendHouseResponse) -> Result<Self, ConvertError> {
        let receipt = message.receipt.ok_or(ConvertError::Missing("receipt"))?;
        Ok(Self { receipt: receipt.try_into()?, witnessed: message.witnessed })
    }
}

impl From<Opened> for v1::OpenStreamResponse {
    fn from(opened: Opened) -> Self {
        Self { stream: opened.stream.get(), checkpoint: opened.checkpoint }
    }
}

impl TryFrom<v1::OpenStreamResponse> for Opened {
    type Error = ConvertError;

    fn try_from(message: v1::OpenStreamResponse) -> Result<Self, ConvertError> {
        Ok(Self { stream: stream_id("stream", message.stream)?, checkpoint: message.checkpoint })
    }
}

impl From<StreamInfo> for v1::GetStreamResponse {
    fn from(info: StreamInfo) -> Self {
        use v1::get_stream_response::Status;
        let (status, superseded_by) = match info.status {
            StreamStatus::Open => (Status::Open, 0),
            StreamStatus::Closed => (Status::Closed, 0),
            StreamStatus::Superseded(by) => (Status::Superseded, by.get()),
        };
        Self {
            stream: info.stream.get(),
            gateway: info.gateway,
            enrolled: info.enrolled.get(),
            revoked: info.revoked.map(LeafIndex::get),
            operator_changes: info.operator_changes.into_iter().map(LeafIndex::get).collect(),
            key: info.key,
            previous: info
                .previous
                .map(|previous| v1::PreviousStream { stream: previous.stream.get(), size: previous.size }),
            size: info.size,
            head: info.head.unwrap_or_default(),
            runs: info.runs.iter().map(Into::into).collect(),
            status: status.into(),
            superseded_by,
            fork: info.fork.map(|fork| v1::Fork {
                size: fork.size,
                accepted: fork.accepted,
                refused: fork.refused,
            }),
        }
    }
}

impl TryFrom<v1::GetStreamResponse> for StreamInfo {
    type Error = ConvertError;

    fn try_from(message: v1::GetStreamResponse) -> Result<Self, ConvertError> {
        if message.runs.len() > RECENT_RUNS {
            return Err(ConvertError::Count { field: "runs", count: message.runs.len(), limit: RECENT_RUNS });
        }
        let status = status(&message)?;
        let previous = match message.previous {
            None => None,
            Some(previous) => {
                Some(Previous { stream: stream_id("previous.stream", previous.stream)?, size: previous.size })
            }
        };
        Ok(Self {
            stream: stream_id("stream", message.stream)?,
            gateway: message.gateway,
            enrolled: LeafIndex::new(message.enrolled),
            revoked: message.revoked.map(LeafIndex::new),
            operator_changes: message.operator_changes.into_iter().map(LeafIndex::new).collect(),
            key: message.key,
            previous,
            size: message.size,
            head: Some(message.head).filter(|head| !head.is_empty()),
            runs: message.runs.iter().map(RunInfo::try_from).collect::<Result<_, ConvertError>>()?,
            status,
            fork: message.fork.map(|fork| Fork {
                size: fork.size,
                accepted: fork.accepted,
                refused: fork.refused,
            }),
        })
    }
}

fn status(message: &v1::GetStreamResponse) -> Result<StreamStatus, ConvertError> {
    use v1::get_stream_response::Status;
    match message.status() {
        Status::Open => Ok(StreamStatus::Open),
        Status::Closed => Ok(StreamStatus::Closed),
        Status::Superseded => {
            Ok(StreamStatus::Superseded(stream_id("superseded_by", message.superseded_by)?))
        }
        Status::Unspecified => Err(ConvertError::Missing("status")),
    }
}

impl From<&RunInfo> for v1::Run {
    fn from(run: &RunInfo) -> Self {
        Self {
            start: run.start,
            count: run.count,
            first_index: run.first.get(),
            logged_at: run.logged_at.millis(),
        }
    }
}

impl TryFrom<&v1::Run> for RunInfo {
    type Error = ConvertError;

    fn try_from(message: &v1::Run) -> Result<Self, ConvertError> {
        Ok(Self {
            start: message.start,
            count: message.count,
            first: LeafIndex::new(message.first_index),
            logged_at: logged_at(message.logged_at)?,
        })
    }
}
