//! The living part of a log in PostgreSQL.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};
use vouchlog_merkle::TreeHead;
use vouchlog_storage::{Batch, CommitError, Epoch, Living, Loaded, MoveId, Residence, StoreError, Tenure};

use crate::boottime::Boottime;
use crate::claim::{self, Claim, Claimed, Holder, LeaseHolder, NotClaimed};
use crate::commit::{Fence, Rows};
use crate::contents::read_all;
use crate::database::{Database, QUERY_PATIENCE, Use};
use crate::lease::{self, LEASE_TTL, Lease};
use crate::mark::{Flush, mark};
use crate::notices::Notices;
use crate::outcome::{is_rejection, late, signed, words};
use crate::sealed::PostgresSealed;
use crate::signed::Signed;

/// How long reading a log at its start may take.
pub(crate) const LOAD_PATIENCE: Duration = Duration::from_secs(120);
/// How long a claim may take, the first one and those that settle a commit's outcome.
const CLAIM_PATIENCE: Duration = Duration::from_secs(6);
/// A commit that was certainly not made is sent once more if its connection was lost within this time.
const QUICK_LOSS: Duration = Duration::from_secs(1);

/// The living part of a log in PostgreSQL. One process at a time holds its lease; the others are fenced.
pub struct PostgresLiving {
    database: Database,
    log: i32,
    holder: Holder,
    /// Whose lease a claim takes.
    whose: LeaseHolder,
    commit_patience: Duration,
    arriving: Option<MoveId>,
    notices: Notices,
    lease: Arc<Lease>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// The epoch of the head row, for those who do not wait for a commit.
    epoch: Arc<AtomicI64>,
    writer: Mutex<Writer>,
    /// Why nothing is written any more.
    stopped: Mutex<Option<Stopped>>,
    signed: Signed,
    /// The span in which the store was opened: the lease is kept in it.
    span: Span,
}

#[derive(Clone, Debug)]
enum Stopped {
    Closed,
    Fenced(String),
    Unknown(String),
}

/// What only one commit at a time touches.
struct Writer {
    /// None after a failure: the next commit claims the log again, which makes one.
    connection: Option<PgConnection>,
    /// What the last claim was given out as. Claims that settle an outcome stay within it.
    tenure: Epoch,
    fence: Fence,
}

/// How far a log reaches at a claim.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Entries that are committed.
    pub(crate) size: u64,
    /// Up to where they are sealed.
    pub(crate) sealed: u64,
}

/// What a living part is opened with.
pub(crate) struct Opening {
    pub(crate) database: Database,
    pub(crate) log: i32,
    pub(crate) holder: Holder,
    pub(crate) whose: LeaseHolder,
    pub(crate) commit_patience: Duration,
    pub(crate) arriving: Option<MoveId>,
    pub(crate) signed: Signed,
}

impl PostgresLiving {
    pub(crate) fn open(opening: Opening) -> Self {
        let Opening { database, log, holder, whose, commit_patience, arriving, signed } = opening;
        let fence = Fence { log, epoch: 0, commits: 0, head: None };
        Self {
            database,
            log,
            holder,
            whose,
            commit_patience,
            arriving,
            notices: Notices::new(),
            lease: Arc::new(Lease::new()),
            keeper: Mutex::default(),
            epoch: Arc::default(),
            writer: Mutex::new(Writer { connection: None, tenure: Epoch::default(), fence }),
            stopped: Mutex::default(),
            signed,
            span: Span::current(),
        }
    }

    /// Claims the log before its sealed part is opened.
    pub(crate) fn claim_first(&self) -> Result<Extent, StoreError> {
        Ok(self.claim_now()?.1)
    }

    fn claim_now(&self) -> Result<(Epoch, Extent), StoreError> {
        let mut writer = self.writer.lock();
        if self.stopped.lock().is_some() {
            return Err(StoreError::Io("the store is closed".into()));
        }
        let claimed = self.take(self.whose).map_err(|error| match error {
            NotClaimed::Held => StoreError::Leased("its lease is in force".into()),
            NotClaimed::Away(error) | NotClaimed::Failed(error) => error,
        })?;
        let Claimed { connection, epoch, head, commits, sealed } = claimed;
        writer.connection = Some(connection);
        writer.fence = Fence { log: self.log, epoch, commits, head };
        writer.tenure = Epoch::new(epoch.unsigned_abs());
        self.keep_lease()?;
        let size = head.map_or(0, |head| head.size.get());
        Ok((writer.tenure, Extent { size, sealed }))
    }

    /// The sealed part of the log, if it is in the same database.
    pub(crate) fn sealed_here(&self) -> Result<PostgresSealed, StoreError> {
        PostgresSealed::open_for_leading(self.database.clone(), self.log, self.epoch.clone())
    }

    /// The lease on the log.
    pub fn lease(&self) -> &Arc<Lease> {
        &self.lease
    }

    fn take(&self, whose: LeaseHolder) -> Result<Claimed, NotClaimed> {
        let (log, holder, arriving) = (self.log, self.holder.clone(), self.arriving);
        let claim = Claim { log, holder, ttl: LEASE_TTL, whose, arriving };
        let (database, notices) = (self.database.clone(), self.notices.clone());
        let claiming = async move { claim::claim(&database, &notices, &claim, CLAIM_PATIENCE).await };
        let sent = Boottime::now();
        self.lease.claiming();
        // Longer than the claim takes by itself: connecting is bounded apart.
        let outcome = self.database.run(2 * CLAIM_PATIENCE, claiming);
        let claimed = outcome.map_err(NotClaimed::Failed)?.inspect_err(|error| match error {
            NotClaimed::Held | NotClaimed::Away(_) => self.lease.not_claimed(),
            NotClaimed::Failed(_) => {}
        })?;
        // Sent again and again, the claim that succeeded may be the last: `sent` is then early, never late.
        self.lease.claimed(sent, claimed.epoch);
        self.epoch.store(claimed.epoch, Ordering::Relaxed);
        Ok(claimed)
    }

    /// Renews the lease from now on.
    fn keep_lease(&self) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        if keeper.is_none() {
            let keeping =
                lease::keep(self.database.clone(), self.lease.clone(), self.log, self.holder.clone());
            *keeper = Some(self.database.spawn(keeping.instrument(self.span.clone()))?);
        }
        Ok(())
    }

    /// Changes the mark of a move in the fence's row, from one to another.
    pub(crate) fn mark(&self, from: &Residence, to: &Residence) -> Result<(), StoreError> {
        let (database, notices) = (self.database.clone(), self.notices.clone());
        let (log, epoch) = (self.log, self.epoch.load(Ordering::Relaxed));
        let (from, to) = (from.to_string(), to.to_string());
        let marking = async move {
            let mut connection = database.connect(Use::Commit).await?;
            let mark =
                sqlx::query("UPDATE vouchlog_head SET move = $4 WHERE log = $1 AND epoch = $2 AND move = $3");
            let mark = mark.bind(log).bind(epoch).bind(from).bind(to);
            let (marked, warning) = notices.during(mark.execute(&mut connection)).await;
            Ok::<_, sqlx::Error>((marked?.rows_affected(), warning))
        };
        let unknown = |reason: String| {
            StoreError::Io(format!("whether the mark of the move was made is unknown: {reason}"))
        };
        match self.database.run(QUERY_PATIENCE, marking)?.map_err(|error| unknown(words(&error)))? {
            (1, None) => Ok(()),
            (1, Some(warning)) => Err(unknown(format!("PostgreSQL warned: {warning}"))),
            _ => Err(StoreError::Leased("it claimed the log while it was being moved".into())),
        }
    }

    fn stop(&self, reason: Stopped) {
        if let Stopped::Fenced(why) = &reason {
            self.lease.lose(why);
        }
        self.stopped.lock().get_or_insert(reason);
        // A standby must not wait for a process that writes nothing more.
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }

    fn fenced<T>(&self) -> Result<T, CommitError> {
        let reason = "another process claimed the log; this one writes nothing more";
        self.stop(Stopped::Fenced(reason.to_owned()));
        Err(CommitError::Fenced(reason.to_owned()))
    }

    /// Claims the log again within this tenure, for a new connection or to learn the outcome of a commit.
    fn reclaim(&self, writer: &mut Writer) -> Result<Claimed, NotClaimed> {
        let claimed = self.take(LeaseHolder::Own)?;
        writer.fence.epoch = claimed.epoch;
        Ok(claimed)
    }

    /// A connection for the next commit, whose fence is where the database is.
    fn reconnect(&self, writer: &mut Writer) -> Result<PgConnection, CommitError> {
        match self.reclaim(writer) {
            Ok(claimed) if (claimed.commits, claimed.head) == (writer.fence.commits, writer.fence.head) => {
                Ok(claimed.connection)
            }
            Ok(_) | Err(NotClaimed::Held | NotClaimed::Away(_)) => self.fenced(),
            Err(NotClaimed::Failed(error)) => Err(CommitError::Refused(error.to_string())),
        }
    }

    /// Learns whether a commit whose answer was lost was made, which is returned: a claim fences it, so that it cannot succeed later,
    /// and shows the head.
    fn settle(&self, writer: &mut Writer, head: TreeHead, reason: &str) -> Result<bool, CommitError> {
        tracing::warn!(reason, "the outcome of a commit is unknown: claiming the log again");
        let unknown = |why: String| {
            self.stop(Stopped::Unknown(why.clone()));
            Err(CommitError::Unknown(why))
        };
        match self.reclaim(writer) {
            Ok(claimed) if (claimed.commits, claimed.head) == (writer.fence.commits + 1, Some(head)) => {
                writer.connection = Some(claimed.connection);
                Ok(true)
            }
            Ok(claimed) if (claimed.commits, claimed.head) == (writer.fence.commits, writer.fence.head) => {
                writer.connection = Some(claimed.connection);
                Ok(false)
            }
            Ok(_) => unknown(format!("{reason}, and the database holds another head now")),
            Err(NotClaimed::Held | NotClaimed::Away(_)) => {
                self.lease.lose("another process has taken over the log");
                unknown(format!("{reason}, and another process has taken over the log"))
            }
            Err(NotClaimed::Failed(error)) => unknown(format!("{reason}; {error}")),
        }
    }

    /// Sends a commit and waits. The connection comes back unless it must not be used again.
    fn send(&self, mut connection: PgConnection, rows: &Arc<Rows>, fence: Fence) -> Sent {
        let (notices, patience, rows) = (self.notices.clone(), self.commit_patience, rows.clone());
        let sending = async move {
            let committing = notices.during(rows.commit(&mut connection, fence));
            let outcome = tokio::time::timeout(patience, committing).await;
            match outcome {
                Ok((Ok(true), None)) => Sent::Committed(connection),
                Ok((Ok(true), Some(warning))) => Sent::Unknown(format!("PostgreSQL warned: {warning}")),
                Ok((Ok(false), _)) => Sent::Fenced,
                Ok((Err(error), _)) if is_rejection(&error) => Sent::Rejected(words(&error)),
                Ok((Err(error), _)) => Sent::Unknown(words(&error)),
                Err(_) => Sent::Unknown(late(patience).to_string()),
            }
        };
        let sent = self.database.run(patience + Duration::from_secs(1), sending);
        sent.unwrap_or_else(|error| Sent::Unknown(error.to_string()))
    }

    /// Commits, once more if the first attempt certainly failed because its connection was lost.
    fn write(&self, writer: &mut Writer, rows: &Arc<Rows>, head: TreeHead) -> Result<(), CommitError> {
        let mut is_first = true;
        loop {
            let connection = match writer.connection.take() {
                Some(connection) => connection,
                None => self.reconnect(writer)?,
            };
            let begun = Boottime::now();
            let reason = match self.send(connection, rows, writer.fence) {
                Sent::Committed(connection) => {
                    writer.connection = Some(connection);
                    return Ok(());
                }
                Sent::Fenced => return self.fenced(),
                Sent::Rejected(reason) => return Err(CommitError::Refused(reason)),
                Sent::Unknown(reason) => reason,
            };
            let repeats = is_first && Boottime::now().since(begun) < QUICK_LOSS;
            if self.settle(writer, head, &reason)? {
                return Ok(());
            }
            if !repeats {
                return Err(CommitError::Refused(format!("the connection to PostgreSQL was lost: {reason}")));
            }
            is_first = false;
        }
    }
}

/// What became of a commit that was sent.
enum Sent {
    Committed(PgConnection),
    Fenced,
    Rejected(String),
    Unknown(String),
}

impl Living for PostgresLiving {
    fn claim(&self) -> Result<Epoch, StoreError> {
        Ok(self.claim_now()?.0)
    }

    fn load(&self) -> Result<Option<Loaded>, StoreError> {
        let (log, epoch) = (self.log, self.epoch.load(Ordering::Relaxed));
        let contents =
            self.database.query(LOAD_PATIENCE, move |connection| Box::pin(read_all(connection, log)))?;
        // What another process has written since this one's claim is no head of this one's: it may be lost yet with a failed primary.
        if epoch != 0 && contents.epoch != epoch {
            return Err(StoreError::Leased("it claimed the log while this process was loading it".into()));
        }
        contents.loaded()
    }

    /// As of the last claim or commit of this process: a commit finds out if another has written since.
    fn head(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.writer.lock().fence.head)
    }

    fn commit(&self, epoch: Epoch, expected: Option<u64>, batch: &Batch) -> Result<(), CommitError> {
        let mut writer = self.writer.lock();
        let writer = &mut *writer;
        batch.check_head(expected, writer.fence.head)?;
        let stopped = self.stopped.lock().clone();
        match stopped {
            Some(Stopped::Fenced(reason)) => return Err(CommitError::Fenced(reason)),
            Some(Stopped::Unknown(reason)) => return Err(CommitError::Refused(reason)),
            Some(Stopped::Closed) => return Err(CommitError::Refused("the store is closed".into())),
            None if writer.tenure != epoch => {
                return Err(CommitError::Refused("the store was not claimed".into()));
            }
            None => {}
        }
        self.write(writer, &Arc::new(Rows::of(batch)?), batch.head)?;
        writer.fence.head = Some(batch.head);
        writer.fence.commits += 1;
        Ok(())
    }

    fn seal(&self, _: Epoch, up_to: u64) -> Result<(), StoreError> {
        if let Some(Stopped::Fenced(reason) | Stopped::Unknown(reason)) = &*self.stopped.lock() {
            return Err(StoreError::Io(reason.clone()));
        }
        let (log, epoch, up_to) = (self.log, self.epoch.load(Ordering::Relaxed), signed(up_to));
        let sealed = self.database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(mark(connection, (log, epoch), up_to, Flush::Later))
        })?;
        if !sealed {
            return Err(StoreError::Io("the log was claimed again meanwhile".into()));
        }
        // A statement of its own: commits must not wait for the rows to go. What is left over is deleted with the next.
        self.database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(async move {
                let rows = sqlx::query("DELETE FROM vouchlog_tail WHERE log = $1 AND first + count <= $2");
                let rows = rows.bind(log).bind(up_to).execute(&mut *connection).await?;
                if rows.rows_affected() == 0 {
                    // Nothing was flushed after the mark.
                    mark(connection, (log, epoch), up_to, Flush::Now).await?;
                }
                Ok(())
            })
        })
    }

    fn note_signed(&self, head: TreeHead) -> Result<(), StoreError> {
        self.signed.note(head)
    }

    fn signed(&self) -> Result<Option<TreeHead>, StoreError> {
        Ok(self.signed.head())
    }

    fn impediment(&self) -> Option<String> {
        let stopped = self.stopped.lock().clone();
        match stopped {
            Some(Stopped::Closed) => Some("the store is closed".into()),
            Some(Stopped::Fenced(reason) | Stopped::Unknown(reason)) => Some(reason),
            None => self.lease.tenure().obstacle().map(str::to_owned),
        }
    }

    fn tenure(&self) -> Tenure {
        self.lease.tenure()
    }

    fn notes(&self) -> Vec<(String, String)> {
        self.lease.notes()
    }

    /// Gives the lease up, so that a standby takes over at once.
    fn close(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        if self.stopped.lock().is_some() {
            return Ok(());
        }
        self.stop(Stopped::Closed);
        if let Some(connection) = writer.connection.take() {
            // It ends in any case: whether the server is told matters little.
            drop(self.database.run(Duration::from_secs(1), async move { connection.close().await.ok() }));
        }
        self.signed.sync()?;
        lease::resign(&self.database, self.log, &self.holder)
    }
}

impl Drop for PostgresLiving {
    fn drop(&mut self) {
        if let Some(keeper) = self.keeper.lock().take() {
            keeper.abort();
        }
    }
}

impl fmt::Debug for PostgresLiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresLiving({:?}, log {})", self.database, self.log)
    }
}
