//! Deciding about findings. The decision and the note that its record is to be made are one transaction, so that neither happens
//! without the other; the note is forgotten once the record is kept.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_record::{Facet, RecordId};

use crate::access::Access;
use crate::columns::id;
use crate::find::tenants;
use crate::findings::{FindingState, known_code};
use crate::keys::random;
use crate::limits::{MAX_BASIS_BYTES, MAX_DECIDED_AT_ONCE};
use crate::lists::code_of;
use crate::operation::Operation;
use crate::sql::{Value, map, over_set_beside};
use crate::{Result, Vault, VaultError};

/// What to decide about what one rule found in some records of one tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FindingDecision<'a> {
    /// The code of the rule.
    pub code: &'a str,
    /// The records; the rule must have found something in each.
    pub records: &'a [RecordId],
    /// What is decided.
    pub state: FindingState,
    /// The reason. The log records it, so it must not name a person.
    pub reason: &'a str,
    /// Of an accepted risk: until when, in milliseconds since 1970-01-01 UTC.
    pub until: Option<i64>,
}

/// A decision that is not on record yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingDecision {
    /// The id that its record gets.
    pub record: RecordId,
    /// The code of the rule.
    pub code: String,
    /// What was decided.
    pub state: FindingState,
    /// By whom.
    pub by: String,
    /// The reason.
    pub reason: String,
    /// Of an accepted risk: until when.
    pub until: Option<i64>,
    /// The records in which the rule found it.
    pub records: Vec<RecordId>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
}

impl FindingDecision<'_> {
    /// Refuses what cannot be decided.
    fn check(&self, now: i64) -> Result<()> {
        known_code(self.code)?;
        if self.records.is_empty() || self.records.len() > MAX_DECIDED_AT_ONCE {
            return Err(VaultError::invalid(format!(
                "decide about 1 to {MAX_DECIDED_AT_ONCE} records at a time"
            )));
        }
        let reason = self.reason;
        if reason.trim().is_empty() || reason.len() > MAX_BASIS_BYTES || reason.chars().any(char::is_control)
        {
            return Err(VaultError::invalid(format!(
                "the reason of a decision has 1 to {MAX_BASIS_BYTES} bytes, on one line"
            )));
        }
        match (self.state, self.until) {
            (_, None) => Ok(()),
            (FindingState::Accepted, Some(until)) if until > now => Ok(()),
            (FindingState::Accepted, Some(_)) => {
                Err(VaultError::invalid("a risk is accepted until a time that is still to come"))
            }
            _ => Err(VaultError::invalid("only an accepted risk has a time until which it is accepted")),
        }
    }
}

impl Vault {
    /// Decides about findings: all of them, or none. Answers the id of the record that will say so. The [recorder's
    /// `decide`](crate::Recorder::decide) makes that record, too. The caller has access to one tenant, or is
    /// [narrowed](Access::of_tenant) to one.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "decide"))]
    pub(crate) async fn decide(
        &self,
        access: &Access,
        decision: &FindingDecision<'_>,
        now: i64,
    ) -> Result<RecordId> {
        self.shared
            .named(async {
                access.allow(Operation::Review)?;
                decision.check(now)?;
                let one = || VaultError::invalid("a decision is about the records of one tenant: name it");
                let name = access.tenant().ok_or_else(one)?;
                let mut tx = self.shared.db.begin().await?;
                self.shared.keys.check(&self.shared.db.lock(&mut tx, false).await?)?;
                let tenants = tenants(&self.shared, &mut tx, Some(name)).await?;
                let first = &decision.records[0];
                let tenant = tenants.first().ok_or_else(|| VaultError::UnknownRecord(first.clone()))?;
                let code = code_of(&tenant.facet(Facet::Finding, decision.code));
                let find = "SELECT r.id, r.n, x.state FROM record r LEFT JOIN finding x \
                            ON x.code = $1 AND x.state IN (0, 1, 2) AND x.started_at = r.started_at AND x.record = r.n \
                            WHERE r.tenant = $2 AND r.id IN";
                let beside = [Value::from(code.as_slice()), tenant.id.into()];
                let ids = decision.records.iter().map(|id| id.as_str().into()).collect();
                let found = over_set_beside(&mut tx, find, &beside, ids, "").await?;
                let found: HashMap<String, (i64, Option<i64>)> =
                    map(&found, |row| Ok((row.try_get(0)?, (row.try_get(1)?, row.try_get(2)?))))?;
                let mut rows = Vec::new();
                for record in decision.records {
                    match found.get(record.as_str()) {
                        None => return Err(VaultError::UnknownRecord(record.clone())),
                        Some((_, None)) => {
                            let (code, record) = (decision.code.to_owned(), record.clone());
                            return Err(VaultError::UnknownFinding { code, record });
                        }
                        Some((n, Some(_))) => rows.push(Value::from(*n)),
                    }
                }
                let mut random_id = [0; 16];
                random(&mut random_id)?;
                let record = RecordId::from_random(random_id);
                let update = "UPDATE finding SET state = $1, decision = $2 WHERE code = $3 AND state IN (0, 1, 2) \
                              AND (started_at, record) IN (SELECT r.started_at, r.n FROM record r WHERE r.n IN";
                let beside =
                    [decision.state.number().into(), record.as_str().into(), Value::from(code.as_slice())];
                over_set_beside(&mut tx, update, &beside, rows, ")").await?;
                note(&mut tx, access, decision, (&record, now)).await?;
                self.shared.db.commit(tx).await?;
                Ok(record)
            })
            .await
    }
}

/// Notes a decision under the id of the record to be made.
async fn note(
    tx: &mut AnyConnection,
    access: &Access,
    decision: &FindingDecision<'_>,
    (record, now): (&RecordId, i64),
) -> Result<()> {
    let insert = "INSERT INTO decision_event (record, code, state, by_whom, reason, until, records, at, tenant) \
                  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let ids: Vec<&str> = decision.records.iter().map(RecordId::as_str).collect();
    let insert = sqlx::query(insert).bind(record.as_str()).bind(decision.code).bind(decision.state.number());
    let insert = insert.bind(access.name()).bind(decision.reason).bind(decision.until).bind(ids.join(" "));
    insert.bind(now).bind(access.tenant().unwrap_or_default()).execute(tx).await?;
    Ok(())
}

const PENDING: &str =
    "SELECT record, code, state, by_whom, reason, until, records, at, tenant FROM decision_event";

impl Vault {
    /// Decisions about the records of a tenant that are not on record yet, the oldest first.
    pub(crate) async fn pending_decisions(
        &self,
        access: &Access,
        tenant: &str,
    ) -> Result<Vec<PendingDecision>> {
        access.allow(Operation::Read)?;
        access.require_tenant(tenant)?;
        let sql = sqlx::AssertSqlSafe(format!("{PENDING} WHERE tenant = $1 ORDER BY at, record"));
        let rows = sqlx::query(sql).bind(tenant.to_owned()).fetch_all(&self.shared.db.readers).await?;
        rows.iter().map(read).collect()
    }

    /// A decision that is not on record yet; none if it is, or was never made.
    pub async fn pending_decision(&self, access: &Access, id: &RecordId) -> Result<Option<PendingDecision>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = sqlx::AssertSqlSafe(format!("{PENDING} WHERE record = $1"));
                let found = sqlx::query(sql).bind(id.as_str()).fetch_optional(&self.shared.db.readers);
                let Some(row) = found.await? else { return Ok(None) };
                if !access.sees(row.try_get(8)?) {
                    return Ok(None);
                }
                read(&row).map(Some)
            })
            .await
    }

    /// Forgets a decision whose record is kept.
    pub(crate) async fn decision_recorded(&self, access: &Access, record: &RecordId) -> Result<()> {
        access.allow(Operation::Submit)?;
        let mut tx = self.shared.db.begin().await?;
        let delete = sqlx::query("DELETE FROM decision_event WHERE record = $1").bind(record.as_str());
        delete.execute(&mut *tx).await?;
        self.shared.db.commit(tx).await
    }
}

fn read(row: &AnyRow) -> Result<PendingDecision> {
    let records: &str = row.try_get(6)?;
    Ok(PendingDecision {
        record: id(row.try_get(0)?)?,
        code: row.try_get(1)?,
        state: FindingState::of_number(row.try_get(2)?)?,
        by: row.try_get(3)?,
        reason: row.try_get(4)?,
        until: row.try_get(5)?,
        records: records.split(' ').map(id).collect::<Result<_>>()?,
        at: row.try_get(7)?,
    })
}
