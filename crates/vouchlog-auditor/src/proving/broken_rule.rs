//! Which rule some entries of a log break: each check takes only what the given entries show, so it can never accuse an honest
//! log, whatever is left out.

use std::collections::BTreeMap;
use std::ops::RangeBounds;

use vouchlog_merkle::{CompactRange, Hash};
use vouchlog_note::{CosignedCheckpoint, Origin};
use vouchlog_stream::{
    Entry, EntryError, Genesis, Operators, StatementEntry, StreamId, StreamOpening, stream_origin,
};

use crate::config::LogIdentity;
use crate::kind::FindingKind;
use crate::place::Place;
use crate::rules::{open_continuation, open_genesis, open_retirement};

mod operator;
mod registry;
mod streams;
mod witness;

/// Entries that were proven to be in the log, and the finding they may show.
pub(super) struct BrokenRule<'a> {
    pub(super) log: &'a LogIdentity,
    /// By index.
    pub(super) entries: &'a BTreeMap<u64, &'a [u8]>,
    /// The compact range of a stream at the head its replay begins with.
    pub(super) stream_range: &'a [Hash],
}

impl BrokenRule<'_> {
    /// What is proven, if the entries prove this kind of finding at this place.
    pub(super) fn check(&self, kind: FindingKind, place: &Place) -> Option<String> {
        let index = place.entry?;
        let bytes = *self.entries.get(&index)?;
        if kind == FindingKind::BadGenesis {
            return self.bad_genesis(index, bytes);
        }
        let operators = self.operators(index)?;
        let entry = Entry::decode(bytes);
        if kind == FindingKind::UndecodableEntry {
            let is_broken = entry.is_err() && !self.is_of_unknown_kind(kind, place);
            return is_broken.then(|| format!("entry {index} is not valid"));
        }
        let entry = entry.ok()?;
        let shown = match kind {
            FindingKind::TimeGoingBack => self.time_goes_back(index, &entry),
            FindingKind::EntryAfterRetirement => self.entry_after_retirement(index),
            FindingKind::BadSuccession => self.bad_succession(index, &entry),
            FindingKind::BadEnrolment => self.bad_enrolment(index, &entry, &operators),
            FindingKind::SecondKeyForAName => self.second_key(index, &entry, &operators),
            FindingKind::BadOperatorChange => self.bad_operator_change(index, &entry, &operators),
            FindingKind::BadWitnessRotation => self.bad_witness_rotation(index, &entry),
            FindingKind::RetiredOperatorKey => self.retired_operator_key(index, &entry, &operators),
            FindingKind::UnknownGateway => self.unknown_gateway(index, &entry, &operators),
            FindingKind::RevokedKeyUsed => self.revoked_key_used(index, &entry, &operators),
            FindingKind::BadOpening => self.bad_opening(index, &entry),
            FindingKind::BadRestart => self.bad_restart(index, &entry),
            FindingKind::UnknownStream => self.unknown_stream(index, &entry),
            FindingKind::EntryAfterClose => self.entry_after_close(index, &entry),
            FindingKind::StreamGap => self.stream_gap(index, &entry),
            FindingKind::StreamFork => self.stream_fork(index, &entry),
            FindingKind::ForgedHead => self.forged_head(&entry),
            FindingKind::HeadWithoutEntries => self.head_without_entries(index, &entry),
            _ => false,
        };
        shown.then(|| {
            format!("entry {index} of the log, together with the other entries in the file, shows a {kind}")
        })
    }

    /// Whether a finding of this kind may be true although the entries that would show it are too many for a file.
    pub(super) fn is_about_absence(&self, kind: FindingKind) -> bool {
        let may_be = matches!(
            kind,
            FindingKind::StreamGap
                | FindingKind::HeadWithoutEntries
                | FindingKind::UnknownGateway
                | FindingKind::BadRestart
                | FindingKind::BadEnrolment
                | FindingKind::BadOperatorChange
        );
        let longest = self.entries.keys().zip(self.entries.keys().skip(1)).any(|(one, next)| next - one > 1);
        may_be && longest
    }

    /// Whether the entry that cannot be decoded is a control entry of a kind that a later version may have: an old verifier must not
    /// accuse the log of a new one.
    pub(super) fn is_of_unknown_kind(&self, kind: FindingKind, place: &Place) -> bool {
        let bytes = place.entry.and_then(|index| self.entries.get(&index));
        let decoded = bytes.map(|bytes| Entry::decode(bytes));
        kind == FindingKind::UndecodableEntry
            && matches!(decoded, Some(Err(EntryError::Kind(unknown))) if unknown & 0x80 != 0)
    }

    /// The genesis entry, if it is there and is that of the log.
    pub(super) fn genesis(&self) -> Option<Genesis> {
        let Entry::Genesis { note, .. } = self.entry(0)? else { return None };
        open_genesis(&note, &self.log.keys).filter(|genesis| genesis.origin == self.log.origin)
    }

    fn entry(&self, index: u64) -> Option<Entry> {
        Entry::decode(self.entries.get(&index)?).ok()
    }

    /// Every entry at these indexes that is there and decodes, in the order of the log.
    fn decoded(&self, indexes: impl RangeBounds<u64>) -> impl DoubleEndedIterator<Item = (u64, Entry)> {
        self.entries.range(indexes).filter_map(|(index, bytes)| Some((*index, Entry::decode(bytes).ok()?)))
    }

    fn statements(&self, stream: StreamId) -> impl DoubleEndedIterator<Item = (u64, StatementEntry)> {
        self.decoded(..).filter_map(move |(index, entry)| match entry {
            Entry::Statement(statement) if statement.stream == stream => Some((index, statement)),
            _ => None,
        })
    }

    /// Whether every entry from one index to another is there.
    fn has_all(&self, from: u64, to: u64) -> bool {
        from <= to && self.entries.range(from..=to).count() as u64 == to - from + 1
    }

    fn bad_genesis(&self, index: u64, bytes: &[u8]) -> Option<String> {
        match Entry::decode(bytes) {
            Ok(Entry::Genesis { .. }) if index == 0 && self.genesis().is_some() => None,
            Ok(Entry::Genesis { .. }) if index == 0 => {
                Some("entry 0 is not the genesis entry of this log".to_owned())
            }
            Ok(Entry::Genesis { .. }) if self.genesis().is_some() => {
                Some(format!("entry {index} is a second genesis"))
            }
            _ if index == 0 => Some("entry 0 is not a genesis entry".to_owned()),
            _ => None,
        }
    }

    fn time_goes_back(&self, index: u64, entry: &Entry) -> bool {
        if self.decoded(..index).any(|(_, before)| before.logged_at() > entry.logged_at()) {
            return true;
        }
        let Some(head) = self.head(entry) else { return false };
        self.earlier_heads(index, entry).any(|(_, before)| {
            let (time, last) = (head.timestamp(), before.timestamp());
            time < last || time == last && head.head().size <= before.head().size
        })
    }

    fn entry_after_retirement(&self, index: u64) -> bool {
        let ends = |entry: &Entry| matches!(entry, Entry::LogRetired { note, .. } if open_retirement(note, &self.log.keys).is_ok());
        self.decoded(..index).any(|(_, entry)| ends(&entry))
    }

    fn bad_succession(&self, index: u64, entry: &Entry) -> bool {
        match entry {
            Entry::LogRetired { note, .. } => open_retirement(note, &self.log.keys).is_err(),
            Entry::LogContinued { note, .. } => {
                index != 1 || open_continuation(note, &self.log.keys).is_err()
            }
            _ => false,
        }
    }

    fn revoked_key_used(&self, index: u64, entry: &Entry, operators: &Operators) -> bool {
        let gateway = match entry {
            Entry::StreamOpened { note, .. } => StreamOpening::open(note, &self.log.origin).ok(),
            Entry::Statement(statement) => self.opening(statement.stream),
            Entry::StreamClosed { stream, .. } => self.opening(*stream),
            // The log may still write the head of statements it took before: only a head that covers nothing new is none.
            Entry::StreamHead { stream, .. } => {
                self.opening(*stream).filter(|_| self.covers_nothing_new(index, entry))
            }
            _ => None,
        };
        let Some(opening) = gateway else { return false };
        let now = entry.logged_at();
        let opens = matches!(entry, Entry::StreamOpened { .. });
        self.revocations(&opening.gateway, operators).any(|(at, effective)| at < index && effective <= now)
            || opens && self.replacements(&opening.gateway, operators).any(|(at, _)| at < index)
    }

    /// The opening of a stream, if it is there and holds.
    fn opening(&self, stream: StreamId) -> Option<StreamOpening> {
        let Entry::StreamOpened { note, .. } = self.entry(stream.get())? else { return None };
        StreamOpening::open(&note, &self.log.origin).ok()
    }

    /// A head that is signed by the key of its stream.
    fn head(&self, entry: &Entry) -> Option<CosignedCheckpoint> {
        let (Entry::StreamHead { stream, note, .. } | Entry::StreamClosed { stream, note, .. }) = entry
        else {
            return None;
        };
        let origin = Origin::new(&stream_origin(self.log.origin.as_str(), *stream)).ok()?;
        CosignedCheckpoint::open(note.as_bytes(), &origin, &self.opening(*stream)?.stream).ok()
    }

    /// The heads of the same stream before `index`.
    fn earlier_heads(&self, index: u64, of: &Entry) -> impl Iterator<Item = (u64, CosignedCheckpoint)> {
        let stream = streams::stream_of(of);
        self.decoded(..index).filter_map(move |(other, entry)| {
            let is_same = stream.is_some() && streams::stream_of(&entry) == stream;
            Some((other, self.head(&entry).filter(|_| is_same)?))
        })
    }

    fn covers_nothing_new(&self, index: u64, entry: &Entry) -> bool {
        let Some(head) = self.head(entry) else { return false };
        let size = head.head().size;
        size.get() == 0 || self.earlier_heads(index, entry).any(|(_, before)| before.head().size >= size)
    }

    /// The range a replay of the stream begins with: that of its opening, or of the head at `from`.
    fn range_at(&self, stream: StreamId, from: u64) -> Option<CompactRange> {
        if from == stream.get() {
            return self.opening(stream).map(|_| CompactRange::new());
        }
        let entry = self.entry(from).filter(|entry| streams::stream_of(entry) == Some(stream))?;
        let head = self.head(&entry)?.head();
        let range = CompactRange::from_hashes(0, head.size.get(), self.stream_range.to_vec()).ok()?;
        (range.root() == Some(head.root)).then_some(range)
    }
}
