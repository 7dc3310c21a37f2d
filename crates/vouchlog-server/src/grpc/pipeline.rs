//! `AppendStream`: many appends on one call, several under way at once, answered in the order they came.
//!
//! ```text
//! client ──► decode ──► started in order ─ ─ 8 under way ─ ─► awaited in order ──► client
//! ```
//!
//! An append is *started* when its future is polled for the first time, which is when the log queues it. Requests of one
//! stream build on each other, so they are started in the order they came. When the log pushes back on one of them, those
//! behind it may find a gap and be refused as conflicts through no fault of the client: all of them are settled, and then
//! what was not taken is started again, in order. Sending again never appends twice, so nothing can be lost by that.
//!
//! A request holds room from when it is read until it is answered ([`QueueRoom`]). One that finds none waits, and nothing behind it is
//! read, until one before it is answered; where none is under way, the call ends and the client comes back.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use vouchlog_api::{Append, Appended, Appender, Error, ErrorKind};
use vouchlog_proto::v1;
use vouchlog_runtime::charge;
use vouchlog_runtime::sender::{self, Sender};
use vouchlog_stream::limits::RECENT_RUNS;

use super::{refused, stopped};
use crate::admission::{Allotment, QueueRoom};
use crate::log::AnyLog;
use crate::status::{bug, rpc_unread, status};

/// Requests of one call that are under way at once. A stream can answer this many of its runs again, so no more may be
/// unanswered when the connection is lost.
const MAX_UNDER_WAY: usize = RECENT_RUNS;

/// What a request takes beside its statements, in bytes: its head, and what is kept of it while it waits.
const REQUEST_BYTES: usize = 2_048;

/// A request, and the room it takes.
struct Started {
    request: Append,
    _room: Option<Allotment>,
}

/// Whose call it is. Its requests are answered outside the scope of the call.
#[derive(Clone)]
pub(super) struct CallOwner {
    /// What the call holds at the server, to be charged to the gateway's key.
    account: Option<Arc<dyn charge::Account>>,
    sender: Sender,
}

impl CallOwner {
    /// That of the request that is being answered.
    pub(super) fn current() -> Self {
        static CALLS: AtomicU64 = AtomicU64::new(0);
        let call = Some(CALLS.fetch_add(1, Ordering::Relaxed));
        Self { account: charge::current(), sender: Sender { call, ..sender::current() } }
    }
}

/// A request and what became of it.
type Settled = (Started, Result<Appended, Error>);

/// The answers to the requests of one call.
pub(super) fn answers(
    log: AnyLog,
    requests: impl Stream<Item = Result<v1::AppendRequest, Status>> + Send + Unpin + 'static,
    room: Option<QueueRoom>,
    owner: CallOwner,
    stopping: CancellationToken,
) -> impl Stream<Item = Result<v1::AppendResponse, Status>> + Send + 'static {
    let pipeline = Pipeline {
        log,
        requests,
        owner,
        room,
        waiting: None,
        stopping,
        under_way: FuturesOrdered::new(),
        settled: VecDeque::new(),
        last_words: None,
    };
    let answers = futures::stream::unfold(Some(pipeline), |pipeline| async move {
        let mut pipeline = pipeline?;
        match pipeline.next().await {
            Ok(answer) => answer.map(|answer| (Ok(answer), Some(pipeline))),
            Err(status) => Some((Err(status), None)),
        }
    });
    Box::pin(answers)
}

struct Pipeline<R> {
    log: AnyLog,
    requests: R,
    owner: CallOwner,
    /// Where requests take room; none if the server does not bound them.
    room: Option<QueueRoom>,
    /// A request that was read and found no room.
    waiting: Option<Append>,
    stopping: CancellationToken,
    /// Started and not answered, in the order they came.
    under_way: FuturesOrdered<BoxFuture<'static, Settled>>,
    /// Settled while the log was pushing back, and older than all that are under way.
    settled: VecDeque<Settled>,
    /// Set once no more requests are read: how the call ends after the answers that are due.
    last_words: Option<Result<(), Status>>,
}

impl<R: Stream<Item = Result<v1::AppendRequest, Status>> + Send + Unpin> Pipeline<R> {
    /// The next answer; `None` when the client has had them all.
    async fn next(&mut self) -> Result<Option<v1::AppendResponse>, Status> {
        loop {
            if let Some((request, outcome)) = self.settled.pop_front() {
                // A call of a key that has its share of calls ends; waiting would keep its place.
                let is_refused = self.owner.account.as_ref().is_some_and(|account| account.is_refused());
                if let Some(wait) = pushback(&outcome)
                    && !is_refused
                    && !self.stopping.is_cancelled()
                {
                    self.settled.push_front((request, outcome));
                    self.start_again(wait).await;
                    continue;
                }
                return outcome.map(|appended| Some(appended.into())).map_err(|error| status(&error));
            }
            if self.under_way.is_empty()
                && let Some(last_words) = self.last_words.take()
            {
                return last_words.map(|()| None);
            }
            self.turn().await;
        }
    }

    /// Waits for whatever comes first: an outcome, or, if there is room, a request.
    async fn turn(&mut self) {
        if self.last_words.is_none()
            && let Some(request) = self.waiting.take()
        {
            self.begin(request);
        }
        let is_full = self.waiting.is_some() || self.under_way.len() >= MAX_UNDER_WAY;
        let reads = self.last_words.is_none() && !is_full;
        // The request that waited found no room, and none is under way that would free some: the call ends.
        if self.last_words.is_some() && self.under_way.is_empty() {
            return;
        }
        tokio::select! {
            biased;
            Some(settled) = self.under_way.next() => self.settled.push_back(settled),
            () = self.stopping.cancelled(), if self.last_words.is_none() => {
                self.last_words = Some(Err(stopped()));
            }
            request = self.requests.next(), if reads => match request {
                None => self.last_words = Some(Ok(())),
                Some(Err(unread)) => self.last_words = Some(Err(rpc_unread(unread))),
                Some(Ok(message)) => match Append::try_from(message) {
                    Ok(request) => self.begin(request),
                    Err(error) => self.last_words = Some(Err(refused(error))),
                },
            }
        }
    }

    /// Starts a request, or has it wait for room.
    fn begin(&mut self, request: Append) {
        let Some(room) = &self.room else {
            return self.start(Started { request, _room: None });
        };
        // It is there twice, to be started again if the log pushes back.
        let bytes = 2 * size_of_val(request.statements.as_slice()) + REQUEST_BYTES;
        match room.take(bytes) {
            Some(taken) => self.start(Started { request, _room: Some(taken) }),
            None if !self.under_way.is_empty() => self.waiting = Some(request),
            None => self.last_words = Some(Err(status(&room.refuse()))),
        }
    }

    fn start(&mut self, again: Started) {
        let (log, owner, request) = (self.log.clone(), self.owner.clone(), again.request.clone());
        let settle = async move {
            // A panic here would tear down the connection with everything else on it.
            let appending = sender::scope(owner.sender, charge::scope(owner.account, log.append(request)));
            let outcome = AssertUnwindSafe(appending).catch_unwind().await;
            (again, outcome.unwrap_or_else(|_| Err(bug())))
        };
        self.under_way.push_back(settle.boxed());
    }

    /// Lets everything under way settle, waits as long as the log asked for, and starts what was not taken once more. The
    /// first of those settled is what the log pushed back on.
    async fn start_again(&mut self, wait: Duration) {
        while let Some(settled) = self.under_way.next().await {
            self.settled.push_back(settled);
        }
        tokio::time::sleep(wait).await;
        for (request, outcome) in std::mem::take(&mut self.settled) {
            let blameless = matches!(
                &outcome,
                Err(Error { kind: ErrorKind::Overloaded { .. } | ErrorKind::Conflict { .. }, .. })
            );
            if blameless {
                self.start(request);
            } else {
                self.under_way.push_back(std::future::ready((request, outcome)).boxed());
            }
        }
    }
}

/// How long to wait, if the log pushed back.
fn pushback(outcome: &Result<Appended, Error>) -> Option<Duration> {
    match outcome {
        Err(Error { kind: ErrorKind::Overloaded { retry_after }, .. }) => Some(*retry_after),
        _ => None,
    }
}
