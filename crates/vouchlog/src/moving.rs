//! Moving a log from one store to another, of the same kind or another: a data directory, PostgreSQL, each with or without an object
//! store. The log keeps its name and its key, and never do two stores sign:
//!
//! | step | source | destination | if it stops here |
//! | --- | --- | --- | --- |
//! | prepare | serves | marked as arriving: does not open | go on, or delete the destination |
//! | copy ahead | serves | entries so far, verified | the same |
//! | freeze | claimed or locked: no log writes | the rest, verified | the same |
//! | leave | marked as left, for good | arriving | go on: nothing serves until then |
//! | settle | left | serves | it is done |
//!
//! Running the same move again goes on wherever an earlier one stopped.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;
use vouchlog_client::ConnectionSecurity;
use vouchlog_merkle::TreeHead;
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_sequencer::copying::{Copier, Verifier};
use vouchlog_sequencer::rebuild::signed_heads;
use vouchlog_storage::{CommitError, Loaded, Move, MoveId, Residence, Store, StoreError};
use vouchlog_storage_postgres::Location;

use crate::clock::random_bytes;
use crate::objects::{Objects, ObjectsError};
use crate::postgres::Postgres;

mod places;

use places::{LogSite, Opened};

/// Entries that may wait for sealing at the destination: half of what a store takes before it refuses commits.
const MAX_UNSEALED: u64 = 512 * 1024;
/// How long sealing may make no progress.
const SEALING_PATIENCE: Duration = Duration::from_secs(300);
/// How often sealing, or a lock, is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Where a log is.
#[derive(Clone, Debug)]
pub enum Place {
    /// A data directory.
    Directory(PathBuf),
    /// A database.
    Postgres(Postgres),
}

impl Place {
    /// Reads a `postgres://` URL, or else the name of a directory.
    ///
    /// # Errors
    /// [`StoreError::Foreign`] for a URL that is not one of PostgreSQL's.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if Location::is_meant(text) {
            return Ok(Self::Postgres(Postgres::new(text)?));
        }
        Ok(Self::Directory(Path::new(text).into()))
    }
}

/// Without a password.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory(dir) => dir.display().fmt(f),
            Self::Postgres(postgres) => f.write_str(&postgres.shown()),
        }
    }
}

/// A move of a log.
#[derive(Clone, Debug)]
pub struct Moving {
    /// The store that serves it.
    pub from: Place,
    /// The store that is to serve it.
    pub to: Place,
    /// The object store for the sealed part at the destination, if it is not to be with the living part. It may be the source's own.
    pub objects: Option<Objects>,
    /// The log's public key: what it signed is verified at the destination.
    pub vkey: VerifyingKey,
    /// How long to wait for the process that serves a data directory to stop.
    pub patience: Duration,
    /// For connections to the source's object store.
    pub security: ConnectionSecurity,
}

/// How far a move has come. The next step begins once its listener returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The destination is prepared.
    Prepared,
    /// So many entries were copied, of about as many.
    Copied {
        /// Entries at the destination.
        entries: u64,
        /// Entries that the source had when this was looked at; none if that is not known.
        of: Option<u64>,
    },
    /// What could be copied while the log is served is at the destination. The log must stop now: this is the frozen window.
    Waiting,
    /// The source is frozen.
    Frozen,
    /// Everything is at the destination and verified.
    Verified,
    /// The source is marked as left.
    Left,
}

/// A log that was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moved {
    /// Its name.
    pub origin: String,
    /// Its head; none if an earlier run completed the move.
    pub head: Option<TreeHead>,
    /// How long no process could write to it.
    pub frozen: Duration,
}

/// Why a log was not moved. Running the move again goes on where it stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The source cannot be used.
    #[error("the source: {0}")]
    Source(StoreError),
    /// The destination cannot be used.
    #[error("the destination: {0}")]
    Destination(StoreError),
    /// What was copied could not be written.
    #[error("the destination: {0}")]
    Write(#[from] CommitError),
    /// The source's object store cannot be used.
    #[error("the source: {0}")]
    Objects(#[from] ObjectsError),
    /// The key is another log's.
    #[error("the key `{key}` is not that of the log `{origin}`")]
    Key {
        /// The log.
        origin: String,
        /// The key.
        key: Box<VerifyingKey>,
    },
    /// The process that serves the source did not stop.
    #[error("the log was not stopped within {0:?}")]
    NotStopped(Duration),
    /// The listener asked to stop.
    #[error("the move was stopped; run it again to go on")]
    Stopped,
}

/// Told of every step; may stop the move there.
pub type Listener<'a> = &'a mut dyn FnMut(Step) -> ControlFlow<()>;

impl Moving {
    /// Moves the log. Blocks.
    ///
    /// # Errors
    /// [`MoveError`]; the source serves the log unless it is marked as left, and the destination does not until the move is complete.
    pub fn run(&self, listener: Listener<'_>) -> Result<Moved, MoveError> {
        let seen = self.from.look(self.vkey.name().as_str()).map_err(MoveError::Source)?;
        let seen = seen.ok_or_else(|| {
            MoveError::Source(StoreError::Foreign(format!("{} holds no log of this key", self.from)))
        })?;
        if seen.origin != self.vkey.name().as_str() {
            return Err(MoveError::Key { origin: seen.origin, key: Box::new(self.vkey.clone()) });
        }
        match &seen.residence {
            Residence::Left(departure) => return self.complete(&seen.origin, departure.id),
            other => other.check(None).map_err(MoveError::Source)?,
        }
        // Its copy could not be verified from the first entry on.
        if let Some(gone) = self.from.pruned(&seen, &self.security)? {
            return Err(MoveError::Source(StoreError::Pruned(gone)));
        }
        let mut run = Run { moving: self, origin: seen.origin.clone(), listener };
        run.whole(&seen)
    }

    /// The source was left: whatever is to be done at the destination.
    fn complete(&self, origin: &str, id: MoveId) -> Result<Moved, MoveError> {
        let there = self.to.look(origin).map_err(MoveError::Destination)?;
        let done = |head| Moved { origin: origin.to_owned(), head, frozen: Duration::ZERO };
        match there.map(|seen| seen.residence) {
            Some(Residence::Here) => Ok(done(None)),
            Some(Residence::Arriving(arrival)) if arrival.id == id => {
                let objects = self.objects.as_ref();
                let opened = self.to.open(origin, objects, Some(id)).map_err(MoveError::Destination)?;
                let settled = opened.store.load().and_then(|loaded| {
                    opened.marks.settle(arrival)?;
                    Ok(loaded.map(|loaded| loaded.head))
                });
                let closed = opened.store.close();
                let head = settled.map_err(MoveError::Destination)?;
                closed.map_err(MoveError::Destination)?;
                Ok(done(head))
            }
            _ => Err(MoveError::Source(StoreError::Moved(format!("another place than {}", self.to)))),
        }
    }
}

/// What writes and reads back the copy.
struct Work<'a> {
    copier: Copier<'a, Arc<dyn Store>>,
    verifier: Verifier<'a, Arc<dyn Store>>,
}

/// One run of a move.
struct Run<'a> {
    moving: &'a Moving,
    origin: String,
    listener: Listener<'a>,
}

impl Run<'_> {
    fn tell(&mut self, step: Step) -> Result<(), MoveError> {
        match (self.listener)(step) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(MoveError::Stopped),
        }
    }

    fn whole(&mut self, seen: &LogSite) -> Result<Moved, MoveError> {
        let moving = self.moving;
        let id = *random_bytes().first_chunk().expect("16 of 32 bytes");
        let arrival = Move { id: MoveId::from_bytes(id), place: moving.from.to_string() };
        let objects = moving.objects.as_ref();
        let arrival = moving.to.prepare(&self.origin, objects, &arrival).map_err(MoveError::Destination)?;
        self.tell(Step::Prepared)?;
        let to = moving.to.open(&self.origin, objects, Some(arrival.id)).map_err(MoveError::Destination)?;
        let moved = self.copy(seen, &to, &arrival);
        let closed = to.store.close().map_err(MoveError::Destination);
        let moved = moved?;
        closed?;
        Ok(moved)
    }

    fn copy(&mut self, seen: &LogSite, to: &Opened, arrival: &Move) -> Result<Moved, MoveError> {
        let moving = self.moving;
        let mut copier = Copier::resume(&to.store).map_err(MoveError::Destination)?;
        let mut verifier = Verifier::new(&to.store);
        let ahead = moving.from.ahead(seen, &moving.security)?;
        self.bundles(&mut copier, &to.store, &|bundle| Ok(ahead.bundle(bundle)), ahead.size())?;
        drop(ahead);
        copier.flush()?;
        self.verify(&mut verifier, &to.store, copier.committed())?;
        self.tell(Step::Waiting)?;
        let from = self.freeze(seen)?;
        let begun = Instant::now();
        let moved = self.rest(&from, to, Work { copier, verifier }, arrival);
        // It gives up its lease or lock; the mark stays.
        let closed = from.store.close().map_err(MoveError::Source);
        let head = moved?;
        closed?;
        to.marks.settle(arrival.clone()).map_err(MoveError::Destination)?;
        Ok(Moved { origin: self.origin.clone(), head: Some(head), frozen: begun.elapsed() })
    }

    /// Claims or locks the source, so that nothing is committed there any more.
    fn freeze(&self, seen: &LogSite) -> Result<Opened, MoveError> {
        let moving = self.moving;
        let objects = match &seen.objects {
            Some(url) => Some(Objects::open(url, &moving.security)?),
            None => None,
        };
        let deadline = Instant::now() + moving.patience;
        loop {
            match moving.from.open(&self.origin, objects.as_ref(), None) {
                Err(StoreError::InUse) if Instant::now() < deadline => std::thread::sleep(POLL),
                Err(StoreError::InUse) => return Err(MoveError::NotStopped(moving.patience)),
                opened => return opened.map_err(MoveError::Source),
            }
        }
    }

    /// What is left of a frozen source.
    fn rest(
        &mut self,
        from: &Opened,
        to: &Opened,
        work: Work<'_>,
        arrival: &Move,
    ) -> Result<TreeHead, MoveError> {
        let Work { mut copier, mut verifier } = work;
        self.tell(Step::Frozen)?;
        let loaded = from.store.load().map_err(MoveError::Source)?;
        let loaded = loaded.ok_or_else(|| {
            MoveError::Source(StoreError::Foreign(
                "the log has no entries: start a new one at the destination".into(),
            ))
        })?;
        let heads = self.signed(from, &loaded)?;
        let sealed = |bundle| match from.store.entry_bundle(bundle) {
            Ok(None) => Err(StoreError::Damaged(format!("entry bundle {bundle} is missing"))),
            read => read,
        };
        self.bundles(&mut copier, &to.store, &sealed, Some(loaded.sealed))?;
        let mut next = loaded.sealed;
        for piece in &loaded.tail {
            copier.push(next, piece)?;
            next += vouchlog_storage::framing::count(piece).unwrap_or(0);
        }
        let head = loaded.head;
        copier.finish(&loaded)?;
        self.verify(&mut verifier, &to.store, head.size.get())?;
        verifier.finish(&loaded, &heads).map_err(MoveError::Destination)?;
        if let Some(signed) = heads.iter().max_by_key(|head| head.size) {
            to.store.note_signed(*signed).map_err(MoveError::Destination)?;
        }
        self.tell(Step::Verified)?;
        let departure = Move { id: arrival.id, place: self.moving.to.to_string() };
        from.marks.leave(departure).map_err(MoveError::Source)?;
        self.tell(Step::Left)?;
        Ok(head)
    }

    /// The heads that the log signed.
    fn signed(&self, from: &Opened, loaded: &Loaded) -> Result<Vec<TreeHead>, MoveError> {
        let origin = Origin::new(&self.origin);
        let origin = origin.map_err(|error| MoveError::Source(StoreError::Damaged(error.to_string())))?;
        let mut heads =
            signed_heads(&loaded.states, &origin, &self.moving.vkey).map_err(MoveError::Source)?;
        heads.extend(from.store.signed().map_err(MoveError::Source)?);
        match heads.iter().find(|head| head.size > loaded.head.size) {
            Some(head) => Err(MoveError::Source(StoreError::Damaged(format!(
                "it signed {} entries and holds {}: it is an older copy of the log",
                head.size, loaded.head.size
            )))),
            None => Ok(heads),
        }
    }

    /// Copies full bundles up to the first that is not there, or up to `size`.
    fn bundles(
        &mut self,
        copier: &mut Copier<'_, Arc<dyn Store>>,
        to: &Arc<dyn Store>,
        read: &dyn Fn(u64) -> Result<Option<Bytes>, StoreError>,
        size: Option<u64>,
    ) -> Result<(), MoveError> {
        let mut shown = copier.committed();
        for bundle in copier.next() / 256.. {
            if size.is_some_and(|size| (bundle + 1) * 256 > size) {
                return Ok(());
            }
            let Some(bytes) = read(bundle).map_err(MoveError::Source)? else { return Ok(()) };
            copier.push(bundle * 256, &bytes)?;
            if copier.committed() != shown {
                shown = copier.committed();
                self.tell(Step::Copied { entries: shown, of: size })?;
                await_sealing(to, shown.saturating_sub(MAX_UNSEALED))?;
            }
        }
        Ok(())
    }

    /// Verifies all full bundles up to `size`, once they are sealed.
    fn verify(
        &mut self,
        verifier: &mut Verifier<'_, Arc<dyn Store>>,
        to: &Arc<dyn Store>,
        size: u64,
    ) -> Result<(), MoveError> {
        await_sealing(to, size / 256 * 256)?;
        while verifier.verified() + 256 <= size {
            verifier.bundle().map_err(MoveError::Destination)?;
        }
        Ok(())
    }
}

/// Waits until everything below `size` is sealed.
fn await_sealing(store: &Arc<dyn Store>, size: u64) -> Result<(), MoveError> {
    let mut seen = (store.sealed_size(), Instant::now());
    while store.sealed_size() < size {
        if store.sealed_size() != seen.0 {
            seen = (store.sealed_size(), Instant::now());
        }
        if seen.1.elapsed() > SEALING_PATIENCE {
            let reason = store.impediment().unwrap_or_else(|| "sealing makes no progress".into());
            return Err(MoveError::Destination(StoreError::Io(reason)));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}
