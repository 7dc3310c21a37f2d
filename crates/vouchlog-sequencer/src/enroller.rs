//! Enrolling unknown gateways on the way, for logs that let everyone in. The operator's key may be kept elsewhere and take seconds: it
//! signs on a thread of its own, before the request joins the log's queue, so that only other unknown gateways wait for it.
//!
//! ```text
//! opening by an unknown key ─► may it be enrolled? ─► 64 wait ─ signed one by one ─► the log's queue, with the enrolment
//! ```

use std::io;
use std::sync::mpsc::Receiver;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_note::{SigningKey, VerifyingKey};
use vouchlog_runtime::queue::{self, Message, NotQueued, Waiting};
use vouchlog_runtime::scope::in_span;
use vouchlog_stream::{Enrolment, StreamOpening};

use crate::draft::Draft;
use crate::limits::{MAX_QUEUED_ENROLMENTS, RETRY_AFTER};
use crate::queue::SignedEnrolment;
use crate::state::Shared;

/// Signs enrolments, with the operator's key.
#[derive(Debug)]
pub(crate) struct Enroller {
    queue: queue::Queue<Enrolment, Result<String>>,
    /// The operator's key that signs. Once another key is in force, this one enrols no more gateways.
    operator: VerifyingKey,
}

impl Enroller {
    /// Starts the thread that signs. It ends with the last handle.
    pub(crate) fn start(operator: SigningKey) -> io::Result<Self> {
        let (queue, waiting) = queue::Queue::new(MAX_QUEUED_ENROLMENTS, MAX_QUEUED_ENROLMENTS);
        let key = operator.verifying_key().clone();
        let thread = std::thread::Builder::new().name("vouchlog-enroller".into());
        thread.spawn(in_span(move || sign(&operator, &waiting)))?;
        Ok(Self { queue, operator: key })
    }

    /// The enrolment of the gateway that wants to open a stream; none if it is enrolled, or if the operator has another key by now. A key
    /// that the log would not enrol, and any key once the log has ended, is refused before anything is signed.
    pub(crate) async fn enrolment<S>(
        &self,
        shared: &Shared<S>,
        opening: &StreamOpening,
    ) -> Result<Option<Box<SignedEnrolment>>> {
        let enrolment = Enrolment::first(opening.log.clone(), opening.gateway.clone());
        {
            let directory = shared.directory.read();
            if directory.gateways.contains_key(&opening.gateway)
                || *directory.operators()?.key() != self.operator
            {
                return Ok(None);
            }
            Draft::new(&directory, None, 0, shared.time.now()).check_new_gateway(&enrolment)?;
        }
        let signed = self.queue.submit(enrolment.clone(), 1).map_err(|refused| match refused {
            NotQueued::Stopped => Error::unavailable("the log is stopping"),
            _ => Error::new(
                ErrorKind::Overloaded { retry_after: RETRY_AFTER },
                format!(
                    "{MAX_QUEUED_ENROLMENTS} new gateways wait for the operator's signature: retry the same request later"
                ),
            ),
        })?;
        let note =
            signed.await.map_err(|_| Error::unavailable("the log stopped before it could respond"))??;
        Ok(Some(Box::new(SignedEnrolment { note, enrolment, by: self.operator.clone() })))
    }
}

fn sign(operator: &SigningKey, waiting: &Receiver<Message<Enrolment, Result<String>>>) {
    while let Ok(Message::Request(Waiting { request, caller, .. })) = waiting.recv() {
        // A caller that timed out must not hold up the next.
        if caller.is_gone() {
            continue;
        }
        let signed = request.sign(operator).map_err(|error| {
            tracing::warn!(%error, "the operator's key did not sign an enrolment");
            Error::unavailable("the operator's key gave no signature: retry the same request later")
        });
        caller.answer(signed);
    }
}
