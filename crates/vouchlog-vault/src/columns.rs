//! Columns of the database read back into what they mean.

use sqlx::Row as _;
use sqlx::any::AnyRow;
use vouchlog_merkle::LeafIndex;
use vouchlog_record::RecordId;
use vouchlog_stream::{
    Digest, Evidence, LogPlace, LoggedAt, SequenceNumber, Statement, StatementKind, StreamId,
};

use crate::{Result, VaultError};

/// The statement in the given columns.
pub(crate) fn statement(row: &AnyRow, kind: usize, evidence: usize, digest_at: usize) -> Result<Statement> {
    let byte = u8::try_from(row.try_get::<i64, _>(kind)?).ok();
    let bits = u32::try_from(row.try_get::<i64, _>(evidence)?).ok();
    Ok(Statement {
        kind: byte
            .and_then(StatementKind::from_byte)
            .ok_or_else(|| VaultError::damaged("a kind is malformed"))?,
        evidence: bits
            .and_then(Evidence::new)
            .ok_or_else(|| VaultError::damaged("an evidence bitmap is malformed"))?,
        digest: digest(row.try_get(digest_at)?)?,
    })
}

fn digest(bytes: &[u8]) -> Result<Digest> {
    let bytes = bytes.try_into().map_err(|_| VaultError::damaged("a digest has another length"))?;
    Ok(Digest::from_bytes(bytes))
}

pub(crate) fn id(text: &str) -> Result<RecordId> {
    RecordId::new(text).map_err(|_| VaultError::damaged("an id is malformed"))
}

pub(crate) fn stream(value: i64) -> Result<StreamId> {
    let value = u64::try_from(value).ok().and_then(StreamId::new);
    value.ok_or_else(|| VaultError::damaged("a stream is malformed"))
}

/// Reads an index of the log.
pub(crate) fn leaf_index(value: i64) -> Result<LeafIndex> {
    let value = u64::try_from(value).map_err(|_| VaultError::damaged("an index is negative"))?;
    Ok(LeafIndex::new(value))
}

/// A place in the log from its index, stream, sequence number and time.
pub(crate) fn place_of([index, in_stream, sequence, logged_at]: [i64; 4]) -> Result<LogPlace> {
    let small = |number: i64| u64::try_from(number).map_err(|_| VaultError::damaged("a number is negative"));
    let sequence = SequenceNumber::new(small(sequence)?);
    let logged_at = LoggedAt::from_millis(small(logged_at)?);
    Ok(LogPlace {
        index: leaf_index(index)?,
        stream: stream(in_stream)?,
        sequence: sequence.ok_or_else(|| VaultError::damaged("a sequence number is too large"))?,
        logged_at: logged_at.ok_or_else(|| VaultError::damaged("a time is too large"))?,
    })
}
