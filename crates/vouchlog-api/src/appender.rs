//! Taking statements: streams are opened, appended to and closed by gateways, enrolled by the operator.

use std::future::Future;

use vouchlog_merkle::LeafIndex;
use vouchlog_stream::{Fork, LoggedAt, Previous, Statement, StreamId, StreamStatus};

use crate::{RangeReceipt, Result};

/// When an append is answered. Either way what it answers is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AckLevel {
    /// Once the statements are in the log, under a checkpoint it signed.
    #[default]
    Sequenced,
    /// Once that checkpoint satisfies the log's witness policy too, or the log waited for its witnesses as long as it does: the
    /// answer says which. The statements are in the log either way.
    Witnessed,
}

/// Statements for a gateway's stream, and the head the gateway signed after them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream.
    pub stream: StreamId,
    /// The stream's size in the log, as far as the gateway knows.
    pub old_size: u64,
    /// New statements, at most [`MAX_STATEMENTS`](crate::limits::MAX_STATEMENTS); none is a heartbeat.
    pub statements: Vec<Statement>,
    /// The stream's checkpoint after them, cosigned (type 0x04) by the stream's key.
    pub head: String,
    /// Whether the stream ends here.
    pub close: bool,
    /// When to answer.
    pub wait_for: AckLevel,
}

/// Statements for the house stream, whose key the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseAppend {
    /// At least one, at most [`MAX_STATEMENTS`](crate::limits::MAX_STATEMENTS).
    pub statements: Vec<Statement>,
    /// When to answer.
    pub wait_for: AckLevel,
}

/// The answer to an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Size of the stream after the request.
    pub stream_size: u64,
    /// Proof that the statements are in the log; none when there were no statements.
    pub receipt: Option<RangeReceipt>,
    /// Whether the log had taken these very statements before.
    pub repeated: bool,
    /// Whether the receipt's checkpoint satisfies the log's witness policy. This is the log's word: verify it with the policy.
    pub witnessed: bool,
}

/// The answer to an append to the house stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HouseAppended {
    /// Proof that the statements are in the log.
    pub receipt: RangeReceipt,
    /// Whether its checkpoint satisfies the log's witness policy. This is the log's word: verify it with the policy.
    pub witnessed: bool,
}

/// The answer to opening a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The stream's name: the index of the entry that opened it.
    pub stream: StreamId,
    /// A checkpoint that covers that entry.
    pub checkpoint: String,
}

/// One of a stream's latest runs, as listed in [`StreamInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunInfo {
    /// Sequence number of the first statement.
    pub start: u64,
    /// How many statements.
    pub count: u32,
    /// Where the first is in the log.
    pub first: LeafIndex,
    /// When the log took them.
    pub logged_at: LoggedAt,
}

/// What the log knows of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// The stream.
    pub stream: StreamId,
    /// Name of the gateway that opened it.
    pub gateway: String,
    /// The entry that enrolled that gateway; the stream's own index is that of its opening.
    pub enrolled: LeafIndex,
    /// The entry that revoked its gateway's key, if one did.
    pub revoked: Option<LeafIndex>,
    /// Every entry that changed the operator's key or its recovery key: to verify an enrolment takes those before it.
    pub operator_changes: Vec<LeafIndex>,
    /// The vkey that signs its heads.
    pub key: String,
    /// The stream it continues.
    pub previous: Option<Previous>,
    /// How many statements it has.
    pub size: u64,
    /// The newest head its gateway signed.
    pub head: Option<String>,
    /// Its latest runs, oldest first.
    pub runs: Vec<RunInfo>,
    /// Whether it takes statements.
    pub status: StreamStatus,
    /// The first fork its gateway was caught at.
    pub fork: Option<Fork>,
}

/// Takes statements. Every method answers only when what it answers is durable.
pub trait Appender: Clone + Send + Sync + 'static {
    /// Opens a stream with a [`StreamOpening`](vouchlog_stream::StreamOpening) note. The same note again answers the same.
    fn open_stream(&self, note: String) -> impl Future<Output = Result<Opened>> + Send;

    /// Appends to a stream, beats its heart, or closes it. The same request again answers the same and adds nothing.
    fn append(&self, request: Append) -> impl Future<Output = Result<Appended>> + Send;

    /// Appends to the house stream. The same request again appends again.
    fn append_house(&self, request: HouseAppend) -> impl Future<Output = Result<HouseAppended>> + Send;

    /// Enrols a gateway with an [`Enrolment`](vouchlog_stream::Enrolment) note; answers the entry's index.
    fn enrol(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send;

    /// Revokes a gateway with a [`Revocation`](vouchlog_stream::Revocation) note; answers the entry's index.
    fn revoke(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send;

    /// Bounds what gateways may log in a day with a [`Quota`](vouchlog_stream::Quota) note; answers the entry's index.
    fn set_quota(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send;

    /// Ends the log with a [`Retirement`](vouchlog_stream::Retirement) note, for good; returns the index of its last entry. The same
    /// note again returns the same.
    fn retire(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send;

    /// Changes the operator's key, or names the key that recovers it, with an [`OperatorNote`](vouchlog_stream::OperatorNote); or logs
    /// that a witness rotated its key, with a [`WitnessRotation`](vouchlog_stream::WitnessRotation). Returns the entry's index. The same
    /// note again returns the same.
    fn change_key(&self, note: String) -> impl Future<Output = Result<LeafIndex>> + Send;

    /// What the log knows of a stream.
    fn stream(&self, stream: StreamId) -> impl Future<Output = Result<StreamInfo>> + Send;
}
