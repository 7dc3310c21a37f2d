//! A log read from its first entry, and held against what it promised.

use std::collections::{BTreeMap, BTreeSet};

use vouchlog_api::{LogReader, Lookup, LookupKey};
use vouchlog_client::GrpcLog;
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, LeafIndex, TILE_WIDTH, TileId, TreeHead, TreeSize, leaf_hash,
    partial_tiles,
};
use vouchlog_note::SignedCheckpoint;
use vouchlog_stream::{Digest, Entry};

use crate::outcome::Outcome;
use crate::promised::{Promised, origin, vkey};

/// Acknowledged statements that are looked up by digest.
const LOOKUPS: usize = 8;

/// Why a log is not what it promised to be.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// It does not serve what was asked for.
    Refused(String),
    /// Its newest head is older than one it signed before.
    Shrunk {
        /// Entries now.
        now: u64,
        /// Entries of the largest head signed before.
        was: u64,
    },
    /// It serves what breaks a promise.
    Broken(Outcome, String),
}

/// The digests a log holds, and how often each.
pub(crate) type Digests = BTreeMap<Digest, u64>;

/// Reads the whole log: entries, the root of each promised size, tiles, and a few lookups.
pub(crate) async fn read(log: &GrpcLog, promised: &Promised) -> Result<Digests, Trouble> {
    let head = newest(log).await?;
    let heads = promised.heads().map_err(|error| Trouble::Broken(Outcome::Fork, error.to_string()))?;
    if let Some((was, _)) = heads.last_key_value()
        && *was > head.size.get()
    {
        return Err(Trouble::Shrunk { now: head.size.get(), was: *was });
    }
    let entries = entries(log, head.size).await?;
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
    check_roots(&leaves, &heads, &head)?;
    let digests = check_statements(&entries, promised)?;
    check_tiles(log, &leaves, head.size).await?;
    check_lookups(log, promised).await?;
    Ok(digests)
}

/// The newest head, by the log's own signature.
pub(crate) async fn newest(log: &GrpcLog) -> Result<TreeHead, Trouble> {
    let note = log.checkpoint().await.map_err(|error| Trouble::Refused(format!("checkpoint: {error}")))?;
    let broken =
        |error: String| Trouble::Broken(Outcome::Lost, format!("the checkpoint does not verify: {error}"));
    let origin = origin().map_err(|error| broken(error.to_string()))?;
    let opened = SignedCheckpoint::open(note.as_bytes(), &origin, &vkey());
    Ok(opened.map_err(|error| broken(error.to_string()))?.head())
}

async fn entries(log: &GrpcLog, size: TreeSize) -> Result<Vec<Vec<u8>>, Trouble> {
    let mut all = Vec::new();
    for bundle in 0..size.get().div_ceil(TILE_WIDTH as u64) {
        let width = TileId { level: 0, index: bundle }.width_at(size);
        let read = log.entry_bundle(bundle, width).await;
        let bytes = read.map_err(|error| Trouble::Refused(format!("entry bundle {bundle}: {error}")))?;
        let split = EntryBundle::entries(&bytes, usize::from(width));
        let wrong = |error| {
            Trouble::Broken(Outcome::Lost, format!("entry bundle {bundle} is served malformed: {error}"))
        };
        all.extend(split.map_err(wrong)?.into_iter().map(<[u8]>::to_vec));
    }
    Ok(all)
}

/// Entries that do not lead to the head served with them are wrong bytes; if they do, and a root promised before differs, the log
/// signed two histories.
fn check_roots(leaves: &[Hash], heads: &BTreeMap<u64, Hash>, head: &TreeHead) -> Result<(), Trouble> {
    let (mut range, mut forked) = (CompactRange::new(), None);
    for leaf in leaves {
        range.append(*leaf);
        if let Some(root) = heads.get(&range.end())
            && range.root() != Some(*root)
        {
            forked.get_or_insert(range.end());
        }
    }
    if range.root() != Some(head.root) {
        let words = format!("the entries served do not lead to the root signed at size {}", head.size);
        return Err(Trouble::Broken(Outcome::Lost, words));
    }
    match forked {
        None => Ok(()),
        Some(size) => Err(Trouble::Broken(Outcome::Fork, format!("two roots of size {size} were signed"))),
    }
}

fn check_statements(entries: &[Vec<u8>], promised: &Promised) -> Result<Digests, Trouble> {
    let statements = promised.statements();
    let (mut digests, mut missing) = (Digests::new(), statements.keys().copied().collect::<BTreeSet<_>>());
    for (index, entry) in (0..).zip(entries) {
        let Ok(Entry::Statement(entry)) = Entry::decode(entry) else { continue };
        *digests.entry(entry.statement.digest).or_default() += 1;
        if statements.get(&index).is_some_and(|promised| *promised == entry.statement) {
            missing.remove(&index);
        }
    }
    if let Some(index) = missing.first() {
        let words = format!("{} acknowledged statements are gone, the first at index {index}", missing.len());
        return Err(Trouble::Broken(Outcome::Lost, words));
    }
    match digests.iter().find(|(_, times)| **times > 1) {
        None => Ok(digests),
        Some((digest, times)) => {
            Err(Trouble::Broken(Outcome::Double, format!("{digest} is in the log {times} times")))
        }
    }
}

async fn check_tiles(log: &GrpcLog, leaves: &[Hash], size: TreeSize) -> Result<(), Trouble> {
    let (mut nodes, mut level) = (leaves.to_vec(), 0);
    while !nodes.is_empty() {
        for (index, hashes) in (0..).zip(nodes.chunks(TILE_WIDTH)) {
            let tile = TileId { level, index };
            let read = log.tile(tile, tile.width_at(size)).await;
            let bytes = read.map_err(|error| Trouble::Refused(format!("tile {level}/{index}: {error}")))?;
            if *bytes != *hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>() {
                return Err(Trouble::Broken(
                    Outcome::Lost,
                    format!("tile {level}/{index} is served with other hashes"),
                ));
            }
        }
        nodes = nodes.chunks_exact(TILE_WIDTH).filter_map(root).collect();
        level += 1;
    }
    debug_assert!(partial_tiles(size).all(|(tile, _)| tile.level < level.max(1)));
    Ok(())
}

fn root(hashes: &[Hash]) -> Option<Hash> {
    let mut range = CompactRange::new();
    hashes.iter().for_each(|hash| range.append(*hash));
    range.root()
}

/// A lookup index may lag or be off, and then reports so. What it answers must be right.
async fn check_lookups(log: &GrpcLog, promised: &Promised) -> Result<(), Trouble> {
    let statements = promised.statements();
    let step = (statements.len() / LOOKUPS).max(1);
    for (index, statement) in statements.iter().step_by(step) {
        if let Ok(found) = log.find(LookupKey::Digest(statement.digest)).await
            && found != LeafIndex::new(*index)
        {
            let words = format!("the digest of entry {index} is looked up as {}", found.get());
            return Err(Trouble::Broken(Outcome::Lost, words));
        }
    }
    Ok(())
}
