//! What the records of a person have in common, for a letter to the person. It is gathered before anything is erased, as nothing can be
//! read afterwards.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use vouchlog_record::{Facet, RecordId};
use vouchlog_stream::StatementKind;
use vouchlog_vault::{Access, ErasurePlan, Operation, Query, Row, learn, read_facts};

use crate::error::DeskError;
use crate::limits::MAX_BESIDE;
use crate::local::LocalDesk;

/// What the records of a person have in common. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PersonSummary {
    /// The person, by the names in the records.
    pub people: BTreeSet<String>,
    /// When the first of the records began.
    pub first: Option<i64>,
    /// When the last of them began.
    pub last: Option<i64>,
    /// The first thousand of them, the oldest first.
    pub records: Vec<SummarizedRecord>,
    /// What they have, by the names of their groups.
    pub groups: BTreeSet<String>,
    /// When parts of them were read, or given to others.
    pub given: BTreeSet<i64>,
}

/// A record of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SummarizedRecord {
    /// Its id.
    #[schema(value_type = String)]
    pub id: RecordId,
    /// The name of its kind.
    pub kind: String,
    /// When it began.
    pub started_at: i64,
}

impl PersonSummary {
    /// Reads the records that a plan names.
    pub(crate) async fn gather(
        desk: &LocalDesk,
        access: &Access,
        plan: &ErasurePlan,
        name: &str,
    ) -> Result<Self, DeskError> {
        access.allow(Operation::Read)?;
        let vault = desk.vault();
        let context = learn(vault, access).await?;
        let (mut summary, mut rows) = (Self::default(), Vec::new());
        // One at a time, so that only one is opened in memory.
        for id in plan.records.iter().chain(plan.refusals.iter().map(|refusal| &refusal.record)) {
            let row = vault.row(access, id).await?;
            for read in read_facts(vault, access, vec![row.clone()], &context).await? {
                let Some(record) = read.record else { continue };
                summary.people.extend(record.subjects_named(name));
                summary.groups.extend(record.to_object().into_iter().map(|(group, _)| group));
                summary.given.extend(disclosures(desk, access, &row).await?);
            }
            rows.push((row.started_at, row.id, row.kind));
        }
        rows.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        summary.first = rows.first().map(|(at, ..)| *at);
        summary.last = rows.last().map(|(at, ..)| *at);
        let listed = |(started_at, id, kind): (i64, RecordId, StatementKind)| SummarizedRecord {
            id,
            kind: kind.name().to_owned(),
            started_at,
        };
        summary.records = rows.into_iter().take(MAX_BESIDE).map(listed).collect();
        Ok(summary)
    }
}

/// When parts of a record were read or given out.
async fn disclosures(desk: &LocalDesk, access: &Access, row: &Row) -> Result<Vec<i64>, DeskError> {
    let query = Query {
        facets: vec![(Facet::Refers, row.id.as_str().to_owned())],
        tenant: Some(row.tenant.clone()),
        kinds: vec![StatementKind::Disclosure],
        ..Query::default()
    };
    let found = desk.vault().find(access, &query).await?;
    Ok(found.into_iter().map(|row| row.started_at).collect())
}
