//! A witness: it cosigns a log's tree heads if, and only if, each extends the last one it saw (C2SP tlog-witness).
//!
//! **Start at `src/cosign.rs`**: one function, `cosign_batch`, is the protocol. Around it: [`Witness`] is the handle programs
//! hold (`witness.rs`), `check.rs` checks what needs no memory before a request queues, `queue.rs` bounds what waits, `state.rs`
//! is what is remembered of a log, `commit.rs` watches the store, `subtree.rs` signs parts of trees, [`Logs`] are the logs it
//! knows, `evidence.rs` hands on what it refused.
//!
//! Out of scope: transports (`vouchlog-server`), stores (`vouchlog-storage-sled`), key files and lists of logs (`vouchlog`),
//! asking witnesses on a log's behalf (`vouchlog-client`).
//!
//! *Invariant: persisted before it is answered.*
//!
//! ```
//! use std::sync::Arc;
//! use vouchlog_api::Witness as _;
//! use vouchlog_merkle::{ConsistencyProof, Hash, TreeHead, TreeSize};
//! use vouchlog_note::{
//!     AddCheckpoint, Checkpoint, KeyName, Origin, SignatureType, SignedCheckpoint, SigningKey, UnverifiedNote,
//! };
//! use vouchlog_storage::{MemoryWitnessStore, StoreIdentity};
//! use vouchlog_runtime::{Clock, UnixSeconds};
//! use vouchlog_witness::{Config, KnownLog, Logs, Options, Rate, Refusal, Witness};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let key = |name: &str, kind, seed| SigningKey::generate(KeyName::new(name).unwrap(), kind, [seed; 32]).unwrap();
//! let origin = Origin::new("log.example.com/a")?;
//! let log = key("log.example.com/a", SignatureType::Ed25519, 1);
//! let mut logs = Logs::new();
//! logs.add(KnownLog::new(origin.clone(), vec![log.verifying_key().clone()], Rate::UNLIMITED)?)?;
//! let config = Config {
//!     keys: vec![key("witness.example.com/w", SignatureType::CosignatureEd25519, 2)],
//!     logs,
//!     clock: Clock::from_wall(|| UnixSeconds::new(1_767_225_600).millis()),
//!     on_refusal: Arc::new(|refusal: &Refusal| Err(format!("nowhere to keep it: {refusal:?}"))),
//!     options: Options::default(),
//! };
//! let store = MemoryWitnessStore::new(StoreIdentity::from_bytes([7; 16]));
//! let witness = Witness::open(config, store, &mut Default::default())?;
//!
//! let head = TreeHead { size: TreeSize::new(1), root: Hash::from_bytes([0x2a; 32]) };
//! let signed = SignedCheckpoint::sign(&Checkpoint::new(origin, head), &log)?;
//! let (first, no_proof) = (TreeSize::new(0), ConsistencyProof::from_hashes(vec![])?);
//! let request = AddCheckpoint::new(first, no_proof, UnverifiedNote::parse(signed.note().as_bytes())?)?;
//! let answer = witness.add_checkpoint(request).await?;
//! signed.with_cosignatures(&answer, witness.vkeys())?;
//! # Ok(())
//! # }
//! ```

mod cosign;

mod check;
mod state;
mod subtree;

mod evidence;
mod logs;

mod commit;
mod config;
pub mod limits;
mod metrics;
mod queue;
mod shared;
mod witness;

pub use config::{Config, Options};
pub use evidence::{Refusal, RefusalReason, RefusalSink};
pub use logs::{KnownLog, ListedLogs, Logs, LogsError, Rate};
pub use witness::{Witness, WitnessEngineError};
