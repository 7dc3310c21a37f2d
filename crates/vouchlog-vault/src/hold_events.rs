//! Holds that were placed or lifted, on their way into a record: noted in the transaction that did it, so that neither happens without
//! the other, and forgotten once the record is kept.

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;

use crate::access::Access;
use crate::columns::id;
use crate::keys::random;
use crate::operation::Operation;
use crate::{Result, Vault};

/// What a record will say of a hold.
pub(crate) struct HoldNote<'a> {
    pub(crate) hold: &'a str,
    pub(crate) lifted: bool,
    pub(crate) covers_later: bool,
    pub(crate) by: &'a Access,
    pub(crate) reason: &'a str,
    pub(crate) records: u64,
    pub(crate) at: i64,
}

impl HoldNote<'_> {
    /// Notes it under the id of a record to be made.
    pub(crate) async fn note(&self, tx: &mut AnyConnection) -> Result<()> {
        let mut random_id = [0; 16];
        random(&mut random_id)?;
        let insert = "INSERT INTO hold_event (record, hold, lifted, covers_later, by_whom, reason, records, at, tenant) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let insert =
            sqlx::query(insert).bind(RecordId::from_random(random_id).as_str().to_owned()).bind(self.hold);
        let insert =
            insert.bind(i64::from(self.lifted)).bind(i64::from(self.covers_later)).bind(self.by.name());
        let records = i64::try_from(self.records).unwrap_or(i64::MAX);
        let insert = insert.bind(self.reason).bind(records).bind(self.at);
        insert.bind(self.by.tenant().unwrap_or_default()).execute(tx).await?;
        Ok(())
    }
}

/// A hold that was placed or lifted, and is not on record yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PendingHoldEvent {
    /// The id its record gets.
    pub(crate) record: RecordId,
    pub(crate) hold: String,
    pub(crate) lifted: bool,
    pub(crate) covers_later: bool,
    pub(crate) by: String,
    pub(crate) reason: String,
    pub(crate) records: u64,
    /// In milliseconds since 1970-01-01 UTC.
    pub(crate) at: i64,
}

impl Vault {
    /// Those that are not on record yet, the oldest first; for a caller of one tenant, those of its tenant.
    pub(crate) async fn pending_hold_events(&self, access: &Access) -> Result<Vec<PendingHoldEvent>> {
        access.allow(Operation::Read)?;
        let sql = "SELECT record, hold, lifted, covers_later, by_whom, reason, records, at FROM hold_event \
                   WHERE $1 = '' OR tenant = $1 ORDER BY at, record";
        let rows = sqlx::query(sql)
            .bind(access.tenant().unwrap_or_default())
            .fetch_all(&self.shared.db.readers)
            .await?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(PendingHoldEvent {
                record: id(row.try_get(0)?)?,
                hold: row.try_get(1)?,
                lifted: row.try_get::<i64, _>(2)? != 0,
                covers_later: row.try_get::<i64, _>(3)? != 0,
                by: row.try_get(4)?,
                reason: row.try_get(5)?,
                records: row.try_get::<i64, _>(6)?.unsigned_abs(),
                at: row.try_get(7)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Forgets one whose record is kept.
    pub(crate) async fn hold_event_recorded(&self, access: &Access, record: &RecordId) -> Result<()> {
        access.allow(Operation::Submit)?;
        let mut tx = self.shared.db.begin().await?;
        sqlx::query("DELETE FROM hold_event WHERE record = $1")
            .bind(record.as_str())
            .execute(&mut *tx)
            .await?;
        self.shared.db.commit(tx).await
    }
}
