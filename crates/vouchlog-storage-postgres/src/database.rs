//! A database, used from threads that block.
//!
//! The contract of stores blocks, the driver does not: its work runs on a runtime of its own, and each call waits for a limited time.
//! A call that took too long is aborted, which closes its connection: the driver would hand a connection on whose last query still runs.

use std::future::Future;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use sqlx::postgres::PgConnection;
use sqlx::{ConnectOptions, Connection, Executor};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::Instrument;
use vouchlog_storage::StoreError;

use crate::location::Location;
use crate::outcome::{is_rejection, late, store_error};

/// How long connecting may take.
pub(crate) const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long a read or a small write may take; the server ends it a little earlier.
pub(crate) const QUERY_PATIENCE: Duration = Duration::from_secs(12);
/// Connections for everything but commits.
const MAX_CONNECTIONS: usize = 6;
/// Threads of the runtime: one may parse a large answer while the other takes commits.
const THREADS: usize = 2;

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// Claims and commits: nothing cancels them on the server.
    Commit,
    /// Everything else.
    Query,
}

impl Use {
    /// What `pg_stat_activity` shows. A claimant terminates only backends with the first name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Commit => COMMIT_NAME,
            Self::Query => "vouchlog",
        }
    }

    /// Run first on each connection. Not sent as start-up options, which poolers refuse.
    fn settings(self) -> &'static str {
        match self {
            Self::Commit => {
                // A commit is one statement; a claim is several, and a process that is stopped between two of them must not keep its locks.
                "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = '3s'; SET lock_timeout = '5s'"
            }
            Self::Query => "SET statement_timeout = '10s'; SET lock_timeout = '5s'",
        }
    }
}

/// The application name of commit connections.
pub(crate) const COMMIT_NAME: &str = "vouchlog commit";

/// A database and its connections. Clones share them.
#[derive(Clone)]
pub struct Database {
    location: Arc<Location>,
    connections: Arc<Connections>,
    runtime: Arc<OwnRuntime>,
}

struct Connections {
    idle: Mutex<Vec<PgConnection>>,
    places: Semaphore,
}

/// Dropping a runtime waits for its work, and is not allowed among async tasks; this one lets go of it.
struct OwnRuntime(Option<Runtime>);

impl Drop for OwnRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Database {
    /// The database at `location`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the operating system gives no threads.
    pub fn new(location: Location) -> Result<Self, StoreError> {
        if let Some(weakness) = location.weakness() {
            tracing::warn!(database = %location, "{weakness}: use sslmode=verify-full");
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("vouchlog-postgres")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Io(error.to_string()))?;
        let connections = Connections { idle: Mutex::default(), places: Semaphore::new(MAX_CONNECTIONS) };
        Ok(Self {
            location: Arc::new(location),
            connections: Arc::new(connections),
            runtime: Arc::new(OwnRuntime(Some(runtime))),
        })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    fn handle(&self) -> Result<&Handle, StoreError> {
        let runtime = self.runtime.0.as_ref().map(Runtime::handle);
        runtime.ok_or_else(|| StoreError::Io("the database's runtime has stopped".into()))
    }

    /// Starts work that runs beside the caller.
    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> Result<tokio::task::JoinHandle<()>, StoreError> {
        Ok(self.handle()?.spawn(work))
    }

    /// Does work and waits for it, at most as long as `patience`. Work that is late is aborted, and its connections are closed.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, outcome) = sync_channel(1);
        let work = async move {
            // The caller may have given up.
            let _ = done.send(work.await);
        };
        let task = self.handle()?.spawn(work.in_current_span());
        outcome.recv_timeout(patience).map_err(|_| {
            task.abort();
            late(patience)
        })
    }

    /// A new connection.
    pub(crate) async fn connect(&self, kind: Use) -> sqlx::Result<PgConnection> {
        // Statements have no values in them, but neither do they belong in an operator's log.
        let options =
            self.location.options().clone().application_name(kind.name()).disable_statement_logging();
        let connecting = async {
            let mut connection = PgConnection::connect_with(&options).await?;
            connection.execute(sqlx::raw_sql(kind.settings())).await?;
            Ok(connection)
        };
        timeout(CONNECT_PATIENCE, connecting).await.unwrap_or_else(|_| Err(timed_out("connecting")))
    }

    /// Does idempotent work on a connection: it is repeated once if an idle connection turns out to be lost.
    pub(crate) fn query<T: Send + 'static>(
        &self,
        patience: Duration,
        work: impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let database = self.clone();
        self.run(patience, async move { database.with_connection(&work).await })?
            .map_err(|error| store_error(&error))
    }

    async fn with_connection<T>(
        &self,
        work: &(impl for<'c> Fn(&'c mut PgConnection) -> BoxFuture<'c, sqlx::Result<T>> + Send + Sync),
    ) -> sqlx::Result<T> {
        let Connections { idle, places } = &*self.connections;
        let _place = places.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        let found = idle.lock().pop();
        if let Some(mut connection) = found {
            match work(&mut connection).await {
                Err(error) if !is_rejection(&error) => {
                    tracing::debug!(%error, "an idle connection to PostgreSQL was lost");
                }
                outcome => {
                    idle.lock().push(connection);
                    return outcome;
                }
            }
        }
        let mut connection = self.connect(Use::Query).await?;
        let outcome = work(&mut connection).await?;
        idle.lock().push(connection);
        Ok(outcome)
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Database({})", self.location)
    }
}

pub(crate) fn timed_out(what: &str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("{what} took too long")))
}
