//! The streams and gateways of a log, rebuilt from its entries. `fsck` compares them with the states a store keeps; `recover`
//! writes them where no states are left.

use std::collections::{BTreeMap, HashMap, HashSet};

use vouchlog_merkle::LeafIndex;
use vouchlog_note::{CosignedCheckpoint, Origin, VerifyingKey};
use vouchlog_stream::{
    Continuation, Enrolment, Entry, GatewayState, Genesis, LoggedAt, Operators, Pruning, Quota, QuotaScope,
    QuotaState, Retirement, Revocation, Revoked, StatementEntry, StreamId, StreamOpening, StreamState,
    StreamStatus, WitnessKeys, stream_origin,
};

use crate::state::{Announcement, Directory};

/// Every stream and gateway as far as the entries were replayed.
pub(crate) struct Replay<'a> {
    origin: &'a Origin,
    key: &'a VerifyingKey,
    pub(crate) operators: Option<Operators>,
    pub(crate) witness_keys: WitnessKeys,
    pub(crate) streams: BTreeMap<StreamId, StreamState>,
    /// The last entry that concerns each stream.
    last: HashMap<StreamId, u64>,
    pub(crate) gateways: HashMap<VerifyingKey, GatewayState>,
    pub(crate) quotas: HashMap<QuotaScope, QuotaState>,
    /// The newest announcement of a minimum index.
    pub(crate) announced: Option<Announcement>,
    /// Entries below were given up, some of them at least; 0 while none was met.
    pruned_until: u64,
    /// Streams of which entries were given up: what is left does not lead to their states.
    partial: HashSet<StreamId>,
    /// The entry that ended the log.
    retired: Option<u64>,
}

impl<'a> Replay<'a> {
    /// Begins with the log `origin`, whose genesis entry `key` signed.
    pub(crate) fn new(origin: &'a Origin, key: &'a VerifyingKey) -> Self {
        let (streams, last, gateways, quotas, partial) = Default::default();
        Self {
            origin,
            key,
            operators: None,
            witness_keys: WitnessKeys::default(),
            streams,
            last,
            gateways,
            quotas,
            announced: None,
            pruned_until: 0,
            partial,
            retired: None,
        }
    }

    pub(crate) fn origin(&self) -> &'a Origin {
        self.origin
    }

    /// Passes over entries that were given up, those before `end`.
    pub(crate) fn pass_pruned(&mut self, end: u64) {
        self.pruned_until = end;
    }

    /// Whether entries of a stream may be among those that were given up since its last one; from then on it is partial.
    fn is_partial(&mut self, id: StreamId) -> bool {
        let is_partial = self.lacks_entries(id);
        if is_partial {
            self.partial.insert(id);
        }
        is_partial
    }

    /// Whether what is left of a stream does not lead to its state.
    pub(crate) fn lacks_entries(&self, id: StreamId) -> bool {
        self.partial.contains(&id) || self.last.get(&id).is_some_and(|last| *last < self.pruned_until)
    }

    /// Takes an entry up; the error is the rule that it breaks.
    pub(crate) fn entry(&mut self, index: u64, entry: &Entry) -> Result<(), String> {
        let taken = self.take(index, entry);
        match self.retired.filter(|end| *end < index) {
            Some(end) => Err(format!("it follows the retirement of the log, entry {end}")),
            None => taken,
        }
    }

    fn take(&mut self, index: u64, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Genesis { note, .. } => {
                let genesis = Genesis::open(note, self.key).map_err(|error| error.to_string())?;
                self.operators = Some(Operators::new(genesis.operator));
                Ok(())
            }
            Entry::GatewayEnrolled { logged_at, note } => {
                self.enrolled(LeafIndex::new(index), note, *logged_at)
            }
            Entry::GatewayRevoked { note, .. } => self.revoked(LeafIndex::new(index), note),
            Entry::QuotaSet { note, .. } => self.quota(LeafIndex::new(index), note),
            Entry::OperatorChanged { note, .. } => self.operator_changed(LeafIndex::new(index), note),
            Entry::WitnessRotated { note, .. } => {
                let taken = self.witness_keys.take(LeafIndex::new(index), note);
                taken.map(drop).map_err(|error| error.to_string())
            }
            Entry::LogRetired { note, .. } => {
                self.retired.get_or_insert(index);
                Retirement::open_of(note, self.key).map(drop).map_err(|error| error.to_string())
            }
            Entry::LogContinued { .. } if index != 1 => {
                Err("a log names its predecessor in entry 1, or never".to_owned())
            }
            Entry::LogContinued { note, .. } => {
                Continuation::open(note, self.key).map(drop).map_err(|error| error.to_string())
            }
            Entry::LogPruned { note, .. } => {
                let pruning =
                    Pruning::open(note, self.origin, self.key).map_err(|error| error.to_string())?;
                self.announced =
                    Some(Announcement { minimum: pruning.minimum, index: LeafIndex::new(index) });
                Ok(())
            }
            Entry::Statement(statement) => {
                let fits = self.statement(statement);
                self.last.insert(statement.stream, index);
                fits
            }
            Entry::StreamOpened { note, .. } => self.opened(index, note),
            Entry::StreamHead { stream, note, .. } => {
                let fits = self.head(*stream, note);
                self.last.insert(*stream, index);
                fits
            }
            Entry::StreamClosed { stream, note, .. } => {
                let fits = self.head(*stream, note);
                self.last.insert(*stream, index);
                if let Some(stream) = self.streams.get_mut(stream) {
                    stream.close();
                }
                fits
            }
        }
    }

    /// Whether a stream may have left the store, when those that did have all their entries below `evicted_below`.
    pub(crate) fn may_be_evicted(&self, replayed: &StreamState, evicted_below: u64) -> bool {
        replayed.has_ended() && self.last.get(&replayed.id()).is_some_and(|last| *last < evicted_below)
    }

    /// How a stream in a store differs from what the entries lead to. Heads and runs that are not in the log are not compared.
    pub(crate) fn difference(replayed: &StreamState, stored: &StreamState) -> Option<&'static str> {
        let same = match (replayed.range(), stored.range()) {
            (Some(replayed), Some(stored)) => replayed == stored,
            _ => replayed.tree_head() == stored.tree_head(),
        };
        if !same {
            return Some("statements");
        }
        if (replayed.gateway(), replayed.key()) != (stored.gateway(), stored.key()) {
            return Some("keys");
        }
        if (replayed.previous(), replayed.status()) != (stored.previous(), stored.status()) {
            return Some("status");
        }
        None
    }

    /// What differs between these gateways and those of a store, in words.
    pub(crate) fn gateway_differences(&self, directory: &Directory) -> Vec<String> {
        let mut messages = Vec::new();
        for (key, gateway) in &self.gateways {
            match directory.gateways.get(key) {
                Some(stored) if **stored == *gateway => {}
                Some(_) => {
                    messages
                        .push(format!("the state of gateway `{}` does not match its entries", key.name()));
                }
                None => messages.push(format!("gateway `{}` has no state", key.name())),
            }
        }
        let unknown = directory.gateways.keys().filter(|key| !self.gateways.contains_key(key));
        messages.extend(
            unknown.map(|key| format!("gateway `{}` has a state, but was never enrolled", key.name())),
        );
        messages.sort_unstable();
        messages
    }

    /// What differs between these quotas and those of a store, in words.
    pub(crate) fn quota_differences(&self, directory: &Directory) -> Vec<String> {
        let stored = |scope: &QuotaScope| directory.quotas.get(scope);
        let missing = self.quotas.iter().filter(|(scope, quota)| stored(scope) != Some(quota));
        let missing = missing
            .map(|(_, quota)| format!("the quota set by entry {} does not match its state", quota.index));
        let unknown = directory.quotas.iter().filter(|(scope, _)| !self.quotas.contains_key(scope));
        let unknown = unknown
            .map(|(_, quota)| format!("a state names entry {} as a quota that it did not set", quota.index));
        let mut messages: Vec<String> = missing.chain(unknown).collect();
        messages.sort_unstable();
        messages
    }

    /// What differs between the rotations of witnesses' keys and those of a store, in words.
    pub(crate) fn witness_difference(&self, directory: &Directory) -> Option<String> {
        let same = self.witness_keys == directory.witness_keys;
        (!same).then(|| "the state of the witnesses' keys does not match its entries".to_owned())
    }

    /// What differs between the operator's keys and those of a store, in words. A store that keeps none has those of genesis.
    pub(crate) fn operator_difference(&self, directory: &Directory) -> Option<String> {
        let replayed = self.operators.as_ref()?;
        let same = match &directory.operators {
            Some(stored) => stored == replayed,
            None => replayed.changes().is_empty(),
        };
        (!same).then(|| "the state of the operator's keys does not match its entries".to_owned())
    }

    /// What differs between the announced minimum index and that of a store, in words.
    pub(crate) fn pruning_difference(&self, directory: &Directory) -> Option<String> {
        let same = self.announced == directory.announced;
        (!same).then(|| "the state of the log's minimum index does not match its entries".to_owned())
    }

    fn operator(&self) -> Result<&VerifyingKey, String> {
        self.operators.as_ref().map(Operators::key).ok_or_else(|| "no genesis entry precedes it".to_owned())
    }

    fn operator_changed(&mut self, index: LeafIndex, note: &str) -> Result<(), String> {
        let operators = self.operators.as_mut().ok_or("no genesis entry precedes it")?;
        operators.take(index, note, self.origin).map(drop).map_err(|error| error.to_string())
    }

    fn enrolled(&mut self, index: LeafIndex, note: &str, now: LoggedAt) -> Result<(), String> {
        let enrolment =
            Enrolment::open(note, self.origin, self.operator()?).map_err(|error| error.to_string())?;
        let key = enrolment.gateway.clone();
        let is_new = !self.gateways.contains_key(&key);
        self.gateways.entry(key.clone()).or_insert(GatewayState::enrolled(key, index));
        let Some(replaces) = &enrolment.replaces else { return Ok(()) };
        let Some(old) = self.gateways.get_mut(&replaces.key) else {
            return Err(format!("it replaces a key of `{}` that was never enrolled", replaces.key.name()));
        };
        if !is_new || old.replaced.is_some() {
            return Err(format!("the key of `{}` was replaced or enrolled before", replaces.key.name()));
        }
        old.replace(&enrolment, index, now);
        Ok(())
    }

    fn revoked(&mut self, index: LeafIndex, note: &str) -> Result<(), String> {
        let revocation =
            Revocation::open(note, self.origin, self.operator()?).map_err(|error| error.to_string())?;
        let Some(gateway) = self.gateways.get_mut(&revocation.gateway) else {
            return Err(format!("gateway `{}` was never enrolled", revocation.gateway.name()));
        };
        let (effective, reason) = (revocation.effective, revocation.reason);
        gateway.withdraw(Revoked { index, effective, reason });
        Ok(())
    }

    fn quota(&mut self, index: LeafIndex, note: &str) -> Result<(), String> {
        let Quota { scope, issued, limits, .. } =
            Quota::open(note, self.origin, self.operator()?).map_err(|error| error.to_string())?;
        if self.quotas.get(&scope).is_some_and(|known| known.issued >= issued) {
            return Err("the quota is older than the one before it".to_owned());
        }
        self.quotas.insert(scope.clone(), QuotaState { scope, limits, issued, index });
        Ok(())
    }

    fn statement(&mut self, entry: &StatementEntry) -> Result<(), String> {
        let id = entry.stream;
        let stream = self.streams.get_mut(&id).ok_or_else(|| never_opened(id))?;
        let expected = stream.size();
        stream.replay_statement(entry.statement.stream_leaf_hash());
        if stream.status() == StreamStatus::Closed {
            return Err(format!("stream {id} was already closed"));
        }
        if entry.sequence.get() != expected && !self.is_partial(id) {
            let found = entry.sequence;
            return Err(format!("stream {id} has sequence number {found} where {expected} follows"));
        }
        Ok(())
    }

    fn opened(&mut self, index: u64, note: &str) -> Result<(), String> {
        let id = StreamId::new(index).ok_or("a stream is opened past 2^40 entries")?;
        let opening = StreamOpening::open(note, self.origin).map_err(|error| error.to_string())?;
        let state = StreamState::new(id, opening.gateway, opening.stream, opening.previous);
        self.streams.insert(id, state);
        self.last.insert(id, index);
        let Some(previous) = opening.previous else { return Ok(()) };
        let continued = self.streams.get_mut(&previous.stream);
        let fits = continued.is_some_and(|stream| stream.supersede(id, previous.size).is_ok())
            || self.is_partial(previous.stream);
        self.last.insert(previous.stream, index);
        if fits {
            return Ok(());
        }
        Err(format!(
            "it continues stream {} at size {}, which is not its end",
            previous.stream, previous.size
        ))
    }

    /// A signed head in the log must be the head of the statements before it.
    fn head(&mut self, id: StreamId, note: &str) -> Result<(), String> {
        let stream = self.streams.get_mut(&id).ok_or_else(|| never_opened(id))?;
        let origin =
            Origin::new(&stream_origin(self.origin.as_str(), id)).map_err(|error| error.to_string())?;
        let head = CosignedCheckpoint::open(note.as_bytes(), &origin, stream.key())
            .map_err(|error| error.to_string())?;
        if stream.replay_head(&head) || self.is_partial(id) {
            Ok(())
        } else {
            Err(format!("the signed head of stream {id} does not match its statements"))
        }
    }
}

fn never_opened(id: StreamId) -> String {
    format!("stream {id} was never opened")
}
