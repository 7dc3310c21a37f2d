//! What a running log holds in memory of its gateways, their streams and its witnesses: for people who look around, not for proofs.

use vouchlog_merkle::{LeafIndex, TreeSize};
use vouchlog_stream::{Counted, StreamId, StreamStatus};

/// Lists what a log holds in memory. Every list is bounded and made without waiting; none of it is verified by anyone.
pub trait Overview: Send + Sync + 'static {
    /// Gateways in the order in which they were enrolled, at most [`MAX_LISTED_GATEWAYS`](crate::limits::MAX_LISTED_GATEWAYS).
    fn gateways(&self, place: ListPlace) -> GatewayList;

    /// The witnesses that the log asks for cosignatures.
    fn witnesses(&self) -> Vec<WitnessOverview>;
}

/// From where on gateways are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListPlace {
    /// The first gateway listed is the first that was enrolled at this index or later.
    pub enrolled: LeafIndex,
    /// If set, only the gateway that was enrolled at `enrolled` is listed, with its streams that are older than this one.
    pub older_than: Option<StreamId>,
}

/// Some of a log's gateways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GatewayList {
    /// The gateways.
    pub gateways: Vec<GatewayOverview>,
    /// Where the list goes on, if it does.
    pub next: Option<ListPlace>,
    /// Whether streams that have ended left the log's memory, so that they are in no list.
    pub has_evicted: bool,
}

/// A gateway's key, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayOverview {
    /// Its name.
    pub name: String,
    /// The ID of its key.
    pub key_id: String,
    /// The entry that enrolled it.
    pub enrolled: LeafIndex,
    /// The entry that revoked the key, if one did.
    pub revoked: Option<LeafIndex>,
    /// The entry that enrolled another key in its place, if one did.
    pub replaced: Option<LeafIndex>,
    /// What it may log in a day, where that is bounded.
    pub quotas: Vec<QuotaOverview>,
    /// Its streams, newest first, at most [`MAX_LISTED_STREAMS`](crate::limits::MAX_LISTED_STREAMS), or
    /// [`MAX_LISTED_STREAMS_OF_ONE`](crate::limits::MAX_LISTED_STREAMS_OF_ONE) where only one gateway is listed.
    pub streams: Vec<StreamOverview>,
    /// Where its older streams are listed, if there are any.
    pub older: Option<ListPlace>,
}

/// A bound on what a gateway logs in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaOverview {
    /// What is counted.
    pub counted: Counted,
    /// How much it logged today.
    pub used: u64,
    /// How much it may.
    pub most: u64,
}

/// A stream, as the log knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOverview {
    /// The stream.
    pub stream: StreamId,
    /// How many statements it has; the next has this sequence number.
    pub size: u64,
    /// Whether it takes statements.
    pub status: StreamStatus,
    /// Whether its gateway signed two histories.
    pub has_fork: bool,
}

/// A witness, as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessOverview {
    /// Its name.
    pub name: String,
    /// Size of the last head it cosigned since the log was opened.
    pub size: Option<TreeSize>,
    /// When it did, in POSIX seconds by its own clock.
    pub timestamp: Option<u64>,
}
