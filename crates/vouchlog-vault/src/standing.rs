//! Holds that go on: what is kept later and matches comes under them, in the transaction that keeps it.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use crate::keys::{MAC_BYTES, Pseudonyms, Tenant};
use crate::query::Query;
use crate::sql::over_values;
use crate::{Result, VaultError};

/// What a record of one tenant must be to come under a hold.
pub(crate) struct StandingHold {
    hold: String,
    tenant: i64,
    /// It has all of these.
    macs: Vec<[u8; MAC_BYTES]>,
    /// It is of one of these; none is all.
    kinds: Vec<u8>,
    /// It began at this time or later.
    from: i64,
    /// It began before this time.
    to: i64,
}

/// What of a record decides whether it comes under a hold.
pub(crate) struct KeptRecord<'a> {
    pub(crate) n: i64,
    pub(crate) tenant: i64,
    pub(crate) kind: u8,
    pub(crate) started_at: i64,
    pub(crate) pseudonyms: &'a Pseudonyms,
}

impl StandingHold {
    fn covers(&self, record: &KeptRecord<'_>) -> bool {
        self.tenant == record.tenant
            && (self.kinds.is_empty() || self.kinds.contains(&record.kind))
            && (self.from..self.to).contains(&record.started_at)
            && self.macs.iter().all(|mac| record.pseudonyms.contains_key(mac))
    }
}

/// Notes what a hold is for. Pseudonyms are a tenant's, so each tenant gets a row.
pub(crate) async fn place(
    tx: &mut AnyConnection,
    hold: &str,
    query: &Query,
    tenants: &[Arc<Tenant>],
) -> Result<()> {
    let mut rows = Vec::new();
    for tenant in tenants {
        let macs: BTreeSet<[u8; MAC_BYTES]> =
            query.facets.iter().map(|(facet, value)| tenant.facet(*facet, value)).collect();
        let kinds: BTreeSet<u8> = query.kinds.iter().map(|kind| kind.byte()).collect();
        rows.push(vec![
            hold.into(),
            tenant.id.into(),
            macs.into_iter().flatten().collect::<Vec<u8>>().into(),
            kinds.into_iter().collect::<Vec<u8>>().into(),
            query.from.unwrap_or(i64::MIN).into(),
            query.to.unwrap_or(i64::MAX).into(),
        ]);
    }
    let insert = "INSERT INTO hold_query (hold, tenant, macs, kinds, from_ms, to_ms)";
    over_values(tx, insert, rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}

/// Forgets what a hold was for; whether it was for what is kept later, too.
pub(crate) async fn lift(tx: &mut AnyConnection, hold: &str) -> Result<bool> {
    let deleted = sqlx::query("DELETE FROM hold_query WHERE hold = $1").bind(hold).execute(tx).await?;
    Ok(deleted.rows_affected() > 0)
}

/// The holds that go on.
pub(crate) async fn all(tx: &mut AnyConnection) -> Result<Vec<StandingHold>> {
    let sql = "SELECT hold, tenant, macs, kinds, from_ms, to_ms FROM hold_query";
    let rows = sqlx::query(sql).fetch_all(tx).await?;
    let read = |row: &sqlx::any::AnyRow| {
        let (macs, rest) = row.try_get::<&[u8], _>(2)?.as_chunks();
        if !rest.is_empty() {
            return Err(VaultError::damaged("the pseudonyms of a hold have another length"));
        }
        Ok(StandingHold {
            hold: row.try_get(0)?,
            tenant: row.try_get(1)?,
            macs: macs.to_vec(),
            kinds: row.try_get(3)?,
            from: row.try_get(4)?,
            to: row.try_get(5)?,
        })
    };
    rows.iter().map(read).collect()
}

/// Puts new records under the holds that cover them.
pub(crate) async fn cover(
    tx: &mut AnyConnection,
    holds: &[StandingHold],
    records: impl Iterator<Item = KeptRecord<'_>>,
) -> Result<()> {
    let mut held = BTreeSet::new();
    for record in records {
        let covering = holds.iter().filter(|hold| hold.covers(&record));
        held.extend(covering.map(|hold| (record.n, hold.hold.clone())));
    }
    let rows = held.into_iter().map(|(n, hold)| vec![n.into(), hold.into()]).collect();
    over_values(tx, "INSERT INTO held (record, hold)", rows, "ON CONFLICT DO NOTHING").await?;
    Ok(())
}
