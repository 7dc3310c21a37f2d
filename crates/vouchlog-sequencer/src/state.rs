//! What the engine holds in memory: the tree's right edge, which only the sequencer has, and the directory of streams and
//! gateways, which request checks read.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use vouchlog_merkle::CompactRange;
use vouchlog_note::{Origin, VerifyingKey};
use vouchlog_storage::{Head, StateKey};
use vouchlog_stream::{GatewayState, LoggedAt, StreamId, StreamState};

use crate::config::{Clock, Options};
use crate::edge::Edge;
use crate::metrics::Metrics;
use crate::publish::Publisher;

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

impl Directory {
    /// Reads the states of a store; `None` when one is damaged.
    pub(crate) fn load(states: &[(StateKey, Bytes)]) -> Option<Self> {
        let mut directory = Self::default();
        for (key, value) in states {
            match *key.as_bytes().first()? {
                STREAM => directory.put_stream(StreamState::from_bytes(value)?),
                GATEWAY => directory.put_gateway(GatewayState::from_bytes(value)?),
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

/// Shared by the sequencer, its followers and every handle.
#[derive(Debug)]
pub(crate) struct Shared<S> {
    pub(crate) store: Arc<S>,
    pub(crate) origin: Origin,
    pub(crate) log_key: VerifyingKey,
    pub(crate) operator: VerifyingKey,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: Metrics,
    poison: Mutex<Option<String>>,
}

impl<S> Shared<S> {
    #[allow(clippy::too_many_arguments, reason = "called once, where all of these come to be")]
    pub(crate) fn new(
        store: Arc<S>,
        origin: Origin,
        log_key: VerifyingKey,
        operator: VerifyingKey,
        clock: Clock,
        options: Options,
        directory: Directory,
        publisher: Publisher,
        metrics: Metrics,
    ) -> Self {
        let directory = RwLock::new(directory);
        let poison = Mutex::new(None);
        Self { store, origin, log_key, operator, clock, options, directory, publisher, metrics, poison }
    }

    /// Why the log stopped writing for good, if it did.
    pub(crate) fn poison(&self) -> Option<String> {
        self.poison.lock().clone()
    }

    /// Stops all writing: the state of the store is unknown, and only opening it anew can tell. Reads go on.
    pub(crate) fn set_poison(&self, reason: &str) {
        tracing::error!(reason, "the log stops writing; restart it to recover");
        self.metrics.poisoned.set(1);
        self.poison.lock().get_or_insert_with(|| reason.to_owned());
    }
}
