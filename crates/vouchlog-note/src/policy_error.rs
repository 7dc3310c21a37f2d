//! Why a policy file, or a checkpoint under a policy, is refused.

use crate::checkpoint::{CheckpointError, Origin};
use crate::key::{KeyError, SignatureType};

/// Why a policy file, or a checkpoint under a policy, was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// The file was longer than the reader takes.
    #[error("the policy has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes of the file.
        bytes: usize,
        /// Bytes the reader takes.
        limit: usize,
    },
    /// The file held an octet policies do not have; a CR, say.
    #[error("line {line} of the policy holds the octet {octet:#04x}, which is not allowed")]
    Octet {
        /// Place of the line, counted from 1.
        line: usize,
        /// The octet.
        octet: u8,
    },
    /// The last line did not end in LF.
    #[error("the policy's last line does not end in a newline")]
    NoFinalNewline,
    /// A line was refused.
    #[error("line {line} of the policy: {source}")]
    Line {
        /// Place of the line, counted from 1.
        line: usize,
        /// What was wrong with it.
        source: PolicyLineError,
    },
    /// The file had no quorum line.
    #[error("the policy has no quorum line")]
    NoQuorum,
    /// The policy was asked about a checkpoint and names no log.
    #[error("the policy names no log: give the log")]
    NoLogs,
    /// The checkpoint was malformed, unsigned, or signed falsely.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// No log that may speak for the origin signed the checkpoint.
    #[error("the checkpoint of {origin} is not signed by a log of that name, among {logs} accepted keys")]
    NotByLog {
        /// The origin the checkpoint states.
        origin: Origin,
        /// Log keys accepted.
        logs: usize,
    },
    /// Too few witnesses cosigned, or the wrong ones.
    #[error("{cosigned} of {witnesses} witnesses cosigned: no quorum")]
    QuorumNotMet {
        /// Witnesses whose cosignatures were verified.
        cosigned: usize,
        /// Witnesses of the policy.
        witnesses: usize,
    },
}

/// Why a line of a policy file was refused. The fault is in the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyLineError {
    /// The line opened with no keyword of the format.
    #[error("{keyword:?} is not one of log, witness, group, quorum")]
    Keyword {
        /// The first token.
        keyword: String,
    },
    /// The line had too few or too many tokens.
    #[error("a {keyword} line cannot have {tokens} tokens after its keyword")]
    TokenCount {
        /// The keyword of the line.
        keyword: String,
        /// Tokens after the keyword.
        tokens: usize,
    },
    /// A vkey was refused.
    #[error("the vkey is rejected: {0}")]
    Vkey(#[from] KeyError),
    /// A vkey or URL was not UTF-8. (Names may be any octets.)
    #[error("the vkey or URL is not UTF-8")]
    NotUtf8,
    /// A log had a key that does not sign for logs.
    #[error("a log's key is of type 0x01 or 0x06, not {signature_type}")]
    LogKeyType {
        /// The type of the key.
        signature_type: SignatureType,
    },
    /// A witness had a key that does not cosign.
    #[error("a witness's key is of type 0x04 or 0x06, not {signature_type}")]
    WitnessKeyType {
        /// The type of the key.
        signature_type: SignatureType,
    },
    /// The name of a log's key cannot be an origin.
    #[error("the name of a log's key is the log's origin: {0}")]
    LogName(#[from] CheckpointError),
    /// A log's public key stands on an earlier log line.
    #[error("a log with the public key of {vkey} is already listed")]
    DuplicateLog {
        /// The second vkey.
        vkey: String,
    },
    /// A witness's public key stands on an earlier witness line.
    #[error("a witness with the public key of {vkey} is already listed")]
    DuplicateWitness {
        /// The second vkey.
        vkey: String,
    },
    /// A witness or group was called as a keyword.
    #[error("{name} is a keyword and cannot be a name")]
    ReservedName {
        /// The name.
        name: String,
    },
    /// A witness or group was called as an earlier one.
    #[error("the name {name} is already taken")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A name was used that no earlier line defines.
    #[error("{name} is not defined on an earlier line")]
    Undefined {
        /// The name.
        name: String,
    },
    /// A name was a group member before.
    #[error("{name} is already a group member, and would count twice")]
    MemberTwice {
        /// The name.
        name: String,
    },
    /// A threshold was not a number between 1 and the number of members.
    #[error("the threshold {threshold:?} is not any, all, or a number from 1 to {members}")]
    Threshold {
        /// The threshold as written.
        threshold: String,
        /// Members of the group.
        members: usize,
    },
    /// The file has a second quorum line.
    #[error("the policy already has a quorum line")]
    SecondQuorum,
    /// The file has more logs, witnesses or groups than the reader takes.
    #[error("the policy has more than {limit} lines of this kind")]
    TooMany {
        /// Lines of one kind the reader takes.
        limit: usize,
    },
}
