//! A transparency log for AI interactions: the library for programs that run one themselves.
//!
//! In scope: wiring. [`open`] makes the keys, the store, the lookup index, the clock and the randomness of a [`Log`] with
//! safe defaults; [`Log::router`] serves it from an axum program, [`Log::server`] by itself. [`keys`] keeps key files,
//! [`commit_to`] commits to a record with a salt, [`verify`] checks a proof file offline. Each further part is behind a feature
//! and compiles only the crates it needs:
//!
//! | feature | what a program gets |
//! | --- | --- |
//! | `log` (default) | [`open`] and [`Log`]: a log in this process |
//! | `gateway` | [`gateway`]: statements into a log elsewhere, through a spool that survives crashes |
//! | `witness` | [`witness`](mod@witness): a witness in this process |
//! | `auditor` | [`auditor`]: verify a whole log, keep evidence of every fault |
//! | `vault` | [`vault`] and [`custody`]: keep records encrypted, log their digests, present and erase them; implies `gateway` |
//! | `postgres` | [`postgres`]: a log whose store is in PostgreSQL, with standbys |
//! | `collector` | [`collector`]: make records of telemetry; implies `vault` |
//! | `objects`, `s3`, `gcs`, `azure` | [`objects`]: the sealed part of a log in a folder, or in an object store of this kind |
//! | `pkcs11`, `aws-kms`, `gcp-kms` | [`keys`] in a token or a cloud's key service; they sign, or wrap the key of a vault |
//!
//! Out of scope, each with its own crate: the tree (`vouchlog-merkle`), signed notes (`vouchlog-note`), entries
//! (`vouchlog-stream`), the engine (`vouchlog-sequencer`), the store (`vouchlog-storage-sled`), the port
//! (`vouchlog-server`), gateways and remote logs (`vouchlog-client`), the program (`vouchlog-cli`).
//!
//! *Invariant: a feature only adds, and pulls in only the crates it needs.*
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
//! let salted = vouchlog::commit_to(b"{\"model\": \"m-1\", \"outcome\": \"ok\"}");
//! let statement =
//!     Statement { kind: StatementKind::Opaque, evidence: Evidence::NONE, digest: salted.digest() };
//! let append = HouseAppend { statements: vec![statement], wait_for: AckLevel::Sequenced };
//! log.append_house(append).await?.receipt.verify(&[statement], log.origin(), log.vkey())?;
//!
//! log.stop().await;
//! # Ok(())
//! # }
//! ```

#[cfg(any(feature = "serving", feature = "collector"))]
pub mod access;
#[cfg(feature = "auditor")]
pub mod auditor;
#[cfg(feature = "log")]
mod builder;
mod clock;
#[cfg(feature = "collector")]
pub mod collector;
mod commitment;
#[cfg(feature = "vault")]
pub mod custody;
#[cfg(feature = "log")]
mod embedded;
#[cfg(feature = "gateway")]
pub mod gateway;
pub mod keys;
#[cfg(feature = "log")]
mod mirror;
#[cfg(all(feature = "objects", feature = "auditor"))]
pub mod mirroring;
#[cfg(all(feature = "objects", feature = "postgres"))]
pub mod moving;
#[cfg(feature = "objects")]
pub mod objects;
#[cfg(feature = "log")]
mod open_error;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(all(feature = "objects", feature = "postgres"))]
pub mod pruning;
#[cfg(feature = "vault")]
pub mod vault;
pub mod verify;
#[cfg(feature = "witness")]
pub mod witness;
#[cfg(feature = "log")]
mod witnesses;

pub use clock::{ClockError, check_clock, random_bytes, system_clock, unix_millis};
pub use commitment::commit_to;
pub use vouchlog_api::{
    AckLevel, Append, Appended, Appender, Error, ErrorKind, HouseAppend, HouseAppended, LogReader, Lookup,
    LookupKey, Opened, PrunedNotice, RangeReceipt, ReceiptError, StreamInfo, Watch,
};
#[cfg(feature = "log")]
pub use vouchlog_client::WitnessOptions;
#[cfg(any(feature = "log", feature = "gateway", feature = "auditor"))]
pub use vouchlog_client::{ConnectionSecurity, Identity, PlainText, SecurityError, UrlError};
pub use vouchlog_merkle::{LeafIndex, TreeSize};
pub use vouchlog_note::{KeyName, Origin, Policy, ProofFile, SignatureType, SigningKey, VerifyingKey};
pub use vouchlog_runtime::{Poison, Readiness};
pub use vouchlog_stream::{
    Digest, Entry, Evidence, LoggedAt, Opening, OpeningError, SequenceNumber, Statement, StatementKind,
    StreamId,
};

#[cfg(feature = "log")]
pub use builder::{IndexMode, LogBuilder, open};
#[cfg(feature = "log")]
pub use embedded::Log;
#[cfg(feature = "log")]
pub use mirror::TileMirror;
#[cfg(feature = "log")]
pub use open_error::OpenError;
#[cfg(feature = "log")]
pub use vouchlog_sequencer::scrub::{Mirror, ScrubOptions};
#[cfg(feature = "log")]
pub use vouchlog_sequencer::{
    EngineError, GuardError, Published, STRANGERS_HOUSE_LIMITS, Sequenced, WitnessLink, WitnessState,
    Witnesses,
};
#[cfg(any(feature = "log", feature = "witness"))]
pub use vouchlog_server::{Offered, Registries, Server, ServerConfig, tls};
#[cfg(any(feature = "log", feature = "witness"))]
pub use vouchlog_storage::StoreError;
#[cfg(feature = "witness")]
pub use witness::witness;
#[cfg(feature = "log")]
pub use witnesses::{WitnessUrlError, WitnessUrls, WitnessUrlsError, connect_witnesses, witnesses_by_url};
