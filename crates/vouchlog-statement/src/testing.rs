//! A small log with a witness, and one of everything a presentation can be about. For tests, also of other crates.

use vouchlog_merkle::{CompactRange, InclusionProof, LeafIndex, TreeHead, leaf_hash};
use vouchlog_note::{
    Checkpoint, KeyName, Origin, Policy, ProofFile, SignatureType, SignedCheckpoint, SigningKey,
    UnverifiedNote,
};
use vouchlog_stream::{
    Enrolment, Entry, Genesis, LoggedAt, SequenceNumber, Statement, StatementEntry, StreamId, StreamOpening,
};

use crate::presentation::{Presentation, StreamIdentity};
use crate::statement::{ClearClaims, IssuedStatement};

/// The log's name.
pub const ORIGIN: &str = "log.example.com/ai";
/// Name of the gateway's key.
pub const GATEWAY: &str = "gateway.example.com";

/// Index of the entry that opens the gateway's stream.
pub const OPENED: u64 = 2;
/// Index of the entry that opens its second stream.
pub const OPENED_AGAIN: u64 = 3;
/// Index of the entry that opens the other gateway's stream.
pub const OF_OTHER: u64 = 5;
/// Index of the entry that opens the house stream.
pub const OF_HOUSE: u64 = 7;

/// The key of this name and type that a seed makes.
pub fn key(name: &str, signature_type: SignatureType, seed: u8) -> SigningKey {
    SigningKey::generate(KeyName::new(name).expect("the sample is well-formed"), signature_type, [seed; 32])
        .expect("the sample is well-formed")
}

/// The log's key.
pub fn log_key() -> SigningKey {
    key(ORIGIN, SignatureType::Ed25519, 1)
}

/// The operator's key.
pub fn operator() -> SigningKey {
    key("operator.example.com", SignatureType::Ed25519, 2)
}

/// The gateway's key.
pub fn gateway() -> SigningKey {
    key(GATEWAY, SignatureType::Ed25519, 3)
}

/// Another gateway's key.
pub fn other_gateway() -> SigningKey {
    key("other.example.com", SignatureType::Ed25519, 4)
}

fn house() -> SigningKey {
    key(&format!("{ORIGIN}/house"), SignatureType::Ed25519, 5)
}

/// The witness's key.
pub fn witness() -> SigningKey {
    key("witness.example.com", SignatureType::CosignatureEd25519, 6)
}

/// The key of the stream that the entry at `opened` opens.
pub fn stream_key(opened: u64) -> SigningKey {
    key(
        GATEWAY,
        SignatureType::CosignatureEd25519,
        100 + u8::try_from(opened).expect("the sample is well-formed"),
    )
}

/// One witness, and it must have cosigned.
pub fn policy() -> Policy {
    let vkey = witness().verifying_key().to_string();
    Policy::parse(format!("witness w {vkey}\nquorum w\n").as_bytes()).expect("the sample is well-formed")
}

/// The log's origin.
pub fn origin() -> Origin {
    Origin::new(ORIGIN).expect("the sample is well-formed")
}

/// When every entry was logged.
pub fn at() -> LoggedAt {
    LoggedAt::from_millis(1_767_225_600_500).expect("the sample is well-formed")
}

/// The entry in which a gateway opens a stream.
pub fn opening(stream: u64, gateway: &SigningKey) -> Entry {
    let opening = StreamOpening {
        log: origin(),
        gateway: gateway.verifying_key().clone(),
        stream: stream_key(stream).verifying_key().clone(),
        previous: None,
    };
    Entry::StreamOpened { logged_at: at(), note: opening.sign(gateway).expect("the sample is well-formed") }
}

/// The entry in which an operator enrols a gateway's key.
pub fn enrolment(gateway: &SigningKey, operator: &SigningKey) -> Entry {
    let enrolment = Enrolment::first(origin(), gateway.verifying_key().clone());
    Entry::GatewayEnrolled {
        logged_at: at(),
        note: enrolment.sign(operator).expect("the sample is well-formed"),
    }
}

/// The log's first entry, signed by `signer`.
pub fn genesis(origin: Origin, signer: &SigningKey) -> Entry {
    let genesis = Genesis { origin, operator: operator().verifying_key().clone() };
    Entry::Genesis { logged_at: at(), note: genesis.sign(signer).expect("the sample is well-formed") }
}

/// The entry that logs a statement in `stream`.
pub fn logged(issued: &IssuedStatement, claims: &ClearClaims, stream: u64) -> StatementEntry {
    let statement = Statement { kind: claims.kind, evidence: claims.evidence, digest: issued.digest() };
    let (stream, sequence) = (
        StreamId::new(stream).expect("the sample is well-formed"),
        SequenceNumber::new(0).expect("the sample is well-formed"),
    );
    StatementEntry { logged_at: at(), stream, sequence, statement }
}

/// A log with an operator, two gateways, and four streams.
#[derive(Clone)]
pub struct Log {
    /// Its entries, encoded.
    pub entries: Vec<Vec<u8>>,
}

impl Default for Log {
    /// The log before any statement.
    fn default() -> Self {
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
}

impl Log {
    /// Appends an entry; returns its index.
    pub fn push(&mut self, entry: &Entry) -> u64 {
        self.entries.push(entry.encode());
        self.entries.len() as u64 - 1
    }

    /// The proof file of an entry, under the newest checkpoint, with the entry in it.
    pub fn proof(&self, index: u64) -> ProofFile {
        let leaves: Vec<_> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut range = CompactRange::new();
        let grown = range.extend(&leaves);
        let plan =
            InclusionProof::plan(LeafIndex::new(index), range.size()).expect("the sample is well-formed");
        let nodes: Vec<_> =
            plan.nodes().iter().map(|id| grown.node(*id).expect("the sample is well-formed")).collect();
        let proof = InclusionProof::from_nodes(&plan, &nodes).expect("the sample is well-formed");
        let note = checkpoint(TreeHead {
            size: range.size(),
            root: range.root().expect("the sample is well-formed"),
        });
        let entry = self.entries[usize::try_from(index).expect("the sample is well-formed")].clone();
        ProofFile::new(Some(entry), LeafIndex::new(index), proof, note).expect("the sample is well-formed")
    }

    /// Whose a stream is, by the indexes of the two entries.
    pub fn identity(&self, enrolment: u64, opening: u64) -> StreamIdentity {
        StreamIdentity::new(&self.proof(enrolment), &self.proof(opening))
    }

    /// The presentation of the statement at `index`, whose stream was opened at [`OPENED`].
    pub fn present(&self, issued: &IssuedStatement, paths: &[&str], index: u64) -> Presentation {
        let sd_jwt = issued.present(paths).expect("the sample is well-formed");
        let stream = self.identity(1, OPENED);
        Presentation::new(&origin(), sd_jwt, &self.proof(index), &self.proof(0), stream, None)
    }
}

/// A checkpoint of the log, cosigned by its witness.
pub fn checkpoint(head: TreeHead) -> UnverifiedNote {
    let checkpoint = Checkpoint::new(origin(), head);
    let signed = SignedCheckpoint::sign(&checkpoint, &log_key()).expect("the sample is well-formed");
    let line = witness().cosign(&checkpoint, 1_767_225_700).expect("the sample is well-formed");
    let cosigned = signed
        .with_cosignatures(&format!("{line}\n"), [witness().verifying_key()])
        .expect("the sample is well-formed");
    UnverifiedNote::parse(cosigned.note().as_bytes()).expect("the sample is well-formed")
}
