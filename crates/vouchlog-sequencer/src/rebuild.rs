//! Writing a log again from its entries: the tree grows as it always does, and the states of streams and gateways are replayed.

use std::collections::HashMap;

use bytes::{Bytes, BytesMut};
use vouchlog_merkle::{Hash, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{KeyName, Origin, SignedCheckpoint, VerifyingKey};
use vouchlog_storage::{Batch, CommitError, Growth, StateKey, Store, StoreError};
use vouchlog_stream::{Entry, StreamId, StreamState, Usage};

use crate::edge::frame;
use crate::replay::Replay;
use crate::sequence::integrate;
use crate::state::{
    Directory, Tree, last_published, last_signed, note_states, stored_announcement, stored_gateway,
    stored_operators, stored_quota, stored_stream, stored_usage, stored_witness_keys,
};

/// Bytes of entries or states in one commit.
pub(crate) const COMMIT_BYTES: usize = 2 * 1024 * 1024;

/// A log that is being written again, into an empty store.
pub struct Rebuilder<'a, S> {
    store: &'a S,
    key: &'a VerifyingKey,
    tree: Tree,
    committed: Option<u64>,
    replay: Replay<'a>,
    waiting: BytesMut,
    broken: Vec<String>,
}

/// What a rebuilt log lacks, and what its entries break.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Streams whose newest head is in no copy of the states and is not an entry. The log cannot show the gateway's signature of
    /// their size.
    pub without_head: Vec<StreamId>,
    /// Rules of streams that entries break; a log written by this engine has none.
    pub broken: Vec<String>,
}

impl<'a, S: Store> Rebuilder<'a, S> {
    /// Begins the log `origin`, whose key is `key`, in an empty store.
    pub fn new(store: &'a S, origin: &'a Origin, key: &'a VerifyingKey) -> Self {
        Self {
            store,
            key,
            tree: Tree::empty(),
            committed: None,
            replay: Replay::new(origin, key),
            waiting: BytesMut::new(),
            broken: Vec::new(),
        }
    }

    /// Adds framed entries.
    pub fn push(&mut self, framed: &[u8]) -> Result<(), CommitError> {
        self.waiting.extend_from_slice(framed);
        if self.waiting.len() < COMMIT_BYTES { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), CommitError> {
        let bytes = self.waiting.split().freeze();
        let refused = |what: &str| CommitError::Refused(what.to_owned());
        let entries = frame(&[bytes]).ok_or_else(|| refused("the entries are not framed"))?;
        if entries.starts.is_empty() {
            return Ok(());
        }
        for (entry, index) in entries.entries().zip(self.tree.size()..) {
            let replayed = match Entry::decode(entry) {
                Ok(entry) => self.replay.entry(index, &entry),
                Err(error) => Err(error.to_string()),
            };
            if let Err(message) = replayed {
                self.broken.push(format!("entry {index}: {message}"));
            }
        }
        let leaves: Vec<Hash> = entries.entries().map(leaf_hash).collect();
        let integrated = integrate(&self.tree, &entries, &leaves);
        let head = integrated.head;
        let (count, growth) = (leaves.len() as u64, integrated.growth);
        self.store.commit(
            self.committed,
            Batch { head, count, entries: entries.bytes, states: Vec::new(), growth },
        )?;
        self.committed = Some(head.size.get());
        self.tree = Tree { range: integrated.range, edge: integrated.edge, ..Tree::empty() };
        Ok(())
    }

    /// Commits what waits and the states, which must lead to `expected`. `kept` are states that were found; of these, a stream is
    /// taken over when its statements are those of the log, and a note when the log is as long.
    pub fn finish(
        mut self,
        expected: TreeHead,
        kept: &[Vec<(StateKey, Bytes)>],
    ) -> Result<Rebuilt, CommitError> {
        self.commit()?;
        let root = self.tree.range.root();
        if (self.tree.size(), root) != (expected.size.get(), Some(expected.root)) {
            return Err(CommitError::Refused("the entries do not lead to the head that was verified".into()));
        }
        // They may be of another size than what is rebuilt; every stream is compared with its entries below.
        let directories: Vec<Directory> =
            kept.iter().filter_map(|states| Directory::load(states, u64::MAX)).collect();
        let mut states =
            note_states(self.newest_note(kept, last_signed), self.newest_note(kept, last_published));
        let mut rebuilt = Rebuilt { broken: self.broken, ..Rebuilt::default() };
        for (id, replayed) in &self.replay.streams {
            let stream = whole_state(replayed, &directories).unwrap_or(replayed);
            if stream.size() > 0 && stream.head_note().is_none() {
                rebuilt.without_head.push(*id);
            }
            states.push(stored_stream(stream));
        }
        states.extend(self.replay.gateways.values().map(stored_gateway));
        states.extend(self.replay.quotas.values().map(stored_quota));
        // Versions that know no such changes open a log that has none.
        let operators = self.replay.operators.iter().filter(|operators| !operators.changes().is_empty());
        states.extend(operators.map(stored_operators));
        if !self.replay.witness_keys.rotations().is_empty() {
            states.push(stored_witness_keys(&self.replay.witness_keys));
        }
        states.extend(self.replay.announced.iter().map(stored_announcement));
        states.extend(newest_usage(&directories).into_values().map(stored_usage));
        commit_states(self.store, expected, states)?;
        Ok(rebuilt)
    }

    /// The note of the largest head among kept states that the log covers.
    fn newest_note<'k>(
        &self,
        kept: &'k [Vec<(StateKey, Bytes)>],
        note: impl Fn(&'k [(StateKey, Bytes)]) -> Option<&'k [u8]>,
    ) -> Option<&'k [u8]> {
        let notes = kept.iter().filter_map(|states| note(states));
        let opened = notes.filter_map(|note| {
            let head = SignedCheckpoint::open(note, self.replay.origin(), self.key).ok()?.head();
            (head.size.get() <= self.tree.size()).then_some((head.size, note))
        });
        opened.max_by_key(|(size, _)| *size).map(|(_, note)| note)
    }
}

/// The state of a stream that holds the same statements and, beyond what entries tell, its newest head and runs.
fn whole_state<'d>(replayed: &StreamState, directories: &'d [Directory]) -> Option<&'d StreamState> {
    let found = directories.iter().filter_map(|directory| directory.streams.get(&replayed.id()));
    found
        .map(std::convert::AsRef::as_ref)
        .filter(|stored| Replay::difference(replayed, stored).is_none())
        .max_by_key(|stored| stored.head_timestamp())
}

/// What gateways had used of their quotas, as the newest of the kept states has it: entries do not tell.
fn newest_usage(directories: &[Directory]) -> HashMap<&KeyName, &Usage> {
    let mut newest: HashMap<&KeyName, &Usage> = HashMap::new();
    for usage in directories.iter().flat_map(|directory| directory.quotas.all_usage()) {
        let rank = |usage: &Usage| (usage.day, usage.used.bytes);
        let known = newest.entry(&usage.gateway).or_insert(usage);
        if rank(usage) > rank(known) {
            *known = usage;
        }
    }
    newest
}

pub(crate) fn commit_states(
    store: &impl Store,
    head: TreeHead,
    states: Vec<(StateKey, Bytes)>,
) -> Result<(), CommitError> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    let mut states = states.into_iter().peekable();
    while let Some((key, value)) = states.next() {
        bytes += key.as_bytes().len() + value.len();
        batch.push((key, value));
        if bytes >= COMMIT_BYTES || states.peek().is_none() {
            let states = std::mem::take(&mut batch);
            let size: TreeSize = head.size;
            let (entries, growth) = (Bytes::new(), Growth::default());
            store.commit(Some(size.get()), Batch { head, count: 0, entries, states, growth })?;
            bytes = 0;
        }
    }
    Ok(())
}

/// The heads of a log that its key signed, among the states of a store.
pub fn signed_heads(
    states: &[(StateKey, Bytes)],
    origin: &Origin,
    key: &VerifyingKey,
) -> Result<Vec<TreeHead>, StoreError> {
    let notes = [last_signed(states), last_published(states)].into_iter().flatten();
    notes
        .map(|note| {
            let opened = SignedCheckpoint::open(note, origin, key);
            opened.map(|signed| signed.head()).map_err(|error| StoreError::Damaged(error.to_string()))
        })
        .collect()
}
