//! The heads of streams in the log: what a gateway signed, held against what the log has of its stream.

use vouchlog_note::CosignedCheckpoint;
use vouchlog_stream::{LoggedAt, StreamId};

use super::{HeadSeen, Rules, Stream, unknown_stream};
use crate::evidence::EvidenceSource;
use crate::finding::Suspicions;
use crate::kind::FindingKind;
use crate::place::Place;

/// What the entry of a head does to its stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadEntry {
    GoesOn,
    Closes,
}

impl Rules {
    /// Takes the entry at `index`, a head of stream `id`.
    pub(super) fn head(
        &mut self,
        index: u64,
        id: StreamId,
        note: &str,
        entry: HeadEntry,
        found: &mut Suspicions,
    ) {
        let (lost, uptime, now, pruned_until) = (self.lost, self.uptime, self.last, self.pruned_until);
        let Some(stream) = self.streams.get_mut(&id) else { return unknown_stream(index, id, lost, found) };
        stream.heads += 1;
        if stream.closed.is_some() {
            return stream.check_open(index, id, found);
        }
        if entry == HeadEntry::Closes {
            stream.closed = Some(index);
        }
        let (Some(key), Some(origin)) = (&stream.key, &stream.origin) else { return };
        // SPEC: a head is signed by the stream's own key, with origin `<log origin>/stream/<index>`.
        let head = match CosignedCheckpoint::open(note.as_bytes(), origin, key) {
            Ok(head) => head,
            Err(error) => {
                let lead = EvidenceSource::entries([id.get(), index]);
                found.add(FindingKind::ForgedHead, Place::stream(id).at(index), lead, || {
                    format!("the head is not signed by the stream's key: {error}")
                });
                return;
            }
        };
        let covered = stream.head.as_ref().map_or(0, |head| head.head.size.get());
        match entry {
            // SPEC: after a successor was opened, or the gateway's key withdrawn, the log still writes the head of statements it
            // took before. It takes no heartbeat, and no closing.
            HeadEntry::GoesOn if head.head().size.get() > covered => {}
            HeadEntry::GoesOn => stream.check_not_ended(index, id, now, "a heartbeat", found),
            HeadEntry::Closes => stream.check_not_ended(index, id, now, "the closing", found),
        }
        stream.check_head_time(index, id, &head, found);
        if head.head().size.get() != stream.next {
            stream.note_pruned(id, pruned_until);
        }
        if stream.check_head(index, id, &head, found) {
            let range = stream.range.clone();
            stream.head = Some(HeadSeen { index, head: head.head(), timestamp: head.timestamp(), range });
        }
        stream.alive_at = uptime;
        stream.uncovered_since = None;
    }
}

impl Stream {
    /// What is written to a stream after its successor was opened or its gateway's key withdrawn is a fault.
    fn check_not_ended(&self, index: u64, id: StreamId, now: LoggedAt, what: &str, found: &mut Suspicions) {
        self.check_not_withdrawn(index, id, now, what, found);
        if let Some(succeeded) = self.succeeded {
            let before = self.head.as_ref().map(|head| head.index);
            found.add(
                FindingKind::EntryAfterClose,
                Place::stream(id).at(index),
                EvidenceSource::entries([id.get(), succeeded, index].into_iter().chain(before)),
                || format!("{what} of stream {id}, which was succeeded at entry {succeeded}"),
            );
        }
    }

    /// SPEC: no head is signed before the one before it, and one that covers nothing new is signed after it.
    fn check_head_time(&self, index: u64, id: StreamId, head: &CosignedCheckpoint, found: &mut Suspicions) {
        let Some(last) = &self.head else { return };
        let (time, before) = (head.timestamp(), last.timestamp);
        let repeats = time == before && head.head().size <= last.head.size;
        if time < before || repeats {
            found.add(
                FindingKind::TimeGoingBack,
                Place::stream(id).at(index),
                EvidenceSource::entries([id.get(), last.index, index]),
                || format!("a head signed at {time}, after one signed at {before}: an old head was replayed"),
            );
        }
    }

    /// SPEC: a head in the log is the head of the stream's statements before it. True if it is.
    fn check_head(
        &mut self,
        index: u64,
        id: StreamId,
        signed: &CosignedCheckpoint,
        found: &mut Suspicions,
    ) -> bool {
        let head = signed.head();
        let last = self.head.as_ref();
        if let Some(last) = last.filter(|last| last.head.size == head.size && last.head.root != head.root) {
            let lead = EvidenceSource::entries([id.get(), last.index, index]);
            let cause = found.add(FindingKind::StreamFork, Place::stream(id).at(index), lead, || {
                format!(
                    "two heads of size {} have different roots: the gateway signed two histories",
                    head.size
                )
            });
            self.broken.get_or_insert(cause);
            return false;
        }
        if let Some(cause) = self.broken {
            if head.size.get() != self.next {
                found.follows(cause);
            }
            return false;
        }
        let size = self.range.end();
        if head.size.get() == size && head.root == self.root() {
            return true;
        }
        let lead = match last {
            Some(last) => EvidenceSource::entries([id.get(), last.index, index])
                .with_run(last.index, index)
                .with_range(last.range.hashes()),
            None => EvidenceSource::entries([id.get(), index]).with_run(id.get(), index),
        };
        let cause = found.add(FindingKind::HeadWithoutEntries, Place::stream(id).at(index), lead, || {
            if head.size.get() == size {
                format!("the {size} statements in the log are not those that the gateway signed")
            } else {
                format!("the gateway signed {} statements, the log has {size}", head.size)
            }
        });
        self.broken = Some(cause);
        false
    }
}
