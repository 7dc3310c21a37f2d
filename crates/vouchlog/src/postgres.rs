//! A log whose store is in PostgreSQL: it outlives the machine, and a standby takes over when its leader ends.
//!
//! Every node has a data directory of its own, with the log's keys, its lookup index, and a note of the newest head it signed. What must
//! survive the node is in the database, or in part in an object store that all nodes share.

use std::path::Path;
use std::sync::Arc;

use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_storage::{Pruned, Store, StoreError};
use vouchlog_storage_postgres::{Database, Location, Options, PostgresView, Takeover};

pub use vouchlog_storage_postgres::{
    Finding, LEASE_TTL, Leader, Lease, LeaseMetrics, RENEW_EVERY, Settings, Severity, no_log,
};

pub use vouchlog_sequencer::ReplicaError;

/// A log in PostgreSQL that another process leads, for reading.
pub type Replica = vouchlog_sequencer::Replica<PostgresView>;

/// A log's place in PostgreSQL. Clones share connections.
#[derive(Clone, Debug)]
pub struct Postgres {
    database: Database,
    create: bool,
    takeover: Takeover,
    address: String,
}

/// An open store, and the lease on it.
pub(crate) struct Leased {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) lease: Arc<Lease>,
}

impl Postgres {
    /// A place at a `postgres://` URL. A server on another machine is connected to with TLS, and its certificate and name are verified,
    /// unless the URL states another `sslmode`. Nothing is connected yet.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] if it is not such a URL.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        let database = Database::new(Location::parse(url)?)?;
        Ok(Self { database, create: false, takeover: Takeover::default(), address: String::new() })
    }

    /// Makes the log if the database does not hold it. Otherwise that is an error: the database may be the wrong one, or lost.
    #[must_use]
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Takes the log over from a leader at work, which is fenced and stops. Otherwise opening fails with [`StoreError::Leased`] while
    /// there is one.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.takeover = Takeover::AtOnce;
        self
    }

    /// What this process is called towards standbys and operators, such as its URL.
    #[must_use]
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.address = address.into();
        self
    }

    /// The database.
    #[cfg(feature = "objects")]
    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// Whether a new log may be made.
    pub(crate) fn creates(&self) -> bool {
        self.create
    }

    /// Who leads the log `origin`, or without a name the only log. `None` when there is no such log. Blocks.
    ///
    /// # Errors
    /// As [`Leader::look`].
    pub fn leader(&self, origin: Option<&str>) -> Result<Option<Leader>, StoreError> {
        Leader::look(&self.database, origin)
    }

    /// Asks the leader to hand the log over. Returns it, or `None` when no process leads the log. Blocks.
    ///
    /// # Errors
    /// As [`Leader::ask_to_resign`].
    pub fn ask_to_resign(&self, origin: Option<&str>) -> Result<Option<Leader>, StoreError> {
        Leader::ask_to_resign(&self.database, origin)
    }

    /// The entries that the log `origin` has given up, if its sealed part is here. Blocks.
    ///
    /// # Errors
    /// [`StoreError`] when the database does not hold the log or does not respond.
    pub fn pruned(&self, origin: &str) -> Result<Option<Arc<Pruned>>, StoreError> {
        vouchlog_storage_postgres::pruned(&self.database, origin)
    }

    /// The server's settings, as far as a log depends on them. Blocks.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn settings(&self) -> Result<Settings, StoreError> {
        Settings::read(&self.database)
    }

    /// The log `origin`, which `key` signs, for reading while another process leads it. Blocks.
    ///
    /// # Errors
    /// As [`PostgresView::open`].
    pub fn replica(&self, origin: Origin, key: VerifyingKey) -> Result<Replica, StoreError> {
        let view = PostgresView::open(&self.database, origin.as_str())?;
        Ok(Replica::new(view, origin, key))
    }

    /// The same, for a log whose sealed part is in an object store. Blocks.
    ///
    /// # Errors
    /// As [`PostgresView::open_with`].
    #[cfg(feature = "objects")]
    pub fn replica_with(
        &self,
        objects: &crate::objects::Objects,
        origin: Origin,
        key: VerifyingKey,
    ) -> Result<Replica, StoreError> {
        let make = |size, sealed| objects.reading(origin.as_str(), size, sealed);
        let view = PostgresView::open_with(&self.database, origin.as_str(), objects.url(), make)?;
        Ok(Replica::new(view, origin, key))
    }

    /// Where it is, without a password.
    pub fn shown(&self) -> String {
        self.database.location().to_string()
    }

    /// Opens the store of the log `origin`. `dir` is the node's data directory.
    pub(crate) fn open(&self, origin: &str, dir: &Path) -> Result<Leased, StoreError> {
        let store = vouchlog_storage_postgres::open(&self.database, origin, self.options(dir))?;
        Ok(Leased { lease: store.living().lease().clone(), store: Arc::new(store) })
    }

    /// The same with the sealed part in an object store.
    #[cfg(feature = "objects")]
    pub(crate) fn open_with_objects(
        &self,
        origin: &str,
        dir: &Path,
        objects: &crate::objects::Objects,
    ) -> Result<Leased, StoreError> {
        let sealed = |size, sealed| objects.sealed(origin, size, sealed);
        let (options, url) = (self.options(dir), objects.url());
        let store = vouchlog_storage_postgres::open_with(&self.database, origin, options, url, sealed)?;
        Ok(Leased { lease: store.living().lease().clone(), store: Arc::new(store) })
    }

    /// Opens the store of a witness; with `fresh` one that is missing is made.
    #[cfg(feature = "witness")]
    pub(crate) fn open_witness(
        &self,
        name: &str,
        fresh: Option<vouchlog_storage::StoreIdentity>,
    ) -> Result<vouchlog_storage_postgres::PostgresWitnessStore, StoreError> {
        vouchlog_storage_postgres::PostgresWitnessStore::open(self.database.clone(), name, fresh)
    }

    fn options(&self, dir: &Path) -> Options {
        let mut options = Options::new(dir);
        (options.create, options.takeover) = (self.create, self.takeover);
        options.address.clone_from(&self.address);
        options
    }
}
