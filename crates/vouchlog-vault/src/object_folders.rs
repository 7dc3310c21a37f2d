//! Folders of objects, which keep a sweep away from what a transaction in flight may still name.
//!
//! A process registers a folder before it writes objects into it, and uses it for an hour at most. The transaction that keeps a record
//! holds the row of the folder and fails if it is closed; closing waits for such transactions. So once a folder is closed, each object in it
//! is named by a committed record, or never will be.

use std::collections::HashSet;
use std::time::Duration;

use sqlx::{AnyConnection, Row as _};
use vouchlog_runtime::Clock;

use crate::database::{Database, Dialect};
use crate::limits::FOLDER_AGE;
use crate::object_name::FolderName;
use crate::sql::over_set;
use crate::{Result, VaultError};

/// Registers a folder.
pub(crate) async fn open_folder(db: &Database, folder: FolderName) -> Result<()> {
    let mut tx = db.begin().await?;
    let insert = sqlx::query("INSERT INTO object_folder (folder, opened_at) VALUES ($1, $2)");
    insert.bind(folder.to_vec()).bind(now()).execute(&mut *tx).await?;
    db.commit(tx).await
}

/// Which of these folders are open. They stay so until the transaction ends.
pub(crate) async fn hold_open(
    db: &Database,
    tx: &mut AnyConnection,
    folders: &HashSet<FolderName>,
) -> Result<HashSet<FolderName>> {
    let after = match db.dialect {
        // The transaction excludes every other one.
        Dialect::Sqlite => "AND closed_at IS NULL",
        Dialect::Postgres => "AND closed_at IS NULL FOR SHARE",
    };
    let values = folders.iter().map(|folder| folder.as_slice().into()).collect();
    let rows = over_set(tx, "SELECT folder FROM object_folder WHERE folder IN", values, after).await?;
    rows.iter().map(|row| read(row.try_get(0)?)).collect()
}

/// Closes folders that no process uses any more: they were registered twice as long ago as one is used. A process whose clock differs
/// finds its folder closed, and writes again in another one.
pub(crate) async fn close_old(db: &Database, now: i64) -> Result<()> {
    let before = now.saturating_sub(millis(FOLDER_AGE.saturating_mul(2)));
    let find = "SELECT count(*) FROM object_folder WHERE closed_at IS NULL AND opened_at < $1";
    let count: i64 = sqlx::query(find).bind(before).fetch_one(&db.readers).await?.try_get(0)?;
    if count == 0 {
        return Ok(());
    }
    let mut tx = db.begin().await?;
    let update =
        sqlx::query("UPDATE object_folder SET closed_at = $1 WHERE closed_at IS NULL AND opened_at < $2");
    update.bind(now).bind(before).execute(&mut *tx).await?;
    db.commit(tx).await
}

/// Reads the name of a folder.
pub(crate) fn read(bytes: &[u8]) -> Result<FolderName> {
    bytes.try_into().map_err(|_| VaultError::damaged("the name of a folder of objects is malformed"))
}

/// The time by which folders are closed, whatever time records are kept at.
pub(crate) fn now() -> i64 {
    Clock::system().now().signed()
}

/// A duration as the database has it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
