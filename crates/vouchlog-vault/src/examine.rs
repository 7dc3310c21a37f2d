//! A SQLite vault is examined before it is opened for writing, by a connection that only reads: opening would take a shortened
//! write-ahead log for a whole one, and closing would delete it.

use std::path::Path;

use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, ConnectOptions, Connection, Executor, Row as _};

use crate::error::named;
use crate::limits::{BUSY_TIMEOUT, CHECKED_AT_OPEN, REPORTED_DAMAGE};
use crate::location::file_url;
use crate::mark::Mark;
use crate::{Result, VaultError};

/// Refuses a file that is damaged, or that has fewer transactions than were acknowledged. Files of more than
/// [`CHECKED_AT_OPEN`] are not read in full here: [`Vault::check`](crate::Vault::check) does that.
pub(crate) async fn examine(file: &Path) -> Result<()> {
    // Before the database is read: other processes may be writing.
    let acknowledged = Mark::read(file).map_err(|error| failed(&Mark::path(file), &error))?;
    let length = std::fs::metadata(file).map_or(0, |file| file.len());
    if length == 0 {
        // An empty file is a database that was never written.
        return if acknowledged == 0 { Ok(()) } else { Err(lost(file, 0, acknowledged)) };
    }
    let examined = examine_database(file, length, acknowledged).await;
    examined.map_err(|error| named(error, &file.display().to_string()))
}

async fn examine_database(file: &Path, length: u64, acknowledged: u64) -> Result<()> {
    let mut connection = read_only(file).await?;
    if length <= CHECKED_AT_OPEN
        && let Some(problem) = integrity(&mut connection, "").await?.into_iter().next()
    {
        return Err(VaultError::Damaged(problem));
    }
    let columns = "SELECT count(*) FROM pragma_table_info('vault') WHERE name = 'commits'";
    let counts: i64 = connection.fetch_one(columns).await?.try_get(0)?;
    let commits: i64 = match counts {
        // Made by an earlier version, or not finished.
        0 => 0,
        _ => {
            let row = connection.fetch_optional("SELECT commits FROM vault").await?;
            row.map_or(Ok(0), |row| row.try_get(0))?
        }
    };
    connection.close().await?;
    if commits.unsigned_abs() < acknowledged {
        return Err(lost(file, commits.unsigned_abs(), acknowledged));
    }
    Ok(())
}

/// A connection that can change neither the file nor its write-ahead log.
async fn read_only(file: &Path) -> Result<AnyConnection> {
    let whole = file.canonicalize().map_err(|error| failed(file, &error))?;
    let url = format!("{}?mode=ro", file_url(&whole)?);
    let options: AnyConnectOptions =
        url.parse().map_err(|_| VaultError::Location(file.display().to_string()))?;
    let mut connection = AnyConnection::connect_with(&options.disable_statement_logging()).await?;
    let settings = format!(
        "PRAGMA busy_timeout = {}; PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON",
        BUSY_TIMEOUT.as_millis()
    );
    connection.execute(sqlx::AssertSqlSafe(settings)).await?;
    Ok(connection)
}

/// What SQLite finds wrong in the database, or in one of its tables; at most [`REPORTED_DAMAGE`] findings.
pub(crate) async fn integrity(connection: &mut AnyConnection, table: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let argument = if table.is_empty() { REPORTED_DAMAGE.to_string() } else { table.to_owned() };
    let sql = format!("PRAGMA integrity_check({argument})");
    for row in connection.fetch_all(sqlx::AssertSqlSafe(sql)).await? {
        let text: String = row.try_get(0)?;
        if text != "ok" {
            // The first line of a finding about a page only names the database.
            found.push(text.trim_start_matches("*** in database main ***").trim().replace('\n', "; "));
        }
    }
    found.truncate(REPORTED_DAMAGE);
    Ok(found)
}

fn lost(file: &Path, commits: u64, acknowledged: u64) -> VaultError {
    let shown = file.display();
    VaultError::Damaged(format!(
        "{shown} with {shown}-wal has {commits} of {acknowledged} changes that were acknowledged: a file is damaged, truncated or missing, or they are an older copy"
    ))
}

fn failed(file: &Path, error: &std::io::Error) -> VaultError {
    VaultError::Database(format!("{}: {error}", file.display()))
}
