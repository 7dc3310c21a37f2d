//! What waits for the next batch, within bounds.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{CompactRange, Growth, Hash, LeafIndex};
use vouchlog_note::CosignedCheckpoint;
use vouchlog_stream::{Enrolment, Revocation, Run, Statement, StreamId, StreamOpening};

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
            Self::Open { .. } | Self::Enrol { .. } | Self::Revoke { .. } => 1,
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

/// A request with the caller who waits for it. Dropping it gives its room in the queue back.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) request: Request,
    pub(crate) caller: Caller,
}

/// Somebody who waits for an outcome.
#[derive(Debug)]
pub(crate) struct Caller {
    reply: oneshot::Sender<Outcome>,
    room: OwnedSemaphorePermit,
}

impl Caller {
    /// Gives the room in the queue back, then answers: whoever has an answer finds the room it took. A caller who went
    /// away does not mind.
    pub(crate) fn answer(self, outcome: Outcome) {
        drop(self.room);
        drop(self.reply.send(outcome));
    }
}

/// What the sequencer is told.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Waiting),
    /// Write the last heads, close the store, answer, end.
    Stop(oneshot::Sender<()>),
}

/// The sending side of the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    messages: SyncSender<Message>,
    room: Arc<Semaphore>,
    size: usize,
}

impl Queue {
    pub(crate) fn new(messages: SyncSender<Message>, max_statements: usize) -> Self {
        Self { messages, room: Arc::new(Semaphore::new(max_statements)), size: max_statements }
    }

    /// Queues a request, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, request: Request) -> Result<oneshot::Receiver<Outcome>, Error> {
        let weight = u32::try_from(request.weight().min(self.size)).expect("requests are bounded");
        let room = self.room.clone().try_acquire_many_owned(weight).map_err(|_| pushback())?;
        let (reply, outcome) = oneshot::channel();
        let waiting = Waiting { request, caller: Caller { reply, room } };
        match self.messages.try_send(Message::Request(waiting)) {
            Ok(()) => Ok(outcome),
            Err(TrySendError::Full(_)) => Err(pushback()),
            Err(TrySendError::Disconnected(_)) => Err(Error::unavailable("the log is stopping")),
        }
    }

    /// Statements that wait, or are in the batch under way.
    pub(crate) fn waiting(&self) -> usize {
        self.size - self.room.available_permits()
    }

    /// Tells the sequencer to stop. Blocks while the queue is full.
    pub(crate) fn stop(&self, stopped: oneshot::Sender<()>) {
        // A sequencer that is gone already has stopped.
        drop(self.messages.send(Message::Stop(stopped)));
    }
}

fn pushback() -> Error {
    Error::new(
        ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
        "too much is waiting to be logged: send the same request again a little later",
    )
}
