//! Cases: sessions, holds, notes and disclosures under one name. A case is its records, in the log like any other; the table has what a
//! list shows and what keeps two changes apart. A change and the note that its record is to be made are one transaction, so that neither
//! happens without the other; the note is forgotten once the record is kept.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_record::{Facet, RecordId};
use vouchlog_stream::StatementKind;

use crate::access::Access;
use crate::columns::id;
use crate::find::{one_tenant, tenants};
use crate::keys::{Tenant, random};
use crate::limits::{MAX_BASIS_BYTES, MAX_CASE_ENTRIES, MAX_LISTED};
use crate::lists::mac;
use crate::operation::Operation;
use crate::query::Query;
use crate::record::check_name;
use crate::sql::{Value, list};
use crate::{Result, Vault, VaultError, sql};

/// Whether a case takes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseState {
    /// It does.
    Open,
    /// It was closed.
    Closed,
}

/// Something that is added to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaseItem {
    /// A session, by name.
    Session(String),
    /// A legal hold, by name.
    Hold(String),
    /// The record of a disclosure: what was exported.
    Disclosure(RecordId),
}

/// What is done to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CaseStep {
    /// It is opened, with this owner.
    Opened(String),
    /// Something is added.
    Added(CaseItem),
    /// A note is written.
    Noted,
    /// It is closed.
    Closed,
}

/// What to do to a case of one tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseChange<'a> {
    /// The name of the case. The log records it, so it must not name a person.
    pub case: &'a str,
    /// What is done.
    pub done: CaseStep,
    /// The reason, or the note. The log records it, so it must not name a person.
    pub text: &'a str,
}

/// Something that was done to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseEntry {
    /// The case.
    pub case: String,
    /// What was done.
    pub done: CaseStep,
    /// By whom.
    pub by: String,
    /// The reason, or the note.
    pub text: String,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

/// A case as a list shows it. Times are milliseconds since 1970-01-01 UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseSummary {
    n: i64,
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub tenant: String,
    /// The person or team that it is with.
    pub owner: String,
    /// Whether it takes more.
    pub state: CaseState,
    /// When it was opened.
    pub opened_at: i64,
    /// When something was last done.
    pub changed_at: i64,
    /// Its records.
    pub entries: u64,
}

/// Which cases to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseQuery {
    /// Of this tenant only.
    pub tenant: Option<String>,
    /// In this state only.
    pub state: Option<CaseState>,
    /// Only those to which a session of this name was added.
    pub session: Option<String>,
    /// The [cursor](CaseSummary::cursor) of the last one that was already seen.
    pub after: Option<CaseCursor>,
    /// At most this many; more than [`MAX_LISTED`] is [`MAX_LISTED`].
    pub limit: usize,
}

/// A place between two cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseCursor {
    changed_at: i64,
    n: i64,
}

impl fmt::Display for CaseCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.changed_at, self.n)
    }
}

impl FromStr for CaseCursor {
    type Err = VaultError;

    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('.').and_then(|(changed_at, n)| {
            Some(Self { changed_at: changed_at.parse().ok()?, n: n.parse().ok()? })
        });
        parsed.ok_or_else(|| VaultError::invalid("this is not a cursor: use the one of the last case"))
    }
}

impl CaseSummary {
    /// The place after this case, for the next page of the same query.
    pub fn cursor(&self) -> CaseCursor {
        CaseCursor { changed_at: self.changed_at, n: self.n }
    }
}

impl CaseState {
    const fn number(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Closed => 1,
        }
    }

    fn of_number(number: i64) -> Result<Self> {
        match number {
            0 => Ok(Self::Open),
            1 => Ok(Self::Closed),
            _ => Err(VaultError::damaged("a case is in no known state")),
        }
    }
}

impl CaseChange<'_> {
    /// Refuses what cannot be put on record.
    fn check(&self) -> Result<()> {
        check_name("a case", self.case)?;
        if let CaseStep::Opened(owner) = &self.done {
            check_name("the owner of a case", owner)?;
        }
        let text = self.text;
        if text.trim().is_empty() || text.len() > MAX_BASIS_BYTES || text.chars().any(char::is_control) {
            return Err(VaultError::invalid(format!(
                "the reason or note of a case has 1 to {MAX_BASIS_BYTES} bytes, on one line"
            )));
        }
        Ok(())
    }
}

impl Vault {
    /// Does something to a case. Answers the id of the record that will state so. The [recorder's
    /// `change_case`](crate::Recorder::change_case) makes that record, too. The caller has access to one tenant, or is
    /// [narrowed](Access::of_tenant) to one.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "change_case"))]
    pub(crate) async fn change_case(
        &self,
        access: &Access,
        change: &CaseChange<'_>,
        now: i64,
    ) -> Result<RecordId> {
        access.allow(Operation::Review)?;
        change.check()?;
        let one = || VaultError::invalid("a case is of one tenant: name it");
        let name = access.tenant().ok_or_else(one)?;
        if let CaseStep::Added(item) = &change.done {
            self.require_item(access, item).await?;
        }
        self.shared
            .named(async {
                let mut tx = self.shared.db.begin().await?;
                self.shared.keys.check(&self.shared.db.lock(&mut tx, true).await?)?;
                let tenant = one_tenant(&self.shared, &mut tx, name).await?;
                apply(&mut tx, &tenant, change, now).await?;
                let record = note(&mut tx, &tenant, access, (change, now)).await?;
                self.shared.db.commit(tx).await?;
                Ok(record)
            })
            .await
    }

    /// Refuses what the tenant does not have: a misspelled name must not look like evidence.
    async fn require_item(&self, access: &Access, item: &CaseItem) -> Result<()> {
        access.allow(Operation::Read)?;
        match item {
            CaseItem::Session(session) => {
                let facets = vec![(Facet::Session, session.clone())];
                let query = Query { facets, limit: 1, ..Query::default() };
                if self.find(access, &query).await?.is_empty() {
                    return Err(VaultError::invalid("the vault has no record of this session"));
                }
            }
            CaseItem::Hold(hold) => {
                if !self.holds(access).await?.iter().any(|known| known.name == *hold) {
                    return Err(VaultError::UnknownHold(hold.clone()));
                }
            }
            CaseItem::Disclosure(record) => {
                if self.row(access, record).await?.kind != StatementKind::Disclosure {
                    return Err(VaultError::invalid("this record is not that of a disclosure"));
                }
            }
        }
        Ok(())
    }

    /// The cases that the caller has access to, those first to which something was done last.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "cases"))]
    pub async fn cases(&self, access: &Access, query: &CaseQuery) -> Result<Vec<CaseSummary>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(query.tenant.as_deref())?.unwrap_or_default();
                let (from, to) = query.state.map_or((0, 1), |state| (state.number(), state.number()));
                let place = query.after.unwrap_or(CaseCursor { changed_at: i64::MAX, n: i64::MAX });
                let limit = i64::try_from(query.limit.min(MAX_LISTED)).unwrap_or(i64::MAX);
                let mut connection = self.shared.db.readers.acquire().await?;
                let mut values: Vec<Value> = vec![tenant.into(), from.into(), to.into()];
                values.extend([place.changed_at.into(), place.n.into(), limit.into()]);
                let mut of_session = String::new();
                if let Some(session) = &query.session {
                    let asked = Some(tenant).filter(|tenant| !tenant.is_empty());
                    let tenants = tenants(&self.shared, &mut connection, asked).await?;
                    if tenants.is_empty() {
                        return Ok(Vec::new());
                    }
                    let sessions = list(values.len() + 1, tenants.len());
                    of_session =
                        format!("AND c.n IN (SELECT s.n FROM case_session s WHERE s.mac IN ({sessions}))");
                    let macs = tenants.iter().map(|tenant| tenant.facet(Facet::Session, session));
                    values.extend(macs.map(|mac| Value::from(mac.as_slice())));
                }
                let sql = format!(
                    "{CASE} WHERE ($1 = '' OR t.name = $1) AND c.state >= $2 AND c.state <= $3 \
                     AND (c.changed_at, c.n) < ($4, $5) {of_session} ORDER BY c.changed_at DESC, c.n DESC LIMIT $6"
                );
                let rows = sql::query(sql, values).fetch_all(&mut *connection).await?;
                rows.iter().map(summary).collect()
            })
            .await
    }

    /// The cases of a name: one at most, for a caller of one tenant.
    pub async fn case(&self, access: &Access, tenant: Option<&str>, name: &str) -> Result<Vec<CaseSummary>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let tenant = access.tenant_within(tenant)?.unwrap_or_default();
                let sql = sqlx::AssertSqlSafe(format!(
                    "{CASE} WHERE ($1 = '' OR t.name = $1) AND c.name = $2 ORDER BY c.n"
                ));
                let rows =
                    sqlx::query(sql).bind(tenant).bind(name).fetch_all(&self.shared.db.readers).await?;
                rows.iter().map(summary).collect()
            })
            .await
    }

    /// What was done to the cases of a tenant and is not on record yet, the oldest first, with the ids that the records get.
    pub async fn pending_case_entries(
        &self,
        access: &Access,
        tenant: &str,
    ) -> Result<Vec<(RecordId, CaseEntry)>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                access.require_tenant(tenant)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let tenants = tenants(&self.shared, &mut connection, Some(tenant)).await?;
                let Some(tenant) = tenants.first() else { return Ok(Vec::new()) };
                let sql = "SELECT record, mac, event FROM case_event WHERE tenant = $1 ORDER BY at, record";
                let rows = sqlx::query(sql).bind(tenant.id).fetch_all(&mut *connection).await?;
                rows.iter().map(|row| entry(tenant, row)).collect()
            })
            .await
    }

    /// Forgets what has its record.
    pub(crate) async fn case_recorded(&self, access: &Access, record: &RecordId) -> Result<()> {
        access.allow(Operation::Submit)?;
        let mut tx = self.shared.db.begin().await?;
        let delete = sqlx::query("DELETE FROM case_event WHERE record = $1").bind(record.as_str());
        delete.execute(&mut *tx).await?;
        self.shared.db.commit(tx).await
    }
}

const CASE: &str = "SELECT c.n, c.name, t.name, c.owner, c.state, c.opened_at, c.changed_at, c.entries \
                    FROM review_case c JOIN tenant t ON t.id = c.tenant";

/// Changes what lists show of the case. The caller has the lock on the vault.
async fn apply(tx: &mut AnyConnection, tenant: &Tenant, change: &CaseChange<'_>, now: i64) -> Result<()> {
    let find = "SELECT n, state, entries FROM review_case WHERE tenant = $1 AND name = $2";
    let found = sqlx::query(find).bind(tenant.id).bind(change.case).fetch_optional(&mut *tx).await?;
    if let CaseStep::Opened(owner) = &change.done {
        if found.is_some() {
            return Err(VaultError::CaseExists(change.case.to_owned()));
        }
        let insert = "INSERT INTO review_case (tenant, name, owner, state, opened_at, changed_at, entries) \
                      VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let insert = sqlx::query(insert).bind(tenant.id).bind(change.case).bind(owner.as_str());
        let insert = insert.bind(CaseState::Open.number()).bind(now).bind(now).bind(1_i64);
        insert.execute(tx).await?;
        return Ok(());
    }
    let row = found.ok_or_else(|| VaultError::UnknownCase(change.case.to_owned()))?;
    let (n, state, entries): (i64, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
    if CaseState::of_number(state)? == CaseState::Closed {
        return Err(VaultError::CaseClosed(change.case.to_owned()));
    }
    let is_full = usize::try_from(entries).is_ok_and(|entries| entries >= MAX_CASE_ENTRIES - 1);
    let is_closing = change.done == CaseStep::Closed;
    if is_full && !is_closing {
        return Err(VaultError::invalid(format!(
            "a case has at most {MAX_CASE_ENTRIES} records: close it, and open another one"
        )));
    }
    let state = if is_closing { CaseState::Closed } else { CaseState::Open };
    let update = "UPDATE review_case SET state = $1, changed_at = $2, entries = entries + 1 WHERE n = $3";
    sqlx::query(update).bind(state.number()).bind(now).bind(n).execute(&mut *tx).await?;
    if let CaseStep::Added(CaseItem::Session(session)) = &change.done {
        let insert = "INSERT INTO case_session (mac, n) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        let mac = tenant.facet(Facet::Session, session);
        sqlx::query(insert).bind(mac.to_vec()).bind(n).execute(tx).await?;
    }
    Ok(())
}

/// Notes what was done under the id of the record to be made, sealed: it may name a session.
async fn note(
    tx: &mut AnyConnection,
    tenant: &Tenant,
    access: &Access,
    (change, now): (&CaseChange<'_>, i64),
) -> Result<RecordId> {
    let mut random_id = [0; 16];
    random(&mut random_id)?;
    let record = RecordId::from_random(random_id);
    let entry = CaseEntry {
        case: change.case.to_owned(),
        done: change.done.clone(),
        by: access.name().to_owned(),
        text: change.text.to_owned(),
        at: now,
    };
    let entry = serde_json::to_string(&entry).expect("it is made of texts and numbers");
    let mac = tenant.facet(Facet::Case, record.as_str());
    let sealed = tenant.seal_value(&mac, Facet::Case, &entry, None)?;
    let insert = "INSERT INTO case_event (record, tenant, mac, at, event) VALUES ($1, $2, $3, $4, $5)";
    let insert = sqlx::query(insert).bind(record.as_str().to_owned()).bind(tenant.id).bind(mac.to_vec());
    insert.bind(now).bind(sealed).execute(tx).await?;
    Ok(record)
}

fn entry(tenant: &Tenant, row: &AnyRow) -> Result<(RecordId, CaseEntry)> {
    let (pseudonym, sealed): (Vec<u8>, Vec<u8>) = (row.try_get(1)?, row.try_get(2)?);
    let (_, entry) = tenant.open_value(&mac(&pseudonym)?, &sealed, None)?;
    let changed = |_| VaultError::damaged("what was done to a case cannot be read");
    Ok((id(row.try_get(0)?)?, serde_json::from_str(&entry).map_err(changed)?))
}

fn summary(row: &AnyRow) -> Result<CaseSummary> {
    Ok(CaseSummary {
        n: row.try_get(0)?,
        name: row.try_get(1)?,
        tenant: row.try_get(2)?,
        owner: row.try_get(3)?,
        state: CaseState::of_number(row.try_get(4)?)?,
        opened_at: row.try_get(5)?,
        changed_at: row.try_get(6)?,
        entries: row.try_get::<i64, _>(7)?.unsigned_abs(),
    })
}
