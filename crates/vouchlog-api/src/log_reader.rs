//! Reading a log: what C2SP tlog-tiles serves, and finding entries.

use std::future::Future;

use bytes::Bytes;
use vouchlog_merkle::{Hash, LeafIndex, TileId, TreeSize};
use vouchlog_stream::{Digest, SequenceNumber, StreamId};

use crate::{PrunedNotice, Result};

/// Reads a log. Nothing read is to be trusted before it was verified against a signed checkpoint.
pub trait LogReader: Clone + Send + Sync + 'static {
    /// The newest checkpoint, as a signed note.
    fn checkpoint(&self) -> impl Future<Output = Result<String>> + Send;

    /// A checkpoint of more than `size` entries, as soon as there is one.
    fn checkpoint_after(&self, size: TreeSize) -> impl Future<Output = Result<String>> + Send;

    /// The first `width` (1 to 256) hashes of a tile: `width` × 32 bytes.
    fn tile(&self, tile: TileId, width: u16) -> impl Future<Output = Result<Bytes>> + Send;

    /// The first `width` (1 to 256) entries of an entry bundle, each behind its 16-bit length.
    fn entry_bundle(&self, bundle: u64, width: u16) -> impl Future<Output = Result<Bytes>> + Send;

    /// Where the log announces that it gave up entries; none if it shows no such notice.
    fn pruned(&self) -> impl Future<Output = Result<Option<PrunedNotice>>> + Send {
        std::future::ready(Ok(None))
    }
}

/// Watches what a log signs and publishes.
pub trait Watch: Clone + Send + Sync + 'static {
    /// The newest checkpoint, as soon as it is another than `seen`: that of a larger tree, or of the same tree with more
    /// cosignatures, or newer ones.
    fn checkpoint_other_than(&self, seen: String) -> impl Future<Output = Result<String>> + Send;

    /// The newest checkpoint the log has signed, published or not: what is not witnessed yet can only be proven against this one.
    fn sequenced_checkpoint(&self) -> impl Future<Output = Result<String>> + Send;
}

/// What is known of an entry whose index is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupKey {
    /// The entry's leaf hash in the log's tree.
    LeafHash(Hash),
    /// A statement's digest. Several statements may share one; the first is found.
    Digest(Digest),
    /// A statement's place in its stream.
    Sequence(StreamId, SequenceNumber),
}

/// Finds entries. An index that lags or was lost answers [`NotFound`](crate::ErrorKind::NotFound) or
/// [`Unavailable`](crate::ErrorKind::Unavailable); what it finds, it has checked against the entry itself.
pub trait Lookup: Clone + Send + Sync + 'static {
    /// The index of the entry that fits the key.
    fn find(&self, key: LookupKey) -> impl Future<Output = Result<LeafIndex>> + Send;
}
