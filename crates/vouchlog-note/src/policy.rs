//! Witness policies: which logs count, and how many witnesses are enough (tlog-policy).

use std::fmt;

use vouchlog_merkle::TreeHead;

use crate::checkpoint::{Checkpoint, CheckpointError, Origin};
use crate::key::{SignatureType, VerifyingKey};
use crate::note::{UnverifiedNote, VerifiedNote};
use crate::policy_error::PolicyError;
use crate::signed_checkpoint::{SignedCheckpoint, check_extensions};
use crate::verified_signature::VerifiedSignature;

/// The logs whose checkpoints count, and the quorum of witnesses that must have cosigned one.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Member>,
}

/// A witness or a group, by its place in the policy's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// Whether another policy has the same logs, witnesses and quorum, and differs at most in URLs.
    pub fn requires_the_same_as(&self, other: &Self) -> bool {
        let without_urls = |policy: &Self| {
            let mut policy = policy.clone();
            policy.logs.iter_mut().for_each(|log| log.url = None);
            policy.witnesses.iter_mut().for_each(|witness| witness.url = None);
            policy
        };
        without_urls(self) == without_urls(other)
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

    /// Whether the cosignatures verified in `note` meet the quorum. It does not cover logs: `note` was verified
    /// with keys the caller chose, the policy's witnesses among them.
    pub fn satisfied_by(&self, note: &VerifiedNote) -> bool {
        self.is_met_by(|key| note.signatures().iter().any(|s| s.key() == key))
    }

    /// Whether the witnesses with these keys are a quorum: by what they cosigned, or by anything else that is counted of them.
    pub fn is_met_by(&self, counts: impl Fn(&VerifyingKey) -> bool) -> bool {
        let cosigned: Vec<bool> = self.witnesses.iter().map(|witness| counts(&witness.key)).collect();
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
        self.verify(note, &log_keys, is_called_as)
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
        self.verify(note, &log_keys, |key, actual| {
            // SPEC: type 0x06 is the log's own signature if the key is called as the log, else a cosignature.
            actual == origin && (key.signature_type() == SignatureType::Ed25519 || is_called_as(key, origin))
        })
    }

    fn verify(
        &self,
        note: &[u8],
        log_keys: &[&VerifyingKey],
        speaks_for: impl Fn(&VerifyingKey, &Origin) -> bool,
    ) -> Result<PolicyCheckpoint, PolicyError> {
        // A cosignature of type 0x04 says when a head was seen, never that the head is the log's own.
        let is_log_key = |key: &&VerifyingKey| key.signature_type() != SignatureType::CosignatureEd25519;
        let logs: Vec<&VerifyingKey> = log_keys.iter().copied().filter(is_log_key).collect();
        // A log may be a witness under the same key (type 0x06); given twice, it would be ambiguous.
        let witnesses = self.witnesses.iter().map(|witness| &witness.key).filter(|key| !logs.contains(key));

        let note = UnverifiedNote::parse(note).map_err(CheckpointError::from)?;
        let keys = logs.iter().copied().chain(witnesses);
        let note = note.verify_without_repeats(keys).map_err(CheckpointError::from)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        let is_by_log = |signature: &&VerifiedSignature| {
            logs.contains(&signature.key()) && speaks_for(signature.key(), checkpoint.origin())
        };
        let by_log: Vec<&VerifiedSignature> = note.signatures().iter().filter(is_by_log).collect();
        if by_log.is_empty() {
            let origin = checkpoint.origin().clone();
            return Err(PolicyError::NotByLog { origin, logs: log_keys.len() });
        }
        check_extensions(&checkpoint, by_log)?;
        let cosignatures = self.cosignatures_of(&note);
        if !self.satisfied_by(&note) {
            let (cosigned, witnesses) = (cosignatures.len(), self.witnesses.len());
            return Err(PolicyError::QuorumNotMet { cosigned, witnesses });
        }
        Ok(PolicyCheckpoint { signed: SignedCheckpoint::from_verified(note, checkpoint), cosignatures })
    }

    fn cosignatures_of(&self, note: &VerifiedNote) -> Vec<PolicyCosignature> {
        let cosignature = |witness: &PolicyWitness| {
            let signature = note.signatures().iter().find(|signature| *signature.key() == witness.key)?;
            let (name, key) = (witness.name.clone(), witness.key.clone());
            Some(PolicyCosignature { name, key, timestamp: signature.timestamp()? })
        };
        self.witnesses.iter().filter_map(cosignature).collect()
    }
}

fn is_called_as(key: &VerifyingKey, origin: &Origin) -> bool {
    key.name().as_str() == origin.as_str()
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

    /// The log's URL, if the policy has one.
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

    /// The witness's submission prefix, if the policy has one.
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

    /// The earliest and the latest time, in POSIX seconds, at which a witness of the policy cosigned; `None` if none
    /// says when.
    ///
    /// If at least one of these witnesses is honest and has a right clock, the checkpoint existed no later than
    /// the latest of the two times; if all are, no later than the earliest. When it was made, they cannot know.
    /// A cosignature with timestamp 0 is left out: it carries no time (tlog-cosignature).
    pub fn witnessed_between(&self) -> Option<(u64, u64)> {
        let times = || self.cosignatures.iter().map(PolicyCosignature::timestamp).filter(|&time| time > 0);
        Some((times().min()?, times().max()?))
    }
}

/// A verified cosignature by a witness of the policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyCosignature {
    name: PolicyName,
    key: VerifyingKey,
    timestamp: u64,
}

impl PolicyCosignature {
    /// The witness's name within the policy.
    pub fn name(&self) -> &PolicyName {
        &self.name
    }

    /// The witness's key.
    pub fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// When it cosigned, in POSIX seconds by its own clock.
    pub fn timestamp(&self) -> u64 {
        self.timestamp
    }
}
