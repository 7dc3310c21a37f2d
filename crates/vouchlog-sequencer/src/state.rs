//! What the engine holds in memory: the tree's right edge, which only the sequencer has, and the directory of streams and
//! gateways, which request checks read.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tracing::Span;
use vouchlog_api::{Error, Result};
use vouchlog_merkle::{CompactRange, LeafIndex};
use vouchlog_note::{KeyName, Origin, Policy, VerifyingKey};
use vouchlog_runtime::Poison;
use vouchlog_storage::{Index, StateKey};
use vouchlog_stream::{
    GatewayState, LoggedAt, Operators, QuotaScope, QuotaState, Retirement, StreamId, StreamState,
    StreamStatus, Usage, WitnessKeys,
};

use crate::config::Options;
use crate::edge::Edge;
use crate::limits::MAX_SHARED_NAMES;
use crate::log_time::LogTime;
use crate::metrics::SequencerMetrics;
use crate::publish::{Published, Publisher};
use crate::quotas::Quotas;
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

/// A log that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RetiredLog {
    /// Its last entry, the retirement.
    pub(crate) index: LeafIndex,
    pub(crate) retirement: Retirement,
}

impl fmt::Display for RetiredLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, retirement } = self;
        let (cause, successor) = (retirement.cause, &retirement.successor);
        write!(
            f,
            "the log was retired by entry {index} ({cause}) and takes nothing more: the log `{}` continues it, with the vkey {successor}",
            successor.name()
        )
    }
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
    /// The keys of gateways by the entry that enrolled each.
    pub(crate) enrolled: BTreeMap<LeafIndex, VerifyingKey>,
    /// The keys of each name that no other key took the place of: one, except in logs that enrolled a second one before names
    /// belonged to keys.
    holders: HashMap<KeyName, Vec<VerifyingKey>>,
    pub(crate) quotas: Quotas,
    /// The operator's keys; none before the genesis entry is read.
    pub(crate) operators: Option<Operators>,
    /// The rotations of witnesses' keys that are entries.
    pub(crate) witness_keys: WitnessKeys,
    /// The streams of each gateway key that has any here.
    pub(crate) by_gateway: HashMap<VerifyingKey, BTreeSet<StreamId>>,
    /// The open streams of each gateway key that has any: opening one must not look at every stream there ever was.
    open: HashMap<VerifyingKey, BTreeSet<StreamId>>,
    /// Streams that can be evicted, those first that ended first, and the place each has there.
    ended: BTreeSet<Ended>,
    ended_places: HashMap<StreamId, Ended>,
    /// Every entry of every stream that was evicted lies below this size; 0 when none was.
    pub(crate) evicted_below: u64,
    /// The newest minimum index that an entry announces, if one does.
    pub(crate) announced: Option<Announcement>,
    /// Set once the log has ended. It is not among the states: it follows from the last entry.
    pub(crate) retired: Option<Arc<RetiredLog>>,
}

/// A minimum index that an entry announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// The minimum index.
    pub(crate) minimum: u64,
    /// The entry.
    pub(crate) index: LeafIndex,
}

/// The streams that leave with a batch.
#[derive(Debug, Default)]
pub(crate) struct Eviction {
    pub(crate) streams: Vec<StreamId>,
    /// Their entries, and those of the streams evicted before, lie below this size.
    pub(crate) below: u64,
}

impl Eviction {
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// The states that record it in the store.
    pub(crate) fn states(&self) -> impl Iterator<Item = (StateKey, Bytes)> {
        let below = (!self.is_empty()).then(|| stored_evicted_below(self.below));
        self.streams.iter().copied().map(removed_stream).chain(below)
    }
}

/// The place of a stream that has ended among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ended {
    /// All entries of it lie below this size of the log.
    below: u64,
    /// The last of them, as far as its state tells: after a start, when only the log's own size is known, it gives the order.
    last: u64,
    id: StreamId,
}

impl Ended {
    fn of(stream: &StreamState, below: u64) -> Self {
        let id = stream.id();
        let run = stream.runs().last().map(|run| run.first.get() + u64::from(run.count));
        let successor = match stream.status() {
            StreamStatus::Superseded(by) => Some(by.get()),
            _ => None,
        };
        Self { below, last: run.max(successor).map_or(id.get(), |last| last.max(id.get())), id }
    }
}

const STREAM: u8 = b's';
const GATEWAY: u8 = b'g';
const CHECKPOINT: u8 = b'c';
const SIGNED: u8 = b'n';
const EVICTED_BELOW: u8 = b'e';
const QUOTA: u8 = b'q';
const USAGE: u8 = b'u';
const OPERATORS: u8 = b'o';
const WITNESS_KEYS: u8 = b'w';
const ANNOUNCEMENT: u8 = b'p';

impl Directory {
    /// Reads the states of a store that holds `size` entries; `None` when one is damaged.
    pub(crate) fn load(states: &[(StateKey, Bytes)], size: u64) -> Option<Self> {
        let mut directory = Self::default();
        let mut usage = Vec::new();
        for (key, value) in states {
            match *key.as_bytes().first()? {
                STREAM => directory.put_stream(StreamState::from_bytes(value)?, size),
                GATEWAY => directory.put_gateway(GatewayState::from_bytes(value)?),
                EVICTED_BELOW => {
                    let below = u64::from_be_bytes(value.as_ref().try_into().ok()?);
                    directory.evicted_below = Some(below).filter(|below| *below <= size)?;
                }
                QUOTA => directory.quotas.put_quota(QuotaState::from_bytes(value)?),
                USAGE => usage.push(Usage::from_bytes(value)?),
                OPERATORS => directory.operators = Some(Operators::from_bytes(value)?),
                WITNESS_KEYS => directory.witness_keys = WitnessKeys::from_bytes(value)?,
                ANNOUNCEMENT => directory.announced = Some(announcement(value, size)?),
                CHECKPOINT | SIGNED => {}
                _ => return None,
            }
        }
        // Held against the quotas, so after all of them.
        usage.into_iter().for_each(|usage| directory.quotas.put_usage(usage));
        Some(directory)
    }

    /// The operator's keys.
    ///
    /// # Errors
    /// Before the genesis entry is read.
    pub(crate) fn operators(&self) -> Result<&Operators> {
        self.operators.as_ref().ok_or_else(|| Error::internal("the log's operator is not known yet"))
    }

    /// Adds or replaces a stream, all entries of which lie below `size`.
    pub(crate) fn put_stream(&mut self, stream: StreamState, size: u64) {
        self.by_key.insert(stream.key().clone(), stream.id());
        if !self.streams.contains_key(&stream.id()) {
            self.by_gateway.entry(stream.gateway().clone()).or_default().insert(stream.id());
        }
        if stream.status() == StreamStatus::Open {
            self.open.entry(stream.gateway().clone()).or_default().insert(stream.id());
        } else if let Some(open) = self.open.get_mut(stream.gateway()) {
            open.remove(&stream.id());
            if open.is_empty() {
                self.open.remove(stream.gateway());
            }
        }
        self.no_longer_ended(stream.id());
        // A fork is evidence that no entry holds: it stays.
        if stream.has_ended() && stream.fork().is_none() {
            let place = Ended::of(&stream, size);
            self.ended.insert(place);
            self.ended_places.insert(stream.id(), place);
        }
        self.streams.insert(stream.id(), Arc::new(stream));
    }

    fn no_longer_ended(&mut self, id: StreamId) {
        if let Some(place) = self.ended_places.remove(&id) {
            self.ended.remove(&place);
        }
    }

    /// How many streams could be evicted if the index covered them.
    pub(crate) fn ended(&self) -> usize {
        self.ended.len()
    }

    /// The eviction of the first `count` streams that ended, of those that the index covers and that are not among `touched`.
    pub(crate) fn eviction(&self, count: usize, covered: u64, touched: &HashSet<StreamId>) -> Eviction {
        let ended = self.ended.iter().take(count).take_while(|ended| ended.below <= covered);
        let mut eviction = Eviction { streams: Vec::new(), below: self.evicted_below };
        for ended in ended.filter(|ended| !touched.contains(&ended.id)) {
            eviction.streams.push(ended.id);
            eviction.below = eviction.below.max(ended.below);
        }
        eviction
    }

    pub(crate) fn evict(&mut self, eviction: &Eviction) {
        for id in &eviction.streams {
            self.no_longer_ended(*id);
            let Some(stream) = self.streams.remove(id) else { continue };
            if self.by_key.get(stream.key()) == Some(id) {
                self.by_key.remove(stream.key());
            }
            if let Some(streams) = self.by_gateway.get_mut(stream.gateway()) {
                streams.remove(id);
                if streams.is_empty() {
                    self.by_gateway.remove(stream.gateway());
                }
            }
        }
        self.evicted_below = self.evicted_below.max(eviction.below);
    }

    /// The open streams that the gateway key opened, oldest first.
    pub(crate) fn open_streams(&self, gateway: &VerifyingKey) -> impl DoubleEndedIterator<Item = StreamId> {
        self.open.get(gateway).into_iter().flatten().copied()
    }

    pub(crate) fn put_gateway(&mut self, gateway: GatewayState) {
        let holders = self.holders.entry(gateway.key.name().clone()).or_default();
        holders.retain(|key| *key != gateway.key);
        if gateway.replaced.is_none() {
            holders.push(gateway.key.clone());
        }
        self.enrolled.insert(gateway.enrolled, gateway.key.clone());
        self.gateways.insert(gateway.key.clone(), Arc::new(gateway));
    }

    /// Whether a key can still be enrolled: it is not, and the log has not ended.
    pub(crate) fn takes(&self, key: &VerifyingKey) -> bool {
        self.retired.is_none() && !self.gateways.contains_key(key)
    }

    /// The keys that hold a name.
    pub(crate) fn holders(&self, name: &KeyName) -> &[VerifyingKey] {
        self.holders.get(name).map_or(&[], Vec::as_slice)
    }

    /// What to tell the operator about names that several keys hold, in words; at most [`MAX_SHARED_NAMES`].
    pub(crate) fn shared_names(&self) -> Vec<String> {
        let mut shared: Vec<_> = self.holders.iter().filter(|(_, keys)| keys.len() > 1).collect();
        shared.sort_unstable_by_key(|(name, _)| *name);
        let words = |(name, keys): (&KeyName, &Vec<VerifyingKey>)| {
            let mut ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
            ids.sort_unstable();
            let ids = ids.join(", ");
            format!(
                "the gateway name {:?} has {} keys ({ids}), enrolled without a rotation or replacement: revoke those that are not the gateway's",
                name.as_str(),
                keys.len()
            )
        };
        shared.into_iter().take(MAX_SHARED_NAMES).map(words).collect()
    }
}

/// A stream's state as the store keeps it.
pub(crate) fn stored_stream(stream: &StreamState) -> (StateKey, Bytes) {
    (stream_key(stream.id()), stream.to_bytes().into())
}

/// What makes the store forget a stream.
pub(crate) fn removed_stream(id: StreamId) -> (StateKey, Bytes) {
    (stream_key(id), Bytes::new())
}

/// Up to where the entries of evicted streams reach, as the store keeps it.
pub(crate) fn stored_evicted_below(size: u64) -> (StateKey, Bytes) {
    (StateKey::new(vec![EVICTED_BELOW]), Bytes::copy_from_slice(&size.to_be_bytes()))
}

fn stream_key(id: StreamId) -> StateKey {
    StateKey::new([&[STREAM][..], &id.get().to_be_bytes()].concat())
}

/// A gateway's state as the store keeps it. Its key is the hash of the vkey: names may be long.
pub(crate) fn stored_gateway(gateway: &GatewayState) -> (StateKey, Bytes) {
    let name = vouchlog_merkle::sha256(gateway.key.to_string().as_bytes());
    (StateKey::new([&[GATEWAY][..], name.as_bytes()].concat()), gateway.to_bytes().into())
}

/// A quota as the store keeps it. Its key is a hash: names may be long.
pub(crate) fn stored_quota(quota: &QuotaState) -> (StateKey, Bytes) {
    let key = match &quota.scope {
        QuotaScope::All => vec![QUOTA],
        QuotaScope::Gateway(name) => named_key(QUOTA, name.as_str()),
    };
    (StateKey::new(key), quota.to_bytes().into())
}

/// The operator's keys as the store keeps them, once one was changed: the first is in the genesis entry.
pub(crate) fn stored_operators(operators: &Operators) -> (StateKey, Bytes) {
    (StateKey::new(vec![OPERATORS]), operators.to_bytes().into())
}

/// The rotations of witnesses' keys as the store keeps them, once there are any.
pub(crate) fn stored_witness_keys(keys: &WitnessKeys) -> (StateKey, Bytes) {
    (StateKey::new(vec![WITNESS_KEYS]), keys.to_bytes().into())
}

/// The newest announcement of a minimum index as the store keeps it: the minimum (8), then the entry (8). Versions that know none must not
/// take a pruned log for damaged.
pub(crate) fn stored_announcement(announced: &Announcement) -> (StateKey, Bytes) {
    let value = [announced.minimum.to_be_bytes(), announced.index.get().to_be_bytes()].concat();
    (StateKey::new(vec![ANNOUNCEMENT]), value.into())
}

fn announcement(value: &[u8], size: u64) -> Option<Announcement> {
    let (minimum, index) = value.split_first_chunk::<8>()?;
    let minimum = u64::from_be_bytes(*minimum);
    let index = u64::from_be_bytes(index.try_into().ok()?);
    (minimum <= index && index < size).then_some(Announcement { minimum, index: LeafIndex::new(index) })
}

/// A gateway's usage as the store keeps it; that of a new day replaces it.
pub(crate) fn stored_usage(usage: &Usage) -> (StateKey, Bytes) {
    (StateKey::new(named_key(USAGE, usage.gateway.as_str())), usage.to_bytes().into())
}

fn named_key(kind: u8, name: &str) -> Vec<u8> {
    [&[kind][..], vouchlog_merkle::sha256(name.as_bytes()).as_bytes()].concat()
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
    pub(crate) time: LogTime,
    pub(crate) options: Options,
    /// What a published checkpoint must satisfy, if the log has witnesses.
    pub(crate) policy: Option<Policy>,
    pub(crate) directory: RwLock<Directory>,
    /// The lookup index, which the follower fills.
    pub(crate) index: Option<Arc<dyn Index>>,
    pub(crate) publisher: Publisher,
    pub(crate) metrics: SequencerMetrics,
    /// Whether the log stopped writing for good, and why.
    pub(crate) poison: Poison,
    /// Why the newest committed head has no signature yet, if it has none.
    pub(crate) unsigned: Mutex<Option<String>>,
    /// The span in which the log was opened.
    pub(crate) span: Span,
}

impl<S> Shared<S> {
    /// Why the log stopped writing for good, if it did.
    pub(crate) fn poison(&self) -> Option<Arc<str>> {
        self.poison.reason()
    }

    /// Stops all writing: the state of the store is unknown, and only reopening it shows which. Reads continue.
    pub(crate) fn set_poison(&self, reason: &str) {
        tracing::error!(reason, "the log stops writing; restart it to recover");
        self.metrics.poisoned.set(1);
        self.poison.set(reason);
    }
}

impl<S> Shared<S> {
    /// Reports that the newest head got no signature, for this reason.
    pub(crate) fn not_signed(&self, error: &str) {
        self.metrics.signer_failures.inc();
        self.metrics.unsigned.set(1);
        let before = self.unsigned.lock().replace(error.to_owned());
        if before.is_none() {
            tracing::error!(error, "a committed head is not signed yet: nothing is acknowledged until it is");
        }
    }

    /// Reports that the newest head is signed.
    pub(crate) fn signed(&self) {
        if self.unsigned.lock().take().is_some() {
            self.metrics.unsigned.set(0);
            tracing::info!("the committed head is signed: the log goes on");
        }
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
