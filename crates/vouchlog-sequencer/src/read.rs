//! Reading the log: tiles and bundles from the right edge in memory or from the store, and lookups through the index.

use bytes::Bytes;
use vouchlog_api::{Error, ErrorKind, LogReader, Lookup, LookupKey, Result, proof};
use vouchlog_merkle::{LeafIndex, TILE_WIDTH, TileId, TreeSize, full_tiles};
use vouchlog_storage::{Index, Store, StoreError, framing, key_prefix};
use vouchlog_stream::Entry;

use crate::limits::{LOOKUP_PATIENCE, MAX_LOOKUP_CANDIDATES};
use crate::log::Log;

impl<S: Store> LogReader for Log<S> {
    async fn checkpoint(&self) -> Result<String> {
        Ok(self.published().checkpoint().to_owned())
    }

    async fn checkpoint_after(&self, size: TreeSize) -> Result<String> {
        let mut heads = self.inner.shared.publisher.subscribe();
        let newer = heads.wait_for(|published| published.size() > size).await;
        newer
            .map(|published| published.checkpoint().to_owned())
            .map_err(|_| Error::unavailable("the log stopped"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        check_width(width)?;
        let published = self.published();
        let full = full_tiles(tile.level, published.size());
        if tile.index >= full {
            let partial = published.edge.tile(tile, width);
            return partial.ok_or_else(|| no_such(&tile.path(width), published.size()));
        }
        let bytes = self.inner.shared.store.tile(tile).map_err(|error| damaged(&error))?;
        let bytes =
            bytes.ok_or_else(|| damaged(&StoreError::Damaged(format!("{} is missing", tile.path(256)))))?;
        Ok(bytes.slice(..usize::from(width) * 32))
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        check_width(width)?;
        let published = self.published();
        let level_0 = TileId { level: 0, index: bundle };
        if level_0.width_at(published.size()) < width {
            return Err(no_such(&format!("entry bundle {bundle} of width {width}"), published.size()));
        }
        let bytes = match published.edge.bundle(bundle) {
            Some(partial) => partial,
            None => {
                let full = self.inner.shared.store.entry_bundle(bundle).map_err(|error| damaged(&error))?;
                full.ok_or_else(|| {
                    damaged(&StoreError::Damaged(format!("entry bundle {bundle} is missing")))
                })?
            }
        };
        framing::take(&bytes, u64::from(width))
            .ok_or_else(|| damaged(&StoreError::Damaged(format!("bundle {bundle}"))))
    }
}

impl<S: Store> Lookup for Log<S> {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        let Some(follower) = &self.inner.follower else {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                "this log has its lookup index switched off: ask by index",
            ));
        };
        let size = self.published().size();
        let caught_up = tokio::time::timeout(LOOKUP_PATIENCE, follower.covered(size)).await;
        for index in candidates(follower.index(), key).map_err(|error| damaged(&error))? {
            if size.contains(index) && self.fits(index, size, key).await? {
                return Ok(index);
            }
        }
        match caught_up {
            Ok(()) => Err(Error::not_found("no entry of the log fits")),
            Err(_) => {
                Err(Error::unavailable("the lookup index is behind the log: ask again, or ask by index"))
            }
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

fn damaged(error: &StoreError) -> Error {
    tracing::error!(%error, "the store could not be read");
    Error::internal("the log could not read its store")
}
