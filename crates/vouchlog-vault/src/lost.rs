//! Records that are here and can no longer be read, although they were not erased.

use vouchlog_record::RecordId;

use crate::access::Access;
use crate::limits::REPORTED_DAMAGE;
use crate::operation::Operation;
use crate::{Query, Result, Retention, Row, Vault, VaultError};

/// A record whose metadata or content is gone from the vault without an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRecord {
    /// The record.
    pub id: RecordId,
    /// How long it must be kept.
    pub retention: Retention,
    /// A legal hold it is under.
    pub hold: Option<String>,
    /// What is missing or damaged, in words; nothing of the record.
    pub problem: String,
}

impl LostRecord {
    /// Whether it still has to be kept at the time `now`, in milliseconds since 1970: it is under a hold, or its retention period is
    /// not over. One without a period may be erased, but on record alone, so it counts.
    pub fn is_owed(&self, now: i64) -> bool {
        self.hold.is_some() || self.retention.until.is_none_or(|until| now < until)
    }
}

impl Vault {
    /// Opens every record that `query` finds and that was not erased, keeps nothing of what it reads, and returns those that cannot be
    /// read: at most [`REPORTED_DAMAGE`], as with more a backup is needed in any case. `progress` gets the number of records so far.
    ///
    /// # Errors
    /// The database cannot be reached or searched. Nothing is known then.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "lost_records"))]
    pub async fn lost_records(
        &self,
        access: &Access,
        query: Query,
        mut progress: impl FnMut(u64),
    ) -> Result<Vec<LostRecord>> {
        access.allow(Operation::Read)?;
        let (mut lost, mut records) = (Vec::new(), 0);
        let mut pages = self.pages(access, query);
        while let Some(rows) = pages.next().await? {
            for row in rows {
                records += 1;
                if row.erased.is_none()
                    && let Some(problem) = self.problem_of(access, &row).await?
                {
                    let Row { id, retention, hold, .. } = row;
                    lost.push(LostRecord { id, retention, hold, problem });
                }
                if lost.len() == REPORTED_DAMAGE {
                    return Ok(lost);
                }
            }
            progress(records);
        }
        Ok(lost)
    }

    /// What keeps a record from being read; none if it can be, or was erased meanwhile.
    async fn problem_of(&self, access: &Access, row: &Row) -> Result<Option<String>> {
        for part in ["metadata", "content"] {
            match self.unseal(&row.id, part).await {
                Ok(_) => {}
                Err(VaultError::Damaged(problem) | VaultError::LostContent(problem)) => {
                    // PostgreSQL: keys that an erasure has just destroyed open nothing either.
                    let is_erased = self.row(access, &row.id).await?.erased.is_some();
                    return Ok((!is_erased).then_some(problem));
                }
                Err(VaultError::Erased(_)) => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
