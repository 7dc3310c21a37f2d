//! How far a log is sealed, in the head's row, which commits update as well.

use sqlx::postgres::PgConnection;

/// When a mark is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// Before it is acknowledged.
    Now,
    /// Before anything is durable that is committed after it. The row stays locked for no longer than the statement takes: a commit that
    /// comes meanwhile does not wait for a disk, or for a synchronous standby, that only the mark needs.
    Later,
}

/// Marks a log as sealed up to a size. False if it was claimed again meanwhile.
pub(crate) async fn mark(
    connection: &mut PgConnection,
    (log, epoch): (i32, i64),
    up_to: i64,
    flush: Flush,
) -> sqlx::Result<bool> {
    // The setting is that of the statement's transaction, and ends with it.
    let sql = match flush {
        Flush::Now => "UPDATE vouchlog_head SET sealed = greatest(sealed, $3) WHERE log = $1 AND epoch = $2",
        Flush::Later => {
            "WITH setting AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true) AS value)
             UPDATE vouchlog_head SET sealed = greatest(sealed, $3) FROM setting
             WHERE log = $1 AND epoch = $2 AND setting.value = 'off'"
        }
    };
    let marked = sqlx::query(sql).bind(log).bind(epoch).bind(up_to).execute(connection).await?;
    Ok(marked.rows_affected() == 1)
}
