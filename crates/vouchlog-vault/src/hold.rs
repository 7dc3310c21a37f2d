//! Legal holds, and how long records are kept: what erasing must respect.

use std::time::Duration;

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;

use crate::access::Access;
use crate::find::{find, tenants};
use crate::hold_events::HoldNote;
use crate::limits::{MAX_BASIS_BYTES, MAX_ERASED_AT_ONCE, MAX_ROWS};
use crate::query::{Order, Query};
use crate::record::check_name;
use crate::role::Role;
use crate::sql::{Value, over_set, over_values};
use crate::{Result, Vault, VaultError, standing};

/// What to put under a hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldTarget {
    /// These records.
    Records(Vec<RecordId>),
    /// What a query finds, all pages of it, and what is kept later and matches it as well. A tenant that comes into being later is
    /// not covered unless the query names it.
    Matching(Query),
}

/// A legal hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// Its name: the case.
    pub name: String,
    /// When it was first placed, in milliseconds since 1970-01-01 UTC.
    pub placed_at: i64,
    /// By whom.
    pub placed_by: String,
    /// Records under it.
    pub records: u64,
}

impl Vault {
    /// Places a hold, or puts more records under it: they cannot be erased until it is released. Records that were erased, or are
    /// about to be, are left out; where no record is left, nothing is placed. Answers how many came under it. The [recorder's
    /// `hold`](crate::Recorder::hold) puts it on record, too.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "hold"))]
    pub async fn hold(
        &self,
        access: &Access,
        name: &str,
        reason: &str,
        held: &HoldTarget,
        now: i64,
    ) -> Result<u64> {
        self.shared.named(async {
            access.require(Role::Erase)?;
            check_name("a hold", name)?;
            check_reason(reason)?;
            let mut tx = self.shared.db.begin().await?;
            self.shared.db.lock(&mut tx, true).await?;
            let insert =
                "INSERT INTO hold (name, placed_at, placed_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            sqlx::query(insert).bind(name).bind(now).bind(access.name()).execute(&mut *tx).await?;
            let (mut added, mut found) = (0, 0);
            match held {
                HoldTarget::Records(ids) => {
                    let rows = unerased(access, &mut tx, ids).await?;
                    found += rows.len();
                    added += put_under(&mut tx, name, rows).await?;
                }
                HoldTarget::Matching(query) => {
                    let query = &access.within(query)?;
                    let tenants = tenants(&self.shared, &mut tx, query.tenant.as_deref()).await?;
                    standing::place(&mut tx, name, query, &tenants).await?;
                    let mut query = Query { order: Order::OldestFirst, limit: MAX_ROWS, ..query.clone() };
                    loop {
                        let page = find(&self.shared, &mut tx, &query).await?;
                        let rows: Vec<i64> =
                            page.iter().filter(|row| row.erased.is_none()).map(|row| row.n).collect();
                        found += rows.len();
                        added += put_under(&mut tx, name, rows).await?;
                        let Some(last) = page.last() else { break };
                        query.after = Some(last.cursor());
                    }
                }
            }
            // A misspelled name must not look like a hold.
            if found == 0 {
                return Err(VaultError::NothingToHold);
            }
            let covers_later = matches!(held, HoldTarget::Matching(_));
            let event = HoldNote { hold: name, lifted: false, covers_later, by: access, reason, records: added, at: now };
            event.note(&mut tx).await?;
            self.shared.db.commit(tx).await?;
            Ok(added)
        }).await
    }

    /// Lifts a hold. Records under another one stay under that. The [recorder's `release`](crate::Recorder::release) puts it on
    /// record, too.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "release"))]
    pub async fn release(&self, access: &Access, name: &str, reason: &str, now: i64) -> Result<()> {
        self.shared
            .named(async {
                access.require(Role::Erase)?;
                check_reason(reason)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.db.lock(&mut tx, true).await?;
                if let Some(tenant) = access.tenant() {
                    check_only_of(&mut tx, name, tenant, access).await?;
                }
                let covers_later = standing::lift(&mut tx, name).await?;
                let held =
                    sqlx::query("DELETE FROM held WHERE hold = $1").bind(name).execute(&mut *tx).await?;
                let deleted =
                    sqlx::query("DELETE FROM hold WHERE name = $1").bind(name).execute(&mut *tx).await?;
                if deleted.rows_affected() == 0 {
                    return Err(VaultError::UnknownHold(name.to_owned()));
                }
                let (by, records) = (access, held.rows_affected());
                let event = HoldNote { hold: name, lifted: true, covers_later, by, reason, records, at: now };
                event.note(&mut tx).await?;
                self.shared.db.commit(tx).await
            })
            .await
    }

    /// Every hold, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "holds"))]
    pub async fn holds(&self, access: &Access) -> Result<Vec<Hold>> {
        self.shared.named(async {
            access.require(Role::ReadMetadata)?;
            // Of holds of other tenants not even the name is for the caller.
            let sql = "SELECT name, placed_at, placed_by, (SELECT count(*) FROM held JOIN record r ON r.n = held.record \
                           JOIN tenant t ON t.id = r.tenant WHERE held.hold = hold.name AND ($1 = '' OR t.name = $1)) \
                       FROM hold WHERE $1 = '' \
                       OR EXISTS (SELECT 1 FROM held JOIN record r ON r.n = held.record JOIN tenant t ON t.id = r.tenant \
                           WHERE held.hold = hold.name AND t.name = $1) \
                       OR EXISTS (SELECT 1 FROM hold_query q JOIN tenant t ON t.id = q.tenant \
                           WHERE q.hold = hold.name AND t.name = $1) \
                       ORDER BY name";
            let tenant = access.tenant().unwrap_or_default().to_owned();
            let rows = sqlx::query(sql).bind(tenant).fetch_all(&self.shared.db.readers).await?;
            let read = |row: &sqlx::any::AnyRow| {
                let records = row.try_get::<i64, _>(3)?.unsigned_abs();
                let (placed_at, placed_by) = (row.try_get(1)?, row.try_get(2)?);
                Ok(Hold { name: row.try_get(0)?, placed_at, placed_by, records })
            };
            rows.iter().map(read).collect()
        }).await
    }

    /// Sets for how long records of a class are kept at least, from when they began or were kept, whichever is later. A duty grows with
    /// it, also of records that are kept already; it is never shortened.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "set_retention"))]
    pub async fn set_retention(&self, access: &Access, class: &str, minimum: Duration) -> Result<()> {
        self.shared.named(async {
            access.require(Role::Erase)?;
            access.require_all_tenants()?;
            check_name("a retention class", class)?;
            let millis = i64::try_from(minimum.as_millis()).unwrap_or(i64::MAX);
            let insert = "INSERT INTO retention_class (name, keep_for) VALUES ($1, $2) \
                          ON CONFLICT (name) DO UPDATE SET keep_for = excluded.keep_for";
            let mut tx = self.shared.db.begin().await?;
            sqlx::query(insert).bind(class).bind(millis).execute(&mut *tx).await?;
            let begin = "(CASE WHEN kept_at > started_at THEN kept_at ELSE started_at END)";
            let extend = format!(
                "UPDATE record SET keep_until = {begin} + $1 WHERE retention_class = $2 AND erasure IS NULL \
                 AND (keep_until IS NULL OR keep_until < {begin} + $1)"
            );
            sqlx::query(sqlx::AssertSqlSafe(extend)).bind(millis).bind(class).execute(&mut *tx).await?;
            self.shared.db.commit(tx).await
        }).await
    }

    /// The retention classes that are set, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "retention_classes"))]
    pub async fn retention_classes(&self, access: &Access) -> Result<Vec<(String, Duration)>> {
        self.shared
            .named(async {
                access.require(Role::ReadMetadata)?;
                let sql = "SELECT name, keep_for FROM retention_class ORDER BY name";
                let rows = sqlx::query(sql).fetch_all(&self.shared.db.readers).await?;
                let read = |row: &sqlx::any::AnyRow| {
                    let minimum = Duration::from_millis(row.try_get::<i64, _>(1)?.unsigned_abs());
                    Ok((row.try_get(0)?, minimum))
                };
                rows.iter().map(read).collect()
            })
            .await
    }
}

/// Refuses a hold that covers records of another tenant, too; one that covers none of this one is as if it were not there.
async fn check_only_of(tx: &mut AnyConnection, hold: &str, tenant: &str, access: &Access) -> Result<()> {
    let sql = "SELECT t.name FROM held JOIN record r ON r.n = held.record JOIN tenant t ON t.id = r.tenant WHERE held.hold = $1 \
               UNION SELECT t.name FROM hold_query q JOIN tenant t ON t.id = q.tenant WHERE q.hold = $1";
    let rows = sqlx::query(sql).bind(hold).fetch_all(tx).await?;
    let tenants: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    if !tenants.iter().any(|other| other == tenant) {
        return Err(VaultError::UnknownHold(hold.to_owned()));
    }
    if tenants.len() > 1 {
        return Err(VaultError::NeedsAllTenants(access.name().to_owned()));
    }
    Ok(())
}

fn check_reason(reason: &str) -> Result<()> {
    if reason.is_empty() || reason.len() > MAX_BASIS_BYTES || reason.chars().any(char::is_control) {
        return Err(VaultError::invalid(format!(
            "the reason of a hold has 1 to {MAX_BASIS_BYTES} bytes, on one line"
        )));
    }
    Ok(())
}

/// The rows of records that are not erased. Each id must be known.
async fn unerased(access: &Access, tx: &mut AnyConnection, ids: &[RecordId]) -> Result<Vec<i64>> {
    if ids.len() > MAX_ERASED_AT_ONCE {
        return Err(VaultError::invalid(format!("a call holds at most {MAX_ERASED_AT_ONCE} records")));
    }
    let values: Vec<Value> = ids.iter().map(|id| id.as_str().into()).collect();
    let sql =
        "SELECT r.id, r.n, r.erasure, t.name FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.id IN";
    let mut rows = over_set(tx, sql, values, "").await?;
    rows.retain(|row| row.try_get(3).is_ok_and(|tenant| access.sees(tenant)));
    let mut known: Vec<(String, i64, Option<i64>)> = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
        .collect::<Result<_>>()?;
    known.sort();
    let is_known =
        |id: &&RecordId| known.binary_search_by(|(known, ..)| known.as_str().cmp(id.as_str())).is_ok();
    if let Some(unknown) = ids.iter().find(|id| !is_known(id)) {
        return Err(VaultError::UnknownRecord(unknown.clone()));
    }
    Ok(known.into_iter().filter(|(_, _, erasure)| erasure.is_none()).map(|(_, n, _)| n).collect())
}

/// Puts records under a hold; how many were not yet.
async fn put_under(tx: &mut AnyConnection, name: &str, mut records: Vec<i64>) -> Result<u64> {
    records.sort_unstable();
    records.dedup();
    let rows = records.into_iter().map(|n| vec![n.into(), name.into()]).collect();
    let insert = "INSERT INTO held (record, hold)";
    let added = over_values(tx, insert, rows, "ON CONFLICT DO NOTHING RETURNING record").await?;
    Ok(added.len() as u64)
}
