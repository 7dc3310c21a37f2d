//! What the rows of a log hold, read at one moment.

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use vouchlog_storage::{Loaded, StateKey, StoreError, framing};

use crate::claim;
use crate::outcome::{damaged, unsigned};

/// A log as its rows hold it.
pub(crate) struct Contents {
    pub(crate) epoch: i64,
    head: (Option<i64>, Option<Vec<u8>>),
    sealed: i64,
    /// First index, count, entries.
    tail: Vec<(i64, i32, Vec<u8>)>,
    states: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads everything at one moment.
pub(crate) async fn read_all(connection: &mut PgConnection, log: i32) -> sqlx::Result<Contents> {
    let mut transaction = connection.begin().await?;
    let settings =
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '110s'";
    transaction.execute(sqlx::raw_sql(settings)).await?;
    let head = sqlx::query("SELECT size, root, sealed, epoch FROM vouchlog_head WHERE log = $1").bind(log);
    let head = head.fetch_one(&mut *transaction).await?;
    let sealed: i64 = head.try_get(2)?;
    let tail = sqlx::query(
        "SELECT first, count, entries FROM vouchlog_tail WHERE log = $1 AND first + count > $2 ORDER BY first",
    );
    let tail = tail.bind(log).bind(sealed).fetch_all(&mut *transaction).await?;
    let states = sqlx::query("SELECT key, value FROM vouchlog_state WHERE log = $1").bind(log);
    let states = states.fetch_all(&mut *transaction).await?;
    transaction.commit().await?;
    Ok(Contents {
        epoch: head.try_get(3)?,
        head: (head.try_get(0)?, head.try_get(1)?),
        sealed,
        tail: tail
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))
            .collect::<sqlx::Result<_>>()?,
        states: states
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)))
            .collect::<sqlx::Result<_>>()?,
    })
}

impl Contents {
    pub(crate) fn loaded(self) -> Result<Option<Loaded>, StoreError> {
        let (size, root) = self.head;
        let Some(head) = claim::head(size, root)? else { return Ok(None) };
        let sealed = unsigned(self.sealed, "the sealed size")?;
        let missing =
            |at: u64| StoreError::Damaged(format!("the entries from index {at} are missing in the database"));
        let (mut tail, mut next) = (Vec::new(), sealed);
        for (first, count, entries) in self.tail {
            let first = unsigned(first, "a row of entries")?;
            let end = first + unsigned(count.into(), "a row of entries")?;
            if first > next {
                return Err(missing(next));
            }
            if end > next {
                let entries = bytes::Bytes::from(entries);
                if framing::count(&entries) != Some(end - first) {
                    return Err(damaged("a row of entries"));
                }
                tail.push(framing::skip(&entries, next - first).ok_or_else(|| missing(next))?);
                next = end;
            }
        }
        if next != head.size.get() {
            return Err(missing(next));
        }
        let states = self.states.into_iter().map(|(key, value)| (StateKey::new(key), value.into())).collect();
        Ok(Some(Loaded { head, sealed, tail, states }))
    }
}
