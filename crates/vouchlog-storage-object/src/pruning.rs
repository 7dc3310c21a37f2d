//! Entries that a log gave up, in its bucket.
//!
//! ```text
//! <prefix>/pruned           for readers: the minimum index, and the entry that announces it
//! <prefix>/pruned-bundles   for the log: which bundles stay, as `vouchlog_storage::Pruned` writes it, and a last line
//!                           "removed <bundle>": all that was given up below this bundle is deleted
//! ```
//!
//! Both are written before a bundle is deleted, in this order, and replaced by compare-and-swap alone: of two processes that lead the log one
//! after the other, both delete what the one record names. Bundles are deleted a folder of the layout at a time; the line `removed` follows,
//! so a process that ends in between repeats at most one folder. Reading needs no listing. Deleting does: partial bundles that were left
//! behind by a process that was killed have names that no one remembers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream};
use vouchlog_api::PrunedNotice;
use vouchlog_merkle::{LeafIndex, TILE_WIDTH, TilePath};
use vouchlog_storage::{Pruned, StoreError};

use crate::bucket::{Bucket, Content, Swapped, VersionedObject};

const NOTICE: &str = "pruned";
const RECORD: &str = "pruned-bundles";
/// The longest record: of a log of a billion entries in which one bundle in eight stays, each alone.
const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;
/// How often a swap is repeated because another process was faster.
const MAX_RACES: u32 = 5;
/// Bundles whose objects lie in one folder of the layout.
const FOLDER: u64 = 1000;
/// Deletions in flight at once.
const DELETIONS_IN_FLIGHT: usize = 16;
/// How long the deletions of one folder may take. The next step repeats those that did not finish.
pub(crate) const FOLDER_PATIENCE: Duration = Duration::from_secs(300);
const WIDTH: u64 = TILE_WIDTH as u64;

/// What a log gave up, as its bucket records it.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) pruned: Arc<Pruned>,
    /// Below this bundle, all that was given up is deleted.
    removed: u64,
    object: VersionedObject,
}

/// The record, if the log gave up anything.
pub(crate) async fn read(bucket: &Bucket) -> Result<Option<Record>, StoreError> {
    let Some(object) = bucket.get(RECORD, MAX_RECORD_BYTES).await? else { return Ok(None) };
    let Some((pruned, removed)) = parse(&object.bytes) else {
        let name = bucket.name(RECORD);
        return Err(StoreError::Damaged(format!(
            "{name}, which names the entries that were given up, cannot be read"
        )));
    };
    Ok(Some(Record { pruned: Arc::new(pruned), removed, object }))
}

/// What the log in a bucket gave up, if it did, as the bucket records it. Not verified.
///
/// # Errors
/// [`StoreError`] when the record cannot be read.
pub async fn pruned(bucket: &Bucket) -> Result<Option<Arc<Pruned>>, StoreError> {
    Ok(read(bucket).await?.map(|record| record.pruned))
}

fn parse(bytes: &[u8]) -> Option<(Pruned, u64)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (pruned, removed) = text.strip_suffix('\n')?.rsplit_once('\n')?;
    let removed = removed.strip_prefix("removed ")?.parse().ok()?;
    Some((Pruned::parse(&format!("{pruned}\n"))?, removed))
}

fn format(pruned: &Pruned, removed: u64) -> Bytes {
    format!("{}removed {removed}\n", pruned.to_text()).into()
}

/// Records what a log with `sealed` sealed entries gives up, after readers can find where it announces that.
pub(crate) async fn record(bucket: &Bucket, pruned: &Pruned, sealed: u64) -> Result<Record, StoreError> {
    let bytes = format(pruned, 0);
    if bytes.len() > MAX_RECORD_BYTES {
        return Err(StoreError::Io(format!(
            "these entries cannot be given up: the list of bundles that stay has {} bytes, more than {MAX_RECORD_BYTES}",
            bytes.len()
        )));
    }
    for _ in 0..MAX_RACES {
        let known = read(bucket).await?;
        pruned.check(sealed, known.as_ref().map(|known| &*known.pruned))?;
        note(bucket, pruned).await?;
        if let Some(known) = known.as_ref().filter(|known| *known.pruned == *pruned) {
            return Ok(known.clone());
        }
        let before = known.as_ref().map(|known| &known.object);
        if let Swapped::Done(object) = bucket.swap(RECORD, &bytes, before, Content::Checkpoint).await? {
            return Ok(Record { pruned: Arc::new(pruned.clone()), removed: 0, object });
        }
    }
    Err(raced(bucket, RECORD))
}

/// Shows readers where the log announces its minimum index, which never falls.
async fn note(bucket: &Bucket, pruned: &Pruned) -> Result<(), StoreError> {
    let notice = PrunedNotice { minimum: pruned.minimum(), announced: LeafIndex::new(pruned.announced()) };
    let bytes = Bytes::from(notice.to_text());
    for _ in 0..MAX_RACES {
        let known = bucket.get(NOTICE, PrunedNotice::MAX_BYTES).await?;
        let is_later = |known: &VersionedObject| {
            PrunedNotice::parse(&known.bytes).is_ok_and(|known| known.minimum >= notice.minimum)
        };
        if known.as_ref().is_some_and(is_later) {
            return Ok(());
        }
        let swapped = bucket.swap(NOTICE, &bytes, known.as_ref(), Content::Checkpoint).await?;
        if matches!(swapped, Swapped::Done(_)) {
            return Ok(());
        }
    }
    Err(raced(bucket, NOTICE))
}

fn raced(bucket: &Bucket, path: &str) -> StoreError {
    let name = bucket.name(path);
    StoreError::ObjectStore(format!("{name} is replaced by another writer all the time"))
}

/// Deletes what was given up in the next folder. Returns how many bundles that were, none when nothing is left, and the record after that.
pub(crate) async fn remove(bucket: &Bucket, record: Record) -> Result<(u64, Record), StoreError> {
    let pruned = record.pruned.clone();
    let Some(first) = pruned.removed_from(record.removed).next() else { return Ok((0, record)) };
    let end = ((first / FOLDER + 1) * FOLDER).min(pruned.minimum() / WIDTH);
    let bundles: Vec<u64> = pruned.removed_from(first).take_while(|bundle| *bundle < end).collect();
    let full = |index: &u64| TilePath::Entries { index: *index, width: 256 }.to_string();
    let paths: Vec<String> = bundles.iter().map(full).collect();
    let folder = full(&first);
    let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let count = bundles.len() as u64;
    delete(bucket, paths).await?;
    delete(bucket, partial_bundles(bucket, &folder, &pruned).await?).await?;
    bucket.settle_folder(&folder).await?;
    let bytes = format(&pruned, end);
    let record = match bucket.swap(RECORD, &bytes, Some(&record.object), Content::Checkpoint).await? {
        Swapped::Done(object) => Record { pruned, removed: end, object },
        // Another process goes on, and may have given up more.
        Swapped::Moved(_) => read(bucket).await?.ok_or_else(|| {
            StoreError::Damaged(format!("{} is missing, while entries are deleted", bucket.name(RECORD)))
        })?,
    };
    Ok((count, record))
}

/// Partial bundles in a folder, of bundles that were given up.
async fn partial_bundles(bucket: &Bucket, folder: &str, pruned: &Pruned) -> Result<Vec<String>, StoreError> {
    let is_given_up = |path: &String| {
        let path = TilePath::parse(path);
        matches!(path, Ok(TilePath::Entries { index, .. }) if pruned.has_removed(index))
    };
    let folders = bucket.list(folder).await?.folders;
    let folders = folders.into_iter().filter(|folder| folder.ends_with(".p"));
    let listings = stream::iter(folders).map(|folder| async move { bucket.list(&folder).await });
    let listings: Vec<_> = listings.buffer_unordered(DELETIONS_IN_FLIGHT).try_collect().await?;
    Ok(listings.into_iter().flat_map(|listing| listing.objects).filter(is_given_up).collect())
}

async fn delete(bucket: &Bucket, paths: Vec<String>) -> Result<(), StoreError> {
    let deletions = stream::iter(paths).map(|path| async move { bucket.remove(&path).await });
    deletions.buffer_unordered(DELETIONS_IN_FLIGHT).try_collect().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_nothing_else_is_read() {
        let pruned = Pruned::new(2_560, 4_000, vec![0, 3]);
        let text = format(&pruned, 7);
        assert_eq!(parse(&text), Some((pruned.clone(), 7)));
        for cut in 0..text.len() {
            assert_eq!(parse(&text[..cut]), None, "cut to {cut}");
        }
        for wrong in ["removed -1\n", "removed\n", "removed 7\n\n", ""] {
            assert_eq!(parse(format!("{}{wrong}", pruned.to_text()).as_bytes()), None, "{wrong:?}");
        }
    }
}
