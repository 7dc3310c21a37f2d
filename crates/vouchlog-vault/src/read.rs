//! Reading one record, and reading rows of the database back into what they mean.

use std::collections::HashMap;

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_merkle::LeafIndex;
use vouchlog_record::RecordId;
use vouchlog_stream::{Digest, LogPlace, Statement};

use crate::access::{Access, ReadPermit};
use crate::columns::{id, leaf_index, place_of, statement, stream};
use crate::content_pieces::SealedContent;
use crate::keys::Key;
use crate::object_name::ObjectName;
use crate::operation::Operation;
use crate::proof_run::{PROOF, PROOF_JOINS, Runs};
use crate::sealed::open_part;
use crate::sql::{map, over_set};
use crate::statement_text::{self, STATEMENT};
use crate::{Erasure, Result, Retention, Row, Vault, VaultError, content_pieces, sums};

impl Vault {
    /// What is known of a record without decrypting it.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "row"))]
    pub async fn row(&self, access: &Access, id: &RecordId) -> Result<Row> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = format!("SELECT {ROW} FROM record r {ROW_JOINS} WHERE r.id = $1");
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.as_str());
                let found = query.fetch_optional(&self.shared.db.readers).await?;
                let row = read_row(&found.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?)?;
                own(access, &row.tenant, id)?;
                Ok(row)
            })
            .await
    }

    /// Of these records those that are kept, with what is logged for each.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "kept", records = ids.len()))]
    pub async fn kept(&self, access: &Access, ids: &[RecordId]) -> Result<HashMap<RecordId, Digest>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let ids = ids.iter().map(|id| id.as_str().into()).collect();
                let sql = "SELECT r.id, r.digest, t.name FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.id IN";
                let mut rows = over_set(&mut connection, sql, ids, "").await?;
                rows.retain(|row| row.try_get(2).is_ok_and(|tenant| access.sees(tenant)));
                map(&rows, |row| {
                    let id = RecordId::new(row.try_get(0)?)
                        .map_err(|_| VaultError::damaged("a record's id is malformed"))?;
                    let digest: &[u8] = row.try_get(1)?;
                    let digest =
                        digest.try_into().map_err(|_| VaultError::damaged("a digest has another length"))?;
                    Ok((id, Digest::from_bytes(digest)))
                })
            })
            .await
    }

    /// Where the log has the record of an erasure, once it has. An eraser need not be a reader.
    pub async fn erasure_index(&self, access: &Access, id: &RecordId) -> Result<Option<u64>> {
        self.shared
            .named(async {
                access.allow(Operation::Erase)?;
                let sql = "SELECT r.leaf_index, t.name FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.id = $1";
                let row = sqlx::query(sql).bind(id.as_str()).fetch_optional(&self.shared.db.readers).await?;
                let row = row.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?;
                own(access, row.try_get(1)?, id)?;
                let index: Option<i64> = row.try_get(0)?;
                Ok(index.map(leaf_index).transpose()?.map(LeafIndex::get))
            })
            .await
    }

    /// Bytes that are sealed of each of these records, as they are stored. What was erased has none.
    pub async fn sealed_bytes(&self, access: &Access, ids: &[RecordId]) -> Result<HashMap<RecordId, u64>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let mut connection = self.shared.db.readers.acquire().await?;
                let ids = ids.iter().map(|id| id.as_str().into()).collect();
                let sql = "SELECT r.id, CAST(length(s.metadata) + length(s.content) + COALESCE(s.object_bytes, 0) + COALESCE(\
                           (SELECT sum(length(p.bytes)) FROM content_piece p WHERE p.record = r.n), 0) AS BIGINT), t.name \
                           FROM record r JOIN tenant t ON t.id = r.tenant JOIN sealed s ON s.record = r.n WHERE r.id IN";
                let mut rows = over_set(&mut connection, sql, ids, "").await?;
                rows.retain(|row| row.try_get(2).is_ok_and(|tenant| access.sees(tenant)));
                map(&rows, |row| {
                    Ok((id(row.try_get(0)?)?, row.try_get::<i64, _>(1)?.unsigned_abs()))
                })
            })
            .await
    }

    /// The signed statement without disclosures. It stays when the record is erased.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "jwt"))]
    pub async fn jwt(&self, access: &Access, id: &RecordId) -> Result<String> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                let sql = format!(
                    "SELECT r.n, t.name, {STATEMENT} FROM record r JOIN tenant t ON t.id = r.tenant \
                     LEFT JOIN statement s ON s.record = r.n WHERE r.id = $1"
                );
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.as_str());
                let row = query.fetch_optional(&self.shared.db.readers).await?;
                let row = row.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?;
                own(access, row.try_get(1)?, id)?;
                statement_text::read(row.try_get(0)?, &row, 2)?
                    .ok_or_else(|| VaultError::damaged(format!("the statement of record {id} is missing")))
            })
            .await
    }

    /// The proof file, once the log has the statement.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "proof"))]
    pub async fn proof(&self, access: &Access, id: &RecordId) -> Result<Option<String>> {
        self.shared.named(async {
            access.allow(Operation::Read)?;
            let sql = format!(
                "SELECT t.name, {PROOF} FROM record r JOIN tenant t ON t.id = r.tenant {PROOF_JOINS} WHERE r.id = $1"
            );
            let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id.as_str());
            let row = query.fetch_optional(&self.shared.db.readers).await?;
            let row = row.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?;
            own(access, row.try_get(0)?, id)?;
            Runs::default().proof(&row, 1)
        }).await
    }

    /// The record's metadata.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "metadata"))]
    pub async fn metadata(&self, access: &Access, id: &RecordId) -> Result<Vec<u8>> {
        self.shared
            .named(async {
                access.allow(Operation::Read)?;
                self.check_own(access, id).await?;
                self.unseal(id, "metadata").await
            })
            .await
    }

    /// The record's content. The permit shows that the reading is on record.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "content"))]
    pub async fn content(&self, access: &Access, permit: &ReadPermit, id: &RecordId) -> Result<Vec<u8>> {
        self.shared
            .named(async {
                access.allow(Operation::ReadContent)?;
                self.check_own(access, id).await?;
                self.content_under(permit, id).await
            })
            .await
    }

    /// Refuses a record of a tenant that the caller has no access to.
    async fn check_own(&self, access: &Access, id: &RecordId) -> Result<()> {
        if access.tenant().is_none() {
            return Ok(());
        }
        let sql = "SELECT t.name FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.id = $1";
        let row = sqlx::query(sql).bind(id.as_str()).fetch_optional(&self.shared.db.readers).await?;
        let row = row.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?;
        own(access, row.try_get(0)?, id)
    }

    /// The same for the recorder, which has checked the role and the tenant: giving evidence away is another one than reading it.
    pub(crate) async fn content_under(&self, permit: &ReadPermit, id: &RecordId) -> Result<Vec<u8>> {
        permit.check(id)?;
        self.unseal(id, "content").await
    }

    /// The same for comparing it with what is given under the same id: it stays in the vault.
    pub(crate) async fn content_to_compare(&self, access: &Access, id: &RecordId) -> Result<Vec<u8>> {
        self.shared
            .named(async {
                access.allow(Operation::Submit)?;
                self.check_own(access, id).await?;
                self.unseal(id, "content").await
            })
            .await
    }

    /// Opens one part of a record, `metadata` or `content`, unless it was erased or is about to be.
    pub(crate) async fn unseal(&self, id: &RecordId, part: &str) -> Result<Vec<u8>> {
        let select = match part {
            "metadata" => "SELECT key, metadata FROM sealed WHERE record = $1",
            _ => "SELECT key, content, object, object_bytes FROM sealed WHERE record = $1",
        };
        // One transaction: the keys and what they open are of the same moment.
        let mut tx = self.shared.db.readers.begin().await?;
        let find =
            "SELECT r.n, t.name, r.erasure FROM record r JOIN tenant t ON t.id = r.tenant WHERE r.id = $1";
        let row = sqlx::query(find).bind(id.as_str()).fetch_optional(&mut *tx).await?;
        let row = row.ok_or_else(|| VaultError::UnknownRecord(id.clone()))?;
        let (n, tenant): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
        if row.try_get::<Option<i64>, _>(2)?.is_some() {
            return Err(VaultError::Erased(id.clone()));
        }
        let sealed = sqlx::query(select).bind(n).fetch_optional(&mut *tx).await?;
        let sealed = match sealed {
            Some(sealed) => sealed,
            None => {
                // PostgreSQL: an erasure may have begun and finished between two statements, and a later one sees it. Parts that are
                // missing without one are lost, and must not pass for erased.
                let erasure = sqlx::query("SELECT erasure FROM record WHERE n = $1").bind(n);
                let erasure = erasure.fetch_one(&mut *tx).await?.try_get::<Option<i64>, _>(0)?;
                return Err(match erasure {
                    Some(_) => VaultError::Erased(id.clone()),
                    None => VaultError::damaged(format!("the sealed parts of record {id} are missing")),
                });
            }
        };
        let content = match part {
            "metadata" => SealedContent::Here(sealed.try_get(1)?),
            _ => content_pieces::find(&mut tx, n, &sealed, 1).await?,
        };
        let subjects = self.subjects_of(&mut tx, n, &tenant).await?;
        let tenant = match self.shared.keys.known_tenant(&tenant) {
            Some(tenant) => tenant,
            None => self
                .shared
                .find_tenant(&mut tx, &tenant)
                .await?
                .ok_or_else(|| VaultError::damaged(format!("tenant `{tenant}` is missing")))?,
        };
        tx.rollback().await?;
        let key = tenant.unwrap(id, sealed.try_get(0)?, &subjects.iter().collect::<Vec<_>>())?;
        match content {
            SealedContent::Here(bytes) => open_part(&key, id, part, &bytes),
            SealedContent::Object(name, length) => match self.open_object(id, &key, name, length).await {
                // An erasure may have finished meanwhile.
                Err(VaultError::LostContent(_)) if self.is_erased(n).await? => {
                    Err(VaultError::Erased(id.clone()))
                }
                opened => opened,
            },
        }
    }

    /// Reads and opens the object of a record's content.
    pub(crate) async fn open_object(
        &self,
        id: &RecordId,
        key: &Key,
        name: ObjectName,
        length: usize,
    ) -> Result<Vec<u8>> {
        let objects = self.shared.objects().await?;
        let sealed = objects.read(id, name, length).await?;
        open_part(key, id, "content", &sealed).map_err(|_| objects.altered(id, name))
    }

    /// Whether a record was erased, or is about to be.
    pub(crate) async fn is_erased(&self, n: i64) -> Result<bool> {
        let erasure = sqlx::query("SELECT erasure FROM record WHERE n = $1").bind(n);
        let erasure = erasure.fetch_one(&self.shared.db.readers).await?;
        Ok(erasure.try_get::<Option<i64>, _>(0)?.is_some())
    }

    /// The keys of a record's persons.
    pub(crate) async fn subjects_of(&self, tx: &mut AnyConnection, n: i64, tenant: &str) -> Result<Vec<Key>> {
        let sql = "SELECT s.mac, s.key FROM record_subject rs JOIN subject s ON s.id = rs.subject WHERE rs.record = $1";
        let rows = sqlx::query(sql).bind(n).fetch_all(tx).await?;
        let unwrap = |row: &AnyRow| self.shared.keys.unwrap_subject(tenant, row.try_get(0)?, row.try_get(1)?);
        rows.iter().map(unwrap).collect()
    }
}

/// Refuses a record of a tenant that the caller has no access to, as if it were not there: not even that it is, is for the caller.
pub(crate) fn own(access: &Access, tenant: &str, id: &RecordId) -> Result<()> {
    if access.sees(tenant) { Ok(()) } else { Err(VaultError::UnknownRecord(id.clone())) }
}

/// Where the columns that [`sums::check`] takes begin in [`ROW`].
const SUMMED_AT: usize = 24;

/// How many columns [`ROW`] has.
pub(crate) const ROW_COLUMNS: usize = SUMMED_AT + sums::SUMMED_COLUMNS;

/// The columns of a [`Row`], from a record `r` and [`ROW_JOINS`].
pub(crate) const ROW: &str = "r.n, r.id, r.kind, t.name, r.digest, r.evidence, r.stream, r.started_at, r.kept_at, \
    r.leaf_index, r.logged_stream, r.sequence, r.logged_at, r.retention_class, r.keep_until, r.amends, \
    e.record, e.begun_at, e.finished_at, e.basis, e.scope, er.leaf_index, \
    (SELECT min(hold) FROM held WHERE held.record = r.n), r.place_sum, \
    r.id, r.kind, r.tenant, r.stream, r.evidence, r.digest, r.started_at, r.kept_at, r.retention_class, r.amends, r.sum";

/// What else the columns come from: the tenant, the erasure, the record of the erasure.
pub(crate) const ROW_JOINS: &str = "JOIN tenant t ON t.id = r.tenant LEFT JOIN erasure e ON e.n = r.erasure \
    LEFT JOIN record er ON er.id = e.record";

/// Reads the columns of [`ROW`].
pub(crate) fn read_row(row: &AnyRow) -> Result<Row> {
    sums::check(row, SUMMED_AT)?;
    let Statement { kind, evidence, digest } = statement(row, 2, 5, 4)?;
    Ok(Row {
        n: row.try_get(0)?,
        id: id(row.try_get(1)?)?,
        kind,
        tenant: row.try_get(3)?,
        digest,
        evidence,
        stream: stream(row.try_get(6)?)?,
        started_at: row.try_get(7)?,
        kept_at: row.try_get(8)?,
        place: place(row)?,
        erased: erasure(row)?,
        retention: Retention { class: row.try_get(13)?, until: row.try_get(14)? },
        hold: row.try_get(22)?,
        amends: row.try_get::<Option<&str>, _>(15)?.map(id).transpose()?,
    })
}

fn place(row: &AnyRow) -> Result<Option<LogPlace>> {
    let Some(index) = row.try_get::<Option<i64>, _>(9)? else { return Ok(None) };
    let numbers = [index, row.try_get(10)?, row.try_get(11)?, row.try_get(12)?];
    if row.try_get::<Option<&[u8]>, _>(23)? != Some(&sums::of_place(row.try_get(4)?, numbers)) {
        let id: &str = row.try_get(1)?;
        return Err(VaultError::damaged(format!(
            "the place of record `{id}` in the log does not match its checksum"
        )));
    }
    place_of(numbers).map(Some)
}

fn erasure(row: &AnyRow) -> Result<Option<Erasure>> {
    let Some(record) = row.try_get::<Option<&str>, _>(16)? else { return Ok(None) };
    Ok(Some(Erasure {
        record: id(record)?,
        at: row.try_get(17)?,
        finished: row.try_get::<Option<i64>, _>(18)?.is_some(),
        index: row.try_get::<Option<i64>, _>(21)?.map(leaf_index).transpose()?,
        basis: row.try_get(19)?,
        scope: row.try_get(20)?,
    }))
}
