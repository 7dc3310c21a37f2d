//! Legal holds, and how long records are kept: what erasing must respect.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;

use crate::access::Access;
use crate::duties::{Duties, KeptUntil, SealedHold};
use crate::find::{find, tenants};
use crate::hold_events::HoldNote;
use crate::limits::{MAX_BASIS_BYTES, MAX_ERASED_AT_ONCE, MAX_ROWS};
use crate::operation::Operation;
use crate::query::{Order, Query};
use crate::record::check_name;
use crate::roster::Roster;
use crate::sql::{Value, map, over_set, over_values};
use crate::standing::StandingQuery;
use crate::{Result, Vault, VaultError};

/// Records of a class of which the time to be kept is extended at a time.
const EXTENDED_AT_ONCE: i64 = 500;

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
            access.allow(Operation::Hold)?;
            check_name("a hold", name)?;
            check_reason(reason)?;
            let mut tx = self.shared.db.begin().await?;
            self.shared.db.lock(&mut tx, true).await?;
            let insert =
                "INSERT INTO hold (name, placed_at, placed_by) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
            sqlx::query(insert).bind(name).bind(now).bind(access.name()).execute(&mut *tx).await?;
            let mut roster = Roster::read(&self.shared, &mut tx).await?;
            let duties = roster.duties_mut()?;
            duties.hold(name, now, access.name());
            let (mut added, mut found) = (0, 0);
            match held {
                HoldTarget::Records(ids) => {
                    let rows = unerased(access, &mut tx, ids).await?;
                    found += rows.len();
                    added += put_under(&mut tx, duties, name, rows).await?;
                }
                HoldTarget::Matching(query) => {
                    let query = &access.within(query)?;
                    let tenants = tenants(&self.shared, &mut tx, query.tenant.as_deref()).await?;
                    for standing in StandingQuery::of(query, &tenants) {
                        let queries = &mut duties.hold(name, now, access.name()).queries;
                        if !queries.contains(&standing) {
                            queries.push(standing);
                        }
                    }
                    let mut query = Query { order: Order::OldestFirst, limit: MAX_ROWS, ..query.clone() };
                    loop {
                        let page = find(&self.shared, &mut tx, &query).await?;
                        let unerased = page.iter().filter(|row| row.erased.is_none());
                        let rows: Vec<(i64, String)> =
                            unerased.map(|row| (row.n, row.id.as_str().to_owned())).collect();
                        found += rows.len();
                        added += put_under(&mut tx, duties, name, rows).await?;
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
            roster.write(&self.shared, &mut tx).await?;
            self.shared.db.commit(tx).await?;
            self.shared.saw_roster(roster.generation);
            Ok(added)
        }).await
    }

    /// Lifts a hold. Records under another one stay under that. The [recorder's `release`](crate::Recorder::release) puts it on
    /// record, too.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "release"))]
    pub async fn release(&self, access: &Access, name: &str, reason: &str, now: i64) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::Hold)?;
                check_reason(reason)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.db.lock(&mut tx, true).await?;
                let mut roster = Roster::read(&self.shared, &mut tx).await?;
                let lifted = roster.duties_mut()?.holds.remove(name);
                let lifted = lifted.ok_or_else(|| VaultError::UnknownHold(name.to_owned()))?;
                if let Some(tenant) = access.tenant() {
                    check_only_of(&mut tx, (name, &lifted), tenant, access).await?;
                }
                let held =
                    sqlx::query("DELETE FROM held WHERE hold = $1").bind(name).execute(&mut *tx).await?;
                sqlx::query("DELETE FROM hold WHERE name = $1").bind(name).execute(&mut *tx).await?;
                let (by, records, covers_later) = (access, held.rows_affected(), !lifted.queries.is_empty());
                let event = HoldNote { hold: name, lifted: true, covers_later, by, reason, records, at: now };
                event.note(&mut tx).await?;
                roster.write(&self.shared, &mut tx).await?;
                self.shared.db.commit(tx).await?;
                self.shared.saw_roster(roster.generation);
                Ok(())
            })
            .await
    }

    /// Every hold, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "holds"))]
    pub async fn holds(&self, access: &Access) -> Result<Vec<Hold>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut tx = self.shared.db.readers.begin().await?;
                let roster = Roster::read(&self.shared, &mut tx).await?;
                let duties = roster.duties()?;
                duties.check_held(&mut tx, &HashSet::new()).await?;
                let own = match access.tenant() {
                    None => None,
                    Some(tenant) => Some(self.holds_of(&mut tx, duties, tenant).await?),
                };
                tx.rollback().await?;
                let read = |(name, hold): (&String, &SealedHold)| {
                    // Of holds of other tenants not even the name is for the caller.
                    let records = own.as_ref().map_or(Some(hold.records), |own| own.get(name).copied())?;
                    let (placed_at, placed_by) = (hold.placed_at, hold.placed_by.clone());
                    Some(Hold { name: name.clone(), placed_at, placed_by, records })
                };
                Ok(duties.holds.iter().filter_map(read).collect())
            })
            .await
    }

    /// The holds that concern a tenant, with how many of its records are under each.
    async fn holds_of(
        &self,
        tx: &mut AnyConnection,
        duties: &Duties,
        tenant: &str,
    ) -> Result<HashMap<String, u64>> {
        let sql = "SELECT h.hold, count(*) FROM held h JOIN record r ON r.n = h.record JOIN tenant t ON t.id = r.tenant \
                   WHERE t.name = $1 GROUP BY h.hold";
        let rows = sqlx::query(sql).bind(tenant).fetch_all(&mut *tx).await?;
        let mut own: HashMap<String, u64> =
            map(&rows, |row| Ok((row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs())))?;
        let tenants: Vec<i64> =
            tenants(&self.shared, tx, Some(tenant)).await?.iter().map(|tenant| tenant.id).collect();
        for (name, hold) in &duties.holds {
            if hold.queries.iter().any(|query| tenants.contains(&query.tenant)) {
                own.entry(name.clone()).or_default();
            }
        }
        Ok(own)
    }

    /// Sets for how long records of a class are kept at least, from when they began or were kept, whichever is later. A duty grows with
    /// it, also of records that are kept already; it is never shortened.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "set_retention"))]
    pub async fn set_retention(&self, access: &Access, class: &str, minimum: Duration) -> Result<()> {
        self.shared
            .named(async {
                access.allow(Operation::SetRetention)?;
                check_name("a retention class", class)?;
                let millis = i64::try_from(minimum.as_millis()).unwrap_or(i64::MAX);
                let mut tx = self.shared.db.begin().await?;
                self.shared.db.lock(&mut tx, true).await?;
                let mut roster = Roster::read(&self.shared, &mut tx).await?;
                roster.duties_mut()?.classes.insert(class.to_owned(), millis);
                extend(&mut tx, roster.duties()?, class, millis).await?;
                roster.write(&self.shared, &mut tx).await?;
                self.shared.db.commit(tx).await?;
                self.shared.saw_roster(roster.generation);
                Ok(())
            })
            .await
    }

    /// The retention classes that are set, by name.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "retention_classes"))]
    pub async fn retention_classes(&self, access: &Access) -> Result<Vec<(String, Duration)>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let roster = Roster::read(&self.shared, &mut connection).await?;
                let read = |(name, millis): (&String, &i64)| {
                    (name.clone(), Duration::from_millis(millis.unsigned_abs()))
                };
                Ok(roster.duties()?.classes.iter().map(read).collect())
            })
            .await
    }
}

/// Has the records of a class kept for so many milliseconds at least. One whose time to be kept was changed is refused: it must not get
/// a new sum.
async fn extend(tx: &mut AnyConnection, duties: &Duties, class: &str, millis: i64) -> Result<()> {
    let page = "SELECT n, id, started_at, kept_at, keep_until, keep_mac FROM record \
                WHERE retention_class = $1 AND erasure IS NULL AND n > $2 ORDER BY n LIMIT $3";
    let mut after = i64::MIN;
    loop {
        let query = sqlx::query(page).bind(class).bind(after).bind(EXTENDED_AT_ONCE);
        let rows = query.fetch_all(&mut *tx).await?;
        let mut extended = Vec::new();
        for row in &rows {
            after = row.try_get(0)?;
            let kept = KeptUntil {
                id: row.try_get(1)?,
                class,
                started_at: row.try_get(2)?,
                kept_at: row.try_get(3)?,
                until: row.try_get(4)?,
            };
            duties.check_kept(kept, row.try_get(5)?)?;
            let until = Some(kept.started_at.max(kept.kept_at).saturating_add(millis));
            if kept.until < until {
                let mac = duties.mac(KeptUntil { until, ..kept });
                extended.push(vec![after.into(), until.into(), mac.into()]);
            }
        }
        let update = ") UPDATE record SET keep_until = given.until, keep_mac = given.mac FROM given WHERE record.n = given.n";
        over_values(tx, "WITH given (n, until, mac) AS (", extended, update).await?;
        if rows.is_empty() {
            return Ok(());
        }
    }
}

/// Refuses a hold that covers records of another tenant, too; one that covers none of this one is as if it were not there.
async fn check_only_of(
    tx: &mut AnyConnection,
    (name, hold): (&str, &SealedHold),
    tenant: &str,
    access: &Access,
) -> Result<()> {
    let sql = "SELECT DISTINCT t.name FROM held JOIN record r ON r.n = held.record JOIN tenant t ON t.id = r.tenant \
               WHERE held.hold = $1";
    let rows = sqlx::query(sql).bind(name).fetch_all(&mut *tx).await?;
    let mut tenants: BTreeSet<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    for query in &hold.queries {
        let row = sqlx::query("SELECT name FROM tenant WHERE id = $1")
            .bind(query.tenant)
            .fetch_one(&mut *tx)
            .await?;
        tenants.insert(row.try_get(0)?);
    }
    if !tenants.contains(tenant) {
        return Err(VaultError::UnknownHold(name.to_owned()));
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
async fn unerased(access: &Access, tx: &mut AnyConnection, ids: &[RecordId]) -> Result<Vec<(i64, String)>> {
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
    Ok(known.into_iter().filter(|(_, _, erasure)| erasure.is_none()).map(|(id, n, _)| (n, id)).collect())
}

/// Puts records under a hold; how many were not yet.
async fn put_under(
    tx: &mut AnyConnection,
    duties: &mut Duties,
    hold: &str,
    records: Vec<(i64, String)>,
) -> Result<u64> {
    let ids: BTreeMap<i64, String> = records.into_iter().collect();
    let rows = ids.keys().map(|n| vec![(*n).into(), hold.into()]).collect();
    let insert = "INSERT INTO held (record, hold)";
    let added = over_values(tx, insert, rows, "ON CONFLICT DO NOTHING RETURNING record").await?;
    let added: Vec<i64> = added.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    duties.add_held(hold, added.iter().filter_map(|n| ids.get(n)).map(String::as_str));
    Ok(added.len() as u64)
}
