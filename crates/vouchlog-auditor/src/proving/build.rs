//! Turns what was noted of a finding into evidence, by fetching the entries and proofs it takes.

use vouchlog_api::{Error, LogReader, Result, proof};
use vouchlog_merkle::{
    CompactRange, ConsistencyProof, EntryBundle, Hash, LeafIndex, NodeId, TILE_WIDTH, TileId, TreeHead,
    TreeSize, tile_node_in_bytes,
};
use vouchlog_note::{Origin, SignedCheckpoint};

use crate::evidence::{Evidence, EvidenceFile, EvidenceSource, ProvenRun};
use crate::fetch::is_log_unreadable;
use crate::finding::Suspicion;

const WIDTH: u64 = TILE_WIDTH as u64;

/// The evidence of a suspicion about a log, whose entries are proven under `head`. What the log does not serve is left out: the
/// finding is then an observation.
///
/// # Errors
/// When the log cannot be reached.
pub(crate) async fn build(
    log: &impl LogReader,
    origin: &Origin,
    head: Option<&SignedCheckpoint>,
    suspicion: &Suspicion,
) -> Result<EvidenceFile> {
    let Suspicion { kind, place, words, lead, .. } = suspicion;
    let evidence = match (lead.clone(), head) {
        (EvidenceSource::Note { note }, _) if names_log(&note, origin) => Evidence::Note { note },
        (EvidenceSource::Note { .. }, _) => Evidence::None {},
        (EvidenceSource::TwoHeads { known, served }, _) => Evidence::TwoHeads { known, served },
        (EvidenceSource::AfterRetirement { end, served }, _) => Evidence::AfterRetirement { end, served },
        (EvidenceSource::Prefix { old, new, prefix_root, proof }, _) => {
            Evidence::Prefix { old, new, prefix_root, proof }
        }
        (EvidenceSource::Object { served }, Some(head)) => {
            Evidence::Object { checkpoint: head.note().to_owned(), served }
        }
        (lead, Some(head)) => match proven(log, head, lead).await {
            Err(error) if is_log_unreadable(&error) => return Err(error),
            Err(error) => {
                tracing::debug!(%error, %kind, "the log does not serve data that the evidence needs");
                Evidence::None {}
            }
            Ok(evidence) => evidence,
        },
        (_, None) => Evidence::None {},
    };
    Ok(EvidenceFile::new(*kind, origin.as_str(), words, place, evidence))
}

/// Whether a text says that it is a checkpoint of this log; or nothing, which is what a log without one serves. Any other text may come
/// from a server that is not the log, and is not handed on.
fn names_log(note: &str, origin: &Origin) -> bool {
    note.is_empty() || note.lines().next() == Some(origin.as_str())
}

/// Evidence that takes proofs under `head`.
async fn proven(log: &impl LogReader, head: &SignedCheckpoint, lead: EvidenceSource) -> Result<Evidence> {
    let checkpoint = head.note().to_owned();
    let size = head.head().size;
    Ok(match lead {
        EvidenceSource::Bundle { first, leaves, served } => {
            let proof = proof::range(log, LeafIndex::new(first), leaves.len() as u64, size).await?;
            let (left, right) = (proof.left().to_vec(), proof.right().to_vec());
            Evidence::Bundle { checkpoint, first, leaves, left, right, served }
        }
        EvidenceSource::Entries { mut indexes, run, range } => {
            // Genesis shows that the log is one of ours, and who its operator is.
            indexes.insert(0);
            indexes.extend(run.into_iter().flat_map(|(from, to)| from..=to));
            let mut runs = Vec::new();
            for (first, end) in contiguous(indexes) {
                runs.push(proven_run(log, first, end - first, size).await?);
            }
            Evidence::Entries { checkpoint, runs, stream_range: range }
        }
        _ => Evidence::None {},
    })
}

/// Splits ascending indexes where they do not follow one another, into begin and end.
fn contiguous(indexes: impl IntoIterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, end)) if *end == index => *end += 1,
            _ => runs.push((index, index + 1)),
        }
    }
    runs
}

/// Entries side by side with their proof, as the log serves them.
pub(crate) async fn proven_run(
    log: &impl LogReader,
    first: u64,
    count: u64,
    size: TreeSize,
) -> Result<ProvenRun> {
    let mut entries = Vec::new();
    for bundle in first / WIDTH..(first + count).div_ceil(WIDTH) {
        let width = TileId { level: 0, index: bundle }.width_at(size);
        if width == 0 {
            return Err(Error::not_found(format!("a log of size {size} has no bundle {bundle}")));
        }
        let bytes = log.entry_bundle(bundle, width).await?;
        let all = EntryBundle::entries(&bytes, usize::from(width))
            .map_err(|error| Error::internal(format!("entry bundle {bundle} is malformed: {error}")))?;
        let wanted = (bundle * WIDTH..).zip(all).filter(|(index, _)| (first..first + count).contains(index));
        entries.extend(wanted.map(|(_, entry)| entry.to_vec()));
    }
    let proof = proof::range(log, LeafIndex::new(first), count, size).await?;
    Ok(ProvenRun { first, entries, left: proof.left().to_vec(), right: proof.right().to_vec() })
}

/// The root that the tree under `head` has at a smaller size, with the proof of it. `None` when the tiles do not prove it.
///
/// A tree has one root at each size. A signer of another root for that size and of this head contradicts itself,
/// and nothing of the other tree is needed to show it.
pub(crate) async fn prefix_of(
    log: &impl LogReader,
    size: TreeSize,
    head: &TreeHead,
) -> Result<Option<(Hash, ConsistencyProof)>> {
    let mut hashes = Vec::new();
    for node in CompactRange::nodes(0, size.get()) {
        hashes.push(node_hash(log, node, head.size).await?);
    }
    let root = CompactRange::from_hashes(0, size.get(), hashes)?.root();
    let root = root.ok_or_else(|| Error::internal("a range from 0 has a root"))?;
    let proof = proof::consistency(log, size, head.size).await?;
    let proven = proof.verify(&TreeHead { size, root }, head).is_ok();
    Ok(proven.then_some((root, proof)))
}

async fn node_hash(log: &impl LogReader, node: NodeId, size: TreeSize) -> Result<Hash> {
    let (id, ..) = node.tile();
    let bytes = log.tile(id, id.width_at(size)).await?;
    tile_node_in_bytes(&bytes, node)
        .ok_or_else(|| Error::internal(format!("tile {} is too short", id.path(256))))
}
