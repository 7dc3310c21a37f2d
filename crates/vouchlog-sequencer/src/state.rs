//! What the engine holds in memory: the tree's right edge, which only the sequencer has, and the directory of streams and
//! gateways, which request checks read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;
use tokio::sync::watch;
use vouchlog_merkle::CompactRange;
use vouchlog_note::{Origin, Policy, VerifyingKey};
use vouchlog_storage::{Head, StateKey};
use vouchlog_stream::{GatewayState, LoggedAt, StreamId, StreamState};

use crate::config::{Clock, Options};
use crate::edge::Edge;
use crate::metrics::Metrics;
use crate::publish::{Published, Publisher};

/// The committed tree, as far as growing it needs.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// None before the genesis entry is committed.
    pub(crate) head: Option<Head>,
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
}

const STREAM: u8 = b's';
const GATEWAY: u8 = b'g';
const CHECKPOINT: u8 = b'c';

impl Directory {
    /// Reads the states of a store; `None` when one is damaged.
    pub(crate) fn load(states: &[(StateKey, Bytes)]) -> Option<Self> {
        let mut directory = Self::default();
        for (key, value) in states {
            match *key.as_bytes().first()? {
                STREAM => directory.put_stream(StreamState::from_bytes(value)?),
                GATEWAY => directory.put_gateway(GatewayState::from_bytes(value)?),
                CHECKPOINT => {}
                _ => return None,
            }
        }
        Some(directory)
    }

    pub(crate) fn put_stream(&mut self, stream: StreamState) {
        self.by_key.insert(stream.key().clone(), stream.id());
        self.streams.insert(stream.id(), Arc::new(stream));
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

/// Shared by the sequencer, its followers and every handle.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) store: Arc<S>,
    pub(crate) origin: Origin,
    /// The keys that sign checkpoints, the Ed25519 key first.
    pub(crate) log_keys: Vec<VerifyingKey>,
    pub(crate) operator: VerifyingKey,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    /// What a published checkpoint must satisfy, if the log has witnesses.
    pub(crate) policy: Option<Policy>,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    /// Why the log stopped writing for good, if it did.
    pub(crate) poison: watch::Sender<Option<String>>,
}

impl<S> Shared<S> {
    /// Why the log stopped writing for good, if it did.
    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.borrow().clone()
    }

    /// Waits until the log has stopped writing for good. Returns why.
    pub(crate) fn poisoned(&self) -> impl Future<Output = String> + Send + use<S> {
        let mut poison = self.poison.subscribe();
        async move {
            let reason = poison.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            // The log is gone: it writes nothing more, and nothing went wrong.
            match reason {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        }
    }

    /// Stops all writing: the state of the store is unknown, and only opening it anew can tell. Reads go on.
    pub(crate) fn set_poison(&self, reason: &str) {
        tracing::error!(reason, "the log stops writing; restart it to recover");
        self.metrics.poisoned.set(1);
        self.poison.send_if_modified(|poison| {
            let is_first = poison.is_none();
            poison.get_or_insert_with(|| reason.to_owned());
            is_first
        });
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
