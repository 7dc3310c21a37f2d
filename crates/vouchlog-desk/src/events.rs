//! Records of what was done with others, as pages: decisions about findings, disclosures.

use vouchlog_grading::Context;
use vouchlog_record::{Facet, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, Order, Query, ReadRecord, Row, read_facts};

use crate::bounds;
use crate::error::DeskError;
use crate::local::LocalDesk;

/// Which of them.
pub(crate) struct EventQuery {
    pub(crate) kind: StatementKind,
    pub(crate) tenant: Option<String>,
    /// Those that refer to this record.
    pub(crate) record: Option<RecordId>,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    /// `next` of an earlier page.
    pub(crate) after: Option<String>,
    pub(crate) limit: Option<usize>,
}

impl EventQuery {
    /// The records, the newest first, and where the next page begins.
    pub(crate) async fn page(
        self,
        desk: &LocalDesk,
        access: &Access,
    ) -> Result<(Vec<ReadRecord>, Option<String>), DeskError> {
        let limit = bounds::listed(self.limit)?;
        let mut facets = Vec::new();
        if let Some(record) = &self.record {
            // A record that the caller has no access to is as if it were not there.
            desk.vault().row(access, record).await?;
            facets.push((Facet::Refers, record.as_str().to_owned()));
        }
        let query = Query {
            facets,
            tenant: self.tenant,
            kinds: vec![self.kind],
            from: self.from,
            to: self.to,
            order: Order::NewestFirst,
            after: bounds::place(self.after.as_deref())?,
            limit,
        };
        let rows = desk.vault().find(access, &query).await?;
        let next = bounds::next(&rows, limit, Row::cursor);
        let read = read_facts(desk.vault(), access, rows, &Context::default()).await?;
        Ok((read, next))
    }
}
