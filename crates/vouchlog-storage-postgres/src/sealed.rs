//! The sealed part of a small log in the same database: tiles and bundles as rows that never change again.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use sqlx::Row as _;
use vouchlog_merkle::{TileId, leaf_hash};
use vouchlog_storage::{FileRange, Part, Pruned, Sealed, StoreError, framing};

use crate::database::{Database, QUERY_PATIENCE};
use crate::outcome::{damaged, signed, unsigned};
use crate::pruning::{self, Claim};

/// Bytes sent in one statement.
const STATEMENT_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of objects kept in memory: readers ask for the newest ones again and again.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// The level under which bundles are kept.
const BUNDLES: i16 = -1;

/// The sealed part of a log in PostgreSQL.
pub struct PostgresSealed {
    database: Database,
    log: i32,
    cache: Mutex<Cache<Part, Bytes, Weight>>,
    /// The epoch of the leader's claim. Without one, this process only reads.
    epoch: Option<Arc<AtomicI64>>,
    pruned: RwLock<Option<Arc<Pruned>>>,
    /// The bundle from which on those that were given up may still be there.
    removal: Mutex<u64>,
}

/// What a log has given up, and what it may give up.
struct Record {
    text: Option<String>,
    pruned: Option<Arc<Pruned>>,
    sealed: u64,
}

#[derive(Clone)]
struct Weight;

impl Weighter<Part, Bytes> for Weight {
    fn weight(&self, _: &Part, bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 64
    }
}

type Object = (i16, i64, Bytes);

fn key(part: Part) -> (i16, i64) {
    match part {
        Part::Tile(tile) => (i16::from(tile.level), signed(tile.index)),
        Part::Bundle(bundle) => (BUNDLES, signed(bundle)),
    }
}

impl PostgresSealed {
    /// For reading beside the leader.
    pub(crate) fn open(database: Database, log: i32) -> Result<Self, StoreError> {
        Self::with_epoch(database, log, None)
    }

    /// For the leader, whose claims move its epoch.
    pub(crate) fn open_for_leading(
        database: Database,
        log: i32,
        epoch: Arc<AtomicI64>,
    ) -> Result<Self, StoreError> {
        Self::with_epoch(database, log, Some(epoch))
    }

    fn with_epoch(database: Database, log: i32, epoch: Option<Arc<AtomicI64>>) -> Result<Self, StoreError> {
        // A tile has 8 KiB, a bundle rarely less.
        let items = usize::try_from(CACHE_BYTES / 8192).unwrap_or(usize::MAX);
        let cache = Mutex::new(Cache::with_weighter(items, CACHE_BYTES, Weight));
        let (pruned, removal) = (RwLock::default(), Mutex::new(0));
        let sealed = Self { database, log, cache, epoch, pruned, removal };
        sealed.read_record()?;
        Ok(sealed)
    }

    /// Reads what was given up.
    fn read_record(&self) -> Result<Record, StoreError> {
        let log = self.log;
        let (text, sealed) = self
            .database
            .query(QUERY_PATIENCE, move |connection| Box::pin(pruning::read(connection, log)))?;
        let read = |text: &str| {
            Pruned::parse(text).ok_or_else(|| damaged("the record of the entries that were given up"))
        };
        let pruned = text.as_deref().map(read).transpose()?.map(Arc::new);
        self.pruned.write().clone_from(&pruned);
        Ok(Record { text, pruned, sealed: unsigned(sealed, "the sealed size")? })
    }

    /// This process's claim.
    ///
    /// # Errors
    /// [`StoreError::Io`] if it only reads.
    fn claim(&self) -> Result<Claim, StoreError> {
        let epoch = self.epoch.as_ref().map(|epoch| epoch.load(Ordering::Relaxed));
        let epoch = epoch.ok_or_else(|| StoreError::Io("this process only reads the log".into()))?;
        Ok(Claim { log: self.log, epoch })
    }

    fn write(&self, objects: Vec<Object>, replaces: bool) -> Result<(), StoreError> {
        let (log, objects) = (self.log, Arc::new(objects));
        let sql = if replaces {
            "INSERT INTO vouchlog_sealed (log, level, index, bytes)
             SELECT $1, u.level, u.index, u.bytes FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) AS u(level, index, bytes)
             ON CONFLICT (log, level, index) DO UPDATE SET bytes = excluded.bytes"
        } else {
            "INSERT INTO vouchlog_sealed (log, level, index, bytes)
             SELECT $1, u.level, u.index, u.bytes FROM unnest($2::smallint[], $3::bigint[], $4::bytea[]) AS u(level, index, bytes)
             ON CONFLICT (log, level, index) DO NOTHING"
        };
        self.database.query(QUERY_PATIENCE, move |connection| {
            let objects = objects.clone();
            Box::pin(async move {
                let levels: Vec<i16> = objects.iter().map(|(level, ..)| *level).collect();
                let indexes: Vec<i64> = objects.iter().map(|(_, index, _)| *index).collect();
                let bytes: Vec<&[u8]> = objects.iter().map(|(.., bytes)| &bytes[..]).collect();
                let write = sqlx::query(sql).bind(log).bind(levels).bind(indexes).bind(bytes);
                write.execute(connection).await.map(drop)
            })
        })
    }

    /// Reads an object from the database.
    fn fetch(&self, part: Part) -> Result<Bytes, StoreError> {
        let (log, (level, index)) = (self.log, key(part));
        let bytes: Option<Vec<u8>> = self.database.query(QUERY_PATIENCE, move |connection| {
            Box::pin(async move {
                let object = sqlx::query(
                    "SELECT bytes FROM vouchlog_sealed WHERE log = $1 AND level = $2 AND index = $3",
                );
                let row = object.bind(log).bind(level).bind(index).fetch_optional(connection).await?;
                row.map(|row| row.try_get(0)).transpose()
            })
        })?;
        match bytes {
            Some(bytes) => Ok(bytes.into()),
            None => self.missing(part),
        }
    }

    /// Why an object is not there: the leader may have given it up since this process looked.
    fn missing<T>(&self, part: Part) -> Result<T, StoreError> {
        if let Part::Bundle(_) = part {
            self.read_record()?;
            self.check_kept(part)?;
        }
        Err(StoreError::Damaged(format!("{part} is missing in the database")))
    }

    fn get(&self, part: Part) -> Result<Bytes, StoreError> {
        if let Some(bytes) = self.cache.lock().get(&part) {
            return Ok(bytes.clone());
        }
        let bytes = self.fetch(part)?;
        self.cache.lock().insert(part, bytes.clone());
        Ok(bytes)
    }
}

impl Sealed for PostgresSealed {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let tiles = tiles.iter().map(|(tile, bytes)| (Part::Tile(*tile), bytes));
        let bundles = bundles.iter().map(|(bundle, bytes)| (Part::Bundle(*bundle), bytes));
        let (mut objects, mut length) = (Vec::new(), 0);
        for (part, bytes) in tiles.chain(bundles) {
            if length + bytes.len() > STATEMENT_BYTES && !objects.is_empty() {
                self.write(std::mem::take(&mut objects), false)?;
                length = 0;
            }
            let (level, index) = key(part);
            objects.push((level, index, bytes.clone()));
            length += bytes.len();
        }
        if objects.is_empty() { Ok(()) } else { self.write(objects, false) }
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        self.get(Part::Tile(tile))
    }

    /// What is read from the database is compared with the tile over it.
    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        let part = Part::Bundle(bundle);
        self.check_kept(part)?;
        if let Some(bytes) = self.cache.lock().get(&part) {
            return Ok(bytes.clone());
        }
        let (bytes, tile) = (self.fetch(part)?, self.tile(TileId { level: 0, index: bundle })?);
        if !is_covered(&bytes, &tile) {
            return Err(StoreError::Damaged(format!(
                "{part} in the database is not the one its tile covers"
            )));
        }
        self.cache.lock().insert(part, bytes.clone());
        Ok(bytes)
    }

    /// None: it lies in no file.
    fn place(&self, _: Part) -> Option<FileRange> {
        None
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        self.check_kept(part)?;
        self.fetch(part)
    }

    /// A bundle is found by its key or not at all; its tile shows whether it is the right one.
    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let bytes = self.fetch(Part::Bundle(bundle))?;
        Ok(is_covered(&bytes, tile).then_some(bytes))
    }

    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        // What was given up does not come back.
        self.check_kept(part)?;
        let (level, index) = key(part);
        self.write(vec![(level, index, bytes.clone())], true)?;
        self.cache.lock().remove(&part);
        Ok(())
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.pruned.read().clone()
    }

    fn reread_pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        Ok(self.read_record()?.pruned)
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        let (claim, record) = (self.claim()?, self.read_record()?);
        pruned.check(record.sealed, record.pruned.as_deref())?;
        let (before, text) = (record.text, pruned.to_text());
        let is_recorded = self.database.query(QUERY_PATIENCE, move |connection| {
            let (before, text) = (before.clone(), text.clone());
            Box::pin(async move { pruning::record(connection, claim, before.as_deref(), &text).await })
        })?;
        if !is_recorded {
            return Err(claimed_again());
        }
        *self.pruned.write() = Some(Arc::new(pruned.clone()));
        *self.removal.lock() = 0;
        Ok(())
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        let (Some(pruned), claim) = (Sealed::pruned(self), self.claim()?) else { return Ok(0) };
        let mut removal = self.removal.lock();
        loop {
            let range = (*removal, pruned.minimum() / 256);
            let page = self.database.query(QUERY_PATIENCE, move |connection| {
                Box::pin(pruning::page(connection, claim.log, range))
            })?;
            let Some((last, _)) = page.last().copied() else { return Ok(0) };
            let is_removed = |(index, _): &(i64, i64)| {
                u64::try_from(*index).is_ok_and(|bundle| pruned.has_removed(bundle))
            };
            let batch = pruning::batch(&page.into_iter().filter(is_removed).collect::<Vec<_>>());
            // Bundles that stay are passed over.
            let Some(end) = batch.last().copied() else {
                *removal = unsigned(last, "a bundle")? + 1;
                continue;
            };
            let (count, batch) = (batch.len() as u64, Arc::new(batch));
            let is_removed = self.database.query(QUERY_PATIENCE, move |connection| {
                let batch = batch.clone();
                Box::pin(async move { pruning::remove(connection, claim, &batch).await })
            })?;
            if !is_removed {
                return Err(claimed_again());
            }
            *removal = unsigned(end, "a bundle")? + 1;
            return Ok(count);
        }
    }
}

/// Another process claimed the log, or this one did once more: the next attempt knows.
fn claimed_again() -> StoreError {
    StoreError::Io("the log was claimed again meanwhile".into())
}

/// Whether a tile has the hashes of a bundle's entries.
fn is_covered(bundle: &Bytes, tile: &[u8]) -> bool {
    let Some(starts) = framing::starts(bundle) else { return false };
    let ends = starts.iter().skip(1).copied().chain(u32::try_from(bundle.len()));
    let leaves = starts.iter().zip(ends).flat_map(|(start, end)| {
        let entry = bundle.get(*start as usize + 2..end as usize).unwrap_or_default();
        *leaf_hash(entry).as_bytes()
    });
    leaves.eq(tile.iter().copied())
}

impl fmt::Debug for PostgresSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresSealed({:?}, log {})", self.database, self.log)
    }
}
