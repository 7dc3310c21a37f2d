//! The sealed part of a store on a bucket: an object for each full tile and each full bundle.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use parking_lot::{Mutex, RwLock};
use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use tokio::sync::Semaphore;
use vouchlog_merkle::{EntryBundle, Hash, MAX_BUNDLE_LEN, TILE_WIDTH, Tile, TileId, TilePath, leaf_hash};
use vouchlog_storage::{FileRange, Part, Pruned, Sealed, StoreError};

use crate::bucket::{Bucket, Content};
use crate::driver::Driver;
use crate::head::{self, PublishedHead};
use crate::probe::{self, Probe};
use crate::pruning::{self, FOLDER_PATIENCE, Record};

/// Width of a full tile or bundle.
const FULL: u16 = 256;
/// A full tile: 256 hashes.
const TILE_BYTES: usize = TILE_WIDTH * Hash::LEN;
/// Writes in flight at once while sealing: an eighth of what is to be written, within these bounds. A burst of many would take the processors
/// from the commits, and those of a store on the same machine.
const WRITES_IN_FLIGHT: RangeInclusive<usize> = 4..=32;
/// Bytes in flight at once while sealing: bundles may have 16 MiB each. One goes in any case.
const BYTES_IN_FLIGHT: usize = 32 * 1024 * 1024;
/// Reads in flight at once while an upper tile is verified.
const READS_IN_FLIGHT: usize = 32;
/// The time for one sealing, which may write thousands of objects. What is not written by then is written again later.
const SEALING_PATIENCE: Duration = Duration::from_secs(300);
/// For the probe and the checks of a start.
const OPENING_PATIENCE: Duration = Duration::from_secs(120);
/// For the tiles below an upper one.
const VERIFYING_PATIENCE: Duration = Duration::from_secs(60);
/// Verified tiles and bundles that are kept in memory, in bytes.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;
/// About how many of them that is.
const CACHE_ITEMS: usize = 4096;

/// What the living part holds when the bucket is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Entries that are committed.
    pub size: u64,
    /// Up to where they are sealed; a multiple of 256.
    pub sealed: u64,
}

/// The sealed part of a log in a bucket.
#[derive(Debug)]
pub struct ObjectSealed {
    bucket: Bucket,
    driver: Driver,
    /// The next bundle to be sealed.
    next: Mutex<u64>,
    verified: Mutex<Verified>,
    /// What was given up, as this process read or wrote it last.
    record: RwLock<Option<Record>>,
}

/// What was read and compared with what it covers.
#[derive(Debug)]
struct Verified {
    objects: Cache<Part, Bytes, ByLength>,
    /// Tiles above level 0, which take 256 reads to verify: each once in the life of a process.
    upper: HashSet<TileId>,
}

#[derive(Clone, Debug)]
struct ByLength;

impl Weighter<Part, Bytes> for ByLength {
    fn weight(&self, _: &Part, bytes: &Bytes) -> u64 {
        bytes.len() as u64
    }
}

impl ObjectSealed {
    /// Opens the sealed part of the log `origin`, after it was probed whether the bucket keeps its conditions and whether its contents are
    /// those of this log.
    ///
    /// # Errors
    /// [`StoreError::ForeignObjects`] when the bucket ignores conditions or holds another log, [`StoreError::Damaged`] when it lacks what was
    /// sealed or has more than was committed.
    pub fn open(bucket: Bucket, origin: &str, committed: Committed) -> Result<Self, StoreError> {
        let driver = Driver::new()?;
        let (probed, checked) = (bucket.clone(), bucket.clone());
        driver.run(OPENING_PATIENCE, async move { check_conditions(&probed).await })?;
        let origin = origin.to_owned();
        driver.run(OPENING_PATIENCE, async move { is_of(&checked, &origin, committed).await })?;
        Self::over(bucket, driver, committed)
    }

    /// Opens the sealed part of the log `origin` for a move of the log, which writes again what may be there already.
    ///
    /// # Errors
    /// As [`open`](Self::open), but for what is there beyond `committed`: what is written is compared with it, object by object.
    pub fn open_for_moving(bucket: Bucket, origin: &str, committed: Committed) -> Result<Self, StoreError> {
        let driver = Driver::new()?;
        let (checked, origin) = (bucket.clone(), origin.to_owned());
        driver.run(OPENING_PATIENCE, async move {
            check_conditions(&checked).await?;
            is_origin(&checked, &origin).await.map(drop)
        })?;
        Self::over(bucket, driver, committed)
    }

    /// Opens the sealed part of the log `origin` for a process that reads it while another one writes.
    ///
    /// # Errors
    /// [`StoreError::ForeignObjects`] when the bucket holds another log, [`StoreError::Damaged`] when it lacks what was sealed.
    pub fn open_for_reading(bucket: Bucket, origin: &str, committed: Committed) -> Result<Self, StoreError> {
        let driver = Driver::new()?;
        let (checked, origin) = (bucket.clone(), origin.to_owned());
        driver.run(OPENING_PATIENCE, async move { is_origin(&checked, &origin).await.map(drop) })?;
        Self::over(bucket, driver, committed)
    }

    fn over(bucket: Bucket, driver: Driver, committed: Committed) -> Result<Self, StoreError> {
        let objects = Cache::with_weighter(CACHE_ITEMS, CACHE_BYTES, ByLength);
        let recorded = bucket.clone();
        let record = driver.run(OPENING_PATIENCE, async move { pruning::read(&recorded).await })?;
        let sealed = Self {
            record: RwLock::new(record),
            bucket,
            driver,
            next: Mutex::new(committed.sealed / 256),
            verified: Mutex::new(Verified { objects, upper: HashSet::new() }),
        };
        if let Some(last) = (committed.sealed / 256).checked_sub(1) {
            sealed.bundle(last).map_err(|error| match error {
                StoreError::Damaged(reason) => StoreError::Damaged(format!(
                    "{reason}; {} entries of this log were sealed: does {} name the place where they are?",
                    committed.sealed,
                    sealed.bucket.url()
                )),
                other => other,
            })?;
        }
        Ok(sealed)
    }

    fn cached(&self, part: Part) -> Option<Bytes> {
        self.verified.lock().objects.get(&part).cloned()
    }

    /// Reads an object as it is.
    fn read(&self, part: Part) -> Result<Bytes, StoreError> {
        let bucket = self.bucket.clone();
        let found = self.driver.run(self.bucket.pace().read, async move { find(&bucket, part).await })?;
        found.map_or_else(|| self.missing(part), Ok)
    }

    /// Why an object is not there: the leader may have given it up since this process looked.
    fn missing<T>(&self, part: Part) -> Result<T, StoreError> {
        if let Part::Bundle(_) = part {
            self.read_record()?;
            self.check_kept(part)?;
        }
        Err(missing(&self.bucket, part))
    }

    fn read_record(&self) -> Result<Option<Record>, StoreError> {
        let bucket = self.bucket.clone();
        let record = self.driver.run(self.bucket.pace().read, async move { pruning::read(&bucket).await })?;
        self.record.write().clone_from(&record);
        Ok(record)
    }

    /// A bundle and its tile, which must agree: what is served is what the tree covers.
    fn pair(&self, bundle: u64) -> Result<(Bytes, Bytes), StoreError> {
        self.check_kept(Part::Bundle(bundle))?;
        let id = TileId { level: 0, index: bundle };
        let bucket = self.bucket.clone();
        let (bytes, tile) = self.driver.run(self.bucket.pace().read, async move {
            future::try_join(find(&bucket, Part::Bundle(bundle)), read(&bucket, Part::Tile(id))).await
        })?;
        let bytes = bytes.map_or_else(|| self.missing(Part::Bundle(bundle)), Ok)?;
        if !is_bundle_of(&bytes, &tile) {
            return Err(StoreError::Damaged(format!(
                "the entries in {} and their hashes in {} do not agree: one of them is damaged",
                self.bucket.name(&path(Part::Bundle(bundle))),
                self.bucket.name(&path(Part::Tile(id)))
            )));
        }
        let mut verified = self.verified.lock();
        verified.objects.insert(Part::Bundle(bundle), bytes.clone());
        verified.objects.insert(Part::Tile(id), tile.clone());
        Ok((bytes, tile))
    }

    /// The hashes of a tile above level 0 must be the roots of the tiles below.
    fn check_upper_tile(&self, tile: TileId, bytes: &Bytes) -> Result<(), StoreError> {
        if self.verified.lock().upper.contains(&tile) {
            return Ok(());
        }
        let bucket = self.bucket.clone();
        let below = (tile.index * 256..(tile.index + 1) * 256)
            .map(move |index| Part::Tile(TileId { level: tile.level - 1, index }));
        let roots: Vec<Option<Hash>> = self.driver.run(VERIFYING_PATIENCE, async move {
            let roots = stream::iter(below).map(|part| {
                let bucket = bucket.clone();
                async move {
                    let bytes = read(&bucket, part).await?;
                    Ok::<_, StoreError>(Tile::parse(&bytes).ok().and_then(|tile| tile.root()))
                }
            });
            roots.buffered(READS_IN_FLIGHT).try_collect().await
        })?;
        for ((root, hash), child) in roots.iter().zip(bytes.chunks(Hash::LEN)).zip(tile.index * 256..) {
            if root.is_none_or(|root| root.as_bytes() != hash) {
                let below = TileId { level: tile.level - 1, index: child };
                return Err(StoreError::Damaged(format!(
                    "the tile {} and its root in {} do not agree: one of the two is damaged",
                    self.bucket.name(&path(Part::Tile(below))),
                    self.bucket.name(&path(Part::Tile(tile)))
                )));
            }
        }
        self.verified.lock().upper.insert(tile);
        Ok(())
    }
}

impl Sealed for ObjectSealed {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let mut next = self.next.lock();
        for ((bundle, _), expected) in bundles.iter().zip(*next..) {
            if *bundle != expected {
                return Err(StoreError::Damaged(format!(
                    "entry bundle {bundle} was sealed in the place of bundle {expected}"
                )));
            }
        }
        let tiles = tiles.iter().map(|(tile, bytes)| (Part::Tile(*tile), bytes.clone()));
        let objects: Vec<(String, Bytes)> = tiles
            .chain(bundles.iter().map(|(bundle, bytes)| (Part::Bundle(*bundle), bytes.clone())))
            .map(|(part, bytes)| (path(part), bytes))
            .collect();
        let bucket = self.bucket.clone();
        self.driver.run(SEALING_PATIENCE, async move {
            let at_once = (objects.len() / 8).clamp(*WRITES_IN_FLIGHT.start(), *WRITES_IN_FLIGHT.end());
            let room = Arc::new(Semaphore::new(BYTES_IN_FLIGHT));
            let writes = stream::iter(objects).map(|(path, bytes)| {
                let (bucket, room) = (bucket.clone(), room.clone());
                async move {
                    let share = u32::try_from(bytes.len().min(BYTES_IN_FLIGHT)).unwrap_or(u32::MAX);
                    let _share = room.acquire_many(share).await.expect("it is never closed");
                    bucket.create(&path, &bytes, Content::Tile).await
                }
            });
            writes.buffer_unordered(at_once).try_collect::<()>().await
        })?;
        *next += bundles.len() as u64;
        Ok(())
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        if let Some(bytes) = self.cached(Part::Tile(tile)) {
            return Ok(bytes);
        }
        if tile.level == 0 {
            match self.pair(tile.index) {
                // No entries are left to compare it with; the tile above is, when it is read.
                Err(StoreError::Pruned(_)) => {}
                pair => return pair.map(|(_, tile)| tile),
            }
        }
        let bytes = self.read(Part::Tile(tile))?;
        if bytes.len() != TILE_BYTES {
            let name = self.bucket.name(&path(Part::Tile(tile)));
            return Err(StoreError::Damaged(format!("{name} has {} bytes, not {TILE_BYTES}", bytes.len())));
        }
        if tile.level > 0 {
            self.check_upper_tile(tile, &bytes)?;
        }
        self.verified.lock().objects.insert(Part::Tile(tile), bytes.clone());
        Ok(bytes)
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        self.check_kept(Part::Bundle(bundle))?;
        match self.cached(Part::Bundle(bundle)) {
            Some(bytes) => Ok(bytes),
            None => self.pair(bundle).map(|(bytes, _)| bytes),
        }
    }

    /// The object's URL. Its length is not known before it is read.
    fn place(&self, part: Part) -> Option<FileRange> {
        Some(FileRange { file: self.bucket.name(&path(part)), start: 0, end: 0 })
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        self.check_kept(part)?;
        self.read(part)
    }

    /// An object is found by its name alone.
    fn find_bundle(&self, _: u64, _: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        // What was given up does not come back.
        self.check_kept(part)?;
        let (bucket, bytes) = (self.bucket.clone(), bytes.clone());
        {
            let mut verified = self.verified.lock();
            verified.objects.remove(&part);
            if let Part::Tile(tile) = part {
                verified.upper.remove(&tile);
            }
        }
        let patience = self.bucket.pace().write * 2;
        self.driver.run(patience, async move { bucket.replace(&path(part), &bytes).await })
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        self.record.read().as_ref().map(|record| record.pruned.clone())
    }

    fn reread_pruned(&self) -> Result<Option<Arc<Pruned>>, StoreError> {
        Ok(self.read_record()?.map(|record| record.pruned))
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        let sealed = *self.next.lock() * TILE_WIDTH as u64;
        let (bucket, pruned) = (self.bucket.clone(), pruned.clone());
        let patience = self.bucket.pace().write * 2;
        let record =
            self.driver.run(patience, async move { pruning::record(&bucket, &pruned, sealed).await })?;
        *self.record.write() = Some(record);
        Ok(())
    }

    fn remove_pruned(&self) -> Result<u64, StoreError> {
        let Some(record) = self.record.read().clone() else { return Ok(0) };
        let bucket = self.bucket.clone();
        let removal = async move { pruning::remove(&bucket, record).await };
        let (count, record) = self.driver.run(FOLDER_PATIENCE, removal)?;
        *self.record.write() = Some(record);
        Ok(count)
    }

    /// By the checkpoint in the bucket.
    fn shows(&self, index: u64) -> Result<bool, StoreError> {
        let bucket = self.bucket.clone();
        let stated = self.driver.run(self.bucket.pace().read, async move { head::stated(&bucket).await })?;
        Ok(stated.is_some_and(|stated| stated.head.size.get() > index))
    }
}

/// The path of a full tile or bundle below the prefix (C2SP tlog-tiles).
fn path(part: Part) -> String {
    match part {
        Part::Tile(tile) => tile.path(FULL),
        Part::Bundle(bundle) => TilePath::Entries { index: bundle, width: FULL }.to_string(),
    }
}

async fn find(bucket: &Bucket, part: Part) -> Result<Option<Bytes>, StoreError> {
    let limit = match part {
        Part::Tile(_) => TILE_BYTES,
        Part::Bundle(_) => MAX_BUNDLE_LEN,
    };
    Ok(bucket.get(&path(part), limit).await?.map(|found| found.bytes))
}

async fn read(bucket: &Bucket, part: Part) -> Result<Bytes, StoreError> {
    find(bucket, part).await?.ok_or_else(|| missing(bucket, part))
}

fn missing(bucket: &Bucket, part: Part) -> StoreError {
    StoreError::Damaged(format!("{} is missing", bucket.name(&path(part))))
}

/// Whether these bytes are the 256 entries whose hashes the tile holds.
fn is_bundle_of(bytes: &[u8], tile: &[u8]) -> bool {
    let Ok(entries) = EntryBundle::entries(bytes, TILE_WIDTH) else { return false };
    tile.len() == TILE_BYTES
        && entries.iter().zip(tile.chunks(Hash::LEN)).all(|(entry, hash)| leaf_hash(entry).as_bytes() == hash)
}

/// Probes whether a bucket keeps the conditions of writes, once in the life of a process. A standby does this before it waits: a probe
/// may take seconds, in which a log that is taken over would have no leader.
///
/// # Errors
/// [`StoreError::ForeignObjects`] when it does not; [`StoreError::ObjectStore`] when it cannot be reached.
pub async fn check_conditions(bucket: &Bucket) -> Result<(), StoreError> {
    if bucket.is_probed() {
        return Ok(());
    }
    let probe = probe::probe(bucket).await?;
    if let Some(reason) = &probe.left_behind {
        tracing::warn!(reason, "the object of the probe could not be deleted");
    }
    if probe.holds() {
        bucket.note_probed();
        return Ok(());
    }
    let Probe { findings, .. } = probe;
    Err(StoreError::ForeignObjects(format!(
        "{} does not keep the conditions of writes, so two writers could replace each other's objects: {}. Use a store that keeps them \
         (S3, GCS, Azure, MinIO, SeaweedFS 4.48 or newer)",
        bucket.url(),
        findings.join("; ")
    )))
}

/// The checkpoint in the bucket, which must be of the log `origin`.
async fn is_origin(bucket: &Bucket, origin: &str) -> Result<Option<PublishedHead>, StoreError> {
    let stated = head::stated(bucket).await?;
    match &stated {
        Some(PublishedHead { origin: other, .. }) if other != origin => Err(StoreError::ForeignObjects(
            format!("{} holds the log `{other}`, not `{origin}`: give each log its own prefix", bucket.url()),
        )),
        _ => Ok(stated),
    }
}

/// Whether what the bucket holds is this log's, and not more of it than was committed.
async fn is_of(bucket: &Bucket, origin: &str, committed: Committed) -> Result<(), StoreError> {
    let older = |what: String| {
        StoreError::Damaged(format!(
            "{what}, but the log has {} entries here: this data directory or database is an older copy. Serve the newest one",
            committed.size
        ))
    };
    if let Some(PublishedHead { head, .. }) = is_origin(bucket, origin).await?
        && head.size.get() > committed.size
    {
        return Err(older(format!("the checkpoint in {} has {} entries", bucket.url(), head.size)));
    }
    if let Some(record) = pruning::read(bucket).await?
        && record.pruned.announced() >= committed.size
    {
        let announced = record.pruned.announced();
        return Err(older(format!(
            "the log in {} gave up entries, as its entry {announced} announces",
            bucket.url()
        )));
    }
    // What is sealed was committed before.
    let next = path(Part::Bundle(committed.size / 256));
    if bucket.exists(&next).await? {
        return match committed.size {
            0 => Err(StoreError::ForeignObjects(format!(
                "{} holds a log already, and the log here is new: give each log its own prefix. A log whose data directory or database is \
                 lost must not be started again with its key",
                bucket.url()
            ))),
            _ => Err(older(format!("{} is there", bucket.name(&next)))),
        };
    }
    Ok(())
}
