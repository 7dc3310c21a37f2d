//! Errors as the classes that `web/verify/src/errors.ts` documents.

use vouchlog_auditor::{CompletenessError, EvidenceError};
use vouchlog_note::{CheckpointError, NoteError, Origin, PolicyError, PolicyLineError, ProofFileError};
use vouchlog_session::BundleError;
use vouchlog_statement::PresentationError;

/// The class of a reason for which something was refused.
pub(crate) struct Class(pub(crate) &'static str);

/// An error with a class. Some need the name of the log that is trusted.
pub(crate) trait Classified {
    fn class(&self, log: &Origin) -> Class;
}

fn note_class(error: &NoteError) -> Class {
    Class(match error {
        NoteError::TooLarge { .. } => "too-large",
        NoteError::InvalidSignature { .. }
        | NoteError::RepeatedSignature { .. }
        | NoteError::NoKnownSignature { .. } => "signature",
        NoteError::WrongKeyType { .. } => "key",
        _ => "format",
    })
}

pub(crate) fn checkpoint_class(error: &CheckpointError) -> Class {
    match error {
        CheckpointError::Note(error) => note_class(error),
        CheckpointError::OtherOrigin { .. } => Class("other-log"),
        CheckpointError::UnsignedExtensions => Class("signature"),
        CheckpointError::KeyName { .. } => Class("key"),
        _ => Class("format"),
    }
}

pub(crate) fn policy_class(error: &PolicyError, log: &str) -> Class {
    match error {
        PolicyError::TooLarge { .. } | PolicyError::Line { source: PolicyLineError::TooMany { .. }, .. } => {
            Class("too-large")
        }
        PolicyError::Checkpoint(error) => checkpoint_class(error),
        PolicyError::NotByLog { origin, .. } if origin.as_str() != log => Class("other-log"),
        PolicyError::NotByLog { .. } => Class("signature"),
        PolicyError::QuorumNotMet { .. } => Class("quorum"),
        _ => Class("format"),
    }
}

impl Classified for ProofFileError {
    fn class(&self, _: &Origin) -> Class {
        Class(match self {
            Self::TooLarge { .. } | Self::ExtraTooLarge { .. } => "too-large",
            Self::NotIncluded { .. } => "not-included",
            _ => "format",
        })
    }
}

impl Classified for PresentationError {
    fn class(&self, log: &Origin) -> Class {
        Class(match self {
            Self::LogKey(_) => "key",
            Self::TooLarge(_) => "too-large",
            Self::Form(_) | Self::ProofFile { .. } => "format",
            Self::OtherLog { .. } => "other-log",
            Self::NoEntry(_) => "no-entry",
            Self::HouseStream(_) => "house-stream",
            Self::Checkpoint { error, .. } => return checkpoint_class(error),
            Self::Policy { error, .. } => return policy_class(error, log.as_str()),
            Self::NotIncluded { .. } => "not-included",
            Self::OtherEntry { .. } => "entry",
            Self::Note { .. } | Self::Operator(_) => "note",
            Self::Order { .. } => "order",
            Self::OtherKey { .. } => "other-key",
            Self::NotPinned { .. } => "not-pinned",
            Self::RevokedKey { .. } => "revoked",
            Self::Statement(_) => "statement",
            _ => "mismatch",
        })
    }
}

impl Classified for BundleError {
    fn class(&self, log: &Origin) -> Class {
        Class(match self {
            Self::TooLarge(_) | Self::TooMany(_) => "too-large",
            Self::Form(_) | Self::NoSuchPart(_) => "format",
            Self::Presentation { error, .. } => return error.class(log),
            Self::Kind { .. } => "entry",
            Self::OtherSession { .. } => "other-session",
            Self::Twice { .. } => "duplicate",
            // What a record may hold is not the second implementation's to judge.
            _ => "record",
        })
    }
}

impl Classified for CompletenessError {
    fn class(&self, _: &Origin) -> Class {
        Class(match self {
            Self::TooLarge(_) | Self::TooMany(_) => "too-large",
            Self::Checkpoint(error) => return checkpoint_class(error),
            Self::NoQuorum => "quorum",
            Self::NotInLog { .. } => "not-included",
            Self::NotComplete { .. } => "incomplete",
            _ => "format",
        })
    }
}

impl Classified for EvidenceError {
    fn class(&self, _: &Origin) -> Class {
        Class(if matches!(self, Self::TooLarge(_)) { "too-large" } else { "format" })
    }
}
