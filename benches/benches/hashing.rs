//! Goal: say which SHA-256 hashes the tree. Method: leaves of our usual 54 bytes and nodes, by the three implementations
//! at hand, in one run; and by our own functions, which add the gathering of prefix and parts.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sha2::Digest;
use vouchlog_merkle::{Hash, leaf_hash, node_hash, sha256};

/// A statement entry behind the leaf prefix, and two hashes behind the node prefix.
const INPUTS: [(&str, usize); 2] = [("leaf, 55 bytes", 55), ("node, 65 bytes", 65)];

fn implementations(c: &mut Criterion) {
    for (name, length) in INPUTS {
        let input = vec![7_u8; length];
        let mut group = c.benchmark_group(format!("sha-256 of a {name}"));
        group.throughput(Throughput::Elements(1));
        group.bench_function("aws-lc-rs", |b| {
            b.iter(|| aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, black_box(&input)));
        });
        group.bench_function("ring", |b| {
            b.iter(|| ring::digest::digest(&ring::digest::SHA256, black_box(&input)));
        });
        group.bench_function("sha2", |b| b.iter(|| sha2::Sha256::digest(black_box(&input))));
        group.finish();
    }
}

fn ours(c: &mut Criterion) {
    let mut group = c.benchmark_group("vouchlog-merkle");
    group.throughput(Throughput::Elements(1));
    let (left, right) = (sha256(b"left"), sha256(b"right"));
    group.bench_function("leaf_hash, 54 bytes", |b| b.iter(|| leaf_hash(black_box(&[7; 54]))));
    group.bench_function("node_hash", |b| b.iter(|| node_hash(black_box(&left), black_box(&right))));
    // What a commit does with each entry: one leaf and, on average, one node.
    let entries: Vec<[u8; 54]> = (0..=255).map(|byte| [byte; 54]).collect();
    group.throughput(Throughput::Elements(256));
    group.bench_function("256 leaves", |b| {
        b.iter(|| entries.iter().map(|entry| leaf_hash(entry)).collect::<Vec<Hash>>());
    });
    group.finish();
}

criterion_group!(benches, implementations, ours);
criterion_main!(benches);
