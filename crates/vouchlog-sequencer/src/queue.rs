//! What waits for the next batch, within bounds.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{CompactRange, Growth, Hash, LeafIndex};
use vouchlog_note::{CosignedCheckpoint, VerifyingKey};
use vouchlog_runtime::queue::{self, NotQueued};
use vouchlog_stream::{Enrolment, Quota, Revocation, Run, Statement, StreamId, StreamOpening};

use crate::limits;
use crate::signer::SignedHead;

/// A request that passed every check that needs no more than its stream's key.
#[derive(Debug)]
pub(crate) enum Request {
    Open {
        note: String,
        opening: Box<StreamOpening>,
    },
    Append(Box<Append>),
    House {
        statements: Vec<Statement>,
        leaves: Vec<Hash>,
        room: HouseRoom,
    },
    /// `by` is the operator's key that the note was verified with, here and below.
    Enrol {
        note: String,
        enrolment: Box<Enrolment>,
        by: Box<VerifyingKey>,
    },
    Revoke {
        note: String,
        revocation: Box<Revocation>,
        by: Box<VerifyingKey>,
    },
    SetQuota {
        note: String,
        quota: Box<Quota>,
        by: Box<VerifyingKey>,
    },
    ChangeKey {
        note: String,
    },
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
            Self::Open { .. }
            | Self::Enrol { .. }
            | Self::Revoke { .. }
            | Self::SetQuota { .. }
            | Self::ChangeKey { .. } => 1,
        }
    }
}

/// The share of the queue that statements of the house stream may take, held until their batch is drafted.
#[derive(Debug, Default)]
pub(crate) struct HouseRoom(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

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
    KeyChanged(LeafIndex),
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
pub(crate) struct Queue {
    all: queue::Queue<Request, Outcome>,
    /// Statements of the house stream that may wait.
    house: Arc<Semaphore>,
}

impl Queue {
    pub(crate) fn new(max_statements: usize) -> (Self, Receiver<Message>) {
        let (queue, messages) = queue::Queue::new(limits::MAX_QUEUED_REQUESTS, max_statements);
        let house = Arc::new(Semaphore::new(limits::MAX_QUEUED_HOUSE_STATEMENTS));
        (Self { all: queue, house }, messages)
    }

    /// Queues a request, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, mut request: Request) -> Result<oneshot::Receiver<Outcome>, Error> {
        let weight = request.weight();
        if let Request::House { room, .. } = &mut request {
            *room = self.house_room(weight)?;
        }
        self.all.submit(request, weight).map_err(|refused| match refused {
            NotQueued::Stopped => Error::unavailable("the log is stopping"),
            _ => pushback(),
        })
    }

    /// Anybody may fill the house stream, so gateways must not wait behind more of it than fits half a batch. What is longer than
    /// that has all of it to itself.
    fn house_room(&self, weight: usize) -> Result<HouseRoom, Error> {
        let weight = u32::try_from(weight.min(limits::MAX_QUEUED_HOUSE_STATEMENTS)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.house).try_acquire_many_owned(weight).map_err(|_| pushback())?;
        Ok(HouseRoom(Some(room)))
    }

    /// Statements that wait, or are in the batch under way.
    pub(crate) fn waiting(&self) -> usize {
        self.all.held()
    }

    /// Asks the sequencer to stop.
    pub(crate) fn stop(&self, stopped: oneshot::Sender<()>) {
        self.all.stop(stopped);
    }
}

fn pushback() -> Error {
    Error::new(
        ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
        "too many statements are queued: retry the same request later",
    )
}

#[cfg(test)]
mod tests {
    use vouchlog_stream::{Digest, Evidence, StatementKind};

    use super::*;
    use crate::limits::{MAX_QUEUED_HOUSE_STATEMENTS, MAX_QUEUED_STATEMENTS};

    /// A flood of the house stream once filled the queue that gateways wait in.
    #[test]
    fn the_house_stream_leaves_the_queue_to_gateways() {
        let statement = Statement {
            kind: StatementKind::Opaque,
            evidence: Evidence::NONE,
            digest: Digest::of(b"salted"),
        };
        let (queue, messages) = Queue::new(MAX_QUEUED_STATEMENTS);
        let house = |count| Request::House {
            statements: vec![statement; count],
            leaves: Vec::new(),
            room: HouseRoom::default(),
        };
        let mut waiting = Vec::new();
        while let Ok(outcome) = queue.submit(house(1_000)) {
            waiting.push(outcome);
        }
        assert_eq!(waiting.len(), MAX_QUEUED_HOUSE_STATEMENTS / 1_000);
        assert!(queue.waiting() <= MAX_QUEUED_STATEMENTS / 8, "{} wait", queue.waiting());
        let refused = queue.submit(house(1_000)).unwrap_err();
        assert!(matches!(refused.kind, ErrorKind::Overloaded { .. }));
        drop(messages.try_iter().collect::<Vec<_>>());
        // The longest request is more than the share, and has it to itself.
        let longest = queue.submit(house(16_384)).unwrap();
        assert!(queue.submit(house(1)).is_err());
        drop(longest);
    }
}
