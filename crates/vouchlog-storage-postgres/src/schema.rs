//! The tables: made, brought up to date, and refused if a newer version made them. An empty database is an error unless the operator
//! asked for a new log: a log that came up empty in a wrong or lost database would begin a second history.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Row as _, SqlSafeStr};
use vouchlog_storage::{Residence, StoreError};

use crate::outcome::words;

/// Not the driver's default name: a vault may keep its own migrations in the same database.
const MIGRATIONS: &str = "vouchlog_store_migrations";
/// From this version of the tables on, the lease has the checkpoints that the leader has shown.
pub(crate) const CHECKPOINTS_VERSION: i64 = 3;
/// The format of a log's rows.
pub(crate) const FORMAT: i32 = 1;

/// A log in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogRow {
    pub(crate) log: i32,
    pub(crate) format: i32,
    pub(crate) sealed_in: String,
    pub(crate) system_identifier: String,
}

fn steps() -> Vec<Migration> {
    let steps = [
        ("store", include_str!("../migrations/0001_store.sql")),
        ("moving", include_str!("../migrations/0002_moving.sql")),
        ("checkpoints", include_str!("../migrations/0003_checkpoints.sql")),
        ("pruning", include_str!("../migrations/0004_pruning.sql")),
    ];
    let step = |(number, (name, sql)): (i64, (&'static str, &'static str))| {
        Migration::new(number, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    (1..).zip(steps).map(step).collect()
}

fn newest(steps: &[Migration]) -> i64 {
    i64::try_from(steps.len()).unwrap_or(i64::MAX)
}

/// That this program knows the tables of a version.
///
/// # Errors
/// [`StoreError::Foreign`] for those of a newer program.
pub(crate) fn check_known(version: i64) -> Result<(), StoreError> {
    let newest = newest(&steps());
    if version > newest {
        return Err(StoreError::Foreign(format!(
            "the tables in the database have version {version}, and this program knows versions up to {newest}: use a newer program"
        )));
    }
    Ok(())
}

/// The version of the tables in a database; 0 when there are none.
pub(crate) async fn version(connection: &mut PgConnection) -> sqlx::Result<i64> {
    let there = sqlx::query("SELECT to_regclass($1) IS NOT NULL").bind(MIGRATIONS);
    if !there.fetch_one(&mut *connection).await?.try_get::<bool, _>(0)? {
        return Ok(0);
    }
    let newest = sqlx::query("SELECT coalesce(max(version), 0) FROM vouchlog_store_migrations WHERE success");
    newest.fetch_one(connection).await?.try_get(0)
}

/// Makes the tables or brings them up to date. With tables of this version nothing is written, so a role without the right to create
/// tables is enough.
pub(crate) async fn migrate(
    connection: &mut PgConnection,
    may_create: bool,
) -> sqlx::Result<Result<(), StoreError>> {
    let (found, steps) = (version(connection).await?, steps());
    if found == newest(&steps) {
        return Ok(Ok(()));
    }
    if let Err(error) = check_known(found) {
        return Ok(Err(error));
    }
    if found == 0 && !may_create {
        return Ok(Err(no_log()));
    }
    let mut migrator = Migrator::with_migrations(steps);
    migrator.dangerous_set_table_name(MIGRATIONS);
    // Several processes may start at once: the driver takes an advisory lock meanwhile.
    // `run` takes any connection, and is then not general enough for a boxed future.
    let outcome = migrator.run_direct(None, connection, false).await;
    Ok(outcome.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => StoreError::Io(words(&error)),
        other => StoreError::Foreign(format!("the tables in the database are not this program's: {other}")),
    }))
}

/// That a database does not hold the log.
pub fn no_log() -> StoreError {
    StoreError::Foreign(
        "the database holds no log. If it is the right database and the log is new, ask for it to be created; otherwise restore the log's database"
            .into(),
    )
}

/// The log of that name; without a name, the only log there is.
pub(crate) async fn find(
    connection: &mut PgConnection,
    origin: Option<&str>,
) -> sqlx::Result<Vec<(String, LogRow)>> {
    if version(connection).await? == 0 {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(
        "SELECT origin, log, format, sealed_in, system_identifier FROM vouchlog_log
         WHERE $1::text IS NULL OR origin = $1 ORDER BY log LIMIT 2",
    );
    let rows = rows.bind(origin).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let found = LogRow {
                log: row.try_get(1)?,
                format: row.try_get(2)?,
                sealed_in: row.try_get(3)?,
                system_identifier: row.try_get(4)?,
            };
            Ok((row.try_get(0)?, found))
        })
        .collect()
}

/// A log to be made.
#[derive(Clone, Debug)]
pub(crate) struct NewLog {
    pub(crate) origin: String,
    pub(crate) sealed_in: String,
    /// Whether it is served from here, or waits for its entries.
    pub(crate) residence: Residence,
}

/// Makes a log without entries. Of several processes that do so at once, all find the same log.
pub(crate) async fn create(connection: &mut PgConnection, new: &NewLog) -> sqlx::Result<()> {
    let identifier = system_identifier(connection).await.unwrap_or_default();
    let made = sqlx::query(
        "WITH made AS (
             INSERT INTO vouchlog_log (origin, format, sealed_in, system_identifier) VALUES ($1, $2, $3, $4)
             ON CONFLICT (origin) DO NOTHING RETURNING log
         ), lease AS (INSERT INTO vouchlog_lease (log, epoch) SELECT log, 0 FROM made)
         INSERT INTO vouchlog_head (log, epoch, commits, sealed, move) SELECT log, 0, 0, 0, $5 FROM made",
    );
    let made = made.bind(&new.origin).bind(FORMAT).bind(&new.sealed_in).bind(identifier);
    made.bind(new.residence.to_string()).execute(connection).await?;
    Ok(())
}

/// The name of the cluster; a copy by `pg_dump` in another cluster has another one. An error if the role may not read it.
pub(crate) async fn system_identifier(connection: &mut PgConnection) -> sqlx::Result<String> {
    let row = sqlx::query("SELECT system_identifier::text FROM pg_control_system()");
    row.fetch_one(connection).await?.try_get(0)
}
