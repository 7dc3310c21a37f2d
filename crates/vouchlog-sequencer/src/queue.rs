//! What waits for the next batch, within bounds.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{CompactRange, Growth, Hash, LeafIndex};
use vouchlog_note::CosignedCheckpoint;
use vouchlog_runtime::queue::{self, NotQueued};
use vouchlog_stream::{Enrolment, Quota, Revocation, Run, Statement, StreamId, StreamOpening};

use crate::limits;
use crate::signer::SignedHead;

/// A request that passed every check that needs no more than its stream's key.
#[derive(Debug)]
pub(crate) enum Request {
    Open { note: String, opening: Box<StreamOpening> },
    Append(Box<Append>),
    House { statements: Vec<Statement>, leaves: Vec<Hash> },
    Enrol { note: String, enrolment: Box<Enrolment> },
    Revoke { note: String, revocation: Box<Revocation> },
    SetQuota { note: String, quota: Box<Quota> },
}

/// Statements for a stream, with the head verified by the stream's key.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) stream: StreamId,
    pub(crate) old_size: u64,
    pub(crate) statements: Vec<Statement>,
    /// Stream leaf hashes of the statements.
    pub(crate) leaves: Vec<Hash>,
    pub(crate) head: CosignedCheckpoint,
    pub(crate) close: bool,
}

impl Request {
    /// How much of a batch it takes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Append(append) => append.statements.len().max(1),
            Self::House { statements, .. } => statements.len().max(1),
            Self::Open { .. } | Self::Enrol { .. } | Self::Revoke { .. } | Self::SetQuota { .. } => 1,
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub(crate) enum Done {
    Opened(StreamId),
    /// New statements, now entries.
    Appended(Run),
    /// Statements the log had before.
    Repeated(Run),
    /// A heartbeat or a closing, of a stream of this size.
    HeadOnly(u64),
    House {
        stream: StreamId,
        sequence: u64,
        first: LeafIndex,
        count: u32,
    },
    Enrolled(LeafIndex),
    Revoked(LeafIndex),
    QuotaSet(LeafIndex),
}

/// A committed batch, as far as receipts need it.
#[derive(Debug)]
pub(crate) struct Committed {
    pub(crate) head: SignedHead,
    /// The tree before the batch.
    pub(crate) before: CompactRange,
    /// The perfect nodes the batch completed.
    pub(crate) nodes: Growth,
    pub(crate) logged_at: vouchlog_stream::LoggedAt,
}

/// What a waiting caller gets: what became of the request, and the batch it was in (none if nothing was committed).
pub(crate) type Outcome = Result<(Done, Option<Arc<Committed>>), Error>;

/// A request with the caller that waits for its outcome.
pub(crate) type Waiting = queue::Waiting<Request, Outcome>;
/// A caller that waits for an outcome.
pub(crate) type Caller = queue::Caller<Outcome>;
/// What the sequencer receives.
pub(crate) type Message = queue::Message<Request, Outcome>;

/// The sending side of the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue(queue::Queue<Request, Outcome>);

impl Queue {
    pub(crate) fn new(max_statements: usize) -> (Self, Receiver<Message>) {
        let (queue, messages) = queue::Queue::new(limits::MAX_QUEUED_REQUESTS, max_statements);
        (Self(queue), messages)
    }

    /// Queues a request, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, request: Request) -> Result<oneshot::Receiver<Outcome>, Error> {
        let weight = request.weight();
        self.0.submit(request, weight).map_err(|refused| match refused {
            NotQueued::Stopped => Error::unavailable("the log is stopping"),
            _ => pushback(),
        })
    }

    /// Statements that wait, or are in the batch under way.
    pub(crate) fn waiting(&self) -> usize {
        self.0.held()
    }

    /// Asks the sequencer to stop.
    pub(crate) fn stop(&self, stopped: oneshot::Sender<()>) {
        self.0.stop(stopped);
    }
}

fn pushback() -> Error {
    Error::new(
        ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
        "too many statements are queued: retry the same request later",
    )
}
