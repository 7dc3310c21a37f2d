//! Verifying a presentation from scratch, offline: link by link, from the log's key to the disclosed fields.

use vouchlog_merkle::{LeafIndex, TreeHead, leaf_hash};
use vouchlog_note::{
    Origin, Policy, PolicyCosignature, ProofFile, SignatureType, SignedCheckpoint, VerifyingKey,
};
use vouchlog_stream::{Enrolment, Entry, Genesis, StatementEntry, StreamId, StreamOpening};

use super::{
    LogTrust, Presentation, PresentationError, PresentationPart, StreamIdentity, VerifiedPresentation,
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
    let operator = operator(&p.genesis, &log)?;
    let stream = ProvenStream::open(
        &p.stream,
        [PresentationPart::Enrolment, PresentationPart::Opening],
        &log,
        &operator,
    )?;
    let signed_by = p.signed_by.as_ref();
    let signer = signed_by.map(|other| {
        ProvenStream::open(
            other,
            [PresentationPart::SignerEnrolment, PresentationPart::SignerOpening],
            &log,
            &operator,
        )
    });
    let signer = signer.transpose()?;

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
    Ok(VerifiedPresentation {
        statement,
        index: proven.index,
        entry,
        gateway: stream.gateway,
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
        let LogTrust { log: key, policy } = *trust;
        // SPEC: a log's key is named by its origin (tlog-checkpoint); the genesis note is signed with type 0x01.
        if key.signature_type() != SignatureType::Ed25519 {
            return Err(PresentationError::LogKey("it is not an Ed25519 key of type 0x01".to_owned()));
        }
        let origin = Origin::new(key.name().as_str());
        let origin = origin.map_err(|error| PresentationError::LogKey(error.to_string()))?;
        Ok(Self { origin, key, policy })
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

/// The operator that the log's first entry names.
fn operator(genesis: &str, log: &TrustedLog<'_>) -> Result<VerifyingKey, PresentationError> {
    let part = PresentationPart::Genesis;
    let proven = log.prove(genesis, part)?;
    check_before(part, proven.index, LeafIndex::new(1))?;
    let Entry::Genesis { note, .. } = proven.entry else {
        return Err(PresentationError::OtherEntry { part });
    };
    let genesis = Genesis::open(&note, log.key).map_err(|error| PresentationError::Note { part, error })?;
    if genesis.origin == log.origin {
        Ok(genesis.operator)
    } else {
        let (presented, trusted) = (genesis.origin.to_string(), log.origin.to_string());
        Err(PresentationError::OtherLog { presented, trusted })
    }
}

/// A stream of an enrolled gateway.
struct ProvenStream {
    id: StreamId,
    gateway: VerifyingKey,
    key: VerifyingKey,
}

impl ProvenStream {
    fn open(
        identity: &StreamIdentity,
        [enrolment, opening]: [PresentationPart; 2],
        log: &TrustedLog<'_>,
        operator: &VerifyingKey,
    ) -> Result<Self, PresentationError> {
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
        let enrolled = log.prove(&identity.enrolment, enrolment)?;
        check_before(enrolment, enrolled.index, opened.index)?;
        let Entry::GatewayEnrolled { note, .. } = enrolled.entry else {
            return Err(PresentationError::OtherEntry { part: enrolment });
        };
        let enrolled = Enrolment::open(&note, &log.origin, operator);
        let enrolled = enrolled.map_err(|error| PresentationError::Note { part: enrolment, error })?;
        if enrolled.gateway != read.gateway {
            return Err(PresentationError::OtherKey { part: enrolment });
        }
        Ok(Self { id, gateway: read.gateway, key: read.stream })
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
