//! Logging statements and keeping their receipts: through a gateway's own stream, or through the house stream of the log.

use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;
use vouchlog::gateway::{Acknowledged, Gateway};
use vouchlog::keys::KeySource;
use vouchlog::{
    AckLevel, Appender, HouseAppend, LeafIndex, Origin, Policy, RangeReceipt, Statement, VerifyingKey,
};
use vouchlog_client::ProofFolder;
use vouchlog_stream::StatementEntry;

use super::failed::Failed;
use super::spooling::{GatewayArgs, Opened, default_state, lose_patience};
use super::{make_folder, remote};
use crate::output;

/// Statements of one request to the house stream: its receipt comes back in milliseconds.
const HOUSE_STATEMENTS: usize = 4_096;
/// Statements of one ticket: small enough for progress to be seen.
const TICKET_STATEMENTS: usize = 4_096;
/// What to do when the log stays away.
const AGAIN: &str =
    "nothing is lost: run again with the same --gateway-key, --state and --receipts, and --flush";

/// What to do when the witnesses stay away.
const UNWITNESSED: &str =
    "logged, but the witnesses have not cosigned in time: fetch proof files later with `vouchlog prove`";

/// Where a statement is in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) index: LeafIndex,
    pub(super) entry: StatementEntry,
    /// Its proof file, if receipts are kept.
    pub(super) file: Option<PathBuf>,
}

/// Where statements go, and what is kept of the log's answer.
pub(super) struct Submission<'a> {
    pub(super) url: &'a str,
    /// The log's key, to verify the receipts.
    pub(super) log_vkey: Option<&'a VerifyingKey>,
    /// Whose stream takes them; the house stream's without a key.
    pub(super) gateway: &'a GatewayArgs,
    /// Whether to wait for a quorum of witnesses.
    pub(super) witnessed: bool,
    /// Whether the gateway closes its stream afterwards.
    pub(super) close: bool,
    /// Where proof files go.
    pub(super) receipts: Option<&'a Path>,
}

impl Submission<'_> {
    /// Logs the statements; where each is, by its receipt.
    pub(super) async fn send(
        &self,
        statements: &[Statement],
        policy: Option<&Policy>,
    ) -> Result<Vec<Placed>, Failed> {
        if let Some(dir) = self.receipts {
            make_folder(dir)?;
        }
        match &self.gateway.gateway_key {
            Some(key) => self.own_stream(key, statements, policy).await,
            None => self.house(statements, policy).await,
        }
    }

    /// Through the house stream.
    async fn house(&self, statements: &[Statement], policy: Option<&Policy>) -> Result<Vec<Placed>, Failed> {
        let log = remote::connect(self.url)?;
        if self.log_vkey.is_none() {
            output::warn("the receipts were not verified: give the log's key with --log-vkey");
        }
        let bar = output::progress(statements.len() as u64, "statements");
        let mut all = Vec::with_capacity(statements.len());
        for batch in statements.chunks(HOUSE_STATEMENTS) {
            let append = HouseAppend { statements: batch.to_vec(), wait_for: self.level(policy) };
            let appended = log.append_house(append).await;
            let appended = appended.map_err(|error| remote::failed(self.url, &error))?;
            let receipt = appended.receipt;
            self.check(&receipt, batch)?;
            if self.witnessed && !appended.witnessed {
                output::warn(UNWITNESSED);
            }
            if let Some(dir) = self.receipts {
                ProofFolder::new(dir).keep(&receipt, batch).map_err(anyhow::Error::from)?;
            }
            self.check_quorum(policy, &receipt)?;
            all.extend(placed(&receipt, batch, self.receipts)?);
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        Ok(all)
    }

    fn check(&self, receipt: &RangeReceipt, statements: &[Statement]) -> Result<(), Failed> {
        let Some(vkey) = self.log_vkey else { return Ok(()) };
        let origin = Origin::new(vkey.name().as_str()).map_err(anyhow::Error::from)?;
        let verified = receipt.verify(statements, &origin, vkey);
        verified.map(drop).map_err(|error| Failed::Finding(error.to_string()))
    }

    fn level(&self, policy: Option<&Policy>) -> AckLevel {
        if self.witnessed || policy.is_some() { AckLevel::Witnessed } else { AckLevel::Sequenced }
    }

    /// What was logged stays logged, but a caller who asked for a quorum gets an error if there is none.
    fn check_quorum(&self, policy: Option<&Policy>, receipt: &RangeReceipt) -> Result<(), Failed> {
        let Some((policy, vkey)) = policy.zip(self.log_vkey) else { return Ok(()) };
        let origin = Origin::new(vkey.name().as_str()).map_err(anyhow::Error::from)?;
        let note = receipt.checkpoint.as_bytes();
        policy.verify_checkpoint_of(note, &origin, [vkey]).map(drop).map_err(|error| {
            let statements = output::count(u64::from(receipt.count), "statement was", "statements were");
            Failed::Finding(format!(
                "{statements} logged from index {}, but the receipt does not satisfy the policy: {error}",
                receipt.first
            ))
        })
    }

    /// Through the gateway's own stream: submits all statements and waits for their verified receipts.
    async fn own_stream(
        &self,
        key: &KeySource,
        statements: &[Statement],
        policy: Option<&Policy>,
    ) -> Result<Vec<Placed>, Failed> {
        let log = self.log_vkey.context("--gateway-key needs --log-vkey")?;
        let key = key.open().map_err(anyhow::Error::from)?;
        let state = match &self.gateway.state {
            Some(dir) => dir.clone(),
            None => default_state(key.verifying_key())?,
        };
        let receipts = self.receipts.map(Path::to_owned);
        let min_free = self.gateway.reserve.min_free;
        let opened =
            Opened { url: self.url, log, key, state, receipts, wait_for: self.level(policy), min_free };
        let gateway = opened.open().await?;
        let bar = output::progress(statements.len() as u64, "statements");
        let acknowledged = self.converse(&gateway, statements, &bar).await;
        bar.finish_and_clear();
        gateway.stop().await;
        let mut all = Vec::with_capacity(statements.len());
        let mut is_cosigned = true;
        for acknowledged in acknowledged? {
            for (taken, places) in acknowledged.runs() {
                self.check_quorum(policy, taken.receipt())?;
                is_cosigned &= taken.checkpoint().is_cosigned();
                let run = placed(taken.receipt(), taken.statements(), self.receipts)?;
                all.extend(run.into_iter().skip(places.start).take(places.len()));
            }
        }
        if self.witnessed && !is_cosigned {
            output::warn(UNWITNESSED);
        }
        Ok(all)
    }

    /// Hands the statements to the spool, and waits until the log has them.
    async fn converse(
        &self,
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
            if self.close {
                gateway.close().await?;
            }
            Ok(acknowledged)
        };
        tokio::select! {
            done = work => done.map_err(Failed::of),
            failed = lose_patience(gateway, self.gateway.wait, AGAIN) => Err(failed.into()),
        }
    }
}

/// Where the receipt says its statements are.
fn placed(
    receipt: &RangeReceipt,
    statements: &[Statement],
    receipts: Option<&Path>,
) -> anyhow::Result<Vec<Placed>> {
    let indexes = receipt.first.get()..;
    let placed = indexes.zip(receipt.entries(statements)?).map(|(index, entry)| {
        let index = LeafIndex::new(index);
        Placed { index, entry, file: receipts.map(|dir| ProofFolder::new(dir).path(index)) }
    });
    Ok(placed.collect())
}
