//! Giving up old entries of a log, wherever it is: a data directory or PostgreSQL, each with or without an object store.
//!
//! [`Pruner::plan`] finds out what may go, beside the process that serves the log. [`Pruner::announce`] commits the entry that announces the
//! minimum index, while no other process writes. The next process that leads the log publishes a checkpoint that covers the entry, and only
//! then removes anything.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;
use vouchlog_client::ConnectionSecurity;
use vouchlog_merkle::{LeafIndex, TreeHead};
use vouchlog_note::{Origin, SignedCheckpoint, SigningKey};
use vouchlog_sequencer::pruning::{announce, plan};
use vouchlog_storage::{Checkpoints, Loaded, Sealed, Snapshot, Store, StoreError};
use vouchlog_storage_postgres::{self as pg, Options, Takeover};
use vouchlog_storage_sled::{self as sled, Examined, SledStore, examine};

use crate::clock::unix_millis;
use crate::moving::Place;
use crate::objects::{Objects, ObjectsError};
use crate::postgres::Postgres;

pub use vouchlog_sequencer::pruning::{Below, Plan, PruneError};

/// Why entries are not given up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PruningError {
    /// The log does not allow it.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// The object store with the sealed part cannot be used.
    #[error(transparent)]
    Objects(#[from] ObjectsError),
    /// There is no log, or another one.
    #[error("there is no log of this key in {0}")]
    NoLog(String),
    /// The sealed part is elsewhere.
    #[error("the sealed part of the log is in {known}, not in {given}")]
    OtherObjects {
        /// Where it is.
        known: String,
        /// What was given.
        given: String,
    },
    /// The living part or the segments are damaged.
    #[error("the log's store is damaged")]
    Damaged,
}

impl From<StoreError> for PruningError {
    fn from(error: StoreError) -> Self {
        Self::Prune(error.into())
    }
}

/// A log whose old entries are to be given up.
#[derive(Debug)]
pub struct Pruner {
    place: Place,
    key: SigningKey,
    origin: Origin,
    security: ConnectionSecurity,
    takeover: Takeover,
}

impl Pruner {
    /// The log that `key` signs, at a place. `security` applies to connections to the object store with its sealed part.
    ///
    /// # Errors
    /// [`PruningError::NoLog`] for a key whose name is no log's.
    pub fn new(place: Place, key: SigningKey, security: ConnectionSecurity) -> Result<Self, PruningError> {
        let origin = Origin::new(key.verifying_key().name().as_str())
            .map_err(|_| PruningError::NoLog(place.to_string()))?;
        Ok(Self { place, key, origin, security, takeover: Takeover::WhenFree })
    }

    /// Announces also while a process leads the log in PostgreSQL: that one is fenced and stops.
    #[must_use]
    pub fn take_over(mut self) -> Self {
        self.takeover = Takeover::AtOnce;
        self
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Checks that the sealed part is in the object store at this URL.
    ///
    /// # Errors
    /// [`PruningError::OtherObjects`] if it is elsewhere.
    pub fn check_objects(&self, url: &str) -> Result<(), PruningError> {
        let given = Objects::open(url, &self.security)?;
        let known = self.objects()?.map_or_else(|| self.place.to_string(), |known| known.url().to_owned());
        if known == given.url() {
            return Ok(());
        }
        Err(PruningError::OtherObjects { known, given: given.url().to_owned() })
    }

    /// Whether a process serves the log.
    ///
    /// # Errors
    /// [`PruningError`] when the store cannot be looked at.
    pub fn is_served(&self) -> Result<bool, PruningError> {
        match &self.place {
            Place::Directory(dir) => Ok(sled::is_running(dir)?),
            Place::Postgres(postgres) => {
                let leader = postgres.leader(Some(self.origin.as_str()))?;
                Ok(leader.is_some_and(|leader| leader.is_held))
            }
        }
    }

    /// Finds out what may be given up, and changes nothing. Works beside the process that serves the log. Blocks.
    ///
    /// # Errors
    /// [`PruningError`], with the reason why nothing may.
    pub fn plan(
        &self,
        below: Below,
        progress: &mut dyn FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Plan, PruningError> {
        let store = self.snapshot()?;
        Ok(plan(&store, &self.origin, self.key.verifying_key(), below, progress)?)
    }

    /// Commits the entry that announces a minimum index, which a [`plan`](Self::plan) found possible. Nothing is removed yet: the next process
    /// that leads the log does that. Blocks.
    ///
    /// # Errors
    /// [`PruningError`]; [`StoreError::InUse`] and [`StoreError::Leased`] while another process serves the log.
    pub fn announce(&self, minimum: u64, reason: &str) -> Result<LeafIndex, PruningError> {
        let objects = self.objects()?;
        let store = match &self.place {
            Place::Directory(dir) => self.open_directory(dir, objects.as_ref())?,
            Place::Postgres(postgres) => self.open_database(postgres, objects.as_ref())?,
        };
        let announced = announce(&store, &self.key, minimum, reason, unix_millis());
        // What was committed is durable before; closing seals what is full, and gives up the lease.
        let closed = store.close();
        let announced = announced?;
        closed?;
        Ok(announced)
    }

    /// The object store with the sealed part of the log, if it has one.
    fn objects(&self) -> Result<Option<Objects>, PruningError> {
        let no_log = || PruningError::NoLog(self.place.to_string());
        let site = self.place.look(self.origin.as_str())?.ok_or_else(no_log)?;
        if site.origin != self.origin.as_str() {
            return Err(no_log());
        }
        site.residence.check(None)?;
        Ok(site.objects.map(|url| Objects::open(&url, &self.security)).transpose()?)
    }

    /// The log as it is now, for reading.
    fn snapshot(&self) -> Result<Arc<dyn Store>, PruningError> {
        let objects = self.objects()?;
        match &self.place {
            Place::Directory(dir) => self.examined(dir, objects.as_ref()),
            Place::Postgres(postgres) => self.read(postgres, objects.as_ref()),
        }
    }

    fn examined(&self, dir: &Path, objects: Option<&Objects>) -> Result<Arc<dyn Store>, PruningError> {
        let examined = examine(dir)?.ok_or_else(|| PruningError::NoLog(self.place.to_string()))?;
        let Examined { store, living, signed, damages, .. } = examined;
        if !damages.is_empty() {
            return Err(PruningError::Damaged);
        }
        match (objects, store, living) {
            (None, Some(store), _) => Ok(Arc::new(store)),
            (Some(objects), _, Some(loaded)) => self.over(objects, Some(loaded), signed),
            _ => Err(PruningError::Damaged),
        }
    }

    fn read(&self, postgres: &Postgres, objects: Option<&Objects>) -> Result<Arc<dyn Store>, PruningError> {
        let database = postgres.database();
        let log = pg::find_log(database, Some(self.origin.as_str()))?;
        let log = log.ok_or_else(|| PruningError::NoLog(self.place.to_string()))?;
        let (loaded, checkpoints) = pg::read_log(database, &log)?;
        let signed = self.signed(&checkpoints)?;
        match objects {
            Some(objects) => self.over(objects, loaded, signed),
            None => Ok(Arc::new(Snapshot::new(loaded, signed, pg::open_sealed(database, &log)?))),
        }
    }

    /// A snapshot with the sealed part in an object store.
    fn over(
        &self,
        objects: &Objects,
        loaded: Option<Loaded>,
        signed: Option<TreeHead>,
    ) -> Result<Arc<dyn Store>, PruningError> {
        let (size, up_to) = loaded.as_ref().map_or((0, 0), |loaded| (loaded.head.size.get(), loaded.sealed));
        let sealed = objects.reading(self.origin.as_str(), size, up_to)?;
        Ok(Arc::new(Snapshot::new(loaded, signed, sealed)))
    }

    /// The newest head that the leader of a log in a database has shown, if the log signed it.
    fn signed(&self, checkpoints: &Checkpoints) -> Result<Option<TreeHead>, PruningError> {
        let Some(note) = &checkpoints.signed else { return Ok(None) };
        let signed = SignedCheckpoint::open(note.as_bytes(), &self.origin, self.key.verifying_key());
        let signed =
            signed.map_err(|error| StoreError::Damaged(format!("its newest checkpoint: {error}")))?;
        Ok(Some(signed.head()))
    }

    fn open_directory(&self, dir: &Path, objects: Option<&Objects>) -> Result<Arc<dyn Store>, StoreError> {
        let (origin, options) = (self.origin.as_str(), sled::Options::default());
        let store = match objects {
            None => SledStore::open(dir, origin, options)?,
            Some(objects) => {
                let sealed = |size, sealed| objects.sealed(origin, size, sealed);
                SledStore::open_with_objects(dir, origin, options, objects.url(), sealed)?
            }
        };
        Ok(Arc::new(store))
    }

    fn open_database(
        &self,
        postgres: &Postgres,
        objects: Option<&Objects>,
    ) -> Result<Arc<dyn Store>, PruningError> {
        let (database, origin) = (postgres.database(), self.origin.as_str());
        let options = Options { takeover: self.takeover, ..Options::for_moving(None) };
        let store: Arc<dyn Store> = match objects {
            None => Arc::new(pg::open(database, origin, options)?),
            Some(objects) => {
                let sealed = |size, sealed| -> Result<Arc<dyn Sealed>, StoreError> {
                    objects.sealed(origin, size, sealed)
                };
                Arc::new(pg::open_with(database, origin, options, objects.url(), sealed)?)
            }
        };
        // This process has signed nothing; its leaders have shown what they did.
        let log = pg::find_log(database, Some(origin))?;
        let log = log.ok_or_else(|| PruningError::NoLog(self.place.to_string()))?;
        let (_, checkpoints) = pg::read_log(database, &log)?;
        if let Some(head) = self.signed(&checkpoints)? {
            store.note_signed(head)?;
        }
        Ok(store)
    }
}
