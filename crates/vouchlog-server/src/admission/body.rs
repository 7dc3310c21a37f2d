//! The body of a request while it comes: counted, paced, and whole before the request takes its place.
//!
//! ```text
//! head ─► handler ─ ─ reads ─ ─► ArrivingBody ─► bytes from the pool ─► whole: the request's place ─► handler goes on
//!                                  │ nothing here yet: waits among those that do, within its pace
//!                                  └ no room, or too slow: the handler finds a broken body, and the guard answers why
//! ```
//!
//! The handler reads the body itself, so that it may refuse a request by its head, and nothing is copied. A message of a stream is
//! counted until it is complete: then it has been read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::time::Instant;
use vouchlog_api::Error;

use super::account::Account;
use super::call::Call;
use super::framing::Framing;
use super::pace::{LeastPace, Pace};
use crate::metrics::ServerMetrics;
use crate::status::status;

/// What the body of a request needs to know of its request.
pub(crate) struct Arrival {
    account: Arc<Account>,
    metrics: ServerMetrics,
    call: Call,
}

impl Arrival {
    pub(crate) fn new(account: Arc<Account>, metrics: ServerMetrics, call: Call) -> Self {
        Self { account, metrics, call }
    }

    fn wait(&self) -> Result<(), Error> {
        if self.call.is_stream { Ok(()) } else { self.account.wait() }
    }

    /// The body is whole. A stream has its place since it began.
    fn complete(&self) -> Result<(), Error> {
        self.account.wait_no_more();
        if self.call.is_stream { Ok(()) } else { self.account.take_place(self.call.place) }
    }

    fn refuse(&self, why: Error) -> axum::Error {
        let refused = axum::Error::new(status(&why));
        self.account.refuse(why);
        refused
    }

    fn too_slow(&self) -> Error {
        self.metrics.refused("slow_body");
        Error::unavailable("the body of the request came too slowly: send it again, faster")
    }
}

/// The body of a request.
pub(crate) struct ArrivingBody {
    body: Body,
    arrival: Arrival,
    pace: Pace,
    /// Bytes that came and are held: of a whole body all, of a stream those of an incomplete message.
    held: usize,
    /// Of a stream.
    framing: Option<Framing>,
    is_over: bool,
}

impl ArrivingBody {
    pub(crate) fn new(body: Body, arrival: Arrival, least: LeastPace) -> Self {
        let framing = arrival.call.is_stream.then(Framing::default);
        Self { body, arrival, pace: Pace::new(least), held: 0, framing, is_over: false }
    }

    fn came(&mut self, data: &Bytes) -> Result<(), Error> {
        let now = Instant::now();
        self.pace.came(data.len(), now);
        if let Some(connection) = self.arrival.account.connection() {
            connection.touch();
        }
        match &mut self.framing {
            None => self.held += data.len(),
            Some(framing) => {
                let completed = framing.feed(data);
                self.held = framing.incomplete();
                if completed {
                    self.pace.restart(now);
                }
            }
        }
        self.arrival.account.hold(self.held)
    }

    /// Nothing is here. Between two messages of a stream that is no fault.
    fn awaits(&mut self, cx: &mut Context<'_>) -> Result<(), Error> {
        if self.framing.is_some() && self.held == 0 {
            self.pace.restart(Instant::now());
            return Ok(());
        }
        self.arrival.wait()?;
        match self.pace.poll_too_slow(cx) {
            Poll::Ready(()) => Err(self.arrival.too_slow()),
            Poll::Pending => Ok(()),
        }
    }

    fn refuse(&mut self, why: Error) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.is_over = true;
        Poll::Ready(Some(Err(self.arrival.refuse(why))))
    }
}

impl HttpBody for ArrivingBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut this.body).poll_frame(cx);
        if polled.is_pending() {
            return match this.awaits(cx) {
                Ok(()) => Poll::Pending,
                Err(why) => this.refuse(why),
            };
        }
        let frame = ready!(polled);
        let taken = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(Ok(()), |data| this.came(data)),
            Some(Err(_)) => return Poll::Ready(frame),
            None => Ok(()),
        };
        // Some readers stop at the last frame, others ask for the end after it.
        let is_whole = frame.is_none() || this.body.is_end_stream();
        match taken.and_then(|()| if is_whole { this.arrival.complete() } else { Ok(()) }) {
            Ok(()) => Poll::Ready(frame),
            Err(why) => this.refuse(why),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
