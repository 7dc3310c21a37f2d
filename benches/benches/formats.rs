//! Goal: what signatures, entries and a stream's rules cost beside hashing. Method: one of each, on fixed keys.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use vouchlog_benches::{Tree, leaves};
use vouchlog_merkle::LeafIndex;
use vouchlog_note::{
    Checkpoint, CosignedCheckpoint, Origin, SignatureType, SignedCheckpoint, UnverifiedNote,
};
use vouchlog_sequencer::testing::{ORIGIN, TestGateway, key, statements};
use vouchlog_stream::{Entry, LoggedAt, SequenceNumber, Statement, StatementEntry, StreamId, StreamState};

/// 2026-01-01, in seconds and milliseconds.
const SECONDS: u64 = 1_767_225_600;
const MILLIS: u64 = 1_767_225_600_000;

fn notes(c: &mut Criterion) {
    let origin = Origin::new(ORIGIN).expect("well-formed");
    let log = key(ORIGIN, SignatureType::Ed25519, 1);
    let witness = key("witness.example", SignatureType::CosignatureEd25519, 2);
    let checkpoint = Checkpoint::new(origin.clone(), Tree::of(&leaves(300)).head);
    let signed = SignedCheckpoint::sign(&checkpoint, &log).expect("signs").note().to_owned();
    let cosigned = CosignedCheckpoint::sign(&checkpoint, &witness, SECONDS).expect("signs").note().to_owned();

    let mut group = c.benchmark_group("notes");
    group.bench_function("sign a checkpoint", |b| {
        b.iter(|| SignedCheckpoint::sign(black_box(&checkpoint), &log));
    });
    group.bench_function("parse a checkpoint's note", |b| {
        b.iter(|| UnverifiedNote::parse(black_box(signed.as_bytes())));
    });
    group.bench_function("open a checkpoint", |b| {
        b.iter(|| SignedCheckpoint::open(black_box(signed.as_bytes()), &origin, log.verifying_key()));
    });
    group.bench_function("open a cosigned checkpoint", |b| {
        b.iter(|| CosignedCheckpoint::open(black_box(cosigned.as_bytes()), &origin, witness.verifying_key()));
    });
    group.finish();
}

fn entries(c: &mut Criterion) {
    let entry = Entry::Statement(StatementEntry {
        logged_at: LoggedAt::from_millis(MILLIS).expect("a time of this century"),
        stream: StreamId::new(2).expect("small"),
        sequence: SequenceNumber::new(41).expect("small"),
        statement: statements(1, 1)[0],
    });
    let bytes = entry.encode();
    let mut group = c.benchmark_group("entries");
    group.throughput(Throughput::Elements(1));
    group.bench_function("encode", |b| b.iter(|| black_box(&entry).encode()));
    group.bench_function("decode", |b| b.iter(|| Entry::decode(black_box(&bytes))));
    group.finish();
}

/// Admitting a request whose signature was checked: the hashing of the stream's own tree, and its rules.
fn admit(c: &mut Criterion) {
    let (_, stream_key) = TestGateway::opening(1, 101, None);
    let id = StreamId::new(2).expect("small");
    let now = LoggedAt::from_millis(MILLIS).expect("a time of this century");
    let origin = Origin::new(&vouchlog_stream::stream_origin(ORIGIN, id)).expect("well-formed");
    let mut group = c.benchmark_group("StreamState::admit");
    for count in [1, 256] {
        let leaves: Vec<_> = statements(count, 7).iter().map(Statement::stream_leaf_hash).collect();
        let checkpoint = Checkpoint::new(origin.clone(), Tree::of(&leaves).head);
        let head = CosignedCheckpoint::sign(&checkpoint, &stream_key, SECONDS).expect("signs");
        let gateway = TestGateway::enrolled_key(1).verifying_key().clone();
        let state = StreamState::new(id, gateway, stream_key.verifying_key().clone(), None);
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function(format!("{count} statements"), |b| {
            b.iter_batched_ref(
                || state.clone(),
                |state| state.admit(0, black_box(&leaves), &head, LeafIndex::new(3), now).expect("in order"),
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, notes, entries, admit);
criterion_main!(benches);
