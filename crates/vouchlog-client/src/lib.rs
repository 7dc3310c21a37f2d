//! The remote side of logs and witnesses: their traits over gRPC and HTTP, a reader that trusts nothing but the vkey, and a
//! gateway with a durable spool.
//!
//! In scope: [`GrpcLog`] (a log across the network, used like one in this process), [`TileReader`] (any C2SP tlog-tiles log,
//! over HTTP, in files, or in another place), [`VerifiedLog`] (around any reader: checkpoints, entries and proofs, all verified), [`witness()`] (a
//! witness across the network, over HTTP or gRPC), and [`Gateway`] (statements go in, verified receipts come out, each exactly
//! once, through crashes on either side).
//!
//! Out of scope: what a record holds and where it is kept (`vouchlog-collector`), auditing a whole log (`vouchlog-auditor`).
//!
//! *Invariant: a receipt is verified before the spool forgets.*
//!
//! ```no_run
//! # async fn example(config: vouchlog_client::GatewayConfig, statement: vouchlog_stream::Statement)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use vouchlog_client::Gateway;
//!
//! let gateway = Gateway::open(config).await?;
//! let ticket = gateway.submit(vec![statement]).await?; // now on disk
//! for file in ticket.await?.proof_files()? {
//!     println!("{file}"); // now in the log, and proven
//! }
//! gateway.close().await?;
//! # Ok(())
//! # }
//! ```

mod connection;
mod evidence;
pub mod limits;
mod status;

mod grpc_log;
mod tile_reader;
mod verified_log;
mod witness;

mod gateway;
mod receipts;
mod spool;

pub use connection::Connection;
pub use evidence::{Evidence, Misbehaviour};
pub use gateway::{Gateway, GatewayConfig, GatewayError, GatewayStatus, Options, Patience, SubmitTicket};
pub use grpc_log::{AppendPipe, GrpcLog, ServedReceipt};
pub use receipts::{Acknowledged, LoggedStatements, ProofFiles, ProofFolder, ReceiptSink};
pub use spool::SpoolError;
pub use tile_reader::{TileReader, TileSource};
pub use verified_log::{VerifiedLog, VerifyError};
pub use vouchlog_outbound::{ConnectionSecurity, Identity, PlainText, SecurityError, UrlError};
pub use witness::{GrpcWitness, HttpWitness, WitnessOptions, witness};

/// How this crate introduces itself.
const USER_AGENT: &str = concat!("vouchlog-client/", env!("CARGO_PKG_VERSION"));
