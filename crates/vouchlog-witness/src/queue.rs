//! What waits for the next commit, within bounds.

use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;
use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_runtime::queue::{self, NotQueued};

use crate::check::Claim;
use crate::limits;

/// A claim, and the caller that waits for the cosignature.
pub(crate) type Waiting = queue::Waiting<Claim, Result<String>>;
/// A caller that waits for signature lines.
pub(crate) type Caller = queue::Caller<Result<String>>;
/// What the cosigner receives.
pub(crate) type Message = queue::Message<Claim, Result<String>>;

/// The sending side of the queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue(queue::Queue<Claim, Result<String>>);

impl Queue {
    pub(crate) fn new(max_requests: usize) -> (Self, Receiver<Message>) {
        let (queue, messages) = queue::Queue::new(max_requests, max_requests);
        (Self(queue), messages)
    }

    /// Queues a claim, or pushes back at once when the queue is full.
    pub(crate) fn submit(&self, claim: Claim) -> Result<oneshot::Receiver<Result<String>>> {
        self.0.submit(claim, 1).map_err(|refused| match refused {
            NotQueued::Stopped => Error::unavailable("the witness is stopping"),
            _ => Error::new(
                ErrorKind::Overloaded { retry_after: limits::RETRY_AFTER },
                "too many checkpoints are queued: retry the same request later",
            ),
        })
    }

    /// Asks the cosigner to stop.
    pub(crate) fn stop(&self, stopped: oneshot::Sender<()>) {
        self.0.stop(stopped);
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
