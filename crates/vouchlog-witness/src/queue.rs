//! What waits for the next commit, within bounds.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use tokio::sync::oneshot;
use vouchlog_api::{Error, ErrorKind, Result};

use crate::check::Claim;
use crate::limits;

/// A claim, and who waits for the cosignature.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) claim: Claim,
    pub(crate) caller: Caller,
}

/// Somebody who waits for signature lines.
#[derive(Debug)]
pub(crate) struct Caller(oneshot::Sender<Result<String>>);

impl Caller {
    /// Answers. A caller who went away does not mind.
    pub(crate) fn answer(self, outcome: Result<String>) {
        drop(self.0.send(outcome));
    }
}

/// What the cosigner is told.
#[derive(Debug)]
pub(crate) enum Message {
    Request(Waiting),
    /// Finish what waits, close the store, answer, end.
    Stop(oneshot::Sender<()>),
}

/// The sending side of the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue(SyncSender<Message>);

impl Queue {
    pub(crate) fn new(max_requests: usize) -> (Self, Receiver<Message>) {
        let (messages, queue) = sync_channel(max_requests);
        (Self(messages), queue)
    }

    /// Queues a claim, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, claim: Claim) -> Result<oneshot::Receiver<Result<String>>> {
        let (reply, outcome) = oneshot::channel();
        match self.0.try_send(Message::Request(Waiting { claim, caller: Caller(reply) })) {
            Ok(()) => Ok(outcome),
            Err(TrySendError::Full(_)) => Err(Error::new(
                ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
                "too many checkpoints wait to be cosigned: send the same again a little later",
            )),
            Err(TrySendError::Disconnected(_)) => Err(Error::unavailable("the witness is stopping")),
        }
    }

    /// Tells the cosigner to stop. Blocks while the queue is full.
    pub(crate) fn stop(&self, stopped: oneshot::Sender<()>) {
        // A cosigner that is gone already has stopped.
        drop(self.0.send(Message::Stop(stopped)));
    }
}

/// Everything that waits, up to the size of a batch.
pub(crate) fn gather(
    queue: &Receiver<Message>,
    first: Message,
    stop: &mut Option<oneshot::Sender<()>>,
) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut next = Some(first);
    while let Some(message) = next {
        match message {
            Message::Request(waiting) => batch.push(waiting),
            Message::Stop(stopped) => {
                *stop = Some(stopped);
                break;
            }
        }
        if batch.len() >= limits::MAX_BATCH_REQUESTS {
            break;
        }
        next = queue.try_recv().ok();
    }
    batch
}
