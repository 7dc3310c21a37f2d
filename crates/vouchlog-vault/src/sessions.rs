//! Listing sessions: from the rows that `lists.rs` writes of them. No record is opened.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_grading::rules;
use vouchlog_record::Facet;

use crate::access::Access;
use crate::find::{rarest_first, tenants};
use crate::keys::Tenant;
use crate::limits::{COUNTED_MATCHES, MAX_LISTED, MAX_QUERY_FACETS, MAX_SHOWN_VALUES, MAX_VALUE_BYTES};
use crate::lists::{Code, code, code_of, listing, mac};
use crate::operation::Operation;
use crate::sql::{Value, list, over_set, query};
use crate::{Result, Vault, VaultError};

/// Which sessions to list.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SessionQuery {
    /// A session must have all of them, each in one of its records or another.
    pub facets: Vec<(Facet, String)>,
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// Whose last record started at this time or later.
    pub from: Option<i64>,
    /// Whose first record started before this time.
    pub to: Option<i64>,
    /// The [cursor](SessionSummary::cursor) of the last session that was already seen.
    pub after: Option<SessionCursor>,
    /// At most this many; more than [`MAX_LISTED`] is [`MAX_LISTED`].
    pub limit: usize,
}

impl fmt::Debug for SessionQuery {
    /// Without the values searched for: they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionQuery")
            .field("facets", &self.facets.iter().map(|(facet, _)| facet.name()).collect::<Vec<_>>())
            .field("tenant", &self.tenant)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("after", &self.after)
            .field("limit", &self.limit)
            .finish()
    }
}

/// A place between two sessions. A session that gets a record moves to the front, so it may be on a page that was already seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCursor {
    last_at: i64,
    n: i64,
}

impl fmt::Display for SessionCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.last_at, self.n)
    }
}

impl FromStr for SessionCursor {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('.').map(|(last_at, n)| (last_at.parse(), n.parse()));
        match numbers {
            Some((Ok(last_at), Ok(n))) => Ok(Self { last_at, n }),
            _ => Err(VaultError::invalid("this is not a cursor: use the one of the last session")),
        }
    }
}

/// A session, by what its records contain. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSummary {
    n: i64,
    /// Whose it is.
    pub tenant: String,
    /// Its name; none if all of its records were erased.
    pub name: Option<String>,
    /// When the first of its records started.
    pub first_at: i64,
    /// When the last of them started.
    pub last_at: i64,
    /// Its records, erased ones included.
    pub records: u64,
    /// How many of these were erased.
    pub erased: u64,
    /// What its records have: people, agents, workloads, tools, models, classes of data, verdicts.
    pub values: Vec<(Facet, String)>,
    /// Whether it has more values than are shown.
    pub is_cut: bool,
    /// What rules found in its records when they were kept.
    pub findings: Vec<FoundInSession>,
}

/// What a rule found in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundInSession {
    /// The code of the rule.
    pub code: String,
    /// In how many records.
    pub records: u64,
    /// In how many of these nothing was decided about it.
    pub open: u64,
}

impl SessionSummary {
    /// The place after this session, for the next page of the same query.
    pub fn cursor(&self) -> SessionCursor {
        SessionCursor { last_at: self.last_at, n: self.n }
    }
}

impl fmt::Debug for SessionSummary {
    /// Without names.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSummary")
            .field("n", &self.n)
            .field("tenant", &self.tenant)
            .field("first_at", &self.first_at)
            .field("last_at", &self.last_at)
            .field("records", &self.records)
            .field("erased", &self.erased)
            .field("values", &self.values.len())
            .field("findings", &self.findings)
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A page of the sessions that match, those with the newest records first. A page with fewer sessions than asked for is the last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "sessions"))]
    pub async fn sessions(&self, access: &Access, asked: &SessionQuery) -> Result<Vec<SessionSummary>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(asked.tenant.as_deref())?;
                asked.check()?;
                let mut tx = self.shared.db.readers.begin().await?;
                let mut found = Vec::new();
                for tenant in tenants(&self.shared, &mut tx, tenant).await? {
                    found.extend(page(&mut tx, &tenant, asked).await?);
                }
                // The first sessions of all are among the first of each.
                found.sort_by_key(|(session, _)| std::cmp::Reverse((session.last_at, session.n)));
                found.truncate(asked.rows());
                self.fill(&mut tx, &mut found).await?;
                tx.rollback().await?;
                Ok(found.into_iter().map(|(session, _)| session).collect())
            })
            .await
    }

    /// Adds what the records of sessions have.
    async fn fill(&self, tx: &mut AnyConnection, found: &mut [(SessionSummary, Arc<Tenant>)]) -> Result<()> {
        let rows: Vec<Value> = found.iter().map(|(session, _)| session.n.into()).collect();
        let erased = "SELECT session, count(*) FROM record WHERE erasure IS NOT NULL AND session IN";
        let mut erased_of: HashMap<i64, u64> = HashMap::new();
        for row in over_set(tx, erased, rows.clone(), "GROUP BY session").await? {
            erased_of.insert(row.try_get(0)?, row.try_get::<i64, _>(1)?.unsigned_abs());
        }
        let count = "SELECT r.session, f.code, f.state, count(*) FROM record r CROSS JOIN finding f \
                     WHERE f.tenant = r.tenant AND f.state IN (0, 1, 2) AND f.started_at = r.started_at AND f.record = r.n \
                     AND r.session IN";
        let mut counted: HashMap<i64, Vec<(Code, i64, u64)>> = HashMap::new();
        for row in over_set(tx, count, rows, "GROUP BY r.session, f.code, f.state").await? {
            let count = row.try_get::<i64, _>(3)?.unsigned_abs();
            counted.entry(row.try_get(0)?).or_default().push((
                code(row.try_get(1)?)?,
                row.try_get(2)?,
                count,
            ));
        }
        let mut codes: HashMap<i64, HashMap<Code, &'static str>> = HashMap::new();
        for (session, tenant) in found {
            session.erased = erased_of.get(&session.n).copied().unwrap_or_default();
            let codes = codes.entry(tenant.id).or_insert_with(|| codes_of(tenant));
            session.findings = findings(codes, counted.remove(&session.n).unwrap_or_default());
            (session.values, session.is_cut) = self.values_of(tx, tenant, session.n).await?;
        }
        Ok(())
    }

    /// What the records of a session have, as much as is shown.
    async fn values_of(
        &self,
        tx: &mut AnyConnection,
        tenant: &Tenant,
        session: i64,
    ) -> Result<(Vec<(Facet, String)>, bool)> {
        let sql = "SELECT v.mac, v.value, s.mac, s.key FROM session_facet f JOIN facet_value v ON v.mac = f.mac \
                   LEFT JOIN subject s ON s.id = v.subject WHERE f.session = $1 AND f.shown = 1 LIMIT $2";
        let most = i64::try_from(MAX_SHOWN_VALUES).expect("few");
        let rows = sqlx::query(sql).bind(session).bind(most + 1).fetch_all(tx).await?;
        let is_cut = rows.len() > MAX_SHOWN_VALUES;
        let shown = rows.iter().take(MAX_SHOWN_VALUES).map(|row| self.open_value(tenant, row, 0));
        let mut values = shown.collect::<Result<Vec<_>>>()?;
        values.sort();
        Ok((values, is_cut))
    }

    /// Opens what a pseudonym stands for, from the columns `mac`, `value` of `facet_value` and `mac`, `key` of its `subject`, which
    /// begin at `first`.
    pub(crate) fn open_value(&self, tenant: &Tenant, row: &AnyRow, first: usize) -> Result<(Facet, String)> {
        let person = match row.try_get::<Option<&[u8]>, _>(first + 2)? {
            None => None,
            Some(mac) => Some(self.shared.keys.unwrap_subject(&tenant.name, mac, row.try_get(first + 3)?)?),
        };
        tenant.open_value(&mac(row.try_get(first)?)?, row.try_get(first + 1)?, person.as_ref())
    }
}

/// The rules by their codes in the queue.
pub(crate) fn codes_of(tenant: &Tenant) -> HashMap<Code, &'static str> {
    rules().iter().map(|rule| (code_of(&tenant.facet(Facet::Finding, rule.code)), rule.code)).collect()
}

fn findings(codes: &HashMap<Code, &'static str>, counted: Vec<(Code, i64, u64)>) -> Vec<FoundInSession> {
    let mut findings: Vec<FoundInSession> = Vec::new();
    for (given, state, count) in counted {
        // A rule of another version of the program: it is found by its code, and has no name here.
        let Some(code) = codes.get(&given) else { continue };
        let place = findings.iter().position(|found| found.code == **code).unwrap_or_else(|| {
            findings.push(FoundInSession { code: (*code).to_owned(), records: 0, open: 0 });
            findings.len() - 1
        });
        findings[place].records += count;
        findings[place].open += if state == 0 { count } else { 0 };
    }
    findings.sort_by(|a, b| a.code.cmp(&b.code));
    findings
}

impl SessionQuery {
    /// Refuses what no list of sessions is searched by.
    pub(crate) fn check(&self) -> Result<()> {
        if self.facets.len() > MAX_QUERY_FACETS {
            return Err(VaultError::invalid(format!("a query has at most {MAX_QUERY_FACETS} facets")));
        }
        for (facet, value) in &self.facets {
            if value.len() > MAX_VALUE_BYTES {
                return Err(VaultError::invalid(format!("a facet has at most {MAX_VALUE_BYTES} bytes")));
            }
            if !listing(*facet).finds_sessions && *facet != Facet::Session {
                return Err(VaultError::invalid(format!(
                    "sessions are not found by `{}`: find the record, which names its session",
                    facet.name()
                )));
            }
        }
        Ok(())
    }

    fn rows(&self) -> usize {
        self.limit.min(MAX_LISTED)
    }
}

/// A page of the sessions of one tenant.
async fn page(
    tx: &mut AnyConnection,
    tenant: &Arc<Tenant>,
    asked: &SessionQuery,
) -> Result<Vec<(SessionSummary, Arc<Tenant>)>> {
    let macs_of = |is_session: bool| {
        let facets = asked.facets.iter().filter(move |(facet, _)| (*facet == Facet::Session) == is_session);
        facets.map(|(facet, value)| tenant.facet(*facet, value).to_vec()).collect::<Vec<_>>()
    };
    let (named, mut macs) = (macs_of(true), macs_of(false));
    macs.sort();
    macs.dedup();
    let count = "SELECT count(*) FROM (SELECT 1 FROM session_facet WHERE mac = $1 LIMIT $2) AS matches";
    let Some(counted) = rarest_first(tx, macs, count).await? else { return Ok(Vec::new()) };
    let (sql, values) = select(tenant.id, asked, &named, &counted);
    let rows = query(sql, values).fetch_all(tx).await?;
    let read = |row: &AnyRow| {
        let name = match row.try_get::<Option<&[u8]>, _>(6)? {
            None => None,
            Some(sealed) => {
                let (facet, name) = tenant.open_value(&mac(row.try_get(1)?)?, sealed, None)?;
                (facet == Facet::Session).then_some(name)
            }
        };
        let session = SessionSummary {
            n: row.try_get(0)?,
            tenant: tenant.name.clone(),
            name,
            first_at: row.try_get(2)?,
            last_at: row.try_get(3)?,
            records: row.try_get::<i64, _>(4)?.unsigned_abs(),
            erased: 0,
            values: Vec::new(),
            is_cut: false,
            findings: Vec::new(),
        };
        Ok((session, Arc::clone(tenant)))
    };
    rows.iter().map(read).collect()
}

/// The statement of one page, and its values. If even the rarest pseudonym is common, sessions are walked by time until enough match;
/// otherwise the rarest one leads. CROSS JOIN keeps SQLite to the order written.
pub(crate) fn select(
    tenant: i64,
    asked: &SessionQuery,
    named: &[Vec<u8>],
    counted: &[(i64, Vec<u8>)],
) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![tenant.into()];
    let mut condition = " AND s.tenant = $1".to_owned();
    let mut bind = |value: Value| {
        values.push(value);
        values.len()
    };
    for name in named {
        condition.push_str(&format!(" AND s.mac = ${}", bind(name.clone().into())));
    }
    let leads = counted.first().is_some_and(|(matches, _)| *matches < COUNTED_MATCHES);
    let mut from = "session s".to_owned();
    for (i, (_, mac)) in counted.iter().enumerate() {
        let place = bind(mac.clone().into());
        if leads && i == 0 {
            from = "session_facet f CROSS JOIN session s".to_owned();
            condition.push_str(&format!(" AND f.mac = ${place} AND s.n = f.session"));
        } else {
            condition.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM session_facet f{i} WHERE f{i}.mac = ${place} AND f{i}.session = s.n)"
            ));
        }
    }
    if let Some(from) = asked.from {
        condition.push_str(&format!(" AND s.last_at >= ${}", bind(from.into())));
    }
    if let Some(to) = asked.to {
        condition.push_str(&format!(" AND s.first_at < ${}", bind(to.into())));
    }
    if let Some(SessionCursor { last_at, n }) = asked.after {
        let first = bind(last_at.into());
        bind(n.into());
        condition.push_str(&format!(" AND (s.last_at, s.n) < ({})", list(first, 2)));
    }
    let limit = bind(i64::try_from(asked.rows()).expect("a page is small").into());
    // The names of a page are looked up once it is known.
    let sql = format!(
        "SELECT p.n, p.mac, p.first_at, p.last_at, p.records, p.tenant, v.value FROM \
         (SELECT s.n, s.mac, s.first_at, s.last_at, s.records, s.tenant FROM {from} WHERE 1 = 1{condition} \
          ORDER BY s.last_at DESC, s.n DESC LIMIT ${limit}) AS p \
         LEFT JOIN facet_value v ON v.mac = p.mac"
    );
    (sql, values)
}
