//! What can go wrong with a witness, and how long to leave it alone then.

use std::time::Duration;

use thiserror::Error;
use vouchlog_api::{Error, ErrorKind};
use vouchlog_merkle::{TreeSize, sha256};
use vouchlog_runtime::Backoff;

/// Why a witness has not cosigned a head.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Trouble {
    /// No answer, or one that says to try later.
    #[error("it does not respond: {0}")]
    Unreachable(String),
    /// It wants to be asked less often.
    #[error("it requests a pause of {} s", .0.as_secs())]
    Busy(Duration),
    /// It does not know the log, or not its key: a matter of configuration.
    #[error("it does not accept checkpoints of this log: {0}")]
    NotConfigured(String),
    /// Its answer cannot be true.
    #[error("its response is invalid: {0}")]
    Lying(String),
    /// It claims to have seen more of the log than the log has.
    #[error("it reports {size} cosigned entries, more than this log has")]
    Ahead {
        /// The size it claims.
        size: TreeSize,
    },
    /// It refuses the head as not consistent with what it cosigned before.
    #[error("it reports that the log contradicts an earlier cosignature: {0}")]
    Contradicted(String),
    /// The log cannot prove its own consistency.
    #[error("the log could not prove its consistency: {0}")]
    NoProof(String),
}

/// Intervals between attempts to reach a witness that does not respond: at first, and at most.
const FIRST_BACKOFF: u32 = 2;
const MAX_BACKOFF: u32 = 64;
/// Intervals between attempts where only people can help.
const PERSISTENT: u32 = 60;
/// The longest pause a witness can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(600);

/// The waits for a witness that does not respond. Their jitter follows from its name, so that a simulation repeats.
pub(crate) fn backoff(interval: Duration, witness: &str) -> Backoff {
    let seed = *sha256(witness.as_bytes()).as_bytes().first_chunk().expect("8 of 32 bytes");
    let (first, longest) = (interval.saturating_mul(FIRST_BACKOFF), interval.saturating_mul(MAX_BACKOFF));
    Backoff::seeded(first, longest, u64::from_be_bytes(seed))
}

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

    /// How long to leave the witness alone after one more failure.
    pub(crate) fn pause(&self, backoff: &mut Backoff, interval: Duration) -> Duration {
        match self {
            Self::Unreachable(_) | Self::NoProof(_) => backoff.next_wait(),
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
