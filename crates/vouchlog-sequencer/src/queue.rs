//! What waits for the next batch, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{CompactRange, Growth, Hash, LeafIndex};
use vouchlog_note::{CosignedCheckpoint, VerifyingKey};
use vouchlog_runtime::queue::{self, NotQueued, QueueRoom};
use vouchlog_stream::{Enrolment, Quota, Retirement, Revocation, Run, Statement, StreamId, StreamOpening};

use crate::limits;
use crate::signer::SignedHead;

/// A request that passed every check that needs no more than its stream's key.
#[derive(Debug)]
pub(crate) enum Request {
    Open {
        note: String,
        opening: Box<StreamOpening>,
        enrolment: Option<Box<SignedEnrolment>>,
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
    Retire {
        note: String,
        retirement: Box<Retirement>,
    },
}

/// An enrolment that the operator's key has signed.
#[derive(Debug)]
pub(crate) struct SignedEnrolment {
    pub(crate) note: String,
    pub(crate) enrolment: Enrolment,
    /// The key that signed: another may be the operator's by the time the enrolment is logged.
    pub(crate) by: VerifyingKey,
}

/// Statements for a stream, with the head verified by the stream's key.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) stream: StreamId,
    pub(crate) statements: Vec<Statement>,
    /// The statements as a range of the stream: hashed on the caller's thread.
    pub(crate) range: CompactRange,
    pub(crate) head: CosignedCheckpoint,
    pub(crate) close: bool,
    /// The gateway's key that it is charged to. None for what others can send as well: a head that the log knows already.
    pub(crate) payer: Option<Arc<str>>,
    pub(crate) room: GatewayRoom,
}

impl Request {
    /// Whether it adds statements, as opposed to heads and what operators send.
    pub(crate) fn has_statements(&self) -> bool {
        match self {
            Self::Append(append) => !append.statements.is_empty(),
            Self::House { .. } => true,
            _ => false,
        }
    }

    /// How much of a batch it takes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Append(append) => append.statements.len().max(1),
            Self::House { statements, .. } => statements.len().max(1),
            Self::Open { .. }
            | Self::Enrol { .. }
            | Self::Revoke { .. }
            | Self::SetQuota { .. }
            | Self::ChangeKey { .. }
            | Self::Retire { .. } => 1,
        }
    }
}

/// The share of the queue that statements of the house stream may take, held until their batch is drafted.
#[derive(Debug, Default)]
pub(crate) struct HouseRoom(#[expect(dead_code, reason = "held, not read")] Option<OwnedSemaphorePermit>);

/// The share of the queue that a gateway's statements may take, held until their batch is drafted.
#[derive(Debug, Default)]
pub(crate) struct GatewayRoom(#[expect(dead_code, reason = "held, not read")] Option<Reservation>);

/// What the gateways hold of the queue.
#[derive(Debug, Default)]
struct Shares(Mutex<HashMap<Arc<str>, QueueRoom>>);

/// A part of the queue that is given back when it is dropped.
#[derive(Debug)]
struct Reservation {
    shares: Arc<Shares>,
    gateway: Arc<str>,
    statements: usize,
}

impl Shares {
    /// One more request with so many statements. A gateway may hold as much as is free: alone it gets half of the queue, however many
    /// connections it has, and something is left for the next. What it sends while it holds nothing is bounded by the queue alone.
    fn take(self: &Arc<Self>, gateway: &Arc<str>, statements: usize, free: QueueRoom) -> Option<Reservation> {
        let mut shares = self.0.lock();
        let held = shares.get(gateway).copied().unwrap_or_default();
        let (requests, all) = (held.requests + 1, held.weight.saturating_add(statements));
        if held.requests > 0 && (requests > free.requests || all > free.weight) {
            return None;
        }
        shares.insert(Arc::clone(gateway), QueueRoom { requests, weight: all });
        Some(Reservation { shares: Arc::clone(self), gateway: Arc::clone(gateway), statements })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut shares = self.shares.0.lock();
        let Some(held) = shares.get_mut(&self.gateway) else { return };
        held.requests -= 1;
        held.weight -= self.statements;
        if held.requests == 0 {
            shares.remove(&self.gateway);
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
    KeyChanged(LeafIndex),
    Retired(LeafIndex),
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
    gateways: Arc<Shares>,
}

impl Queue {
    pub(crate) fn new(max_statements: usize) -> (Self, Receiver<Message>) {
        let (queue, messages) = queue::Queue::new(limits::MAX_QUEUED_REQUESTS, max_statements);
        let house = Arc::new(Semaphore::new(limits::MAX_QUEUED_HOUSE_STATEMENTS));
        (Self { all: queue, house, gateways: Arc::default() }, messages)
    }

    /// Queues a request, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, mut request: Request) -> Result<oneshot::Receiver<Outcome>, Error> {
        let weight = request.weight();
        match &mut request {
            Request::House { room, .. } => *room = self.house_room(weight)?,
            Request::Append(append) => append.room = self.gateway_room(append.payer.as_ref(), weight)?,
            _ => {}
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

    fn gateway_room(&self, payer: Option<&Arc<str>>, weight: usize) -> Result<GatewayRoom, Error> {
        let Some(gateway) = payer else { return Ok(GatewayRoom::default()) };
        let held = self.gateways.take(gateway, weight, self.all.free()).ok_or_else(gateway_pushback)?;
        Ok(GatewayRoom(Some(held)))
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

/// For a log that waits for its lookup index.
pub(crate) fn index_pushback() -> Error {
    Error::new(
        ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
        "the log waits for its lookup index: retry the same request later",
    )
}

/// For a gateway that holds its share: it has to retry.
pub(crate) fn gateway_pushback() -> Error {
    Error::new(
        ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
        "the gateway's other requests hold its share of the log: retry the same request later",
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

    /// Two gateways, one of them with any number of connections.
    #[test]
    fn a_gateway_leaves_room_for_another() {
        let shares = Arc::new(Shares::default());
        let (greedy, other): (Arc<str>, Arc<str>) = ("greedy".into(), "other".into());
        let free = |held: &[Reservation]| QueueRoom {
            requests: 100 - held.len(),
            weight: 1_000 - held.iter().map(|held| held.statements).sum::<usize>(),
        };
        let mut held = Vec::new();
        while let Some(taken) = shares.take(&greedy, 10, free(&held)) {
            held.push(taken);
        }
        assert_eq!(held.len(), 50, "half of the requests and of the statements");
        held.push(shares.take(&other, 400, free(&held)).unwrap());
        assert!(shares.take(&greedy, 1, free(&held)).is_none());
        drop(held);
        assert!(shares.0.lock().is_empty());
        // The longest request takes the queue, and nothing beside it.
        let longest = shares.take(&greedy, 1_000, free(&[])).unwrap();
        assert!(shares.take(&greedy, 1, free(std::slice::from_ref(&longest))).is_none());
    }
}
