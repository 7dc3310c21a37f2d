//! The rollback guard: before a log signs anything, its witnesses are asked what they have seen of it.
//!
//! A store that was restored from a backup, or a wrong disk, looks like a sound log to itself. Whatever it signed next would be a
//! second history under the same key. A witness that cosigned more than the store holds gives it away.
//!
//! | a witness | the log |
//! | --- | --- |
//! | returns a checkpoint with the log's signature that the store does not have | does not start |
//! | reports a larger size, or a contradiction, and returns no such checkpoint | starts, and logs an error |
//! | as the line before, and so do others that together are a quorum of the policy, while no quorum cosigns the head in the store | does not start |
//!
//! A number has no signature: anyone on the way to the witness can write it. A quorum is trusted with more than that already, because
//! without it nothing is published. The operator can disregard the word of a witness, and never a checkpoint that the log signed.

use std::sync::Arc;
use std::thread;

use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vouchlog_api::{Error, ErrorKind, Witness};
use vouchlog_merkle::{ConsistencyProof, TreeHead, TreeSize};
use vouchlog_note::{AddCheckpoint, Origin, Policy, SignedCheckpoint, UnverifiedNote, VerifyingKey};
use vouchlog_storage::Store;
use vouchlog_stream::LoggedAt;

use super::Feeders;
use super::candidate::Candidate;
use super::feed::Feed;
use super::trouble::Trouble;
use crate::read::Reader;
use crate::signer::Signer;
use crate::state::Shared;

/// Why the log does not sign anything.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GuardError {
    /// A witness holds a checkpoint of more entries than the store holds, with the log's signature.
    #[error(
        "the witness {witness} holds a checkpoint of {seen} entries with this log's signature, but its store holds {size}: the store is an old copy, or the wrong directory. Nothing was signed"
    )]
    Behind {
        /// The witness.
        witness: String,
        /// Entries it has cosigned.
        seen: TreeSize,
        /// Entries in the store.
        size: TreeSize,
    },
    /// A witness holds a checkpoint of another history, with the log's signature.
    #[error(
        "the witness {witness} holds a checkpoint of {seen} entries with this log's signature that is of another history than the one in its store. Nothing was signed"
    )]
    Contradicted {
        /// The witness.
        witness: String,
        /// Entries under its checkpoint.
        seen: TreeSize,
    },
    /// Witnesses that are a quorum report more, or another history, and return nothing that proves it.
    #[error(
        "a quorum of witnesses reports more entries than the {size} in the store, or another history, without proof: {}. Nothing was signed", .claims.join("; ")
    )]
    Claimed {
        /// Each witness, and what it reports.
        claims: Vec<String>,
        /// Entries in the store.
        size: TreeSize,
    },
    /// The log cannot ask.
    #[error("the witnesses could not be queried: {0}")]
    Failed(String),
}

/// What witnesses object to without proof.
#[derive(Default)]
struct Claims {
    words: Vec<String>,
    keys: Vec<VerifyingKey>,
}

impl Claims {
    /// A claim counts, unless the operator disregards its witness.
    fn add(&mut self, feed: &Feed, trouble: &Trouble, disregarded: &[String]) {
        let is_disregarded = disregarded.contains(&feed.name);
        tracing::error!(
            witness = feed.name,
            %trouble,
            is_disregarded,
            "the witness objects to the log's store, but returns no checkpoint that proves it: compare the store with the newest backup"
        );
        if !is_disregarded {
            self.words.push(format!("{}: {trouble}", feed.name));
            self.keys.extend_from_slice(&feed.keys);
        }
    }

    /// Whether they are too many to be passed over: a quorum, and none that `cosigned` the head in the store.
    fn judge(self, policy: &Policy, cosigned: &[VerifyingKey], size: TreeSize) -> Result<(), GuardError> {
        let is_quorum = |keys: &[VerifyingKey]| policy.is_met_by(|key| keys.contains(key));
        if !policy.is_quorum_none() && is_quorum(&self.keys) && !is_quorum(cosigned) {
            Err(GuardError::Claimed { claims: self.words, size })
        } else {
            Ok(())
        }
    }
}

impl Feeders {
    /// Asks all witnesses whether they know a log that does not exist yet. The head of an empty tree is no danger to sign: it
    /// is consistent with every history.
    pub(crate) fn guard_new(&mut self, signer: &Signer, now: LoggedAt) -> Result<(), GuardError> {
        let empty = signer.sign(TreeHead::EMPTY, now).map_err(failed)?;
        let note = UnverifiedNote::parse(empty.checkpoint.as_bytes()).map_err(failed)?;
        let nothing = ConsistencyProof::from_hashes(Vec::new()).map_err(failed)?;
        let request = AddCheckpoint::new(TreeSize::new(0), nothing, note).map_err(failed)?;
        let (origin, keys): (&Origin, Arc<[VerifyingKey]>) = (&signer.origin, signer.verifying_keys().into());
        let (feeds, patience) = (std::mem::take(&mut self.feeds), self.witnesses.patience);
        let asked = self.ask_each(feeds, |feed| {
            let (request, origin, keys) = (request.clone(), origin.clone(), Arc::clone(&keys));
            let empty = empty.checkpoint.clone();
            async move {
                let added = timeout(patience, feed.witness().add_checkpoint(request)).await;
                let seen = match added {
                    Ok(Err(Error { kind: ErrorKind::Conflict { size: seen @ 1.. }, .. })) => seen,
                    Ok(Ok(lines)) if has_cosigned(&feed, &format!("{empty}{lines}")) => {
                        return (feed, Answer::Cosigned);
                    }
                    _ => return (feed, Answer::Nothing),
                };
                let proof = feed.signed_by(&origin, &keys).await.filter(|proof| proof.head().size.get() > 0);
                (feed, Answer::Objection(Trouble::Ahead { size: TreeSize::new(seen) }, proof))
            }
        });
        self.judge(asked, TreeSize::new(0))
    }

    /// Brings the head in the store to all witnesses: nothing new is signed, and none of them may prove that it is too old. Those that
    /// do not answer are left out, and asked again while the log runs.
    pub(crate) fn guard<S: Store>(&mut self, shared: &Arc<Shared<S>>) -> Result<(), GuardError> {
        let head = shared.publisher.newest();
        let candidate = Arc::new(Candidate::new(&head, shared).map_err(failed)?);
        let feeds = std::mem::take(&mut self.feeds);
        let policy = self.policy().clone();
        let asked = self.ask_each(feeds, |mut feed| {
            let (candidate, policy, log) = (candidate.clone(), policy.clone(), Reader(shared.clone()));
            async move {
                match feed.bring(&candidate, &log, &policy).await {
                    Ok(()) => (feed, Answer::Cosigned),
                    Err(trouble) if trouble.accuses_the_log() => {
                        let proof = feed.contradiction(&log).await.map(|(theirs, _)| theirs);
                        (feed, Answer::Objection(trouble, proof))
                    }
                    Err(trouble) => {
                        let witness = &feed.name;
                        tracing::warn!(witness, %trouble, "the witness could not be queried for the completeness of the store");
                        (feed, Answer::Nothing)
                    }
                }
            }
        });
        self.judge(asked, head.size())?;
        self.first = Some(candidate);
        Ok(())
    }

    /// Takes the feeds back, and decides about what their witnesses objected to.
    fn judge(&mut self, asked: Vec<WitnessAnswer>, size: TreeSize) -> Result<(), GuardError> {
        let mut claims = Claims::default();
        let mut cosigned = Vec::new();
        for (feed, answer) in asked {
            match answer {
                Answer::Nothing => {}
                Answer::Cosigned => cosigned.extend_from_slice(&feed.keys),
                Answer::Objection(_, Some(proof)) => return Err(proven(&feed, &proof, size)),
                Answer::Objection(trouble, None) => claims.add(&feed, &trouble, &self.witnesses.disregarded),
            }
            self.feeds.push(feed);
        }
        claims.judge(self.policy(), &cosigned, size)
    }

    /// Asks all witnesses at once; the answers are in the order of the feeds.
    fn ask_each<F>(&self, feeds: Vec<Feed>, ask: impl Fn(Feed) -> F) -> Vec<WitnessAnswer>
    where
        F: Future<Output = WitnessAnswer> + Send + 'static,
    {
        let asked: Vec<F> = feeds.into_iter().map(ask).collect();
        self.block_on(async {
            let mut tasks = JoinSet::new();
            for (place, one) in asked.into_iter().enumerate() {
                tasks.spawn(async move { (place, one.await) });
            }
            let mut answers = tasks.join_all().await;
            answers.sort_by_key(|(place, _)| *place);
            answers.into_iter().map(|(_, asked)| asked).collect()
        })
    }

    /// On a thread of its own: the caller that opens a log may be on an async thread, where a second runtime cannot run.
    fn block_on<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let work = || self.runtime.block_on(work);
        thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A witness, and what it answered.
type WitnessAnswer = (Feed, Answer);

/// What a witness answered.
enum Answer {
    /// It cosigned the head in the store.
    Cosigned,
    /// Neither that nor an objection.
    Nothing,
    /// It objects; the checkpoint with the log's signature proves it.
    Objection(Trouble, Option<SignedCheckpoint>),
}

/// Whether a line of the note is a cosignature of this witness.
fn has_cosigned(feed: &Feed, note: &str) -> bool {
    UnverifiedNote::parse(note.as_bytes()).and_then(|note| note.verify(&feed.keys)).is_ok()
}

/// The log signed something that its store does not have.
fn proven(feed: &Feed, proof: &SignedCheckpoint, size: TreeSize) -> GuardError {
    let (witness, seen) = (feed.name.clone(), proof.head().size);
    tracing::error!(
        witness,
        checkpoint = proof.note(),
        "the log has signed a checkpoint that its store does not have"
    );
    if seen > size {
        GuardError::Behind { witness, seen, size }
    } else {
        GuardError::Contradicted { witness, seen }
    }
}

fn failed(error: impl std::fmt::Display) -> GuardError {
    GuardError::Failed(error.to_string())
}
