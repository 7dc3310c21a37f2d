//! What the engine holds in memory: the tree's right edge, which only the sequencer has, and the directory of streams and
//! gateways, which request checks read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use vouchlog_merkle::CompactRange;
use vouchlog_note::{Origin, Policy, VerifyingKey};
use vouchlog_runtime::Poison;
use vouchlog_storage::StateKey;
use vouchlog_stream::{GatewayState, LoggedAt, StreamId, StreamState, StreamStatus};

use crate::config::Options;
use crate::edge::Edge;
use crate::log_time::LogTime;
use crate::metrics::Metrics;
use crate::publish::{Published, Publisher};
use crate::signer::SignedHead;

/// The committed tree, as far as growing it needs.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// None before the genesis entry is committed.
    pub(crate) head: Option<SignedHead>,
    pub(crate) range: CompactRange,
    pub(crate) edge: Edge,
    /// Time of the last entry; entries never go back in time.
    pub(crate) logged_at: LoggedAt,
}

impl Tree {
    pub(crate) fn empty() -> Self {
        Self { head: None, range: CompactRange::new(), edge: Edge::default(), logged_at: LoggedAt::default() }
    }

    pub(crate) fn size(&self) -> u64 {
        self.range.end()
    }
}

/// Streams and gateways. Every state is also in the store, under the key it has here.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) streams: HashMap<StreamId, Arc<StreamState>>,
    /// Streams by their key: a key opens one stream only.
    pub(crate) by_key: HashMap<VerifyingKey, StreamId>,
    pub(crate) gateways: HashMap<VerifyingKey, Arc<GatewayState>>,
    /// The open streams of each gateway key that has any: opening one must not look at every stream there ever was.
    open: HashMap<VerifyingKey, BTreeSet<StreamId>>,
}

const STREAM: u8 = b's';
const GATEWAY: u8 = b'g';
const CHECKPOINT: u8 = b'c';
const SIGNED: u8 = b'n';

impl Directory {
    /// Reads the states of a store; `None` when one is damaged.
    pub(crate) fn load(states: &[(StateKey, Bytes)]) -> Option<Self> {
        let mut directory = Self::default();
        for (key, value) in states {
            match *key.as_bytes().first()? {
                STREAM => directory.put_stream(StreamState::from_bytes(value)?),
                GATEWAY => directory.put_gateway(GatewayState::from_bytes(value)?),
                CHECKPOINT | SIGNED => {}
                _ => return None,
            }
        }
        Some(directory)
    }

    pub(crate) fn put_stream(&mut self, stream: StreamState) {
        self.by_key.insert(stream.key().clone(), stream.id());
        if stream.status() == StreamStatus::Open {
            self.open.entry(stream.gateway().clone()).or_default().insert(stream.id());
        } else if let Some(open) = self.open.get_mut(stream.gateway()) {
            open.remove(&stream.id());
            if open.is_empty() {
                self.open.remove(stream.gateway());
            }
        }
        self.streams.insert(stream.id(), Arc::new(stream));
    }

    /// The open streams that the gateway key opened, oldest first.
    pub(crate) fn open_streams(&self, gateway: &VerifyingKey) -> impl DoubleEndedIterator<Item = StreamId> {
        self.open.get(gateway).into_iter().flatten().copied()
    }

    pub(crate) fn put_gateway(&mut self, gateway: GatewayState) {
        self.gateways.insert(gateway.key.clone(), Arc::new(gateway));
    }
}

/// A stream's state as the store keeps it.
pub(crate) fn stored_stream(stream: &StreamState) -> (StateKey, Bytes) {
    let key = [&[STREAM][..], &stream.id().get().to_be_bytes()].concat();
    (StateKey::new(key), stream.to_bytes().into())
}

/// A gateway's state as the store keeps it. Its key is the hash of the vkey: names may be long.
pub(crate) fn stored_gateway(gateway: &GatewayState) -> (StateKey, Bytes) {
    let name = vouchlog_merkle::sha256(gateway.key.to_string().as_bytes());
    (StateKey::new([&[GATEWAY][..], name.as_bytes()].concat()), gateway.to_bytes().into())
}

/// The published checkpoint as the store keeps it, so that there is one to show after a restart without witnesses.
pub(crate) fn stored_published(published: &Published) -> (StateKey, Bytes) {
    (StateKey::new(vec![CHECKPOINT]), published.checkpoint().to_owned().into())
}

/// The note of the checkpoint that was published last, among the states of a store.
pub(crate) fn last_published(states: &[(StateKey, Bytes)]) -> Option<&[u8]> {
    let stored = states.iter().find(|(key, _)| key.as_bytes() == [CHECKPOINT]);
    stored.map(|(_, note)| note.as_ref())
}

/// The checkpoint of the head before, as the store keeps it: a head is signed after it is committed, so its note goes along with
/// the next commit.
pub(crate) fn stored_signed(head: &SignedHead) -> (StateKey, Bytes) {
    (StateKey::new(vec![SIGNED]), head.checkpoint.clone().into())
}

/// The newest note the log signed that is among the states of a store.
pub(crate) fn last_signed(states: &[(StateKey, Bytes)]) -> Option<&[u8]> {
    let stored = states.iter().find(|(key, _)| key.as_bytes() == [SIGNED]);
    stored.map(|(_, note)| note.as_ref())
}

/// The states of notes that are at hand.
pub(crate) fn note_states(signed: Option<&[u8]>, published: Option<&[u8]>) -> Vec<(StateKey, Bytes)> {
    let state = |key: u8, note: &[u8]| (StateKey::new(vec![key]), Bytes::copy_from_slice(note));
    let signed = signed.map(|note| state(SIGNED, note));
    signed.into_iter().chain(published.map(|note| state(CHECKPOINT, note))).collect()
}

/// Shared by the sequencer, its followers and every handle.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) store: Arc<S>,
    pub(crate) origin: Origin,
    /// The keys that sign checkpoints, the Ed25519 key first.
    pub(crate) log_keys: Vec<VerifyingKey>,
    pub(crate) operator: VerifyingKey,
    pub(crate) time: LogTime,
    pub(crate) options: Options,
    /// What a published checkpoint must satisfy, if the log has witnesses.
    pub(crate) policy: Option<Policy>,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    /// Whether the log stopped writing for good, and why.
    pub(crate) poison: Poison,
}

impl<S> Shared<S> {
    /// Why the log stopped writing for good, if it did.
    pub(crate) fn poison(&self) -> Option<Arc<str>> {
        self.poison.reason()
    }

    /// Stops all writing: the state of the store is unknown, and only opening it anew can tell. Reads go on.
    pub(crate) fn set_poison(&self, reason: &str) {
        tracing::error!(reason, "the log stops writing; restart it to recover");
        self.metrics.poisoned.set(1);
        self.poison.set(reason);
    }
}

/// Held by the thread that owns the tree: if that panics, nothing is written any more.
pub(crate) struct PanicGuard<S>(pub(crate) Arc<Shared<S>>);

impl<S> Drop for PanicGuard<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.set_poison("the sequencer panicked");
        }
    }
}
