//! gRPC and HTTP on one port, for any log or any witness.
//!
//! In scope: [`Server`] shows any [`ServedLog`] (the engine in this process, or a client of another one) as the gRPC services of
//! `vouchlog-proto`, as C2SP tlog-tiles, and as JSON; or any [`Witness`](vouchlog_api::Witness) as a gRPC service and as C2SP
//! tlog-witness; or routes that a program brings ([`Server::routes`]); or nothing of the kind ([`Server::operations`]); beside a log the explorer, pages in which a browser checks it; with health, metrics, an OpenAPI document, and bounds on
//! everything a stranger may send ([`limits`]); with TLS from files or an ACME authority ([`tls`]).
//!
//! Out of scope: what an append or a proof is (`vouchlog-sequencer`, `vouchlog-api`), what is cosigned
//! (`vouchlog-witness`), messages (`vouchlog-proto`), and who a caller is (`vouchlog-access`).
//!
//! *Invariant: decode, call, encode; one error table* (`status.rs`).
//!
//! ```no_run
//! # async fn run(log: impl vouchlog_server::ServedLog) -> std::io::Result<()> {
//! use vouchlog_server::{Readiness, Server, ServerConfig};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:6962").await?;
//! let server = Server::new(log, ServerConfig::default()).health(Readiness::default);
//! server.run(listener, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await;
//! # Ok(())
//! # }
//! ```

mod access;
mod admission;
mod config;
mod connections;
mod descriptors;
mod explorer;
mod front;
mod grpc;
mod guard;
mod health;
mod http;
pub mod limits;
mod log;
mod media;
mod metrics;
mod openapi;
mod outcome;
mod peer;
mod problem;
mod reads;
mod registries;
mod request;
mod room;
mod serve;
mod services;
mod status;
#[cfg(test)]
mod tests;
pub mod tls;

pub use crate::http::read as read_body;
pub use access::{refusal, rpc_refusal};
pub use config::ServerConfig;
pub use explorer::{ExplorerFile, OFFERED_POLICY, OFFERED_VKEY, Offered, explorer_files};
pub use health::Health;
pub use http::{explorer_router, own_turn};
pub use log::ServedLog;
pub use peer::{Peer, PeerCertificate};
pub use problem::Problem;
pub use registries::Registries;
pub use serve::Server;
pub use status::{rpc_unread, status as rpc_status};
pub use vouchlog_runtime::Readiness;
