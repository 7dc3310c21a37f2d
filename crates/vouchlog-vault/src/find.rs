//! Searching: by pseudonyms of facets, a page at a time, in the order of the index that answers.

use std::fmt::Write as _;
use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};

use crate::access::Access;
use crate::facet_sets::alternatives;
use crate::keys::Tenant;
use crate::limits::{COUNTED_MATCHES, MAX_TENANTS_SEARCHED};
use crate::operation::Operation;
use crate::query::{Order, Query};
use crate::read::{ROW, ROW_JOINS, read_row};
use crate::shared::Shared;
use crate::sql::{Value, list, query};
use crate::{Result, Row, Vault, VaultError};

impl Vault {
    /// A page of the records that match, in the query's order. The next page is the same query [`after`](Query::after) the last
    /// row's [`cursor`](Row::cursor); a page with fewer rows than asked for is the last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "find"))]
    pub async fn find(&self, access: &Access, query: &Query) -> Result<Vec<Row>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let query = access.within(query)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                find(&self.shared, &mut connection, &query).await
            })
            .await
    }
}

impl Vault {
    /// The tenants that the caller has access to and that the vault has records of, those first that it had first; 256 at most.
    pub async fn tenants(&self, access: &Access) -> Result<Vec<String>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let tenants = tenants(&self.shared, &mut connection, access.tenant()).await?;
                Ok(tenants.iter().map(|tenant| tenant.name.clone()).collect())
            })
            .await
    }
}

/// All that a query finds, a page at a time. Each page is read when it is asked for.
#[derive(Debug)]
pub struct Pages<'v> {
    vault: &'v Vault,
    access: &'v Access,
    query: Query,
}

impl Vault {
    /// Everything a query finds from its [`after`](Query::after) on, a page of its [`limit`](Query::limit) at a time.
    pub fn pages<'v>(&'v self, access: &'v Access, query: Query) -> Pages<'v> {
        Pages { vault: self, access, query }
    }
}

impl Pages<'_> {
    /// The next page; none after the last one.
    pub async fn next(&mut self) -> Result<Option<Vec<Row>>> {
        let rows = self.vault.find(self.access, &self.query).await?;
        let Some(last) = rows.last() else { return Ok(None) };
        self.query.after = Some(last.cursor());
        Ok(Some(rows))
    }
}

/// As [`Vault::find`], within a transaction.
pub(crate) async fn find(shared: &Shared, tx: &mut AnyConnection, asked: &Query) -> Result<Vec<Row>> {
    asked.check()?;
    if asked.facets.is_empty() {
        return page(tx, asked, &[]).await;
    }
    let mut rows = Vec::new();
    for tenant in tenants(shared, tx, asked.tenant.as_deref()).await? {
        for macs in alternatives(tx, &tenant, &asked.facets).await? {
            let count = "SELECT count(*) FROM (SELECT 1 FROM facet WHERE mac = $1 LIMIT $2) AS matches";
            if let Some(counted) = rarest_first(tx, macs, count).await? {
                let macs: Vec<Vec<u8>> = counted.into_iter().map(|(_, mac)| mac).collect();
                rows.extend(page(tx, asked, &macs).await?);
            }
        }
    }
    // The first rows of all are among the first rows of each.
    rows.sort_by_key(|row| (row.started_at, row.n));
    rows.dedup_by_key(|row| row.n);
    if asked.order == Order::NewestFirst {
        rows.reverse();
    }
    rows.truncate(asked.rows());
    Ok(rows)
}

/// The tenant of this name, of which the vault must have records.
pub(crate) async fn one_tenant(shared: &Shared, tx: &mut AnyConnection, name: &str) -> Result<Arc<Tenant>> {
    let unknown = || VaultError::invalid("the vault has no record of this tenant");
    tenants(shared, tx, Some(name)).await?.pop().ok_or_else(unknown)
}

/// The tenant that is named, or all of them.
pub(crate) async fn tenants(
    shared: &Shared,
    tx: &mut AnyConnection,
    name: Option<&str>,
) -> Result<Vec<Arc<Tenant>>> {
    let names = match name {
        Some(name) => vec![name.to_owned()],
        None => {
            let most = i64::try_from(MAX_TENANTS_SEARCHED).expect("few") + 1;
            let sql = "SELECT name FROM tenant ORDER BY id LIMIT $1";
            let rows = sqlx::query(sql).bind(most).fetch_all(&mut *tx).await?;
            rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?
        }
    };
    if names.len() > MAX_TENANTS_SEARCHED {
        return Err(VaultError::invalid(format!(
            "the vault has more than {MAX_TENANTS_SEARCHED} tenants: name one"
        )));
    }
    let mut tenants = Vec::new();
    for name in names {
        let known = match shared.keys.known_tenant(&name) {
            Some(tenant) => Some(tenant),
            None => shared.find_tenant(tx, &name).await?,
        };
        tenants.extend(known);
    }
    Ok(tenants)
}

/// The pseudonyms with the rarest first, as it leads the search, each with its number of matches; none when one of them matches nothing.
/// `count` counts the matches of a pseudonym up to a number.
pub(crate) async fn rarest_first(
    tx: &mut AnyConnection,
    macs: Vec<Vec<u8>>,
    count: &'static str,
) -> Result<Option<Vec<(i64, Vec<u8>)>>> {
    let mut counted = Vec::new();
    for mac in macs {
        let row = sqlx::query(count).bind(mac.clone()).bind(COUNTED_MATCHES).fetch_one(&mut *tx).await?;
        counted.push((row.try_get::<i64, _>(0)?, mac));
    }
    counted.sort();
    let nothing = counted.first().is_some_and(|(matches, _)| *matches == 0);
    Ok((!nothing).then_some(counted))
}

async fn page(tx: &mut AnyConnection, asked: &Query, macs: &[Vec<u8>]) -> Result<Vec<Row>> {
    let (sql, values) = select(asked, macs);
    let rows = query(sql, values).fetch_all(tx).await?;
    rows.iter().map(read_row).collect()
}

/// The statement of one page, and its values. CROSS JOIN keeps SQLite to the order written: the rarest facet leads, each further
/// one is a lookup by primary key.
pub(crate) fn select(asked: &Query, macs: &[Vec<u8>]) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = Vec::new();
    let mut sql = format!("SELECT {ROW} FROM ");
    let (started_at, n) = match macs.len() {
        0 => ("r.started_at", "r.n"),
        _ => ("f0.started_at", "f0.record"),
    };
    let mut condition = String::new();
    for (i, mac) in macs.iter().enumerate() {
        values.push(mac.clone().into());
        push(&mut sql, format_args!("facet f{i} CROSS JOIN "));
        push(&mut condition, format_args!(" AND f{i}.mac = ${}", values.len()));
        if i > 0 {
            let same = format_args!(" AND f{i}.started_at = f0.started_at AND f{i}.record = f0.record");
            push(&mut condition, same);
        }
    }
    if !macs.is_empty() {
        condition.push_str(" AND r.n = f0.record");
    }
    for (time, comparison) in [(asked.from, ">="), (asked.to, "<")] {
        if let Some(time) = time {
            values.push(time.into());
            push(&mut condition, format_args!(" AND {started_at} {comparison} ${}", values.len()));
        }
    }
    let (comparison, direction) = match asked.order {
        Order::OldestFirst => (">", "ASC"),
        Order::NewestFirst => ("<", "DESC"),
    };
    if let Some(cursor) = asked.after {
        values.extend([cursor.started_at.into(), cursor.n.into()]);
        let place = list(values.len() - 1, 2);
        push(&mut condition, format_args!(" AND ({started_at}, {n}) {comparison} ({place})"));
    }
    if !asked.kinds.is_empty() {
        let mut kinds = asked.kinds.clone();
        kinds.sort_unstable();
        kinds.dedup();
        let first = values.len() + 1;
        push(&mut condition, format_args!(" AND r.kind IN ({})", list(first, kinds.len())));
        values.extend(kinds.iter().map(|kind| Value::from(i64::from(kind.byte()))));
    }
    if let (Some(tenant), true) = (&asked.tenant, macs.is_empty()) {
        values.push(tenant.as_str().into());
        push(&mut condition, format_args!(" AND t.name = ${}", values.len()));
    }
    values.push(i64::try_from(asked.rows()).expect("a page is small").into());
    let limit = values.len();
    push(
        &mut sql,
        format_args!(
            "record r {ROW_JOINS} WHERE 1 = 1{condition} \
             ORDER BY {started_at} {direction}, {n} {direction} LIMIT ${limit}"
        ),
    );
    (sql, values)
}

fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}
