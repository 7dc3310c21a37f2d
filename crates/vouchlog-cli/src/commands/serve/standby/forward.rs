//! Passing requests on to the leader.
//!
//! ```text
//! request ─► leader of the lease ─► answer, as the leader gave it
//!                 │ no leader, another one, out of reach, not leading
//!                 └─► wait, look again, send the same again; at most for PATIENCE
//! ```
//!
//! Nothing is acknowledged that the leader did not acknowledge. All that is sent again is what the log takes once however often it is sent:
//! streams, appends to them, notes. A statement for the house stream is sent again only if the node it was sent to did nothing. A request
//! that another node forwarded is not forwarded again.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use vouchlog::Error;
use vouchlog_api::ErrorKind;
use vouchlog_runtime::Backoff;
use vouchlog_runtime::sender::{self, Sender};

use super::leader::{Leaders, Place};
use super::metrics::StandbyMetrics;

/// How long a request waits for a leader that takes it: several takeovers, and less than the 30 s a request may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);
const FIRST_WAIT: Duration = Duration::from_millis(50);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What it takes to pass requests on. Clones are the same.
#[derive(Clone)]
pub(super) struct Forwarder {
    pub(super) leaders: Leaders,
    pub(super) metrics: StandbyMetrics,
    /// Cancelled when this node stops being a standby.
    pub(super) stopping: CancellationToken,
}

/// Whether the log takes the same request again without taking it twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    Harmless,
    /// It appends again.
    Appends,
}

/// What the leader requires of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    /// The signatures in the request.
    Signatures,
    /// A role as well.
    Role,
}

impl Forwarder {
    /// Has the leader answer a request that is being answered here.
    pub(super) async fn forward<T, F>(
        &self,
        (authority, repetition): (Authority, Repetition),
        call: impl Fn(vouchlog_client::GrpcLog) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let sender = sender::current();
        self.check(&sender, authority)?;
        let token = sender.token.filter(|_| authority == Authority::Role);
        let mut attempts = Attempts::new(Instant::now() + PATIENCE);
        loop {
            if self.stopping.is_cancelled() {
                return Err(stopping());
            }
            let outcome = match self.leaders.place(token.as_deref()) {
                Ok(place) => {
                    let answer = self.answer(&place, attempts.deadline, call(place.log.clone())).await;
                    match repetition {
                        Repetition::Harmless => self.checked(&place, answer).await,
                        Repetition::Appends => answer,
                    }
                }
                // Nothing was sent.
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    Err(Error::new(ErrorKind::NotLeader, error.message))
                }
                Err(error) => Err(error),
            };
            let error = match outcome {
                Err(error) if error.kind == ErrorKind::NotLeader => error,
                Err(error) if error.kind == ErrorKind::Unavailable => match repetition {
                    Repetition::Harmless => error,
                    Repetition::Appends => {
                        let message = "it may or may not have been carried out, and is not sent again";
                        self.metrics.out_of_reach();
                        return Err(Error::unavailable(format!("{error}: {message}")));
                    }
                },
                settled => {
                    self.metrics.answered();
                    return settled;
                }
            };
            self.wait(&mut attempts, error).await?;
        }
    }

    /// Whether a request may be passed on.
    ///
    /// # Errors
    /// The reason why not.
    pub(super) fn check(&self, sender: &Sender, authority: Authority) -> Result<(), Error> {
        if sender.is_forwarded {
            let words = self.leaders.view().words();
            return Err(Error::new(ErrorKind::NotLeader, format!("this node is a standby: {words}")));
        }
        let refused = |why: &str| {
            let leader = self.leaders.view().leader.address;
            Err(Error::new(
                ErrorKind::FailedPrecondition,
                format!(
                    "this node is a standby and {why}: give a bearer token, or call the leader at {leader}"
                ),
            ))
        };
        match authority {
            Authority::Signatures => Ok(()),
            Authority::Role if sender.by_certificate => {
                refused("cannot pass on a request whose caller is recognised by a client certificate")
            }
            // A leader of an earlier version would take this node's own certificate for the caller's.
            Authority::Role if sender.token.is_none() && self.leaders.has_identity() => {
                refused("passes on no request without a token, since it has a certificate of its own")
            }
            Authority::Role => Ok(()),
        }
    }

    /// The answer of the node that a place is at, unless another one leads before it comes.
    pub(super) async fn answer<T>(
        &self,
        place: &Place,
        deadline: Instant,
        call: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.leaders.another_than(place) => Err(Error::unavailable("another node leads the log now")),
            () = self.stopping.cancelled() => Err(stopping()),
            () = tokio::time::sleep_until(deadline) => Err(Error::unavailable("the leader did not respond in time")),
        }
    }

    /// A refusal counts only if the node that refused still leads the log: the same request may be sent to another one otherwise.
    pub(super) async fn checked<T>(&self, place: &Place, answer: Result<T, Error>) -> Result<T, Error> {
        match answer {
            Err(error) if !error.is_transient() && !self.leaders.still_leads(place).await => {
                Err(Error::unavailable(format!("a node that leads the log no longer refused it: {error}")))
            }
            answer => answer,
        }
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// The error for the caller, when no time is left for another attempt.
    pub(super) async fn wait(&self, attempts: &mut Attempts, error: Error) -> Result<(), Error> {
        let wait = attempts.backoff.next_wait();
        if self.stopping.is_cancelled() {
            return Err(stopping());
        }
        if Instant::now() + wait >= attempts.deadline {
            self.metrics.out_of_reach();
            return Err(out_of_reach(&error));
        }
        self.metrics.repeated();
        tokio::select! {
            () = tokio::time::sleep(wait) => Ok(()),
            () = self.stopping.cancelled() => Err(stopping()),
        }
    }
}

/// Attempts until a deadline.
pub(super) struct Attempts {
    pub(super) deadline: Instant,
    backoff: Backoff,
}

impl Attempts {
    pub(super) fn new(deadline: Instant) -> Self {
        Self { deadline, backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT) }
    }
}

/// What a caller is told whose request no leader took in time.
pub(super) fn out_of_reach(error: &Error) -> Error {
    Error::unavailable(format!("the leader of the log is out of reach: {error}"))
}

pub(super) fn stopping() -> Error {
    Error::unavailable("this node is no standby any more: send the request again")
}
