//! One witness: bringing it heads (tlog-witness, the client's side).

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tracing::{Instrument, info_span};
use vouchlog_api::{AnyWitness, ErrorKind, Witness, proof};
use vouchlog_merkle::{TreeHead, TreeSize, sha256};
use vouchlog_note::{AddCheckpoint, Origin, Policy, SignedCheckpoint, VerifyingKey};
use vouchlog_storage::Store;

use super::candidate::Candidate;
use super::status::{Status, WitnessingMetrics};
use super::trouble::{Trouble, backoff};
use crate::config::WitnessLink;
use crate::read::Reader;

/// Requests for one head: one with the size the witness is thought to know, one with the size it then names; and one more,
/// since another client may bring it heads of the same log meanwhile.
const MAX_ATTEMPTS: usize = 3;

/// Feeds one witness.
#[derive(Debug)]
pub(super) struct Feed {
    pub(super) name: String,
    pub(super) keys: Vec<VerifyingKey>,
    witness: AnyWitness,
    /// The size it cosigned last; `None` until it said so.
    known: Option<TreeSize>,
    patience: Duration,
    status: Arc<Status>,
}

impl Feed {
    pub(super) fn new(link: WitnessLink, metrics: &WitnessingMetrics, patience: Duration) -> Self {
        let WitnessLink { name, keys, witness } = link;
        let status = Arc::new(Status::new(name.clone(), metrics.clone()));
        Self { name, keys, witness, known: None, patience, status }
    }

    pub(super) fn status(&self) -> Arc<Status> {
        self.status.clone()
    }

    pub(super) fn witness(&self) -> &AnyWitness {
        &self.witness
    }

    /// Brings the newest candidate, again and again, and leaves the witness alone for a while when it is in trouble.
    pub(super) async fn run<S: Store>(
        mut self,
        log: Reader<S>,
        policy: Policy,
        mut candidates: watch::Receiver<Arc<Candidate>>,
        interval: Duration,
    ) {
        let mut backoff = backoff(interval, &self.name);
        let mut candidate = candidates.borrow_and_update().clone();
        // The guard has brought the first candidate, unless the witness did not answer.
        let mut brought = if self.known == Some(candidate.size()) {
            Ok(())
        } else {
            self.bring(&candidate, &log, &policy).await
        };
        loop {
            match &brought {
                Ok(()) => {
                    backoff.reset();
                    if candidates.changed().await.is_err() {
                        return;
                    }
                }
                Err(trouble) => {
                    if trouble.accuses_the_log() {
                        self.check_accusation(&log).await;
                    }
                    sleep(trouble.pause(&mut backoff, interval)).await;
                }
            }
            candidate = candidates.borrow_and_update().clone();
            brought = self.bring(&candidate, &log, &policy).await;
        }
    }

    /// Has the witness cosign a candidate.
    pub(super) async fn bring<S: Store>(
        &mut self,
        candidate: &Candidate,
        log: &Reader<S>,
        policy: &Policy,
    ) -> Result<(), Trouble> {
        let size = candidate.size().get();
        let span = info_span!(parent: candidate.round(), "cosign", witness = self.name, size);
        self.bring_in_span(candidate, log, policy).instrument(span).await
    }

    async fn bring_in_span<S: Store>(
        &mut self,
        candidate: &Candidate,
        log: &Reader<S>,
        policy: &Policy,
    ) -> Result<(), Trouble> {
        let asked = timeout(self.patience, self.ask(candidate, log)).await;
        let answer = asked.unwrap_or_else(|_| Err(Trouble::Unreachable("the request timed out".into())));
        let added = answer.and_then(|answer| {
            let added = candidate.add(&answer, &self.keys, policy, &log.0.publisher);
            added.map_err(|error| Trouble::Lying(error.to_string()))
        });
        match &added {
            Ok(timestamp) => {
                self.known = Some(candidate.size());
                self.status.cosigned(candidate.size(), *timestamp);
            }
            Err(trouble) => {
                // Whatever it said of its size is not to be relied on.
                self.known = None;
                self.status.failed(trouble);
            }
        }
        candidate.answered();
        added.map(drop)
    }

    /// SPEC: a witness that knows another size names it in its 409, and gets a proof from there; one that knows a larger size
    /// than the log has is a reason to stop and look.
    async fn ask<S: Store>(&mut self, candidate: &Candidate, log: &Reader<S>) -> Result<String, Trouble> {
        for _ in 0..MAX_ATTEMPTS {
            let old = self.known.unwrap_or(TreeSize::new(0)).min(candidate.size());
            let proof = candidate.proof_from(old, log).await;
            let proof = proof.map_err(|error| Trouble::NoProof(error.message))?;
            let request = AddCheckpoint::new(old, proof, candidate.note().clone());
            let request = request.map_err(|error| Trouble::NoProof(error.to_string()))?;
            let error = match self.witness.add_checkpoint(request).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match error.kind {
                ErrorKind::Conflict { size } if size == old.get() => {
                    return Err(Trouble::Lying(format!("it reports size {size} and rejects that size")));
                }
                ErrorKind::Conflict { size } if size <= candidate.size().get() => {
                    self.known = Some(TreeSize::new(size));
                }
                _ => return Err(error.into()),
            }
        }
        Err(Trouble::Lying("it reports another size at each attempt".into()))
    }

    /// A witness says that the log lost entries or signed two histories. Its word alone stops nothing; a checkpoint with the
    /// log's own signature that is not of this history does.
    async fn check_accusation<S: Store>(&self, log: &Reader<S>) {
        let Some((theirs, ours)) = self.contradiction(log).await else {
            tracing::error!(
                witness = self.name,
                "the witness reports a fork of the log, but returns no checkpoint that proves it: investigate both"
            );
            return;
        };
        let (ours, seen) = (ours.size, theirs.head().size);
        tracing::error!(
            witness = self.name,
            checkpoint = theirs.note(),
            "the log has signed a checkpoint that contradicts the history in its store"
        );
        log.0.set_poison(&format!(
            "the witness {} holds a checkpoint of {seen} entries with this log's signature that its store of {ours} entries \
             contradicts: another instance runs with the same key, or the store is an old copy",
            self.name
        ));
    }

    /// The checkpoint the witness cosigned last, if the log signed it.
    pub(super) async fn signed_by(&self, origin: &Origin, keys: &[VerifyingKey]) -> Option<SignedCheckpoint> {
        let latest = self.witness.latest_checkpoint(sha256(origin.as_str().as_bytes()));
        let note = timeout(self.patience, latest).await.ok()?.ok()?;
        SignedCheckpoint::open_with_keys(note.as_bytes(), origin, keys).ok()
    }

    /// The checkpoint the witness cosigned last, if the log signed it and its tree does not have it.
    pub(super) async fn contradiction<S: Store>(
        &self,
        log: &Reader<S>,
    ) -> Option<(SignedCheckpoint, TreeHead)> {
        let (origin, keys) = (&log.0.origin, &log.0.log_keys);
        let theirs = self.signed_by(origin, keys).await?;
        let (seen, newest) = (theirs.head(), log.0.publisher.newest().head.tree);
        if seen.size.get() == 0 {
            return None;
        }
        let ours = match seen.size <= newest.size {
            true => proof::head(log, seen.size).await.ok()?,
            false => newest,
        };
        (ours != seen).then_some((theirs, newest))
    }
}
