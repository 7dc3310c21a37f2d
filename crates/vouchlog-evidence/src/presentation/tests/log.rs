//! A small log with a witness, and one of everything a presentation can be about.

use vouchlog_merkle::{CompactRange, InclusionProof, LeafIndex, TreeHead, leaf_hash};
use vouchlog_note::{
    Checkpoint, KeyName, Origin, Policy, ProofFile, SignatureType, SignedCheckpoint, SigningKey,
    UnverifiedNote,
};
use vouchlog_stream::{
    Enrolment, Entry, Genesis, LoggedAt, SequenceNumber, Statement, StatementEntry, StreamId, StreamOpening,
};

use super::super::{Presentation, StreamIdentity};
use crate::statement::{ClearClaims, Issued};

pub(crate) const ORIGIN: &str = "log.example.com/ai";
pub(crate) const GATEWAY: &str = "gateway.example.com";

pub(crate) const OPENED: u64 = 2;
pub(crate) const OPENED_AGAIN: u64 = 3;
pub(crate) const OF_OTHER: u64 = 5;
pub(crate) const OF_HOUSE: u64 = 7;

pub(crate) fn key(name: &str, signature_type: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).unwrap(), signature_type, [seed; 32]).unwrap()
}

pub(crate) fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

pub(crate) fn operator() -> SigningKey {
    key("operator.example.com", SignatureType::Ed25519, 2)
}

pub(crate) fn gateway() -> SigningKey {
    key(GATEWAY, SignatureType::Ed25519, 3)
}

pub(crate) fn other_gateway() -> SigningKey {
    key("other.example.com", SignatureType::Ed25519, 4)
}

fn house() -> SigningKey {
    key(&format!("{ORIGIN}/house"), SignatureType::Ed25519, 5)
}

pub(crate) fn witness() -> SigningKey {
    key("witness.example.com", SignatureType::CosignatureEd25519, 6)
}

/// The key of the stream that the entry at `opened` opens.
pub(crate) fn stream_key(opened: u64) -> SigningKey {
    key(GATEWAY, SignatureType::CosignatureEd25519, 100 + u8::try_from(opened).unwrap())
}

/// One witness, and it must have cosigned.
pub(crate) fn policy() -> Policy {
    let vkey = witness().verifying_key().to_string();
    Policy::parse(format!("witness w {vkey}\nquorum w\n").as_bytes()).unwrap()
}

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).unwrap()
}

pub(crate) fn at() -> LoggedAt {
    LoggedAt::from_millis(1_767_225_600_500).unwrap()
}

pub(crate) fn opening(stream: u64, gateway: &SigningKey) -> Entry {
    let opening = StreamOpening {
        log: origin(),
        gateway: gateway.verifying_key().clone(),
        stream: stream_key(stream).verifying_key().clone(),
        previous: None,
    };
    Entry::StreamOpened { logged_at: at(), note: opening.sign(gateway).unwrap() }
}

pub(crate) fn enrolment(gateway: &SigningKey, operator: &SigningKey) -> Entry {
    let enrolment = Enrolment { log: origin(), gateway: gateway.verifying_key().clone() };
    Entry::GatewayEnrolled { logged_at: at(), note: enrolment.sign(operator).unwrap() }
}

pub(crate) fn genesis(origin: Origin, signer: &SigningKey) -> Entry {
    let genesis = Genesis { origin, operator: operator().verifying_key().clone() };
    Entry::Genesis { logged_at: at(), note: genesis.sign(signer).unwrap() }
}

/// The entry that logs a statement in `stream`.
pub(crate) fn logged(issued: &Issued, claims: &ClearClaims, stream: u64) -> StatementEntry {
    let statement = Statement { kind: claims.kind, evidence: claims.evidence, digest: issued.digest() };
    let (stream, sequence) = (StreamId::new(stream).unwrap(), SequenceNumber::new(0).unwrap());
    StatementEntry { logged_at: at(), stream, sequence, statement }
}

#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Log {
    pub(crate) fn new() -> Self {
        let entries = [
            genesis(origin(), &log_key()),
            enrolment(&gateway(), &operator()),
            opening(OPENED, &gateway()),
            opening(OPENED_AGAIN, &gateway()),
            enrolment(&other_gateway(), &operator()),
            opening(OF_OTHER, &other_gateway()),
            enrolment(&house(), &operator()),
            opening(OF_HOUSE, &house()),
        ];
        Self { entries: entries.iter().map(Entry::encode).collect() }
    }

    /// Appends an entry; returns its index.
    pub(crate) fn push(&mut self, entry: &Entry) -> u64 {
        self.entries.push(entry.encode());
        self.entries.len() as u64 - 1
    }

    /// The proof file of an entry, under the newest checkpoint, with the entry in it.
    pub(crate) fn proof(&self, index: u64) -> ProofFile {
        let leaves: Vec<_> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut range = CompactRange::new();
        let grown = range.extend(&leaves);
        let plan = InclusionProof::plan(LeafIndex::new(index), range.size()).unwrap();
        let nodes: Vec<_> = plan.nodes().iter().map(|id| grown.node(*id).unwrap()).collect();
        let proof = InclusionProof::from_nodes(&plan, &nodes).unwrap();
        let note = checkpoint(TreeHead { size: range.size(), root: range.root().unwrap() });
        let entry = self.entries[usize::try_from(index).unwrap()].clone();
        ProofFile::new(Some(entry), LeafIndex::new(index), proof, note).unwrap()
    }

    pub(crate) fn identity(&self, enrolment: u64, opening: u64) -> StreamIdentity {
        StreamIdentity::new(&self.proof(enrolment), &self.proof(opening))
    }

    /// The presentation of the statement at `index`, whose stream was opened at [`OPENED`].
    pub(crate) fn present(&self, issued: &Issued, paths: &[&str], index: u64) -> Presentation {
        let sd_jwt = issued.present(paths).unwrap();
        let stream = self.identity(1, OPENED);
        Presentation::new(&origin(), sd_jwt, &self.proof(index), &self.proof(0), stream, None)
    }
}

/// A checkpoint of the log, cosigned by its witness.
pub(crate) fn checkpoint(head: TreeHead) -> UnverifiedNote {
    let checkpoint = Checkpoint::new(origin(), head);
    let signed = SignedCheckpoint::sign(&checkpoint, &log_key()).unwrap();
    let line = witness().cosign(&checkpoint, 1_767_225_700).unwrap();
    let cosigned = signed.with_cosignatures(&format!("{line}\n"), [witness().verifying_key()]).unwrap();
    UnverifiedNote::parse(cosigned.note().as_bytes()).unwrap()
}
