//! Goal: what growing a tree and proving from it costs, beside `rs_merkle` doing the same with the same hash function.
//! Method: trees of one tile (256 leaves) and of 100,000 leaves; proofs of leaf and range in the middle.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rs_merkle::{MerkleProof, MerkleTree};
use vouchlog_benches::{Rfc6962, Tree, as_bytes, leaves};
use vouchlog_merkle::{
    CompactRange, ConsistencyProof, InclusionProof, LeafIndex, RangeProof, Tile, TreeSize, perfect_range,
};

/// Leaves of the larger tree: no power of two, so that it has a right edge.
const LARGE: u64 = 100_000;
/// Leaves of a request.
const RUN: u64 = 256;

/// Every inner node of one tile, which is what serving a proof from tiles and growing by a request both need.
fn one_tile(c: &mut Criterion) {
    let leaves = leaves(256);
    let bytes = as_bytes(&leaves);
    let mut group = c.benchmark_group("255 inner nodes of one tile");
    group.throughput(Throughput::Elements(256));
    group.bench_function("CompactRange::extend", |b| {
        b.iter(|| CompactRange::new().extend(black_box(&leaves)));
    });
    group.bench_function("CompactRange::append, no nodes kept", |b| {
        b.iter(|| {
            let mut range = CompactRange::new();
            for leaf in &leaves {
                range.append(*leaf);
            }
            range.root()
        });
    });
    group.bench_function("perfect_range, the second path", |b| {
        b.iter(|| perfect_range(0, black_box(&leaves)));
    });
    let tile = Tile::from_hashes(leaves.clone()).expect("256 hashes");
    group.bench_function("Tile::root", |b| b.iter(|| black_box(&tile).root()));
    group.bench_function("rs_merkle, from_leaves", |b| {
        b.iter(|| MerkleTree::<Rfc6962>::from_leaves(black_box(&bytes)));
    });
    group.finish();
}

/// A request of 256 leaves on a tree that is already large.
fn growing(c: &mut Criterion) {
    let old = leaves(LARGE);
    let new = leaves(RUN);
    let mut group = c.benchmark_group("256 leaves onto 100,000");
    group.throughput(Throughput::Elements(RUN));
    let mut range = CompactRange::new();
    range.extend(&old);
    group.bench_function("CompactRange::extend", |b| b.iter(|| range.clone().extend(black_box(&new))));
    group.bench_function("CompactRange::append, no nodes kept", |b| {
        b.iter(|| {
            let mut range = range.clone();
            for leaf in &new {
                range.append(*leaf);
            }
            range
        });
    });
    let tree = MerkleTree::<Rfc6962>::from_leaves(&as_bytes(&old));
    let new = as_bytes(&new);
    group.sample_size(20);
    group.bench_function("rs_merkle, append and commit", |b| {
        // Copying the tree is not timed; dropping it is not either, since it is handed back.
        b.iter_batched(
            || (tree.clone(), new.clone()),
            |(mut tree, mut new)| {
                tree.append(&mut new).commit();
                (tree.root(), tree)
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn building(c: &mut Criterion) {
    let leaves = leaves(LARGE);
    let bytes = as_bytes(&leaves);
    let mut group = c.benchmark_group("a tree of 100,000 leaves");
    group.sample_size(10).throughput(Throughput::Elements(LARGE));
    group.bench_function("CompactRange::extend", |b| {
        b.iter(|| CompactRange::new().extend(black_box(&leaves)));
    });
    group.bench_function("rs_merkle, from_leaves", |b| {
        b.iter(|| MerkleTree::<Rfc6962>::from_leaves(black_box(&bytes)));
    });
    group.finish();
}

fn proving(c: &mut Criterion) {
    let leaves = leaves(LARGE);
    let tree = Tree::of(&leaves);
    let (size, half) = (tree.head.size, TreeSize::new(LARGE / 2 + 1));
    let theirs = MerkleTree::<Rfc6962>::from_leaves(&as_bytes(&leaves));
    let middle = LARGE / 2;
    let mut group = c.benchmark_group("proving in 100,000 leaves");
    group.bench_function("inclusion: plan, fetch, build", |b| {
        b.iter(|| {
            let plan = InclusionProof::plan(LeafIndex::new(black_box(middle)), size).expect("inside");
            InclusionProof::from_nodes(&plan, &tree.fetch(&plan))
        });
    });
    let at = usize::try_from(middle).expect("small");
    group.bench_function("inclusion: rs_merkle", |b| b.iter(|| theirs.proof(&[black_box(at)])));
    group.bench_function("consistency: plan, fetch, build", |b| {
        b.iter(|| {
            let plan = ConsistencyProof::plan(black_box(half), size).expect("inside");
            ConsistencyProof::from_nodes(&plan, &tree.fetch(&plan))
        });
    });
    group.bench_function("range of 256: plan, fetch, build", |b| {
        b.iter(|| {
            let plan = RangeProof::plan(LeafIndex::new(black_box(middle)), RUN, size).expect("inside");
            RangeProof::from_nodes(&plan, &tree.fetch(plan.left()), &tree.fetch(plan.right()))
        });
    });
    let run: Vec<usize> = (at..).take(256).collect();
    group.bench_function("range of 256: rs_merkle, as a multi-proof", |b| {
        b.iter(|| theirs.proof(black_box(&run)));
    });
    group.finish();
}

fn verifying(c: &mut Criterion) {
    let leaves = leaves(LARGE);
    let bytes = as_bytes(&leaves);
    let tree = Tree::of(&leaves);
    let (size, root) = (tree.head.size, tree.head.root);
    let old = Tree::of(&leaves[..=leaves.len() / 2]).head;
    let theirs = MerkleTree::<Rfc6962>::from_leaves(&bytes);
    let at = leaves.len() / 2;
    let index = LeafIndex::new(LARGE / 2);
    let mut group = c.benchmark_group("verifying in 100,000 leaves");

    let plan = InclusionProof::plan(index, size).expect("inside");
    let proof = InclusionProof::from_nodes(&plan, &tree.fetch(&plan)).expect("as planned");
    group
        .bench_function("inclusion", |b| b.iter(|| proof.verify(index, size, black_box(&leaves[at]), &root)));
    let proof: MerkleProof<Rfc6962> = theirs.proof(&[at]);
    group.bench_function("inclusion: rs_merkle", |b| {
        b.iter(|| proof.verify(*root.as_bytes(), &[at], black_box(&bytes[at..=at]), bytes.len()));
    });

    let plan = ConsistencyProof::plan(old.size, size).expect("inside");
    let proof = ConsistencyProof::from_nodes(&plan, &tree.fetch(&plan)).expect("as planned");
    group.bench_function("consistency", |b| b.iter(|| proof.verify(black_box(&old), &tree.head)));

    let run = &leaves[at..at + 256];
    let plan = RangeProof::plan(index, RUN, size).expect("inside");
    let proof = RangeProof::from_nodes(&plan, &tree.fetch(plan.left()), &tree.fetch(plan.right()));
    let proof = proof.expect("as planned");
    group.bench_function("range of 256", |b| b.iter(|| proof.verify(index, black_box(run), size, &root)));
    let indices: Vec<usize> = (at..at + 256).collect();
    let proof: MerkleProof<Rfc6962> = theirs.proof(&indices);
    group.bench_function("range of 256: rs_merkle, as a multi-proof", |b| {
        let run = &bytes[at..at + 256];
        b.iter(|| proof.verify(*root.as_bytes(), &indices, black_box(run), bytes.len()));
    });
    group.finish();
}

criterion_group!(benches, one_tile, growing, building, proving, verifying);
criterion_main!(benches);
