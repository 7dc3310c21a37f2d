//! Who read content, and what was given to whom: the disclosures that the vault has on record.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_record::{DisclosureScope, Field, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Operation, ReadRecord};

use crate::ask::Ask;
use crate::error::DeskError;
use crate::events::EventQuery;
use crate::local::LocalDesk;

/// The disclosures, the newest first. With a record: who read that one, or was given fields of it.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListDisclosures {
    /// Whose records; without it, all that the caller has access to.
    #[serde(default)]
    pub tenant: Option<String>,
    /// Of this record only.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub record: Option<RecordId>,
    /// At this time or later, in milliseconds since 1970-01-01 UTC.
    #[serde(default)]
    pub from: Option<i64>,
    /// Before this time.
    #[serde(default)]
    pub to: Option<i64>,
    /// `next` of an earlier page.
    #[serde(default)]
    pub after: Option<String>,
    /// At most this many, 50 without it; 200 and more is 200.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A page of disclosures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisclosureRows {
    /// The disclosures.
    pub disclosures: Vec<DisclosureRow>,
    /// Give it as `after` for the next page; none after the last one.
    pub next: Option<String>,
}

/// That content was read, or fields were given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DisclosureRow {
    /// The record of the disclosure.
    #[schema(value_type = String)]
    pub record: RecordId,
    /// Whose it is.
    pub tenant: String,
    /// The log's entry of that record, once there is one.
    pub entry: Option<u64>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// By whom; none if it is not recorded.
    pub by: Option<String>,
    /// To whom fields were given; none if that is not recorded, or content was read in the vault.
    pub recipient: Option<String>,
    /// `read` if content was read by a user of the vault; `presented` if fields of records were given out; `bundle` if fields of a whole
    /// session were.
    pub scope: Option<String>,
    /// The reason.
    pub basis: Option<String>,
    /// The records that it concerns.
    #[schema(value_type = Vec<String>)]
    pub records: Vec<RecordId>,
    /// The fields that were given out, as JSON pointers.
    pub fields: Vec<String>,
}

impl Ask for ListDisclosures {
    type Answer = DisclosureRows;
    const NAME: &'static str = "list-disclosures";
    const SUMMARY: &'static str = "Lists who read content and what was disclosed to whom, the newest first; of one record, if it is named";

    fn operation(&self) -> Operation {
        Operation::Read
    }

    fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    async fn answer(self, desk: &LocalDesk, access: &Access) -> Result<DisclosureRows, DeskError> {
        let query = EventQuery {
            kind: StatementKind::Disclosure,
            tenant: self.tenant,
            record: self.record,
            from: self.from,
            to: self.to,
            after: self.after,
            limit: self.limit,
        };
        let (read, next) = query.page(desk, access).await?;
        Ok(DisclosureRows { disclosures: read.into_iter().map(DisclosureRow::from).collect(), next })
    }
}

impl From<ReadRecord> for DisclosureRow {
    fn from(read: ReadRecord) -> Self {
        let event = read.record.as_ref().and_then(|record| record.body.disclosure.value());
        let text = |field: fn(&vouchlog_record::DisclosureEvent) -> &Field<String>| {
            event.and_then(|event| field(event).value().cloned())
        };
        let scope = event.and_then(|event| event.scope.value()).map(|scope| match scope {
            DisclosureScope::Read => "read",
            DisclosureScope::Presented => "presented",
            DisclosureScope::Bundle => "bundle",
        });
        Self {
            by: text(|event| &event.by),
            recipient: text(|event| &event.recipient),
            scope: scope.map(str::to_owned),
            basis: text(|event| &event.basis),
            records: event.and_then(|event| event.records.value().cloned()).unwrap_or_default(),
            fields: event.and_then(|event| event.fields.value().cloned()).unwrap_or_default(),
            at: read.row.started_at,
            entry: read.row.place.map(|place| place.index.get()),
            tenant: read.row.tenant,
            record: read.row.id,
        }
    }
}
