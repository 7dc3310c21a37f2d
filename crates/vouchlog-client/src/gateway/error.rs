//! Why a gateway stops, and what only makes it wait.

use thiserror::Error;
use vouchlog_api::{ErrorKind, ReceiptError};
use vouchlog_note::{CheckpointError, NoteError};
use vouchlog_stream::{Fork, StreamId, TextError};

use crate::{Evidence, SpoolError};

/// Why a gateway stopped, or did not start. What it had spooled stays in the spool, also through these.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
    /// The spool cannot be used.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The log refuses this gateway, in its own words: it is not enrolled, was revoked, or sent what the log cannot take.
    #[error("the log rejected the request: {0}")]
    Refused(vouchlog_api::Error),
    /// The log contradicts what it signed; keep the evidence.
    #[error("{0}")]
    Misbehaviour(Box<Evidence>),
    /// A receipt does not prove what it should. `checkpoint` is the note it came with.
    #[error("the log's receipt proves nothing: {error}")]
    Receipt {
        /// What is wrong with it.
        error: ReceiptError,
        /// The checkpoint of the receipt.
        checkpoint: String,
    },
    /// The log answered with a checkpoint or an entry that does not verify.
    #[error("the log's response does not verify: {0}")]
    Unverified(String),
    /// The log holds two histories of this stream, both signed with its key: the state directory was copied, or the key was
    /// stolen.
    #[error("stream {stream} has two histories of size {size}, both signed with its key: was its state copied?", size = fork.size)]
    Forked {
        /// The stream.
        stream: StreamId,
        /// Both notes.
        fork: Box<Fork>,
    },
    /// The log took statements in requests it does not remember any more, and has no lookup index to find them with. They
    /// are in the log, and stay in the spool until it has one.
    #[error(
        "the receipts of the statements {from} to {to} of stream {stream} cannot be fetched: the log has no lookup index"
    )]
    ReceiptsLost {
        /// The stream.
        stream: StreamId,
        /// Sequence number of the first.
        from: u64,
        /// Sequence number after the last.
        to: u64,
    },
    /// The sink did not keep a receipt. The gateway tries again.
    #[error("a receipt could not be kept: {0}")]
    Sink(String),
    /// The stream was closed, as was asked for.
    #[error("the gateway is closed")]
    Closed,
    /// The gateway was stopped, or its process is ending.
    #[error("the gateway has stopped; its spooled statements will be sent when it is opened again")]
    Stopped,
}

impl GatewayError {
    /// Whether this machine failed, and not the log, its operator, or the gateway's configuration.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Spool(_) | Self::Sink(_))
    }
}

/// What ends a conversation.
#[derive(Debug)]
pub(super) enum Trouble {
    /// For good.
    Stop(GatewayError),
    /// It may pass: try again from the beginning, a little later.
    Again(vouchlog_api::Error),
}

/// A spool or a sink without room takes what it refused once there is some: the log gives its receipts again.
impl From<GatewayError> for Trouble {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Spool(ref refused) if refused.may_pass() => {
                Self::Again(vouchlog_api::Error::unavailable(error.to_string()))
            }
            GatewayError::Sink(_) => Self::Again(vouchlog_api::Error::unavailable(error.to_string())),
            error => Self::Stop(error),
        }
    }
}

impl From<SpoolError> for Trouble {
    fn from(error: SpoolError) -> Self {
        GatewayError::from(error).into()
    }
}

/// A refusal that cannot pass by itself stops the gateway. A fork is not one of them here: the next comparison with the log
/// finds its evidence.
impl From<vouchlog_api::Error> for Trouble {
    fn from(error: vouchlog_api::Error) -> Self {
        match error.kind {
            ErrorKind::PermissionDenied | ErrorKind::InvalidArgument | ErrorKind::Retired => {
                Self::Stop(GatewayError::Refused(error))
            }
            _ => Self::Again(error),
        }
    }
}

impl From<CheckpointError> for Trouble {
    fn from(error: CheckpointError) -> Self {
        Self::Stop(GatewayError::Unverified(error.to_string()))
    }
}

/// A note of our own that cannot be signed: the keys are of the wrong kind.
impl From<TextError> for Trouble {
    fn from(error: TextError) -> Self {
        match error {
            // The key is kept elsewhere, and may be away for a while.
            TextError::Note(NoteError::Signer(error)) => {
                Self::Again(vouchlog_api::Error::unavailable(error.to_string()))
            }
            error => Self::Stop(GatewayError::Config(error.to_string())),
        }
    }
}
