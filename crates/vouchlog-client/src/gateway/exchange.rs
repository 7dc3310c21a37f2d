//! A conversation over one open pipe: requests go out, receipts are verified and acknowledged, until the pipe breaks or the
//! stream is over.
//!
//! A request counts as under way until its receipt is *durably* acknowledged. So there are never more of them than the log
//! can answer again, wherever either side is killed.

use std::collections::VecDeque;

use futures::FutureExt;
use tokio::time::Instant;
use vouchlog_api::{Append, Appended, Error};
use vouchlog_merkle::CompactRange;
use vouchlog_stream::Statement;

use super::error::Trouble;
use super::resume::Redo;
use super::session::{Session, Stream};
use super::{GatewayError, Order};
use crate::AppendPipe;
use crate::receipts::LoggedStatements;
use crate::spool::State;

/// See the module.
pub(super) struct Exchange<'s> {
    session: &'s mut Session,
    stream: Stream,
    pipe: AppendPipe,
    /// Requests the log has taken, to be sent again as they were.
    redo: VecDeque<Redo>,
    /// The stream takes more.
    is_open: bool,
    /// The stream is closed as it is: what waits goes to the next one.
    is_closing: bool,
    under_way: VecDeque<Request>,
    /// The stream's tree after everything that is under way.
    sent: CompactRange,
    next_heartbeat: Instant,
}

/// A request that was sent.
struct Request {
    /// Sequence number of the first statement.
    start: u64,
    /// None is a heartbeat, or the end.
    statements: Vec<Statement>,
    after: CompactRange,
    closes: bool,
    sent_at: Instant,
}

impl<'s> Exchange<'s> {
    pub(super) fn new(
        session: &'s mut Session,
        stream: Stream,
        pipe: AppendPipe,
        redo: VecDeque<Redo>,
        is_open: bool,
    ) -> Self {
        let sent = session.state.range.clone();
        let next_heartbeat = Instant::now() + session.me.options.patience.heartbeat;
        let (under_way, is_closing) = (VecDeque::new(), false);
        Self { session, stream, pipe, redo, is_open, is_closing, under_way, sent, next_heartbeat }
    }

    /// Closes the stream without sending what waits.
    pub(super) fn closing(self) -> Self {
        Self { is_closing: true, ..self }
    }

    /// Talks until the stream is over and everything of it is acknowledged.
    pub(super) async fn run(mut self) -> Result<(), Trouble> {
        let mut ends = self.session.disk.ends.clone();
        let mut orders = self.session.orders.clone();
        let patience = self.session.me.options.patience;
        loop {
            ends.mark_unchanged();
            self.send_what_fits().await?;
            if self.under_way.is_empty() {
                if !self.is_open {
                    return Ok(());
                }
                if self.is_closing || *orders.borrow_and_update() == Order::Close {
                    self.send_head(true).await?;
                }
            }
            let is_idle = self.under_way.is_empty();
            let has_room = self.under_way.len() < self.session.me.options.window;
            let deadline =
                self.under_way.front().map_or(self.next_heartbeat, |r| r.sent_at + patience.answer);
            tokio::select! {
                biased;
                answer = self.pipe.next() => self.settle(answer?).await?,
                Ok(()) = ends.changed(), if has_room => {}
                Ok(()) = orders.changed(), if is_idle => {}
                () = tokio::time::sleep_until(deadline) => {
                    if !is_idle {
                        return Err(Trouble::Again(Error::unavailable("the log did not respond to a request")));
                    }
                    self.beat().await?;
                }
            }
        }
    }

    /// Sends requests until the window is full, or there is nothing to send.
    async fn send_what_fits(&mut self) -> Result<(), Trouble> {
        while self.under_way.len() < self.session.me.options.window
            && let Some(Redo { start, count }) = self.next_run()
        {
            let statements = self.read(start, count).await?;
            for statement in &statements {
                self.sent.append(statement.stream_leaf_hash());
            }
            let at = self.session.me.clock.now_seconds().get();
            self.send(start, statements, at, false).await?;
        }
        Ok(())
    }

    /// What to send next: what the log took, with the boundaries it took it in; else as much as waits, up to a batch.
    fn next_run(&mut self) -> Option<Redo> {
        if let Some(redo) = self.redo.pop_front() {
            return Some(redo);
        }
        let start = self.sent.end();
        let waits = self.session.disk.spool.end() - self.session.state.base - start;
        let count = waits.min(self.session.me.options.batch as u64);
        (self.is_open && !self.is_closing && count > 0)
            .then(|| Redo { start, count: u32::try_from(count).expect("a batch is bounded to 16,384") })
    }

    async fn read(&self, start: u64, count: u32) -> Result<Vec<Statement>, Trouble> {
        let (spool, from) = (self.session.disk.spool.clone(), self.session.state.base + start);
        let read = tokio::task::spawn_blocking(move || spool.read(from, count as usize)).await;
        let statements = read.map_err(|_| GatewayError::Stopped)??;
        if statements.len() != count as usize {
            return Err(crate::SpoolError::Damaged("statements are missing".into()).into());
        }
        Ok(statements)
    }

    /// Says that the gateway is alive, and looks whether the log still tells one history.
    ///
    /// SPEC: a heartbeat is signed later than the head before it. While the clock is behind that, there is none.
    async fn beat(&mut self) -> Result<(), Trouble> {
        self.next_heartbeat = Instant::now() + self.session.me.options.patience.heartbeat;
        self.session.check_history().await?;
        if self.session.me.clock.now_seconds().get() > self.session.signed_at {
            self.send_head(false).await?;
        }
        Ok(())
    }

    /// Sends a head without statements. The one that closes the stream has to be later than the one before, even when that
    /// is a second ahead of the clock.
    async fn send_head(&mut self, closes: bool) -> Result<(), Trouble> {
        let at = self.session.me.clock.now_seconds().get().max(self.session.signed_at + 1);
        self.send(self.sent.end(), Vec::new(), at, closes).await
    }

    async fn send(
        &mut self,
        start: u64,
        statements: Vec<Statement>,
        at: u64,
        closes: bool,
    ) -> Result<(), Trouble> {
        let head = self.session.sign(&self.stream, &self.sent, at)?;
        let wait_for = self.session.me.options.wait_for;
        let append =
            Append { stream: self.stream.id, old_size: start, statements, head, close: closes, wait_for };
        // If the log has ended the call, the next answer says why.
        let _ = self.pipe.send(&append).await;
        let (after, sent_at) = (self.sent.clone(), Instant::now());
        self.under_way.push_back(Request { start, statements: append.statements, after, closes, sent_at });
        Ok(())
    }

    /// Verifies an answer, and those that have come behind it, and acknowledges what they prove. What was proven before
    /// something went wrong is acknowledged too.
    async fn settle(&mut self, first: Appended) -> Result<(), Trouble> {
        let mut state = self.session.state.clone();
        let (mut taken, mut trouble) = (Vec::new(), None);
        let mut next = Some(Ok(first));
        while let Some(answer) = next {
            match answer.map_err(Trouble::from).and_then(|answer| self.verify(answer, &mut state)) {
                Ok(proven) => taken.extend(proven),
                Err(found) => {
                    trouble = Some(found);
                    break;
                }
            }
            next = self.pipe.next().now_or_never();
        }
        if state != self.session.state {
            self.session.remember(state, taken).await?;
        }
        self.session.backoff.reset();
        self.next_heartbeat = Instant::now() + self.session.me.options.patience.heartbeat;
        trouble.map_or(Ok(()), Err)
    }

    /// Verifies the answer to the oldest request, and moves `state` past it.
    fn verify(&mut self, answer: Appended, state: &mut State) -> Result<Option<LoggedStatements>, Trouble> {
        let Some(request) = self.under_way.pop_front() else {
            return Err(
                GatewayError::Unverified("it returned a response that was not requested".into()).into()
            );
        };
        if request.closes {
            self.is_open = false;
        }
        if request.statements.is_empty() {
            return Ok(None);
        }
        let Some(receipt) = answer.receipt else {
            return Err(
                GatewayError::Unverified("it acknowledged statements without a receipt".into()).into()
            );
        };
        if receipt.stream != self.stream.id || receipt.sequence.get() != request.start {
            return Err(GatewayError::Unverified("the receipt is for other statements".into()).into());
        }
        let me = &self.session.me;
        let checkpoint = receipt.checkpoint.clone();
        let taken = LoggedStatements::verify(request.statements, receipt, &me.origin, &me.log_key)
            .map_err(|error| GatewayError::Receipt { error, checkpoint })?;
        self.session.see(taken.checkpoint())?;
        state.range = request.after;
        Ok(Some(taken))
    }
}
