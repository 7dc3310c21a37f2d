//! A log as a standby sees it: what is committed and sealed, and the checkpoints its leader has shown. Only snapshots are read, which wait
//! for no lock and keep no commit waiting.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sqlx::{Connection as _, Executor as _, Row as _};
use vouchlog_merkle::TileId;
use vouchlog_storage::{Checkpoints, Pruned, Sealed, StoreError, Unsealed, View, framing};

use crate::database::{Database, QUERY_PATIENCE};
use crate::outcome::{damaged, signed, unsigned};
use crate::schema::{self, CHECKPOINTS_VERSION, LogRow};
use crate::sealed::PostgresSealed;
use crate::store::{SEALED_HERE, check_row};

/// How long the unsealed entries may take: there may be a million at first.
const TAIL_PATIENCE: Duration = Duration::from_secs(120);

/// The log `origin` in a database, to be read. Its sealed part may be elsewhere.
pub struct PostgresView {
    database: Database,
    log: i32,
    sealed: Box<dyn Sealed>,
}

impl PostgresView {
    /// The log, with its sealed part in the same database.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] when the database does not hold the log, or tables of another version; [`StoreError::ForeignObjects`] when the
    /// sealed part is elsewhere.
    pub fn open(database: &Database, origin: &str) -> Result<Self, StoreError> {
        let row = find(database, origin, SEALED_HERE)?;
        let sealed = Box::new(PostgresSealed::open(database.clone(), row.log)?);
        Ok(Self { database: database.clone(), log: row.log, sealed })
    }

    /// The same with the sealed part in another place of this name, which `make` opens for so many committed entries, of which so many are
    /// sealed.
    ///
    /// # Errors
    /// As [`open`](Self::open), and those of `make`.
    pub fn open_with<S: Sealed>(
        database: &Database,
        origin: &str,
        name: &str,
        make: impl FnOnce(u64, u64) -> Result<S, StoreError>,
    ) -> Result<Self, StoreError> {
        let log = find(database, origin, name)?.log;
        let (size, sealed) = database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(async move {
                let head = sqlx::query("SELECT coalesce(size, 0), sealed FROM vouchlog_head WHERE log = $1");
                let row = head.bind(log).fetch_one(connection).await?;
                Ok((row.try_get::<i64, _>(0)?, row.try_get::<i64, _>(1)?))
            })
        })?;
        let sealed = make(unsigned(size, "the size")?, unsigned(sealed, "the sealed size")?)?;
        Ok(Self { database: database.clone(), log, sealed: Box::new(sealed) })
    }
}

fn find(database: &Database, origin: &str, sealed_in: &str) -> Result<LogRow, StoreError> {
    let wanted = origin.to_owned();
    let (version, found) = database.query(QUERY_PATIENCE, move |connection| {
        let wanted = wanted.clone();
        Box::pin(async move {
            let version = schema::version(connection).await?;
            Ok((version, schema::find(connection, Some(&wanted)).await?))
        })
    })?;
    let (_, row) = found.into_iter().next().ok_or_else(schema::no_log)?;
    check_row(database, &row, sealed_in)?;
    if version < CHECKPOINTS_VERSION {
        return Err(StoreError::Foreign(
            "the leader is of an earlier version and shows no checkpoints to standbys: hand the log over to this version".into(),
        ));
    }
    Ok(row)
}

/// The newest checkpoints that the leader of a log has shown.
pub(crate) fn checkpoints(database: &Database, log: i32) -> Result<Checkpoints, StoreError> {
    let (signed, published, size) = database.query(QUERY_PATIENCE, move |connection| {
        Box::pin(async move {
            let shown = sqlx::query(
                "SELECT l.signed, l.published, coalesce(h.size, 0)
                 FROM vouchlog_lease l JOIN vouchlog_head h USING (log) WHERE l.log = $1",
            );
            let row = shown.bind(log).fetch_one(connection).await?;
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get::<i64, _>(2)?))
        })
    })?;
    Ok(Checkpoints { signed, published, committed: unsigned(size, "the size")? })
}

/// What the log `origin` has given up, if its sealed part is in the database and it gave up anything. Nothing is written.
///
/// # Errors
/// [`StoreError`] when the database does not hold the log or does not respond.
pub fn pruned(database: &Database, origin: &str) -> Result<Option<Arc<Pruned>>, StoreError> {
    let wanted = origin.to_owned();
    let found = database.query(QUERY_PATIENCE, move |connection| {
        let wanted = wanted.clone();
        Box::pin(async move { schema::find(connection, Some(&wanted)).await })
    })?;
    let (_, row) = found.into_iter().next().ok_or_else(schema::no_log)?;
    Ok(PostgresSealed::open(database.clone(), row.log)?.pruned())
}

impl View for PostgresView {
    fn checkpoints(&self) -> Result<Checkpoints, StoreError> {
        checkpoints(&self.database, self.log)
    }

    fn unsealed(&self, first: u64) -> Result<Unsealed, StoreError> {
        let log = self.log;
        let (sealed, rows) = self.database.query(TAIL_PATIENCE, move |connection| {
            Box::pin(async move {
                // Both at one moment: rows are deleted once they are sealed.
                let mut transaction = connection.begin().await?;
                let settings = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '110s'";
                transaction.execute(sqlx::raw_sql(settings)).await?;
                let head = sqlx::query("SELECT sealed FROM vouchlog_head WHERE log = $1").bind(log);
                let sealed: i64 = head.fetch_one(&mut *transaction).await?.try_get(0)?;
                let tail = sqlx::query(
                    "SELECT first, count, entries FROM vouchlog_tail
                     WHERE log = $1 AND first + count > $2 ORDER BY first",
                );
                let tail = tail.bind(log).bind(sealed.max(signed(first))).fetch_all(&mut *transaction).await?;
                transaction.commit().await?;
                let row = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
                let rows: Vec<(i64, i32, Vec<u8>)> = tail.iter().map(row).collect::<sqlx::Result<_>>()?;
                Ok((sealed, rows))
            })
        })?;
        let sealed = unsigned(sealed, "the sealed size")?;
        let first = first.max(sealed);
        let (mut tail, mut next) = (Vec::new(), first);
        for (begin, count, entries) in rows {
            let begin = unsigned(begin, "a row of entries")?;
            let end = begin + unsigned(count.into(), "a row of entries")?;
            if begin > next {
                return Err(StoreError::Damaged(format!(
                    "the entries from index {next} are missing in the database"
                )));
            }
            let entries = Bytes::from(entries);
            let rest = framing::skip(&entries, next - begin)
                .filter(|rest| framing::count(rest) == Some(end.saturating_sub(next)));
            tail.push(rest.ok_or_else(|| damaged("a row of entries"))?);
            next = end;
        }
        Ok(Unsealed { sealed, first, tail })
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        self.sealed.tile(tile)
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        self.sealed.bundle(bundle)
    }

    fn pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        self.sealed.reread_pruned()
    }
}

impl fmt::Debug for PostgresView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresView({:?}, log {})", self.database, self.log)
    }
}
