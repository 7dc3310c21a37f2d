//! The checkpoint in a bucket: replaced by compare-and-swap, and only by a later one.

use bytes::Bytes;
use vouchlog_merkle::{TreeHead, TreeSize};
use vouchlog_note::limits::MAX_NOTE_BYTES;
use vouchlog_note::{Checkpoint, UnverifiedNote};
use vouchlog_storage::StoreError;

use crate::bucket::{Bucket, Content, Swapped, VersionedObject};

/// Where the checkpoint is, below the prefix.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// How often a swap is repeated because another writer was faster.
const MAX_RACES: u32 = 5;

/// A log's name and head, as a checkpoint states them. Not verified.
pub(crate) struct PublishedHead {
    pub(crate) origin: String,
    pub(crate) head: TreeHead,
}

impl PublishedHead {
    /// Reads a checkpoint.
    pub(crate) fn parse(note: &[u8]) -> Result<Self, String> {
        let note = UnverifiedNote::parse(note).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse(note.unverified_text()).map_err(|error| error.to_string())?;
        Ok(Self { origin: checkpoint.origin().to_string(), head: checkpoint.head() })
    }
}

/// The checkpoint that is in a bucket, if there is one.
pub(crate) async fn stated(bucket: &Bucket) -> Result<Option<PublishedHead>, StoreError> {
    let Some(found) = bucket.get(CHECKPOINT, MAX_NOTE_BYTES).await? else { return Ok(None) };
    let stated = PublishedHead::parse(&found.bytes);
    stated.map(Some).map_err(|reason| not_a_checkpoint(bucket, &reason))
}

/// The origin and the size that the checkpoint in a bucket states, if there is one. Not verified.
///
/// # Errors
/// [`StoreError`] when it cannot be read, or is no checkpoint.
pub async fn published(bucket: &Bucket) -> Result<Option<(String, u64)>, StoreError> {
    Ok(stated(bucket).await?.map(|stated| (stated.origin, stated.head.size.get())))
}

fn not_a_checkpoint(bucket: &Bucket, reason: &str) -> StoreError {
    StoreError::Conflict(format!("{} is not a checkpoint: {reason}", bucket.name(CHECKPOINT)))
}

/// What became of a checkpoint that was to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// It is in the bucket.
    Done,
    /// The bucket has a checkpoint of more entries, which was left in place.
    Ahead(TreeHead),
}

/// Replaces the checkpoint of a log.
#[derive(Debug)]
pub(crate) struct HeadKeeper {
    bucket: Bucket,
    /// What the object held last, once it was looked at.
    known: Option<Option<VersionedObject>>,
}

impl HeadKeeper {
    pub(crate) fn new(bucket: Bucket) -> Self {
        Self { bucket, known: None }
    }

    /// Puts `note` in the place of the checkpoint, unless it or one of more entries is there already. A process that is paused between
    /// the look and the write replaces nothing: the write is a swap with what was looked at.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the bucket has a checkpoint of another log or of another history.
    pub(crate) async fn put(&mut self, note: &str) -> Result<Put, StoreError> {
        let new = PublishedHead::parse(note.as_bytes())
            .map_err(|reason| StoreError::Damaged(format!("the checkpoint to publish: {reason}")))?;
        let bytes = Bytes::copy_from_slice(note.as_bytes());
        for _ in 0..MAX_RACES {
            let known = match self.known.take() {
                Some(known) => known,
                None => self.bucket.get(CHECKPOINT, MAX_NOTE_BYTES).await?,
            };
            if let Some(found) = &known {
                let old = self.check(found, &new)?;
                if old.size > new.head.size {
                    self.known = Some(known);
                    return Ok(Put::Ahead(old));
                }
                if found.bytes == bytes {
                    self.known = Some(known);
                    return Ok(Put::Done);
                }
            }
            let swapped = self.bucket.swap(CHECKPOINT, &bytes, known.as_ref(), Content::Checkpoint).await?;
            match swapped {
                Swapped::Done(found) => {
                    self.known = Some(Some(found));
                    return Ok(Put::Done);
                }
                Swapped::Moved(other) => self.known = Some(other),
            }
        }
        Err(StoreError::ObjectStore(format!(
            "{} is replaced by another writer all the time",
            self.bucket.name(CHECKPOINT)
        )))
    }

    /// That a checkpoint in the bucket, whose head is returned, is of this log and history as far as the two show it.
    fn check(&self, found: &VersionedObject, new: &PublishedHead) -> Result<TreeHead, StoreError> {
        let old =
            PublishedHead::parse(&found.bytes).map_err(|reason| not_a_checkpoint(&self.bucket, &reason))?;
        let reason = if old.origin != new.origin {
            format!("is of the log `{}`, not of `{}`: give each log its own prefix", old.origin, new.origin)
        } else if old.head.size == new.head.size && old.head.root != new.head.root {
            two_histories(old.head, new.head)
        } else {
            return Ok(old.head);
        };
        Err(self.conflict(&reason))
    }

    /// That a head in the bucket is in this log, which computes `own` for its size and has `sequenced` entries.
    pub(crate) fn check_ahead(
        &self,
        head: TreeHead,
        own: Option<TreeHead>,
        sequenced: TreeSize,
    ) -> Result<(), StoreError> {
        match own {
            Some(own) if own.root == head.root => Ok(()),
            Some(own) => Err(self.conflict(&two_histories(head, own))),
            None => Err(self.conflict(&format!(
                "has {} entries, more than the {sequenced} of this log: another process publishes there, or this store is an older copy",
                head.size
            ))),
        }
    }

    fn conflict(&self, reason: &str) -> StoreError {
        StoreError::Conflict(format!("{} {reason}. It was not replaced", self.bucket.name(CHECKPOINT)))
    }
}

fn two_histories(there: TreeHead, here: TreeHead) -> String {
    format!(
        "has another root for {} entries: there are two histories of this log. Keep both as evidence. In the bucket: {}; here: {}",
        there.size, there.root, here.root
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use object_store::memory::InMemory;
    use vouchlog_merkle::Hash;
    use vouchlog_note::Origin;

    use super::*;
    use crate::pace::Pace;

    fn note(origin: &str, size: u64, root: u8, signature: &str) -> String {
        let head = TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([root; 32]) };
        let text = Checkpoint::new(Origin::new(origin).unwrap(), head).text();
        format!("{text}\n\u{2014} {origin} {signature}\n")
    }

    const ONE: &str = "AAAAAAAAAAAA";
    const OTHER: &str = "BBBBBBBBBBBB";

    #[tokio::test]
    async fn a_checkpoint_only_moves_forward() {
        let bucket = Bucket::over(Arc::new(InMemory::new()), "memory", Pace::default());
        let log = "example.com/log";
        let mut keeper = HeadKeeper::new(bucket.clone());
        let mut older_copy = HeadKeeper::new(bucket.clone());
        for next in [note(log, 5, 1, ONE), note(log, 5, 1, OTHER), note(log, 300, 2, ONE)] {
            keeper.put(&next).await.unwrap();
            keeper.put(&next).await.unwrap();
            let found = bucket.get(CHECKPOINT, 1000).await.unwrap().unwrap();
            assert_eq!(found.bytes, next.as_bytes());
        }
        for (refused, why) in [
            (note(log, 300, 3, ONE), "two histories"),
            (note("example.com/other", 400, 3, ONE), "is of the log `example.com/log`"),
        ] {
            for keeper in [&mut keeper, &mut older_copy] {
                let error = keeper.put(&refused).await.unwrap_err();
                assert!(
                    matches!(error, StoreError::Conflict(_)) && error.to_string().contains(why),
                    "{error}"
                );
            }
        }
        let ahead = |size: u64, root: u8| {
            Put::Ahead(TreeHead { size: TreeSize::new(size), root: Hash::from_bytes([root; 32]) })
        };
        assert_eq!(older_copy.put(&note(log, 299, 2, ONE)).await.unwrap(), ahead(300, 2));
        // Another process published meanwhile: what it left is looked at, not overwritten.
        HeadKeeper::new(bucket.clone()).put(&note(log, 400, 4, ONE)).await.unwrap();
        assert_eq!(keeper.put(&note(log, 350, 4, ONE)).await.unwrap(), ahead(400, 4));
        keeper.put(&note(log, 401, 5, ONE)).await.unwrap();
        assert_eq!(stated(&bucket).await.unwrap().unwrap().head.size.get(), 401);
    }

    #[tokio::test]
    async fn what_is_no_checkpoint_is_left_as_it_is() {
        let bucket = Bucket::over(Arc::new(InMemory::new()), "memory", Pace::default());
        let foreign = Bytes::from_static(b"a file of another program");
        bucket.create(CHECKPOINT, &foreign, Content::Checkpoint).await.unwrap();
        let error =
            HeadKeeper::new(bucket.clone()).put(&note("example.com/log", 5, 1, ONE)).await.unwrap_err();
        assert!(matches!(error, StoreError::Conflict(_)), "{error}");
        assert_eq!(bucket.get(CHECKPOINT, 1000).await.unwrap().unwrap().bytes, foreign);
    }
}
