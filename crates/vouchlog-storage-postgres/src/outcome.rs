//! What an error of the driver means: whether a statement certainly changed nothing.

use std::time::Duration;

use vouchlog_storage::StoreError;

/// Whether the server reported that the statement failed as a whole, so that it certainly changed nothing and the connection is fine.
///
/// Everything else is an unknown outcome: an I/O error, a timeout, and codes that end a session, since a commit may have become
/// durable before its answer was lost (57P01 is one of them).
pub(crate) fn is_rejection(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(error) = error else { return false };
    let code = error.code().unwrap_or_default();
    // Of class 57 only a cancelled query: the server rolls it back. While it waits for a standby it warns instead, see `notices`.
    // 25006 comes from a standby, which takes no writes.
    let classes = ["0A", "22", "23", "26", "28", "34", "3D", "3F", "40", "42", "44", "53", "54"];
    matches!(&*code, "57014" | "55P03" | "55006" | "25006")
        || classes.iter().any(|class| code.starts_with(class))
}

/// Whether a lock was not given in time.
pub(crate) fn is_locked(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.code().as_deref() == Some("55P03"))
}

/// The error in words, without a URL or a password.
pub(crate) fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => match error.code() {
            Some(code) => format!("PostgreSQL: {} ({code})", error.message()),
            None => format!("PostgreSQL: {}", error.message()),
        },
        sqlx::Error::Io(error) => format!("the connection to PostgreSQL failed: {error}"),
        sqlx::Error::Tls(error) => format!("TLS to PostgreSQL failed: {error}"),
        sqlx::Error::Configuration(_) => "the URL of the database is not valid".to_owned(),
        sqlx::Error::Protocol(error) => format!("the connection to PostgreSQL failed: {error}"),
        other => format!("PostgreSQL: {other}"),
    }
}

/// As an error of the store.
pub(crate) fn store_error(error: &sqlx::Error) -> StoreError {
    StoreError::Io(words(error))
}

/// PostgreSQL did not respond in time.
pub(crate) fn late(patience: Duration) -> StoreError {
    StoreError::Io(format!("PostgreSQL did not respond within {} s", patience.as_secs_f32()))
}

/// That `what` in the database is not what was written.
pub(crate) fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(format!("{what} in the database cannot be read"))
}

/// A number of the log as PostgreSQL's 64-bit integers hold it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that PostgreSQL's 64-bit integers held.
pub(crate) fn unsigned(number: i64, what: &str) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| damaged(what))
}
