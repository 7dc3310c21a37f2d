//! A reader that remembers what it read last, for proofs of many entries that lie side by side.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use vouchlog::{LogReader, TreeSize};
use vouchlog_api::Result;
use vouchlog_merkle::TileId;

/// Tiles that are remembered: 8 MiB at most. When there are more, all are forgotten.
const MAX_TILES: usize = 1_024;

/// A reader that answers tiles, and the newest bundle, from memory. Nothing it answers is truer for that: what is read is
/// verified by whoever asks. Clones share their memory.
#[derive(Clone, Debug)]
pub(super) struct Remembering<R> {
    reader: R,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Debug, Default)]
struct Memory {
    tiles: HashMap<(TileId, u16), Bytes>,
    bundle: Option<((u64, u16), Bytes)>,
}

impl<R: LogReader> Remembering<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, memory: Arc::default() }
    }
}

impl<R: LogReader> LogReader for Remembering<R> {
    async fn checkpoint(&self) -> Result<String> {
        self.reader.checkpoint().await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.reader.checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        if let Some(known) = self.memory.lock().tiles.get(&(tile, width)) {
            return Ok(known.clone());
        }
        let read = self.reader.tile(tile, width).await?;
        let mut memory = self.memory.lock();
        if memory.tiles.len() >= MAX_TILES {
            memory.tiles.clear();
        }
        memory.tiles.insert((tile, width), read.clone());
        Ok(read)
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let name = (bundle, width);
        if let Some((_, known)) = self.memory.lock().bundle.as_ref().filter(|(known, _)| *known == name) {
            return Ok(known.clone());
        }
        let read = self.reader.entry_bundle(bundle, width).await?;
        self.memory.lock().bundle = Some((name, read.clone()));
        Ok(read)
    }
}
