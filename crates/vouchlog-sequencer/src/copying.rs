//! Copying a log into another store: its entries, from which the tree grows again, and its states as they are. What was copied is read
//! back and compared before it counts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use vouchlog_merkle::{
    CompactRange, Hash, TILE_WIDTH, TreeHead, TreeSize, leaf_hash, partial_width, tile_node_in_bytes,
};
use vouchlog_storage::{Batch, CommitError, Loaded, Part, StateKey, Store, StoreError, framing};

use crate::edge::{Framed, frame};
use crate::rebuild::{COMMIT_BYTES, commit_states};
use crate::recover::recover;
use crate::sequence::integrate;
use crate::state::Tree;

const WIDTH: u64 = TILE_WIDTH as u64;

/// Writes a log into another store.
pub struct Copier<'a, S> {
    store: &'a S,
    tree: Tree,
    committed: Option<u64>,
    waiting: BytesMut,
    /// Index of the entry that is expected next.
    next: u64,
    /// The states that are in the store.
    states: Vec<(StateKey, Bytes)>,
}

impl<'a, S: Store> Copier<'a, S> {
    /// Begins in an empty store, or goes on where an earlier copy ended.
    ///
    /// # Errors
    /// [`StoreError`] when what is there cannot be read.
    pub fn resume(store: &'a S) -> Result<Self, StoreError> {
        let (tree, states, committed) = match store.load()? {
            None => (Tree::empty(), Vec::new(), None),
            Some(loaded) => {
                let (tree, _) = recover(store, &loaded)?;
                (tree, loaded.states, Some(loaded.head.size.get()))
            }
        };
        Ok(Self { store, tree, committed, waiting: BytesMut::new(), next: committed.unwrap_or(0), states })
    }

    /// Index of the entry that is expected next.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Entries that are committed.
    pub fn committed(&self) -> u64 {
        self.committed.unwrap_or(0)
    }

    /// Adds framed entries, of which `first` is the index of the first. Those that are there already are passed over.
    ///
    /// # Errors
    /// [`CommitError::Refused`] also for entries that do not follow.
    pub fn push(&mut self, first: u64, framed: &Bytes) -> Result<(), CommitError> {
        let refused = |what: &str| CommitError::Refused(format!("the entries from index {first} {what}"));
        let count = framing::count(framed).ok_or_else(|| refused("are not framed"))?;
        let passed = self.next.checked_sub(first).ok_or_else(|| refused("leave others out"))?;
        if count <= passed {
            return Ok(());
        }
        let new = framing::skip(framed, passed).ok_or_else(|| refused("are not framed"))?;
        self.waiting.extend_from_slice(&new);
        self.next = first + count;
        if self.waiting.len() < COMMIT_BYTES { Ok(()) } else { self.flush() }
    }

    /// Commits what waits.
    ///
    /// # Errors
    /// [`CommitError`]; the copy can be resumed.
    pub fn flush(&mut self) -> Result<(), CommitError> {
        let entries = frame(&[self.waiting.split().freeze()]);
        let entries = entries.ok_or_else(|| CommitError::Refused("the entries are not framed".into()))?;
        if entries.starts.is_empty() {
            return Ok(());
        }
        let leaves = leaves(&entries);
        let integrated = integrate(&self.tree, &entries, &leaves);
        let (head, count, growth) = (integrated.head, leaves.len() as u64, integrated.growth);
        let batch = Batch { head, count, entries: entries.bytes, states: Vec::new(), growth };
        self.store.commit(self.committed, batch)?;
        self.committed = Some(head.size.get());
        self.tree = Tree { range: integrated.range, edge: integrated.edge, ..Tree::empty() };
        Ok(())
    }

    /// Commits what waits and the states of `source`, whose head the entries must lead to.
    ///
    /// # Errors
    /// [`CommitError::Refused`] also when they lead to another one.
    pub fn finish(mut self, source: &Loaded) -> Result<(), CommitError> {
        self.flush()?;
        let reached = (self.tree.size(), self.tree.range.root());
        if reached != (source.head.size.get(), Some(source.head.root)) {
            let reason = "the entries do not lead to the head of the source: the source is damaged, or the destination holds another log";
            return Err(CommitError::Refused(reason.into()));
        }
        let kept: BTreeMap<&StateKey, &Bytes> =
            source.states.iter().map(|(key, value)| (key, value)).collect();
        // Those of an earlier attempt that the source has removed since.
        let removed = self.states.iter().filter(|(key, _)| !kept.contains_key(key));
        let removed = removed.map(|(key, _)| (key.clone(), Bytes::new()));
        commit_states(self.store, source.head, source.states.iter().cloned().chain(removed).collect())
    }
}

fn leaves(entries: &Framed) -> Vec<Hash> {
    entries.entries().map(leaf_hash).collect()
}

/// Reads a copy back, past caches: every bundle must lead to the tiles that are there, and all of them to the heads that were signed.
pub struct Verifier<'a, S> {
    store: &'a S,
    tree: Tree,
}

impl<'a, S: Store> Verifier<'a, S> {
    /// Begins with the first entry.
    pub fn new(store: &'a S) -> Self {
        Self { store, tree: Tree::empty() }
    }

    /// Entries that were verified.
    pub fn verified(&self) -> u64 {
        self.tree.size()
    }

    /// Verifies the next full bundle, which must be sealed, and the tiles that it completes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when they do not belong together.
    pub fn bundle(&mut self) -> Result<(), StoreError> {
        let bundle = self.tree.size() / WIDTH;
        let damaged =
            |part: Part, what: &str| StoreError::Damaged(format!("{}: {what}", self.store.describe(part)));
        let part = Part::Bundle(bundle);
        let entries = frame(&[self.store.reread(part)?]).filter(|entries| entries.starts.len() == TILE_WIDTH);
        let entries = entries.ok_or_else(|| damaged(part, "its entries are malformed"))?;
        let integrated = integrate(&self.tree, &entries, &leaves(&entries));
        for (tile, bytes) in &integrated.growth.tiles {
            if self.store.reread(Part::Tile(*tile))? != *bytes {
                return Err(damaged(Part::Tile(*tile), "it does not match the entries below it"));
            }
        }
        self.tree = Tree { range: integrated.range, edge: integrated.edge, ..Tree::empty() };
        Ok(())
    }

    /// Verifies the entries that are not sealed, the head and the states, which must be those of `source`, and that each of `heads`, which
    /// were signed, is a head of this tree.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with what differs.
    pub fn finish(self, source: &Loaded, heads: &[TreeHead]) -> Result<(), StoreError> {
        let damaged = |what: String| Err(StoreError::Damaged(format!("the copy is not the log: {what}")));
        let Some(loaded) = self.store.load()? else { return damaged("it is empty".into()) };
        if loaded.sealed != self.tree.size() {
            let (verified, sealed) = (self.tree.size(), loaded.sealed);
            return damaged(format!("{verified} entries were verified, and {sealed} are sealed"));
        }
        let Some(entries) = frame(&loaded.tail) else {
            return damaged("its last entries are malformed".into());
        };
        let integrated = integrate(&self.tree, &entries, &leaves(&entries));
        if (integrated.head, loaded.head) != (source.head, source.head) {
            return damaged("its entries do not lead to the committed root".into());
        }
        let sorted = |states: &[(StateKey, Bytes)]| states.iter().cloned().collect::<BTreeMap<_, _>>();
        if sorted(&loaded.states) != sorted(&source.states) {
            return damaged("its states are others".into());
        }
        let tree = Tree { range: integrated.range, edge: integrated.edge, ..Tree::empty() };
        for head in heads {
            if root_at(self.store, &tree, head.size)? != Some(head.root) {
                return damaged(format!(
                    "its entries do not lead to the root that was signed for {} entries",
                    head.size
                ));
            }
        }
        Ok(())
    }
}

/// The root of an earlier size; none for a size that the tree has not reached.
fn root_at(store: &impl Store, tree: &Tree, size: TreeSize) -> Result<Option<Hash>, StoreError> {
    let mut hashes = Vec::new();
    for node in CompactRange::nodes(0, size.get()) {
        let (tile, ..) = node.tile();
        let bytes = match store.tile(tile)? {
            Some(bytes) => Some(bytes),
            None => tree.edge.tile(tile, partial_width(tile.level, TreeSize::new(tree.size()))),
        };
        let Some(hash) = bytes.and_then(|bytes| tile_node_in_bytes(&bytes, node)) else { return Ok(None) };
        hashes.push(hash);
    }
    Ok(CompactRange::from_hashes(0, size.get(), hashes).ok().and_then(|range| range.root()))
}
