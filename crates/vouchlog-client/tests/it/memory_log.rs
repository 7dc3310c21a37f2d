//! A small log in memory, written from the definitions, that serves what it is told to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, TILE_WIDTH, TileId, TilePath, TreeHead, TreeSize, leaf_hash,
    partial_tiles, tiles_of_growth,
};
use vouchlog_note::{Checkpoint, SignedCheckpoint};

use crate::world::{log_key, origin};

/// The log. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct MemoryLog(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    entries: Vec<Vec<u8>>,
    /// The checkpoint that is served instead of the true one.
    note: Option<String>,
    /// Tiles and bundles that are served instead of the true ones, by the path of the full one.
    forged: HashMap<String, Bytes>,
}

impl MemoryLog {
    pub(crate) fn of(entries: impl IntoIterator<Item = String>) -> Self {
        let log = Self::default();
        log.add(entries);
        log
    }

    pub(crate) fn add(&self, entries: impl IntoIterator<Item = String>) {
        self.0.lock().unwrap().entries.extend(entries.into_iter().map(String::into_bytes));
    }

    pub(crate) fn head(&self) -> TreeHead {
        let mut tree = CompactRange::new();
        for entry in &self.0.lock().unwrap().entries {
            tree.append(leaf_hash(entry));
        }
        TreeHead { size: tree.size(), root: tree.root().unwrap() }
    }

    pub(crate) fn signed(&self) -> String {
        let checkpoint = Checkpoint::new(origin(), self.head());
        SignedCheckpoint::sign(&checkpoint, &log_key()).unwrap().note().to_owned()
    }

    pub(crate) fn serve_note(&self, note: Option<String>) {
        self.0.lock().unwrap().note = note;
    }

    /// Changes one byte of what is served at the path of a full tile or bundle, whatever its width.
    pub(crate) fn tamper(&self, path: TilePath, offset: usize) {
        let mut bytes = self.true_bytes(path).to_vec();
        bytes[offset] ^= 1;
        self.0.lock().unwrap().forged.insert(path.to_string(), bytes.into());
    }

    pub(crate) fn mend(&self) {
        self.0.lock().unwrap().forged.clear();
    }

    /// All there is of a tile or bundle, up to the width of the path.
    fn true_bytes(&self, path: TilePath) -> Bytes {
        let inner = self.0.lock().unwrap();
        match path {
            TilePath::Entries { index, width } => {
                let first = usize::try_from(index).unwrap() * TILE_WIDTH;
                let mut bundle = Vec::new();
                for entry in inner.entries[first..].iter().take(usize::from(width)) {
                    EntryBundle::push_entry(&mut bundle, entry).unwrap();
                }
                bundle.into()
            }
            TilePath::Hashes { tile, width } => {
                let leaves = TILE_WIDTH.pow(u32::from(tile.level));
                let first = usize::try_from(tile.index).unwrap() * TILE_WIDTH * leaves;
                let nodes = inner.entries[first..].chunks_exact(leaves).take(usize::from(width));
                nodes.flat_map(|node| *perfect(node).as_bytes()).collect()
            }
        }
    }

    /// Writes the log as files, as a static server would have them.
    pub(crate) fn write_to(&self, dir: &Path) {
        let size = self.head().size;
        let full = tiles_of_growth(TreeSize::new(0), size).map(|tile| (tile, 256));
        for (tile, width) in full.chain(partial_tiles(size)) {
            let mut paths = vec![TilePath::Hashes { tile, width }];
            if tile.level == 0 {
                paths.push(TilePath::Entries { index: tile.index, width });
            }
            for path in paths {
                let file = dir.join(path.to_string());
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, self.true_bytes(path)).unwrap();
            }
        }
        std::fs::write(dir.join("checkpoint"), self.signed()).unwrap();
    }

    fn get(&self, path: TilePath, full: TilePath) -> Bytes {
        let forged = self.0.lock().unwrap().forged.get(&full.to_string()).cloned();
        forged.unwrap_or_else(|| self.true_bytes(path))
    }
}

/// The root of a power of two of entries.
fn perfect(entries: &[Vec<u8>]) -> Hash {
    let mut tree = CompactRange::new();
    for entry in entries {
        tree.append(leaf_hash(entry));
    }
    tree.root().unwrap()
}

impl LogReader for MemoryLog {
    async fn checkpoint(&self) -> Result<String> {
        let forged = self.0.lock().unwrap().note.clone();
        Ok(forged.unwrap_or_else(|| self.signed()))
    }

    async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
        self.checkpoint().await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        if tile.width_at(self.head().size) < width {
            return Err(Error::not_found("no such tile"));
        }
        let bytes = self.get(TilePath::Hashes { tile, width }, TilePath::Hashes { tile, width: 256 });
        Ok(bytes.slice(..usize::from(width) * 32))
    }

    async fn entry_bundle(&self, index: u64, width: u16) -> Result<Bytes> {
        Ok(self.get(TilePath::Entries { index, width }, TilePath::Entries { index, width: 256 }))
    }
}
