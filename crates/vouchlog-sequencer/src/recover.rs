//! Bringing a log back: the sealed part is read, the tail is integrated by the same function as every batch, and what it
//! completes is handed to the store to be sealed after all. A clean start and a start after a crash do the same.

use bytes::Bytes;
use vouchlog_merkle::{Hash, LeafIndex, TileId, leaf_hash};
use vouchlog_note::VerifyingKey;
use vouchlog_storage::{Batch, Loaded, Part, Store, StoreError};
use vouchlog_stream::{Continuation, Entry, Genesis, LoggedAt, Retirement, RetirementProof};

use crate::draft::Draft;
use crate::edge::{Edge, Framed, frame};
use crate::engine_error::EngineError;
use crate::sequence::{Integrated, integrate};
use crate::signer::Signer;
use crate::state::{Directory, RetiredLog, Tree};

mod edge;

pub(crate) use edge::tiles_at_edge;
use edge::{Doubts, edge_tiles};

/// Rebuilds the tree a store holds, and checks that its root is the committed one. Its head is yet to be signed. The last entry comes
/// with it.
pub(crate) fn recover(store: &impl Store, loaded: &Loaded) -> Result<(Tree, Option<Entry>), StoreError> {
    let entries = frame(&loaded.tail).ok_or_else(|| damaged("the tail of entries is malformed"))?;
    let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
    let integrate_on = |tiles: Vec<Bytes>| integrate_tail(loaded, &entries, &leaves, tiles);
    let integrated = match edge_tiles(store, loaded.sealed).and_then(integrate_on) {
        // Tiles follow from what lies below them, so a damaged one need not keep the log from starting.
        Err(StoreError::Damaged(reason)) => {
            let doubts = Doubts::read(store, loaded.sealed);
            let tried = doubts.choices().find_map(|choice| {
                doubts.edge(choice).and_then(|tiles| integrate_on(tiles).ok()).map(|found| (choice, found))
            });
            let unexplained = || StoreError::Damaged(doubts.explain(store, &reason));
            let (choice, integrated) = tried.ok_or_else(unexplained)?;
            doubts.repair(store, choice);
            integrated
        }
        other => other?,
    };
    store.restore(integrated.growth)?;
    let last = match entries.entries().last() {
        Some(entry) => Some(decoded(entry)?),
        None => last_sealed(store, loaded.sealed)?,
    };
    let logged_at = last.as_ref().map_or_else(LoggedAt::default, Entry::logged_at);
    let (range, edge) = (integrated.range, integrated.edge);
    Ok((Tree { head: None, range, edge, logged_at }, last))
}

/// Grows the sealed tree, whose edge is `tiles`, by the tail; the root must be the committed one.
fn integrate_tail(
    loaded: &Loaded,
    entries: &Framed,
    leaves: &[Hash],
    tiles: Vec<Bytes>,
) -> Result<Integrated, StoreError> {
    let edge = Edge::at_bundle_boundary(loaded.sealed, tiles);
    let range = edge.compact_range().ok_or_else(|| damaged("the sealed tiles do not join"))?;
    let sealed = Tree { head: None, range, edge, logged_at: LoggedAt::default() };
    let integrated = integrate(&sealed, entries, leaves);
    if integrated.head == loaded.head {
        Ok(integrated)
    } else {
        Err(damaged("its entries do not lead to the committed root"))
    }
}

/// The last sealed entry: entries never go back in time, not even across restarts, and it may be the end of the log. A wrong one would
/// date all later entries, so its bundle must be the one that the tile beside it was made from.
fn last_sealed(store: &impl Store, size: u64) -> Result<Option<Entry>, StoreError> {
    let Some(index) = (size / 256).checked_sub(1) else { return Ok(None) };
    let (bundle, tile) = (Part::Bundle(index), Part::Tile(TileId { level: 0, index }));
    let (entries, hashes) = (store.reread(bundle)?, store.reread(tile)?);
    let malformed = || damaged_part(store, bundle, "its entries are malformed");
    let entries = frame(&[entries]).ok_or_else(malformed)?;
    let leaves: Vec<u8> = entries.entries().flat_map(|entry| *leaf_hash(entry).as_bytes()).collect();
    if hashes != leaves {
        let what = format!("its entries are not those of {}", store.describe(tile));
        return Err(damaged_part(store, bundle, &what));
    }
    entries.entries().last().map(decoded).transpose().map_err(|_| malformed())
}

fn decoded(entry: &[u8]) -> Result<Entry, StoreError> {
    Entry::decode(entry).map_err(|error| damaged(&error.to_string()))
}

/// The end of the log whose key is `key`, if `last`, its last entry, is that. A log whose end cannot be read is not written to.
pub(crate) fn retired(
    tree: &Tree,
    last: Option<&Entry>,
    key: &VerifyingKey,
) -> Result<Option<RetiredLog>, StoreError> {
    let Some(Entry::LogRetired { note, .. }) = last else { return Ok(None) };
    let index = LeafIndex::new(tree.size().saturating_sub(1));
    let retirement = Retirement::open_of(note, key)
        .map_err(|error| damaged(&format!("entry {index} ends the log, but does not hold: {error}")))?;
    Ok(Some(RetiredLog { index, retirement }))
}

fn damaged(what: &str) -> StoreError {
    StoreError::Damaged(what.to_owned())
}

/// Damage to something sealed, named by its file.
fn damaged_part(store: &impl Store, part: Part, what: &str) -> StoreError {
    StoreError::Damaged(format!("{}: {what}", store.describe(part)))
}

/// What a new log begins with.
pub(crate) struct Beginning<'a> {
    pub(crate) operator: Option<&'a VerifyingKey>,
    /// The end of the log that it continues.
    pub(crate) continues: Option<&'a RetirementProof>,
    pub(crate) now: LoggedAt,
}

/// Commits the genesis entry, and with it, at once, the entry that names the predecessor. The log is then opened like any other, which
/// signs its head.
pub(crate) fn create(
    signer: &Signer,
    Beginning { operator, continues, now }: Beginning<'_>,
    store: &impl Store,
) -> Result<(), EngineError> {
    let operator = operator.ok_or(EngineError::NoOperator)?.clone();
    let key_error = |error: &dyn std::fmt::Display| EngineError::Key(error.to_string());
    let genesis = Genesis { origin: signer.origin.clone(), operator };
    let note = genesis.sign(&signer.ed25519).map_err(|error| key_error(&error))?;
    let directory = Directory::default();
    let mut draft = Draft::new(&directory, None, 0, now);
    draft.push(&Entry::Genesis { logged_at: now, note });
    if let Some(proof) = continues {
        let note = Continuation::new(proof.clone()).sign(&signer.ed25519);
        let note = note.map_err(|error| EngineError::Predecessor(error.to_string()))?;
        draft.push(&Entry::LogContinued { logged_at: now, note });
    }
    let drafted = draft.finish();
    let integrated = integrate(&Tree::empty(), &drafted.entries, &drafted.leaves);
    let (head, entries, growth) = (integrated.head, drafted.entries.bytes, integrated.growth);
    let count = drafted.leaves.len() as u64;
    Ok(store.commit(None, Batch { head, count, entries, states: Vec::new(), growth })?)
}

/// Checks that a log that is there names the predecessor that it is opened with.
pub(crate) fn check_continues(
    proof: &RetirementProof,
    key: &VerifyingKey,
    store: &impl Store,
    loaded: &Loaded,
) -> Result<(), EngineError> {
    let refused = |what: String| Err(EngineError::Predecessor(what));
    let Some(Entry::LogContinued { note, .. }) = entry(store, loaded, 1)? else {
        return refused(
            "the log in this store continues no other: a log names its predecessor when it begins, or never"
                .into(),
        );
    };
    let named =
        Continuation::open(&note, key).map_err(|error| EngineError::Predecessor(error.to_string()))?;
    let (log, head) = (&proof.retirement().log, proof.head());
    if (named.predecessor(), named.head()) == (log, head) {
        return Ok(());
    }
    refused(format!(
        "the log in this store continues `{}` from {} entries, not `{}` from {}",
        named.predecessor_origin(),
        named.head().size,
        log.name(),
        head.size
    ))
}

/// The note of the genesis entry.
pub(crate) fn genesis(store: &impl Store, loaded: &Loaded) -> Result<String, StoreError> {
    match entry(store, loaded, 0)? {
        Some(Entry::Genesis { note, .. }) => Ok(note),
        _ => Err(wrong_beginning(store, loaded, "its first entry is not a genesis entry")),
    }
}

/// One of the first entries; none if it cannot be decoded, or is not there. Whether or not its tile agrees: notes are verified by their
/// signatures.
fn entry(store: &impl Store, loaded: &Loaded, index: usize) -> Result<Option<Entry>, StoreError> {
    let parts = match loaded.sealed {
        0 if loaded.tail.is_empty() => return Err(damaged("its first entry is missing")),
        0 => loaded.tail.clone(),
        _ => vec![store.reread(Part::Bundle(0))?],
    };
    let malformed = || wrong_beginning(store, loaded, "its entries are malformed");
    let entries = frame(&parts).ok_or_else(malformed)?;
    Ok(entries.entries().nth(index).and_then(|entry| Entry::decode(entry).ok()))
}

fn wrong_beginning(store: &impl Store, loaded: &Loaded, what: &str) -> StoreError {
    match loaded.sealed {
        0 => damaged(what),
        _ => damaged_part(store, Part::Bundle(0), what),
    }
}

/// The damage, if the sealed genesis entry is not the one that the tile beside it was made from. A log asks when the entry's
/// signature does not verify: it may be the wrong key, or the wrong entry.
pub(crate) fn genesis_damage(store: &impl Store, loaded: &Loaded) -> Result<Option<StoreError>, StoreError> {
    if loaded.sealed == 0 {
        return Ok(None);
    }
    let (bundle, tile) = (Part::Bundle(0), Part::Tile(TileId { level: 0, index: 0 }));
    let (entries, hashes) = (store.reread(bundle)?, store.reread(tile)?);
    let genesis = frame(&[entries]).and_then(|entries| entries.entries().next().map(leaf_hash));
    if genesis.is_some_and(|leaf| hashes.get(..Hash::LEN) == Some(leaf.as_bytes().as_slice())) {
        return Ok(None);
    }
    let what = format!("its first entry is not the one in {}", store.describe(tile));
    Ok(Some(damaged_part(store, bundle, &what)))
}
