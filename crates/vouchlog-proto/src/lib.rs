//! Generated protobuf types of the gRPC interface and their conversions.
//!
//! In scope: the messages, clients and servers of `proto/vouchlog/v1` ([`v1`]), the conversions between them and the types
//! of `vouchlog-api` in both directions ([`ConvertError`] where a message cannot be one), and the words that errors carry
//! ([`reason`]). Client and server share them, so the two cannot read one message differently. With the feature `vault` those of
//! `proto/vouchlog/vault/v1` as well (`vault`).
//!
//! Out of scope: transport and the mapping of errors to codes (`vouchlog-server`), retries and verification
//! (`vouchlog-client`). The code in `generated/` is written by `cargo run -p vouchlog-codegen --features generate`.
//!
//! *Invariant: no logic.* A conversion checks shape (32 bytes, a known kind, a number that fits), never meaning.
//!
//! ```
//! use vouchlog_proto::v1;
//! use vouchlog_stream::{Digest, Evidence, Statement, StatementKind};
//!
//! let statement = Statement {
//!     kind: StatementKind::Interaction,
//!     evidence: Evidence::NONE,
//!     digest: Digest::from_bytes([7; 32]),
//! };
//! let message = v1::Statement::from(&statement);
//! assert_eq!(Statement::try_from(&message)?, statement);
//! # Ok::<(), vouchlog_proto::ConvertError>(())
//! ```

pub mod codec;
mod convert;
pub mod limits;
pub mod reason;
#[cfg(feature = "vault")]
pub mod vault;

pub use convert::{ConvertError, EntryName, hash_messages, hashes_from_messages};

/// The messages and services of package `vouchlog.v1`.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated from documented messages")]
#[rustfmt::skip]
pub mod v1 {
    include!("generated/vouchlog.v1.rs");

    /// The compiled descriptors of the package, for gRPC reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/vouchlog.v1.bin");
}
