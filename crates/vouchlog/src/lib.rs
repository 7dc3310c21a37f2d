//! A transparency log for AI interactions: the library for programs that run one themselves.
//!
//! In scope: wiring. [`open`] makes the keys, the store, the lookup index, the clock and the randomness of a [`Log`] with
//! safe defaults; [`Log::router`] serves it from an axum program, [`Log::server`] by itself. [`keys`] keeps key files,
//! [`Opening`] commits to a record with a salt, [`verify`] checks a proof file offline. [`custody`] records to a vault and its
//! log. [`witness()`] opens a witness likewise.
//!
//! Out of scope, each with its own crate: the tree (`vouchlog-merkle`), signed notes (`vouchlog-note`), entries
//! (`vouchlog-stream`), the engine (`vouchlog-sequencer`), the store (`vouchlog-storage-sled`), the port
//! (`vouchlog-server`), gateways and remote logs (`vouchlog-client`), the program (`vouchlog-cli`).
//!
//! ```
//! use vouchlog::{AckLevel, Appender, Digest, Evidence, HouseAppend, Statement, StatementKind};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let dir = dir.path();
//! let log = vouchlog::open(dir).origin("log.example.com/ai").await?;
//!
//! let salted = vouchlog::Opening::new(b"{\"model\": \"m-1\", \"outcome\": \"ok\"}");
//! let statement =
//!     Statement { kind: StatementKind::Interaction, evidence: Evidence::NONE, digest: salted.digest() };
//! let append = HouseAppend { statements: vec![statement], wait_for: AckLevel::Sequenced };
//! log.append_house(append).await?.receipt.verify(&[statement], log.origin(), log.vkey())?;
//!
//! log.stop().await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod clock;
pub mod custody;
mod embedded;
pub mod keys;
mod mirror;
mod opening;
mod refusals;
pub mod verify;
mod witness;
mod witness_state;
mod witnesses;

pub use builder::{IndexMode, LogBuilder, OpenError, open};
pub use clock::{ClockError, check_clock, random_bytes, system_clock, unix_millis};
pub use embedded::Log;
pub use mirror::TileMirror;
pub use opening::{Opening, OpeningError};
pub use refusals::RefusalDir;
pub use witness::{WitnessBuilder, WitnessOpenError, witness};
pub use witness_state::{ACCEPT_LOST_STATE, WitnessStateError};
pub use witnesses::{WitnessUrlError, WitnessUrls, WitnessUrlsError, connect_witnesses, witnesses_by_url};

pub use vouchlog_api::{
    AckLevel, Append, Appended, Appender, Error, ErrorKind, HouseAppend, HouseAppended, LogReader, Lookup,
    LookupKey, RangeReceipt, ReceiptError,
};
pub use vouchlog_merkle::{LeafIndex, TreeSize};
pub use vouchlog_note::{Origin, Policy, ProofFile, SigningKey, VerifyingKey};
pub use vouchlog_sequencer::scrub::{Mirror, ScrubOptions};
pub use vouchlog_sequencer::{WitnessLink, WitnessState, Witnesses};
pub use vouchlog_server::Server;
pub use vouchlog_stream::{
    Digest, Entry, Evidence, LoggedAt, SequenceNumber, Statement, StatementKind, StreamId,
};
