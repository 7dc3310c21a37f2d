//! Why a presentation does not hold, or could not be checked; which link broke.

use std::fmt;

use thiserror::Error;
use vouchlog_merkle::{LeafIndex, ProofError};
use vouchlog_note::{CheckpointError, KeyName, PolicyError, ProofFileError, VerifyingKey};
use vouchlog_stream::{
    Digest, Evidence, LoggedAt, OperatorError, Revoked, StatementKind, StreamId, TextError,
};

use crate::limits::MAX_PRESENTATION_BYTES;
use crate::statement::StatementError;

/// A proof in a presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentationPart {
    /// `proof`.
    Statement,
    /// `genesis`.
    Genesis,
    /// In `genesis`, behind the first proof.
    OperatorChange,
    /// `stream.enrolment`.
    Enrolment,
    /// `stream.opening`.
    Opening,
    /// `signed_by.enrolment`.
    SignerEnrolment,
    /// `signed_by.opening`.
    SignerOpening,
    /// `stream.status.revocation`.
    Revocation,
    /// `signed_by.status.revocation`.
    SignerRevocation,
}

impl fmt::Display for PresentationPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Statement => "the statement's entry",
            Self::Genesis => "the log's genesis",
            Self::OperatorChange => "a change of the operator's key",
            Self::Enrolment => "the enrolment of the stream's gateway",
            Self::Opening => "the opening of the stream",
            Self::SignerEnrolment => "the enrolment of the signing stream's gateway",
            Self::SignerOpening => "the opening of the signing stream",
            Self::Revocation => "the revocation of the gateway's key",
            Self::SignerRevocation => "the revocation of the signing gateway's key",
        })
    }
}

/// Why a presentation does not hold; or why it could not be checked ([`is_finding`](Self::is_finding)).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PresentationError {
    /// The key cannot be that of a log.
    #[error("the key cannot be used for verification: {0}")]
    LogKey(String),
    /// The file is too long.
    #[error("the presentation has {0} bytes, more than {MAX_PRESENTATION_BYTES}")]
    TooLarge(usize),
    /// It is not the JSON of a presentation.
    #[error("this is not a presentation: {0}")]
    Form(String),
    /// It is about another log.
    #[error("it belongs to the log `{presented}`; the given key is that of `{trusted}`")]
    OtherLog {
        /// The log the file names.
        presented: String,
        /// The log whose key was given.
        trusted: String,
    },
    /// A proof does not carry the entry it is about.
    #[error("the proof of {0} does not carry the entry")]
    NoEntry(PresentationPart),
    /// The statement was logged through the log's own house stream, which no gateway signs.
    #[error(
        "stream {0} is the log's house stream: no gateway signs its statements, so a presentation proves nothing"
    )]
    HouseStream(StreamId),
    /// A proof is malformed.
    #[error("the proof of {part} is malformed: {error}")]
    ProofFile {
        /// Which.
        part: PresentationPart,
        /// What is wrong.
        error: ProofFileError,
    },
    /// A checkpoint is not the log's.
    #[error("the checkpoint over {part} does not verify: {error}")]
    Checkpoint {
        /// Which.
        part: PresentationPart,
        /// What is wrong.
        error: CheckpointError,
    },
    /// A checkpoint does not satisfy the policy.
    #[error("the checkpoint over {part} does not satisfy the policy: {error}")]
    Policy {
        /// Which.
        part: PresentationPart,
        /// What is wrong.
        error: PolicyError,
    },
    /// An entry is not in the log.
    #[error("{part} is not in the log at index {index}: {error}")]
    NotIncluded {
        /// Which.
        part: PresentationPart,
        /// Its index in the proof.
        index: LeafIndex,
        /// Where the proof fails.
        error: ProofError,
    },
    /// The entry that is proven is of another kind.
    #[error("the proof of {part} is for another kind of entry")]
    OtherEntry {
        /// Which.
        part: PresentationPart,
    },
    /// A note is not signed by whom it must be: the genesis by the log, an enrolment by the operator, an opening by the gateway.
    #[error("{part} does not verify: {error}")]
    Note {
        /// Which.
        part: PresentationPart,
        /// What is wrong.
        error: TextError,
    },
    /// A change of the operator's key does not follow from those before it.
    #[error("a change of the operator's key does not hold: {0}")]
    Operator(OperatorError),
    /// An entry must stand before another, and does not.
    #[error("{part} is at index {index}, not before index {before}")]
    Order {
        /// Which.
        part: PresentationPart,
        /// Where it is.
        index: LeafIndex,
        /// Where the entry is that needs it; 1 for the genesis.
        before: LeafIndex,
    },
    /// The enrolment is that of another key.
    #[error("{part} enrols a key other than the one that opened the stream")]
    OtherKey {
        /// Which.
        part: PresentationPart,
    },
    /// The verifier trusts other keys of gateways.
    #[error(
        "the gateway's key {} of `{}` is none of the pinned keys ({}), and none of them handed over to it",
        gateway.id(), gateway.name(), listed(pinned)
    )]
    NotPinned {
        /// The key that opened the stream.
        gateway: Box<VerifyingKey>,
        /// The keys that are trusted.
        pinned: Vec<VerifyingKey>,
    },
    /// The gateway's key was not to be trusted any more when the statement was logged.
    #[error(
        "the gateway's key {} of `{}` was revoked at index {} from {} ms on ({}), and the statement was logged at {logged_at} ms: \
         anyone who has the key may have made it",
        gateway.id(), gateway.name(), revoked.index, revoked.effective, revoked.reason
    )]
    RevokedKey {
        /// The key.
        gateway: Box<VerifyingKey>,
        /// The entry that revoked it, from when on, and why.
        revoked: Revoked,
        /// When the statement was logged.
        logged_at: LoggedAt,
    },
    /// The entry is in another stream than the one that is shown.
    #[error("the entry is in stream {entry}, not in stream {shown}")]
    OtherStream {
        /// Stream of the entry.
        entry: StreamId,
        /// Stream whose opening is shown.
        shown: StreamId,
    },
    /// The two streams are of two gateways.
    #[error("{signer} signed the statement, {logger} logged it")]
    OtherGateway {
        /// Gateway of the stream whose key signed.
        signer: KeyName,
        /// Gateway of the stream the entry is in.
        logger: KeyName,
    },
    /// The statement does not verify.
    #[error("the statement does not verify: {0}")]
    Statement(#[from] StatementError),
    /// The statement is for another stream than the one whose key signed it.
    #[error("the statement names stream {claimed}; the key that signed it belongs to stream {shown}")]
    SigningStream {
        /// Stream in the statement.
        claimed: StreamId,
        /// Stream whose opening is shown.
        shown: StreamId,
    },
    /// The statement names another gateway.
    #[error("the statement names the issuer `{claimed}`; the stream belongs to `{gateway}`")]
    Issuer {
        /// Issuer in the statement.
        claimed: String,
        /// Gateway that opened the stream.
        gateway: KeyName,
    },
    /// Another statement was logged.
    #[error("the digest {logged} was logged; that of the statement is {computed}")]
    Digest {
        /// Digest of the SD-JWT.
        computed: Digest,
        /// Digest in the entry.
        logged: Digest,
    },
    /// The statement and the entry differ in kind.
    #[error("the statement is of kind {claimed}; it was logged as {logged}")]
    Kind {
        /// Kind in the statement.
        claimed: StatementKind,
        /// Kind in the entry.
        logged: StatementKind,
    },
    /// The statement and the entry differ in the evidence they claim.
    #[error("the statement claims the evidence {:#010x}; {:#010x} was logged", claimed.bits(), logged.bits())]
    Evidence {
        /// Bitmap in the statement.
        claimed: Evidence,
        /// Bitmap in the entry.
        logged: Evidence,
    },
}

fn listed(keys: &[VerifyingKey]) -> String {
    let ids: Vec<String> = keys.iter().map(|key| key.id().to_string()).collect();
    ids.join(", ")
}

impl PresentationError {
    /// Whether the presentation was checked and does not hold. Otherwise it could not be checked.
    pub fn is_finding(&self) -> bool {
        !matches!(
            self,
            Self::LogKey(_)
                | Self::TooLarge(_)
                | Self::Form(_)
                | Self::OtherLog { .. }
                | Self::NoEntry(_)
                | Self::HouseStream(_)
        )
    }
}
