//! The rollback guard: before a log signs anything, its witnesses are asked what they have seen of it.
//!
//! A store that was restored from a backup, or a wrong disk, looks like a sound log to itself. Whatever it signed next would be a
//! second history under the same key. A witness that cosigned more than the store holds gives it away.

use std::sync::Arc;
use std::thread;

use thiserror::Error;
use tokio::task::JoinSet;
use tokio::time::timeout;
use vouchlog_api::{ErrorKind, Witness};
use vouchlog_merkle::{ConsistencyProof, TreeHead, TreeSize};
use vouchlog_note::{AddCheckpoint, UnverifiedNote};
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
    /// A witness has cosigned more entries than the store holds.
    #[error(
        "the witness {witness} has cosigned {seen} entries of this log, but its store holds {size}: the store is an old copy, or the wrong directory. Nothing was signed"
    )]
    Behind {
        /// The witness.
        witness: String,
        /// Entries it has cosigned.
        seen: TreeSize,
        /// Entries in the store.
        size: TreeSize,
    },
    /// A witness has cosigned another history.
    #[error(
        "the witness {witness} has cosigned a history of this log other than the one in its store: {reason}. Nothing was signed"
    )]
    Contradicted {
        /// The witness.
        witness: String,
        /// What it says.
        reason: String,
    },
    /// The log cannot ask.
    #[error("the witnesses could not be queried: {0}")]
    Failed(String),
}

impl Feeders {
    /// Asks all witnesses whether they know a log that does not exist yet. The head of an empty tree is no danger to sign: it
    /// is consistent with every history.
    pub(crate) fn guard_new(&self, signer: &Signer, now: LoggedAt) -> Result<(), GuardError> {
        let empty = signer.sign(TreeHead::EMPTY, now).map_err(failed)?;
        let note = UnverifiedNote::parse(empty.checkpoint.as_bytes()).map_err(failed)?;
        let nothing = ConsistencyProof::from_hashes(Vec::new()).map_err(failed)?;
        let request = AddCheckpoint::new(TreeSize::new(0), nothing, note).map_err(failed)?;
        let ask_all = async {
            let mut asked = JoinSet::new();
            for feed in &self.feeds {
                let (name, witness, request) = (feed.name.clone(), feed.witness().clone(), request.clone());
                let patience = self.witnesses.patience;
                asked.spawn(async move { (name, timeout(patience, witness.add_checkpoint(request)).await) });
            }
            asked.join_all().await
        };
        for (witness, answer) in self.block_on(ask_all) {
            if let Ok(Err(error)) = answer
                && let ErrorKind::Conflict { size: seen @ 1.. } = error.kind
            {
                let (seen, size) = (TreeSize::new(seen), TreeSize::new(0));
                return Err(GuardError::Behind { witness, seen, size });
            }
        }
        Ok(())
    }

    /// Brings the head in the store to all witnesses: nothing new is signed, and none of them may object. Those that do not
    /// answer are left out, and asked again while the log runs.
    pub(crate) fn guard<S: Store>(&mut self, shared: &Arc<Shared<S>>) -> Result<(), GuardError> {
        let head = shared.publisher.newest();
        let candidate = Arc::new(Candidate::new(&head, shared).map_err(failed)?);
        let feeds = std::mem::take(&mut self.feeds);
        let policy = self.policy().clone();
        let bring_to_all = async {
            let mut asked = JoinSet::new();
            for (place, mut feed) in feeds.into_iter().enumerate() {
                let (candidate, policy, log) = (candidate.clone(), policy.clone(), Reader(shared.clone()));
                asked.spawn(async move {
                    let brought = feed.bring(&candidate, &log, &policy).await;
                    (place, feed, brought)
                });
            }
            asked.join_all().await
        };
        let mut answers = self.block_on(bring_to_all);
        answers.sort_by_key(|(place, ..)| *place);
        for (_, feed, brought) in answers {
            accuse(&feed, brought, head.size())?;
            self.feeds.push(feed);
        }
        self.first = Some(candidate);
        Ok(())
    }

    /// On a thread of its own: the caller that opens a log may be on an async thread, where a second runtime cannot run.
    fn block_on<T: Send>(&self, work: impl Future<Output = T> + Send) -> T {
        let work = || self.runtime.block_on(work);
        thread::scope(|scope| scope.spawn(work).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn accuse(feed: &Feed, brought: Result<(), Trouble>, size: TreeSize) -> Result<(), GuardError> {
    let witness = feed.name.clone();
    match brought {
        Err(Trouble::Ahead { size: seen }) => Err(GuardError::Behind { witness, seen, size }),
        Err(Trouble::Contradicted(reason)) => Err(GuardError::Contradicted { witness, reason }),
        Ok(()) => Ok(()),
        Err(trouble) => {
            tracing::warn!(witness, %trouble, "the witness could not be queried for the completeness of the store");
            Ok(())
        }
    }
}

fn failed(error: impl std::fmt::Display) -> GuardError {
    GuardError::Failed(error.to_string())
}
