//! The engine of a log: take statements, batch them, grow the tree, sign, commit, publish.
//!
//! **Start at [`sequence`](crate) (`src/sequence.rs`)**: one function, `sequence_batch`, is the protocol. Around it:
//! [`Engine`] is the handle programs hold (`engine.rs`), `prepare.rs` checks a request before it queues, `queue.rs` bounds what waits,
//! `draft.rs` turns requests into entries, `edge.rs` keeps the unfinished right edge, `commit.rs` watches the store,
//! `publish.rs` shows readers the newest head, `witnesses.rs` has witnesses cosign it, `open.rs` opens a log and `recover.rs`
//! brings a stopped one back by the path that runs every day, `follow.rs` fills the lookup index and `lag.rs` bounds its lag, `evict.rs` lets streams that have
//! ended leave memory and `recall.rs` reads them back, `fsck.rs` checks a store, `scrubber.rs` does so while the log runs,
//! `pruning.rs` finds out which old entries may go and `pruner.rs` removes them, `rebuild.rs` writes a log again from its entries, `replica.rs` follows a log that another process writes, `quotas.rs` holds what gateways may log in a day.
//!
//! Out of scope: transports (`vouchlog-server`), stores (`vouchlog-storage-sled`), the witnesses' own side
//! (`vouchlog-witness`).
//!
//! *Invariant: one task owns the tree; nothing else writes.*

mod commit;
mod config;
pub mod copying;
mod draft;
mod edge;
mod evict;
mod follow;
pub mod fsck;

mod engine;
mod engine_error;
mod enroller;
mod lag;
pub mod limits;
mod log_time;
mod metrics;
mod open;
mod prepare;
mod pruner;
pub mod pruning;
mod publish;
mod queue;
mod quotas;
mod read;
pub mod rebuild;
mod recall;
mod recover;
mod replay;
mod replica;
pub mod scrub;
mod scrubber;
mod second_path;
mod sequence;
mod signer;
mod state;
mod stop;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod witnesses;

pub use config::{Config, Options, WitnessLink, Witnesses};
pub use engine::Engine;
pub use engine_error::EngineError;
pub use publish::{Published, Sequenced};
pub use quotas::STRANGERS_HOUSE_LIMITS;
pub use replica::{Replica, ReplicaError};
pub use witnesses::{GuardError, WitnessState};
