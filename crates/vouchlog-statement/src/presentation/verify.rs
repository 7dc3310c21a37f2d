//! Verifying a presentation from scratch, offline: link by link, from the log's key to the disclosed fields.

use vouchlog_merkle::{LeafIndex, TreeHead, TreeSize, leaf_hash};
use vouchlog_note::{
    Origin, Policy, PolicyCosignature, ProofFile, SignatureType, SignedCheckpoint, VerifyingKey,
};
use vouchlog_stream::limits::MAX_OPERATOR_CHANGES;
use vouchlog_stream::{
    Enrolment, Entry, Genesis, Operators, ReplacementReason, Replaces, Revocation, Revoked, StatementEntry,
    StreamId, StreamOpening,
};

use super::{
    KeyStatus, KeyTrust, LogTrust, Presentation, PresentationError, PresentationPart, StreamIdentity,
    VerifiedPresentation,
};
use crate::statement;
use crate::statement::VerifiedStatement;

/// Verifies that the fields a presentation discloses are those of a record whose statement is in the log, signed by a gateway
/// that the log's operator enrolled.
pub fn verify_presentation(
    p: &Presentation,
    trust: &LogTrust<'_>,
) -> Result<VerifiedPresentation, PresentationError> {
    let log = TrustedLog::new(trust)?;
    if p.origin != log.origin.as_str() {
        let (presented, trusted) = (p.origin.clone(), log.origin.to_string());
        return Err(PresentationError::OtherLog { presented, trusted });
    }
    let operators = operators(&p.genesis, &log)?;
    let stream = ProvenStream::open(&p.stream, &OF_STREAM, &log, &operators)?;
    let signed_by = p.signed_by.as_ref();
    let signer =
        signed_by.map(|other| ProvenStream::open(other, &OF_SIGNER, &log, &operators)).transpose()?;

    let proven = log.prove(&p.proof, PresentationPart::Statement)?;
    let Entry::Statement(entry) = proven.entry else {
        return Err(PresentationError::OtherEntry { part: PresentationPart::Statement });
    };
    stream.check_has(&entry, proven.index)?;
    let statement = match &signer {
        None => stream.verify(&p.sd_jwt)?,
        Some(signer) => {
            signer.check_may_sign_for(&stream, proven.index)?;
            signer.verify(&p.sd_jwt)?
        }
    };
    check_logged(&statement, &entry)?;
    for key in signer.iter().chain([&stream]) {
        key.check_not_revoked(&entry)?;
    }
    let status = stream.status(proven.head.size);
    Ok(VerifiedPresentation {
        statement,
        index: proven.index,
        entry,
        gateway: stream.gateway,
        enrolled: stream.enrolled,
        trust: stream.trust,
        status,
        origin: log.origin,
        size: proven.head.size,
        witnesses: proven.witnesses,
        witnessed_until: proven.witnessed_until,
    })
}

/// The log as the caller knows it.
struct TrustedLog<'a> {
    origin: Origin,
    key: &'a VerifyingKey,
    policy: Option<&'a Policy>,
    gateways: &'a [VerifyingKey],
}

/// An entry that is in the log.
struct ProvenEntry {
    index: LeafIndex,
    entry: Entry,
    head: TreeHead,
    witnesses: Vec<PolicyCosignature>,
    witnessed_until: Option<u64>,
}

impl<'a> TrustedLog<'a> {
    fn new(trust: &LogTrust<'a>) -> Result<Self, PresentationError> {
        let LogTrust { log: key, policy, gateways } = *trust;
        // SPEC: a log's key is named by its origin (tlog-checkpoint); the genesis note is signed with type 0x01.
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(PresentationError::LogKey("it is not an Ed25519 key of type 0x01".to_owned()));
        }
        let origin = Origin::new(key.name().as_str());
        let origin = origin.map_err(|error| PresentationError::LogKey(error.to_string()))?;
        Ok(Self { origin, key, policy, gateways })
    }

    /// Verifies one proof: checkpoint, policy, inclusion.
    fn prove(&self, proof: &str, part: PresentationPart) -> Result<ProvenEntry, PresentationError> {
        let file = ProofFile::parse(proof.as_bytes())
            .map_err(|error| PresentationError::ProofFile { part, error })?;
        let bytes = file.extra().ok_or(PresentationError::NoEntry(part))?;
        let note = file.note().as_str().as_bytes();
        let (head, witnesses, witnessed_until) = match self.policy {
            None => {
                let signed = SignedCheckpoint::open(note, &self.origin, self.key);
                let signed = signed.map_err(|error| PresentationError::Checkpoint { part, error })?;
                (signed.head(), Vec::new(), None)
            }
            Some(policy) => {
                let checkpoint = policy.verify_checkpoint_of(note, &self.origin, [self.key]);
                let checkpoint = checkpoint.map_err(|error| PresentationError::Policy { part, error })?;
                let until = checkpoint.witnessed_between().map(|(_, until)| until);
                (checkpoint.head(), checkpoint.cosignatures().to_vec(), until)
            }
        };
        let index = file.index();
        file.proof()
            .verify(index, head.size, &leaf_hash(bytes), &head.root)
            .map_err(|error| PresentationError::NotIncluded { part, index, error })?;
        let entry = Entry::decode(bytes).map_err(|_| PresentationError::OtherEntry { part })?;
        Ok(ProvenEntry { index, entry, head, witnesses, witnessed_until })
    }
}

impl TrustedLog<'_> {
    /// Why the enrolled key is taken for the gateway's.
    fn trust_in(&self, enrolled: &Enrolment) -> Result<KeyTrust, PresentationError> {
        if self.gateways.is_empty() {
            return Ok(KeyTrust::Operator);
        }
        if self.gateways.contains(&enrolled.gateway) {
            return Ok(KeyTrust::Pinned);
        }
        match enrolled.rotated_from().filter(|old| self.gateways.contains(old)) {
            Some(old) => Ok(KeyTrust::RotatedFrom(Box::new(old.clone()))),
            None => Err(PresentationError::NotPinned {
                gateway: Box::new(enrolled.gateway.clone()),
                pinned: self.gateways.to_vec(),
            }),
        }
    }

    /// The entry that revokes a gateway's key, or by which the operator replaces it.
    fn revocation(
        &self,
        proof: &str,
        part: PresentationPart,
        gateway: &VerifyingKey,
        operators: &Operators,
    ) -> Result<Revoked, PresentationError> {
        let ProvenEntry { index, entry, .. } = self.prove(proof, part)?;
        let operator = operators.at(index);
        let wrong = |error| PresentationError::Note { part, error };
        let (key, effective, reason) = match &entry {
            Entry::GatewayRevoked { note, .. } => {
                let Revocation { gateway, effective, reason, .. } =
                    Revocation::open(note, &self.origin, operator).map_err(wrong)?;
                (gateway, effective, reason)
            }
            Entry::GatewayEnrolled { logged_at, note } => {
                match Enrolment::open(note, &self.origin, operator).map_err(wrong)?.replaces {
                    Some(Replaces { key, reason: ReplacementReason::Operator { cause, words } }) => {
                        (key, *logged_at, format!("{cause}: {words}"))
                    }
                    _ => return Err(PresentationError::OtherEntry { part }),
                }
            }
            _ => return Err(PresentationError::OtherEntry { part }),
        };
        if key == *gateway {
            Ok(Revoked { index, effective, reason })
        } else {
            Err(PresentationError::OtherKey { part })
        }
    }
}

/// The operator that the log's first entry names, and the keys that took the place of its key. What a presentation leaves out, an audit
/// knows: one that hides a change can only show what an earlier key of the operator signed.
fn operators(genesis: &str, log: &TrustedLog<'_>) -> Result<Operators, PresentationError> {
    let part = PresentationPart::Genesis;
    let mut proofs = split_proofs(genesis).into_iter();
    let proven = log.prove(proofs.next().unwrap_or_default(), part)?;
    check_before(part, proven.index, LeafIndex::new(1))?;
    let Entry::Genesis { note, .. } = proven.entry else {
        return Err(PresentationError::OtherEntry { part });
    };
    let genesis = Genesis::open(&note, log.key).map_err(|error| PresentationError::Note { part, error })?;
    if genesis.origin != log.origin {
        let (presented, trusted) = (genesis.origin.to_string(), log.origin.to_string());
        return Err(PresentationError::OtherLog { presented, trusted });
    }
    let mut operators = Operators::new(genesis.operator);
    let (part, mut last) = (PresentationPart::OperatorChange, LeafIndex::new(0));
    for proof in proofs {
        let ProvenEntry { index, entry, .. } = log.prove(proof, part)?;
        check_before(part, last, index)?;
        let Entry::OperatorChanged { note, .. } = entry else {
            return Err(PresentationError::OtherEntry { part });
        };
        operators.take(index, &note, &log.origin).map_err(PresentationError::Operator)?;
        last = index;
    }
    Ok(operators)
}

/// Proof files that stand behind one another in a text. Each begins with a line of its own; a checkpoint that had the same line would only
/// make its proof unreadable.
fn split_proofs(text: &str) -> Vec<&str> {
    let next = format!("\n{}\n", ProofFile::HEADER);
    let starts = text.match_indices(&next).map(|(at, _)| at + 1).take(MAX_OPERATOR_CHANGES);
    let mut proofs = Vec::new();
    let mut from = 0;
    for at in starts {
        proofs.push(&text[from..at]);
        from = at;
    }
    proofs.push(&text[from..]);
    proofs
}

/// What the proofs of an identity are called in errors.
struct Parts {
    enrolment: PresentationPart,
    opening: PresentationPart,
    revocation: PresentationPart,
}

const OF_STREAM: Parts = Parts {
    enrolment: PresentationPart::Enrolment,
    opening: PresentationPart::Opening,
    revocation: PresentationPart::Revocation,
};
const OF_SIGNER: Parts = Parts {
    enrolment: PresentationPart::SignerEnrolment,
    opening: PresentationPart::SignerOpening,
    revocation: PresentationPart::SignerRevocation,
};

/// A stream of an enrolled gateway.
struct ProvenStream {
    id: StreamId,
    gateway: VerifyingKey,
    enrolled: LeafIndex,
    trust: KeyTrust,
    /// Up to which size of the log the sender knows whether the key was revoked.
    as_of: Option<u64>,
    revoked: Option<Revoked>,
    key: VerifyingKey,
}

impl ProvenStream {
    fn open(
        identity: &StreamIdentity,
        parts: &Parts,
        log: &TrustedLog<'_>,
        operators: &Operators,
    ) -> Result<Self, PresentationError> {
        let Parts { enrolment, opening, revocation } = *parts;
        let opened = log.prove(&identity.opening, opening)?;
        let (Entry::StreamOpened { note, .. }, Some(id)) = (opened.entry, StreamId::from_index(opened.index))
        else {
            return Err(PresentationError::OtherEntry { part: opening });
        };
        let read = StreamOpening::open(&note, &log.origin);
        let read = read.map_err(|error| PresentationError::Note { part: opening, error })?;
        // The log holds the house stream's key: it could have signed anything itself.
        if read.gateway.name().as_str() == format!("{}/house", log.origin) {
            return Err(PresentationError::HouseStream(id));
        }
        // SPEC: a stream is opened by a key that the operator enrolled before.
        let proven = log.prove(&identity.enrolment, enrolment)?;
        check_before(enrolment, proven.index, opened.index)?;
        let Entry::GatewayEnrolled { note, .. } = proven.entry else {
            return Err(PresentationError::OtherEntry { part: enrolment });
        };
        let enrolled = Enrolment::open(&note, &log.origin, operators.at(proven.index));
        let enrolled = enrolled.map_err(|error| PresentationError::Note { part: enrolment, error })?;
        if enrolled.gateway != read.gateway {
            return Err(PresentationError::OtherKey { part: enrolment });
        }
        let trust = log.trust_in(&enrolled)?;
        let shown = identity.status.as_ref();
        let revoked = shown.and_then(|status| status.revocation.as_ref()).map(|proof| {
            let revoked = log.revocation(proof, revocation, &read.gateway, operators)?;
            check_before(enrolment, proven.index, revoked.index)?;
            Ok::<_, PresentationError>(revoked)
        });
        Ok(Self {
            id,
            gateway: read.gateway,
            enrolled: proven.index,
            trust,
            as_of: shown.map(|status| status.as_of),
            revoked: revoked.transpose()?,
            key: read.stream,
        })
    }

    /// SPEC: a revoked key must not be trusted from the time that its revocation names. What was logged before stays its word.
    fn check_not_revoked(&self, entry: &StatementEntry) -> Result<(), PresentationError> {
        match &self.revoked {
            Some(revoked) if revoked.effective <= entry.logged_at => Err(PresentationError::RevokedKey {
                gateway: Box::new(self.gateway.clone()),
                revoked: revoked.clone(),
                logged_at: entry.logged_at,
            }),
            _ => Ok(()),
        }
    }

    /// What is shown of the key's revocation. The sender's word reaches no further than the tree that is proven.
    fn status(&self, proven: TreeSize) -> KeyStatus {
        match (&self.revoked, self.as_of) {
            (Some(revoked), _) => KeyStatus::RevokedLater(revoked.clone()),
            (None, Some(as_of)) => KeyStatus::NotKnownRevoked { as_of: TreeSize::new(as_of).min(proven) },
            (None, None) => KeyStatus::Unknown,
        }
    }

    /// Checks that the entry at `index` is in this stream.
    fn check_has(&self, entry: &StatementEntry, index: LeafIndex) -> Result<(), PresentationError> {
        if entry.stream != self.id {
            return Err(PresentationError::OtherStream { entry: entry.stream, shown: self.id });
        }
        check_before(PresentationPart::Opening, self.id.index(), index)
    }

    /// Checks that what this stream's key signed can have been logged in `other`, at `index`.
    fn check_may_sign_for(&self, other: &Self, index: LeafIndex) -> Result<(), PresentationError> {
        // SPEC: a gateway goes by its name; the operator may enrol a new key for it.
        if self.gateway.name() != other.gateway.name() {
            let (signer, logger) = (self.gateway.name().clone(), other.gateway.name().clone());
            return Err(PresentationError::OtherGateway { signer, logger });
        }
        check_before(PresentationPart::SignerOpening, self.id.index(), index)
    }

    /// Verifies a statement that this stream's key signed.
    fn verify(&self, sd_jwt: &str) -> Result<VerifiedStatement, PresentationError> {
        let statement = statement::verify(sd_jwt, &self.key)?;
        let claims = &statement.claims;
        if claims.stream != self.id {
            return Err(PresentationError::SigningStream { claimed: claims.stream, shown: self.id });
        }
        if claims.issuer != self.gateway.name().as_str() {
            let (claimed, gateway) = (claims.issuer.clone(), self.gateway.name().clone());
            return Err(PresentationError::Issuer { claimed, gateway });
        }
        Ok(statement)
    }
}

/// Checks that the entry says what the statement says.
fn check_logged(statement: &VerifiedStatement, entry: &StatementEntry) -> Result<(), PresentationError> {
    let (claims, logged) = (&statement.claims, &entry.statement);
    if statement.digest != logged.digest {
        let (computed, logged) = (statement.digest, logged.digest);
        return Err(PresentationError::Digest { computed, logged });
    }
    if claims.kind != logged.kind {
        return Err(PresentationError::Kind { claimed: claims.kind, logged: logged.kind });
    }
    if claims.evidence != logged.evidence {
        return Err(PresentationError::Evidence { claimed: claims.evidence, logged: logged.evidence });
    }
    Ok(())
}

fn check_before(
    part: PresentationPart,
    index: LeafIndex,
    before: LeafIndex,
) -> Result<(), PresentationError> {
    if index < before { Ok(()) } else { Err(PresentationError::Order { part, index, before }) }
}
