//! A witness in this process: it cosigns the checkpoints of logs as long as each extends the last one it saw.
//!
//! ```no_run
//! use vouchlog::witness::{KnownLog, Logs, Rate};
//! use vouchlog::{Origin, ServerConfig, VerifyingKey};
//!
//! # async fn run(log_vkey: VerifyingKey) -> Result<(), Box<dyn std::error::Error>> {
//! let witness = vouchlog::witness("witness-data").name("witness.example.com/w1").open()?;
//! let mut logs = Logs::new();
//! logs.add(KnownLog::new(Origin::new("log.example.com/ai")?, vec![log_vkey], Rate::UNLIMITED)?)?;
//! witness.set_logs(logs)?;
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:6963").await?;
//! witness.server(ServerConfig::default()).run(listener, std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod builder;
mod embedded;
mod key;
mod refusals;
mod state;

pub use builder::{WitnessBuilder, WitnessOpenError, witness};
pub use embedded::Witness;
pub use key::{create_key, create_key_reference};
pub use refusals::{KeptRefusal, RefusalDir};
pub use state::{ACCEPT_LOST_STATE, WitnessStateError, hand_over_state};
pub use vouchlog_storage::StoreIdentity;
pub use vouchlog_witness::{
    KnownLog, ListedLogs, Logs, LogsError, Rate, Refusal, RefusalReason, RefusalSink, WitnessEngineError,
};
