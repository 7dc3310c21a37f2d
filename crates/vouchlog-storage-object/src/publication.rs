//! The part of a log that changes, as its readers find it in a bucket: partial tiles first, then the checkpoint that needs them.

use bytes::Bytes;
use vouchlog_api::{LogReader, Watch, proof};
use vouchlog_merkle::{TilePath, TreeHead, TreeSize, full_tiles, partial_tiles};
use vouchlog_storage::StoreError;

use crate::bucket::{Bucket, Content};
use crate::head::{HeadKeeper, PublishedHead, Put};

/// What one publication came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Entries under the checkpoint that is in the bucket now.
    pub size: TreeSize,
    /// Partial tiles and bundles that belong to it.
    pub partial: usize,
    /// Partial tiles and bundles of earlier checkpoints that were deleted because the full ones are there.
    pub deleted: usize,
}

/// Publishes checkpoints of a log in a bucket.
#[derive(Debug)]
pub struct Publication {
    bucket: Bucket,
    head: HeadKeeper,
    /// Partial tiles that were written and not deleted. At most 255 for each tile at the right edge.
    written: Vec<TilePath>,
}

impl Publication {
    /// Publishes in `bucket`.
    pub fn new(bucket: Bucket) -> Self {
        let head = HeadKeeper::new(bucket.clone());
        Self { bucket, head, written: Vec::new() }
    }

    /// How many entries must be sealed before a checkpoint may be published: those in full bundles.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] for what is no checkpoint.
    pub fn needs_sealed(note: &str) -> Result<u64, StoreError> {
        Ok(size_of(note)?.get() & !255)
    }

    /// Writes the partial tiles that `note` needs, and then `note` itself in the place of the last checkpoint. The full tiles and bundles it
    /// needs are there already. A later checkpoint of `log` in the bucket, which a process published before it ended, stays.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the bucket has a checkpoint that is not in `log`; after any other error the same may be tried again.
    pub async fn publish(
        &mut self,
        log: &(impl LogReader + Watch),
        note: &str,
    ) -> Result<Report, StoreError> {
        let size = size_of(note)?;
        let paths = partial_paths(size);
        for path in &paths {
            let bytes = read(log, *path).await?;
            self.bucket.create(&path.to_string(), &bytes, Content::Tile).await?;
            if !self.written.contains(path) {
                self.written.push(*path);
            }
        }
        let size = match self.head.put(note).await? {
            Put::Done => size,
            Put::Ahead(head) => {
                self.check_ahead(log, head).await?;
                head.size
            }
        };
        self.bucket.metrics().published.set(size.get());
        let deleted = self.delete_covered(size).await;
        Ok(Report { size, partial: paths.len(), deleted })
    }

    /// With a witness policy, a log that starts may show an older checkpoint than it published before.
    async fn check_ahead(&self, log: &(impl LogReader + Watch), head: TreeHead) -> Result<(), StoreError> {
        let unread = |error: vouchlog_api::Error| StoreError::Io(error.to_string());
        let sequenced = size_of(&log.sequenced_checkpoint().await.map_err(unread)?)?;
        let own = if head.size > sequenced {
            None
        } else {
            Some(proof::head(log, head.size).await.map_err(unread)?)
        };
        self.head.check_ahead(head, own, sequenced)
    }

    /// Counts an attempt that failed.
    pub(crate) fn failed(&self) {
        self.bucket.metrics().unpublished.inc();
    }

    /// Deletes partial tiles whose full tile is there. SPEC: readers then take the full one (tlog-tiles).
    async fn delete_covered(&mut self, size: TreeSize) -> usize {
        let is_covered = |path: &TilePath| match path {
            TilePath::Hashes { tile, .. } => tile.index < full_tiles(tile.level, size),
            TilePath::Entries { index, .. } => *index < full_tiles(0, size),
        };
        let written = std::mem::take(&mut self.written);
        let (covered, open): (Vec<_>, Vec<_>) = written.into_iter().partition(is_covered);
        self.written = open;
        let mut deleted = 0;
        for path in covered {
            match self.bucket.delete(&path.to_string()).await {
                Ok(()) => deleted += 1,
                // It stays, and is as good as before.
                Err(error) => tracing::debug!(%error, "a partial tile could not be deleted"),
            }
        }
        deleted
    }
}

fn size_of(note: &str) -> Result<TreeSize, StoreError> {
    let stated = PublishedHead::parse(note.as_bytes());
    Ok(stated
        .map_err(|reason| StoreError::Damaged(format!("the checkpoint to publish: {reason}")))?
        .head
        .size)
}

/// The partial tiles at a size, and the partial bundle.
fn partial_paths(size: TreeSize) -> Vec<TilePath> {
    let mut paths = Vec::new();
    for (tile, width) in partial_tiles(size) {
        if tile.level == 0 {
            paths.push(TilePath::Entries { index: tile.index, width });
        }
        paths.push(TilePath::Hashes { tile, width });
    }
    paths
}

async fn read(log: &impl LogReader, path: TilePath) -> Result<Bytes, StoreError> {
    let read = match path {
        TilePath::Hashes { tile, width } => log.tile(tile, width).await,
        TilePath::Entries { index, width } => log.entry_bundle(index, width).await,
    };
    read.map_err(|error| StoreError::Io(format!("{path}: {error}")))
}
