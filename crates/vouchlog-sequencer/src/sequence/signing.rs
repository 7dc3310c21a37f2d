//! Signing a committed head, also with a key that is kept elsewhere and may be away.
//!
//! A committed head is part of the log, signed or not. Until it has its signature nothing is drafted, so that no head of another
//! root can follow; its callers are not acknowledged, and readers still see the head before. A process that ends meanwhile signs
//! the same head when it starts again.
//!
//! A store with a lease grants a tenure. The signature counts only if the tenure was held before and after it: a process that was
//! paused for longer than its lease discards what it signed, and shows nothing.

use std::thread;
use std::time::Duration;

use vouchlog_api::{Error, Result};
use vouchlog_merkle::TreeHead;
use vouchlog_note::{CheckpointError, NoteError};
use vouchlog_runtime::Monotonic;
use vouchlog_storage::{Store, Tenure};
use vouchlog_stream::LoggedAt;

use super::{Batched, Sequencer};
use crate::limits::{FIRST_SIGNER_RETRY, MAX_SIGNER_RETRY};
use crate::signer::SignedHead;

/// A committed batch whose head has no signature yet.
pub(crate) struct Unsigned {
    batch: Batched,
    /// When the key is asked next: requests must not make that more often.
    next: Monotonic,
}

impl<S: Store> Sequencer<S> {
    /// Signs a committed head. A key that fails is asked again for as long as `patience`.
    ///
    /// # Errors
    /// What callers are told. Unless the log has stopped, the head can be signed later.
    pub(super) fn sign(&self, head: TreeHead, now: LoggedAt, patience: Duration) -> Result<SignedHead> {
        if let Some(signed) = self.tree.head.as_ref().filter(|signed| signed.tree == head) {
            // Only states changed: the same head is not signed again.
            return Ok(signed.clone());
        }
        let (mut wait, mut left) = (FIRST_SIGNER_RETRY, patience);
        loop {
            let obstacle = match self.sign_in_tenure(head, now)? {
                Ok(signed) => {
                    self.shared.signed();
                    return Ok(signed);
                }
                Err(obstacle) => obstacle,
            };
            self.shared.not_signed(&obstacle);
            left = left.checked_sub(wait).ok_or_else(not_yet)?;
            thread::sleep(wait);
            wait = (wait * 2).min(MAX_SIGNER_RETRY);
        }
    }

    /// Signs once, between two looks at the tenure. The inner error is why it may succeed later.
    ///
    /// # Errors
    /// What callers are told once the log has stopped.
    fn sign_in_tenure(
        &self,
        head: TreeHead,
        now: LoggedAt,
    ) -> Result<std::result::Result<SignedHead, String>> {
        if let Some(lapsed) = self.lapsed()? {
            return Ok(Err(lapsed));
        }
        let signed = match self.signer.sign(head, now) {
            Ok(signed) => signed,
            Err(CheckpointError::Note(NoteError::Signer(error))) => return Ok(Err(error.to_string())),
            Err(error) => {
                self.shared.set_poison(&format!("the key cannot sign: {error}"));
                return Err(Error::unavailable("the log stopped: it cannot sign its checkpoint"));
            }
        };
        // The process may have been paused since it looked, and another one may lead the log by now.
        Ok(self.lapsed()?.map_or(Ok(signed), Err))
    }

    /// Why this process must not sign at the moment, if so.
    ///
    /// # Errors
    /// If it must not sign any more.
    fn lapsed(&self) -> Result<Option<String>> {
        match self.shared.store.tenure() {
            Tenure::Held => Ok(None),
            Tenure::Lapsed(reason) => Ok(Some(reason)),
            Tenure::Lost(reason) => {
                self.shared.set_poison(&reason);
                Err(Error::unavailable("the log stopped: another process has taken it over"))
            }
        }
    }

    /// Keeps a batch until its head can be signed.
    pub(super) fn keep_unsigned(&mut self, batch: Batched) {
        let next = self.shared.time.monotonic().plus(MAX_SIGNER_RETRY);
        self.unsigned = Some(Unsigned { batch, next });
    }

    /// Signs and shows the batch that still waits for it, if there is one. `now` asks the key even if it was asked a moment ago.
    ///
    /// # Errors
    /// What callers are told while the head is unsigned.
    pub(super) fn sign_waiting(&mut self, now: bool) -> Result<()> {
        let Some(Unsigned { batch, next }) = self.unsigned.take() else { return Ok(()) };
        if !now && self.shared.time.monotonic() < next {
            self.unsigned = Some(Unsigned { batch, next });
            return Err(not_yet());
        }
        match self.sign(batch.integrated.head, batch.drafted.now, Duration::ZERO) {
            Ok(head) => {
                self.show(head, batch);
                Ok(())
            }
            Err(error) => {
                self.keep_unsigned(batch);
                Err(error)
            }
        }
    }
}

fn not_yet() -> Error {
    Error::unavailable(
        "the log's key is not available, or the lease on its store has run out, and the newest entries have no signature yet: send the same request again",
    )
}
