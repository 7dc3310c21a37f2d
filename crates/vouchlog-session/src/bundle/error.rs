//! Why a bundle cannot be read, or does not hold.

use std::fmt;

use thiserror::Error;
use vouchlog_record::{RecordError, RecordId};
use vouchlog_statement::PresentationError;

use crate::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_RECORDS};

/// Which presentation of a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundlePart {
    /// That of a record, counted from 0.
    Record(usize),
    /// That of the seal.
    Seal,
    /// That of an erasure, counted from 0.
    Erasure(usize),
}

impl fmt::Display for BundlePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(place) => write!(f, "record {place} of the bundle"),
            Self::Seal => f.write_str("the seal"),
            Self::Erasure(place) => write!(f, "erasure {place} of the bundle"),
        }
    }
}

/// Why a bundle cannot be read, or does not hold.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BundleError {
    /// There is nothing in it.
    #[error("a bundle has at least one record")]
    Empty,
    /// The presentations are of several logs.
    #[error("the presentations are of several logs: make one bundle for each")]
    SeveralLogs,
    /// It is longer than [`MAX_BUNDLE_BYTES`].
    #[error(
        "the bundle has {0} bytes; at most {MAX_BUNDLE_BYTES} are accepted: disclose fewer fields, or split the session"
    )]
    TooLarge(usize),
    /// It has more than [`MAX_BUNDLE_RECORDS`] presentations.
    #[error("the bundle has {0} presentations; at most {MAX_BUNDLE_RECORDS} are accepted")]
    TooMany(usize),
    /// It is no bundle.
    #[error("the file is not a session bundle: {0}")]
    Form(String),
    /// A presentation names a part that is not there.
    #[error("{0} refers to a part that is not in the bundle")]
    NoSuchPart(BundlePart),
    /// A presentation does not hold.
    #[error("{part} does not verify: {error}")]
    Presentation {
        /// Which.
        part: BundlePart,
        /// Why.
        error: Box<PresentationError>,
    },
    /// The seal is no seal, an erasure no erasure, or a record is one of those.
    #[error("{part} is a statement of kind {kind}")]
    Kind {
        /// Which.
        part: BundlePart,
        /// Its kind.
        kind: &'static str,
    },
    /// What a statement discloses is no record.
    #[error("{part} does not disclose a valid record: {error}")]
    Record {
        /// Which.
        part: BundlePart,
        /// Why.
        error: Box<RecordError>,
    },
    /// A record says that it is of another session.
    #[error("record {record} belongs to a session other than the bundle's")]
    OtherSession {
        /// The record.
        record: RecordId,
    },
    /// Two presentations are of one record, or of one entry of the log.
    #[error("record {record} is in the bundle twice")]
    Twice {
        /// The record.
        record: RecordId,
    },
}

impl BundleError {
    /// Whether the bundle was checked and does not hold. Otherwise it could not be checked.
    pub fn is_finding(&self) -> bool {
        match self {
            Self::Empty
            | Self::SeveralLogs
            | Self::TooLarge(_)
            | Self::TooMany(_)
            | Self::Form(_)
            | Self::NoSuchPart(_) => false,
            Self::Presentation { error, .. } => error.is_finding(),
            Self::Kind { .. } | Self::Record { .. } | Self::OtherSession { .. } | Self::Twice { .. } => true,
        }
    }
}
