//! Witness policies: which logs count, and how many witnesses are enough (tlog-policy).

use std::fmt;

use vouchlog_merkle::TreeHead;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::key::{SignatureType, VerifyingKey};
use crate::note::{UnverifiedNote, VerifiedNote};
use crate::policy_text::{PolicyLineError, parse};
use crate::signed_checkpoint::SignedCheckpoint;

/// The logs whose checkpoints count, and the quorum of witnesses that must have cosigned one.
///
/// ML-DSA-44 keys may stand in a policy; a witness with such a key counts as one that has not cosigned, and a
/// log with such a key as one that has not signed, because this crate cannot check it.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(crate) logs: Vec<PolicyLog>,
    pub(crate) witnesses: Vec<PolicyWitness>,
    /// In the order of the file: a group's members stand before it.
    pub(crate) groups: Vec<Group>,
    /// `None` for `quorum none`.
    pub(crate) quorum: Option<Member>,
}

/// A log of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyLog {
    pub(crate) key: VerifyingKey,
    pub(crate) origin: Origin,
    pub(crate) url: Option<String>,
}

/// A witness of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyWitness {
    pub(crate) name: PolicyName,
    pub(crate) key: VerifyingKey,
    pub(crate) url: Option<String>,
}

/// So many of these members.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Member>,
}

/// A witness or a group, by its place in the policy's list.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// Reads a policy file of at most [`crate::limits::MAX_POLICY_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse(bytes)
    }

    /// The logs, in the order of the file; possibly none.
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses, in the order of the file; possibly none.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the policy asks for no cosignature at all (`quorum none`).
    pub fn is_quorum_none(&self) -> bool {
        self.quorum.is_none()
    }

    /// Whether the cosignatures verified in `note` meet the quorum. Says nothing about logs: `note` was verified
    /// with keys the caller chose, the policy's witnesses among them.
    pub fn satisfied_by(&self, note: &VerifiedNote) -> bool {
        let has_cosigned =
            |witness: &PolicyWitness| note.signatures().iter().any(|s| *s.key() == witness.key);
        let cosigned: Vec<bool> = self.witnesses.iter().map(has_cosigned).collect();
        let mut met: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let count = group.members.iter().filter(|member| is_met(**member, &cosigned, &met)).count();
            met.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| is_met(member, &cosigned, &met))
    }

    /// Verifies that `note` is a checkpoint by one of the policy's logs that meets the quorum.
    ///
    /// # Errors
    /// [`PolicyError::NoLogs`] if the policy names no log; use [`Policy::verify_checkpoint_of`] then.
    pub fn verify_checkpoint(&self, note: &[u8]) -> Result<PolicyCheckpoint, PolicyError> {
        if self.logs.is_empty() {
            return Err(PolicyError::NoLogs);
        }
        let log_keys: Vec<&VerifyingKey> = self.logs.iter().map(|log| &log.key).collect();
        // SPEC: the name in a log's vkey is its origin, so one log cannot sign as another.
        self.verify(note, &log_keys, |key, origin| key.name().as_str() == origin.as_str())
    }

    /// Verifies that `note` is a checkpoint of `origin`, signed with one of `log_keys`, that meets the quorum:
    /// for callers that know their log otherwise. The policy's own logs are left out of it.
    pub fn verify_checkpoint_of<'k>(
        &self,
        note: &[u8],
        origin: &Origin,
        log_keys: impl IntoIterator<Item = &'k VerifyingKey>,
    ) -> Result<PolicyCheckpoint, PolicyError> {
        let log_keys: Vec<&VerifyingKey> = log_keys.into_iter().collect();
        self.verify(note, &log_keys, |_, actual| actual == origin)
    }

    fn verify(
        &self,
        note: &[u8],
        log_keys: &[&VerifyingKey],
        speaks_for: impl Fn(&VerifyingKey, &Origin) -> bool,
    ) -> Result<PolicyCheckpoint, PolicyError> {
        let is_log_key = |key: &&&VerifyingKey| key.signature_type() == SignatureType::Ed25519;
        let is_witness_key = |key: &&VerifyingKey| key.signature_type() == SignatureType::CosignatureEd25519;
        let logs = log_keys.iter().filter(is_log_key).copied();
        let witnesses = self.witnesses.iter().map(|witness| &witness.key).filter(is_witness_key);

        let note = UnverifiedNote::parse(note).map_err(CheckpointError::from)?;
        let note = note.verify_without_repeats(logs.chain(witnesses)).map_err(CheckpointError::from)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let is_by_log = note.signatures().iter().any(|signature| {
            signature.key().signature_type() == SignatureType::Ed25519
                && speaks_for(signature.key(), checkpoint.origin())
        });
        if !is_by_log {
            let origin = checkpoint.origin().clone();
            return Err(PolicyError::NotByLog { origin, logs: log_keys.len() });
        }
        let cosignatures = self.cosignatures_of(&note);
        if !self.satisfied_by(&note) {
            let unsupported = self.witnesses.iter().filter(|witness| !is_witness_key(&&witness.key)).count();
            return Err(PolicyError::QuorumNotMet {
                cosigned: cosignatures.len(),
                witnesses: self.witnesses.len(),
                unsupported,
            });
        }
        Ok(PolicyCheckpoint { signed: SignedCheckpoint::from_verified(note, checkpoint), cosignatures })
    }

    fn cosignatures_of(&self, note: &VerifiedNote) -> Vec<PolicyCosignature> {
        let cosignature = |witness: &PolicyWitness| {
            let signature = note.signatures().iter().find(|signature| *signature.key() == witness.key)?;
            Some(PolicyCosignature { name: witness.name.clone(), timestamp: signature.timestamp()? })
        };
        self.witnesses.iter().filter_map(cosignature).collect()
    }
}

fn is_met(member: Member, cosigned: &[bool], met: &[bool]) -> bool {
    match member {
        Member::Witness(place) => cosigned[place],
        Member::Group(place) => met[place],
    }
}

impl PolicyLog {
    /// The key; its name is the log's origin.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the log is, if the policy says so.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

impl PolicyWitness {
    /// The witness's name within the policy, which is not its key name.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// The key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The witness's submission prefix, if the policy says so.
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// A name within a policy file: octets without white space and control characters, not necessarily UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PolicyName(pub(crate) Box<[u8]>);

impl PolicyName {
    /// The octets of the name.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows the name for people; octets that are not UTF-8 are replaced.
impl fmt::Display for PolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// A checkpoint that satisfies a policy: signed by a log that counts, cosigned by a quorum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyCheckpoint {
    signed: SignedCheckpoint,
    cosignatures: Vec<PolicyCosignature>,
}

impl PolicyCheckpoint {
    /// The log's name.
    pub fn origin(&self) -> &Origin {
        self.signed.origin()
    }

    /// The tree head.
    pub fn head(&self) -> TreeHead {
        self.signed.head()
    }

    /// The checkpoint as signed by its log.
    pub fn signed(&self) -> &SignedCheckpoint {
        &self.signed
    }

    /// Every witness of the policy whose cosignature was verified, in the order of the policy; none for a policy
    /// without witnesses.
    pub fn cosignatures(&self) -> &[PolicyCosignature] {
        &self.cosignatures
    }
}

/// A verified cosignature by a witness of the policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyCosignature {
    name: PolicyName,
    timestamp: u64,
}

impl PolicyCosignature {
    /// The witness's name within the policy.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// When it cosigned, in POSIX seconds by its own clock.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }
}

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
    #[error("the policy names no log: say which log is meant")]
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
    #[error(
        "{cosigned} of {witnesses} witnesses cosigned (keys that cannot be checked: {unsupported}): no quorum"
    )]
    QuorumNotMet {
        /// Witnesses whose cosignatures were verified.
        cosigned: usize,
        /// Witnesses of the policy.
        witnesses: usize,
        /// Witnesses whose type of key cannot be checked here.
        unsupported: usize,
    },
}
