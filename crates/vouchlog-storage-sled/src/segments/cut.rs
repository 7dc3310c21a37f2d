//! What a process wrote behind the sealed part and did not finish is cut off before anything is written there again.
//!
//! Writing the same bytes to the same place once more is not enough. After a failed write-back a file system takes the pages for
//! clean, and the room it gave them may stay marked as never written: ext4 then reads zeros there after a power cut, although a
//! later fdatasync of the rewritten pages succeeded. Space that is freed and allocated again is marked correctly.

use std::fs::{self, OpenOptions};
use std::path::Path;

use vouchlog_storage::StoreError;

use super::{PER_SEGMENT, SLOT_BYTES, Segments, TILE_BYTES, place, unsynced};
use crate::files::io_error;

impl Segments {
    /// Cuts every file to what is sealed: everything below `sealed`. What is behind lies in the living part as well.
    pub(crate) fn cut_to(&self, sealed: u64) -> Result<(), StoreError> {
        let next = *self.next.lock();
        self.cut("bundles", ".data", next.bundle, next.offset)?;
        self.cut("bundles", ".index", next.bundle, place(next.bundle, SLOT_BYTES))?;
        let levels = fs::read_dir(self.dir.join("tiles")).map_err(io_error("read", &self.dir))?;
        for level in levels {
            let name = level.map_err(io_error("read", &self.dir))?.file_name();
            let Some((level, name)) = name.to_str().and_then(|name| Some((name.parse::<u32>().ok()?, name)))
            else {
                continue;
            };
            let tiles = sealed.checked_shr(8 * (level + 1)).unwrap_or(0);
            self.cut(&format!("tiles/{name}"), "", tiles, place(tiles, TILE_BYTES))?;
        }
        self.open.lock().clear();
        Ok(())
    }

    /// Cuts the segment that object `next` belongs to at `length`, and empties those after it.
    fn cut(&self, folder: &str, suffix: &str, next: u64, length: u64) -> Result<(), StoreError> {
        let path = |segment: u64| self.dir.join(folder).join(format!("{segment:06}{suffix}"));
        let segment = next / PER_SEGMENT;
        cut_file(&path(segment), length)?;
        let later = (segment + 1..).map(path).take_while(|path| path.exists());
        later.into_iter().try_for_each(|path| cut_file(&path, 0))
    }
}

/// Cuts a file, durably, if it is longer. What is no file is left to the reads and writes that stumble over it.
fn cut_file(path: &Path, length: u64) -> Result<(), StoreError> {
    let Ok(found) = fs::metadata(path) else { return Ok(()) };
    if !found.is_file() || found.len() <= length {
        return Ok(());
    }
    let file = OpenOptions::new().write(true).open(path).map_err(io_error("opened", path))?;
    file.set_len(length).map_err(io_error("cut", path))?;
    file.sync_all().map_err(|error| unsynced(path, &error))
}
