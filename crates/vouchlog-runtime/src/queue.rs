//! A bounded queue of requests to one thread, each with a caller that waits for a reply of a given type.
//!
//! Two bounds, one on the number of requests and one on their weight together: a request holds its share of both from
//! [`Queue::submit`] until its reply, so they cover what waits and what is being worked on. A full queue refuses at once; it
//! never blocks a caller.
//!
//! A request carries the tracing span of its caller over to the worker's thread.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::Span;

/// A span of a batch takes this many requests as causes; the number of all is in its field `requests`.
const MAX_CAUSES: usize = 64;

/// Why a request was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NotQueued {
    /// There is no room now.
    #[error("the queue is full")]
    Full,
    /// The worker has ended or is ending.
    #[error("the worker has stopped")]
    Stopped,
}

/// What the worker receives.
#[derive(Debug)]
pub enum Message<R, A> {
    /// A request.
    Request(Waiting<R, A>),
    /// Finish what waits, then end and confirm it here.
    Stop(oneshot::Sender<()>),
}

/// A request and its caller. Dropping it frees its room; the caller learns that no reply will come.
#[derive(Debug)]
pub struct Waiting<R, A> {
    /// The request.
    pub request: R,
    /// The caller.
    pub caller: Caller<A>,
    /// The span in which it was submitted.
    pub span: Span,
}

impl<R, A> Waiting<R, A> {
    /// Places the span of a batch: it is part of the first request, and follows from the others.
    pub fn batch_span(requests: &[Self], make: impl FnOnce(&Span) -> Span) -> Span {
        let Some((first, others)) = requests.split_first() else { return Span::none() };
        let span = make(&first.span);
        for other in others.iter().take(MAX_CAUSES - 1) {
            span.follows_from(&other.span);
        }
        span
    }
}

/// A caller that waits for a reply.
#[derive(Debug)]
pub struct Caller<A> {
    reply: oneshot::Sender<A>,
    room: Room,
}

/// A share of the queue, given back when it is dropped.
#[derive(Debug)]
struct Room {
    _place: OwnedSemaphorePermit,
    _weight: OwnedSemaphorePermit,
}

impl<A> Caller<A> {
    /// Whether the caller waits no longer.
    pub fn is_gone(&self) -> bool {
        self.reply.is_closed()
    }

    /// Frees the room in the queue, then replies: a caller that has its reply finds the room it took. A reply to a caller
    /// that went away is dropped.
    pub fn answer(self, reply: A) {
        drop(self.room);
        drop(self.reply.send(reply));
    }
}

/// How much of a queue is free, or held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueRoom {
    /// Requests.
    pub requests: usize,
    /// Their weight together.
    pub weight: usize,
}

/// The sending side.
#[derive(Debug)]
pub struct Queue<R, A> {
    messages: Sender<Message<R, A>>,
    places: Arc<Semaphore>,
    weights: Arc<Semaphore>,
    max_weight: usize,
}

impl<R, A> Clone for Queue<R, A> {
    fn clone(&self) -> Self {
        let Self { messages, places, weights, max_weight } = self;
        Self {
            messages: messages.clone(),
            places: places.clone(),
            weights: weights.clone(),
            max_weight: *max_weight,
        }
    }
}

impl<R, A> Queue<R, A> {
    /// A queue for so many requests, of so much weight together, and the worker's side of it.
    pub fn new(max_requests: usize, max_weight: usize) -> (Self, Receiver<Message<R, A>>) {
        // An unbounded channel with bounded content: every request in it holds permits. A bounded one would allocate all its
        // places at once, and a request to stop would have to wait for one.
        let (messages, receiver) = channel();
        let semaphore = |size: usize| Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS)));
        let (places, weights) = (semaphore(max_requests), semaphore(max_weight));
        let max_weight = weights.available_permits();
        (Self { messages, places, weights, max_weight }, receiver)
    }

    /// Queues a request, or refuses it at once. A request heavier than the whole queue takes all of it; each takes at least 1.
    pub fn submit(&self, request: R, weight: usize) -> Result<oneshot::Receiver<A>, NotQueued> {
        let weight = u32::try_from(weight.clamp(1, self.max_weight.max(1))).unwrap_or(u32::MAX);
        let room = Room {
            _place: self.places.clone().try_acquire_owned().map_err(|_| NotQueued::Full)?,
            _weight: self.weights.clone().try_acquire_many_owned(weight).map_err(|_| NotQueued::Full)?,
        };
        let (reply, outcome) = oneshot::channel();
        let waiting = Waiting { request, caller: Caller { reply, room }, span: Span::current() };
        self.messages.send(Message::Request(waiting)).map_err(|_| NotQueued::Stopped)?;
        Ok(outcome)
    }

    /// What is free.
    pub fn free(&self) -> QueueRoom {
        QueueRoom { requests: self.places.available_permits(), weight: self.weights.available_permits() }
    }

    /// The weight that waits or is being worked on.
    pub fn held(&self) -> usize {
        self.max_weight - self.weights.available_permits()
    }

    /// Asks the worker to stop. Never blocks. A worker that is gone already has stopped: the sender is dropped.
    pub fn stop(&self, stopped: oneshot::Sender<()>) {
        drop(self.messages.send(Message::Stop(stopped)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(receiver: &Receiver<Message<u8, u8>>) -> Waiting<u8, u8> {
        match receiver.try_recv().unwrap() {
            Message::Request(waiting) => waiting,
            Message::Stop(_) => panic!("no stop was sent"),
        }
    }

    #[tokio::test]
    async fn replies_reach_their_callers_in_any_order() {
        let (queue, receiver) = Queue::<u8, u8>::new(3, 9);
        let replies: Vec<_> = (0..3).map(|n| queue.submit(n, 1).unwrap()).collect();
        let mut waiting: Vec<_> = (0..3).map(|_| next(&receiver)).collect();
        waiting.reverse();
        for Waiting { request, caller, .. } in waiting {
            caller.answer(request * 10);
        }
        for (n, reply) in replies.into_iter().enumerate() {
            assert_eq!(usize::from(reply.await.unwrap()), n * 10);
        }
    }

    #[test]
    fn the_bound_counts_weight_until_the_reply() {
        let (queue, receiver) = Queue::<u8, u8>::new(9, 10);
        let _first = queue.submit(1, 7).unwrap();
        assert_eq!(queue.submit(2, 4).unwrap_err(), NotQueued::Full);
        let _second = queue.submit(3, 3).unwrap();
        assert_eq!((queue.held(), queue.submit(4, 0).unwrap_err()), (10, NotQueued::Full));
        assert_eq!(queue.free(), QueueRoom { requests: 7, weight: 0 });
        // Taken, but not answered: the room stays occupied.
        let first = next(&receiver);
        assert_eq!(queue.held(), 10);
        first.caller.answer(0);
        assert_eq!(queue.held(), 3);
        // Dropped unanswered.
        drop(next(&receiver));
        assert_eq!(queue.held(), 0);
        // Heavier than the queue: alone in it.
        let _heavy = queue.submit(5, usize::MAX).unwrap();
        assert_eq!(queue.held(), 10);
    }

    #[test]
    fn the_number_of_requests_is_bounded_too() {
        let (queue, receiver) = Queue::<u8, u8>::new(2, 100);
        let _replies: Vec<_> = (0..2).map(|n| queue.submit(n, 1).unwrap()).collect();
        assert_eq!(queue.submit(2, 1).unwrap_err(), NotQueued::Full);
        assert_eq!(queue.held(), 2, "a refused request holds nothing");
        next(&receiver).caller.answer(0);
        assert!(queue.submit(2, 1).is_ok());
    }

    #[test]
    fn an_empty_queue_takes_nothing_and_a_stopped_one_says_so() {
        for (requests, weight) in [(0, 9), (9, 0)] {
            let (nothing, _receiver) = Queue::<u8, u8>::new(requests, weight);
            assert_eq!(nothing.submit(1, 1).unwrap_err(), NotQueued::Full);
        }
        let (queue, receiver) = Queue::<u8, u8>::new(1, 1);
        drop(receiver);
        assert_eq!(queue.submit(1, 1).unwrap_err(), NotQueued::Stopped);
        assert_eq!(queue.held(), 0, "what was not queued holds nothing");
    }

    #[test]
    fn a_caller_that_left_is_noticed() {
        let (queue, receiver) = Queue::<u8, u8>::new(2, 2);
        drop(queue.submit(1, 1).unwrap());
        let _waits = queue.submit(2, 1).unwrap();
        assert!(next(&receiver).caller.is_gone());
        assert!(!next(&receiver).caller.is_gone());
    }

    #[tokio::test]
    async fn stopping_does_not_wait_for_room() {
        let (queue, receiver) = Queue::<u8, u8>::new(1, 1);
        let reply = queue.submit(1, 1).unwrap();
        let (stopped, done) = oneshot::channel();
        queue.stop(stopped);
        drop(next(&receiver));
        assert!(reply.await.is_err(), "no reply will come");
        let Message::Stop(stopped) = receiver.try_recv().unwrap() else { panic!("a stop was sent") };
        stopped.send(()).unwrap();
        done.await.unwrap();
        drop(receiver);
        let (stopped, done) = oneshot::channel();
        queue.stop(stopped);
        assert!(done.await.is_err(), "it is gone already");
    }
}
