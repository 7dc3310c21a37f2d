//! Submitting through a gateway's own stream, by way of a spool that survives crashes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use indicatif::ProgressBar;
use vouchlog::gateway::{
    self, Acknowledged, Gateway, GatewayConfig, GatewayError, Options, Patience, ReceiptSink, SpoolError,
};
use vouchlog::{AckLevel, Policy, SigningKey, Statement, VerifyingKey, keys};

use super::receipt::{Keeper, Placed, placed};
use super::{Args, Failed};
use crate::advice::Advice;
use crate::output;

/// Statements of one ticket: small enough for progress to be seen.
const TICKET_STATEMENTS: usize = 4_096;
/// The longest pause between attempts: somebody waits.
const MAX_BACKOFF: Duration = Duration::from_secs(2);
/// What to do when the log stays away.
const AGAIN: &str =
    "nothing is lost: run again with the same --gateway-key, --state and --receipts, and --flush";
/// How often what is amiss is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What a gateway's client is opened with, besides what is the same for all.
pub(crate) struct Opened<'a> {
    pub(crate) url: &'a str,
    pub(crate) log: &'a VerifyingKey,
    pub(crate) key: SigningKey,
    pub(crate) state: PathBuf,
    pub(crate) receipts: Option<PathBuf>,
    pub(crate) wait_for: AckLevel,
    /// Bytes of the disk that the spool leaves free.
    pub(crate) min_free: u64,
}

impl Opened<'_> {
    /// Opens the spool and begins to talk to the log.
    pub(crate) async fn open(self) -> anyhow::Result<Gateway> {
        let patience = Patience { max_backoff: MAX_BACKOFF, ..Patience::default() };
        let config = GatewayConfig {
            sink: self.receipts.map(|dir| Box::new(Keeper(dir)) as Box<dyn ReceiptSink>),
            options: Options {
                patience,
                wait_for: self.wait_for,
                min_free: self.min_free,
                ..Options::default()
            },
            ..gateway::config(self.url, self.log.clone(), self.key, self.state)?
        };
        Gateway::open(config).await.map_err(|error| advise(&error))
    }
}

/// Submits all statements and waits for their verified receipts.
pub(super) async fn submit(
    args: &Args,
    key: &Path,
    statements: &[Statement],
    policy: Option<&Policy>,
) -> Result<Vec<Placed>, Failed> {
    let log = args.log_vkey.as_ref().context("--gateway-key needs --log-vkey")?;
    let key = keys::load(key).map_err(anyhow::Error::from)?;
    let state = match &args.gateway.state {
        Some(dir) => dir.clone(),
        None => default_state(key.verifying_key())?,
    };
    let receipts = args.receipts.clone();
    let min_free = args.gateway.reserve.min_free;
    let opened = Opened { url: &args.log.url, log, key, state, receipts, wait_for: args.level(), min_free };
    let gateway = opened.open().await?;
    let bar = output::progress(statements.len() as u64, "statements");
    let acknowledged = converse(args, &gateway, statements, &bar).await;
    bar.finish_and_clear();
    gateway.stop().await;
    let mut all = Vec::with_capacity(statements.len());
    for acknowledged in acknowledged? {
        for (taken, places) in acknowledged.runs() {
            args.check_quorum(policy, taken.receipt())?;
            let run = placed(taken.receipt(), taken.statements(), args.receipts.as_deref())?;
            all.extend(run.into_iter().skip(places.start).take(places.len()));
        }
    }
    Ok(all)
}

async fn converse(
    args: &Args,
    gateway: &Gateway,
    statements: &[Statement],
    bar: &ProgressBar,
) -> Result<Vec<Acknowledged>, Failed> {
    let left = gateway.waiting();
    if left > 0 {
        let waiting = output::count(left, "statement", "statements");
        output::note(&format!("sending {waiting} from the spool, left by an earlier run"));
    }
    let mut tickets = Vec::new();
    for batch in statements.chunks(TICKET_STATEMENTS) {
        tickets.push((batch.len(), gateway.submit(batch.to_vec()).await.map_err(Failed::of)?));
    }
    let work = async {
        let mut acknowledged = Vec::with_capacity(tickets.len());
        for (count, ticket) in tickets {
            acknowledged.push(ticket.await?);
            bar.inc(count as u64);
        }
        // What an earlier run had left in the spool counts too.
        gateway.flush().await?;
        if args.close {
            gateway.close().await?;
        }
        Ok(acknowledged)
    };
    tokio::select! {
        done = work => done.map_err(Failed::of),
        failed = lose_patience(gateway, args.gateway.wait, AGAIN) => Err(failed.into()),
    }
}

/// Completes once the log has been out of reach for `wait`; tells what is amiss as soon as it is.
pub(crate) async fn lose_patience(gateway: &Gateway, wait: Duration, hint: &'static str) -> anyhow::Error {
    let mut told = None;
    let mut troubled = Duration::ZERO;
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(trouble) = gateway.status().trouble else {
            troubled = Duration::ZERO;
            continue;
        };
        troubled += LOOK;
        if troubled >= wait {
            let waiting = output::count(gateway.waiting(), "statement is pending", "statements are pending");
            return Advice::error(
                format!("the log cannot be reached: {trouble}; {waiting} in the spool"),
                hint,
            );
        }
        if told.as_ref() != Some(&trouble) {
            output::warn(&format!("{trouble}; retrying"));
            told = Some(trouble);
        }
    }
}

/// What to do about a gateway that stopped.
pub(crate) fn advise(error: &GatewayError) -> anyhow::Error {
    let hint = match error {
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
pub(crate) fn default_state(gateway: &VerifyingKey) -> anyhow::Result<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let home = home.ok_or_else(|| {
        Advice::error("no directory for the gateway's spool: HOME is not set", "give one with --state DIR")
    })?;
    Ok(home.join("vouchlog").join(format!("gateway-{}", gateway.id())))
}
