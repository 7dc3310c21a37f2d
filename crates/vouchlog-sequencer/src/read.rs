//! Reading the log: tiles and bundles from the right edge in memory or from the store, and lookups through the index.

use std::sync::Arc;

use bytes::Bytes;
use vouchlog_api::{Error, ErrorKind, LogReader, Lookup, LookupKey, Result, Watch, proof};
use vouchlog_merkle::{LeafIndex, TILE_WIDTH, TileId, TreeSize, full_tiles};
use vouchlog_storage::{Index, Store, StoreError, framing, key_prefix};
use vouchlog_stream::Entry;

use crate::edge::Framed;
use crate::limits::{LOOKUP_PATIENCE, MAX_LOOKUP_CANDIDATES};
use crate::log::Log;
use crate::publish::Sequenced;
use crate::recover::frame;
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

impl<S: Store> LogReader for Log<S> {
    async fn checkpoint(&self) -> Result<String> {
        self.reader().checkpoint().await
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        self.reader().checkpoint_after(size).await
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        self.reader().tile(tile, width).await
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        self.reader().entry_bundle(bundle, width).await
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
        check_width(width)?;
        let sequenced = self.0.publisher.newest();
        let full = full_tiles(tile.level, sequenced.size());
        if tile.index >= full {
            let partial = sequenced.edge.tile(tile, width);
            return partial.ok_or_else(|| no_such(&tile.path(width), sequenced.size()));
        }
        let bytes = self.0.store.tile(tile).map_err(|error| damaged(&error))?;
        let bytes =
            bytes.ok_or_else(|| damaged(&StoreError::Damaged(format!("{} is missing", tile.path(256)))))?;
        Ok(bytes.slice(..usize::from(width) * 32))
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        check_width(width)?;
        let sequenced = self.0.publisher.newest();
        let level_0 = TileId { level: 0, index: bundle };
        if level_0.width_at(sequenced.size()) < width {
            return Err(no_such(&format!("entry bundle {bundle} of width {width}"), sequenced.size()));
        }
        let bytes = match sequenced.edge.bundle(bundle) {
            Some(partial) => partial,
            None => {
                let full = self.0.store.entry_bundle(bundle).map_err(|error| damaged(&error))?;
                full.ok_or_else(|| {
                    damaged(&StoreError::Damaged(format!("entry bundle {bundle} is missing")))
                })?
            }
        };
        framing::take(&bytes, u64::from(width))
            .ok_or_else(|| damaged(&StoreError::Damaged(format!("bundle {bundle}"))))
    }
}

impl<S: Store> Watch for Log<S> {
    async fn checkpoint_other_than(&self, seen: String) -> Result<String> {
        let mut published = self.inner.shared.publisher.watch_published();
        let other = published.wait_for(|p| p.as_ref().is_some_and(|newest| newest.checkpoint() != seen));
        match other.await.as_deref() {
            Ok(Some(newest)) => Ok(newest.checkpoint().to_owned()),
            _ => Err(stopped()),
        }
    }

    async fn sequenced_checkpoint(&self) -> Result<String> {
        Ok(self.sequenced().checkpoint().to_owned())
    }
}

impl<S: Store> Lookup for Log<S> {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        let Some(follower) = &self.inner.follower else {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                "this log's lookup index is switched off: look up by index",
            ));
        };
        let size = self.sequenced().size();
        let caught_up = tokio::time::timeout(LOOKUP_PATIENCE, follower.covered(size)).await;
        for index in candidates(follower.index(), key).map_err(|error| damaged(&error))? {
            if size.contains(index) && self.fits(index, size, key).await? {
                return Ok(index);
            }
        }
        match caught_up {
            Ok(()) => Err(Error::not_found("no entry of the log matches")),
            Err(_) => Err(Error::unavailable(
                "the lookup index is behind the log: retry later, or look up by index",
            )),
        }
    }
}

impl<S: Store> Log<S> {
    /// Whether the entry at `index` is what was looked for: the index may clash or lag, the entry decides.
    async fn fits(&self, index: LeafIndex, size: TreeSize, key: LookupKey) -> Result<bool> {
        if let LookupKey::LeafHash(hash) = key {
            return Ok(proof::leaf(self, index, size).await? == hash);
        }
        let entry = proof::entry(self, index, size).await?;
        let Ok(Entry::Statement(entry)) = Entry::decode(&entry) else { return Ok(false) };
        Ok(match key {
            LookupKey::Digest(digest) => entry.statement.digest == digest,
            LookupKey::Sequence(stream, sequence) => entry.stream == stream && entry.sequence == sequence,
            LookupKey::LeafHash(_) => false,
        })
    }
}

/// With a policy, a log shows nothing before its witnesses have cosigned enough.
fn unpublished() -> Error {
    Error::unavailable("no checkpoint of this log satisfies its witness policy yet: retry later")
}

fn stopped() -> Error {
    Error::unavailable("the log stopped")
}

fn candidates(index: &dyn Index, key: LookupKey) -> Result<Vec<LeafIndex>, StoreError> {
    match key {
        LookupKey::LeafHash(hash) => index.by_leaf_hash(key_prefix(hash.as_bytes()), MAX_LOOKUP_CANDIDATES),
        LookupKey::Digest(digest) => index.by_digest(key_prefix(digest.as_bytes()), MAX_LOOKUP_CANDIDATES),
        LookupKey::Sequence(stream, sequence) => {
            let run = index.run(stream.get(), sequence.get())?;
            Ok(run.map(|run| LeafIndex::new(run.first + (sequence.get() - run.start))).into_iter().collect())
        }
    }
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

pub(crate) fn damaged(error: &StoreError) -> Error {
    tracing::error!(%error, "the store could not be read");
    Error::internal("the log could not read its store")
}
