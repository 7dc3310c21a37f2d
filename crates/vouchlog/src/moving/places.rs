//! The stores that a log is moved from or to, each kind with its marks.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_client::ConnectionSecurity;
use vouchlog_storage::{Move, MoveId, Residence, Sealed, Sealing, Store, StoreError};
use vouchlog_storage_object::ObjectSealed;
use vouchlog_storage_postgres::{self as pg, Options, PostgresLiving, PostgresSealed};
use vouchlog_storage_sled::{self as sled, ReadOnly, SledStore};

use super::{MoveError, Place};
use crate::objects::Objects;

/// A log as it is found at a place.
pub(crate) struct LogSite {
    pub(crate) origin: String,
    pub(crate) residence: Residence,
    /// The URL of the object store with its sealed part.
    pub(crate) objects: Option<String>,
}

/// A store that is open for a move.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) marks: Box<dyn Marks>,
}

/// The marks of a move.
pub(super) trait Marks {
    /// Marks the log as moved away.
    fn leave(&self, departure: Move) -> Result<(), StoreError>;

    /// Lets the log be served from here.
    fn settle(&self, arrival: Move) -> Result<(), StoreError>;
}

struct InDirectory(Arc<SledStore>);

impl Marks for InDirectory {
    fn leave(&self, departure: Move) -> Result<(), StoreError> {
        self.0.leave(departure)
    }

    fn settle(&self, _: Move) -> Result<(), StoreError> {
        self.0.settle()
    }
}

struct InDatabase<S>(Arc<Sealing<PostgresLiving, S>>);

impl<S: Sealed> Marks for InDatabase<S> {
    fn leave(&self, departure: Move) -> Result<(), StoreError> {
        pg::leave(&self.0, departure)
    }

    fn settle(&self, arrival: Move) -> Result<(), StoreError> {
        pg::settle(&self.0, arrival)
    }
}

fn in_directory(store: SledStore) -> Opened {
    let store = Arc::new(store);
    Opened { store: store.clone(), marks: Box::new(InDirectory(store)) }
}

fn in_database<S: Sealed>(store: Sealing<PostgresLiving, S>) -> Opened {
    let store = Arc::new(store);
    Opened { store: store.clone(), marks: Box::new(InDatabase(store)) }
}

/// What can be read of a log while it is served: its full bundles.
pub(super) enum Ahead {
    /// A data directory, as it was when this was looked at.
    Directory(Box<ReadOnly>),
    Database {
        sealed: PostgresSealed,
        size: u64,
    },
    /// An object store, up to the first bundle that is not there.
    Objects(ObjectSealed),
    /// Nothing.
    Nothing,
}

impl Ahead {
    /// A full bundle; none if it cannot be read now.
    pub(super) fn bundle(&self, bundle: u64) -> Option<Bytes> {
        match self {
            Self::Directory(store) => store.entry_bundle(bundle).ok().flatten(),
            Self::Database { sealed, .. } => sealed.bundle(bundle).ok(),
            Self::Objects(objects) => objects.bundle(bundle).ok(),
            Self::Nothing => None,
        }
    }

    /// Entries that can be read, as far as this is known.
    pub(super) fn size(&self) -> Option<u64> {
        match self {
            Self::Directory(store) => Some(store.sealed_size()),
            Self::Database { size, .. } => Some(*size),
            Self::Objects(_) => None,
            Self::Nothing => Some(0),
        }
    }
}

impl Place {
    /// The log `origin` at this place, or the one log of a directory.
    pub(crate) fn look(&self, origin: &str) -> Result<Option<LogSite>, StoreError> {
        match self {
            Self::Directory(dir) => {
                let (Some(origin), Some(residence)) = (SledStore::origin(dir)?, SledStore::residence(dir)?)
                else {
                    return Ok(None);
                };
                Ok(Some(LogSite { origin, residence, objects: SledStore::objects(dir)? }))
            }
            Self::Postgres(postgres) => {
                let found = pg::find_log(postgres.database(), Some(origin))?;
                Ok(found.map(|log| LogSite {
                    origin: log.origin,
                    residence: log.residence,
                    objects: log.objects,
                }))
            }
        }
    }

    /// The minimum index of a log here that gave up entries.
    pub(super) fn pruned(
        &self,
        seen: &LogSite,
        security: &ConnectionSecurity,
    ) -> Result<Option<u64>, MoveError> {
        let gone = match (self, &seen.objects) {
            (_, Some(url)) => {
                let sealed = Objects::open(url, security)?.moving(&seen.origin, 0, 0);
                sealed.map(|sealed| sealed.pruned())
            }
            (Self::Directory(dir), None) => SledStore::pruned_entries(dir),
            (Self::Postgres(postgres), None) => postgres.pruned(&seen.origin),
        };
        Ok(gone.map_err(MoveError::Source)?.map(|gone| gone.minimum()))
    }

    /// What can be read of a log while it is served.
    pub(super) fn ahead(&self, seen: &LogSite, security: &ConnectionSecurity) -> Result<Ahead, MoveError> {
        if let Some(url) = &seen.objects {
            let objects = Objects::open(url, security)?;
            let sealed = objects.moving(&seen.origin, 0, 0).map_err(MoveError::Source)?;
            return Ok(Ahead::Objects(sealed));
        }
        let ahead = match self {
            Self::Directory(dir) => sled::examine(dir)
                .map(|found| found.and_then(|found| found.store))
                .map(|store| store.map_or(Ahead::Nothing, |store| Ahead::Directory(Box::new(store)))),
            Self::Postgres(postgres) => {
                let database = postgres.database();
                pg::find_log(database, Some(&seen.origin)).and_then(|found| {
                    let Some(log) = found else { return Ok(Ahead::Nothing) };
                    let sealed = pg::open_sealed(database, &log)?;
                    Ok(Ahead::Database { sealed, size: log.sealed })
                })
            }
        };
        ahead.map_err(MoveError::Source)
    }

    /// Makes this the destination of a move.
    pub(super) fn prepare(
        &self,
        origin: &str,
        objects: Option<&Objects>,
        arrival: &Move,
    ) -> Result<Move, StoreError> {
        let place = objects.map(Objects::url);
        match self {
            Self::Directory(dir) => SledStore::prepare_arrival(dir, origin, place, arrival),
            Self::Postgres(postgres) => pg::prepare_arrival(postgres.database(), origin, place, arrival),
        }
    }

    /// Opens the store of a log: that of the move `arriving`, or the source of one.
    pub(super) fn open(
        &self,
        origin: &str,
        objects: Option<&Objects>,
        arriving: Option<MoveId>,
    ) -> Result<Opened, StoreError> {
        let sealed = objects.map(|objects| move |size, sealed| objects.moving(origin, size, sealed));
        match self {
            Self::Directory(dir) => open_directory(dir, origin, arriving, objects),
            Self::Postgres(postgres) => {
                let (database, options) = (postgres.database(), Options::for_moving(arriving));
                match (objects, sealed) {
                    (Some(objects), Some(sealed)) => {
                        pg::open_with(database, origin, options, objects.url(), sealed).map(in_database)
                    }
                    _ => pg::open(database, origin, options).map(in_database),
                }
            }
        }
    }
}

fn open_directory(
    dir: &Path,
    origin: &str,
    arriving: Option<MoveId>,
    objects: Option<&Objects>,
) -> Result<Opened, StoreError> {
    let options = sled::Options { arriving, ..sled::Options::default() };
    let Some(objects) = objects else { return SledStore::open(dir, origin, options).map(in_directory) };
    let sealed = |size, sealed| {
        let sealed = objects.moving(origin, size, sealed)?;
        Ok(Arc::new(sealed) as Arc<dyn Sealed>)
    };
    SledStore::open_with_objects(dir, origin, options, objects.url(), sealed).map(in_directory)
}
