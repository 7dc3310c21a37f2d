//! Reading the log: tiles and bundles from the right edge in memory or from the store.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, PrunedNotice, Result};
use vouchlog_merkle::{TILE_WIDTH, TileId, TreeSize, full_tiles};
use vouchlog_storage::{Store, StoreError, framing};

use crate::edge::{Framed, frame};
use crate::publish::Sequenced;
use crate::state::Shared;

/// Entries in a full bundle.
pub(crate) const WIDTH: u64 = TILE_WIDTH as u64;

/// The log as far as reading goes: what the sequencer and its followers share.
pub(crate) struct Reader<S>(pub(crate) Arc<Shared<S>>);

impl<S> Clone for Reader<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S: Store> LogReader for Reader<S> {
    async fn checkpoint(&self) -> Result<String> {
        let published = self.0.publisher.published();
        published.map(|published| published.checkpoint().to_owned()).ok_or_else(unpublished)
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        let mut published = self.0.publisher.watch_published();
        let larger =
            published.wait_for(|published| published.as_ref().is_some_and(|newest| newest.size() > size));
        match larger.await.as_deref() {
            Ok(Some(newest)) => Ok(newest.checkpoint().to_owned()),
            _ => Err(stopped()),
        }
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        tile_at(&self.0.publisher.newest(), tile, width, || self.0.store.tile(tile))
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        bundle_at(&self.0.publisher.newest(), bundle, width, || self.0.store.entry_bundle(bundle))
    }

    /// Shown once the published checkpoint covers the announcement: nothing is removed before.
    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        let announced = self.0.directory.read().announced;
        let published = self.0.publisher.published();
        let announced =
            announced.filter(|it| published.is_some_and(|newest| newest.size().contains(it.index)));
        Ok(announced.map(|it| PrunedNotice { minimum: it.minimum, announced: it.index }))
    }
}

/// A tile of a sequenced head: from its edge, or one that is full.
pub(crate) fn tile_at(
    sequenced: &Sequenced,
    tile: TileId,
    width: u16,
    full: impl FnOnce() -> std::result::Result<Option<Bytes>, StoreError>,
) -> Result<Bytes> {
    check_width(width)?;
    if tile.index >= full_tiles(tile.level, sequenced.size()) {
        let partial = sequenced.edge.tile(tile, width);
        return partial.ok_or_else(|| no_such(&tile.path(width), sequenced.size()));
    }
    let bytes = full().map_err(|error| unread(&error))?;
    let bytes =
        bytes.ok_or_else(|| unread(&StoreError::Damaged(format!("{} is missing", tile.path(256)))))?;
    Ok(bytes.slice(..usize::from(width) * 32))
}

/// An entry bundle of a sequenced head: from its edge, or one that is full.
pub(crate) fn bundle_at(
    sequenced: &Sequenced,
    bundle: u64,
    width: u16,
    full: impl FnOnce() -> std::result::Result<Option<Bytes>, StoreError>,
) -> Result<Bytes> {
    check_width(width)?;
    let level_0 = TileId { level: 0, index: bundle };
    if level_0.width_at(sequenced.size()) < width {
        return Err(no_such(&format!("entry bundle {bundle} of width {width}"), sequenced.size()));
    }
    let bytes = match sequenced.edge.bundle(bundle) {
        Some(partial) => partial,
        None => {
            let full = full().map_err(|error| unread(&error))?;
            full.ok_or_else(|| unread(&StoreError::Damaged(format!("entry bundle {bundle} is missing"))))?
        }
    };
    framing::take(&bytes, u64::from(width))
        .ok_or_else(|| unread(&StoreError::Damaged(format!("bundle {bundle}"))))
}

/// With a policy, a log shows nothing before its witnesses have cosigned enough.
fn unpublished() -> Error {
    Error::unavailable("no checkpoint of this log satisfies its witness policy yet: retry later")
}

pub(crate) fn stopped() -> Error {
    Error::unavailable("the log stopped")
}

fn check_width(width: u16) -> Result<()> {
    if width == 0 || usize::from(width) > TILE_WIDTH {
        return Err(Error::invalid(format!("a tile has a width from 1 to 256, not {width}")));
    }
    Ok(())
}

fn no_such(what: &str, size: TreeSize) -> Error {
    Error::not_found(format!("a log of size {size} has no {what}"))
}

/// A bundle of entries, from the right edge in memory or from the store.
pub(crate) fn framed_bundle(
    store: &impl Store,
    sequenced: &Sequenced,
    bundle: u64,
) -> Result<Framed, StoreError> {
    let bytes: Option<Bytes> = match sequenced.edge.bundle(bundle) {
        Some(partial) => Some(partial),
        None => store.entry_bundle(bundle)?,
    };
    let framed = bytes.and_then(|bytes| frame(&[bytes]));
    framed.ok_or_else(|| StoreError::Damaged(format!("entry bundle {bundle} cannot be read")))
}

/// Why something could not be read, for the caller. That it was given up is no failure.
pub(crate) fn unread(error: &StoreError) -> Error {
    if let StoreError::Pruned(minimum) = error {
        return Error::pruned(*minimum);
    }
    tracing::error!(%error, "the store could not be read");
    Error::internal("the log could not read its store")
}
