//! Reads a whole vault for damage, including parts that no query reads: the structure of the database, and of every record its sums, its sealed
//! parts, and whether it is there at all.

use std::collections::HashSet;
use std::time::Instant;

use futures::stream::{self, StreamExt, TryStreamExt};
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row as _};
use vouchlog_record::RecordId;
use vouchlog_runtime::Pace;

use crate::columns::id;
use crate::content_pieces::{self, SealedContent};
use crate::database::Dialect;
use crate::duties::KeptUntil;
use crate::examine::integrity;
use crate::keys::Key;
use crate::limits::{CHECKED_AT_ONCE, CHECKED_AT_OPEN, OBJECT_READS, REPORTED_DAMAGE};
use crate::object_name::ObjectName;
use crate::proof_run::{PROOF, PROOF_COLUMNS, PROOF_JOINS, Runs};
use crate::roster::Roster;
use crate::sealed::open_part;
use crate::statement_text::{self, STATEMENT};
use crate::sums::{self, SUMMED, SUMMED_COLUMNS};
use crate::{Result, Vault, VaultError};

/// Where the columns of [`SUMMED`] begin in a page's rows.
const SUMMED_AT: usize = 10;
/// Where those of [`PROOF`] begin.
const PROOF_AT: usize = SUMMED_AT + SUMMED_COLUMNS;
/// Where those of [`STATEMENT`] begin.
const STATEMENT_AT: usize = PROOF_AT + PROOF_COLUMNS;
/// Bytes of a record beside what is sealed of it, about.
const FIXED_BYTES: u64 = 2_048;
/// Between tables of a large file, this many times as long as the last one took: a check takes a quarter of a disk.
const PAUSES: u32 = 3;

/// Records of which it is checked at a time until when they are kept.
const DUTIES_AT_ONCE: i64 = 1_000;

/// How far a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckProgress {
    /// Records that were read.
    pub records: u64,
    /// Records there are.
    pub of: u64,
}

/// What a check of a page found.
#[derive(Default)]
struct Page {
    last: i64,
    records: u64,
    bytes: u64,
    damage: Vec<String>,
    objects: Vec<CheckedObject>,
}

/// An object to be checked, which is read outside of the transaction of its row.
struct CheckedObject {
    n: i64,
    record: RecordId,
    key: Key,
    name: ObjectName,
    length: usize,
}

/// What a check found.
#[derive(Default)]
struct Findings {
    /// In the database. Nothing is written to it from then on.
    damage: Vec<String>,
    /// In the object store: what the database has is sound.
    objects: Vec<String>,
}

/// Whether a check reads objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Objects {
    Read,
    /// They may be many, and far away.
    Left,
}

impl Vault {
    /// Reads everything for damage, at most `rate` bytes a second if it is given; what is damaged, at most [`REPORTED_DAMAGE`]
    /// findings. After a finding nothing is written until the vault is opened again, and [`impediment`](Self::impediment)
    /// reports it.
    ///
    /// It needs no role: of records it returns names alone, and only of damaged ones.
    ///
    /// # Errors
    /// The database cannot be reached, or its keys were rewrapped meanwhile. Nothing is known then.
    #[tracing::instrument(name = "vault", level = "debug", skip_all, fields(db.operation.name = "check"))]
    pub async fn check(
        &self,
        rate: Option<u64>,
        mut progress: impl FnMut(CheckProgress),
    ) -> Result<Vec<String>> {
        let mut damage = self.check_structure(rate.is_some()).await?;
        let mut objects = Vec::new();
        match self.check_records(rate, Objects::Read, &mut progress).await {
            Err(VaultError::Damaged(what)) => damage.push(what),
            found => {
                let found = found?;
                damage.extend(found.damage);
                objects = found.objects;
            }
        }
        match self.check_all_duties().await {
            Err(VaultError::Damaged(what)) => damage.push(what),
            found => damage.extend(found?),
        }
        damage.truncate(REPORTED_DAMAGE);
        if let Some(first) = damage.first() {
            self.shared.db.set_damage(format!("{}: {first}", self.location()));
        }
        damage.extend(objects);
        damage.truncate(REPORTED_DAMAGE);
        Ok(damage)
    }

    /// Compares holds, and until when records are kept, with what was written.
    async fn check_all_duties(&self) -> Result<Vec<String>> {
        let mut connection = self.shared.db.readers.acquire().await?;
        let roster = Roster::read(&self.shared, &mut connection).await?;
        let duties = roster.duties()?;
        drop(connection);
        let mut tx = self.shared.db.readers.begin().await?;
        duties.check_held(&mut tx, &HashSet::new()).await?;
        tx.rollback().await?;
        let page = "SELECT n, id, retention_class, started_at, kept_at, keep_until, keep_mac FROM record \
                    WHERE n > $1 AND erasure IS NULL ORDER BY n LIMIT $2";
        let (mut damage, mut after) = (Vec::new(), i64::MIN);
        while damage.len() < REPORTED_DAMAGE {
            let query = sqlx::query(page).bind(after).bind(DUTIES_AT_ONCE);
            let rows = query.fetch_all(&self.shared.db.readers).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                after = row.try_get(0)?;
                if let Err(VaultError::Damaged(what)) =
                    duties.check_kept(KeptUntil::of_row(row)?, row.try_get(6)?)
                {
                    damage.push(what);
                }
            }
        }
        Ok(damage)
    }

    /// SQLite: refuses a vault with a damaged record before anything is written, as a page that is written again takes its damage
    /// along. The structure was checked before the file was opened. Large files are left to [`check`](Self::check).
    pub(crate) async fn check_at_open(&self) -> Result<()> {
        if self.shared.db.file_bytes().is_none_or(|bytes| bytes > CHECKED_AT_OPEN) {
            return Ok(());
        }
        let found = self.shared.named(self.check_records(None, Objects::Left, &mut |_| {})).await?;
        match found.damage.into_iter().next() {
            Some(first) => Err(VaultError::damaged(format!("{}: {first}", self.location()))),
            None => Ok(()),
        }
    }

    async fn check_records(
        &self,
        rate: Option<u64>,
        objects: Objects,
        progress: &mut impl FnMut(CheckProgress),
    ) -> Result<Findings> {
        // On SQLite they are numbered without a gap, and counting reads all of them.
        let count = match self.shared.db.dialect {
            Dialect::Sqlite => "SELECT coalesce(max(n), 0) FROM record",
            Dialect::Postgres => "SELECT count(*) FROM record",
        };
        let all: i64 = sqlx::query(count).fetch_one(&self.shared.db.readers).await?.try_get(0)?;
        let mut pace = rate.map(Pace::of_bytes);
        let (mut found, mut last, mut records) = (Findings::default(), 0, 0);
        while found.damage.len() + found.objects.len() < REPORTED_DAMAGE {
            let page = match self.checked_page(last).await {
                // It would be the same on every later page.
                Err(VaultError::Damaged(what)) => {
                    found.damage.push(what);
                    break;
                }
                page => page?,
            };
            if page.records == 0 {
                break;
            }
            found.damage.extend(page.damage);
            let mut bytes = page.bytes;
            if objects == Objects::Read {
                bytes += page.objects.iter().map(|object| object.length as u64).sum::<u64>();
                found.objects.extend(self.check_objects(page.objects).await?);
            }
            (last, records) = (page.last, records + page.records);
            progress(CheckProgress { records, of: all.unsigned_abs().max(records) });
            if let Some(pace) = &mut pace {
                tokio::time::sleep(pace.wait_for(bytes, Instant::now())).await;
            }
        }
        Ok(found)
    }

    /// Reads the objects of a page. Returns what is missing or was altered.
    async fn check_objects(&self, objects: Vec<CheckedObject>) -> Result<Vec<String>> {
        let reads: Vec<_> = objects
            .iter()
            .map(|object| async move {
                let CheckedObject { n, record, key, name, length } = object;
                match self.open_object(record, key, *name, *length).await {
                    Err(VaultError::LostContent(what)) if !self.is_erased(*n).await? => Ok(Some(what)),
                    Ok(_) | Err(VaultError::LostContent(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            })
            .collect();
        let found: Vec<Option<String>> = stream::iter(reads).buffered(OBJECT_READS).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// Has SQLite check its pages and indexes; in a large file table by table, so that the write-ahead log can be written back in
    /// between.
    async fn check_structure(&self, pauses: bool) -> Result<Vec<String>> {
        let db = &self.shared.db;
        if db.dialect == Dialect::Postgres {
            return Ok(Vec::new());
        }
        let mut tables = vec![String::new()];
        if pauses && db.file_bytes().is_some_and(|bytes| bytes > CHECKED_AT_OPEN) {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'";
            let rows = sqlx::query(sql).fetch_all(&db.readers).await?;
            tables = rows.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_>>()?;
        }
        let mut damage = Vec::new();
        for table in &tables {
            let begun = Instant::now();
            let mut connection = db.readers.acquire().await?;
            match integrity(&mut connection, table).await {
                Err(VaultError::Damaged(what)) => damage.push(what),
                found => damage.extend(found?),
            }
            drop(connection);
            if tables.len() > 1 {
                tokio::time::sleep(begun.elapsed() * PAUSES).await;
            }
        }
        Ok(damage)
    }

    /// Checks a page of records. What it finds is looked at twice: on PostgreSQL an erasure may come between two statements.
    async fn checked_page(&self, after: i64) -> Result<Page> {
        let page = self.check_page(after).await?;
        if page.damage.is_empty() {
            return Ok(page);
        }
        // Keys that were rewrapped open nothing either, and are no damage.
        let mut tx = self.shared.db.readers.begin().await?;
        let key_check: Vec<u8> =
            sqlx::query("SELECT key_check FROM vault").fetch_one(&mut *tx).await?.try_get(0)?;
        self.shared.keys.check(&key_check)?;
        tx.rollback().await?;
        self.check_page(after).await
    }

    async fn check_page(&self, after: i64) -> Result<Page> {
        let sql = format!(
            "SELECT r.n, t.name, r.erasure, e.finished_at, z.key, z.metadata, z.content, z.object, z.object_bytes, \
             r.place_sum, \
             {SUMMED}, {PROOF}, {STATEMENT} FROM record r \
             LEFT JOIN tenant t ON t.id = r.tenant LEFT JOIN erasure e ON e.n = r.erasure \
             LEFT JOIN statement s ON s.record = r.n LEFT JOIN sealed z ON z.record = r.n \
             {PROOF_JOINS} WHERE r.n > $1 ORDER BY r.n LIMIT $2"
        );
        let mut tx = self.shared.db.readers.begin().await?;
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(after).bind(CHECKED_AT_ONCE);
        let rows = query.fetch_all(&mut *tx).await?;
        let (mut page, mut runs) = (Page { last: after, ..Page::default() }, Runs::default());
        for row in &rows {
            let n: i64 = row.try_get(0)?;
            // SQLite numbers records without a gap, and none is ever deleted.
            if self.shared.db.dialect == Dialect::Sqlite && n != page.last + 1 {
                page.damage.push(format!(
                    "the records with numbers {} to {} are missing",
                    page.last + 1,
                    n - 1
                ));
            }
            (page.last, page.records) = (n, page.records + 1);
            match self.check_record(&mut tx, row, &mut runs).await {
                Err(VaultError::Damaged(what)) => page.damage.push(what),
                checked => {
                    let (bytes, object) = checked?;
                    page.bytes += bytes;
                    page.objects.extend(object);
                }
            }
        }
        tx.rollback().await?;
        Ok(page)
    }

    /// Checks a record. Returns about how many bytes were read of it, and the object that is still to be checked.
    async fn check_record(
        &self,
        tx: &mut AnyConnection,
        row: &AnyRow,
        runs: &mut Runs,
    ) -> Result<(u64, Option<CheckedObject>)> {
        sums::check(row, SUMMED_AT)?;
        let n: i64 = row.try_get(0)?;
        let id = id(row.try_get(SUMMED_AT)?)?;
        let missing = |what: &str| VaultError::damaged(format!("the {what} of record {id} is missing"));
        statement_text::read(n, row, STATEMENT_AT)?.ok_or_else(|| missing("statement"))?;
        if let Some(index) = row.try_get::<Option<i64>, _>(PROOF_AT + 4)? {
            let at = PROOF_AT + 5;
            let place = [index, row.try_get(at)?, row.try_get(at + 1)?, row.try_get(at + 2)?];
            if row.try_get::<Option<&[u8]>, _>(9)?
                != Some(&sums::of_place(row.try_get(SUMMED_AT + 5)?, place))
            {
                return Err(VaultError::damaged(format!(
                    "the place of record {id} in the log does not match its checksum"
                )));
            }
            runs.proof(row, PROOF_AT)?;
        }
        if row.try_get::<Option<i64>, _>(2)?.is_some() {
            // About to be erased, or gone: it cannot be read.
            return Ok((FIXED_BYTES, None));
        }
        let tenant: &str = row.try_get::<Option<&str>, _>(1)?.ok_or_else(|| missing("tenant"))?;
        let tenant = match self.shared.keys.known_tenant(tenant) {
            Some(known) => known,
            None => self.shared.find_tenant(tx, tenant).await?.ok_or_else(|| missing("tenant"))?,
        };
        let wrapped: &[u8] = row.try_get::<Option<&[u8]>, _>(4)?.ok_or_else(|| missing("key"))?;
        let subjects = self.subjects_of(tx, n, &tenant.name).await?;
        let key: Key = tenant.unwrap(&id, wrapped, &subjects.iter().collect::<Vec<_>>())?;
        let metadata: &[u8] = row.try_get::<Option<&[u8]>, _>(5)?.ok_or_else(|| missing("metadata"))?;
        open_part(&key, &id, "metadata", metadata)?;
        let read = FIXED_BYTES + metadata.len() as u64;
        match content_pieces::find(tx, n, row, 6).await? {
            SealedContent::Here(content) => {
                open_part(&key, &id, "content", &content)?;
                Ok((read + content.len() as u64, None))
            }
            SealedContent::Object(name, length) => {
                Ok((read, Some(CheckedObject { n, record: id, key, name, length })))
            }
        }
    }
}
