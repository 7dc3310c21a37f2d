//! A commit: one statement, one round trip, which changes nothing unless the head row is as expected.

use std::collections::BTreeMap;

use bytes::Bytes;
use sqlx::Row as _;
use sqlx::postgres::PgConnection;
use vouchlog_merkle::TreeHead;
use vouchlog_storage::{Batch, CommitError, framing};

use crate::outcome::signed;

/// Bytes of entries in one row of the tail.
const ROW_BYTES: usize = 256 * 1024;
/// PostgreSQL takes messages of up to 1 GiB; a batch stays well below.
const MAX_BATCH_BYTES: usize = 512 * 1024 * 1024;

const SQL: &str = "
WITH moved AS (
    UPDATE vouchlog_head SET size = $6, root = $7, commits = commits + 1
    WHERE log = $1 AND epoch = $2 AND commits = $3
      AND size IS NOT DISTINCT FROM $4 AND root IS NOT DISTINCT FROM $5
    RETURNING 1
), tail AS (
    INSERT INTO vouchlog_tail (log, first, count, entries)
    SELECT $1, u.first, u.count, u.entries
    FROM moved, unnest($8::bigint[], $9::integer[], $10::bytea[]) AS u(first, count, entries)
), states AS (
    INSERT INTO vouchlog_state (log, key, value)
    SELECT $1, u.key, u.value FROM moved, unnest($11::bytea[], $12::bytea[]) AS u(key, value)
    ON CONFLICT (log, key) DO UPDATE SET value = excluded.value
), removed AS (
    DELETE FROM vouchlog_state USING moved WHERE log = $1 AND key = ANY($13::bytea[])
)
SELECT count(*) FROM moved";

/// Where the head row must be for a commit to succeed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fence {
    pub(crate) log: i32,
    pub(crate) epoch: i64,
    pub(crate) commits: i64,
    pub(crate) head: Option<TreeHead>,
}

/// A batch as rows.
#[derive(Debug)]
pub(crate) struct Rows {
    head: TreeHead,
    firsts: Vec<i64>,
    counts: Vec<i32>,
    entries: Vec<Bytes>,
    /// The last value of each state; an empty one removes it.
    states: BTreeMap<Vec<u8>, Bytes>,
}

impl Rows {
    /// # Errors
    /// [`CommitError::Refused`] for a batch that does not fit into one statement.
    pub(crate) fn of(batch: &Batch) -> Result<Self, CommitError> {
        let refused = |what: &str| CommitError::Refused(format!("the batch {what}"));
        let states: usize = batch.states.iter().map(|(key, value)| key.as_bytes().len() + value.len()).sum();
        if batch.entries.len() + states > MAX_BATCH_BYTES {
            return Err(refused("is larger than 512 MiB"));
        }
        let pieces = framing::cut(&batch.entries, ROW_BYTES).ok_or_else(|| refused("is malformed"))?;
        let mut next = batch.old_size().unwrap_or(0);
        let mut rows = Self {
            head: batch.head,
            firsts: Vec::with_capacity(pieces.len()),
            counts: Vec::with_capacity(pieces.len()),
            entries: Vec::with_capacity(pieces.len()),
            states: batch
                .states
                .iter()
                .map(|(key, value)| (key.as_bytes().to_vec(), value.clone()))
                .collect(),
        };
        for (count, entries) in pieces {
            rows.firsts.push(signed(next));
            rows.counts.push(i32::try_from(count).map_err(|_| refused("has too many entries"))?);
            rows.entries.push(entries);
            next += count;
        }
        Ok(rows)
    }

    /// Commits; whether the head was where the fence expects it.
    pub(crate) async fn commit(&self, connection: &mut PgConnection, fence: Fence) -> sqlx::Result<bool> {
        let entries: Vec<&[u8]> = self.entries.iter().map(|entries| &entries[..]).collect();
        let (mut keys, mut values, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for (key, value) in &self.states {
            if value.is_empty() {
                removed.push(&key[..]);
            } else {
                keys.push(&key[..]);
                values.push(&value[..]);
            }
        }
        let query = sqlx::query(SQL)
            .bind(fence.log)
            .bind(fence.epoch)
            .bind(fence.commits)
            .bind(fence.head.map(|head| signed(head.size.get())))
            .bind(fence.head.map(|head| head.root.as_bytes().to_vec()))
            .bind(signed(self.head.size.get()))
            .bind(&self.head.root.as_bytes()[..])
            .bind(&self.firsts)
            .bind(&self.counts)
            .bind(entries)
            .bind(keys)
            .bind(values)
            .bind(removed);
        let moved: i64 = query.fetch_one(connection).await?.try_get(0)?;
        Ok(moved == 1)
    }
}
