//! A reader that remembers what it read last, for proofs of many entries that lie side by side.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use quick_cache::sync::Cache;
use vouchlog_merkle::{TileId, TreeSize};

use crate::{LogReader, PrunedNotice, Result};

/// Tiles that are remembered: 8 MiB at most.
const MAX_TILES: usize = 1_024;

/// A reader that serves tiles, and the last entry bundle, from memory. What it serves is not verified: the caller does that.
/// Clones share their memory.
#[derive(Clone, Debug)]
pub struct CachingReader<R> {
    reader: R,
    memory: Arc<Memory>,
}

#[derive(Debug)]
struct Memory {
    tiles: Cache<(TileId, u16), Bytes>,
    bundle: Mutex<Option<((u64, u16), Bytes)>>,
}

impl<R: LogReader> CachingReader<R> {
    /// A reader with an empty memory over `reader`.
    pub fn new(reader: R) -> Self {
        let memory = Memory { tiles: Cache::new(MAX_TILES), bundle: Mutex::default() };
        Self { reader, memory: Arc::new(memory) }
    }
}

impl<R: LogReader> LogReader for CachingReader<R> {
    async fn checkpoint(&self) -> Result<String> {
        self.reader.checkpoint().await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.reader.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        let name = (tile, width);
        if let Some(known) = self.memory.tiles.get(&name) {
            return Ok(known);
        }
        let read = self.reader.tile(tile, width).await?;
        self.memory.tiles.insert(name, read.clone());
        Ok(read)
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let name = (bundle, width);
        if let Some((_, known)) = self.memory.bundle.lock().as_ref().filter(|(known, _)| *known == name) {
            return Ok(known.clone());
        }
        let read = self.reader.entry_bundle(bundle, width).await?;
        *self.memory.bundle.lock() = Some((name, read.clone()));
        Ok(read)
    }

    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        self.reader.pruned().await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Error;

    /// Counts what is read of it.
    #[derive(Clone, Default)]
    struct Counting(Arc<AtomicU64>);

    impl Counting {
        fn read(&self, byte: u8) -> Result<Bytes> {
            self.0.fetch_add(1, Ordering::Relaxed);
            if byte == u8::MAX { Err(Error::not_found("no such tile")) } else { Ok(Bytes::from(vec![byte])) }
        }
    }

    impl LogReader for Counting {
        async fn checkpoint(&self) -> Result<String> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Ok("checkpoint".to_owned())
        }

        async fn checkpoint_after(&self, _: TreeSize) -> Result<String> {
            self.checkpoint().await
        }

        async fn tile(&self, tile: TileId, _: u16) -> Result<Bytes> {
            self.read(u8::try_from(tile.index).unwrap_or(u8::MAX))
        }

        async fn entry_bundle(&self, bundle: u64, _: u16) -> Result<Bytes> {
            self.read(u8::try_from(bundle).unwrap_or(u8::MAX))
        }
    }

    #[tokio::test]
    async fn a_tile_is_read_once_and_checkpoints_always() {
        let counting = Counting::default();
        let reader = CachingReader::new(counting.clone());
        let reads = || counting.0.load(Ordering::Relaxed);
        let tile = |index| TileId { level: 0, index };
        for _ in 0..3 {
            assert_eq!(reader.tile(tile(7), 256).await.unwrap(), Bytes::from(vec![7]));
        }
        assert_eq!(reads(), 1);
        // A wider partial tile is another object.
        reader.clone().tile(tile(7), 255).await.unwrap();
        assert_eq!(reads(), 2);
        // An error is not remembered.
        for _ in 0..2 {
            assert!(reader.tile(tile(1_000), 256).await.is_err());
        }
        assert_eq!(reads(), 4);
        reader.checkpoint().await.unwrap();
        reader.checkpoint().await.unwrap();
        assert_eq!(reads(), 6);
    }

    #[tokio::test]
    async fn the_last_bundle_is_remembered_and_tiles_are_bounded() {
        let counting = Counting::default();
        let reader = CachingReader::new(counting.clone());
        let reads = || counting.0.load(Ordering::Relaxed);
        for bundle in [3, 3, 4, 4, 3] {
            reader.entry_bundle(bundle, 256).await.unwrap();
        }
        assert_eq!(reads(), 3);
        for width in 1..=256 {
            for index in 0..5 {
                reader.tile(TileId { level: 0, index }, width).await.unwrap();
            }
        }
        assert!(reader.memory.tiles.len() <= MAX_TILES);
        // Those that were read last are still known.
        let before = reads();
        reader.tile(TileId { level: 0, index: 4 }, 256).await.unwrap();
        assert_eq!(reads(), before);
    }
}
