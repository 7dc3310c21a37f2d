//! The lease on a log: renewed by its holder, looked at by standbys. Times are compared by the database's clock alone; the holder
//! itself trusts its lease for a little less than it lasts, counted from before each renewal was sent.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use sqlx::{Executor as _, Row as _};
use tokio::sync::watch;
use vouchlog_storage::{StoreError, Tenure};

use crate::boottime::Boottime;
use crate::claim::Holder;
use crate::database::{Database, QUERY_PATIENCE, Use};
use crate::metrics::LeaseMetrics;
use crate::outcome::words;
use crate::schema;

/// How long a lease lasts without renewal.
pub const LEASE_TTL: Duration = Duration::from_secs(3);
/// How often its holder renews it.
pub const RENEW_EVERY: Duration = Duration::from_millis(500);
/// How much earlier than the database the holder takes its lease for over.
const MARGIN: Duration = Duration::from_millis(500);
/// How long one renewal may take.
const RENEWAL_PATIENCE: Duration = Duration::from_millis(1_000);

/// The lease as its holder knows it.
#[derive(Debug)]
pub struct Lease {
    state: Mutex<State>,
    shown: Mutex<ShownCheckpoints>,
    resign: watch::Sender<bool>,
    metrics: LeaseMetrics,
}

#[derive(Debug, Default)]
struct State {
    /// Until when this process may sign; none before the first claim.
    until: Option<Boottime>,
    taken: Boottime,
    lost: Option<String>,
    trouble: Option<String>,
    epoch: i64,
    claims: u64,
    /// Claims that were begun, and whether the last one may have been made without this process knowing.
    begun: u64,
    is_unsettled: bool,
}

/// The checkpoints that standbys are to serve, and whether the database has them.
#[derive(Debug, Default)]
struct ShownCheckpoints {
    signed: Option<String>,
    published: Option<String>,
    is_written: bool,
}

impl Lease {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::default(),
            shown: Mutex::default(),
            resign: watch::Sender::new(false),
            metrics: LeaseMetrics::default(),
        }
    }

    /// Notes that a claim is about to be sent.
    pub(crate) fn claiming(&self) {
        let mut state = self.state.lock();
        state.begun += 1;
        state.is_unsettled = true;
    }

    /// Notes that the claim was certainly not made.
    pub(crate) fn not_claimed(&self) {
        self.state.lock().is_unsettled = false;
    }

    /// The epoch of this process's last claim, if it is known, and how many claims were begun.
    fn settled(&self) -> Option<(i64, u64)> {
        let state = self.state.lock();
        (!state.is_unsettled).then_some((state.epoch, state.begun))
    }

    /// Notes a claim that was sent at `sent`.
    pub(crate) fn claimed(&self, sent: Boottime, epoch: i64) {
        let mut state = self.state.lock();
        if state.until.is_none() {
            state.taken = Boottime::now();
        }
        state.until = Some(sent.plus(LEASE_TTL.saturating_sub(MARGIN)));
        state.epoch = epoch;
        state.claims += 1;
        state.is_unsettled = false;
        self.metrics.claimed(epoch, state.claims == 1);
    }

    /// Shows checkpoints to standbys, with the next renewal: the newest that the log signed, and the newest it published.
    pub fn show(&self, signed: &str, published: Option<&str>) {
        let mut shown = self.shown.lock();
        if shown.signed.as_deref() != Some(signed) || shown.published.as_deref() != published {
            let (signed, published) = (Some(signed.to_owned()), published.map(str::to_owned));
            *shown = ShownCheckpoints { signed, published, is_written: false };
        }
    }

    /// What the database does not have yet.
    fn to_show(&self) -> Option<(Option<String>, Option<String>)> {
        let shown = self.shown.lock();
        (!shown.is_written && shown.signed.is_some()).then(|| (shown.signed.clone(), shown.published.clone()))
    }

    /// Notes that the database has them.
    fn is_shown(&self, (signed, published): &(Option<String>, Option<String>)) {
        let mut shown = self.shown.lock();
        shown.is_written = (&shown.signed, &shown.published) == (signed, published);
    }

    fn renewed(&self, sent: Boottime, resign: bool) {
        let mut state = self.state.lock();
        state.until = Some(sent.plus(LEASE_TTL.saturating_sub(MARGIN)));
        state.trouble = None;
        drop(state);
        if resign && !self.resign.send_replace(true) {
            tracing::warn!("the lease on the log is to be handed over: this process stops");
        }
    }

    fn not_renewed(&self, trouble: String) {
        self.metrics.renewal_failed();
        tracing::warn!(trouble, "the lease on the log was not renewed");
        self.state.lock().trouble = Some(trouble);
    }

    /// Another process leads from now on.
    pub(crate) fn lose(&self, reason: &str) {
        let lost = self.state.lock().lost.replace(reason.to_owned());
        if lost.is_none() {
            tracing::error!(reason, "the lease on the log is lost");
            self.metrics.lost();
        }
    }

    /// Whether this process may sign now.
    pub fn tenure(&self) -> Tenure {
        let state = self.state.lock();
        if let Some(lost) = &state.lost {
            return Tenure::Lost(lost.clone());
        }
        match state.until {
            Some(until) if Boottime::now() < until => Tenure::Held,
            _ => {
                let reason = state.trouble.as_deref().unwrap_or("it was not renewed in time");
                Tenure::Lapsed(format!("the lease on the log has run out: {reason}"))
            }
        }
    }

    /// Completes when an operator asks this process to hand the log over.
    pub fn resign_requested(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut asked = self.resign.subscribe();
        async move {
            // The sender lives as long as the lease; when it is gone nothing is asked any more.
            if asked.wait_for(|asked| *asked).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What operators are shown: role, epoch, and since when.
    pub(crate) fn notes(&self) -> Vec<(String, String)> {
        let role = match self.tenure() {
            Tenure::Held => "leader".to_owned(),
            Tenure::Lapsed(reason) => format!("leader, not signing: {reason}"),
            Tenure::Lost(reason) => format!("deposed: {reason}"),
        };
        let state = self.state.lock();
        let seconds = Boottime::now().since(state.taken).as_secs();
        let mut notes = vec![("role".to_owned(), role), ("epoch".to_owned(), state.epoch.to_string())];
        if state.until.is_some() {
            notes.push(("last takeover".to_owned(), format!("{seconds} s ago")));
        }
        notes
    }

    /// Its metrics.
    pub fn metrics(&self) -> &LeaseMetrics {
        &self.metrics
    }
}

/// Renews a lease until it is lost.
pub(crate) async fn keep(database: Database, lease: Arc<Lease>, log: i32, holder: Holder) {
    let mut connection = None;
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let sent = Boottime::now();
        let (shown, settled) = (lease.to_show(), lease.settled());
        let renewal = renew(&database, &mut connection, (log, &holder), shown.as_ref());
        match tokio::time::timeout(RENEWAL_PATIENCE, renewal).await {
            // The lease names this process, and another one has claimed the log: this one holds an older log, and each of its commits would be
            // refused. It must not wait for one: requests that do not fit to the older log make none.
            Ok(Ok(Some(renewed))) if is_passed(settled, lease.settled(), renewed.epoch) => {
                return lease.lose("another process has claimed the log, though the lease is held here");
            }
            Ok(Ok(Some(Renewed { resign, .. }))) => {
                if let Some(shown) = &shown {
                    lease.is_shown(shown);
                }
                lease.renewed(sent, resign);
            }
            Ok(Ok(None)) => {
                return lease.lose("its lease was given up, or another process has taken over the log");
            }
            Ok(Err(error)) => lease.not_renewed(words(&error)),
            Err(_) => lease.not_renewed("PostgreSQL did not respond within 1 s".into()),
        }
    }
}

/// Whether the head's epoch is not that of the last claim of this process. It is not known while a claim of its own is under way.
fn is_passed(before: Option<(i64, u64)>, after: Option<(i64, u64)>, epoch: i64) -> bool {
    before == after && before.is_some_and(|(own, _)| own != epoch)
}

/// What a renewal read.
struct Renewed {
    /// Whether the holder is asked to resign.
    resign: bool,
    /// The head's.
    epoch: i64,
}

/// Renews once, and writes what standbys are to see. None if the lease is another's, or was given up. The connection is kept only if it works.
async fn renew(
    database: &Database,
    kept: &mut Option<PgConnection>,
    (log, holder): (i32, &Holder),
    shown: Option<&(Option<String>, Option<String>)>,
) -> sqlx::Result<Option<Renewed>> {
    let mut connection = match kept.take() {
        Some(connection) => connection,
        None => {
            let mut connection = database.connect(Use::Query).await?;
            // It need not survive a crash of the server: a lease that is forgotten runs out earlier.
            connection
                .execute(sqlx::raw_sql("SET synchronous_commit = local; SET lock_timeout = '900ms'"))
                .await?;
            connection
        }
    };
    // A lease that was given up stays so: this may arrive after the word of the same holder that gives it up.
    let renewal = match shown {
        None => sqlx::query(
            "UPDATE vouchlog_lease SET renewed = clock_timestamp()
             WHERE log = $1 AND holder = $2 AND renewed IS NOT NULL
             RETURNING resign, (SELECT h.epoch FROM vouchlog_head h WHERE h.log = $1)",
        )
        .bind(log)
        .bind(&holder.id[..]),
        Some((signed, published)) => sqlx::query(
            "UPDATE vouchlog_lease SET renewed = clock_timestamp(), signed = $3, published = $4
             WHERE log = $1 AND holder = $2 AND renewed IS NOT NULL
             RETURNING resign, (SELECT h.epoch FROM vouchlog_head h WHERE h.log = $1)",
        )
        .bind(log)
        .bind(&holder.id[..])
        .bind(signed)
        .bind(published),
    };
    let row = renewal.fetch_optional(&mut connection).await?;
    *kept = Some(connection);
    row.map(|row| Ok(Renewed { resign: row.try_get(0)?, epoch: row.try_get(1)? })).transpose()
}

/// Gives a lease up, so that a standby takes over at once.
pub(crate) fn resign(database: &Database, log: i32, holder: &Holder) -> Result<(), StoreError> {
    let id = holder.id;
    database.query(QUERY_PATIENCE, move |connection| {
        Box::pin(async move {
            let resigned = sqlx::query(
                "UPDATE vouchlog_lease SET renewed = NULL, commit_pid = NULL WHERE log = $1 AND holder = $2",
            );
            resigned.bind(log).bind(&id[..]).execute(connection).await.map(drop)
        })
    })
}

/// Who leads a log, as any process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Leader {
    /// The log.
    pub origin: String,
    /// How often the log was claimed.
    pub epoch: u64,
    /// What the leader calls itself.
    pub address: String,
    /// How long ago the lease was renewed by the database's clock; none if it was given up or never taken.
    pub renewed: Option<Duration>,
    /// Whether the lease still runs.
    pub is_held: bool,
    /// Size of the log.
    pub size: u64,
}

impl Leader {
    /// Reads the lease of the log `origin`, or without a name of the only log. `None` when there is no such log.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if several logs are there and none is named; [`StoreError::Io`] if the database does not respond.
    pub fn look(database: &Database, origin: Option<&str>) -> Result<Option<Self>, StoreError> {
        let Some((origin, log)) = find(database, origin)? else { return Ok(None) };
        let row = database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(async move {
                let lease = sqlx::query(
                    "SELECT l.epoch, l.address, (extract(epoch FROM clock_timestamp() - l.renewed) * 1000)::bigint,
                            coalesce(l.renewed + l.ttl_ms * interval '1 millisecond' >= clock_timestamp(), false),
                            coalesce(h.size, 0)
                     FROM vouchlog_lease l JOIN vouchlog_head h USING (log) WHERE l.log = $1",
                );
                let row = lease.bind(log).fetch_one(connection).await?;
                let renewed: Option<i64> = row.try_get(2)?;
                let (epoch, address, is_held, size): (i64, String, bool, i64) =
                    (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?, row.try_get(4)?);
                Ok((epoch, address, renewed, is_held, size))
            })
        })?;
        let (epoch, address, renewed, is_held, size) = row;
        let renewed = renewed.map(|millis| Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
        let (epoch, size) = (epoch.unsigned_abs(), size.unsigned_abs());
        Ok(Some(Self { origin, epoch, address, renewed, is_held, size }))
    }

    /// Asks the leader of a log to hand it over: it stops within its next renewal. Returns the leader, or `None` when no process leads it.
    ///
    /// # Errors
    /// As [`look`](Self::look), and [`StoreError::Foreign`] when there is no such log.
    pub fn ask_to_resign(database: &Database, origin: Option<&str>) -> Result<Option<Self>, StoreError> {
        let leader = Self::look(database, origin)?.ok_or_else(schema::no_log)?;
        if !leader.is_held {
            return Ok(None);
        }
        let origin = leader.origin.clone();
        database.query(QUERY_PATIENCE, move |connection| {
            let origin = origin.clone();
            Box::pin(async move {
                let asked = sqlx::query(
                    "UPDATE vouchlog_lease SET resign = true
                     WHERE log = (SELECT log FROM vouchlog_log WHERE origin = $1)",
                );
                asked.bind(origin).execute(connection).await.map(drop)
            })
        })?;
        Ok(Some(leader))
    }
}

/// The log of that name, or the only one.
pub(crate) fn find(database: &Database, origin: Option<&str>) -> Result<Option<(String, i32)>, StoreError> {
    let wanted = origin.map(str::to_owned);
    let found = database.query(QUERY_PATIENCE, move |connection| {
        let wanted = wanted.clone();
        Box::pin(async move { schema::find(connection, wanted.as_deref()).await })
    })?;
    match &found[..] {
        [] => Ok(None),
        [(origin, row)] => Ok(Some((origin.clone(), row.log))),
        _ => Err(StoreError::Foreign("the database holds several logs: name one by its origin".into())),
    }
}
