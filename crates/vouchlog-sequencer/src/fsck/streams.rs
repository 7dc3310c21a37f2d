//! The streams of a log, rebuilt from its entries.

use std::collections::{BTreeMap, HashMap};

use vouchlog_merkle::CompactRange;
use vouchlog_note::{CosignedCheckpoint, Origin, VerifyingKey};
use vouchlog_stream::{Entry, StatementEntry, StreamId, StreamOpening, stream_origin};

/// Every stream as far as it was read.
pub(super) struct Streams<'a> {
    origin: &'a Origin,
    pub(super) ranges: BTreeMap<StreamId, CompactRange>,
    keys: HashMap<StreamId, VerifyingKey>,
    closed: BTreeMap<StreamId, u64>,
}

impl<'a> Streams<'a> {
    pub(super) fn new(origin: &'a Origin) -> Self {
        Self { origin, ranges: BTreeMap::new(), keys: HashMap::new(), closed: BTreeMap::new() }
    }

    pub(super) fn origin(&self) -> &'a Origin {
        self.origin
    }

    /// Takes an entry up, and says what about it breaks the rules of streams.
    pub(super) fn entry(&mut self, index: u64, entry: &Entry) -> Result<(), String> {
        match entry {
            Entry::Statement(statement) => self.statement(statement),
            Entry::StreamOpened { note, .. } => self.opened(index, note),
            Entry::StreamHead { stream, note, .. } => self.head(*stream, note),
            Entry::StreamClosed { stream, note, .. } => {
                self.closed.insert(*stream, index);
                self.head(*stream, note)
            }
            _ => Ok(()),
        }
    }

    fn statement(&mut self, entry: &StatementEntry) -> Result<(), String> {
        let id = entry.stream;
        let range = self.ranges.get_mut(&id).ok_or_else(|| format!("stream {id} was never opened"))?;
        let expected = range.end();
        range.append(entry.statement.stream_leaf_hash());
        if let Some(index) = self.closed.get(&id) {
            return Err(format!("stream {id} was closed at entry {index}"));
        }
        if entry.sequence.get() != expected {
            return Err(format!(
                "stream {id} has sequence number {} where {expected} follows",
                entry.sequence
            ));
        }
        Ok(())
    }

    fn opened(&mut self, index: u64, note: &str) -> Result<(), String> {
        let id = StreamId::new(index).ok_or("a stream is opened past 2^40 entries")?;
        self.ranges.insert(id, CompactRange::new());
        let opening = StreamOpening::open(note, self.origin).map_err(|error| error.to_string())?;
        self.keys.insert(id, opening.stream);
        match opening.previous.map(|previous| (previous, self.ranges.get(&previous.stream))) {
            None => Ok(()),
            Some((previous, Some(range))) if range.end() == previous.size => Ok(()),
            Some((previous, _)) => Err(format!(
                "it continues stream {} at size {}, where that does not end",
                previous.stream, previous.size
            )),
        }
    }

    /// A signed head in the log must be the head of the statements before it.
    fn head(&self, id: StreamId, note: &str) -> Result<(), String> {
        let (Some(range), Some(key)) = (self.ranges.get(&id), self.keys.get(&id)) else {
            return Err(format!("stream {id} was never opened"));
        };
        let origin =
            Origin::new(&stream_origin(self.origin.as_str(), id)).map_err(|error| error.to_string())?;
        let head =
            CosignedCheckpoint::open(note.as_bytes(), &origin, key).map_err(|error| error.to_string())?;
        let fits = head.head().size == range.size() && Some(head.head().root) == range.root();
        if fits { Ok(()) } else { Err(format!("the signed head of stream {id} does not fit its statements")) }
    }
}
