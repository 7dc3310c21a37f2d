//! Where a statement is in a log.

use vouchlog_merkle::LeafIndex;

use crate::ids::{LoggedAt, SequenceNumber, StreamId};

/// Where a statement is in a log, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// Index of its entry in the log.
    pub index: LeafIndex,
    /// The stream.
    pub stream: StreamId,
    /// Its number in the stream.
    pub sequence: SequenceNumber,
    /// When the log took it, by the log's clock.
    pub logged_at: LoggedAt,
}
