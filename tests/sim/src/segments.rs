//! The sealed part on the simulated disk, in the layout of the real segments with fewer bundles in each.

use std::collections::BTreeSet;
use std::io;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog_ledger::Disk;
use vouchlog_merkle::{Hash, TileId, leaf_hash};
use vouchlog_storage::{FileRange, Part, Sealed, StoreError, framing};

use crate::disk::SimDisk;
use crate::plant::Plant;

/// Tiles or bundles in one file.
const PER_SEGMENT: u64 = 2;
const TILE_BYTES: u64 = 8192;
const SLOT_BYTES: u64 = 12;

/// The sealed part.
#[derive(Debug)]
pub(crate) struct SimSegments {
    disk: SimDisk,
    plant: Option<Plant>,
    /// The next bundle, and where it begins in its segment.
    next: Mutex<(u64, u64)>,
}

impl SimSegments {
    /// Opens the segments, of which everything below `sealed` is sealed.
    pub(crate) fn open(disk: SimDisk, sealed: u64, plant: Option<Plant>) -> Result<Self, StoreError> {
        let segments = Self { disk, plant, next: Mutex::new((sealed / 256, 0)) };
        let end = segments.end_of_last(sealed / 256)?;
        segments.next.lock().1 = end;
        Ok(segments)
    }

    /// Where bundle `next` begins in its segment. The bundles before it are verified against their tiles, not trusted.
    fn end_of_last(&self, next: u64) -> Result<u64, StoreError> {
        let mut end = 0;
        for bundle in next - next % PER_SEGMENT..next {
            let (offset, length) = self.slot(bundle)?;
            self.bundle(bundle)?;
            if offset != end {
                return Err(not_covered(bundle, offset));
            }
            end += length;
        }
        Ok(end)
    }

    /// Whether a bundle was ever written here.
    pub(crate) fn has_bundle(&self, bundle: u64) -> bool {
        let length = self.disk.open(&index_name(bundle)).and_then(|file| file.length()).unwrap_or(0);
        length > place(bundle, SLOT_BYTES)
    }

    fn slot(&self, bundle: u64) -> Result<(u64, u64), StoreError> {
        let bytes = self.read(&index_name(bundle), place(bundle, SLOT_BYTES), SLOT_BYTES)?;
        let (offset, length) = bytes.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let (offset, length) = (number(offset), number(length));
        if length > 256 * 65_537 {
            let name = index_name(bundle);
            return Err(StoreError::Damaged(format!(
                "sealed/{name} gives entry bundle {bundle} {length} bytes"
            )));
        }
        Ok((offset, length))
    }

    fn read(&self, name: &str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; usize::try_from(length).expect("bundles are short")];
        let read = self.disk.open(name).and_then(|file| file.read_exact_at(&mut bytes, offset));
        match read {
            Ok(()) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(StoreError::Damaged(format!("segment sealed/{name} is missing")))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(StoreError::Damaged(format!("segment sealed/{name} is cut short")))
            }
            Err(error) => Err(StoreError::Io(format!("segment sealed/{name} could not be read: {error}"))),
        }
    }

    /// Writes at a place of a file, which is made if need be.
    fn write(
        &self,
        touched: &mut BTreeSet<String>,
        name: String,
        bytes: &[u8],
        at: u64,
    ) -> Result<(), StoreError> {
        let exists = self.disk.exists(&name).map_err(|error| io_error(&name, &error))?;
        let file = if exists { self.disk.open_for_writing(&name) } else { self.disk.create(&name) };
        let written = file.and_then(|file| file.write_all_at(bytes, at));
        written.map_err(|error| io_error(&name, &error))?;
        touched.insert(name);
        Ok(())
    }

    fn sync(&self, touched: &BTreeSet<String>) -> Result<(), StoreError> {
        if self.plant == Some(Plant::SealWithoutSync) {
            return Ok(());
        }
        let sync = |name: &String| self.disk.open_for_writing(name).and_then(|file| file.sync_data());
        let synced = touched.iter().try_for_each(sync).and_then(|()| self.disk.sync());
        synced.map_err(|error| StoreError::Unsynced(format!("a segment in sealed: {error}")))
    }
}

impl Sealed for SimSegments {
    fn put(&self, tiles: &[(TileId, Bytes)], bundles: &[(u64, Bytes)]) -> Result<(), StoreError> {
        let mut touched = BTreeSet::new();
        for (tile, bytes) in tiles {
            self.write(&mut touched, tile_name(*tile), bytes, place(tile.index, TILE_BYTES))?;
        }
        let (mut next, mut offset) = *self.next.lock();
        for (bundle, bytes) in bundles {
            if *bundle != next {
                let reason = format!("entry bundle {bundle} was sealed in the place of bundle {next}");
                return Err(StoreError::Damaged(reason));
            }
            if bundle.is_multiple_of(PER_SEGMENT) {
                offset = 0;
            }
            let length = u32::try_from(bytes.len()).expect("bundles are short");
            let slot = [&offset.to_be_bytes()[..], &length.to_be_bytes()].concat();
            self.write(&mut touched, data_name(*bundle), bytes, offset)?;
            self.write(&mut touched, index_name(*bundle), &slot, place(*bundle, SLOT_BYTES))?;
            (next, offset) = (bundle + 1, offset + u64::from(length));
        }
        self.sync(&touched)?;
        *self.next.lock() = (next, offset);
        Ok(())
    }

    fn tile(&self, tile: TileId) -> Result<Bytes, StoreError> {
        Ok(self.read(&tile_name(tile), place(tile.index, TILE_BYTES), TILE_BYTES)?.into())
    }

    fn bundle(&self, bundle: u64) -> Result<Bytes, StoreError> {
        let (offset, length) = self.slot(bundle)?;
        let bytes = self.read(&data_name(bundle), offset, length)?;
        let tile = self.tile(TileId { level: 0, index: bundle })?;
        if !is_bundle_of(&bytes, &tile) {
            return Err(not_covered(bundle, offset));
        }
        Ok(bytes.into())
    }

    fn place(&self, _part: Part) -> Option<FileRange> {
        None
    }

    fn reread(&self, part: Part) -> Result<Bytes, StoreError> {
        match part {
            Part::Tile(tile) => self.tile(tile),
            Part::Bundle(bundle) => self.bundle(bundle),
        }
    }

    fn find_bundle(&self, _bundle: u64, _tile: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }

    fn repair(&self, part: Part, _bytes: &Bytes) -> Result<(), StoreError> {
        Err(StoreError::Io(format!("the simulation does not replace {part}")))
    }
}

fn io_error(name: &str, error: &io::Error) -> StoreError {
    StoreError::Io(format!("sealed/{name} could not be written: {error}"))
}

fn not_covered(bundle: u64, offset: u64) -> StoreError {
    let name = data_name(bundle);
    StoreError::Damaged(format!(
        "segment sealed/{name} is damaged at byte {offset}: entry bundle {bundle} does not match its tile"
    ))
}

fn place(index: u64, bytes: u64) -> u64 {
    (index % PER_SEGMENT) * bytes
}

fn tile_name(tile: TileId) -> String {
    format!("tiles-{}-{:06}", tile.level, tile.index / PER_SEGMENT)
}

fn data_name(bundle: u64) -> String {
    format!("{:06}.data", bundle / PER_SEGMENT)
}

fn index_name(bundle: u64) -> String {
    format!("{:06}.index", bundle / PER_SEGMENT)
}

/// Whether 256 framed entries hash to the 256 hashes of a tile.
fn is_bundle_of(bundle: &[u8], tile: &[u8]) -> bool {
    let Some(starts) = framing::starts(bundle) else { return false };
    let ends = starts.iter().skip(1).map(|start| *start as usize).chain([bundle.len()]);
    let entries = starts.iter().zip(ends).map(|(start, end)| &bundle[*start as usize + 2..end]);
    let leaves = entries.map(leaf_hash);
    starts.len() == 256 && leaves.zip(tile.chunks(Hash::LEN)).all(|(leaf, hash)| leaf.as_bytes() == hash)
}
