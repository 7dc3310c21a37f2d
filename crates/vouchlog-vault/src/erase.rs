//! Erasing records for good, in steps of which each is durable, so that a crash leaves an erasure pending and never forgotten:
//!
//! ```text
//! plan    what would go, and what must stay (nothing changes)
//! begin   the records are marked: from now on they cannot be read
//!         (here the caller puts the erasure on record and logs it)
//! finish  wrapped keys, ciphertexts, personal facets and persons nobody needs any more are deleted;
//!         on SQLite the log and the unused pages too; then objects, whose names are noted until they are removed
//! ```
//!
//! What stays is the tombstone: id, digest, signed statement, proof, place, facets that name no person. On PostgreSQL the destroyed
//! key is what erases: old row versions go with `VACUUM`, archives, replicas and backups when their operator lets them. No vault
//! reaches into a backup; see [`Vault::rewrap`] for how to make old ones unreadable.

use std::collections::HashSet;
use std::fmt;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_record::{Facet, RecordId};

use crate::access::Access;
use crate::columns::id;
use crate::duties::KeptUntil;
use crate::find::tenants;
use crate::limits::{MAX_BASIS_BYTES, MAX_ERASED_AT_ONCE, MAX_VALUE_BYTES};
use crate::lists;
use crate::operation::Operation;
use crate::refusal::{Refusal, Why};
use crate::roster::Roster;
use crate::sql::{Value, over_set};
use crate::{Result, Vault, VaultError, object_removals, saved_searches};

/// What to erase.
#[derive(Clone, PartialEq, Eq)]
pub enum Scope {
    /// One record.
    Record(RecordId),
    /// Every record of a person.
    Subject {
        /// As this tenant knows the person; none is every tenant.
        tenant: Option<String>,
        /// The person: `iss|sub`, or `sub` alone for whoever has it at any issuer, in any Unicode form.
        subject: String,
    },
    /// Records that are [`due`](Vault::due).
    Retention(Vec<RecordId>),
}

impl Scope {
    /// What the tombstones say of it: `record`, `subject` or `retention`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::Subject { .. } => "subject",
            Self::Retention(_) => "retention",
        }
    }
}

impl fmt::Debug for Scope {
    /// Without the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an erasure would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasurePlan {
    /// The scope's [`name`](Scope::name).
    pub scope: &'static str,
    /// The records that would be erased, in the order they were kept.
    pub records: Vec<RecordId>,
    /// The records that must stay, and why. The refusal belongs on record too.
    pub refusals: Vec<Refusal>,
    /// Whether there are more records than [`MAX_ERASED_AT_ONCE`]: plan again after this one.
    pub more: bool,
}

/// An erasure that was begun and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingErasure {
    /// The record that says so: what to give to [`Vault::finish_erasure`].
    pub erasure_record: RecordId,
    /// The scope's [`name`](Scope::name).
    pub scope: String,
    /// Why it is lawful.
    pub basis: String,
    /// When it was begun, in milliseconds since 1970-01-01 UTC.
    pub begun_at: i64,
    /// The records that go.
    pub records: Vec<RecordId>,
}

impl Vault {
    /// What erasing `scope` would do at the time `now`. Records that were erased are not in the plan.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "plan_erasure"))]
    pub async fn plan_erasure(&self, access: &Access, scope: &Scope, now: i64) -> Result<ErasurePlan> {
        self.shared
            .named(async {
                access.allow(Operation::Erase)?;
                let mut tx = self.shared.db.readers.begin().await?;
                let mut found = match scope {
                    Scope::Record(id) => in_scope(access, &mut tx, std::slice::from_ref(id)).await?,
                    Scope::Retention(ids) => in_scope(access, &mut tx, ids).await?,
                    Scope::Subject { tenant, subject } => {
                        tenant.as_deref().map_or(Ok(()), |tenant| access.require_tenant(tenant))?;
                        let tenant = tenant.as_deref().or(access.tenant());
                        self.of_subject(&mut tx, tenant, subject).await?
                    }
                };
                found.sort_by_key(|candidate| candidate.n);
                let more = found.len() > MAX_ERASED_AT_ONCE;
                found.truncate(MAX_ERASED_AT_ONCE);
                self.check_duties(&mut tx, &mut found).await?;
                tx.rollback().await?;
                let (mut records, mut refusals) = (Vec::new(), Vec::new());
                for candidate in found {
                    match candidate.refusal(now) {
                        None => records.push(candidate.record),
                        Some(why) => refusals.push(Refusal { record: candidate.record, why }),
                    }
                }
                Ok(ErasurePlan { scope: scope.name(), records, refusals, more })
            })
            .await
    }

    /// Marks the plan's records: from now on they cannot be read. `basis` says why that is lawful, `erasure_record` is the id of the
    /// record that will say so. A hold placed since the plan was made refuses it as a whole. Again with the same id is fine.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "begin_erasure"))]
    pub async fn begin_erasure(
        &self,
        access: &Access,
        plan: &ErasurePlan,
        basis: &str,
        erasure_record: &RecordId,
        now: i64,
    ) -> Result<()> {
        self.shared.named(async {
            access.allow(Operation::Erase)?;
            if basis.is_empty() || basis.len() > MAX_BASIS_BYTES || basis.chars().any(char::is_control) {
                return Err(VaultError::invalid(format!(
                    "a legal basis has 1 to {MAX_BASIS_BYTES} bytes, on one line"
                )));
            }
            let mut tx = self.shared.db.begin().await?;
            self.shared.db.lock(&mut tx, true).await?;
            if erasure(&mut tx, erasure_record).await?.is_some() {
                return Ok(());
            }
            let mut found = in_scope(access, &mut tx, &plan.records).await?;
            self.check_duties(&mut tx, &mut found).await?;
            let refused = |candidate: &Candidate| {
                let why = candidate.refusal(now)?;
                Some(Refusal { record: candidate.record.clone(), why })
            };
            let refusals: Vec<Refusal> = found.iter().filter_map(refused).collect();
            if !refusals.is_empty() {
                return Err(VaultError::Refused(refusals));
            }
            if found.is_empty() {
                return Err(VaultError::NothingToErase);
            }
            let insert =
                "INSERT INTO erasure (record, scope, basis, begun_at) VALUES ($1, $2, $3, $4) RETURNING n";
            let insert = sqlx::query(insert).bind(erasure_record.as_str()).bind(plan.scope).bind(basis).bind(now);
            let n: i64 = insert.fetch_one(&mut *tx).await?.try_get(0)?;
            let rows = found.iter().map(|candidate| candidate.n.into()).collect();
            // `n` is a number of ours: the set takes the placeholders.
            over_set(&mut tx, &format!("UPDATE record SET erasure = {n} WHERE n IN"), rows, "").await?;
            // Lists show nothing more of them, also if this is as far as it comes.
            lists::forget_values(&mut tx, n).await?;
            saved_searches::forget(&mut tx, n).await?;
            self.shared.db.commit(tx).await
        }).await
    }

    /// Destroys what [`begin_erasure`](Self::begin_erasure) marked; how many records that were. What was destroyed stays so if this
    /// is cut short: run it again until it succeeds. Again after that is fine.
    ///
    /// SQLite: nothing of it is in any file afterwards. In a file of more than 256 MiB, which is not rewritten for each erasure, a
    /// stray pseudonym or wrapped key may stay in an unused part of a page until [`compact`](Self::compact).
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "finish_erasure"))]
    pub async fn finish_erasure(&self, access: &Access, erasure_record: &RecordId, now: i64) -> Result<u64> {
        self.shared
            .named(async {
                access.allow(Operation::Erase)?;
                let db = &self.shared.db;
                let mut tx = db.begin().await?;
                db.lock(&mut tx, true).await?;
                let unknown = || VaultError::UnknownErasure(erasure_record.clone());
                let (n, finished) = erasure(&mut tx, erasure_record).await?.ok_or_else(unknown)?;
                if !is_own(access, &mut tx, n).await? {
                    return Err(unknown());
                }
                if !finished {
                    object_removals::note_erased(&mut tx, n, now).await?;
                    destroy(&mut tx, n).await?;
                }
                let count = "SELECT count(*) FROM record WHERE erasure = $1";
                let records: i64 = sqlx::query(count).bind(n).fetch_one(&mut *tx).await?.try_get(0)?;
                db.commit(tx).await?;
                self.shared.keys.forget_subjects();
                if !finished {
                    db.scrub(db.rewrites()).await?;
                    let mut tx = db.begin().await?;
                    let update =
                        sqlx::query("UPDATE erasure SET finished_at = $1 WHERE n = $2").bind(now).bind(n);
                    update.execute(&mut *tx).await?;
                    db.commit(tx).await?;
                }
                // Their keys are destroyed, so objects that cannot be removed now may wait.
                if let Err(error) = Box::pin(self.remove_objects(erasure_record)).await {
                    tracing::warn!(%error, "objects of erased records are not removed yet; this is tried again");
                }
                Ok(records.unsigned_abs())
            })
            .await
    }

    /// Erasures that were begun and not finished, the oldest first. After a start: put them on record if they are not, and finish
    /// them.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "pending_erasures"))]
    pub async fn pending_erasures(&self, access: &Access) -> Result<Vec<PendingErasure>> {
        self.shared.named(async {
            access.allow(Operation::Read)?;
            let mut tx = self.shared.db.readers.begin().await?;
            let sql =
                "SELECT n, record, scope, basis, begun_at FROM erasure WHERE finished_at IS NULL ORDER BY n";
            let mut pending = Vec::new();
            for row in sqlx::query(sql).fetch_all(&mut *tx).await? {
                if !is_own(access, &mut tx, row.try_get(0)?).await? {
                    continue;
                }
                let marked = sqlx::query("SELECT id FROM record WHERE erasure = $1 ORDER BY n");
                let marked = marked.bind(row.try_get::<i64, _>(0)?).fetch_all(&mut *tx).await?;
                pending.push(PendingErasure {
                    erasure_record: id(row.try_get(1)?)?,
                    scope: row.try_get(2)?,
                    basis: row.try_get(3)?,
                    begun_at: row.try_get(4)?,
                    records: marked.iter().map(|row| id(row.try_get(0)?)).collect::<Result<_>>()?,
                });
            }
            tx.rollback().await?;
            Ok(pending)
        }).await
    }

    /// Records whose duty to be kept is over at the time `now`, and that are under no hold; those due longest first, at most
    /// [`MAX_ERASED_AT_ONCE`]. Sweeping is erasing them.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "due"))]
    pub async fn due(&self, access: &Access, now: i64, limit: usize) -> Result<Vec<RecordId>> {
        self.shared.named(async {
            access.allow(Operation::Read)?;
            let sql = "SELECT r.id FROM record r JOIN tenant t ON t.id = r.tenant \
                       WHERE keep_until IS NOT NULL AND erasure IS NULL AND keep_until <= $1 \
                       AND NOT EXISTS (SELECT 1 FROM held WHERE held.record = r.n) AND ($3 = '' OR t.name = $3) \
                       ORDER BY keep_until, n LIMIT $2";
            let limit = i64::try_from(limit.min(MAX_ERASED_AT_ONCE)).expect("small");
            let tenant = access.tenant().unwrap_or_default().to_owned();
            let rows = sqlx::query(sql).bind(now).bind(limit).bind(tenant).fetch_all(&self.shared.db.readers).await?;
            rows.iter().map(|row| id(row.try_get(0)?)).collect()
        }).await
    }

    /// Finds which of the records are under a hold. If what is known of holds, or until when one of the records is kept, was changed
    /// behind the vault's back, nothing is erased.
    async fn check_duties(&self, tx: &mut AnyConnection, found: &mut [Candidate]) -> Result<()> {
        let roster = Roster::read(&self.shared, tx).await?;
        let duties = roster.duties()?;
        let ids: HashSet<&str> = found.iter().map(|candidate| candidate.record.as_str()).collect();
        let mut held = duties.check_held(tx, &ids).await?;
        for candidate in found {
            let id = candidate.record.as_str();
            let kept = KeptUntil {
                id,
                class: &candidate.retention_class,
                started_at: candidate.started_at,
                kept_at: candidate.kept_at,
                until: candidate.keep_until,
            };
            duties.check_kept(kept, candidate.keep_mac.as_deref())?;
            candidate.hold = held.remove(id);
        }
        Ok(())
    }

    /// The records of a person that are not erased.
    async fn of_subject(
        &self,
        tx: &mut AnyConnection,
        tenant: Option<&str>,
        subject: &str,
    ) -> Result<Vec<Candidate>> {
        if subject.len() > MAX_VALUE_BYTES {
            return Err(VaultError::invalid(format!("a subject has at most {MAX_VALUE_BYTES} bytes")));
        }
        let tenants = tenants(&self.shared, tx, tenant).await?;
        let macs = tenants.iter().map(|tenant| tenant.facet(Facet::Initiator, subject).as_slice().into());
        let after = format!("AND r.erasure IS NULL ORDER BY r.n LIMIT {}", MAX_ERASED_AT_ONCE + 1);
        let of = "JOIN facet f ON f.record = r.n WHERE f.mac IN";
        let mut rows = over_set(tx, &format!("{CANDIDATE} {of}"), macs.collect(), &after).await?;
        // An earlier version kept persons of whom its records had no facet.
        let macs = tenants.iter().map(|tenant| tenant.subject(subject).as_slice().into());
        let of =
            "JOIN record_subject rs ON rs.record = r.n JOIN subject s ON s.id = rs.subject WHERE s.mac IN";
        rows.extend(over_set(tx, &format!("{CANDIDATE} {of}"), macs.collect(), &after).await?);
        let mut found = rows.iter().map(Candidate::read).collect::<Result<Vec<_>>>()?;
        found.sort_by_key(|candidate| candidate.n);
        found.dedup_by_key(|candidate| candidate.n);
        Ok(found)
    }
}

/// A record that may be erased.
struct Candidate {
    n: i64,
    record: RecordId,
    keep_until: Option<i64>,
    retention_class: String,
    erased: bool,
    started_at: i64,
    kept_at: i64,
    keep_mac: Option<Vec<u8>>,
    /// Once it was [looked for](Vault::check_duties).
    hold: Option<String>,
}

const CANDIDATE: &str = "SELECT r.n, r.id, r.keep_until, r.erasure, \
    r.started_at, r.retention_class, t.name, r.kept_at, r.keep_mac \
    FROM record r JOIN tenant t ON t.id = r.tenant";

impl Candidate {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            n: row.try_get(0)?,
            record: id(row.try_get(1)?)?,
            keep_until: row.try_get(2)?,
            erased: row.try_get::<Option<i64>, _>(3)?.is_some(),
            started_at: row.try_get(4)?,
            retention_class: row.try_get(5)?,
            kept_at: row.try_get(7)?,
            keep_mac: row.try_get(8)?,
            hold: None,
        })
    }

    fn refusal(&self, now: i64) -> Option<Why> {
        if let Some(hold) = &self.hold {
            return Some(Why::LegalHold(hold.clone()));
        }
        match self.keep_until {
            Some(until) => (until > now).then_some(Why::Duty(until)),
            // A class that nobody set a period for is no permission to erase.
            None => {
                (!self.retention_class.is_empty()).then(|| Why::UnknownDuty(self.retention_class.clone()))
            }
        }
    }
}

/// Those of the records that are not erased. Each must exist, for this caller.
async fn in_scope(access: &Access, tx: &mut AnyConnection, ids: &[RecordId]) -> Result<Vec<Candidate>> {
    if ids.len() > MAX_ERASED_AT_ONCE {
        return Err(VaultError::invalid(format!("an erasure has at most {MAX_ERASED_AT_ONCE} records")));
    }
    let values: Vec<Value> = ids.iter().map(|id| id.as_str().into()).collect();
    let rows = over_set(tx, &format!("{CANDIDATE} WHERE r.id IN"), values, "").await?;
    let seen = rows.iter().filter(|row| row.try_get(6).is_ok_and(|tenant| access.sees(tenant)));
    let mut found = seen.map(Candidate::read).collect::<Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.record.cmp(&b.record));
    found.dedup_by(|a, b| a.n == b.n);
    let known = |id: &&RecordId| found.binary_search_by(|candidate| candidate.record.cmp(id)).is_ok();
    if let Some(unknown) = ids.iter().find(|id| !known(id)) {
        return Err(VaultError::UnknownRecord(unknown.clone()));
    }
    found.retain(|candidate| !candidate.erased);
    Ok(found)
}

/// Whether all records of an erasure are of a tenant that the caller has access to.
async fn is_own(access: &Access, tx: &mut AnyConnection, erasure: i64) -> Result<bool> {
    let sql = "SELECT DISTINCT t.name FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.erasure = $1";
    let rows = sqlx::query(sql).bind(erasure).fetch_all(tx).await?;
    let tenants: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok(tenants.iter().all(|tenant| access.sees(tenant)))
}

/// The number of an erasure, and whether it is finished.
async fn erasure(tx: &mut AnyConnection, record: &RecordId) -> Result<Option<(i64, bool)>> {
    let sql = "SELECT n, finished_at FROM erasure WHERE record = $1";
    let Some(row) = sqlx::query(sql).bind(record.as_str()).fetch_optional(tx).await? else { return Ok(None) };
    Ok(Some((row.try_get(0)?, row.try_get::<Option<i64>, _>(1)?.is_some())))
}

/// Deletes all that an erasure is to destroy.
async fn destroy(tx: &mut AnyConnection, erasure: i64) -> Result<()> {
    let persons = "SELECT DISTINCT rs.subject FROM record r JOIN record_subject rs ON rs.record = r.n WHERE r.erasure = $1";
    let persons = sqlx::query(persons).bind(erasure).fetch_all(&mut *tx).await?;
    lists::forget_values(tx, erasure).await?;
    saved_searches::forget(tx, erasure).await?;
    for delete in [
        "DELETE FROM sealed WHERE record IN (SELECT n FROM record WHERE erasure = $1)",
        "DELETE FROM content_piece WHERE record IN (SELECT n FROM record WHERE erasure = $1)",
        "DELETE FROM facet WHERE personal = 1 AND record IN (SELECT n FROM record WHERE erasure = $1)",
        "DELETE FROM record_subject WHERE record IN (SELECT n FROM record WHERE erasure = $1)",
    ] {
        sqlx::query(delete).bind(erasure).execute(&mut *tx).await?;
    }
    lists::forget_people(tx, erasure).await?;
    // A person with a record that must stay is needed to read that one.
    let unneeded = "AND NOT EXISTS (SELECT 1 FROM record_subject rs WHERE rs.subject =";
    let persons: Vec<Value> =
        persons.iter().map(|row| Ok(row.try_get::<i64, _>(0)?.into())).collect::<Result<_>>()?;
    // Another spelling of the name may still be there: then the row of this one would be left.
    let of_value = format!("{unneeded} facet_value.subject)");
    over_set(tx, "DELETE FROM facet_value WHERE subject IN", persons.clone(), &of_value).await?;
    over_set(tx, "DELETE FROM subject WHERE id IN", persons, &format!("{unneeded} subject.id)")).await?;
    Ok(())
}
