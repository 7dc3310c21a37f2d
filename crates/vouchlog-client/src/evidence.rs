//! What proves that a log broke its promise.

use std::fmt;

use thiserror::Error;
use vouchlog_note::SignedCheckpoint;

/// How a log contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// It serves a checkpoint smaller than one it signed before.
    #[error("the log went back")]
    Rollback,
    /// It signed two trees of one size.
    #[error("the log forked")]
    Fork,
    /// What it serves does not show that the larger of two trees extends the smaller.
    #[error("the log's newer tree does not extend its older one")]
    Inconsistent,
    /// It does not have statements whose receipt it gave.
    #[error("the log lost statements it had acknowledged")]
    Lost,
}

/// Two statements of a log that contradict each other. Anyone with the log's vkey can check them; keep them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What they show.
    pub what: Misbehaviour,
    /// The note that had been verified before.
    pub known: String,
    /// The note, or where the log signs nothing the words, that contradict it.
    pub presented: String,
}

impl Evidence {
    pub(crate) fn of(what: Misbehaviour, known: &SignedCheckpoint, presented: &SignedCheckpoint) -> Self {
        Self { what, known: known.note().to_owned(), presented: presented.note().to_owned() }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it had served\n{}\nand now serves\n{}", self.what, self.known, self.presented)
    }
}
