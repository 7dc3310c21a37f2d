//! The database under the vault: how it is opened, and the few ways in which SQLite and PostgreSQL differ.
//!
//! sqlx's `Any` driver serves both with one set of queries: `$1` placeholders, 64-bit integers, text and bytes are all that is
//! used, and all it maps. Two sets of migrations make the tables.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, Row as _, SqlSafeStr, Transaction,
};
use vouchlog_runtime::durable::{self, Mode};

use crate::error::{is_away, named};
use crate::examine::examine;
use crate::limits::{
    ACQUIRE_TIMEOUT, BUSY_TIMEOUT, CACHE, CHECKPOINT_PAGES, LOCK_PATIENCE, MIN_FREE_BYTES, READER_CACHE,
    READERS, REWRITTEN_BYTES,
};
use crate::location::{Location, file_url};
use crate::mark::Mark;
use crate::waits::Waits;
use crate::{Result, VaultError};

/// Which of the two it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

/// An open database.
pub(crate) struct Database {
    pub(crate) dialect: Dialect,
    /// On SQLite one connection: it is the only writer of this process, so that writers queue here and not on the file's lock.
    writer: AnyPool,
    /// Never write.
    pub(crate) readers: AnyPool,
    file: Option<PathBuf>,
    /// On SQLite: how many transactions were acknowledged.
    mark: Option<Mark>,
    /// What a check found. From then on nothing is written.
    damage: OnceLock<String>,
    /// Records are refused while the file system has less room than this, in bytes.
    min_free_bytes: AtomicU64,
    waits: Waits,
}

/// A transaction that writes.
pub(crate) type Tx = Transaction<'static, Any>;

impl Database {
    /// Opens the database, making the file if `create`.
    pub(crate) async fn open(location: &Location, create: bool) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let (dialect, url, file, mark) = match location {
            Location::Postgres(postgres) => {
                if let Some(weakness) = postgres.weakness() {
                    let database = location.shown();
                    tracing::warn!(database, "{weakness}: use sslmode=verify-full");
                }
                (Dialect::Postgres, postgres.url().to_owned(), None, None)
            }
            Location::File(file) => {
                // Before it would be made again.
                examine(file).await?;
                let file = private_file(file, create)?;
                let mark = Mark::open(&file).map_err(|error| {
                    VaultError::Database(format!("{}: {error}", Mark::path(&file).display()))
                })?;
                (Dialect::Sqlite, file_url(&file)?, Some(file), Some(mark))
            }
        };
        // The reason may quote the URL, so it is not passed on.
        let options: AnyConnectOptions = url.parse().map_err(|_| VaultError::Location(location.shown()))?;
        // Statements have no values in them, but neither do they belong in an operator's log.
        let options = options.disable_statement_logging();
        let writers = if dialect == Dialect::Sqlite { 1 } else { READERS };
        let pool = |size, cache| {
            let options = AnyPoolOptions::new().max_connections(size).acquire_timeout(ACQUIRE_TIMEOUT);
            options
                .after_connect(move |connection, _| {
                    Box::pin(async move {
                        connection.execute(sqlx::AssertSqlSafe(dialect.settings(cache))).await.map(drop)
                    })
                })
                .after_release(|connection, _| Box::pin(is_clean(connection)))
        };
        let connected = |error: sqlx::Error| match error {
            sqlx::Error::Database(error) if is_away(error.as_ref()) => {
                VaultError::Unreachable(format!("{}: {}", location.shown(), error.message()))
            }
            sqlx::Error::Database(error) => {
                named(VaultError::from(sqlx::Error::Database(error)), &location.shown())
            }
            // Whatever else may quote the URL.
            sqlx::Error::Io(error) => VaultError::Unreachable(format!("{}: {error}", location.shown())),
            sqlx::Error::Tls(error) => VaultError::Database(format!("{}: TLS: {error}", location.shown())),
            sqlx::Error::PoolTimedOut => {
                VaultError::Unreachable(format!("{} does not respond", location.shown()))
            }
            _ => VaultError::Location(location.shown()),
        };
        // Once without a pool, which would try a server that refuses again and again.
        let first = tokio::time::timeout(ACQUIRE_TIMEOUT, AnyConnection::connect_with(&options)).await;
        first.map_err(|_| connected(sqlx::Error::PoolTimedOut))?.map_err(connected)?.close().await?;
        let writer = pool(writers, CACHE).connect_with(options.clone()).await.map_err(connected)?;
        let readers = pool(READERS, READER_CACHE).connect_lazy_with(options);
        let (min_free_bytes, waits) = (AtomicU64::new(MIN_FREE_BYTES), Waits::default());
        let damage = OnceLock::new();
        Ok(Self { dialect, writer, readers, file, mark, damage, min_free_bytes, waits })
    }

    /// Whether there is a vault. A file of SQLite is not opened for that, since opening reads and checks it.
    pub(crate) async fn exists(location: &Location) -> Result<bool> {
        if let Location::File(file) = location {
            let is_written = fs::metadata(file).is_ok_and(|file| file.len() > 0);
            // A mark without its file belongs to a vault that was lost.
            return Ok(is_written || Mark::read(file).is_ok_and(|commits| commits > 0));
        }
        let db = Self::open(location, false).await?;
        let has_tables = db.has_tables().await;
        db.close().await;
        has_tables
    }

    /// Makes the tables, or brings those of an older version up to date.
    pub(crate) async fn migrate(&self, shown: &str) -> Result<()> {
        self.migrate_to(shown, usize::MAX).await
    }

    /// The same, to an earlier version of the tables.
    pub(crate) async fn migrate_to(&self, shown: &str, version: usize) -> Result<()> {
        let steps = match self.dialect {
            Dialect::Sqlite => [
                ("vault", include_str!("../migrations/sqlite/0001_vault.sql")),
                ("sums", include_str!("../migrations/sqlite/0002_sums.sql")),
                ("hold query", include_str!("../migrations/sqlite/0003_hold_query.sql")),
                ("people", include_str!("../migrations/sqlite/0004_people.sql")),
                ("hold event", include_str!("../migrations/sqlite/0005_hold_event.sql")),
                ("roster", include_str!("../migrations/sqlite/0006_roster.sql")),
                ("hold event tenant", include_str!("../migrations/sqlite/0007_hold_event_tenant.sql")),
                ("duties", include_str!("../migrations/sqlite/0008_duties.sql")),
                ("sessions", include_str!("../migrations/sqlite/0009_sessions.sql")),
                ("facts", include_str!("../migrations/sqlite/0010_facts.sql")),
                ("proof runs", include_str!("../migrations/sqlite/0011_proof_runs.sql")),
                ("packed", include_str!("../migrations/sqlite/0012_packed.sql")),
                ("content pieces", include_str!("../migrations/sqlite/0013_content_pieces.sql")),
                ("facet sets", include_str!("../migrations/sqlite/0014_facet_sets.sql")),
                ("findings", include_str!("../migrations/sqlite/0015_findings.sql")),
                ("cases", include_str!("../migrations/sqlite/0016_cases.sql")),
                ("saved searches", include_str!("../migrations/sqlite/0017_saved_searches.sql")),
                ("case sessions", include_str!("../migrations/sqlite/0018_case_sessions.sql")),
                ("content objects", include_str!("../migrations/sqlite/0019_content_objects.sql")),
                ("partitions", include_str!("../migrations/sqlite/0020_partitions.sql")),
            ],
            Dialect::Postgres => [
                ("vault", include_str!("../migrations/postgres/0001_vault.sql")),
                ("sums", include_str!("../migrations/postgres/0002_sums.sql")),
                ("hold query", include_str!("../migrations/postgres/0003_hold_query.sql")),
                ("people", include_str!("../migrations/postgres/0004_people.sql")),
                ("hold event", include_str!("../migrations/postgres/0005_hold_event.sql")),
                ("roster", include_str!("../migrations/postgres/0006_roster.sql")),
                ("hold event tenant", include_str!("../migrations/postgres/0007_hold_event_tenant.sql")),
                ("duties", include_str!("../migrations/postgres/0008_duties.sql")),
                ("sessions", include_str!("../migrations/postgres/0009_sessions.sql")),
                ("facts", include_str!("../migrations/postgres/0010_facts.sql")),
                ("proof runs", include_str!("../migrations/postgres/0011_proof_runs.sql")),
                ("packed", include_str!("../migrations/postgres/0012_packed.sql")),
                ("content pieces", include_str!("../migrations/postgres/0013_content_pieces.sql")),
                ("facet sets", include_str!("../migrations/postgres/0014_facet_sets.sql")),
                ("findings", include_str!("../migrations/postgres/0015_findings.sql")),
                ("cases", include_str!("../migrations/postgres/0016_cases.sql")),
                ("saved searches", include_str!("../migrations/postgres/0017_saved_searches.sql")),
                ("case sessions", include_str!("../migrations/postgres/0018_case_sessions.sql")),
                ("content objects", include_str!("../migrations/postgres/0019_content_objects.sql")),
                ("partitions", include_str!("../migrations/postgres/0020_partitions.sql")),
            ],
        };
        let step = |(number, (name, sql)): (i64, (&'static str, &'static str))| {
            Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
        };
        let newest = i64::try_from(steps.len().min(version)).unwrap_or(i64::MAX);
        let migrator = Migrator::with_migrations((1..).zip(steps).take(version).map(step).collect());
        let migrated = if self.dialect == Dialect::Sqlite && self.version().await? < newest {
            // Here the migrator takes no lock: of two processes that begin at once, one waits until the other has made all tables.
            let mut all_steps = self.begin().await?;
            let migrated = migrator.run_direct(None, &mut *all_steps, false).await;
            if migrated.is_ok() {
                all_steps.commit().await?;
            }
            migrated
        } else {
            // On PostgreSQL the migrator takes a lock of its own.
            migrator.run(&self.writer).await
        };
        migrated.map_err(|error| match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => {
                named(error.into(), shown)
            }
            error => VaultError::Version(format!("{shown}: {error}")),
        })
    }

    /// The number of the last step that was taken; 0 in a database without tables.
    async fn version(&self) -> Result<i64> {
        if !self.has_tables().await? {
            return Ok(0);
        }
        let newest = "SELECT coalesce(max(version), 0) FROM _sqlx_migrations";
        Ok(sqlx::query(newest).fetch_one(&self.writer).await?.try_get(0)?)
    }

    /// Whether the tables are there.
    pub(crate) async fn has_tables(&self) -> Result<bool> {
        let sql = match self.dialect {
            Dialect::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'vault'",
            Dialect::Postgres => {
                "SELECT count(*) FROM pg_class WHERE oid = to_regclass('vault') AND relkind IN ('r', 'p')"
            }
        };
        let tables: i64 = sqlx::query(sql).fetch_one(&self.writer).await?.try_get(0)?;
        Ok(tables > 0)
    }

    /// Begins to write. On SQLite the lock is taken at once: a transaction that reads first cannot fail later for having been
    /// overtaken.
    pub(crate) async fn begin(&self) -> Result<Tx> {
        let statement = match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        };
        if let Some(damage) = self.damage() {
            return Err(VaultError::damaged(damage));
        }
        let wait = self.waits.begin();
        let begun = self.writer.begin_with(statement).await.map_err(VaultError::from);
        wait.end(begun.as_ref().err());
        begun
    }

    /// Commits. On SQLite transactions are counted, and the count is noted beside the database once they are durable.
    pub(crate) async fn commit(&self, mut tx: Tx) -> Result<()> {
        let Some(mark) = &self.mark else { return Ok(tx.commit().await?) };
        let counted = sqlx::query("UPDATE vault SET commits = commits + 1 RETURNING commits");
        let counted = counted.fetch_all(&mut *tx).await?;
        let commits: Option<i64> = counted.first().map(|row| row.try_get(0)).transpose()?;
        tx.commit().await?;
        let noted = commits.map_or(Ok(()), |commits| mark.note(commits.unsigned_abs()));
        if let Err(error) = noted {
            // The commit is durable: only its loss would not be noticed.
            tracing::warn!(%error, "the mark beside the vault's database was not written");
        }
        Ok(())
    }

    /// On SQLite: the newest generation of the list of principals that was acknowledged.
    pub(crate) fn noted_roster(&self) -> u64 {
        self.file.as_ref().and_then(|file| Mark::read_roster(file).ok()).unwrap_or(0)
    }

    /// Notes that a generation of the list of principals is durable.
    pub(crate) fn note_roster(&self, generation: u64) {
        if let Some(Err(error)) = self.mark.as_ref().map(|mark| mark.note_roster(generation)) {
            tracing::warn!(%error, "the mark beside the vault's database was not written");
        }
    }

    /// What a check found.
    pub(crate) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }

    /// From now on nothing is written: more could be damaged.
    pub(crate) fn set_damage(&self, damage: String) {
        // The first finding counts.
        let _ = self.damage.set(damage);
    }

    /// Bytes of the file, on SQLite.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        self.file.as_ref().and_then(|file| fs::metadata(file).ok()).map(|file| file.len())
    }

    pub(crate) fn set_min_free_bytes(&self, bytes: u64) {
        self.min_free_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Fails if the disk has less room than is kept free: a commit that finds no room costs more than one that is not begun. What
    /// is left serves receipts and erasures. On PostgreSQL this is the server's business.
    pub(crate) fn check_room(&self) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let dir = file.parent().unwrap_or(Path::new("."));
        let Ok(free) = fs4::available_space(dir) else { return Ok(()) };
        let needed = self.min_free_bytes.load(Ordering::Relaxed);
        if free < needed { Err(VaultError::NoRoom { free, needed }) } else { Ok(()) }
    }

    /// How long a writer has been waiting for the database's lock, if it is long.
    pub(crate) fn waits_for(&self) -> Option<Duration> {
        self.waits.longest().filter(|wait| *wait >= LOCK_PATIENCE)
    }

    /// Reads the key check, and on PostgreSQL locks the vault's row: erasures, holds and rewrapping exclude each other and
    /// everybody else (`exclusive`), keeping does not exclude keeping. On SQLite the transaction itself excludes everybody.
    pub(crate) async fn lock(&self, tx: &mut AnyConnection, exclusive: bool) -> Result<Vec<u8>> {
        let sql = match (self.dialect, exclusive) {
            (Dialect::Sqlite, _) => "SELECT key_check FROM vault",
            (Dialect::Postgres, false) => "SELECT key_check FROM vault FOR SHARE",
            (Dialect::Postgres, true) => "SELECT key_check FROM vault FOR UPDATE",
        };
        Ok(sqlx::query(sql).fetch_one(tx).await?.try_get(0)?)
    }

    /// SQLite: brings everything into the database file and empties the write-ahead log, where old pages are left. With `rewrite`
    /// the file is written anew first, as [`rewrites`](Self::rewrites) explains. PostgreSQL: nothing.
    pub(crate) async fn scrub(&self, rewrite: bool) -> Result<()> {
        if self.dialect == Dialect::Postgres {
            return Ok(());
        }
        let mut connection = self.writer.acquire().await?;
        if rewrite {
            // In a file that is deleted as it is made: in memory it could be more than there is. No other statement may find this
            // setting, also if the caller goes away meanwhile.
            connection.close_on_drop();
            connection.execute("PRAGMA temp_store = FILE").await?;
            connection.execute("VACUUM").await?;
        }
        let row = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        // A reader was in the way for longer than the busy timeout.
        if row.try_get::<i64, _>(0)? == 0 { Ok(()) } else { Err(VaultError::Busy) }
    }

    /// Whether an erasure is to rewrite the file. `secure_delete` overwrites what is deleted, yet when SQLite splits or
    /// joins pages it may leave a copy of a small cell in the unused part of one (here: four pseudonyms in ten thousand);
    /// only a rewritten file has none.
    pub(crate) fn rewrites(&self) -> bool {
        self.file_bytes().is_some_and(|bytes| bytes <= REWRITTEN_BYTES)
    }

    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Whether a connection can be used again. One whose transaction could not be rolled back, as after SQLite did so itself for want of
/// room, is closed: it would refuse every later transaction.
async fn is_clean(connection: &mut AnyConnection) -> sqlx::Result<bool> {
    // Behind the rollback of a transaction that was dropped.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

impl Dialect {
    /// Statements run first on each connection.
    fn settings(self, cache: &str) -> String {
        match self {
            // The order matters: a file has its auto_vacuum before anything is in it.
            Dialect::Sqlite => {
                let mut settings = format!("PRAGMA busy_timeout = {}; ", BUSY_TIMEOUT.as_millis());
                for (name, value) in [
                    ("auto_vacuum", "NONE"), // freed pages are zero and used again; VACUUM gives them back
                    ("journal_mode", "WAL"),
                    ("synchronous", "FULL"), // a commit is on disk before it returns
                    ("foreign_keys", "ON"),
                    ("secure_delete", "ON"),
                    ("temp_store", "MEMORY"), // no old pages in temporary files
                    ("trusted_schema", "OFF"),
                    ("cell_size_check", "ON"), // a damaged page is found when it is read, not when it is searched
                    // Pseudonyms are random, so an insert touches pages all over their index: hold them, and write each back
                    // once for many commits.
                    ("cache_size", cache),
                    ("wal_autocheckpoint", CHECKPOINT_PAGES),
                ] {
                    write!(settings, "PRAGMA {name} = {value}; ").expect("a string takes everything");
                }
                settings
            }
            // What was acknowledged must be on disk, whatever the server's default; stricter settings stay.
            Dialect::Postgres => "SELECT CASE WHEN current_setting('synchronous_commit') = 'off' \
                 THEN set_config('synchronous_commit', 'on', false) ELSE '' END"
                .to_owned(),
        }
    }
}

/// The file, in a directory that only its owner can enter, readable by its owner alone; SQLite gives its other files the same
/// mode. An empty file is an empty database.
fn private_file(file: &Path, create: bool) -> Result<PathBuf> {
    let shown = file.display();
    let failed = |error: io::Error| VaultError::Database(format!("{shown}: {error}"));
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !create && !file.exists() {
        return Err(VaultError::Missing(shown.to_string()));
    }
    if !dir.exists() {
        durable::private_dir(dir).map_err(|error| failed(error.error))?;
    }
    match durable::create(file, b"", Mode::Private) {
        // An existing database stays as it is; its name may not be durable yet.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => durable::sync_dir(dir),
        created => created,
    }
    .map_err(|error| failed(error.error))?;
    file.canonicalize().map_err(failed)
}
