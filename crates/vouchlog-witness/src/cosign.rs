//! One function is the witness: [`Cosigner::cosign_batch`]. Read it first.
//!
//! | step | what | a failure means |
//! | --- | --- | --- |
//! | refresh | what other processes of the witness cosigned meanwhile is read, from a store that is shared | the batch is refused |
//! | judge | claims are judged one by one, each against what the ones before would leave | that claim is refused |
//! | sign | the accepted checkpoints are cosigned; nothing leaves the process yet | the batch is refused |
//! | commit | the new states become durable, all or nothing | refused: the batch is; unknown: no more is cosigned |
//! | show | the new states are what the next batch is judged against | – |
//! | answer | every caller gets its lines, or why not | – |
//! | keep | contradictions go to the keeper of evidence | logged, and nothing else |

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use vouchlog_api::{Error, ErrorKind, Result};
use vouchlog_merkle::{Hash, ProofError};
use vouchlog_note::{AddCheckpoint, Checkpoint, NoteError, SigningKey, UnverifiedNote};
use vouchlog_storage::{Revision, StoreError, WitnessChange, WitnessCommitError, WitnessStore};

use crate::check::{Claim, ClaimedTree};
use crate::commit::Committer;
use crate::evidence::{Ledger, Refusal, RefusalReason, RefusalSink};
use crate::queue::{Caller, Message, Waiting, gather};
use crate::shared::Shared;
use crate::state::{self, Latest};

/// Owns what was cosigned. Lives on one thread; nothing else writes.
pub(crate) struct Cosigner<S> {
    pub(crate) shared: Arc<Shared<S>>,
    /// By SHA-256 of the origin, as committed.
    pub(crate) latest: HashMap<Hash, Latest>,
    pub(crate) committer: Committer,
    /// Threads to sign with.
    pub(crate) signers: usize,
    pub(crate) ledger: Ledger,
    pub(crate) on_refusal: Arc<dyn RefusalSink>,
}

/// What a batch would leave, beside what is committed.
#[derive(Debug, Default)]
struct Draft {
    /// Per log, the last checkpoint accepted in this batch, by its place in `accepted`.
    latest: HashMap<Hash, (Latest, usize)>,
    accepted: Vec<Accepted>,
}

/// A checkpoint to be cosigned.
#[derive(Debug)]
struct Accepted {
    checkpoint: Checkpoint,
    timestamp: u64,
    /// With the log's lines.
    note: String,
}

/// A claim that was refused.
#[derive(Debug)]
struct Refused {
    error: Error,
    /// If it is a contradiction.
    reason: Option<RefusalReason>,
}

/// What a caller is to be told, once the batch is durable.
#[derive(Debug)]
enum Verdict {
    /// The lines of the accepted checkpoint at this place.
    Accepted(usize),
    Refused(Error),
}

/// A contradiction, and which checkpoint accepted in this batch it contradicts; none: the committed one.
type Contradiction = (Claim, RefusalReason, Option<usize>);

/// The outcome of judging a batch.
#[derive(Debug, Default)]
struct Judged {
    draft: Draft,
    /// With the log each was about.
    verdicts: Vec<(Caller, Hash, Verdict)>,
    contradictions: Vec<Contradiction>,
}

impl<S: WitnessStore> Cosigner<S> {
    /// The thread: takes whatever waits, at once; while one batch is being made durable, the next one gathers in the queue.
    /// Ends when told to, or when the last handle is gone.
    pub(crate) fn run(mut self, queue: &Receiver<Message>) {
        let mut stop = None;
        while stop.is_none() {
            let Ok(first) = queue.recv() else { break };
            let batch = gather(queue, first, &mut stop);
            self.cosign_batch(batch);
        }
        while let Ok(next) = queue.try_recv() {
            let batch = gather(queue, next, &mut stop);
            self.cosign_batch(batch);
        }
        // A store whose commit hangs would hang in closing too.
        if self.shared.poison().is_none()
            && let Err(error) = self.shared.store.close()
        {
            tracing::error!(%error, "the store did not close cleanly");
        }
        if let Some(stopped) = stop {
            // The caller may be gone by now.
            let _ = stopped.send(());
        }
    }

    /// Takes a batch of claims through the whole protocol.
    pub(crate) fn cosign_batch(&mut self, batch: Vec<Waiting>) {
        if let Some(reason) = self.shared.poison() {
            let error = Error::unavailable(format!("the witness has stopped cosigning: {reason}"));
            return batch.into_iter().for_each(|waiting| self.answer(waiting.caller, Err(error.clone())));
        }
        let span = Waiting::batch_span(
            &batch,
            |first| tracing::info_span!(parent: first, "batch", requests = batch.len()),
        );
        let _span = span.entered();
        if let Err(error) = self.refresh(batch.iter().map(|waiting| waiting.request.log.origin_hash())) {
            tracing::error!(%error, "the cosignatures of other processes could not be read");
            let error = Error::unavailable("the witness cannot read its store now");
            return batch.into_iter().for_each(|waiting| self.answer(waiting.caller, Err(error.clone())));
        }
        let judged = self.judge_batch(batch);
        let lines = match sign(&self.shared.keys, &judged.draft.accepted, self.signers) {
            Ok(lines) => lines,
            Err(error) => {
                tracing::error!(%error, "a key of the witness cannot cosign");
                return self.fail(judged, &Error::internal("the witness cannot cosign this"));
            }
        };
        let notes = cosigned_notes(&judged.draft.accepted, &lines);
        let refusals = self.refusals(&judged, &notes);
        if let Err(error) = self.commit(&judged.draft, &notes) {
            return self.fail(judged, &error);
        }
        self.latest.extend(judged.draft.latest.into_iter().map(|(origin, (latest, _))| (origin, latest)));
        for (caller, _, verdict) in judged.verdicts {
            self.answer(
                caller,
                match verdict {
                    Verdict::Accepted(place) => Ok(lines[place].clone()),
                    Verdict::Refused(error) => Err(error),
                },
            );
        }
        refusals.iter().for_each(|refusal| self.keep(refusal));
    }

    /// Takes over what other processes of this witness have cosigned for these logs.
    fn refresh(&mut self, origins: impl Iterator<Item = Hash>) -> std::result::Result<(), StoreError> {
        let origins: Vec<Hash> = origins.collect::<HashSet<_>>().into_iter().collect();
        let (latest, mut damaged) = (&mut self.latest, None);
        self.shared.store.refresh(&origins, &mut |origin, revision, bytes| match state::from_bytes(
            &origin, revision, &bytes,
        ) {
            Some(state) => drop(latest.insert(origin, state)),
            None => damaged = Some(origin),
        })?;
        match damaged {
            None => Ok(()),
            Some(origin) => Err(StoreError::Damaged(format!(
                "the cosignatures for the log with origin hash {origin} cannot be read"
            ))),
        }
    }

    /// Whether a state that was not the expected one is that of another process of this witness, which is known from here on.
    fn is_overtaken(&mut self, error: &WitnessCommitError) -> bool {
        let WitnessCommitError::Moved { origin, found, .. } = error else { return false };
        self.refresh(std::iter::once(*origin)).is_ok()
            && self.latest.get(origin).is_some_and(|latest| latest.revision >= *found)
    }

    fn judge_batch(&self, batch: Vec<Waiting>) -> Judged {
        let mut judged = Judged::default();
        for Waiting { request: claim, caller, span: _ } in batch {
            let origin = claim.log.origin_hash();
            let latest = judged.draft.latest.get(&origin).copied();
            let against = latest.map(|(_, place)| place);
            let latest = latest.map(|(latest, _)| latest).or_else(|| self.latest.get(&origin).copied());
            let verdict = match judge(latest.as_ref(), &claim) {
                Ok(checkpoint) => {
                    let timestamp = self.timestamp(latest.as_ref());
                    let retired = claim.retires || latest.is_some_and(|latest| latest.retired);
                    let accepted = Accepted { checkpoint: checkpoint.clone(), timestamp, note: claim.note };
                    judged.draft.accept(origin, latest.as_ref(), accepted, retired)
                }
                Err(Refused { error, reason }) => {
                    if let Some((latest, accepted)) = self.frozen(latest.as_ref(), &claim, &judged.draft) {
                        judged.draft.accept(origin, Some(&latest), accepted, true);
                    }
                    judged.contradictions.extend(reason.map(|reason| (claim, reason, against)));
                    Verdict::Refused(error)
                }
            };
            judged.verdicts.push((caller, origin, verdict));
        }
        judged
    }

    /// What is cosigned once more, and for the last time, when a log has ended although the witness has cosigned more of it, or something
    /// else: that history is cosigned no further. `None` if the claim is of no end, or of one beyond what was cosigned.
    fn frozen(&self, latest: Option<&Latest>, claim: &Claim, draft: &Draft) -> Option<(Latest, Accepted)> {
        let latest = *latest.filter(|latest| claim.retires && !latest.retired)?;
        let ClaimedTree::Checkpoint(end) = &claim.tree else { return None };
        if latest.head.size < end.head().size {
            return None;
        }
        let origin = claim.log.origin_hash();
        let note = match draft.latest.get(&origin) {
            Some((_, place)) => draft.accepted[*place].note.clone(),
            None => state::note(&self.shared.store.state(&origin).ok().flatten()?).map(str::to_owned)?,
        };
        let note = UnverifiedNote::parse(note.as_bytes()).ok()?;
        let checkpoint = Checkpoint::parse(note.unverified_text()).ok()?;
        let note = note.verify(claim.log.keys()).ok()?.verified_note();
        Some((latest, Accepted { checkpoint, timestamp: self.timestamp(Some(&latest)), note }))
    }

    /// SPEC: never zero for a whole tree. A clock that was set back must not date a newer checkpoint before an older one.
    fn timestamp(&self, latest: Option<&Latest>) -> u64 {
        self.shared.clock.now_seconds().get().max(latest.map_or(1, |latest| latest.timestamp))
    }

    /// What is worth keeping of the contradictions, with the checkpoint that each contradicts.
    fn refusals(&mut self, judged: &Judged, notes: &[String]) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        for (claim, reason, against) in &judged.contradictions {
            self.shared.metrics.refusals.get_or_create(&[("reason", reason.as_str())]).inc();
            let origin = claim.log.origin_hash();
            if !self.ledger.admit(origin, *reason, &claim.note) {
                continue;
            }
            let stored = || self.shared.store.state(&origin).ok().flatten();
            let latest = match against {
                Some(place) => Some(notes[*place].clone()),
                None => stored().and_then(|bytes| state::note(&bytes).map(str::to_owned)),
            };
            let origin = claim.log.origin().clone();
            let request = claim.request();
            let refused_at = self.shared.clock.now_seconds();
            refusals.push(Refusal { origin, latest, request, reason: *reason, refused_at });
        }
        refusals
    }

    /// Makes the last state of every log in the draft durable.
    fn commit(&mut self, draft: &Draft, notes: &[String]) -> Result<()> {
        if draft.latest.is_empty() {
            return Ok(());
        }
        let change = |(origin, (latest, place)): (&Hash, &(Latest, usize))| WitnessChange {
            origin: *origin,
            expected: self.latest.get(origin).map_or(Revision::NONE, |latest| latest.revision),
            state: state::to_bytes(latest, &notes[*place]),
        };
        let changes = draft.latest.iter().map(change).collect();
        let timer = self.shared.metrics.commit_started();
        let outcome = self.committer.commit(changes);
        self.shared.metrics.commit_ended(timer);
        outcome.map_err(|error| {
            if self.is_overtaken(&error) {
                return Error::unavailable(
                    "another process of this witness cosigned for the log at the same moment: ask again",
                );
            }
            tracing::error!(%error, "cosignatures were not committed");
            if !matches!(error, WitnessCommitError::Refused(_)) {
                self.shared.set_poison(&error.to_string());
            }
            Error::unavailable(match error {
                WitnessCommitError::Refused(_) => "the witness cannot write to its disk now",
                WitnessCommitError::Moved { .. } => {
                    "the witness stopped: another process writes to its store"
                }
                WitnessCommitError::Unknown(_) => {
                    "the witness stopped: it is unknown whether its last cosignatures are durable"
                }
            })
        })
    }

    /// Nothing of the batch happened, so requests that were judged against it have no verdict either.
    fn fail(&self, judged: Judged, error: &Error) {
        for (caller, origin, verdict) in judged.verdicts {
            let outcome = match verdict {
                Verdict::Refused(refusal) if !judged.draft.latest.contains_key(&origin) => refusal,
                _ => error.clone(),
            };
            self.answer(caller, Err(outcome));
        }
    }

    fn answer(&self, caller: Caller, outcome: Result<String>) {
        self.shared.metrics.answered(&outcome);
        caller.answer(outcome);
    }

    fn keep(&self, refusal: &Refusal) {
        let (origin, reason) = (&refusal.origin, refusal.reason.as_str());
        tracing::warn!(%origin, reason, "a checkpoint signed by its log contradicts an earlier cosignature");
        if let Err(error) = self.on_refusal.keep(refusal) {
            tracing::error!(%origin, %error, "the rejected checkpoint was not kept");
        }
    }
}

impl Draft {
    fn accept(
        &mut self,
        origin: Hash,
        before: Option<&Latest>,
        accepted: Accepted,
        retired: bool,
    ) -> Verdict {
        let place = self.accepted.len();
        let (head, timestamp) = (accepted.checkpoint.head(), accepted.timestamp);
        // One revision for the batch, however many checkpoints of the log it cosigns.
        let revision = match (self.latest.get(&origin), before) {
            (Some((drafted, _)), _) => drafted.revision,
            (None, before) => before.map_or(Revision::NONE, |latest| latest.revision).next(),
        };
        self.latest.insert(origin, (Latest { head, timestamp, revision, retired }, place));
        self.accepted.push(accepted);
        Verdict::Accepted(place)
    }
}

impl Claim {
    /// The request, without unverified lines.
    fn request(&self) -> String {
        let note = UnverifiedNote::parse(self.note.as_bytes()).ok();
        let request = note.and_then(|note| AddCheckpoint::new(self.old_size, self.proof.clone(), note).ok());
        // It was shorter than one that was read.
        request.expect("fewer lines of a request are a request").to_text()
    }
}

/// Whether a claim extends the latest checkpoint cosigned for its log: the checks of tlog-witness that need it, in its order.
fn judge<'c>(latest: Option<&Latest>, claim: &'c Claim) -> Result<&'c Checkpoint, Refused> {
    // A log that has ended is cosigned up to its end, whatever its key signs.
    if let (Some(latest), ClaimedTree::Checkpoint(checkpoint)) =
        (latest.filter(|latest| latest.retired), &claim.tree)
        && checkpoint.head().size > latest.head.size
    {
        let size = latest.head.size;
        let message = format!("the log has ended, and this witness cosigns nothing of it beyond size {size}");
        let reason = Some(RefusalReason::AfterRetirement);
        return Err(Refused { error: Error::new(ErrorKind::Retired, message), reason });
    }
    // SPEC: the old size must be that of the latest cosigned checkpoint, 0 if there is none; the answer names that size.
    let size = latest.map_or(0, |latest| latest.head.size.get());
    if claim.old_size.get() != size {
        let message = format!("the latest checkpoint cosigned has size {size}, not {}", claim.old_size);
        return Err(Refused { error: Error::new(ErrorKind::Conflict { size }, message), reason: None });
    }
    // SPEC: a checkpoint of size 0 has the root SHA-256("").
    let ClaimedTree::Checkpoint(checkpoint) = &claim.tree else {
        let message = "the tree is empty, but its root is not the hash of no bytes".to_owned();
        return Err(contradicts(message, RefusalReason::EmptyTreeRoot));
    };
    let head = checkpoint.head();
    // SPEC: with equal sizes the roots are identical. Asked before the proof, which then must be empty: the answer is the same,
    // but two roots of one size are the stronger evidence.
    if let Some(latest) =
        latest.filter(|latest| latest.head.size == head.size && latest.head.root != head.root)
    {
        let message =
            format!("the root of size {size} is {}, but was {} before", head.root, latest.head.root);
        return Err(contradicts(message, RefusalReason::OtherRoot));
    }
    // SPEC: from size 0 the proof is empty, else it leads from the latest checkpoint to this one.
    let proven = match latest.filter(|latest| latest.head.size.get() > 0) {
        Some(latest) => claim.proof.verify(&latest.head, &head),
        None if claim.proof.hashes().is_empty() => Ok(()),
        None => Err(ProofError::ProofTooLong { got: claim.proof.hashes().len() }),
    };
    proven.map_err(|error| {
        let message = format!("the consistency proof from size {size} does not hold: {error}");
        contradicts(message, RefusalReason::Unproven)
    })?;
    Ok(checkpoint)
}

fn contradicts(message: String, reason: RefusalReason) -> Refused {
    Refused { error: Error::new(ErrorKind::Inconsistent, message), reason: Some(reason) }
}

/// The lines of every key for every accepted checkpoint, each ending in LF, made by `signers` threads.
fn sign(keys: &[SigningKey], accepted: &[Accepted], signers: usize) -> Result<Vec<String>, NoteError> {
    let mut shares = accepted.chunks(accepted.len().div_ceil(signers).max(1));
    let first = shares.next().unwrap_or_default();
    std::thread::scope(|scope| {
        let others: Vec<_> = shares.map(|share| scope.spawn(|| sign_share(keys, share))).collect();
        let mut lines = sign_share(keys, first)?;
        for other in others {
            lines.extend(other.join().expect("signing does not panic")?);
        }
        Ok(lines)
    })
}

/// Signs the checkpoint re-encoded from its parsed form, not the bytes received.
fn sign_share(keys: &[SigningKey], accepted: &[Accepted]) -> Result<Vec<String>, NoteError> {
    let lines = |Accepted { checkpoint, timestamp, .. }: &Accepted| {
        let line = |key: &SigningKey| key.cosign(checkpoint, *timestamp).map(|line| format!("{line}\n"));
        keys.iter().map(line).collect::<Result<String, NoteError>>()
    };
    accepted.iter().map(lines).collect()
}

/// What is stored: the log's verified lines, then ours. Whatever else came with the checkpoint is gone.
fn cosigned_notes(accepted: &[Accepted], lines: &[String]) -> Vec<String> {
    accepted.iter().zip(lines).map(|(accepted, lines)| [accepted.note.as_str(), lines].concat()).collect()
}
