//! The cases: one for each thing that is done often.

use std::hint::black_box;

use vouchlog_benches::{Tree, leaves};
use vouchlog_merkle::{CompactRange, InclusionProof, LeafIndex, RangeProof};
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, Origin, SignatureType, SignedCheckpoint, UnverifiedNote,
};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};
use vouchlog_stream::{Entry, LoggedAt, SequenceNumber, Statement, StatementEntry, StreamId, StreamState};

use crate::{log, records, served};

/// 2026-01-01, in seconds and milliseconds.
pub(crate) const SECONDS: u64 = 1_767_225_600;
pub(crate) const MILLIS: u64 = 1_767_225_600_000;

/// A round of work, after everything that it needs has been made.
pub(crate) type Round = Box<dyn FnMut()>;

/// What is measured.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What one round does.
    pub(crate) what: &'static str,
    /// Enough for a difference of millions of instructions.
    pub(crate) rounds: u64,
    prepare: fn() -> Round,
}

impl Case {
    pub(crate) fn run(self, rounds: u64) {
        // Of a random one the system's generator would be seeded, in another number of steps each time.
        vouchlog_record::RedactionKey::new(&[7; 32]).use_in_process();
        let mut round = (self.prepare)();
        for _ in 0..rounds {
            round();
        }
    }
}

pub(crate) const CASES: &[Case] = &[
    Case {
        name: "collector.json",
        what: "export of 7 spans in JSON, to records",
        rounds: 4,
        prepare: records::json,
    },
    Case {
        name: "collector.protobuf",
        what: "export of an agent's turn in protobuf, to records",
        rounds: 4,
        prepare: records::protobuf,
    },
    Case {
        name: "grading.grade",
        what: "a complete record, by every rule",
        rounds: 20,
        prepare: records::grade_complete,
    },
    Case { name: "merkle.grow", what: "256 leaves onto 100,000", rounds: 8, prepare: || grow(GROWN) },
    Case {
        name: "merkle.prove",
        what: "inclusion and a range of 256 proved, and both verified",
        rounds: 8,
        prepare: prove,
    },
    Case {
        name: "note.cosign",
        what: "a checkpoint cosigned with Ed25519",
        rounds: 20,
        prepare: || cosign(SignatureType::CosignatureEd25519),
    },
    Case {
        name: "note.cosign-ml-dsa",
        what: "a checkpoint cosigned with ML-DSA-44, 16 times",
        rounds: 4,
        prepare: || cosign_often(SignatureType::MlDsa44),
    },
    Case { name: "note.open", what: "a signed checkpoint parsed and verified", rounds: 20, prepare: open },
    Case {
        name: "note.open-ml-dsa",
        what: "an ML-DSA-44 cosignature parsed and verified",
        rounds: 8,
        prepare: open_ml_dsa,
    },
    Case {
        name: "sequencer.append",
        what: "a request of 1,024 statements, from signing its head to the receipt",
        rounds: 4,
        prepare: log::append,
    },
    Case {
        name: "server.add",
        what: "a POST /add over a connection that is kept open, the log itself left out",
        rounds: 2_000,
        prepare: served::add,
    },
    Case {
        name: "statement.issue",
        what: "a complete record concealed and signed",
        rounds: 8,
        prepare: records::issue,
    },
    Case {
        name: "statement.verify",
        what: "all of it disclosed and verified",
        rounds: 8,
        prepare: records::verify,
    },
    Case { name: "stream.admit", what: "256 statements with a verified head", rounds: 8, prepare: admit },
    Case {
        name: "stream.entry",
        what: "256 statement entries encoded and decoded",
        rounds: 8,
        prepare: entry,
    },
    Case {
        name: "vault.record",
        what: "64 records of agents' turns graded, stated, sealed, and kept in SQLite",
        rounds: 2,
        prepare: records::record,
    },
];

/// What a check must find to be slower.
pub(crate) struct Planted {
    pub(crate) name: &'static str,
    pub(crate) is_slower_than: &'static str,
}

pub(crate) const PLANTED: Planted = Planted { name: "planted", is_slower_than: "merkle.grow" };

impl Planted {
    /// 5 % more leaves.
    pub(crate) fn case(&self) -> Case {
        let prepare = || grow(GROWN + GROWN / 20 + 1);
        Case { name: self.name, what: "merkle.grow with 5 % more", rounds: 8, prepare }
    }
}

/// Leaves of a request, and of the tree it comes to.
const GROWN: u64 = 256;
const LARGE: u64 = 100_000;

fn grow(more: u64) -> Round {
    let mut range = CompactRange::new();
    range.extend(&leaves(LARGE));
    let new = leaves(more);
    Box::new(move || drop(black_box(range.clone().extend(black_box(&new)))))
}

fn prove() -> Round {
    let leaves = leaves(LARGE);
    let tree = Tree::of(&leaves);
    let (size, root) = (tree.head.size, tree.head.root);
    let at = leaves.len() / 2;
    let index = LeafIndex::new(at as u64);
    let run = leaves[at..at + 256].to_vec();
    Box::new(move || {
        let plan = InclusionProof::plan(index, size).expect("inside");
        let proof = InclusionProof::from_nodes(&plan, &tree.fetch(&plan)).expect("as planned");
        assert!(proof.verify(index, size, black_box(&run[0]), &root).is_ok());
        let plan = RangeProof::plan(index, GROWN, size).expect("inside");
        let proof = RangeProof::from_nodes(&plan, &tree.fetch(plan.left()), &tree.fetch(plan.right()));
        let proof = proof.expect("as planned");
        assert!(proof.verify(index, black_box(&run), size, &root).is_ok());
    })
}

fn checkpoint() -> Checkpoint {
    Checkpoint::new(Origin::new(ORIGIN).expect("well-formed"), Tree::of(&leaves(300)).head)
}

fn cosign(signature_type: SignatureType) -> Round {
    let (checkpoint, witness) = (checkpoint(), key("witness.example", signature_type, 2));
    Box::new(move || drop(black_box(witness.cosign(&checkpoint, SECONDS).expect("signs"))))
}

/// How many attempts a signature of ML-DSA takes depends on what is signed: several even that out.
fn cosign_often(signature_type: SignatureType) -> Round {
    let (checkpoint, witness) = (checkpoint(), key("witness.example", signature_type, 2));
    Box::new(move || {
        for second in 0..16 {
            drop(black_box(witness.cosign(&checkpoint, SECONDS + second).expect("signs")));
        }
    })
}

fn open() -> Round {
    let (log, origin) = (key(ORIGIN, SignatureType::Ed25519, 1), Origin::new(ORIGIN).expect("well-formed"));
    let signed = SignedCheckpoint::sign(&checkpoint(), &log).expect("signs").note().to_owned();
    Box::new(move || {
        let opened = SignedCheckpoint::open(black_box(signed.as_bytes()), &origin, log.verifying_key());
        assert!(opened.is_ok());
    })
}

fn open_ml_dsa() -> Round {
    let (checkpoint, witness) = (checkpoint(), key("witness.example", SignatureType::MlDsa44, 2));
    let line = witness.cosign(&checkpoint, SECONDS).expect("signs");
    let note = UnverifiedNote::from_parts(&checkpoint.text(), vec![line]).expect("well-formed");
    let text = note.as_str().to_owned();
    Box::new(move || {
        let parsed = UnverifiedNote::parse(black_box(text.as_bytes())).expect("well-formed");
        assert!(parsed.verify([witness.verifying_key()]).is_ok());
    })
}

fn entry() -> Round {
    let all: Vec<Entry> = (0..GROWN)
        .zip(statements(256, 1))
        .map(|(place, statement)| {
            Entry::Statement(StatementEntry {
                logged_at: LoggedAt::from_millis(MILLIS).expect("a time of this century"),
                stream: StreamId::new(2).expect("small"),
                sequence: SequenceNumber::new(place).expect("small"),
                statement,
            })
        })
        .collect();
    Box::new(move || {
        for entry in &all {
            assert!(Entry::decode(&black_box(entry).encode()).is_ok());
        }
    })
}

fn admit() -> Round {
    let (_, stream_key) = TestGateway::opening(1, 101, None);
    let id = StreamId::new(2).expect("small");
    let now = LoggedAt::from_millis(MILLIS).expect("a time of this century");
    let origin = Origin::new(&vouchlog_stream::stream_origin(ORIGIN, id)).expect("well-formed");
    let leaves: Vec<_> = statements(256, 7).iter().map(Statement::stream_leaf_hash).collect();
    let checkpoint = Checkpoint::new(origin, Tree::of(&leaves).head);
    let head = CosignedCheckpoint::sign(&checkpoint, &stream_key, SECONDS).expect("signs");
    let gateway = TestGateway::enrolled_key(1).verifying_key().clone();
    let state = StreamState::new(id, gateway, stream_key.verifying_key().clone(), None);
    Box::new(move || {
        let mut state = state.clone();
        let admitted = state.admit(0, black_box(&leaves), &head, LeafIndex::new(3), now);
        assert!(admitted.is_ok() && state.size() == 256);
    })
}
