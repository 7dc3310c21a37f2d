//! Bringing a log back: the sealed part is read, the tail is integrated by the same function as every batch, and what it
//! completes is handed to the store to be sealed after all. A clean start and a start after a crash do the same.

use bytes::Bytes;
use vouchlog_merkle::{Hash, Tile, TileId, leaf_hash};
use vouchlog_note::SigningKey;
use vouchlog_storage::{Batch, Loaded, Part, Store, StoreError, framing};
use vouchlog_stream::{Entry, Genesis, LoggedAt};

use crate::draft::Draft;
use crate::edge::{Edge, Framed};
use crate::open::OpenError;
use crate::sequence::{Integrated, integrate};
use crate::signer::Signer;
use crate::state::{Directory, Tree};

/// Rebuilds the tree a store holds, and checks that its root is the committed one. Its head is yet to be signed.
pub(crate) fn recover(store: &impl Store, loaded: &Loaded) -> Result<Tree, StoreError> {
    let entries = frame(&loaded.tail).ok_or_else(|| damaged("the tail of entries is malformed"))?;
    let stored = edge_tiles(store, loaded.sealed).and_then(|tiles| integrate_tail(loaded, &entries, tiles));
    let integrated = match stored {
        Err(StoreError::Damaged(reason)) => {
            // Tiles follow from what lies below them, so a damaged one need not keep the log from starting.
            let from_below = edge_from_below(store, loaded.sealed)
                .and_then(|(tiles, differing)| Ok((integrate_tail(loaded, &entries, tiles)?, differing)));
            let (integrated, differing) = from_below.map_err(|_| StoreError::Damaged(reason))?;
            for (tile, bytes) in differing {
                let part = Part::Tile(tile);
                let repaired = store.repair(part, &bytes);
                tracing::warn!(outcome = ?repaired, "{part} was damaged and has been computed again");
            }
            integrated
        }
        other => other?,
    };
    store.restore(integrated.growth)?;
    let last = entries.entries().last().map(Bytes::copy_from_slice);
    let logged_at = match last {
        Some(entry) => logged_at(&entry)?,
        None => last_sealed(store, loaded.sealed)?,
    };
    let (range, edge) = (integrated.range, integrated.edge);
    Ok(Tree { head: None, range, edge, logged_at })
}

/// Grows the sealed tree, whose edge is `tiles`, by the tail; the root must be the committed one.
fn integrate_tail(loaded: &Loaded, entries: &Framed, tiles: Vec<Bytes>) -> Result<Integrated, StoreError> {
    let edge = Edge::at_bundle_boundary(loaded.sealed, tiles);
    let range = edge.compact_range().ok_or_else(|| damaged("the sealed tiles do not join"))?;
    let sealed = Tree { head: None, range, edge, logged_at: LoggedAt::default() };
    let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
    let integrated = integrate(&sealed, entries, &leaves);
    if integrated.head == loaded.head {
        Ok(integrated)
    } else {
        Err(damaged("its entries do not lead to the committed root"))
    }
}

/// The tiles whose roots make up the partial tiles at a size that is a multiple of 256, by level from the lowest.
fn tiles_at_edge(size: u64) -> impl Iterator<Item = (u8, std::ops::Range<u64>)> {
    (1u8..8).map_while(move |level| {
        let below = size >> (8 * u32::from(level));
        (below > 0).then_some((level - 1, below & !255..below))
    })
}

/// The partial tiles at a size that is a multiple of 256: each hash is the root of a full tile one level down.
fn edge_tiles(store: &impl Store, size: u64) -> Result<Vec<Bytes>, StoreError> {
    let mut tiles = vec![Bytes::new()];
    for (level, indexes) in tiles_at_edge(size) {
        let mut hashes = Vec::new();
        for index in indexes {
            hashes.extend_from_slice(reread_root(store, TileId { level, index })?.as_bytes());
        }
        tiles.push(hashes.into());
    }
    Ok(tiles)
}

/// The partial tiles of each level, and full tiles that differ from those in the store.
type FromBelow = (Vec<Bytes>, Vec<(TileId, Bytes)>);

/// The root of a tile as it is, whether or not it agrees with what lies below it: the committed root tells whether it is right. A
/// damaged bundle must not keep the log from starting, or it could not be repaired from a mirror.
fn reread_root(store: &impl Store, id: TileId) -> Result<Hash, StoreError> {
    let root = Tile::parse(&store.reread(Part::Tile(id))?).ok().and_then(|tile| tile.root());
    root.ok_or_else(|| damaged("a sealed tile is malformed"))
}

/// As [`edge_tiles`], with each tile computed from what lies below it; and the tiles that differ from those in the store.
fn edge_from_below(store: &impl Store, size: u64) -> Result<FromBelow, StoreError> {
    let (mut tiles, mut differing) = (vec![Bytes::new()], Vec::new());
    for (level, indexes) in tiles_at_edge(size) {
        let mut hashes = Vec::new();
        for index in indexes {
            let id = TileId { level, index };
            let below = hashes_below(store, id)?;
            let tile = Tile::from_hashes(below).map_err(|error| damaged(&error.to_string()))?;
            let root = tile.root().ok_or_else(|| damaged("a sealed tile is malformed"))?;
            if reread_root(store, id).ok() != Some(root) {
                differing.push((id, tile.to_bytes().into()));
            }
            hashes.extend_from_slice(root.as_bytes());
        }
        tiles.push(hashes.into());
    }
    Ok((tiles, differing))
}

fn hashes_below(store: &impl Store, id: TileId) -> Result<Vec<Hash>, StoreError> {
    if let Some(level) = id.level.checked_sub(1) {
        let children = id.index * 256..(id.index + 1) * 256;
        return children.map(|index| reread_root(store, TileId { level, index })).collect();
    }
    let bundle = store.reread(Part::Bundle(id.index))?;
    let entries = frame(&[bundle]).ok_or_else(|| damaged("a sealed bundle is malformed"))?;
    Ok(entries.entries().map(leaf_hash).collect())
}

/// Time of the last sealed entry: entries never go back in time, not even across restarts.
fn last_sealed(store: &impl Store, size: u64) -> Result<LoggedAt, StoreError> {
    let Some(bundle) = (size / 256).checked_sub(1) else { return Ok(LoggedAt::default()) };
    let bytes = store.entry_bundle(bundle)?.ok_or_else(|| damaged("the last sealed bundle is missing"))?;
    let entries = frame(&[bytes]).ok_or_else(|| damaged("the last sealed bundle is malformed"))?;
    entries.entries().last().map_or(Ok(LoggedAt::default()), logged_at)
}

fn logged_at(entry: &[u8]) -> Result<LoggedAt, StoreError> {
    Entry::decode(entry).map(|entry| entry.logged_at()).map_err(|error| damaged(&error.to_string()))
}

/// Finds where each framed entry begins; `None` when the framing is broken.
pub(crate) fn frame(pieces: &[Bytes]) -> Option<Framed> {
    let bytes: Bytes = match pieces {
        [one] => one.clone(),
        many => many.concat().into(),
    };
    let starts = framing::starts(&bytes)?;
    Some(Framed { bytes, starts })
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

/// Commits the genesis entry. The log is then opened like any other, which signs its head.
pub(crate) fn create(
    signer: &Signer,
    operator: Option<&SigningKey>,
    now: LoggedAt,
    store: &impl Store,
) -> Result<(), OpenError> {
    let operator = operator.ok_or(OpenError::NoOperator)?.verifying_key().clone();
    let key_error = |error: &dyn std::fmt::Display| OpenError::Key(error.to_string());
    let genesis = Genesis { origin: signer.origin.clone(), operator };
    let note = genesis.sign(&signer.ed25519).map_err(|error| key_error(&error))?;
    let directory = Directory::default();
    let mut draft = Draft::new(&directory, 0, now);
    draft.push(&Entry::Genesis { logged_at: now, note });
    let drafted = draft.finish();
    let integrated = integrate(&Tree::empty(), &drafted.entries, &drafted.leaves);
    let (head, entries, growth) = (integrated.head, drafted.entries.bytes, integrated.growth);
    Ok(store.commit(None, Batch { head, count: 1, entries, states: Vec::new(), growth })?)
}

/// The note of the genesis entry.
pub(crate) fn genesis(store: &impl Store, loaded: &Loaded) -> Result<String, StoreError> {
    let first = match loaded.sealed {
        0 => loaded.tail.first().cloned(),
        _ => store.entry_bundle(0)?,
    };
    let first = first.ok_or_else(|| damaged("its first entry is missing"))?;
    let entries = frame(&[first]).ok_or_else(|| damaged("its first entries are malformed"))?;
    match entries.entries().next().map(Entry::decode) {
        Some(Ok(Entry::Genesis { note, .. })) => Ok(note),
        _ => Err(damaged("its first entry is not a genesis entry")),
    }
}
