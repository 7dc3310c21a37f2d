//! What a gateway remembers besides the statements. Private to the spool: the bytes never leave it.

use serde::{Deserialize, Serialize};
use vouchlog_merkle::{CompactRange, Hash};
use vouchlog_note::VerifyingKey;
use vouchlog_stream::{Previous, StreamId};

/// The stream a gateway writes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StreamRecord {
    /// The log was, or is about to be, asked to open it. Asking again with the same note answers the same stream.
    Opening { note: String, key: VerifyingKey, previous: Option<Previous> },
    /// The log opened it.
    Open { id: StreamId, key: VerifyingKey },
    /// It takes no more; a next one is to name it, unless another stream already did.
    Over(Previous),
}

/// Everything a gateway remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) stream: Option<StreamRecord>,
    /// Position of the statement that has sequence number 0 in the stream.
    pub(crate) base: u64,
    /// The stream's tree up to the last statement that was acknowledged.
    pub(crate) range: CompactRange,
    /// The log's last verified checkpoint, a note.
    pub(crate) head: Option<String>,
}

impl State {
    /// Statements of the stream that are acknowledged.
    pub(crate) fn size(&self) -> u64 {
        self.range.size().get()
    }

    /// Position of the first statement that is not acknowledged.
    pub(crate) fn position(&self) -> u64 {
        self.base + self.size()
    }

    /// The state in which a stream record stands at the beginning: nothing of it is acknowledged.
    pub(crate) fn begin(&self, stream: Option<StreamRecord>) -> Self {
        Self { stream, base: self.position(), range: CompactRange::new(), head: self.head.clone() }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let stored = Stored {
            stream: self.stream.as_ref().map(store),
            base: self.base,
            size: self.size(),
            hashes: self.range.hashes().iter().map(|hash| *hash.as_bytes()).collect(),
            head: self.head.clone(),
        };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// `None` when the bytes are not what [`to_bytes`](Self::to_bytes) made.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let stored: Stored = postcard::from_bytes(bytes).ok()?;
        let hashes = stored.hashes.into_iter().map(Hash::from_bytes).collect();
        let stream = match stored.stream {
            None => None,
            Some(stream) => Some(load(stream)?),
        };
        stored.base.checked_add(stored.size)?;
        let range = CompactRange::from_hashes(0, stored.size, hashes).ok()?;
        Some(Self { stream, base: stored.base, range, head: stored.head })
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    stream: Option<StoredStream>,
    base: u64,
    size: u64,
    hashes: Vec<[u8; 32]>,
    head: Option<String>,
}

#[derive(Serialize, Deserialize)]
enum StoredStream {
    Opening { note: String, key: String, previous: Option<(u64, u64)> },
    Open { id: u64, key: String },
    Over(u64, u64),
}

fn store(stream: &StreamRecord) -> StoredStream {
    match stream {
        StreamRecord::Opening { note, key, previous } => StoredStream::Opening {
            note: note.clone(),
            key: key.to_string(),
            previous: previous.map(|previous| (previous.stream.get(), previous.size)),
        },
        StreamRecord::Open { id, key } => StoredStream::Open { id: id.get(), key: key.to_string() },
        StreamRecord::Over(over) => StoredStream::Over(over.stream.get(), over.size),
    }
}

fn load(stream: StoredStream) -> Option<StreamRecord> {
    let place = |(stream, size)| Some(Previous { stream: StreamId::new(stream)?, size });
    Some(match stream {
        StoredStream::Opening { note, key, previous } => {
            let previous = match previous {
                None => None,
                Some(previous) => Some(place(previous)?),
            };
            StreamRecord::Opening { note, key: key.parse().ok()?, previous }
        }
        StoredStream::Open { id, key } => {
            StreamRecord::Open { id: StreamId::new(id)?, key: key.parse().ok()? }
        }
        StoredStream::Over(stream, size) => StreamRecord::Over(place((stream, size))?),
    })
}
