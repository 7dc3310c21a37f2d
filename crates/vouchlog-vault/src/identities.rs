//! Identities: the values of a facet, since when each is used, and what it was used with.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};
use vouchlog_record::Facet;

use crate::access::Access;
use crate::facet_sets::is_in_set;
use crate::find::tenants;
use crate::keys::Tenant;
use crate::limits::{MAX_COUNTED_USES, MAX_LISTED, MAX_VALUE_BYTES};
use crate::lists::{Mac, listing, mac};
use crate::operation::Operation;
use crate::sql::{map, over_set};
use crate::{Result, Vault, VaultError};

/// What an identity was used with.
const BESIDE: [Facet; 11] = [
    Facet::Initiator,
    Facet::Agent,
    Facet::Workload,
    Facet::Credential,
    Facet::Tool,
    Facet::Model,
    Facet::DataClass,
    Facet::Issuer,
    Facet::Scope,
    Facet::Verdict,
    Facet::Finding,
];

/// Which identities to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityQuery {
    /// The facet whose values they are.
    pub facet: Facet,
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// The [cursor](IdentitySummary::cursor) of the last one that was already seen.
    pub after: Option<IdentityCursor>,
    /// At most this many; more than [`MAX_LISTED`] is [`MAX_LISTED`].
    pub limit: usize,
}

/// A place between two identities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityCursor(i64);

impl fmt::Display for IdentityCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for IdentityCursor {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = |_| VaultError::invalid("this is not a cursor: use the one of the last identity");
        text.parse().map(Self).map_err(malformed)
    }
}

/// A value of a facet, and when it was used. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentitySummary {
    n: i64,
    /// The value.
    pub value: String,
    /// Whose it is.
    pub tenant: String,
    /// When the first record with it started.
    pub first_at: i64,
    /// When the last record with it started.
    pub last_at: i64,
    /// Records with it.
    pub records: u64,
    /// Sessions with it.
    pub sessions: u64,
}

impl IdentitySummary {
    /// The place after this one, for the next page of the same query.
    pub fn cursor(&self) -> IdentityCursor {
        IdentityCursor(self.n)
    }
}

impl fmt::Debug for IdentitySummary {
    /// Without the value: it may name a person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentitySummary")
            .field("n", &self.n)
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// What an identity was used with.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityUses {
    /// The identity.
    pub identity: IdentitySummary,
    /// How many records, the newest ones, the uses are counted from; [`MAX_COUNTED_USES`] at most.
    pub counted: u64,
    /// The uses, those that were last first.
    pub uses: Vec<IdentityUse>,
}

/// A value that is in records with an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentityUse {
    /// The facet.
    pub facet: Facet,
    /// The value.
    pub value: String,
    /// When the first of the counted records with both started.
    pub first_at: i64,
    /// When the last record with both started.
    pub last_at: i64,
    /// Counted records with both.
    pub records: u64,
}

impl Vault {
    /// A page of identities: those that the vault had last come first. A page with fewer than asked for is the last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "identities"))]
    pub async fn identities(&self, access: &Access, asked: &IdentityQuery) -> Result<Vec<IdentitySummary>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(asked.tenant.as_deref())?;
                check_listed(asked.facet)?;
                let most = asked.limit.min(MAX_LISTED);
                let mut tx = self.shared.db.readers.begin().await?;
                let mut found: Vec<(i64, Mac, String, Arc<Tenant>)> = Vec::new();
                for tenant in tenants(&self.shared, &mut tx, tenant).await? {
                    let sql = "SELECT v.mac, v.value, s.mac, s.key, v.n FROM facet_value v \
                               LEFT JOIN subject s ON s.id = v.subject WHERE v.kind = $1 AND v.n < $2 \
                               ORDER BY v.n DESC LIMIT $3";
                    let after = asked.after.map_or(i64::MAX, |after| after.0);
                    let kind = tenant.kind(asked.facet).to_vec();
                    let query = sqlx::query(sql).bind(kind).bind(after);
                    let query = query.bind(i64::try_from(most).expect("a page is small"));
                    for row in query.fetch_all(&mut *tx).await? {
                        let (_, value) = self.open_value(&tenant, &row, 0)?;
                        found.push((row.try_get(4)?, mac(row.try_get(0)?)?, value, Arc::clone(&tenant)));
                    }
                }
                found.sort_by_key(|(n, ..)| std::cmp::Reverse(*n));
                found.truncate(most);
                let mut identities = Vec::with_capacity(found.len());
                for (n, mac, value, tenant) in found {
                    identities.extend(summary(&mut tx, (n, &mac), (asked.facet, value), &tenant).await?);
                }
                tx.rollback().await?;
                Ok(identities)
            })
            .await
    }

    /// One identity, of each tenant that has it and the caller has access to, with what it was used with.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "identity"))]
    pub async fn identity(
        &self,
        access: &Access,
        tenant: Option<&str>,
        facet: Facet,
        value: &str,
    ) -> Result<Vec<IdentityUses>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(tenant)?;
                check_listed(facet)?;
                if value.len() > MAX_VALUE_BYTES {
                    return Err(VaultError::invalid(format!("a facet has at most {MAX_VALUE_BYTES} bytes")));
                }
                let mut tx = self.shared.db.readers.begin().await?;
                let mut found = Vec::new();
                for tenant in tenants(&self.shared, &mut tx, tenant).await? {
                    let mac = tenant.facet(facet, value);
                    let named = (facet, value.to_owned());
                    let Some(identity) = summary(&mut tx, (0, &mac), named, &tenant).await? else {
                        continue;
                    };
                    let uses = self.uses(&mut tx, &tenant, (facet, &mac)).await?;
                    let counted = identity.records.min(MAX_COUNTED_USES.unsigned_abs());
                    found.push(IdentityUses { identity, counted, uses });
                }
                tx.rollback().await?;
                Ok(found)
            })
            .await
    }

    /// What a pseudonym was used with.
    async fn uses(
        &self,
        tx: &mut AnyConnection,
        tenant: &Tenant,
        (facet, of): (Facet, &Mac),
    ) -> Result<Vec<IdentityUse>> {
        let sql = format!(
            "SELECT COALESCE(s.member, f.mac) AS used, min(f.started_at), max(f.started_at), count(*) FROM \
             (SELECT record FROM facet WHERE {} ORDER BY started_at DESC, record DESC LIMIT $2) AS u \
             JOIN facet f ON f.record = u.record LEFT JOIN facet_set s ON s.mac = f.mac \
             WHERE COALESCE(s.member, f.mac) <> $1 GROUP BY used",
            has(facet)
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(of.to_vec()).bind(MAX_COUNTED_USES);
        let rows = query.fetch_all(&mut *tx).await?;
        let counted: HashMap<Mac, (i64, i64, i64)> = map(&rows, |row| {
            Ok((mac(row.try_get(0)?)?, (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))
        })?;
        let macs = counted.keys().map(|mac| mac.as_slice().into()).collect();
        let kinds: Vec<Mac> = BESIDE.iter().map(|facet| tenant.kind(*facet)).collect();
        let find = "SELECT v.mac, v.value, s.mac, s.key, v.kind FROM facet_value v \
                    LEFT JOIN subject s ON s.id = v.subject WHERE v.mac IN";
        let mut uses = Vec::new();
        for row in over_set(tx, find, macs, "").await? {
            if !kinds.contains(&mac(row.try_get(4)?)?) {
                continue;
            }
            let Some((first_at, last_at, records)) = counted.get(&mac(row.try_get(0)?)?) else { continue };
            let (facet, value) = self.open_value(tenant, &row, 0)?;
            let (first_at, last_at, records) = (*first_at, *last_at, records.unsigned_abs());
            uses.push(IdentityUse { facet, value, first_at, last_at, records });
        }
        uses.sort_by(|a, b| b.last_at.cmp(&a.last_at).then_with(|| a.value.cmp(&b.value)));
        Ok(uses)
    }
}

fn check_listed(facet: Facet) -> Result<()> {
    if listing(facet).is_listed {
        return Ok(());
    }
    let listed: Vec<&str> =
        Facet::ALL.into_iter().filter(|facet| listing(*facet).is_listed).map(Facet::name).collect();
    Err(VaultError::invalid(format!(
        "the values of `{}` are not listed; these are: {}",
        facet.name(),
        listed.join(", ")
    )))
}

/// The condition that a row of `facet` is of a record that has the pseudonym `$1`, which is one of this facet.
const fn has(facet: Facet) -> &'static str {
    match is_in_set(facet) {
        true => "(mac = $1 OR mac IN (SELECT o.mac FROM facet_set o WHERE o.member = $1))",
        false => "mac = $1",
    }
}

/// When a pseudonym was used; none if no record has it.
async fn summary(
    tx: &mut AnyConnection,
    (n, mac): (i64, &Mac),
    (facet, value): (Facet, String),
    tenant: &Tenant,
) -> Result<Option<IdentitySummary>> {
    let has = has(facet);
    let sql = format!(
        "SELECT (SELECT min(started_at) FROM facet WHERE {has}), \
         (SELECT max(started_at) FROM facet WHERE {has}), (SELECT count(*) FROM facet WHERE {has}), \
         (SELECT count(*) FROM session_facet WHERE mac = $1)"
    );
    let row: AnyRow = sqlx::query(AssertSqlSafe(sql)).bind(mac.to_vec()).fetch_one(tx).await?;
    let (Some(first_at), Some(last_at)) = (row.try_get(0)?, row.try_get(1)?) else { return Ok(None) };
    Ok(Some(IdentitySummary {
        n,
        value,
        tenant: tenant.name.clone(),
        first_at,
        last_at,
        records: row.try_get::<i64, _>(2)?.unsigned_abs(),
        sessions: row.try_get::<i64, _>(3)?.unsigned_abs(),
    }))
}
