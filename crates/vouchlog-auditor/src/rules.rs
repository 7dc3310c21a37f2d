//! The rules that the entries of a log keep, checked entry by entry. Nothing is kept per entry: only what a later entry can
//! contradict, which is a little for each stream and each gateway.
//!
//! An entry comes here after its bytes were found to be the tree's. So a fault in it was caused by the party that signed
//! that tree, or of a gateway, and can be proven.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use vouchlog_note::{KeyName, Origin, VerifyingKey};
use vouchlog_stream::{
    Continuation, Entry, Genesis, LoggedAt, Operators, QuotaScope, QuotaState, StatementEntry, StreamId,
    WitnessKeys,
};

use crate::config::Config;
use crate::evidence::EvidenceSource;
use crate::finding::{Cause, Suspicions};
use crate::kind::FindingKind;
use crate::place::Place;

mod heads;
mod opening;
mod operator;
mod pruning;
mod quota;
mod registry;
mod silence;
pub(crate) mod stored;
mod stream;
mod succession;
mod witness;

use heads::HeadEntry;
pub(crate) use stream::{HeadSeen, Stream, Withdrawn};
pub(crate) use succession::{Retired, open_continuation, open_retirement};

/// What the rules are applied with, from the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) origin: Origin,
    pub(crate) log_keys: Vec<VerifyingKey>,
    pub(crate) head_interval: Duration,
    pub(crate) heartbeat_allowance: Duration,
    pub(crate) house_gateways: Vec<String>,
}

impl Terms {
    pub(crate) fn of(config: &Config) -> Self {
        let options = &config.options;
        let mut house_gateways = options.house_gateways.clone();
        house_gateways.push(format!("{}/house", config.log.origin));
        Self {
            origin: config.log.origin.clone(),
            log_keys: config.log.keys.clone(),
            head_interval: options.head_interval,
            heartbeat_allowance: options.heartbeat_allowance,
            house_gateways,
        }
    }
}

/// An enrolled gateway.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gateway {
    pub(crate) enrolled: u64,
    pub(crate) withdrawn: Option<Withdrawn>,
    /// The entry that enrolled another key in its place.
    pub(crate) replaced: Option<u64>,
}

/// Everything the entries read so far say.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) terms: Terms,
    pub(crate) operators: Option<Operators>,
    /// The rotations of witnesses' keys.
    pub(crate) witness_keys: WitnessKeys,
    /// Time of the last entry, and its index.
    pub(crate) last: LoggedAt,
    pub(crate) last_index: u64,
    /// The log's time while it was up, milliseconds: each step between entries counts, but none for more than a head interval.
    pub(crate) uptime: u64,
    pub(crate) statements: u64,
    pub(crate) streams: HashMap<StreamId, Stream>,
    /// Streams by their key: a key opens one.
    pub(crate) by_key: HashMap<VerifyingKey, StreamId>,
    pub(crate) gateways: HashMap<VerifyingKey, Gateway>,
    /// The keys of each gateway's name, in the order of their enrolment.
    pub(crate) names: HashMap<KeyName, Vec<VerifyingKey>>,
    /// The quotas in force.
    pub(crate) quotas: BTreeMap<QuotaScope, QuotaState>,
    /// The end of the log.
    pub(crate) retired: Option<Retired>,
    /// The note with which this log continues another one.
    pub(crate) continues: Option<(String, Continuation)>,
    /// The finding that something follows the end.
    pub(crate) beyond_end: Option<Cause>,
    /// Set when entries could not be read: what later ones seem to lack may have been in those.
    pub(crate) lost: Option<Cause>,
    /// Entries before this index were given up, some of them at least; 0 if none was.
    pub(crate) pruned_until: u64,
}

impl Rules {
    pub(crate) fn new(terms: Terms) -> Self {
        Self {
            terms,
            operators: None,
            witness_keys: WitnessKeys::default(),
            last: LoggedAt::default(),
            last_index: 0,
            uptime: 0,
            statements: 0,
            streams: HashMap::new(),
            by_key: HashMap::new(),
            gateways: HashMap::new(),
            names: HashMap::new(),
            quotas: BTreeMap::new(),
            retired: None,
            continues: None,
            beyond_end: None,
            lost: None,
            pruned_until: 0,
        }
    }

    /// Entries could not be read. From here on, gaps in streams cannot be told from unread entries.
    pub(crate) fn lose(&mut self, cause: Cause) {
        self.lost.get_or_insert(cause);
        for stream in self.streams.values_mut() {
            stream.broken.get_or_insert(cause);
        }
    }

    /// Takes up the entry at `index`.
    pub(crate) fn entry(&mut self, index: u64, bytes: &[u8], found: &mut Suspicions) {
        let before = found.list.len();
        self.check(index, bytes, found);
        self.show_operators(index, &mut found.list[before..]);
    }

    fn check(&mut self, index: u64, bytes: &[u8], found: &mut Suspicions) {
        let entry = match Entry::decode(bytes) {
            Ok(entry) => entry,
            Err(error) => {
                let kind = if index == 0 { FindingKind::BadGenesis } else { FindingKind::UndecodableEntry };
                let words = || format!("the entry is not valid: {error}");
                let cause = found.add(kind, Place::entry(index), EvidenceSource::entries([index]), words);
                // It may have belonged to any stream.
                return self.lose(cause);
            }
        };
        self.time(index, entry.logged_at(), found);
        self.check_not_ended(index, found);
        match &entry {
            Entry::Statement(statement) => self.statement(index, statement, found),
            Entry::Genesis { note, .. } => self.genesis(index, note, found),
            Entry::StreamOpened { note, .. } => self.opened(index, note, found),
            Entry::StreamHead { stream, note, .. } => {
                self.head(index, *stream, note, HeadEntry::GoesOn, found);
            }
            Entry::StreamClosed { stream, note, .. } => {
                self.head(index, *stream, note, HeadEntry::Closes, found);
            }
            Entry::GatewayEnrolled { logged_at, note } => self.enrolled(index, note, *logged_at, found),
            Entry::GatewayRevoked { note, .. } => self.revoked(index, note, found),
            Entry::QuotaSet { note, .. } => self.quota(index, note, found),
            Entry::OperatorChanged { note, .. } => self.operator_changed(index, note, found),
            Entry::WitnessRotated { note, .. } => self.witness_rotated(index, note, found),
            Entry::LogRetired { note, .. } => self.log_retired(index, note, found),
            Entry::LogContinued { note, .. } => self.log_continued(index, note, found),
            Entry::LogPruned { note, .. } => self.log_pruned(index, note, found),
        }
        if index == 0 && !matches!(entry, Entry::Genesis { .. }) {
            let words = || "the first entry is not a genesis entry".to_owned();
            let cause =
                found.add(FindingKind::BadGenesis, Place::entry(0), EvidenceSource::entries([0]), words);
            self.lose(cause);
        }
    }

    /// SPEC: logged_at never decreases along the log.
    fn time(&mut self, index: u64, now: LoggedAt, found: &mut Suspicions) {
        if now < self.last {
            let (last, last_index) = (self.last, self.last_index);
            found.add(
                FindingKind::TimeGoingBack,
                Place::entry(index),
                EvidenceSource::entries([last_index, index]),
                || format!("the entry is dated {now} ms, the earlier entry {last_index} {last} ms"),
            );
        } else if index > 0 {
            let longest = u64::try_from(self.terms.head_interval.as_millis()).unwrap_or(u64::MAX);
            let step = (now.millis() - self.last.millis()).min(longest);
            self.uptime = self.uptime.saturating_add(step);
        }
        // Also when it went back: one jump is one finding, whatever follows.
        (self.last, self.last_index) = (now, index);
    }

    /// SPEC: a statement belongs to a stream that is open, and its sequence number follows the one before.
    fn statement(&mut self, index: u64, entry: &StatementEntry, found: &mut Suspicions) {
        self.statements += 1;
        let id = entry.stream;
        let (lost, uptime) = (self.lost, self.uptime);
        let Some(stream) = self.streams.get_mut(&id) else { return unknown_stream(index, id, lost, found) };
        stream.check_open(index, id, found);
        stream.check_not_withdrawn(index, id, entry.logged_at, "a statement", found);
        let sequence = entry.sequence.get();
        if sequence != stream.next {
            stream.note_pruned(id, self.pruned_until);
            stream.gap(index, id, sequence, found);
        }
        stream.take(index, entry, uptime);
    }

    /// SPEC: index 0, and only it, is a genesis entry; it names the origin and is signed by the log.
    fn genesis(&mut self, index: u64, note: &str, found: &mut Suspicions) {
        let words = if index > 0 {
            "a second genesis entry".to_owned()
        } else {
            match open_genesis(note, &self.terms.log_keys) {
                Some(genesis) if genesis.origin == self.terms.origin => {
                    self.operators = Some(Operators::new(genesis.operator));
                    return;
                }
                Some(genesis) => format!("the genesis entry belongs to the log {}", genesis.origin),
                None => "the genesis entry is not signed by the log's key".to_owned(),
            }
        };
        let cause =
            found.add(FindingKind::BadGenesis, Place::entry(index), EvidenceSource::entries([index]), || {
                words
            });
        if index == 0 {
            // The operator is unknown, so no enrolment can be verified.
            self.lose(cause);
        }
    }
}

/// The genesis note, if one of the log's keys signed it.
pub(crate) fn open_genesis(note: &str, log_keys: &[VerifyingKey]) -> Option<Genesis> {
    log_keys.iter().find_map(|key| Genesis::open(note, key).ok())
}

fn unknown_stream(index: u64, id: StreamId, lost: Option<Cause>, found: &mut Suspicions) {
    if let Some(cause) = lost {
        return found.follows(cause);
    }
    // A stream's name is the index of its opening: whatever is there shows that it is none.
    let lead = if id.get() < index {
        EvidenceSource::entries([id.get(), index])
    } else {
        EvidenceSource::entries([index])
    };
    found.add(FindingKind::UnknownStream, Place::stream(id).at(index), lead, || {
        format!("stream {id} was never opened")
    });
}
