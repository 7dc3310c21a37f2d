//! What the doctor uses of a record besides its facts: what the vault knows without opening it.

use jiff::Timestamp;
use vouchlog_record::RecordId;
use vouchlog_stream::Evidence;
use vouchlog_vault::Row;

/// What the vault knows of a record without opening it.
pub(super) struct RowFacts {
    pub(super) id: RecordId,
    pub(super) evidence: Evidence,
    pub(super) started_at: i64,
    pub(super) kept_at: i64,
    pub(super) amends: bool,
    /// Stream and sequence number.
    pub(super) place: Option<(u64, u64)>,
}

impl RowFacts {
    pub(super) fn of(row: &Row) -> Self {
        let Row { id, evidence, started_at, kept_at, amends, place, .. } = row;
        let place = place.map(|place| (place.stream.get(), place.sequence.get()));
        let (id, amends) = (id.clone(), amends.is_some());
        Self { id, evidence: *evidence, started_at: *started_at, kept_at: *kept_at, amends, place }
    }
}

/// A time of the vault.
pub(super) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or(if millis < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// `1 record`, `2 records`.
pub(super) fn counted(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
