//! A record as it is listed: what is known of it without opening it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_merkle::LeafIndex;
use vouchlog_record::RecordId;
use vouchlog_stream::{
    Digest, Evidence, LogPlace, LoggedAt, SequenceNumber, Statement, StatementKind, StreamId,
};
use vouchlog_vault::Row;

use crate::error::DeskError;

/// What a record is found by.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FacetValue {
    /// The facet's name, such as `session` or `initiator`.
    pub facet: String,
    /// The whole value.
    pub value: String,
}

/// What is known of a record without opening it. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordRow {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RecordId,
    /// The name of its kind.
    pub kind: String,
    /// Whose it is.
    pub tenant: String,
    /// What is logged: 64 lowercase hex digits.
    pub digest: String,
    /// What its statement claims, as a bitmap.
    pub evidence: u32,
    /// The stream that its statement was made for.
    pub stream: u64,
    /// When the interaction began.
    pub started_at: i64,
    /// When the vault took it.
    pub kept_at: i64,
    /// Where the log has it, once it has.
    pub place: Option<RowPlace>,
    /// That it was erased.
    pub erased: Option<RowErasure>,
    /// The class by which it is kept; empty if none.
    pub retention: String,
    /// Until when it must be kept.
    pub keep_until: Option<i64>,
    /// A legal hold that it is under; one of them if there are several.
    pub hold: Option<String>,
    /// The record that it corrects or completes.
    #[schema(value_type = Option<String>)]
    pub amends: Option<RecordId>,
    /// For the page after this row.
    pub cursor: String,
}

/// Where the log has a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowPlace {
    /// The index of the entry.
    pub index: u64,
    /// The stream that has it.
    pub stream: u64,
    /// Its place in the stream.
    pub sequence: u64,
    /// When the log took it.
    pub logged_at: u64,
}

/// That a record was erased, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RowErasure {
    /// The record that says so.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// When it was begun.
    pub at: i64,
    /// Whether its keys and ciphertexts are destroyed.
    pub finished: bool,
    /// The log's entry that says so, once there is one.
    pub index: Option<u64>,
    /// Why it was lawful.
    pub basis: String,
    /// What was asked for: `record`, `subject` or `retention`.
    pub scope: String,
}

impl From<&Row> for RecordRow {
    fn from(row: &Row) -> Self {
        Self {
            id: row.id.clone(),
            kind: row.kind.name().to_owned(),
            tenant: row.tenant.clone(),
            digest: row.digest.to_string(),
            evidence: row.evidence.bits(),
            stream: row.stream.get(),
            started_at: row.started_at,
            kept_at: row.kept_at,
            place: row.place.map(|place| RowPlace {
                index: place.index.get(),
                stream: place.stream.get(),
                sequence: place.sequence.get(),
                logged_at: place.logged_at.millis(),
            }),
            erased: row.erased.as_ref().map(|erased| RowErasure {
                record: erased.record.clone(),
                at: erased.at,
                finished: erased.finished,
                index: erased.index.map(LeafIndex::get),
                basis: erased.basis.clone(),
                scope: erased.scope.clone(),
            }),
            retention: row.retention.class.clone(),
            keep_until: row.retention.until,
            hold: row.hold.clone(),
            amends: row.amends.clone(),
            cursor: row.cursor().to_string(),
        }
    }
}

impl RecordRow {
    /// Where the log has it.
    ///
    /// # Errors
    /// A number of another process is none that a log has.
    pub fn place(&self) -> Result<Option<LogPlace>, DeskError> {
        let place = |place: RowPlace| {
            Some(LogPlace {
                index: LeafIndex::new(place.index),
                stream: StreamId::new(place.stream)?,
                sequence: SequenceNumber::new(place.sequence)?,
                logged_at: LoggedAt::from_millis(place.logged_at)?,
            })
        };
        match self.place {
            None => Ok(None),
            Some(given) => place(given).map(Some).ok_or_else(|| self.malformed("place")),
        }
    }

    /// What the log has of it.
    ///
    /// # Errors
    /// A value of another process is none that a statement has.
    pub fn statement(&self) -> Result<Statement, DeskError> {
        let kind = StatementKind::from_name(&self.kind).ok_or_else(|| self.malformed("kind"))?;
        let evidence = Evidence::new(self.evidence).ok_or_else(|| self.malformed("evidence"))?;
        let digest: Digest = self.digest.parse().map_err(|_| self.malformed("digest"))?;
        Ok(Statement { kind, evidence, digest })
    }

    fn malformed(&self, what: &str) -> DeskError {
        DeskError::Answer(format!("the {what} of record {} is malformed", self.id))
    }
}
