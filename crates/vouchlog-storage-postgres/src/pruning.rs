//! What a log with its sealed part in the database has given up: the record of it, and the rows that it names.
//!
//! The record is written under a lock on the fence's row and only at the epoch of the writer's claim, so no process that was fenced gives
//! anything up. A row is deleted only if the record names it: a process that is fenced while it deletes does what the next one would do.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::outcome::signed;

/// Rows that one statement looks at.
const PAGE_ROWS: i64 = 256;
/// Bytes that one statement deletes, unless one row has more: it ends long before the server's timeout, and no vacuum falls behind.
const REMOVED_BYTES: i64 = 8 * 1024 * 1024;

/// A log, and the epoch at which a process has claimed it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) log: i32,
    pub(crate) epoch: i64,
}

/// The record of a log, and up to where it is sealed.
pub(crate) async fn read(connection: &mut PgConnection, log: i32) -> sqlx::Result<(Option<String>, i64)> {
    // As JSON, the column may be missing: a standby reads tables of its leader's version, which has given up nothing then.
    let record = sqlx::query(
        "SELECT to_jsonb(l) ->> 'pruned', h.sealed FROM vouchlog_log l JOIN vouchlog_head h USING (log) WHERE log = $1",
    );
    let row = record.bind(log).fetch_one(connection).await?;
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Replaces the record; whether the claim was still the newest, and the record the expected one.
pub(crate) async fn record(
    connection: &mut PgConnection,
    claim: Claim,
    before: Option<&str>,
    text: &str,
) -> sqlx::Result<bool> {
    // Locked, so that a claim comes before this or after it. Once more after a lost answer it changes nothing.
    let record = sqlx::query(
        "WITH fence AS (SELECT log FROM vouchlog_head WHERE log = $1 AND epoch = $2 FOR UPDATE)
         UPDATE vouchlog_log l SET pruned = $4 FROM fence
         WHERE l.log = fence.log AND (l.pruned IS NOT DISTINCT FROM $3 OR l.pruned = $4)",
    );
    let record = record.bind(claim.log).bind(claim.epoch).bind(before).bind(text);
    Ok(record.execute(connection).await?.rows_affected() == 1)
}

/// The bundles that are there from `first` on and below `end`, each with its length; a bounded number of them.
pub(crate) async fn page(
    connection: &mut PgConnection,
    log: i32,
    (first, end): (u64, u64),
) -> sqlx::Result<Vec<(i64, i64)>> {
    // The length of a value that is stored apart is known without reading it.
    let page = sqlx::query(
        "SELECT index, octet_length(bytes)::bigint FROM vouchlog_sealed
         WHERE log = $1 AND level = -1 AND index >= $2 AND index < $3 ORDER BY index LIMIT $4",
    );
    let page = page.bind(log).bind(signed(first)).bind(signed(end)).bind(PAGE_ROWS);
    page.fetch_all(connection).await?.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// The first of these bundles, as many as one statement deletes.
pub(crate) fn batch(page: &[(i64, i64)]) -> Vec<i64> {
    let mut total = 0;
    let fits = page.iter().take_while(|(_, length)| {
        let is_first = total == 0;
        total += length;
        is_first || total <= REMOVED_BYTES
    });
    fits.map(|(index, _)| *index).collect()
}

/// Deletes bundles; whether the claim was still the newest.
pub(crate) async fn remove(
    connection: &mut PgConnection,
    claim: Claim,
    bundles: &[i64],
) -> sqlx::Result<bool> {
    // No lock on the fence's row: commits would wait for it as long as the rows take.
    let removal = sqlx::query(
        "WITH fence AS (SELECT log FROM vouchlog_head WHERE log = $1 AND epoch = $2), removed AS (
             DELETE FROM vouchlog_sealed s USING fence WHERE s.log = fence.log AND level = -1 AND index = ANY($3)
         ) SELECT count(*) FROM fence",
    );
    let claims: i64 =
        removal.bind(claim.log).bind(claim.epoch).bind(bundles).fetch_one(connection).await?.try_get(0)?;
    Ok(claims == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_deletes_a_bounded_number_of_bytes_and_never_nothing() {
        assert!(batch(&[]).is_empty());
        assert_eq!(batch(&[(3, 100), (5, 100)]), [3, 5]);
        assert_eq!(batch(&[(3, REMOVED_BYTES), (5, 1)]), [3]);
        assert_eq!(batch(&[(3, 2 * REMOVED_BYTES), (5, 1)]), [3]);
        assert_eq!(batch(&[(1, REMOVED_BYTES / 2), (2, REMOVED_BYTES / 2), (3, 1)]), [1, 2]);
    }
}
