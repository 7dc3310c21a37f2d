//! A gateway's own stream, by way of a spool that survives crashes: what the commands that log something share.

use std::path::PathBuf;
use std::time::Duration;

use vouchlog::gateway::{
    self, Gateway, GatewayConfig, GatewayError, Options, Patience, ReceiptSink, SpoolError,
};
use vouchlog::keys::KeySource;
use vouchlog::{AckLevel, ErrorKind, SigningKey, VerifyingKey};
use vouchlog_client::ProofFolder;

use super::reserve::ReserveArgs;
use crate::advice::Advice;
use crate::connections;
use crate::output;

/// The longest pause between attempts: a person waits.
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The stream that takes the statements.
#[derive(clap::Args)]
pub(super) struct GatewayArgs {
    /// Submit through a stream of the gateway with this key, with a spool that survives crashes: a key file, or another place and the vkey
    /// (see `vouchlog keygen --help`)
    #[arg(long, value_name = "KEY", env = "VOUCHLOG_GATEWAY_KEY", requires = "log_vkey")]
    pub(super) gateway_key: Option<KeySource>,
    /// Directory of the gateway's spool [default: below $XDG_STATE_HOME/vouchlog]
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_STATE", requires = "gateway_key")]
    pub(super) state: Option<PathBuf>,
    /// How long to retry if the log cannot be reached; the statements stay in the spool
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::values::duration, requires = "gateway_key")]
    pub(super) wait: Duration,
    #[command(flatten)]
    pub(super) reserve: ReserveArgs,
}

/// What a gateway's client is opened with, besides what is the same for all.
pub(super) struct Opened<'a> {
    pub(super) url: &'a str,
    pub(super) log: &'a VerifyingKey,
    pub(super) key: SigningKey,
    pub(super) state: PathBuf,
    pub(super) receipts: Option<PathBuf>,
    pub(super) wait_for: AckLevel,
    /// Bytes of the disk that the spool leaves free.
    pub(super) min_free: u64,
}

impl Opened<'_> {
    /// Opens the spool and begins to talk to the log.
    pub(super) async fn open(self) -> anyhow::Result<Gateway> {
        let patience = Patience { max_backoff: MAX_BACKOFF, ..Patience::default() };
        let mut config = GatewayConfig {
            sink: self.receipts.map(|dir| Box::new(ProofFolder::new(dir)) as Box<dyn ReceiptSink>),
            options: Options {
                patience,
                wait_for: self.wait_for,
                min_free: self.min_free,
                ..Options::default()
            },
            ..gateway::config(self.url, self.log.clone(), self.key, self.state)?
        };
        config.log.security = connections::security();
        Gateway::open(config).await.map_err(|error| advise(&error))
    }
}

/// Completes once the log has been out of reach for `wait`; warns of what is amiss as soon as it is.
pub(super) async fn lose_patience(gateway: &Gateway, wait: Duration, hint: &'static str) -> anyhow::Error {
    let trouble = gateway.out_of_reach(wait, |trouble| output::warn(&format!("{trouble}; retrying"))).await;
    let waiting = output::count(gateway.waiting(), "statement is pending", "statements are pending");
    Advice::error(format!("the log cannot be reached: {trouble}; {waiting} in the spool"), hint)
}

/// What to do about a gateway that stopped.
pub(super) fn advise(error: &GatewayError) -> anyhow::Error {
    let hint = match error {
        GatewayError::Refused(refused) if refused.kind == ErrorKind::Retired => {
            "log to the log that continues it, with another --state directory: what is pending here belongs to the log that has ended"
        }
        GatewayError::Refused(_) => {
            "the operator enrols gateways with `vouchlog enrol`; a revoked key stays revoked"
        }
        GatewayError::Spool(SpoolError::InUse(_)) => "give each process its own --state directory",
        GatewayError::Spool(SpoolError::Foreign(_)) => "give another --state directory",
        GatewayError::Spool(SpoolError::Full { .. }) => "send pending statements first, with --flush",
        GatewayError::Spool(SpoolError::Refused(_)) => "free disk space; spooled statements are kept",
        GatewayError::Spool(SpoolError::Damaged(_)) => {
            "nothing was changed; see docs/operations.md, \"A gateway's state directory\""
        }
        GatewayError::Forked { .. } => "give this process a --state directory of its own, never a copy",
        GatewayError::ReceiptsLost { .. } => "fetch the proofs with `vouchlog prove --digest`",
        GatewayError::Config(_) => "check --gateway-key (made with keygen --kind gateway) and --log-vkey",
        _ => "spooled statements are kept; check the log's message, then run again",
    };
    Advice::error(error.to_string(), hint)
}

/// `$XDG_STATE_HOME/vouchlog/gateway-<key id>`, or below ~/.local/state.
pub(super) fn default_state(gateway: &VerifyingKey) -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let home = home.ok_or_else(|| {
        Advice::error("no directory for the gateway's spool: HOME is not set", "give one with --state DIR")
    })?;
    Ok(home.join("vouchlog").join(format!("gateway-{}", gateway.id())))
}
