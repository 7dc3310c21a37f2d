//! What a reader of the log knows beside the records of a set.

use jiff::{SignedDuration, Timestamp};
use vouchlog_record::{Commitment, ToolStatus};

use crate::limits::{MAX_MERGE_DELAY, MISSED_HEARTBEATS, ORPHAN_TIMEOUT};

/// What is known beside the records of a set.
#[derive(Clone, Debug, Default)]
pub struct SetFacts {
    /// Whether the records are all there are of their streams and sessions, and not a choice of them.
    pub whole: bool,
    /// Streams.
    pub streams: Vec<StreamFacts>,
    /// Sessions.
    pub sessions: Vec<SessionFacts>,
    /// What providers say that they answered.
    pub usage: Vec<ProviderUsage>,
    /// Calls that several parties saw.
    pub observations: Vec<ObservedCall>,
    /// Probes.
    pub canaries: Vec<CanaryFacts>,
    /// Receipts.
    pub receipts: Vec<ReceiptFacts>,
    /// Checkpoints that cover the records, and their witnesses.
    pub witnesses: Vec<WitnessFacts>,
    /// How long what was accepted may take to be in the log; otherwise [`MAX_MERGE_DELAY`].
    pub max_merge_delay: Option<SignedDuration>,
    /// How long an intent may be without an outcome; otherwise [`ORPHAN_TIMEOUT`].
    pub orphan_timeout: Option<SignedDuration>,
    /// How many intervals a stream may be silent for; otherwise [`MISSED_HEARTBEATS`].
    pub missed_heartbeats: Option<i32>,
    /// What time it is.
    pub now: Option<Timestamp>,
}

/// What a reader of the log knows of a stream.
#[derive(Clone, Debug, Default)]
pub struct StreamFacts {
    /// The stream, as people name it.
    pub stream: String,
    /// When it was opened.
    pub opened: Option<Timestamp>,
    /// Its size by its last head, or by what its successor names.
    pub size: Option<u64>,
    /// Sequence numbers that are in the log, as ranges with both ends in them.
    pub ranges: Vec<(u64, u64)>,
    /// Sequence numbers that the gateway declared lost, likewise.
    pub losses: Vec<(u64, u64)>,
    /// Sequence numbers with two different statements.
    pub forks: Vec<u64>,
    /// Heads and heartbeats that its gateway signed.
    pub heads: Vec<StreamHead>,
    /// How often an open stream gives a sign of life. `None`: it does not promise to.
    pub heartbeat_interval: Option<SignedDuration>,
    /// Whether it was closed.
    pub closed: bool,
    /// The stream that follows it.
    pub successor: Option<Successor>,
}

/// A signed head of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// When it was signed, by the gateway's clock.
    pub at: Timestamp,
    /// How many statements the gateway signed.
    pub signed: u64,
    /// How many of them the log has there.
    pub logged: u64,
}

/// The stream after a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// It.
    pub stream: String,
    /// Where its predecessor stopped, as stated in it.
    pub names: Option<u64>,
}

/// What is known of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFacts {
    /// The session.
    pub session: String,
    /// Whether it is over, by its end or by its age.
    pub over: bool,
}

/// What a provider reports to have answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProviderUsage {
    /// The provider.
    pub provider: String,
    /// Its ids of the answers.
    pub response_ids: Vec<String>,
}

/// One call, as several parties saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObservedCall {
    /// The call.
    pub call: String,
    /// What each saw.
    pub views: Vec<Observation>,
}

/// What one party saw of a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// The party: agent, gateway, tool server.
    pub observer: String,
    /// Commitment to the arguments, with a key that the parties share.
    pub arguments: Option<Commitment>,
    /// Commitment to the result, likewise.
    pub result: Option<Commitment>,
    /// How it ended.
    pub status: Option<ToolStatus>,
}

/// A probe that an auditor sent the normal way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanaryFacts {
    /// Its name.
    pub name: String,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// Whether it is in the log.
    pub surfaced: bool,
}

/// A receipt that the log gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptFacts {
    /// What it is for.
    pub of: String,
    /// When it was given.
    pub given_at: Timestamp,
    /// Whether what it promises was proven.
    pub proven: bool,
}

/// A checkpoint and its witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WitnessFacts {
    /// The checkpoint's size.
    pub size: u64,
    /// How many cosignatures the policy asks for.
    pub needed: u32,
    /// How many it has, of witnesses that count.
    pub cosigned: u32,
}

impl SetFacts {
    pub(crate) fn max_merge_delay(&self) -> SignedDuration {
        self.max_merge_delay.unwrap_or(MAX_MERGE_DELAY)
    }

    pub(crate) fn orphan_timeout(&self) -> SignedDuration {
        self.orphan_timeout.unwrap_or(ORPHAN_TIMEOUT)
    }

    pub(crate) fn missed_heartbeats(&self) -> i32 {
        self.missed_heartbeats.unwrap_or(MISSED_HEARTBEATS)
    }
}
