//! Which key is the operator's, at each place of the log: the key that genesis names, and those that took its place since.
//!
//! An operator's note is verified with the key that was in force at its entry: a replaced key signs nothing more, and what it signed before
//! stays valid. No key is in force twice, neither as the operator's nor as the recovery key, so a note that is sent again changes
//! nothing. A note names its log, so it is invalid in another.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{Origin, VerifyingKey};

use crate::limits::{MAX_OPERATOR_CHANGES, OPERATOR_CHANGES_FOR_RECOVERY};
use crate::{OperatorCause, OperatorChange, OperatorNote, RecoveryKey, TextError};

/// Why a note about the operator's key is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The note is malformed, for another log, or not signed as it must be.
    #[error(transparent)]
    Text(#[from] TextError),
    /// It replaces a key that is not in force.
    #[error("it replaces the {role} key {named}, but the key in force is {in_force}")]
    NotInForce {
        /// `operator` or `recovery`.
        role: &'static str,
        /// The id of the key that the note replaces, or `none`.
        named: String,
        /// The id of the key in force, or `none`.
        in_force: String,
    },
    /// The new key was in force before, or one with its id, or it has the other role.
    #[error("the key {0} has been the operator's or its recovery key before: make a new one")]
    UsedBefore(String),
    /// A lost key was to be replaced without a recovery key.
    #[error("the log has no recovery key that could replace a key that is lost or compromised")]
    NoRecoveryKey,
    /// The log has had too many.
    #[error("the operator's keys of this log were changed {most} times, which is the limit")]
    TooMany {
        /// The limit of this kind of change: the last few are left to the recovery key.
        most: usize,
    },
}

/// A key of the operator, and the time it was in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorTerm {
    /// The key.
    pub key: VerifyingKey,
    /// The entry that put it in force; it counts for entries behind that. 0 is the genesis entry.
    pub since: LeafIndex,
    /// Why it took the place of the key before; `None` for the first.
    pub cause: Option<OperatorCause>,
    /// The same in words; empty for the first.
    pub words: String,
}

/// The operator's keys, oldest first, and the keys that may recover them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operators {
    first: OperatorTerm,
    later: Vec<OperatorTerm>,
    /// Recovery keys and the entries that named them; the last is in force.
    recovery: Vec<(VerifyingKey, LeafIndex)>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    first: String,
    /// Key, entry, cause and words.
    later: Vec<(String, u64, String, String)>,
    recovery: Vec<(String, u64)>,
}

impl Operators {
    /// The operator that genesis names.
    pub fn new(first: VerifyingKey) -> Self {
        let first = OperatorTerm { key: first, since: LeafIndex::new(0), cause: None, words: String::new() };
        Self { first, later: Vec::new(), recovery: Vec::new() }
    }

    /// The key in force behind the last change.
    pub fn key(&self) -> &VerifyingKey {
        &self.last().key
    }

    fn last(&self) -> &OperatorTerm {
        self.later.last().unwrap_or(&self.first)
    }

    /// The key that has to sign an entry at `index`.
    pub fn at(&self, index: LeafIndex) -> &VerifyingKey {
        let term = self.later.iter().rev().find(|term| term.since < index);
        &term.unwrap_or(&self.first).key
    }

    /// The key that may replace the operator's, if one was named.
    pub fn recovery(&self) -> Option<&VerifyingKey> {
        self.recovery.last().map(|(key, _)| key)
    }

    /// Every key of the operator, oldest first.
    pub fn terms(&self) -> impl DoubleEndedIterator<Item = &OperatorTerm> {
        std::iter::once(&self.first).chain(&self.later)
    }

    /// Every key that was the operator's or a recovery key.
    pub fn all_keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.terms().map(|term| &term.key).chain(self.recovery.iter().map(|(key, _)| key))
    }

    /// The entry that put another key in the place of this one; `None` if it is in force or never was.
    pub fn retired_by(&self, key: &VerifyingKey) -> Option<LeafIndex> {
        let next = self.terms().zip(&self.later).find(|(term, _)| term.key == *key);
        next.map(|(_, next)| next.since)
    }

    /// Whether the key is or was the operator's.
    pub fn has(&self, key: &VerifyingKey) -> bool {
        self.terms().any(|term| term.key == *key)
    }

    /// The entries that changed a key, in the order of the log.
    pub fn changes(&self) -> Vec<LeafIndex> {
        let operators = self.later.iter().map(|term| term.since);
        let mut changes: Vec<_> = operators.chain(self.recovery.iter().map(|(_, since)| *since)).collect();
        changes.sort_unstable();
        changes
    }

    /// Reads a note and verifies that the keys in force signed it, and that it may come next.
    pub fn open(&self, note: &str, log: &Origin) -> Result<OperatorNote, OperatorError> {
        let opened = OperatorNote::open(note, log, |note| match note {
            OperatorNote::Recovery(_) => Some(self.key()),
            OperatorNote::Change(change) if change.cause == OperatorCause::Rotation => None,
            OperatorNote::Change(_) => self.recovery(),
        })?;
        self.check(&opened)?;
        Ok(opened)
    }

    /// Takes up the note of the entry at `index`.
    pub fn take(
        &mut self,
        index: LeafIndex,
        note: &str,
        log: &Origin,
    ) -> Result<OperatorNote, OperatorError> {
        let opened = self.open(note, log)?;
        self.apply(index, &opened);
        Ok(opened)
    }

    /// The entry that made this change, if the log has it: the same note sent again gets the same answer.
    pub fn applied(&self, note: &str, log: &Origin) -> Option<LeafIndex> {
        let since = match OperatorNote::read(note, log).ok()? {
            OperatorNote::Change(change) => {
                self.later.iter().find(|term| term.key == change.operator).map(|term| term.since)
            }
            OperatorNote::Recovery(named) => {
                self.recovery.iter().find(|(key, _)| *key == named.recovery).map(|(_, since)| *since)
            }
        }?;
        let mut before = self.clone();
        before.later.retain(|term| term.since < since);
        before.recovery.retain(|(_, named)| *named < since);
        before.open(note, log).is_ok().then_some(since)
    }

    fn check(&self, note: &OperatorNote) -> Result<(), OperatorError> {
        let (role, named, in_force, new) = match note {
            OperatorNote::Change(OperatorChange { cause, replaces, operator, .. }) => {
                if *cause != OperatorCause::Rotation && self.recovery.is_empty() {
                    return Err(OperatorError::NoRecoveryKey);
                }
                ("operator", Some(replaces), Some(self.key()), operator)
            }
            OperatorNote::Recovery(RecoveryKey { recovery, replaces, .. }) => {
                ("recovery", replaces.as_ref(), self.recovery(), recovery)
            }
        };
        if named != in_force {
            let id = |key: Option<&VerifyingKey>| {
                key.map_or_else(|| "none".to_owned(), |key| key.id().to_string())
            };
            return Err(OperatorError::NotInForce { role, named: id(named), in_force: id(in_force) });
        }
        if self.all_keys().any(|key| key.id() == new.id() || key.public_key() == new.public_key()) {
            return Err(OperatorError::UsedBefore(new.id().to_string()));
        }
        let is_recovery =
            matches!(note, OperatorNote::Change(change) if change.cause != OperatorCause::Rotation);
        let most = MAX_OPERATOR_CHANGES - if is_recovery { 0 } else { OPERATOR_CHANGES_FOR_RECOVERY };
        if self.later.len() + self.recovery.len() >= most {
            return Err(OperatorError::TooMany { most });
        }
        Ok(())
    }

    /// Puts a note in force that [`open`](Self::open) opened.
    pub fn apply(&mut self, index: LeafIndex, note: &OperatorNote) {
        match note {
            OperatorNote::Change(OperatorChange { operator, cause, words, .. }) => {
                self.later.push(OperatorTerm {
                    key: operator.clone(),
                    since: index,
                    cause: Some(*cause),
                    words: words.clone(),
                });
            }
            OperatorNote::Recovery(named) => self.recovery.push((named.recovery.clone(), index)),
        }
    }

    /// The bytes a store keeps.
    pub fn to_bytes(&self) -> Vec<u8> {
        let later = self.later.iter().map(|term| {
            let cause = term.cause.map_or("", OperatorCause::word).to_owned();
            (term.key.to_string(), term.since.get(), cause, term.words.clone())
        });
        let stored = Stored {
            first: self.first.key.to_string(),
            later: later.collect(),
            recovery: self.recovery.iter().map(|(key, since)| (key.to_string(), since.get())).collect(),
        };
        postcard::to_stdvec(&stored).expect("strings and numbers always encode")
    }

    /// Reads [`to_bytes`](Self::to_bytes) back; `None` when the store was damaged.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (stored, rest): (Stored, _) = postcard::take_from_bytes(bytes).ok()?;
        if !rest.is_empty() || stored.later.len() + stored.recovery.len() > MAX_OPERATOR_CHANGES {
            return None;
        }
        let mut operators = Self::new(stored.first.parse().ok()?);
        for (key, since, cause, words) in stored.later {
            let (key, since) = (key.parse().ok()?, LeafIndex::new(since));
            operators.later.push(OperatorTerm { key, since, cause: Some(cause.parse().ok()?), words });
        }
        for (key, since) in stored.recovery {
            operators.recovery.push((key.parse().ok()?, LeafIndex::new(since)));
        }
        Some(operators)
    }
}

#[cfg(test)]
mod tests;
