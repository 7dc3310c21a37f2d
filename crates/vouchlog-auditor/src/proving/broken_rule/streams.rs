//! Broken rules of streams: openings, order, endings, and what a gateway signed.

use vouchlog_stream::{Entry, Previous, StreamId, StreamOpening};

use super::BrokenRule;

/// The stream a statement or a head is of.
pub(super) fn stream_of(entry: &Entry) -> Option<StreamId> {
    match entry {
        Entry::Statement(statement) => Some(statement.stream),
        Entry::StreamHead { stream, .. } | Entry::StreamClosed { stream, .. } => Some(*stream),
        _ => None,
    }
}

impl BrokenRule<'_> {
    pub(super) fn bad_opening(&self, index: u64, entry: &Entry) -> bool {
        let Entry::StreamOpened { note, .. } = entry else { return false };
        let Ok(opening) = StreamOpening::open(note, &self.log.origin) else { return true };
        self.openings(index).any(|(_, before)| before.stream == opening.stream)
    }

    /// The openings before `index`.
    fn openings(&self, index: u64) -> impl Iterator<Item = (u64, StreamOpening)> {
        self.decoded(..index).filter_map(|(other, entry)| {
            let Entry::StreamOpened { note, .. } = entry else { return None };
            Some((other, StreamOpening::open(&note, &self.log.origin).ok()?))
        })
    }

    pub(super) fn bad_restart(&self, index: u64, entry: &Entry) -> bool {
        let Entry::StreamOpened { note, .. } = entry else { return false };
        let Ok(opening) = StreamOpening::open(note, &self.log.origin) else { return false };
        let Some(previous) = opening.previous else { return false };
        let before = previous.stream;
        if before.get() >= index || self.is_no_opening(before) {
            return true;
        }
        let Some(predecessor) = self.opening(before) else { return false };
        predecessor.gateway.name() != opening.gateway.name()
            || self.openings(index).any(|(_, other)| other.previous.is_some_and(|p| p.stream == before))
            || self.stopped_elsewhere(index, previous)
    }

    /// Whether the predecessor stopped at another size: it went further, or its last statement before the restart, with
    /// nothing of it between the two, is another one.
    fn stopped_elsewhere(&self, index: u64, previous: Previous) -> bool {
        let Previous { stream, size } = previous;
        let mut earlier = self.statements(stream).filter(|(at, _)| *at < index);
        if earlier.any(|(_, statement)| statement.sequence.get() >= size) {
            return true;
        }
        let last = self.statements(stream).rfind(|(at, _)| *at < index);
        let (from, stopped) =
            last.map_or((stream.get(), 0), |(at, statement)| (at, statement.sequence.get() + 1));
        stopped != size && self.has_all(from, index)
    }

    /// Whether the entry a stream is named after is there, and opens none.
    fn is_no_opening(&self, stream: StreamId) -> bool {
        let there = self.entries.contains_key(&stream.get());
        there && !matches!(self.entry(stream.get()), Some(Entry::StreamOpened { .. }))
    }

    pub(super) fn unknown_stream(&self, index: u64, entry: &Entry) -> bool {
        stream_of(entry).is_some_and(|stream| stream.get() >= index || self.is_no_opening(stream))
    }

    pub(super) fn entry_after_close(&self, index: u64, entry: &Entry) -> bool {
        let Some(stream) = stream_of(entry) else { return false };
        let closed = self.decoded(..index).any(|(_, other)| {
            matches!(other, Entry::StreamClosed { .. }) && stream_of(&other) == Some(stream)
        });
        if closed {
            return true;
        }
        let succeeded =
            self.openings(index).any(|(_, opening)| opening.previous.is_some_and(|p| p.stream == stream));
        // The log may still write the head of statements it took before the successor was opened.
        succeeded
            && match entry {
                Entry::StreamHead { .. } => self.covers_nothing_new(index, entry),
                _ => true,
            }
    }

    pub(super) fn stream_gap(&self, index: u64, entry: &Entry) -> bool {
        let Entry::Statement(statement) = entry else { return false };
        let (stream, sequence) = (statement.stream, statement.sequence.get());
        let last = self.statements(stream).rfind(|(at, _)| *at < index);
        let (from, next) =
            last.map_or((stream.get(), 0), |(at, before)| (at, before.sequence.get().saturating_add(1)));
        // A number that comes again is wrong whatever lies between; one that is skipped, only if nothing does.
        sequence < next
            || sequence > next && self.opening_or(last.is_some(), stream) && self.has_all(from, index)
    }

    fn opening_or(&self, has_statement: bool, stream: StreamId) -> bool {
        has_statement || self.opening(stream).is_some()
    }

    pub(super) fn stream_fork(&self, index: u64, entry: &Entry) -> bool {
        let Some(head) = self.head(entry).map(|head| head.head()) else { return false };
        self.earlier_heads(index, entry).any(|(_, before)| {
            let before = before.head();
            before.size == head.size && before.root != head.root
        })
    }

    pub(super) fn forged_head(&self, entry: &Entry) -> bool {
        let is_head = matches!(entry, Entry::StreamHead { .. } | Entry::StreamClosed { .. });
        let has_opening = stream_of(entry).is_some_and(|stream| self.opening(stream).is_some());
        is_head && has_opening && self.head(entry).is_none()
    }

    /// Replays the stream from its opening, or from an earlier head, over everything the log has in between.
    pub(super) fn head_without_entries(&self, index: u64, entry: &Entry) -> bool {
        let (Some(stream), Some(head)) = (stream_of(entry), self.head(entry).map(|head| head.head())) else {
            return false;
        };
        let starts = self.earlier_heads(index, entry).map(|(at, _)| at).chain([stream.get()]);
        starts.filter(|from| self.has_all(*from, index)).any(|from| {
            let Some(mut range) = self.range_at(stream, from) else { return false };
            for (_, statement) in self.statements(stream).filter(|(at, _)| (from..index).contains(at)) {
                range.append(statement.statement.stream_leaf_hash());
            }
            head.size != range.size() || Some(head.root) != range.root()
        })
    }
}
