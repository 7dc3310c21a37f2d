//! What can go wrong with a witness, and how long to leave it alone then.

use std::time::Duration;

use thiserror::Error;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::TreeSize;

/// Why a witness has not cosigned a head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// No answer, or one that says to try later.
    #[error("it does not answer: {0}")]
    Unreachable(String),
    /// It wants to be asked less often.
    #[error("it asks for a pause of {} s", .0.as_secs())]
    Busy(Duration),
    /// It does not know the log, or not its key: a matter of configuration.
    #[error("it does not take checkpoints of this log: {0}")]
    NotConfigured(String),
    /// Its answer cannot be true.
    #[error("its answer is false: {0}")]
    Lying(String),
    /// It claims to have seen more of the log than the log has.
    #[error("it claims to have cosigned {size} entries, more than this log has")]
    Ahead {
        /// The size it claims.
        size: TreeSize,
    },
    /// It refuses the head as not consistent with what it cosigned before.
    #[error("it says that the log contradicts what it cosigned before: {0}")]
    Contradicted(String),
    /// The log cannot prove its own consistency.
    #[error("the log could not prove its consistency: {0}")]
    NoProof(String),
}

/// Doublings of the interval after which a witness that does not answer is tried no more rarely.
const MAX_DOUBLINGS: u32 = 6;
/// Intervals between attempts where only people can help.
const PERSISTENT: u32 = 60;
/// The longest pause a witness can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(600);

impl Trouble {
    /// One word for metrics.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Busy(_) => "busy",
            Self::NotConfigured(_) => "not_configured",
            Self::Lying(_) => "lying",
            Self::Ahead { .. } => "ahead",
            Self::Contradicted(_) => "contradicted",
            Self::NoProof(_) => "no_proof",
        }
    }

    /// How long to leave the witness alone, after this many failures in a row.
    pub(crate) fn pause(&self, failures: u32, interval: Duration) -> Duration {
        match self {
            Self::Unreachable(_) | Self::NoProof(_) => interval * (1 << failures.min(MAX_DOUBLINGS)),
            Self::Busy(pause) => (*pause).clamp(interval, MAX_PAUSE),
            Self::NotConfigured(_) | Self::Lying(_) | Self::Ahead { .. } | Self::Contradicted(_) => {
                interval * PERSISTENT
            }
        }
    }

    /// Whether the log itself may be at fault: it lost entries, or signed two histories.
    pub(crate) fn accuses_the_log(&self) -> bool {
        matches!(self, Self::Ahead { .. } | Self::Contradicted(_))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Overloaded { retry_after } => Self::Busy(retry_after),
            ErrorKind::NotFound
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidArgument
            | ErrorKind::FailedPrecondition => Self::NotConfigured(error.message),
            ErrorKind::Inconsistent => Self::Contradicted(error.message),
            ErrorKind::Conflict { size } => Self::Ahead { size: TreeSize::new(size) },
            _ => Self::Unreachable(error.message),
        }
    }
}
