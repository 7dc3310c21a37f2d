//! PostgreSQL: partitions by the month of keeping, made ahead of time.
//!
//! A record's number has the month in its upper bits: months since 1970-01, times 2^40. Tables of what is long of a record are partitioned by
//! that number, which is their key, so that a row is found in one partition and references stay as they are. When a month begins, the
//! sequence of numbers moves to it, and only if its partitions are there. SQLite has neither.

use std::sync::atomic::{AtomicI64, Ordering};

use sqlx::{AnyConnection, AssertSqlSafe, Executor, Row as _};

use crate::database::{Database, Dialect};
use crate::limits::{MONTHS_AHEAD, PARTITION_LOCK_PATIENCE, PARTITION_PAUSE};
use crate::object_folders::{millis, now};
use crate::{Result, VaultError};

/// Tables of what is long of a record.
const TABLES: [&str; 3] = ["statement", "sealed", "content_piece"];
/// Bits of a number below the month.
const MONTH_BITS: u32 = 40;
/// One process at a time moves the sequence: a number of ours, one of the first digits of pi.
const LOCK: i64 = 0x2431_f6a8_885a_308d;

/// When partitions were last looked after.
#[derive(Debug, Default)]
pub(crate) struct Partitions(AtomicI64);

impl Partitions {
    /// Makes partitions for this month and the next ones, and moves the sequence to this month; once an hour. A failure delays that: records
    /// go on in the month before.
    pub(crate) async fn look_after(&self, db: &Database) {
        let (last, now) = (self.0.load(Ordering::Relaxed), now());
        if db.dialect != Dialect::Postgres || now.saturating_sub(last).abs() < millis(PARTITION_PAUSE) {
            return;
        }
        self.0.store(now, Ordering::Relaxed);
        if let Err(error) = make_ahead(db).await {
            tracing::warn!(%error, "partitions for the months ahead were not made; this is tried again within an hour");
        }
    }
}

/// A month by its number since 1970-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Month(i64);

impl Month {
    /// `2026_12`.
    fn suffix(self) -> String {
        format!("{}_{:02}", 1970 + self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }

    /// The first number of a record in it.
    fn first(self) -> i64 {
        self.0 << MONTH_BITS
    }
}

async fn make_ahead(db: &Database) -> Result<()> {
    let this = "SELECT CAST((extract(year FROM t) - 1970) * 12 + extract(month FROM t) - 1 AS BIGINT), \
                CAST(coalesce(pg_sequence_last_value(pg_get_serial_sequence('record', 'n')::regclass), 0) AS BIGINT) \
                FROM (SELECT now() AT TIME ZONE 'UTC' AS t) today";
    let row = sqlx::query(this).fetch_one(&db.readers).await?;
    let (month, last) = (Month(row.try_get(0)?), row.try_get::<i64, _>(1)?);
    let mut missing = Vec::new();
    for table in TABLES {
        warn_of_others(db, table).await?;
        for ahead in 0..=MONTHS_AHEAD {
            let month = Month(month.0 + ahead);
            let name = format!("{table}_{}", month.suffix());
            let find = sqlx::query("SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)").bind(name);
            if find.fetch_one(&db.readers).await?.try_get::<i64, _>(0)? == 0 {
                missing.push((table, month));
            }
        }
    }
    if missing.is_empty() && last >= month.first() {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    let wait = format!("SET LOCAL lock_timeout = {}", PARTITION_LOCK_PATIENCE.as_millis());
    tx.execute(AssertSqlSafe(wait)).await?;
    sqlx::query("SELECT 1 FROM (SELECT pg_advisory_xact_lock($1)) held")
        .bind(LOCK)
        .fetch_one(&mut *tx)
        .await?;
    for (table, month) in missing {
        make(&mut tx, table, month).await?;
    }
    let advance = "SELECT CAST(setval(pg_get_serial_sequence('record', 'n'), $1) AS BIGINT) \
                   WHERE coalesce(pg_sequence_last_value(pg_get_serial_sequence('record', 'n')::regclass), 0) < $1";
    sqlx::query(advance).bind(month.first()).fetch_optional(&mut *tx).await?;
    db.commit(tx).await
}

/// Makes one partition, unless another process was faster. Attaching an empty table takes a lock on the default partition and on `record` for a
/// moment; creating it in place would lock the whole table.
async fn make(tx: &mut AnyConnection, table: &str, month: Month) -> Result<()> {
    let (name, first, end) =
        (format!("{table}_{}", month.suffix()), month.first(), Month(month.0 + 1).first());
    let find = sqlx::query("SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)").bind(name.clone());
    if find.fetch_one(&mut *tx).await?.try_get::<i64, _>(0)? > 0 {
        return Ok(());
    }
    // Names and numbers of ours.
    let make = format!(
        "CREATE TABLE {name} (LIKE {table} INCLUDING ALL); \
         ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({first}) TO ({end})"
    );
    tx.execute(AssertSqlSafe(make)).await?;
    Ok(())
}

/// Nothing belongs into the partition for all other numbers. A row in it means that a month's partition was taken away.
async fn warn_of_others(db: &Database, table: &str) -> Result<()> {
    let find = format!("SELECT record FROM {table}_other LIMIT 1");
    let found =
        sqlx::query(AssertSqlSafe(find)).fetch_optional(&db.readers).await.map_err(VaultError::from)?;
    if found.is_some() {
        tracing::warn!(
            partition = format!("{table}_other"),
            "rows lie outside of the partitions of their months: attach the partitions that were detached, or move the rows"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_have_names_and_ranges() {
        let december = Month((2026 - 1970) * 12 + 11);
        assert_eq!((december.suffix(), Month(december.0 + 1).suffix()), ("2026_12".into(), "2027_01".into()));
        assert_eq!(Month(0).suffix(), "1970_01");
        // Numbers are exact in JSON until the year 2652.
        assert!(Month((2652 - 1970) * 12).first() < 1 << 53);
    }
}
