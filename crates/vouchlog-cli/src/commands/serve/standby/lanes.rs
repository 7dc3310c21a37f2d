//! Calls on which many appends come, one after the other: each has a lane, a call to the leader on which they are passed on in the order they
//! came, several under way at once.
//!
//! ```text
//! appends of a call ─► queue ─► under way, at most 8 ─► call to the leader
//!                                  ▲ front: next to be answered     │
//!                                  └── the call broke, or another node leads: all are sent again, in order
//! ```
//!
//! The log answers its last 8 runs of a stream again, so no more may be unanswered. A lane ends when its call is quiet. Callers share no
//! lane: a stranger's appends, which the leader refuses, end no call but their own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use vouchlog::{Append, Appended, Error};
use vouchlog_api::ErrorKind;
use vouchlog_client::AppendPipe;
use vouchlog_stream::limits::RECENT_RUNS;

use super::forward::{Attempts, Forwarder, PATIENCE, out_of_reach, stopping};
use super::leader::Place;

/// Appends of one call that wait behind those under way: as many as the server reads at once.
const MAX_WAITING: usize = 64;
/// How long a lane outlives its last append.
const IDLE: Duration = Duration::from_secs(2);
/// What callers are told to wait when a lane is full.
const BUSY: Duration = Duration::from_millis(100);

/// The lanes of a standby. Clones are the same.
#[derive(Clone)]
pub(super) struct Lanes {
    forwarder: Forwarder,
    open: Arc<Mutex<HashMap<u64, mpsc::Sender<Job>>>>,
}

/// An append, and who waits for its answer.
struct Job {
    request: Append,
    answer: oneshot::Sender<Result<Appended, Error>>,
    deadline: Instant,
}

impl Lanes {
    pub(super) fn new(forwarder: Forwarder) -> Self {
        Self { forwarder, open: Arc::default() }
    }

    /// Has the leader append what came on the call of this number. Appends are passed on in the order in which this is polled first.
    pub(super) async fn append(&self, call: u64, request: Append) -> Result<Appended, Error> {
        let (answer, answered) = oneshot::channel();
        self.queue(call, Job { request, answer, deadline: Instant::now() + PATIENCE })?;
        answered.await.unwrap_or_else(|_| Err(stopping()))
    }

    /// Hands a job to the lane of its call, which is opened if there is none.
    fn queue(&self, call: u64, job: Job) -> Result<(), Error> {
        let mut open = self.open.lock();
        let lane = match open.entry(call) {
            Entry::Occupied(lane) => lane.into_mut(),
            Entry::Vacant(place) => {
                let (queue, jobs) = mpsc::channel(MAX_WAITING);
                let lane = Lane { lanes: self.clone(), call, jobs, under_way: VecDeque::new() };
                tokio::spawn(lane.run());
                place.insert(queue)
            }
        };
        lane.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                let kind = ErrorKind::Overloaded { retry_after: BUSY };
                Error::new(kind, "too many requests of this call wait for the leader: retry later")
            }
            mpsc::error::TrySendError::Closed(_) => stopping(),
        })
    }
}

/// The appends of one call on their way.
struct Lane {
    lanes: Lanes,
    call: u64,
    jobs: mpsc::Receiver<Job>,
    /// Sent or to be sent, and not answered, in order.
    under_way: VecDeque<Job>,
}

/// Why a call to the leader is over.
enum CallEnd {
    /// Nothing is under way, and nothing came for a while.
    Idle,
    /// The append in front is settled, with an error that ended the call; those behind it are not.
    Settled,
    /// Nothing is known of what is under way.
    Broken(Error),
}

impl Lane {
    async fn run(mut self) {
        let forwarder = self.lanes.forwarder.clone();
        let mut attempts = None;
        loop {
            if self.under_way.is_empty() {
                attempts = None;
                match tokio::time::timeout(IDLE, self.jobs.recv()).await {
                    Ok(Some(job)) => self.under_way.push_back(job),
                    _ if self.has_closed() => return,
                    _ => continue,
                }
            }
            if forwarder.stopping.is_cancelled() {
                self.answer_all(&stopping());
                continue;
            }
            let error = match self.talk(&forwarder).await {
                CallEnd::Idle | CallEnd::Settled => {
                    attempts = None;
                    continue;
                }
                CallEnd::Broken(error) => error,
            };
            // Callers that left take their appends along: who appended behind them left as well, or sends all of it again.
            self.under_way.retain(|job| !job.answer.is_closed());
            let now = Instant::now();
            while let Some(job) = self.under_way.pop_front_if(|job| job.deadline <= now) {
                forwarder.metrics.out_of_reach();
                job.settle(Err(out_of_reach(&error)));
            }
            let Some(front) = self.under_way.front() else { continue };
            let attempts = attempts.get_or_insert_with(|| Attempts::new(front.deadline));
            attempts.deadline = front.deadline;
            if let Err(error) = forwarder.wait(attempts, error).await
                && let Some(job) = self.under_way.pop_front()
            {
                job.settle(Err(error));
            }
        }
    }

    /// Leaves, unless an append came at the last moment.
    fn has_closed(&mut self) -> bool {
        let mut open = self.lanes.open.lock();
        match self.jobs.try_recv() {
            Ok(job) => {
                self.under_way.push_back(job);
                false
            }
            Err(_) => {
                open.remove(&self.call);
                true
            }
        }
    }

    fn answer_all(&mut self, error: &Error) {
        self.under_way.drain(..).for_each(|job| job.settle(Err(error.clone())));
    }

    /// One call to the leader: sends what is under way, then what comes, and hands out the answers.
    async fn talk(&mut self, forwarder: &Forwarder) -> CallEnd {
        let place = match forwarder.leaders.place(None) {
            Ok(place) => place,
            Err(error) if error.kind == ErrorKind::Unavailable => return CallEnd::Broken(error),
            Err(error) => {
                self.answer_all(&error);
                return CallEnd::Settled;
            }
        };
        let deadline = self.front_deadline();
        let opening = place.log.append_stream(RECENT_RUNS);
        let mut pipe = match forwarder.answer(&place, deadline, opening).await {
            Ok(pipe) => pipe,
            Err(error) => return CallEnd::Broken(error),
        };
        for job in &self.under_way {
            // If the call has ended, the next answer says why. There is room for as many as may be under way.
            let _ = pipe.send(&job.request).await;
        }
        loop {
            if let Err(end) = self.turn(forwarder, &place, &mut pipe).await {
                return end;
            }
        }
    }

    /// Waits for whatever comes first: an answer, or, if there is room, an append.
    async fn turn(
        &mut self,
        forwarder: &Forwarder,
        place: &Place,
        pipe: &mut AppendPipe,
    ) -> Result<(), CallEnd> {
        let (is_idle, has_room) = (self.under_way.is_empty(), self.under_way.len() < RECENT_RUNS);
        let patience = if is_idle { Instant::now() + IDLE } else { self.front_deadline() };
        tokio::select! {
            biased;
            answer = pipe.next() => {
                let answer = forwarder.checked(place, answer).await;
                self.settle(forwarder, answer)
            }
            () = forwarder.leaders.another_than(place) => {
                Err(CallEnd::Broken(Error::unavailable("another node leads the log now")))
            }
            () = forwarder.stopping.cancelled() => Err(CallEnd::Broken(stopping())),
            Some(job) = self.jobs.recv(), if has_room => {
                let _ = pipe.send(&job.request).await;
                self.under_way.push_back(job);
                Ok(())
            }
            () = tokio::time::sleep_until(patience) => Err(match is_idle {
                true => CallEnd::Idle,
                false => CallEnd::Broken(Error::unavailable("the leader did not respond in time")),
            }),
        }
    }

    /// Hands the answer to the append in front. The first error ends the call.
    fn settle(&mut self, forwarder: &Forwarder, answer: Result<Appended, Error>) -> Result<(), CallEnd> {
        match answer {
            Err(error) if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::NotLeader) => {
                Err(CallEnd::Broken(error))
            }
            answer => {
                let is_error = answer.is_err();
                if let Some(job) = self.under_way.pop_front() {
                    forwarder.metrics.answered();
                    job.settle(answer);
                }
                if is_error { Err(CallEnd::Settled) } else { Ok(()) }
            }
        }
    }

    fn front_deadline(&self) -> Instant {
        self.under_way.front().map_or_else(|| Instant::now() + PATIENCE, |job| job.deadline)
    }
}

impl Job {
    fn settle(self, answer: Result<Appended, Error>) {
        // The caller may have left.
        let _ = self.answer.send(answer);
    }
}
