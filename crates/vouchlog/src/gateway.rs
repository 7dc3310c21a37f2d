//! The gateway's side of a log: a stream of its own, behind a spool that survives crashes.
//!
//! ```no_run
//! use vouchlog::{Statement, gateway};
//!
//! # async fn run(log_vkey: vouchlog::VerifyingKey, statements: Vec<Statement>) -> Result<(), Box<dyn std::error::Error>> {
//! let key = vouchlog::keys::load("gateway.key".as_ref())?;
//! let config = gateway::config("https://log.example.com", log_vkey, key, "spool".into())?;
//! let gateway = gateway::Gateway::open(config).await?;
//! // On disk when the ticket is there; in the log, its receipt verified, when the ticket completes.
//! let ticket = gateway.submit(statements).await?;
//! println!("{} statements are logged", ticket.await?.statements().count());
//! gateway.stop().await;
//! # Ok(())
//! # }
//! ```

use std::path::PathBuf;

use vouchlog_note::{CheckpointError, Origin, SigningKey, VerifyingKey};

pub use vouchlog_client::{
    Acknowledged, Connection, Gateway, GatewayConfig, GatewayError, GatewayStatus, GrpcLog, LoggedStatements,
    Options, Patience, ProofFiles, ProofFolder, ReceiptSink, SpoolError, SubmitTicket,
};

use crate::clock::{random_bytes, system_clock};

/// A gateway's settings with the system's clock and randomness, no receipt sink, and default [`Options`].
///
/// `url` is the log's address, `log` its key, which is named like the log. `key` is the gateway's enrolled key. The spool is
/// kept in `state_dir`; each gateway process needs its own.
///
/// # Errors
/// The name of `log` cannot be the name of a log.
pub fn config(
    url: &str,
    log: VerifyingKey,
    key: SigningKey,
    state_dir: PathBuf,
) -> Result<GatewayConfig, CheckpointError> {
    Ok(GatewayConfig {
        log: Connection::new(url.trim_end_matches('/')),
        origin: Origin::new(log.name().as_str())?,
        log_key: log,
        gateway_key: key,
        state_dir,
        clock: system_clock(),
        randomness: random_bytes,
        sink: None,
        options: Options::default(),
    })
}
