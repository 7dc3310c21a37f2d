//! Taking a log over: one transaction that raises the epoch of the lease and of the head. Once it is acknowledged every earlier leader
//! is fenced, and what is read after it survives whatever the claim survives, since the write-ahead log is ordered.

use std::time::{Duration, Instant};

use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, Executor as _, Row as _};
use vouchlog_merkle::{Hash, TreeHead, TreeSize};
use vouchlog_storage::{MoveId, Residence, StoreError};

use crate::database::{COMMIT_NAME, Database, Use};
use crate::notices::Notices;
use crate::outcome::{damaged, is_locked, unsigned, words};

/// Pause between two attempts.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Who claims a log: unique to a process, so that it knows its own claims again after a lost answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) id: [u8; 16],
    /// What other processes and operators are shown.
    pub(crate) address: String,
}

/// Whose lease is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseHolder {
    /// Anyone's, also a leader's.
    Anyone,
    /// One that has run out, was resigned, or is the holder's own.
    Free,
    /// The holder's own: no other process has claimed since.
    Own,
}

/// A claim to be made.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    pub(crate) log: i32,
    pub(crate) holder: Holder,
    pub(crate) ttl: Duration,
    pub(crate) whose: LeaseHolder,
    /// The move that writes the log, if it is not served from here yet.
    pub(crate) arriving: Option<MoveId>,
}

/// A log after a claim.
#[derive(Debug)]
pub(crate) struct Claimed {
    /// The commit connection: the backend that the lease names.
    pub(crate) connection: PgConnection,
    /// The head's epoch, which a commit must meet.
    pub(crate) epoch: i64,
    pub(crate) head: Option<TreeHead>,
    pub(crate) commits: i64,
    pub(crate) sealed: u64,
}

/// Why a log was not claimed.
#[derive(Debug)]
pub(crate) enum NotClaimed {
    /// Another process holds the lease.
    Held,
    /// The log is not served from here: it was moved, or is being moved.
    Away(StoreError),
    /// The database did not do it.
    Failed(StoreError),
}

struct Rows {
    epoch: i64,
    size: Option<i64>,
    root: Option<Vec<u8>>,
    commits: i64,
    sealed: i64,
}

enum Attempt {
    Done(Rows),
    Held,
    Away(StoreError),
    /// The lease is the claimant's to take, but the head is locked: the old leader's backend holds it.
    HeadLocked,
}

/// Claims a log, again and again for as long as `patience`. A backend of the former leader that keeps the head locked is terminated.
pub(crate) async fn claim(
    database: &Database,
    notices: &Notices,
    claim: &Claim,
    patience: Duration,
) -> Result<Claimed, NotClaimed> {
    let deadline = Instant::now() + patience;
    loop {
        let failure = match database.connect(Use::Commit).await {
            Ok(mut connection) => {
                let left = deadline.saturating_duration_since(Instant::now());
                let trying = notices.during(attempt(&mut connection, claim));
                match tokio::time::timeout(left, trying).await {
                    Ok((Ok(Attempt::Done(rows)), None)) => return rows.claimed(connection),
                    Ok((Ok(Attempt::Done(_)), Some(warning))) => format!("PostgreSQL warned: {warning}"),
                    Ok((Ok(Attempt::Held), _)) => return Err(NotClaimed::Held),
                    Ok((Ok(Attempt::Away(error)), _)) => return Err(NotClaimed::Away(error)),
                    Ok((Ok(Attempt::HeadLocked), _)) => {
                        terminate_former(&mut connection, claim.log).await;
                        "the former leader's connection keeps the head locked".to_owned()
                    }
                    Ok((Err(error), _)) => words(&error),
                    Err(_) => "PostgreSQL did not respond in time".to_owned(),
                }
            }
            Err(error) => words(&error),
        };
        if Instant::now() + RETRY_AFTER >= deadline {
            return Err(NotClaimed::Failed(StoreError::Io(format!("the log was not claimed: {failure}"))));
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
}

async fn attempt(connection: &mut PgConnection, claim: &Claim) -> sqlx::Result<Attempt> {
    let mut transaction = connection.begin().await?;
    transaction.execute(sqlx::raw_sql("SET LOCAL lock_timeout = '1s'")).await?;
    let lease = sqlx::query(
        "UPDATE vouchlog_lease
         SET epoch = epoch + 1, holder = $2, address = $3, ttl_ms = $4, commit_pid = pg_backend_pid(),
             taken = clock_timestamp(), renewed = clock_timestamp(), resign = false
         WHERE log = $1 AND ($5 = 0 OR holder = $2 OR $5 = 1 AND
             (renewed IS NULL OR renewed + ttl_ms * interval '1 millisecond' < clock_timestamp()))",
    );
    let whose: i32 = match claim.whose {
        LeaseHolder::Anyone => 0,
        LeaseHolder::Free => 1,
        LeaseHolder::Own => 2,
    };
    let ttl = i32::try_from(claim.ttl.as_millis()).unwrap_or(i32::MAX);
    let lease =
        lease.bind(claim.log).bind(&claim.holder.id[..]).bind(&claim.holder.address).bind(ttl).bind(whose);
    if lease.execute(&mut *transaction).await?.rows_affected() == 0 {
        return Ok(Attempt::Held);
    }
    let head = sqlx::query(
        "UPDATE vouchlog_head SET epoch = epoch + 1 WHERE log = $1 RETURNING epoch, size, root, commits, sealed, move",
    );
    let row = match head.bind(claim.log).fetch_one(&mut *transaction).await {
        Err(error) if is_locked(&error) => {
            transaction.rollback().await?;
            return Ok(Attempt::HeadLocked);
        }
        row => row?,
    };
    let rows = Rows {
        epoch: row.try_get(0)?,
        size: row.try_get(1)?,
        root: row.try_get(2)?,
        commits: row.try_get(3)?,
        sealed: row.try_get(4)?,
    };
    // Read in the fence's own row: a process that marks the log as moved, and one that claims it, wait for each other there.
    let residence: Result<Residence, StoreError> = row.try_get::<String, _>(5)?.parse();
    if let Err(error) = residence.and_then(|residence| residence.check(claim.arriving)) {
        transaction.rollback().await?;
        return Ok(Attempt::Away(error));
    }
    transaction.commit().await?;
    Ok(Attempt::Done(rows))
}

/// Ends the backend that the lease names, if it is still a commit connection: process numbers are used again.
async fn terminate_former(connection: &mut PgConnection, log: i32) {
    let ended = sqlx::query(
        "SELECT pg_terminate_backend(a.pid) FROM vouchlog_lease l JOIN pg_stat_activity a ON a.pid = l.commit_pid
         WHERE l.log = $1 AND a.datname = current_database() AND a.application_name = $2
           AND a.pid <> pg_backend_pid()",
    );
    match ended.bind(log).bind(COMMIT_NAME).fetch_optional(connection).await {
        Ok(Some(_)) => {
            tracing::warn!("the former leader's connection, which kept the head locked, was terminated");
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the former leader's connection could not be terminated"),
    }
}

impl Rows {
    fn claimed(self, connection: PgConnection) -> Result<Claimed, NotClaimed> {
        let (epoch, commits) = (self.epoch, self.commits);
        let head = head(self.size, self.root).map_err(NotClaimed::Failed)?;
        let sealed = unsigned(self.sealed, "the sealed size").map_err(NotClaimed::Failed)?;
        Ok(Claimed { connection, epoch, head, commits, sealed })
    }
}

/// The head as two columns hold it.
pub(crate) fn head(size: Option<i64>, root: Option<Vec<u8>>) -> Result<Option<TreeHead>, StoreError> {
    let Some((size, root)) = size.zip(root) else { return Ok(None) };
    let root = Hash::try_from(&root[..]).map_err(|_| damaged("the root"))?;
    Ok(Some(TreeHead { size: TreeSize::new(unsigned(size, "the size")?), root }))
}
