//! The queue of findings: what rules found in records when these were kept, and what was decided about it.

use std::collections::HashMap;
use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;
use std::sync::Arc;

use sqlx::{AnyConnection, Row as _};
use vouchlog_grading::rule;
use vouchlog_record::{Facet, RecordId};

use crate::access::Access;
use crate::columns::id;
use crate::facet_sets::alternatives;
use crate::find::{rarest_first, tenants};
use crate::keys::Tenant;
use crate::limits::{MAX_LISTED, MAX_QUERY_FACETS, MAX_VALUE_BYTES};
use crate::lists::{Code, code, code_of};
use crate::operation::Operation;
use crate::read::{ROW, ROW_COLUMNS, ROW_JOINS, read_row};
use crate::sessions::codes_of;
use crate::sql::{Value, list, over_set, query};
use crate::{Result, Row, Vault, VaultError};

/// What was decided about a finding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FindingState {
    /// Nothing, or it was opened again.
    #[default]
    Open,
    /// The cause is known and stated.
    Explained,
    /// The risk is accepted.
    Accepted,
}

impl FindingState {
    /// As the database has it.
    pub(crate) const fn number(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Explained => 1,
            Self::Accepted => 2,
        }
    }

    /// Reads [`number`](Self::number) back.
    pub(crate) fn of_number(number: i64) -> Result<Self> {
        match number {
            0 => Ok(Self::Open),
            1 => Ok(Self::Explained),
            2 => Ok(Self::Accepted),
            _ => Err(VaultError::damaged("the state of a finding is malformed")),
        }
    }
}

/// Which findings to list.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct FindingQuery {
    /// In this state.
    pub state: FindingState,
    /// Of these rules only, by code; none is all.
    pub codes: Vec<String>,
    /// In records that have all of these.
    pub facets: Vec<(Facet, String)>,
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// In records that started at this time or later.
    pub from: Option<i64>,
    /// In records that started before this time.
    pub to: Option<i64>,
    /// The [cursor](FoundFinding::cursor) of the last finding that was already seen.
    pub after: Option<FindingCursor>,
    /// At most this many; more than [`MAX_LISTED`] is [`MAX_LISTED`].
    pub limit: usize,
}

impl fmt::Debug for FindingQuery {
    /// Without the values searched for: they name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindingQuery")
            .field("state", &self.state)
            .field("codes", &self.codes)
            .field("facets", &self.facets.iter().map(|(facet, _)| facet.name()).collect::<Vec<_>>())
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

/// A place between two findings. It stays where it is while findings are decided about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingCursor {
    started_at: i64,
    n: i64,
    code: String,
}

impl fmt::Display for FindingCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.started_at, self.n, self.code)
    }
}

impl FromStr for FindingCursor {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok());
        let numbers = (number(), number());
        match (numbers, parts.next().and_then(rule)) {
            ((Some(started_at), Some(n)), Some(rule)) => {
                Ok(Self { started_at, n, code: rule.code.to_owned() })
            }
            _ => Err(VaultError::invalid("this is not a cursor: use the one of the last finding")),
        }
    }
}

/// A finding of a rule in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFinding {
    /// The record.
    pub row: Row,
    /// The code of the rule.
    pub code: String,
    /// What was decided.
    pub state: FindingState,
    /// The record of the decision; none if there was none.
    pub decision: Option<RecordId>,
}

impl FoundFinding {
    /// The place after this finding, for the next page of the same query.
    pub fn cursor(&self) -> FindingCursor {
        FindingCursor { started_at: self.row.started_at, n: self.row.n, code: self.code.clone() }
    }

    /// The newest record first; of one record, by code.
    fn order(&self) -> (std::cmp::Reverse<(i64, i64)>, &str) {
        (std::cmp::Reverse((self.row.started_at, self.row.n)), &self.code)
    }
}

/// How many findings a rule has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CountedFindings {
    /// The code of the rule.
    pub code: String,
    /// That are open.
    pub open: u64,
    /// That are explained.
    pub explained: u64,
    /// That are accepted.
    pub accepted: u64,
}

impl Vault {
    /// A page of findings, the newest records first. A page with fewer findings than asked for is the last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "findings"))]
    pub async fn findings(&self, access: &Access, asked: &FindingQuery) -> Result<Vec<FoundFinding>> {
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
                tx.rollback().await?;
                found.sort_by(|a, b| a.order().cmp(&b.order()));
                found.truncate(asked.rows());
                Ok(found)
            })
            .await
    }

    /// How many findings there are of each rule that has any, by code.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "count_findings"))]
    pub async fn count_findings(
        &self,
        access: &Access,
        tenant: Option<&str>,
    ) -> Result<Vec<CountedFindings>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(tenant)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let mut counted: Vec<CountedFindings> = Vec::new();
                for tenant in tenants(&self.shared, &mut connection, tenant).await? {
                    let codes = codes_of(&tenant);
                    let macs = codes.keys().map(|mac| mac.as_slice().into()).collect();
                    let count = "SELECT code, state, count(*) FROM finding WHERE code IN";
                    for row in over_set(&mut connection, count, macs, "GROUP BY code, state").await? {
                        let Some(code) = codes.get(&code(row.try_get(0)?)?) else { continue };
                        let state = FindingState::of_number(row.try_get(1)?)?;
                        add(&mut counted, code, state, row.try_get::<i64, _>(2)?.unsigned_abs());
                    }
                }
                counted.sort_by(|a, b| a.code.cmp(&b.code));
                Ok(counted)
            })
            .await
    }
}

fn add(counted: &mut Vec<CountedFindings>, code: &str, state: FindingState, count: u64) {
    let place = counted.iter().position(|counted| counted.code == code).unwrap_or_else(|| {
        counted.push(CountedFindings { code: code.to_owned(), open: 0, explained: 0, accepted: 0 });
        counted.len() - 1
    });
    let of_rule = &mut counted[place];
    match state {
        FindingState::Open => of_rule.open += count,
        FindingState::Explained => of_rule.explained += count,
        FindingState::Accepted => of_rule.accepted += count,
    }
}

/// The code of a rule that there is.
pub(crate) fn known_code(code: &str) -> Result<&'static str> {
    rule(code).map(|rule| rule.code).ok_or_else(|| VaultError::invalid("there is no rule of this code"))
}

impl FindingQuery {
    fn check(&self) -> Result<()> {
        if self.facets.len() > MAX_QUERY_FACETS {
            return Err(VaultError::invalid(format!("a query has at most {MAX_QUERY_FACETS} facets")));
        }
        if self.facets.iter().any(|(_, value)| value.len() > MAX_VALUE_BYTES) {
            return Err(VaultError::invalid(format!("a facet has at most {MAX_VALUE_BYTES} bytes")));
        }
        self.codes.iter().try_for_each(|code| known_code(code).map(drop))
    }

    fn rows(&self) -> usize {
        self.limit.min(MAX_LISTED)
    }
}

/// A page of the findings of one tenant.
async fn page(
    tx: &mut AnyConnection,
    tenant: &Arc<Tenant>,
    asked: &FindingQuery,
) -> Result<Vec<FoundFinding>> {
    let mut found = Vec::new();
    for macs in alternatives(tx, tenant, &asked.facets).await? {
        let count = "SELECT count(*) FROM (SELECT 1 FROM facet WHERE mac = $1 LIMIT $2) AS matches";
        if let Some(counted) = rarest_first(tx, macs, count).await? {
            let macs: Vec<Vec<u8>> = counted.into_iter().map(|(_, mac)| mac).collect();
            found.extend(page_of(tx, tenant, asked, &macs).await?);
        }
    }
    Ok(found)
}

/// The same of the records that have these pseudonyms.
async fn page_of(
    tx: &mut AnyConnection,
    tenant: &Tenant,
    asked: &FindingQuery,
    macs: &[Vec<u8>],
) -> Result<Vec<FoundFinding>> {
    let codes = codes_of(tenant);
    let mut asked_codes: Vec<&str> = asked.codes.iter().map(String::as_str).collect();
    asked_codes.sort_unstable();
    asked_codes.dedup();
    // Of one rule after the other, each in the order of its index; of all rules, in the order of the queue.
    let one_by_one: Vec<Option<&str>> = match asked_codes.is_empty() {
        true => vec![None],
        false => asked_codes.into_iter().map(Some).collect(),
    };
    let mut found = Vec::new();
    for code in one_by_one {
        let code = code.map(|code| code_of(&tenant.facet(Facet::Finding, code)));
        let (sql, values) = select(tenant.id, asked, code, macs);
        let rows = query(sql, values).fetch_all(&mut *tx).await?;
        let read = rows.iter().map(|row| read(&codes, row)).collect::<Result<Vec<_>>>()?;
        let is_new = |finding: &FoundFinding| {
            let Some(after) = &asked.after else { return true };
            let at = (finding.row.started_at, finding.row.n);
            at != (after.started_at, after.n) || finding.code > after.code
        };
        found.extend(read.into_iter().flatten().filter(is_new));
    }
    Ok(found)
}

/// Rows beyond a page: the database has the findings of one record in no order of ours, so a statement begins with all of the record
/// at the cursor, and may end within another record. There are fewer than 100 rules.
const OVERLAP: usize = 200;

/// Reads a row of [`select`]; none of a rule of another version of the program.
fn read(codes: &HashMap<Code, &'static str>, row: &sqlx::any::AnyRow) -> Result<Option<FoundFinding>> {
    let Some(code) = codes.get(&code(row.try_get(ROW_COLUMNS)?)?) else { return Ok(None) };
    Ok(Some(FoundFinding {
        row: read_row(row)?,
        code: (*code).to_owned(),
        state: FindingState::of_number(row.try_get(ROW_COLUMNS + 1)?)?,
        decision: row.try_get::<Option<&str>, _>(ROW_COLUMNS + 2)?.map(id).transpose()?,
    }))
}

/// The statement of one page, and its values. See [`OVERLAP`].
pub(crate) fn select(
    tenant: i64,
    asked: &FindingQuery,
    code: Option<Code>,
    macs: &[Vec<u8>],
) -> (String, Vec<Value>) {
    let mut values: Vec<Value> = vec![asked.state.number().into()];
    let mut bind = |value: Value| {
        values.push(value);
        values.len()
    };
    let (mut from, mut condition) = (String::new(), " WHERE x.state = $1".to_owned());
    for (i, mac) in macs.iter().enumerate() {
        push(&mut from, format_args!("facet f{i} CROSS JOIN "));
        push(&mut condition, format_args!(" AND f{i}.mac = ${}", bind(mac.clone().into())));
        let same = match i {
            0 => " AND x.started_at = f0.started_at AND x.record = f0.record".to_owned(),
            _ => format!(" AND f{i}.started_at = f0.started_at AND f{i}.record = f0.record"),
        };
        condition.push_str(&same);
    }
    // The pseudonym of a rule is of one tenant, too: so its own key leads.
    match code {
        Some(code) => push(&mut condition, format_args!(" AND x.code = ${}", bind(code.as_slice().into()))),
        None => push(&mut condition, format_args!(" AND x.tenant = ${}", bind(tenant.into()))),
    }
    let (started_at, record) = match macs.is_empty() {
        true => ("x.started_at", "x.record"),
        false => ("f0.started_at", "f0.record"),
    };
    for (time, comparison) in [(asked.from, ">="), (asked.to, "<")] {
        if let Some(time) = time {
            push(&mut condition, format_args!(" AND {started_at} {comparison} ${}", bind(time.into())));
        }
    }
    if let Some(after) = &asked.after {
        let first = bind(after.started_at.into());
        bind(after.n.into());
        push(&mut condition, format_args!(" AND ({started_at}, {record}) <= ({})", list(first, 2)));
    }
    let limit = bind(i64::try_from(asked.rows() + OVERLAP).expect("a page is small").into());
    let sql = format!(
        "SELECT {ROW}, p.code, p.state, p.decision FROM \
         (SELECT x.record AS found, x.started_at AS begun, x.code, x.state, x.decision FROM {from}finding x{condition} \
          ORDER BY {started_at} DESC, {record} DESC LIMIT ${limit}) AS p \
         JOIN record r ON r.n = p.found {ROW_JOINS} ORDER BY p.begun DESC, p.found DESC"
    );
    (sql, values)
}

fn push(text: &mut String, more: fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}
