//! Sealed tiles and bundles: append-only files of things that never change again.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_merkle::TileId;
use vouchlog_storage::StoreError;

use crate::store::io_error;

/// Tiles or bundles in one segment: 32 MiB of tiles, a little over a million entries. Large enough that a log of 10^9
/// entries has a thousand segments, small enough to copy to object storage one by one.
const PER_SEGMENT: u64 = 4096;
/// A full tile: 256 hashes.
const TILE_BYTES: usize = 8192;
/// A bundle's place in the index file: offset and length.
const SLOT_BYTES: usize = 12;
/// Open files kept for reading; beyond it the cache starts anew.
const MAX_OPEN_FILES: usize = 256;
/// 256 entries of 65,535 bytes, each behind its length.
const MAX_BUNDLE_BYTES: u32 = 256 * 65_537;

/// The sealed part of a store.
#[derive(Debug)]
pub(crate) struct Segments {
    dir: PathBuf,
    open: Mutex<HashMap<PathBuf, Arc<File>>>,
}

impl Segments {
    pub(crate) fn open(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir.join("bundles"))?;
        fs::create_dir_all(dir.join("tiles"))?;
        sync_dir(dir)?;
        dir.parent().map_or(Ok(()), sync_dir)?;
        Ok(Self { dir: dir.to_owned(), open: Mutex::default() })
    }

    /// Whether a bundle was ever written here, sealed or not.
    pub(crate) fn has_bundle(&self, bundle: u64) -> bool {
        let length = |bundle| fs::metadata(self.bundle_path(bundle, "index")).map_or(0, |file| file.len());
        length(bundle) > place(bundle, SLOT_BYTES) || length(bundle + PER_SEGMENT) > 0
    }

    /// A full tile that is sealed.
    pub(crate) fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        let mut bytes = vec![0; TILE_BYTES];
        self.read(&self.tile_path(tile), &mut bytes, place(tile.index, TILE_BYTES))?;
        Ok(bytes.into())
    }

    /// A full bundle that is sealed.
    pub(crate) fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        let (offset, length) = self.slot(bundle)?;
        let mut bytes = vec![0; length as usize];
        self.read(&self.bundle_path(bundle, "data"), &mut bytes, offset)?;
        Ok(bytes.into())
    }

    /// Writes tiles and bundles and makes them durable. Writing the same again is harmless; bundles come in order, the
    /// first directly after the last sealed one.
    pub(crate) fn write(
        &self,
        tiles: &[(TileId, Bytes)],
        bundles: &[(u64, Bytes)],
    ) -> Result<(), StoreError> {
        let mut touched = Touched::default();
        for (tile, bytes) in tiles {
            let file = touched.file(&self.tile_path(*tile))?;
            file.write_all_at(bytes, place(tile.index, TILE_BYTES)).map_err(io_error)?;
        }
        let mut end = None;
        for (bundle, bytes) in bundles {
            let offset = match end {
                _ if bundle.is_multiple_of(PER_SEGMENT) => 0,
                Some(end) => end,
                None => self.slot(bundle - 1).map(|(offset, length)| offset + u64::from(length))?,
            };
            let length = u32::try_from(bytes.len()).expect("a bundle has at most 16 MiB");
            let mut slot = [0; SLOT_BYTES];
            slot[..8].copy_from_slice(&offset.to_be_bytes());
            slot[8..].copy_from_slice(&length.to_be_bytes());
            touched
                .file(&self.bundle_path(*bundle, "data"))?
                .write_all_at(bytes, offset)
                .map_err(io_error)?;
            touched
                .file(&self.bundle_path(*bundle, "index"))?
                .write_all_at(&slot, place(*bundle, SLOT_BYTES))
                .map_err(io_error)?;
            end = Some(offset + u64::from(length));
        }
        touched.sync()
    }

    fn slot(&self, bundle: u64) -> Result<(u64, u32), StoreError> {
        let mut slot = [0; SLOT_BYTES];
        self.read(&self.bundle_path(bundle, "index"), &mut slot, place(bundle, SLOT_BYTES))?;
        let (offset, length) = slot.split_at(8);
        let offset = u64::from_be_bytes(offset.try_into().expect("8 bytes"));
        let length = u32::from_be_bytes(length.try_into().expect("4 bytes"));
        if length > MAX_BUNDLE_BYTES {
            return Err(StoreError::Damaged(format!("the index gives entry bundle {bundle} {length} bytes")));
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
            io::ErrorKind::NotFound => StoreError::Damaged(format!("segment {} is missing", name(path))),
            _ => io_error(error),
        })?;
        file.read_exact_at(into, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                StoreError::Damaged(format!("segment {} is cut short", name(path)))
            }
            _ => io_error(error),
        })
    }

    fn reader(&self, path: &Path) -> io::Result<Arc<File>> {
        let mut open = self.open.lock();
        if let Some(file) = open.get(path) {
            return Ok(file.clone());
        }
        let file = Arc::new(File::open(path)?);
        if open.len() >= MAX_OPEN_FILES {
            open.clear();
        }
        open.insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

/// The files one sealing writes to, so that each is synced once.
#[derive(Default)]
struct Touched {
    files: HashMap<PathBuf, File>,
    created: Vec<PathBuf>,
}

impl Touched {
    fn file(&mut self, path: &Path) -> Result<&File, StoreError> {
        if !self.files.contains_key(path) {
            let dir = path.parent().expect("segments lie in folders");
            if !path.exists() {
                if !dir.exists() {
                    fs::create_dir_all(dir).map_err(io_error)?;
                    self.created.push(dir.parent().expect("below the data directory").to_owned());
                }
                self.created.push(dir.to_owned());
            }
            let file =
                OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(io_error)?;
            self.files.insert(path.to_owned(), file);
        }
        Ok(&self.files[path])
    }

    /// A new file survives only if its directory entry does.
    fn sync(self) -> Result<(), StoreError> {
        for file in self.files.values() {
            file.sync_data().map_err(io_error)?;
        }
        for dir in self.created {
            sync_dir(&dir).map_err(io_error)?;
        }
        Ok(())
    }
}

/// Where the item of this index begins in its segment, when each has `bytes` bytes.
fn place(index: u64, bytes: usize) -> u64 {
    (index % PER_SEGMENT) * bytes as u64
}

/// Makes a directory's entries durable.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The last two parts of a path: enough for an operator, without the layout of the machine.
fn name(path: &Path) -> String {
    let mut parts: Vec<_> = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect();
    parts.reverse();
    parts.join("/")
}
