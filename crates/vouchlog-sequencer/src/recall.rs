//! Streams that were evicted, read back from the log's own entries.
//!
//! All there is to know of a stream that has ended follows from entries, to which the lookup index leads:
//!
//! | what | entry | verified by |
//! | --- | --- | --- |
//! | who opened it, with which key, continuing which stream | its opening, whose index is its name | the gateway's signature |
//! | its size and its newest signed head | its newest head | the stream's signature; it closes the stream, or has the size that the successor names |
//! | its successor | the opening of that | the gateway's signature; it names the stream as its predecessor |
//!
//! What the index returns are candidates. One thing no entry can verify: that a key has opened no stream. So the index counts only
//! if it covers every entry of every evicted stream; if not, the caller is asked to send the request again later.

use std::sync::Arc;

use vouchlog_api::{Error, Result};
use vouchlog_merkle::{LeafIndex, sha256};
use vouchlog_note::{CosignedCheckpoint, Origin, VerifyingKey};
use vouchlog_storage::{Index, IndexAnswer, Store, StoreError, key_prefix};
use vouchlog_stream::{Entry, StreamId, StreamOpening, StreamState, StreamStatus, stream_origin};

use crate::limits::MAX_LOOKUP_CANDIDATES;
use crate::read::{WIDTH, framed_bundle, unread};
use crate::state::Shared;

/// Reads an entry; none beyond the end of the log.
type Read<'a> = Box<dyn Fn(LeafIndex) -> Result<Option<Entry>, StoreError> + 'a>;

/// The way back to evicted streams.
pub(crate) struct Recall<'a> {
    origin: &'a Origin,
    index: Option<&'a dyn Index>,
    read: Read<'a>,
    /// All entries of evicted streams lie below this size.
    evicted_below: u64,
}

/// What the lookup index keeps of a stream's key.
pub(crate) fn stream_key_prefix(key: &VerifyingKey) -> [u8; 8] {
    key_prefix(sha256(key.to_string().as_bytes()).as_bytes())
}

impl<S: Store> Shared<S> {
    /// A stream, evicted or not.
    ///
    /// # Errors
    /// Not found if there is none; unavailable if it may have been evicted and cannot be looked up now.
    pub(crate) fn stream(&self, id: StreamId) -> Result<Arc<StreamState>> {
        let (known, evicted_below) = {
            let directory = self.directory.read();
            (directory.streams.get(&id).cloned(), directory.evicted_below)
        };
        if let Some(stream) = known {
            return Ok(stream);
        }
        let recalled = self.recall(evicted_below).map(|recall| recall.stream(id)).transpose()?.flatten();
        recalled.map(Arc::new).ok_or_else(|| unknown_stream(id))
    }

    /// The way back to the streams that were evicted, all of whose entries lie below `evicted_below`; none if no stream was.
    pub(crate) fn recall(&self, evicted_below: u64) -> Option<Recall<'_>> {
        let read = |index| read_entry(self, index);
        (evicted_below > 0).then(|| Recall {
            origin: &self.origin,
            index: self.index.as_deref(),
            read: Box::new(read),
            evicted_below,
        })
    }
}

/// The answer to a request about a stream that was never opened.
pub(crate) fn unknown_stream(stream: StreamId) -> Error {
    Error::not_found(format!("stream {stream} does not exist: open it first"))
}

fn read_entry<S: Store>(shared: &Shared<S>, index: LeafIndex) -> Result<Option<Entry>, StoreError> {
    let sequenced = shared.publisher.newest();
    if !sequenced.size().contains(index) {
        return Ok(None);
    }
    let framed = framed_bundle(&*shared.store, &sequenced, index.get() / WIDTH)?;
    let at = usize::try_from(index.get() % WIDTH).expect("less than 256");
    let unreadable = || StoreError::Damaged(format!("entry {index} cannot be read"));
    let entry = framed.entries().nth(at).ok_or_else(unreadable)?;
    Entry::decode(entry).map(Some).map_err(|_| unreadable())
}

impl Recall<'_> {
    /// The stream a key opened, with its opening. An error when that cannot be told now.
    pub(crate) fn by_key(&self, key: &VerifyingKey) -> Result<Option<(StreamId, StreamOpening)>> {
        let prefix = stream_key_prefix(key);
        let candidates = self.look_up(|index| index.by_stream_key(prefix, MAX_LOOKUP_CANDIDATES))?;
        for place in &candidates {
            let opening = self.opening(*place)?.ok_or_else(unfit)?;
            if opening.stream == *key {
                return StreamId::from_index(*place).map(|id| Some((id, opening))).ok_or_else(unfit);
            }
        }
        // There may be more candidates than were asked for: then "none" would be a guess.
        if candidates.len() < MAX_LOOKUP_CANDIDATES { Ok(None) } else { Err(unfit()) }
    }

    /// An evicted stream; none when there is no stream of this name. An error when that cannot be told now.
    pub(crate) fn stream(&self, id: StreamId) -> Result<Option<StreamState>> {
        if id.get() >= self.evicted_below {
            return Ok(None);
        }
        let Some(opening) = self.opening(id.index())? else { return Ok(None) };
        let places = self.look_up(|index| index.stream(id.get()))?;
        let head = places.head.map(|place| self.head(id, &opening.stream, place)).transpose()?;
        let (status, fits) = match places.successor {
            Some(place) => {
                let by = StreamId::from_index(place).ok_or_else(unfit)?;
                let previous = self.opening(place)?.and_then(|successor| successor.previous);
                let previous = previous.filter(|previous| previous.stream == id).ok_or_else(unfit)?;
                let size = head.as_ref().map_or(0, |(head, _)| head.head().size.get());
                (StreamStatus::Superseded(by), size == previous.size)
            }
            None => (StreamStatus::Closed, head.as_ref().is_some_and(|(_, closes)| *closes)),
        };
        if !fits {
            return Err(unfit());
        }
        let opened = StreamState::new(id, opening.gateway, opening.stream, opening.previous);
        Ok(Some(opened.ended(head.as_ref().map(|(head, _)| head), status)))
    }

    /// What the index finds, if it covers enough.
    fn look_up<T>(&self, find: impl FnOnce(&dyn Index) -> Result<IndexAnswer<T>, StoreError>) -> Result<T> {
        let Some(index) = self.index else {
            return Err(Error::unavailable(
                "the log's lookup index is switched off, so earlier streams cannot be looked up: its operator must switch the index on",
            ));
        };
        let IndexAnswer { covered, found } = find(index).map_err(|error| {
            tracing::warn!(%error, "an ended stream could not be looked up");
            Error::unavailable("the log cannot read its lookup index now: retry the same request later")
        })?;
        if covered < self.evicted_below {
            return Err(Error::unavailable(format!(
                "the lookup index covers {covered} of the {} entries that hold earlier streams: retry the same request later",
                self.evicted_below
            )));
        }
        Ok(found)
    }

    /// The opening at a place; none when what is there opens no stream.
    fn opening(&self, place: LeafIndex) -> Result<Option<StreamOpening>> {
        match (self.read)(place).map_err(|error| unread(&error))? {
            Some(Entry::StreamOpened { note, .. }) => Ok(StreamOpening::open(&note, self.origin).ok()),
            _ => Ok(None),
        }
    }

    /// The signed head of a stream at a place, and whether it closes the stream.
    fn head(&self, id: StreamId, key: &VerifyingKey, place: LeafIndex) -> Result<(CosignedCheckpoint, bool)> {
        let (stream, note, closes) = match (self.read)(place).map_err(|error| unread(&error))? {
            Some(Entry::StreamHead { stream, note, .. }) => (stream, note, false),
            Some(Entry::StreamClosed { stream, note, .. }) => (stream, note, true),
            _ => return Err(unfit()),
        };
        let origin = Origin::new(&stream_origin(self.origin.as_str(), id)).map_err(|_| unfit())?;
        let head = CosignedCheckpoint::open(note.as_bytes(), &origin, key).map_err(|_| unfit())?;
        if stream == id { Ok((head, closes)) } else { Err(unfit()) }
    }
}

/// The index leads to entries that are not what it says they are.
fn unfit() -> Error {
    tracing::error!("the lookup index does not match the log: rebuild the index");
    Error::unavailable(
        "the lookup index does not match the log: its operator must rebuild it; then retry the same request",
    )
}
