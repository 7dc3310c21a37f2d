//! Sealed tiles and bundles: append-only files of things that never change again.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use quick_cache::unsync::Cache;
use vouchlog_merkle::{Hash, Tile, TileId, leaf_hash};
use vouchlog_storage::{FileRange, Part, Pruned, Sealed, StoreError, framing};

use crate::files::{make_dir, name, os_error, write_file};

mod cut;
mod locate;
mod pairs;
mod pruning;

use pairs::Pairs;

/// Tiles or bundles in one segment: 32 MiB of tiles, a little over a million entries. Large enough that a log of 10^9
/// entries has a thousand segments, small enough to copy to object storage one by one.
const PER_SEGMENT: u64 = 4096;
/// A full tile: 256 hashes.
const TILE_BYTES: usize = 8192;
/// A bundle's place in the index file: offset and length.
const SLOT_BYTES: usize = 12;
/// Open files kept for reading: half of the descriptors that a server's connections leave to its stores. Opening one again takes microseconds.
const MAX_OPEN_FILES: usize = 32;
/// 256 entries of 65,535 bytes, each behind its length.
const MAX_BUNDLE_BYTES: u32 = 256 * 65_537;

/// The sealed part of a store.
#[derive(Debug)]
pub struct Segments {
    dir: PathBuf,
    open: Mutex<Cache<PathBuf, Arc<File>>>,
    next: Mutex<Next>,
    /// Tiles above level 0 that were checked against those below.
    verified: Mutex<HashSet<TileId>>,
    /// Files whose names are known to survive a power cut.
    named: Mutex<HashSet<PathBuf>>,
    /// The entries that were given up.
    pruned: RwLock<Option<Arc<Pruned>>>,
    /// Bundles that were read lately with their tiles.
    pairs: Pairs,
}

/// Where the next bundle goes. Known from what was verified or written, never read back unverified: a wrong place would
/// overwrite other bundles.
#[derive(Clone, Copy, Debug)]
struct Next {
    bundle: u64,
    offset: u64,
}

impl Segments {
    /// Opens segments beside a living part that is not in this directory and holds everything from `sealed` on: what an interrupted
    /// sealing left behind is cut off. The caller keeps other processes out.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if they hold less than is sealed, or cannot be read.
    pub fn open_at(dir: &Path, sealed: u64) -> Result<Self, StoreError> {
        let segments = Self::open(dir, sealed)?;
        segments.cut_to(sealed)?;
        Ok(segments)
    }

    /// Opens the segments in `dir`, of which everything below `sealed` is sealed, and verifies those of the last segment that
    /// the next bundle depends on. A damaged index is computed again from the bundles.
    pub(crate) fn open(dir: &Path, sealed: u64) -> Result<Self, StoreError> {
        for part in ["bundles", "tiles"] {
            make_dir(&dir.join(part))?;
        }
        let next = Next { bundle: sealed / 256, offset: 0 };
        let segments = Self {
            dir: dir.to_owned(),
            open: Mutex::new(Cache::new(MAX_OPEN_FILES)),
            next: Mutex::new(next),
            verified: Mutex::default(),
            named: Mutex::default(),
            pruned: RwLock::new(pruning::read_pruned(dir)?),
            pairs: Pairs::default(),
        };
        segments.next.lock().offset = segments.end_of_last(next.bundle)?;
        // A process that ended meanwhile may have left bytes of what it gave up.
        if let Err(error) = segments.remove_given_up() {
            tracing::warn!(%error, "entries that were given up are still on the disk; the next start retries");
        }
        Ok(segments)
    }

    /// Opens the segments in `dir` for reading only. Nothing is verified or created. A file PRUNED that cannot be read counts as missing.
    pub(crate) fn open_read_only(dir: &Path, sealed: u64) -> Self {
        let next = Next { bundle: sealed / 256, offset: 0 };
        Self {
            dir: dir.to_owned(),
            open: Mutex::new(Cache::new(MAX_OPEN_FILES)),
            next: Mutex::new(next),
            verified: Mutex::default(),
            named: Mutex::default(),
            pruned: RwLock::new(pruning::read_pruned(dir).ok().flatten()),
            pairs: Pairs::default(),
        }
    }

    /// How many bundles were written here, sealed or not, counted by the indexes of the segments.
    pub(crate) fn written_bundles(&self) -> u64 {
        let length = |bundle| fs::metadata(self.bundle_path(bundle, "index")).map_or(0, |file| file.len());
        let full = (0..).take_while(|segment| length((segment + 1) * PER_SEGMENT) > 0).count() as u64;
        full * PER_SEGMENT + (length(full * PER_SEGMENT) / SLOT_BYTES as u64).min(PER_SEGMENT)
    }

    /// Whether a bundle was ever written here, sealed or not.
    pub(crate) fn has_bundle(&self, bundle: u64) -> bool {
        let length = |bundle| fs::metadata(self.bundle_path(bundle, "index")).map_or(0, |file| file.len());
        length(bundle) > place(bundle, SLOT_BYTES) || length(bundle + PER_SEGMENT) > 0
    }

    /// Where bundle `next` begins in its segment, after the last bundle was verified against its tile.
    fn end_of_last(&self, next: u64) -> Result<u64, StoreError> {
        let count = next % PER_SEGMENT;
        if count == 0 {
            return Ok(0);
        }
        let first = next - count;
        let slots = (first..next).map(|bundle| self.slot(bundle)).collect::<Result<Vec<_>, _>>();
        let joins = |slots: &[(u64, u32)]| {
            let ends = slots.iter().scan(0, |end, (offset, length)| {
                let begins = *end == *offset;
                *end = offset.saturating_add(u64::from(*length));
                Some(begins)
            });
            ends.into_iter().all(|begins| begins)
        };
        if let Ok(slots) = &slots
            && joins(slots)
            && let Some((offset, length)) = slots.last().copied()
            && self.is_length_of(next - 1, length)
        {
            return Ok(offset + u64::from(length));
        }
        self.compute_index(first, next)
    }

    /// Whether the index gives a bundle its right length. No slot follows that would contradict a wrong one, so the bundle
    /// itself must: it is what its tile covers, or at least framed to that length (then it is damaged, and reads report it).
    fn is_length_of(&self, bundle: u64, length: u32) -> bool {
        let framed = |bytes: Bytes| bundle_length(&bytes) == Some(length as usize);
        self.bundle(bundle).is_ok() || self.read_bundle(bundle).is_ok_and(framed)
    }

    pub(crate) fn read_tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        let mut bytes = vec![0; TILE_BYTES];
        self.read(&self.tile_path(tile), &mut bytes, place(tile.index, TILE_BYTES))?;
        Ok(bytes.into())
    }

    pub(crate) fn read_bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        self.check_kept(Part::Bundle(bundle))?;
        if let Some(kept) = self.read_kept(bundle)? {
            return Ok(kept);
        }
        let read = self.read_in_segment(bundle);
        // Its segment may have been cut down to what stays since the look above.
        match &read {
            Err(_) => self.read_kept(bundle)?.map_or(read, Ok),
            Ok(_) => read,
        }
    }

    /// A bundle from the `.data` of its segment, given up or not.
    pub(crate) fn read_in_segment(&self, bundle: u64) -> Result<Bytes, StoreError> {
        let (offset, length) = self.slot(bundle)?;
        let mut bytes = vec![0; length as usize];
        self.read(&self.bundle_path(bundle, "data"), &mut bytes, offset)?;
        Ok(bytes.into())
    }

    /// Checks that a bundle and its tile of level 0 agree.
    fn check_bundle(&self, bundle: u64, bytes: &[u8], tile: &[u8]) -> Result<(), StoreError> {
        if is_bundle_of(bytes, tile) {
            return Ok(());
        }
        let id = TileId { level: 0, index: bundle };
        Err(StoreError::Damaged(format!(
            "entries {} to {} in {} (found by {}) and their hashes in {} do not agree: one of them is damaged",
            bundle * 256,
            bundle * 256 + 255,
            self.name(&self.bundle_path(bundle, "data")),
            self.name(&self.bundle_path(bundle, "index")),
            self.name(&self.tile_path(id))
        )))
    }

    /// The hashes of a tile above level 0 must be the roots of the tiles below. That takes 65,000 hashes, so each is checked once
    /// in the life of a process.
    fn check_upper_tile(&self, tile: TileId, bytes: &[u8]) -> Result<(), StoreError> {
        if self.verified.lock().contains(&tile) {
            return Ok(());
        }
        for (child, hash) in (tile.index * 256..).zip(bytes.chunks(Hash::LEN)) {
            let below = TileId { level: tile.level - 1, index: child };
            let root = Tile::parse(&self.read_tile(below)?).ok().and_then(|tile| tile.root());
            if root.is_none_or(|root| root.as_bytes() != hash) {
                return Err(StoreError::Damaged(format!(
                    "tile {child} in {} and its root in {} do not agree: one of the two is damaged",
                    self.name(&self.tile_path(below)),
                    self.name(&self.tile_path(tile))
                )));
            }
        }
        self.verified.lock().insert(tile);
        Ok(())
    }

    /// A file's path from the data directory on, for an operator.
    fn name(&self, path: &Path) -> String {
        format!("sealed/{}", path.strip_prefix(&self.dir).unwrap_or(path).display())
    }

    /// Computes the index of a segment again from its bundles, each verified against its tile; returns where they end.
    fn compute_index(&self, first: u64, next: u64) -> Result<u64, StoreError> {
        let path = self.bundle_path(first, "data");
        let data = fs::read(&path)
            .map_err(|error| StoreError::Io(format!("{} could not be read: {error}", self.name(&path))))?;
        let mut index = Vec::new();
        let mut offset = 0;
        for bundle in first..next {
            let tile = self.read_tile(TileId { level: 0, index: bundle })?;
            let damaged = || {
                StoreError::Damaged(format!(
                    "{} is damaged at byte {offset}: entry bundle {bundle} does not match its tile",
                    self.name(&path)
                ))
            };
            let length = bundle_length(&data[offset..]).ok_or_else(damaged)?;
            if !is_bundle_of(&data[offset..offset + length], &tile) {
                return Err(damaged());
            }
            index.extend_from_slice(&encode_slot(offset as u64, length));
            offset += length;
        }
        let path = self.bundle_path(first, "index");
        write_file(&path, &index)?;
        self.open.lock().clear();
        tracing::warn!(file = self.name(&path), "the index of a segment was damaged and has been recomputed");
        Ok(offset as u64)
    }

    fn slot(&self, bundle: u64) -> Result<(u64, u32), StoreError> {
        let mut slot = [0; SLOT_BYTES];
        self.read(&self.bundle_path(bundle, "index"), &mut slot, place(bundle, SLOT_BYTES))?;
        let (offset, length) = slot.split_at(8);
        let offset = u64::from_be_bytes(offset.try_into().expect("8 bytes"));
        let length = u32::from_be_bytes(length.try_into().expect("4 bytes"));
        if length > MAX_BUNDLE_BYTES {
            return Err(StoreError::Damaged(format!(
                "{} gives entry bundle {bundle} {length} bytes",
                self.name(&self.bundle_path(bundle, "index"))
            )));
        }
        Ok((offset, length))
    }

    fn tile_path(&self, tile: TileId) -> PathBuf {
        self.dir.join("tiles").join(tile.level.to_string()).join(format!("{:06}", tile.index / PER_SEGMENT))
    }

    fn bundle_path(&self, bundle: u64, kind: &str) -> PathBuf {
        self.dir.join("bundles").join(format!("{:06}.{kind}", bundle / PER_SEGMENT))
    }

    fn read(&self, path: &Path, into: &mut [u8], offset: u64) -> Result<(), StoreError> {
        let file = self.reader(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::Damaged(format!("{} is missing", self.name(path))),
            _ => os_error(error),
        })?;
        file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => StoreError::Damaged(format!("{} is truncated", self.name(path))),
            _ => os_error(error),
        })
    }

    fn reader(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(path) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(path)?);
        open.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

impl Sealed for Segments {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let mut touched = Touched::new(&self.named);
        for (tile, bytes) in tiles {
            let file = touched.file(&self.tile_path(*tile))?;
            file.write_all_at(bytes, place(tile.index, TILE_BYTES)).map_err(os_error)?;
        }
        let mut next = *self.next.lock();
        for (bundle, bytes) in bundles {
            if *bundle != next.bundle {
                let reason =
                    format!("entry bundle {bundle} was sealed in the place of bundle {}", next.bundle);
                return Err(StoreError::Damaged(reason));
            }
            if bundle.is_multiple_of(PER_SEGMENT) {
                next.offset = 0;
            }
            let slot = encode_slot(next.offset, bytes.len());
            touched
                .file(&self.bundle_path(*bundle, "data"))?
                .write_all_at(bytes, next.offset)
                .map_err(os_error)?;
            touched
                .file(&self.bundle_path(*bundle, "index"))?
                .write_all_at(&slot, place(*bundle, SLOT_BYTES))
                .map_err(os_error)?;
            next = Next { bundle: bundle + 1, offset: next.offset + bytes.len() as u64 };
        }
        touched.sync()?;
        *self.next.lock() = next;
        Ok(())
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        // Without its entries there is nothing to compare a tile with; the tile above is, by the scrub.
        if tile.level == 0 && !self.has_removed(tile.index) {
            return Ok(self.pair(tile.index)?.tile);
        }
        let bytes = self.read_tile(tile)?;
        if tile.level > 0 {
            self.check_upper_tile(tile, &bytes)?;
        }
        Ok(bytes)
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        self.check_kept(Part::Bundle(bundle))?;
        Ok(self.pair(bundle)?.bundle)
    }

    fn place(&self, part: Part) -> Option<FileRange> {
        Some(self.locate(part))
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        self.drop_cached(part);
        match part {
            Part::Tile(tile) => self.read_tile(tile),
            Part::Bundle(bundle) => self.read_bundle(bundle),
        }
    }

    fn find_bundle(&self, bundle: u64, tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.find(bundle, tile)?.map(|(_, bytes)| bytes))
    }

    fn repair(&self, part: Part, bytes: &Bytes) -> Result<(), StoreError> {
        self.replace(part, bytes)
    }

    fn pruned(&self) -> Option<Arc<Pruned>> {
        Self::pruned(self)
    }

    fn prune(&self, pruned: &Pruned) -> Result<(), StoreError> {
        self.give_up(pruned)
    }
}

/// The files one sealing writes to, so that each is synced once.
struct Touched<'a> {
    named: &'a Mutex<HashSet<PathBuf>>,
    files: HashMap<PathBuf, File>,
}

impl<'a> Touched<'a> {
    fn new(named: &'a Mutex<HashSet<PathBuf>>) -> Self {
        Self { named, files: HashMap::new() }
    }

    fn file(&mut self, path: &Path) -> Result<&File, StoreError> {
        if !self.files.contains_key(path) {
            let dir = path.parent().expect("segments lie in folders");
            fs::create_dir_all(dir).map_err(os_error)?;
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(os_error)?;
            self.files.insert(path.to_owned(), file);
        }
        Ok(&self.files[path])
    }

    /// A file survives only if its name does. A name is synced by the first sealing of a process that writes to the file, not
    /// only by the one that makes it: that one may have failed before.
    fn sync(self) -> Result<(), StoreError> {
        for (path, file) in &self.files {
            file.sync_data().map_err(|error| unsynced(path, &error))?;
            if !self.named.lock().contains(path) {
                sync_names(path)?;
                self.named.lock().insert(path.clone());
            }
        }
        Ok(())
    }
}

/// Makes the name of a file durable, and that of its folder.
fn sync_names(path: &Path) -> Result<(), StoreError> {
    for dir in path.ancestors().skip(1).take(2) {
        let opened = File::open(dir).map_err(os_error)?;
        opened.sync_all().map_err(|error| unsynced(dir, &error))?;
    }
    Ok(())
}

fn unsynced(path: &Path, error: &io::Error) -> StoreError {
    StoreError::Unsynced(format!("{}: {error}", name(path)))
}

/// Where the item of this index begins in its segment, when each has `bytes` bytes.
fn place(index: u64, bytes: usize) -> u64 {
    (index % PER_SEGMENT) * bytes as u64
}

fn encode_slot(offset: u64, length: usize) -> [u8; SLOT_BYTES] {
    let mut slot = [0; SLOT_BYTES];
    slot[..8].copy_from_slice(&offset.to_be_bytes());
    slot[8..].copy_from_slice(&u32::try_from(length).expect("a bundle has at most 16 MiB").to_be_bytes());
    slot
}

/// Bytes of the full bundle that `data` begins with.
fn bundle_length(data: &[u8]) -> Option<usize> {
    let mut at = 0;
    for _ in 0..256 {
        let (length, _) = data.get(at..)?.split_first_chunk::<2>()?;
        at += 2 + usize::from(u16::from_be_bytes(*length));
    }
    (at <= data.len()).then_some(at)
}

/// Whether 256 framed entries hash to the 256 hashes of a tile.
pub(crate) fn is_bundle_of(bundle: &[u8], tile: &[u8]) -> bool {
    let Some(starts) = framing::starts(bundle) else { return false };
    let ends = starts.iter().skip(1).map(|start| *start as usize).chain([bundle.len()]);
    let entries = starts.iter().zip(ends).map(|(start, end)| &bundle[*start as usize + 2..end]);
    let leaves = entries.map(leaf_hash);
    starts.len() == 256 && leaves.zip(tile.chunks(Hash::LEN)).all(|(leaf, hash)| leaf.as_bytes() == hash)
}
