//! Builds proofs from any [`LogReader`]: plan the nodes, fetch the tiles they are in, fold.
//!
//! Nothing here is verified: callers verify a proof against a checkpoint, as does [`checked_inclusion`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bytes::Bytes;
use vouchlog_merkle::{
    ConsistencyProof, EntryBundle, Hash, InclusionProof, LeafIndex, NodeId, ProofPlan, RangeProof,
    TILE_WIDTH, TileId, TreeHead, TreeSize, leaf_hash, tile_node_in_bytes,
};

use crate::{Error, LogReader, Result};

/// The inclusion proof of the entry at `index` in the tree of `size`.
pub async fn inclusion(log: &impl LogReader, index: LeafIndex, size: TreeSize) -> Result<InclusionProof> {
    let plan = InclusionProof::plan(index, size)?;
    let nodes = fetch(log, plan.nodes(), size).await?;
    Ok(InclusionProof::from_nodes(&plan, &nodes)?)
}

/// The consistency proof between two sizes of the log; empty from size 0.
pub async fn consistency(log: &impl LogReader, old: TreeSize, new: TreeSize) -> Result<ConsistencyProof> {
    if old.get() == 0 {
        return Ok(ConsistencyProof::from_hashes(Vec::new())?);
    }
    let plan = ConsistencyProof::plan(old, new)?;
    let nodes = fetch(log, plan.nodes(), new).await?;
    Ok(ConsistencyProof::from_nodes(&plan, &nodes)?)
}

/// The head of the tree that the first `size` entries make; not the empty one. Older roots are no longer signed, so it is
/// computed from the tree of `size`.
pub async fn head(log: &impl LogReader, size: TreeSize) -> Result<TreeHead> {
    let Some(last) = size.get().checked_sub(1).map(LeafIndex::new) else {
        return Err(Error::invalid("the empty tree has nothing to compute its root from"));
    };
    let leaf = leaf(log, last, size).await?;
    let root = inclusion(log, last, size).await?.root_from(last, size, &leaf)?;
    Ok(TreeHead { size, root })
}

/// The range proof of `count` entries from `first` on in the tree of `size`.
pub async fn range(log: &impl LogReader, first: LeafIndex, count: u64, size: TreeSize) -> Result<RangeProof> {
    let plan = RangeProof::plan(first, count, size)?;
    let left = fetch_plan(log, plan.left(), size).await?;
    let right = fetch_plan(log, plan.right(), size).await?;
    Ok(RangeProof::from_parts(left, right)?)
}

/// The bytes of the entry at `index`, from the bundle a tree of `size` has.
pub async fn entry(log: &impl LogReader, index: LeafIndex, size: TreeSize) -> Result<Bytes> {
    if !size.contains(index) {
        return Err(Error::not_found(format!("the log has no entry {index} yet: its size is {size}")));
    }
    let bundle = index.get() / WIDTH;
    let width = TileId { level: 0, index: bundle }.width_at(size);
    let bytes = log.entry_bundle(bundle, width).await?;
    let entries = EntryBundle::entries(&bytes, usize::from(width))
        .map_err(|error| Error::internal(format!("entry bundle {bundle} is malformed: {error}")))?;
    let place = usize::try_from(index.get() % WIDTH).expect("less than 256");
    Ok(bytes.slice_ref(entries[place]))
}

/// The leaf hash of the entry at `index`, read from its tile.
pub async fn leaf(log: &impl LogReader, index: LeafIndex, size: TreeSize) -> Result<Hash> {
    let node = NodeId { level: 0, index: index.get() };
    let hashes = fetch(log, &[node], size).await?;
    Ok(hashes[0])
}

/// The entry at `index` with its proof, checked against the root before it is handed out, so that a damaged tile becomes
/// an error here and never a proof that fails elsewhere.
pub async fn checked_inclusion(
    log: &impl LogReader,
    index: LeafIndex,
    size: TreeSize,
    root: &Hash,
) -> Result<(Bytes, InclusionProof)> {
    let entry = entry(log, index, size).await?;
    let proof = inclusion(log, index, size).await?;
    proof
        .verify(index, size, &leaf_hash(&entry), root)
        .map_err(|error| Error::internal(format!("the stored tree does not prove entry {index}: {error}")))?;
    Ok((entry, proof))
}

const WIDTH: u64 = TILE_WIDTH as u64;

async fn fetch_plan(log: &impl LogReader, plan: &ProofPlan, size: TreeSize) -> Result<Vec<Hash>> {
    let nodes = fetch(log, plan.nodes(), size).await?;
    Ok(plan.build(&nodes)?)
}

/// Fetches the hashes of perfect nodes, each tile once.
async fn fetch(log: &impl LogReader, nodes: &[NodeId], size: TreeSize) -> Result<Vec<Hash>> {
    let mut tiles: BTreeMap<TileId, Bytes> = BTreeMap::new();
    let mut hashes = Vec::with_capacity(nodes.len());
    for node in nodes {
        let (id, ..) = node.tile();
        let bytes = match tiles.entry(id) {
            Entry::Occupied(tile) => tile.into_mut(),
            Entry::Vacant(place) => place.insert(log.tile(id, id.width_at(size)).await?),
        };
        let hash = tile_node_in_bytes(bytes, *node);
        hashes.push(hash.ok_or_else(|| Error::internal(format!("tile {} is too short", id.path(256))))?);
    }
    Ok(hashes)
}
