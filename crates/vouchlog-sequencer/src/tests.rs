//! The engine on the in-memory store: every promise, and every way a store can break one.

use std::sync::Arc;

use vouchlog_storage::MemoryStore;
use vouchlog_stream::{Statement, StatementKind};

use crate::testing::statements;
use crate::{Engine, fsck};

mod behaviour;
mod copying;
mod eviction;
mod faults;
mod names;
mod operators;
mod overview;
mod pruning;
mod quotas;
mod recovery;
mod replica;
mod retirement;
mod signing;
mod tenure;
mod witnesses;

/// Stops a log and reads it back whole: its entries hold, with nothing but its key, and lead to the states in its store.
async fn check(log: &Engine<Arc<MemoryStore>>, store: &MemoryStore) -> fsck::Report {
    log.stop().await;
    let report = fsck::fsck(store, log.origin(), log.vkey(), |_, _| {}).unwrap();
    assert_eq!(report.findings, []);
    report
}

/// Some statements as the house stream takes them, each different.
fn opaque(count: usize, seed: u64) -> Vec<Statement> {
    let opaque = |statement: Statement| Statement { kind: StatementKind::Opaque, ..statement };
    statements(count, seed).into_iter().map(opaque).collect()
}
