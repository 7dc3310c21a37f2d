//! The thread that writes the spool: whatever waits becomes durable as one.
//!
//! The order of things is the promise. A submission is on disk before it is acknowledged; a receipt is with the sink before
//! the spool forgets its statements, and the spool has forgotten them before their ticket is answered.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use vouchlog_stream::Statement;

use super::GatewayError;
use crate::SpoolError;
use crate::limits::{MAX_GROUPED_CHANGES, MAX_GROUPED_STATEMENTS};
use crate::receipts::{Acknowledged, LoggedStatements, ReceiptSink};
use crate::spool::{Spool, State};

/// A request to the writer's thread.
pub(super) enum Change {
    /// Take statements.
    Push { statements: Vec<Statement>, ticket: Ticket, reply: oneshot::Sender<Result<(), GatewayError>> },
    /// Remember a state; `taken` is what it acknowledges beyond the one before.
    Remember {
        state: Box<State>,
        taken: Vec<LoggedStatements>,
        reply: oneshot::Sender<Result<(), GatewayError>>,
    },
    /// Hand receipts to the sink that were found in the log; the spool holds none of their statements.
    HandOver { found: Vec<LoggedStatements>, reply: oneshot::Sender<Result<(), GatewayError>> },
    /// The conversation ended for good: no ticket will get a receipt.
    Fail(GatewayError),
}

impl std::fmt::Debug for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Push { .. } => "Push",
            Self::Remember { .. } => "Remember",
            Self::HandOver { .. } => "HandOver",
            Self::Fail(_) => "Fail",
        })
    }
}

/// A caller that may be waiting for a receipt.
#[derive(Debug)]
pub(super) struct Ticket {
    /// Positions of the statements.
    first: u64,
    end: u64,
    acknowledged: Acknowledged,
    receipt: oneshot::Sender<Result<Acknowledged, GatewayError>>,
    _permit: OwnedSemaphorePermit,
}

impl Ticket {
    pub(super) fn new(
        receipt: oneshot::Sender<Result<Acknowledged, GatewayError>>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self { first: 0, end: 0, acknowledged: Acknowledged::default(), receipt, _permit: permit }
    }
}

/// What the thread owns.
pub(super) struct Writer {
    spool: Arc<Spool>,
    /// Where the spool ends, for the session.
    ends: watch::Sender<u64>,
    max_spooled: u64,
    sink: Option<Box<dyn ReceiptSink>>,
    /// Position up to which all is acknowledged.
    acknowledged: u64,
    /// By position; their submissions follow one another.
    tickets: VecDeque<Ticket>,
}

type Reply = oneshot::Sender<Result<(), GatewayError>>;

/// Changes that become durable as one.
#[derive(Default)]
struct Group {
    statements: Vec<Statement>,
    pushed: Vec<(Ticket, usize, Reply)>,
    remember: Option<(Box<State>, Vec<LoggedStatements>, Reply)>,
}

impl Writer {
    pub(super) fn new(
        spool: Arc<Spool>,
        ends: watch::Sender<u64>,
        max_spooled: u64,
        sink: Option<Box<dyn ReceiptSink>>,
        acknowledged: u64,
    ) -> Self {
        Self { spool, ends, max_spooled, sink, acknowledged, tickets: VecDeque::new() }
    }

    /// Starts the thread. It ends when every sender of changes is gone.
    pub(super) fn start(self) -> std::io::Result<(mpsc::Sender<Change>, JoinHandle<()>)> {
        let (sender, changes) = mpsc::channel(MAX_GROUPED_CHANGES);
        let thread =
            std::thread::Builder::new().name("vouchlog-spool".into()).spawn(move || self.run(changes))?;
        Ok((sender, thread))
    }

    fn run(mut self, mut changes: mpsc::Receiver<Change>) {
        while let Some(first) = changes.blocking_recv() {
            let mut group = Group::default();
            let mut next = Some(first);
            // The session waits for each of its wishes, so at most one of a group is to remember something.
            for _ in 0..MAX_GROUPED_CHANGES {
                let Some(change) = next.take() else { break };
                self.gather(change, &mut group);
                if group.statements.len() >= MAX_GROUPED_STATEMENTS {
                    break;
                }
                next = changes.try_recv().ok();
            }
            if let Some(change) = next {
                self.gather(change, &mut group);
            }
            self.write(group);
        }
    }

    fn gather(&mut self, change: Change, group: &mut Group) {
        match change {
            Change::Fail(error) => {
                for ticket in self.tickets.drain(..) {
                    drop(ticket.receipt.send(Err(error.clone())));
                }
            }
            Change::HandOver { found, reply } => drop(reply.send(self.keep(&found))),
            Change::Remember { state, taken, reply } => group.remember = Some((state, taken, reply)),
            Change::Push { statements, ticket, reply } => {
                let held = self.spool.len() + group.statements.len() as u64;
                if held + statements.len() as u64 > self.max_spooled {
                    let full = SpoolError::Full { held, limit: self.max_spooled };
                    drop(reply.send(Err(full.into())));
                    return;
                }
                group.pushed.push((ticket, statements.len(), reply));
                group.statements.extend(statements);
            }
        }
    }

    fn write(&mut self, group: Group) {
        let Group { statements, pushed, remember } = group;
        let (state, taken, reply) = match remember {
            None => (None, Vec::new(), None),
            Some((state, taken, reply)) => match self.keep(&taken) {
                Ok(()) => (Some(state), taken, Some(reply)),
                Err(error) => {
                    drop(reply.send(Err(error)));
                    (None, Vec::new(), None)
                }
            },
        };
        if statements.is_empty() && state.is_none() {
            return;
        }
        let mut first = self.spool.end();
        let outcome = self.spool.commit(&statements, state.as_deref()).map_err(GatewayError::from);
        for (mut ticket, count, reply) in pushed {
            if outcome.is_ok() {
                (ticket.first, ticket.end) = (first, first + count as u64);
                first = ticket.end;
                self.tickets.push_back(ticket);
            }
            // The caller may have stopped waiting; the statements are accepted anyway.
            drop(reply.send(outcome.clone()));
        }
        if let (Ok(()), Some(state)) = (&outcome, state) {
            self.settle(taken);
            self.acknowledged = state.position();
        }
        if let Some(reply) = reply {
            drop(reply.send(outcome));
        }
        self.ends.send_replace(self.spool.end());
    }

    fn keep(&mut self, taken: &[LoggedStatements]) -> Result<(), GatewayError> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        taken
            .iter()
            .try_for_each(|taken| sink.keep(taken))
            .map_err(|error| GatewayError::Sink(error.to_string()))
    }

    /// Hands each ticket what of the receipts is its own, and answers those that are complete.
    fn settle(&mut self, taken: Vec<LoggedStatements>) {
        let mut first = self.acknowledged;
        for taken in taken.into_iter().map(Arc::new) {
            let end = first + taken.statements().len() as u64;
            for ticket in self.tickets.iter_mut().take_while(|ticket| ticket.first < end) {
                let (from, to) = (ticket.first.max(first) - first, ticket.end.min(end) - first);
                let place = |position| usize::try_from(position).expect("a request is small");
                ticket.acknowledged.push(&taken, place(from)..place(to));
            }
            while self.tickets.front().is_some_and(|ticket| ticket.end <= end) {
                let Ticket { receipt, acknowledged, .. } =
                    self.tickets.pop_front().expect("it was just seen");
                drop(receipt.send(Ok(acknowledged)));
            }
            first = end;
        }
    }
}
