//! A small log in memory, with one of everything an audit looks at, for targets whose right input only the auditor can make.

use std::sync::LazyLock;

use bytes::Bytes;
use vouchlog_api::{Error, LogReader, Result};
use vouchlog_auditor::{AuditState, Audited, Config, LogIdentity, audit};
use vouchlog_merkle::{
    CompactRange, EntryBundle, Hash, InclusionProof, LeafIndex, TileId, TreeHead, TreeSize, leaf_hash,
};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, Origin, ProofFile, SignatureType, SignedCheckpoint, SigningKey,
    UnverifiedNote, VerifyingKey,
};
use vouchlog_stream::{
    Digest, Enrolment, Entry, Evidence, Genesis, LoggedAt, SequenceNumber, Statement, StatementEntry,
    StatementKind, StreamId, StreamOpening, stream_origin,
};

use crate::{ORIGIN, key, origin};

static LOG_KEY: LazyLock<SigningKey> = LazyLock::new(|| key(ORIGIN, SignatureType::Ed25519, 1));

/// The log as whoever checks it knows it.
pub fn identity() -> LogIdentity {
    LogIdentity { origin: origin(), keys: vec![log_vkey()], policy: None }
}

/// The log's key.
pub fn log_vkey() -> VerifyingKey {
    LOG_KEY.verifying_key().clone()
}

/// A log of less than one tile.
#[derive(Clone)]
pub struct SmallLog {
    checkpoint: String,
    entries: Vec<Vec<u8>>,
}

impl SmallLog {
    /// A stream with a head in the middle and one at the end, and after that whatever else the log has.
    pub fn with(more: &[&[u8]]) -> Self {
        let logged_at = LoggedAt::from_millis(1_767_225_600_000).expect("a time of this century");
        let operator = key("operator.example", SignatureType::Ed25519, 2);
        let gateway = key("gateway.example", SignatureType::Ed25519, 3);
        let stream_key = key("gateway.example", SignatureType::CosignatureEd25519, 4);
        let stream = StreamId::new(2).expect("small");
        let genesis = Genesis { origin: origin(), operator: operator.verifying_key().clone() };
        let enrolment = Enrolment::first(origin(), gateway.verifying_key().clone());
        let opening = StreamOpening {
            log: origin(),
            gateway: gateway.verifying_key().clone(),
            stream: stream_key.verifying_key().clone(),
            previous: None,
        };
        let mut entries = vec![
            Entry::Genesis { logged_at, note: genesis.sign(&LOG_KEY).expect("it signs") }.encode(),
            Entry::GatewayEnrolled { logged_at, note: enrolment.sign(&operator).expect("it signs") }.encode(),
            Entry::StreamOpened { logged_at, note: opening.sign(&gateway).expect("it signs") }.encode(),
        ];
        let mut stated = CompactRange::new();
        for place in 0..6 {
            let statement = Statement {
                kind: if place == 4 { StatementKind::DeclaredLoss } else { StatementKind::Interaction },
                evidence: Evidence::NONE,
                digest: Digest::of(&[place]),
            };
            stated.append(statement.stream_leaf_hash());
            let sequence = SequenceNumber::new(place.into()).expect("small");
            entries.push(StatementEntry { logged_at, stream, sequence, statement }.to_bytes().to_vec());
            if place % 3 == 2 {
                let origin = Origin::new(&stream_origin(ORIGIN, stream)).expect("well-formed");
                let checkpoint = Checkpoint::new(origin, head_of(&stated));
                let time = 1_767_225_600 + u64::from(place);
                let signed = CosignedCheckpoint::sign(&checkpoint, &stream_key, time).expect("it signs");
                entries
                    .push(Entry::StreamHead { logged_at, stream, note: signed.note().to_owned() }.encode());
            }
        }
        entries.extend(more.iter().map(|entry| entry.to_vec()));
        let mut range = CompactRange::new();
        entries.iter().for_each(|entry| range.append(leaf_hash(entry)));
        Self { checkpoint: checkpoint(head_of(&range)), entries }
    }

    /// Audits it, from where the state says.
    pub fn audit(&self, witnessed: Vec<String>, state: Option<AuditState>) -> Option<Audited> {
        let config = Config { witnessed, ..Config::new(identity()) };
        block_on(audit(self.clone(), &config, state, |_| {})).ok()
    }

    /// The proof file of an entry, with the entry in it.
    pub fn proof(&self, index: usize) -> ProofFile {
        let leaves: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        let mut range = CompactRange::new();
        let grown = range.extend(&leaves);
        let at = LeafIndex::new(index as u64);
        let plan = InclusionProof::plan(at, range.size()).expect("it has such an entry");
        let nodes: Vec<Hash> = plan.nodes().iter().map(|id| grown.node(*id).expect("just grown")).collect();
        let proof = InclusionProof::from_nodes(&plan, &nodes).expect("all of them");
        let note = UnverifiedNote::parse(self.checkpoint.as_bytes()).expect("it is ours");
        ProofFile::new(Some(self.entries[index].clone()), at, proof, note).expect("it is small")
    }

    /// A checkpoint of the same size, signed by the log, with another root.
    pub fn contradiction(&self) -> String {
        checkpoint(TreeHead { size: TreeSize::new(self.entries.len() as u64), root: leaf_hash(b"another") })
    }
}

fn head_of(range: &CompactRange) -> TreeHead {
    TreeHead { size: range.size(), root: range.root().expect("it begins at 0") }
}

fn checkpoint(head: TreeHead) -> String {
    let signed = SignedCheckpoint::sign(&Checkpoint::new(origin(), head), &LOG_KEY);
    signed.expect("it signs").note().to_owned()
}

/// Waits for what needs no other thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime starts").block_on(future)
}

impl LogReader for SmallLog {
    async fn checkpoint(&self) -> Result<String> {
        Ok(self.checkpoint.clone())
    }

    async fn checkpoint_after(&self, _size: TreeSize) -> Result<String> {
        Err(Error::invalid("it does not grow"))
    }

    async fn tile(&self, tile: TileId, width: u16) -> Result<Bytes> {
        let hashes: Vec<Hash> = self.entries.iter().map(|entry| leaf_hash(entry)).collect();
        match hashes.get(..usize::from(width)) {
            Some(hashes) if (tile.level, tile.index) == (0, 0) => {
                Ok(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>().into())
            }
            _ => Err(Error::not_found("no such tile")),
        }
    }

    async fn entry_bundle(&self, bundle: u64, width: u16) -> Result<Bytes> {
        let entries = self.entries.get(..usize::from(width)).filter(|_| bundle == 0);
        let mut bytes = Vec::new();
        for entry in entries.ok_or_else(|| Error::not_found("no such bundle"))? {
            EntryBundle::push_entry(&mut bytes, entry).expect("short entries");
        }
        Ok(bytes.into())
    }
}
