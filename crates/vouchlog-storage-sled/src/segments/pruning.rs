//! Entries that were given up: which they are, and how their bytes leave the disk.
//!
//! ```text
//! PRUNED                       what was given up, as `vouchlog_storage::Pruned` writes it
//! bundles/<S>.kept             of a segment without .data: the bundles that stay, each behind its number (8) and length (4)
//! ```
//!
//! PRUNED is durable before any byte is removed, and it alone decides what is served. A segment's `.data` is deleted once all its
//! bundles lie below the minimum index and the next segment has begun; before that the bundles that stay are made durable in `.kept`.
//! A process that ends in between leaves both, and the next one deletes `.data`. The `.index` stays: it has the lengths of what
//! was there, in 12 bytes for 256 entries.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use vouchlog_merkle::{TILE_WIDTH, TileId};
use vouchlog_storage::{Pruned, StoreError};

use super::{PER_SEGMENT, Segments, is_bundle_of};
use crate::files::{io_error, os_error, remove_file, sync_dir, write_file};

const FILE: &str = "PRUNED";
const WIDTH: u64 = TILE_WIDTH as u64;
/// Number and length before each bundle of a `.kept` file.
const HEADER: usize = 12;

/// Reads what was given up; none if there is no such file.
pub(super) fn read_pruned(dir: &Path) -> Result<Option<Arc<Pruned>>, StoreError> {
    let text = match fs::read_to_string(dir.join(FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => String::new(),
        other => other.map_err(os_error)?,
    };
    let damaged = || {
        StoreError::Damaged(
            "sealed/PRUNED, which names the entries that were given up, cannot be read".into(),
        )
    };
    Pruned::parse(&text).map(Arc::new).map(Some).ok_or_else(damaged)
}

impl Segments {
    /// What the segments in `dir` have given up.
    pub(crate) fn read_pruned(dir: &Path) -> Result<Option<Arc<Pruned>>, StoreError> {
        read_pruned(dir)
    }

    /// What was given up.
    pub(crate) fn pruned(&self) -> Option<Arc<Pruned>> {
        self.pruned.read().clone()
    }

    /// Whether a bundle was given up.
    pub(crate) fn has_removed(&self, bundle: u64) -> bool {
        self.pruned.read().as_ref().is_some_and(|pruned| pruned.has_removed(bundle))
    }

    /// Gives up entries. Once this has begun, every later start goes on with it.
    pub(super) fn give_up(&self, pruned: &Pruned) -> Result<(), StoreError> {
        let sealed = self.next.lock().bundle * WIDTH;
        pruned.check(sealed, self.pruned().as_deref())?;
        self.write_pruned(pruned)?;
        self.remove_given_up()
    }

    /// Makes it durable what is given up, and known to every reader.
    pub(crate) fn write_pruned(&self, pruned: &Pruned) -> Result<(), StoreError> {
        write_file(&self.dir.join(FILE), pruned.to_text().as_bytes())?;
        *self.pruned.write() = Some(Arc::new(pruned.clone()));
        self.pairs.clear();
        Ok(())
    }

    /// Removes the bytes of what was given up, as far as whole segments are. It may be repeated.
    pub(super) fn remove_given_up(&self) -> Result<(), StoreError> {
        let Some(pruned) = self.pruned() else { return Ok(()) };
        let complete = (self.next.lock().bundle / PER_SEGMENT).min(pruned.minimum() / WIDTH / PER_SEGMENT);
        for segment in 0..complete {
            self.compact(segment, &pruned)?;
        }
        Ok(())
    }

    /// Leaves of a segment only the bundles that stay.
    fn compact(&self, segment: u64, pruned: &Pruned) -> Result<(), StoreError> {
        let first = segment * PER_SEGMENT;
        let bundles = first..first + PER_SEGMENT;
        let from = pruned.kept().partition_point(|bundle| *bundle < first);
        let kept: Vec<u64> =
            pruned.kept()[from..].iter().copied().take_while(|bundle| bundles.contains(bundle)).collect();
        let data = self.bundle_path(first, "data");
        if !data.exists() && self.kept_bundles(first)? == kept {
            return Ok(());
        }
        let mut bytes = Vec::new();
        for bundle in kept {
            let entries = self.read_bundle(bundle)?;
            if !is_bundle_of(&entries, &self.read_tile(TileId { level: 0, index: bundle })?) {
                let place = self.locate(vouchlog_storage::Part::Bundle(bundle));
                let message = format!(
                    "{place}: entry bundle {bundle} does not match its tile, and nothing beside it was removed"
                );
                return Err(StoreError::Damaged(message));
            }
            bytes.extend_from_slice(&bundle.to_be_bytes());
            let length = u32::try_from(entries.len()).expect("a bundle has at most 16 MiB");
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&entries);
        }
        write_file(&self.bundle_path(first, "kept"), &bytes)?;
        self.open.lock().clear();
        remove_file(&data)?;
        sync_dir(&self.dir.join("bundles"))?;
        self.open.lock().clear();
        Ok(())
    }

    /// Whether the segment of a bundle has only the bundles that stay.
    pub(crate) fn is_compact(&self, bundle: u64) -> bool {
        self.kept_path(bundle).is_some() && !self.bundle_path(bundle, "data").exists()
    }

    /// The file of the bundles that stay in the segment of this one, if there is one.
    fn kept_path(&self, bundle: u64) -> Option<PathBuf> {
        let path = self.bundle_path(bundle, "kept");
        path.exists().then_some(path)
    }

    /// The bundles in the `.kept` file of a segment.
    fn kept_bundles(&self, bundle: u64) -> Result<Vec<u64>, StoreError> {
        let mut kept = Vec::new();
        self.walk_kept(bundle, |found, _, _| {
            kept.push(found);
            false
        })?;
        Ok(kept)
    }

    /// A bundle that stays, from a segment without `.data`; none if its segment is whole.
    pub(super) fn read_kept(&self, bundle: u64) -> Result<Option<Bytes>, StoreError> {
        if self.pruned.read().as_ref().is_none_or(|pruned| bundle >= pruned.minimum() / WIDTH) {
            return Ok(None);
        }
        let mut place = None;
        self.walk_kept(bundle, |found, offset, length| {
            if found == bundle {
                place = Some((offset, length));
            }
            found == bundle
        })?;
        let Some((offset, length)) = place else { return Ok(None) };
        let mut bytes = vec![0; length as usize];
        self.read(&self.bundle_path(bundle, "kept"), &mut bytes, offset)?;
        Ok(Some(bytes.into()))
    }

    /// Hands over number, offset and length of each bundle in a `.kept` file, until the caller has what it looks for.
    fn walk_kept(&self, bundle: u64, mut take: impl FnMut(u64, u64, u32) -> bool) -> Result<(), StoreError> {
        let Some(path) = self.kept_path(bundle) else { return Ok(()) };
        let size = fs::metadata(&path).map_err(io_error("read", &path))?.len();
        let mut at = 0;
        while at < size {
            let mut header = [0; HEADER];
            self.read(&path, &mut header, at)?;
            let (number, length) = header.split_at(8);
            let number = u64::from_be_bytes(number.try_into().expect("8 bytes"));
            let length = u32::from_be_bytes(length.try_into().expect("4 bytes"));
            let offset = at + HEADER as u64;
            if offset + u64::from(length) > size {
                return Err(StoreError::Damaged(format!("{} is truncated", self.name(&path))));
            }
            if take(number, offset, length) {
                return Ok(());
            }
            at = offset + u64::from(length);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
