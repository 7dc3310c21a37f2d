//! The engine on the in-memory store: every promise, and every way a store can break one.

use vouchlog_stream::{Statement, StatementKind};

use crate::testing::statements;

mod behaviour;
mod eviction;
mod faults;
mod names;
mod operators;
mod quotas;
mod recovery;
mod retirement;
mod signing;
mod witnesses;

/// Some statements as the house stream takes them, each different.
fn opaque(count: usize, seed: u64) -> Vec<Statement> {
    let opaque = |statement: Statement| Statement { kind: StatementKind::Opaque, ..statement };
    statements(count, seed).into_iter().map(opaque).collect()
}
