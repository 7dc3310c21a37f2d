//! What both protocols ask of a log: entries and proofs, each checked against the newest checkpoint before it is handed out.

use bytes::Bytes;
use vouchlog_api::limits::MAX_ENTRIES;
use vouchlog_api::{Error, LogReader, Lookup, Result, Watch, proof};
use vouchlog_merkle::{
    ConsistencyProof, EntryBundle, Hash, InclusionProof, LeafIndex, TILE_WIDTH, TileId, TreeHead, TreeSize,
    leaf_hash,
};
use vouchlog_note::limits::MAX_TREE_SIZE;
use vouchlog_note::{Checkpoint, ProofFile, UnverifiedNote};
use vouchlog_proto::EntryName;

use crate::limits::MAX_ENTRIES_BYTES;
use crate::log::AnyLog;

/// The newest checkpoint, with what it says. The note is the log's own and is not verified here: that is for who gets it.
pub(crate) struct Newest {
    pub(crate) checkpoint: String,
    pub(crate) head: TreeHead,
}

/// The newest checkpoint of a log.
pub(crate) async fn newest(log: &AnyLog) -> Result<Newest> {
    let checkpoint = log.checkpoint().await?;
    let head = head_of(&checkpoint)?;
    Ok(Newest { checkpoint, head })
}

/// The tree head a checkpoint of this log names.
pub(crate) fn head_of(checkpoint: &str) -> Result<TreeHead> {
    let head = UnverifiedNote::parse(checkpoint.as_bytes())
        .map_err(|error| error.to_string())
        .and_then(|note| Checkpoint::parse(note.unverified_text()).map_err(|error| error.to_string()));
    match head {
        Ok(checkpoint) => Ok(checkpoint.head()),
        Err(error) => {
            tracing::error!(%error, "the log's own checkpoint is malformed");
            Err(Error::internal("the log's own checkpoint is malformed"))
        }
    }
}

/// An entry and the proof that a tree has it.
pub(crate) struct Included {
    pub(crate) index: LeafIndex,
    pub(crate) size: TreeSize,
    pub(crate) leaf: Hash,
    pub(crate) entry: Bytes,
    pub(crate) proof: InclusionProof,
    pub(crate) checkpoint: String,
}

/// The proof that the tree of a size, or the newest, has an entry.
pub(crate) async fn inclusion(log: &AnyLog, name: EntryName, size: Option<u64>) -> Result<Included> {
    let newest = newest(log).await?;
    let index = locate(log, name).await?;
    check_published(index, newest.head.size)?;
    let head = head_at(log, size, &newest.head).await?;
    if !head.size.contains(index) {
        return Err(Error::invalid(format!("a tree of size {} has no entry {index}", head.size)));
    }
    let (entry, proof) = proof::checked_inclusion(log, index, head.size, &head.root).await?;
    let leaf = leaf_hash(&entry);
    Ok(Included { index, size: head.size, leaf, entry, proof, checkpoint: newest.checkpoint })
}

/// The proof that the tree of one size is a prefix of that of another, or of the newest.
pub(crate) async fn consistency(
    log: &AnyLog,
    from: u64,
    to: Option<u64>,
) -> Result<(TreeHead, ConsistencyProof, String)> {
    let newest = newest(log).await?;
    let new = head_at(log, to, &newest.head).await?;
    if from == 0 {
        let nothing = proof::consistency(log, TreeSize::new(0), new.size).await?;
        return Ok((new, nothing, newest.checkpoint));
    }
    if from > newest.head.size.get() {
        return Err(not_yet(from, &newest.head));
    }
    if from > new.size.get() {
        return Err(Error::invalid(format!("a tree of size {} has no prefix of {from}", new.size)));
    }
    let old = head_at(log, Some(from), &newest.head).await?;
    let proof = checked_consistency(log, &old, &new).await?;
    Ok((new, proof, newest.checkpoint))
}

/// The tlog-proof file of an entry, and the entry. It is proven against the published checkpoint; an entry that this one does not
/// cover yet, against the newest the log has signed: a client that just logged it gets a proof without waiting for witnesses.
pub(crate) async fn receipt(log: &AnyLog, name: EntryName) -> Result<(LeafIndex, Bytes, String)> {
    let index = locate(log, name).await?;
    let newest = newest_with(log, index).await?;
    let (entry, proof) = proof::checked_inclusion(log, index, newest.head.size, &newest.head.root).await?;
    let file = proof_file(index, proof, &newest.checkpoint)?;
    Ok((index, entry, file))
}

async fn newest_with(log: &AnyLog, index: LeafIndex) -> Result<Newest> {
    // Nothing may be published at all yet.
    if let Ok(published) = newest(log).await
        && published.head.size.contains(index)
    {
        return Ok(published);
    }
    let checkpoint = log.sequenced_checkpoint().await?;
    let head = head_of(&checkpoint)?;
    check_published(index, head.size)?;
    Ok(Newest { checkpoint, head })
}

/// The text of a tlog-proof file.
pub(crate) fn proof_file(index: LeafIndex, proof: InclusionProof, checkpoint: &str) -> Result<String> {
    let note = UnverifiedNote::parse(checkpoint.as_bytes())
        .map_err(|error| Error::internal(format!("the log's own checkpoint is malformed: {error}")))?;
    let file = ProofFile::new(None, index, proof, note)
        .map_err(|error| Error::internal(format!("the proof file cannot be written: {error}")))?;
    Ok(file.to_text())
}

/// Published entries from `start` on and before `end`: at least one, at most [`MAX_ENTRIES`], and no more than fit an answer.
pub(crate) async fn entries(log: &AnyLog, start: u64, end: u64) -> Result<Vec<Bytes>> {
    if start >= end {
        return Err(Error::invalid(format!("the range from {start} to {end} is empty: `end` is exclusive")));
    }
    let size = newest(log).await?.head.size;
    check_published(LeafIndex::new(start), size)?;
    let end = end.min(size.get()).min(start.saturating_add(MAX_ENTRIES));
    let mut entries = Vec::new();
    let mut bytes_taken = 0;
    let mut at = start;
    while at < end {
        let bundle = at / WIDTH;
        let width = TileId { level: 0, index: bundle }.width_at(size);
        let bytes = log.entry_bundle(bundle, width).await?;
        let bundled = EntryBundle::entries(&bytes, usize::from(width))
            .map_err(|error| Error::internal(format!("entry bundle {bundle} is malformed: {error}")))?;
        let bundle_end = end.min((bundle + 1) * WIDTH);
        for index in at..bundle_end {
            let entry = bundled[usize::try_from(index % WIDTH).expect("less than 256")];
            bytes_taken += entry.len();
            if bytes_taken > MAX_ENTRIES_BYTES && !entries.is_empty() {
                return Ok(entries);
            }
            entries.push(bytes.slice_ref(entry));
        }
        at = bundle_end;
    }
    Ok(entries)
}

const WIDTH: u64 = TILE_WIDTH as u64;

/// The index of the entry that is meant.
async fn locate(log: &AnyLog, name: EntryName) -> Result<LeafIndex> {
    match name {
        EntryName::Index(index) => Ok(index),
        EntryName::Key(key) => log.find(key).await,
    }
}

fn check_published(index: LeafIndex, size: TreeSize) -> Result<()> {
    if size.contains(index) {
        return Ok(());
    }
    Err(Error::not_found(format!("the log has no entry {index} yet: its size is {size}")))
}

/// The head of the tree at a size. An older root is signed nowhere any more, so it is computed, and trusted only once a
/// consistency proof leads from it to the newest.
async fn head_at(log: &AnyLog, size: Option<u64>, newest: &TreeHead) -> Result<TreeHead> {
    let Some(size) = size.filter(|size| *size != newest.size.get()) else { return Ok(*newest) };
    if size == 0 || size > MAX_TREE_SIZE {
        return Err(Error::invalid(format!("a tree of size {size} proves nothing")));
    }
    if size > newest.size.get() {
        return Err(not_yet(size, newest));
    }
    let head = proof::head(log, TreeSize::new(size)).await?;
    checked_consistency(log, &head, newest).await?;
    Ok(head)
}

fn not_yet(size: u64, newest: &TreeHead) -> Error {
    Error::not_found(format!("the log has no tree of size {size} yet, only {}", newest.size))
}

async fn checked_consistency(log: &AnyLog, old: &TreeHead, new: &TreeHead) -> Result<ConsistencyProof> {
    let proof = proof::consistency(log, old.size, new.size).await?;
    proof.verify(old, new).map_err(|error| {
        tracing::error!(%error, old = %old.size, new = %new.size, "the stored tree is not consistent with itself");
        Error::internal(format!(
            "the stored tree of size {} is not consistent with that of size {}",
            old.size, new.size
        ))
    })?;
    Ok(proof)
}
