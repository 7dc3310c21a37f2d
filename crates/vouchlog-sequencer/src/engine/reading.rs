//! A log as its readers see it: tiles and bundles, the newest checkpoints, and lookups through the index.

use bytes::Bytes;
use vouchlog_api::{Error, ErrorKind, LogReader, Lookup, LookupKey, PrunedNotice, Result, Watch, proof};
use vouchlog_merkle::{LeafIndex, TileId, TreeSize};
use vouchlog_storage::{Index, IndexAnswer, RunEntry, Store, StoreError, key_prefix};
use vouchlog_stream::Entry;

use super::Engine;
use crate::limits::{LOOKUP_PATIENCE, MAX_LOOKUP_CANDIDATES};
use crate::read::{stopped, unread};

impl<S: Store> LogReader for Engine<S> {
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

    async fn pruned(&self) -> Result<Option<PrunedNotice>> {
        self.reader().pruned().await
    }
}

impl<S: Store> Watch for Engine<S> {
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

impl<S: Store> Lookup for Engine<S> {
    async fn find(&self, key: LookupKey) -> Result<LeafIndex> {
        let Some(follower) = &self.inner.follower else {
            return Err(Error::new(
                ErrorKind::FailedPrecondition,
                "this log's lookup index is switched off: look up by index",
            ));
        };
        let size = self.sequenced().size();
        // When it has not caught up by then, what it covers may still have the entry.
        let _ = tokio::time::timeout(LOOKUP_PATIENCE, follower.covered(size)).await;
        let IndexAnswer { covered, found } =
            candidates(follower.index(), key).map_err(|error| unread(&error))?;
        let mut gone = None;
        for index in found.into_iter().filter(|index| size.contains(*index)) {
            match self.fits(index, size, key).await {
                Ok(true) => return Ok(index),
                Ok(false) => {}
                // The entry would decide, and was given up. A later one may still fit.
                Err(error) if matches!(error.kind, ErrorKind::Pruned { .. }) => gone = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Some(gone) = gone {
            return Err(gone);
        }
        if covered < size.get() {
            return Err(Error::unavailable(format!(
                "the lookup index covers {covered} of the log's {size} entries: retry later, or look up by index"
            )));
        }
        Err(Error::not_found("no entry of the log matches"))
    }
}

impl<S: Store> Engine<S> {
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

fn candidates(index: &dyn Index, key: LookupKey) -> Result<IndexAnswer<Vec<LeafIndex>>, StoreError> {
    match key {
        LookupKey::LeafHash(hash) => index.by_leaf_hash(key_prefix(hash.as_bytes()), MAX_LOOKUP_CANDIDATES),
        LookupKey::Digest(digest) => index.by_digest(key_prefix(digest.as_bytes()), MAX_LOOKUP_CANDIDATES),
        LookupKey::Sequence(stream, sequence) => {
            // A sequence number that is not in the log may be any number.
            let place = |run: RunEntry| {
                run.first.checked_add(sequence.get().checked_sub(run.start)?).map(LeafIndex::new)
            };
            Ok(index.run(stream.get(), sequence.get())?.map(|run| run.and_then(place).into_iter().collect()))
        }
    }
}
