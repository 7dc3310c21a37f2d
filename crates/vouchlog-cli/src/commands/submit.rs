//! `vouchlog submit`: logs digests, or salted commitments to records, and keeps the receipts.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use vouchlog::{
    AckLevel, Appender, Digest, Evidence, HouseAppend, Origin, Policy, RangeReceipt, Statement,
    StatementKind, VerifyingKey,
};
use vouchlog_client::GatewayError;

use super::make_folder;
use super::remote::{self, LogUrl};
use super::reserve::ReserveArgs;
use crate::advice::Advice;
use crate::output::{self, Outcome, Output};

mod gateway;
mod input;
mod receipt;

pub(super) use gateway::{Opened, advise, default_state, lose_patience};
pub(super) use input::{MAX_RECORD_BYTES, digest_lines, record};

use input::Item;
pub(super) use receipt::Placed;
use receipt::{keep, placed};

/// Statements of one request to the house stream: its receipt comes back in milliseconds.
const HOUSE_STATEMENTS: usize = 4_096;

/// Statements told one by one to people; programs hear of all.
const SHOWN_STATEMENTS: usize = 20;

/// Log digests, or salted commitments to records, and keep the receipts
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  vouchlog submit --log http://127.0.0.1:6962 --receipts receipts call.json\n  \
                        vouchlog submit --log http://127.0.0.1:6962 --log-vkey \"$LOG_VKEY\" --gateway-key gateway.key \\\n    \
                        --receipts receipts --digests digests.txt\n\n\
                        Neither a record nor its bare hash is sent: the log gets SHA-256 of a random salt and the record.\nThe salt is kept beside the receipt, as <record>.opening.json; keep it as secret as the record.\n\
                        Without --gateway-key, the log's own house stream takes the statements: they get receipts, but no proof\n\
                        that none of yours is missing."
)]
pub(crate) struct Args {
    #[command(flatten)]
    log: LogUrl,
    /// The log's public key, to verify the receipts
    #[arg(long, value_name = "VKEY", env = "VOUCHLOG_LOG_VKEY")]
    log_vkey: Option<VerifyingKey>,
    #[command(flatten)]
    gateway: GatewayArgs,
    /// Wait for a quorum of the log's witnesses to cosign a head that covers the statements: the receipts then carry the cosignatures
    #[arg(long)]
    witnessed: bool,
    /// As --witnessed, and verify that the receipts satisfy this policy (C2SP tlog-policy)
    #[arg(long, value_name = "FILE", requires = "log_vkey")]
    policy: Option<PathBuf>,
    /// Close the stream afterwards; the next submission opens a new one
    #[arg(long, requires = "gateway_key")]
    close: bool,
    /// Directory for receipts and openings, created if missing
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_RECEIPTS")]
    receipts: Option<PathBuf>,
    /// The kind of the statements
    #[arg(long, value_name = "KIND", default_value = "interaction", value_parser = kind())]
    kind: StatementKind,
    #[command(flatten)]
    what: What,
}

/// The stream that takes the statements.
#[derive(clap::Args)]
pub(super) struct GatewayArgs {
    /// Submit through a stream of this gateway, with a spool that survives crashes
    #[arg(long, value_name = "FILE", env = "VOUCHLOG_GATEWAY_KEY", requires = "log_vkey")]
    gateway_key: Option<PathBuf>,
    /// Directory of the gateway's spool [default: below $XDG_STATE_HOME/vouchlog]
    #[arg(long, value_name = "DIR", env = "VOUCHLOG_STATE", requires = "gateway_key")]
    state: Option<PathBuf>,
    /// How long to retry if the log cannot be reached; the statements stay in the spool
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = super::duration, requires = "gateway_key")]
    wait: Duration,
    #[command(flatten)]
    reserve: ReserveArgs,
}

/// Why a command stopped.
pub(super) enum Failed {
    /// The log did not prove what it should have.
    Finding(String),
    /// Anything else.
    Error(anyhow::Error),
}

impl Failed {
    /// Ends the command with it.
    pub(super) fn end(self, output: Output) -> anyhow::Result<Outcome> {
        match self {
            Self::Error(error) => Err(error),
            Self::Finding(finding) => {
                let answer = json!({ "holds": false, "finding": finding });
                output.answer(&format!("DOES NOT HOLD: {finding}"), &answer)?;
                Ok(Outcome::Finding)
            }
        }
    }

    /// Whether a gateway's error is the log's breach of promise.
    fn of(error: GatewayError) -> Self {
        match error {
            GatewayError::Misbehaviour(_) | GatewayError::Receipt { .. } | GatewayError::Unverified(_) => {
                Self::Finding(error.to_string())
            }
            other => Self::Error(advise(&other)),
        }
    }
}

impl From<anyhow::Error> for Failed {
    fn from(error: anyhow::Error) -> Self {
        Self::Error(error)
    }
}

/// What to log.
#[derive(clap::Args)]
#[group(required = true, multiple = false, args = ["digest", "digests", "records", "flush"])]
struct What {
    /// Salted digests, 64 hex digits each; never a bare hash, because its content can be guessed
    #[arg(long, value_name = "HEX", num_args = 1..)]
    digest: Vec<Digest>,
    /// A file of digests, one per line; - is standard input
    #[arg(long, value_name = "FILE")]
    digests: Option<PathBuf>,
    /// Send only what an earlier run left in the gateway's spool
    #[arg(long, requires = "gateway_key")]
    flush: bool,
    /// Records to commit to
    #[arg(value_name = "RECORD", requires = "receipts")]
    records: Vec<PathBuf>,
}

/// A kind of statement by its name.
pub(super) fn kind() -> impl clap::builder::TypedValueParser<Value = StatementKind> {
    use clap::builder::TypedValueParser;
    let names = StatementKind::ALL.map(StatementKind::name);
    clap::builder::PossibleValuesParser::new(names)
        .try_map(|name| StatementKind::from_name(&name).ok_or("no such kind"))
}

impl Args {
    pub(crate) async fn run(self, output: Output) -> anyhow::Result<Outcome> {
        if let Some(dir) = &self.receipts {
            // Openings go there before anything is sent.
            make_folder(dir)?;
        }
        let items = self.what.items(self.receipts.as_deref())?;
        if items.is_empty() && !self.what.flush {
            return Err(Advice::error("there is nothing to log", "see `vouchlog submit --help`"));
        }
        let statements: Vec<Statement> = items
            .iter()
            .map(|item| Statement { kind: self.kind, evidence: Evidence::NONE, digest: item.digest })
            .collect();
        let policy = self.policy.as_deref().map(super::policy).transpose()?;
        match self.send(&statements, policy.as_ref()).await {
            Ok(placed) => self.answer(output, &items, &placed)?,
            Err(failed) => return failed.end(output),
        }
        Ok(Outcome::Fine)
    }

    /// The same for a statement of another command, with a receipt that is verified: through a gateway if its key is given.
    pub(super) fn for_one(
        log: LogUrl,
        log_vkey: VerifyingKey,
        gateway: GatewayArgs,
        receipts: Option<PathBuf>,
    ) -> Self {
        let what = What { digest: Vec::new(), digests: None, flush: false, records: Vec::new() };
        Self {
            log,
            log_vkey: Some(log_vkey),
            gateway,
            witnessed: false,
            policy: None,
            close: false,
            receipts,
            kind: StatementKind::Opaque,
            what,
        }
    }

    /// Logs the statements; where each is, by its receipt.
    pub(super) async fn send(
        &self,
        statements: &[Statement],
        policy: Option<&Policy>,
    ) -> Result<Vec<Placed>, Failed> {
        if let Some(dir) = &self.receipts {
            make_folder(dir)?;
        }
        match &self.gateway.gateway_key {
            Some(key) => gateway::submit(self, key, statements, policy).await,
            None => self.house(statements, policy).await,
        }
    }

    /// Through the house stream.
    async fn house(&self, statements: &[Statement], policy: Option<&Policy>) -> Result<Vec<Placed>, Failed> {
        let log = remote::connect(&self.log.url)?;
        if self.log_vkey.is_none() {
            output::warn("the receipts were not verified: give the log's key with --log-vkey");
        }
        let bar = output::progress(statements.len() as u64, "statements");
        let mut all = Vec::with_capacity(statements.len());
        for batch in statements.chunks(HOUSE_STATEMENTS) {
            let append = HouseAppend { statements: batch.to_vec(), wait_for: self.level() };
            let appended = log.append_house(append).await;
            let appended = appended.map_err(|error| remote::failed(&self.log.url, &error))?;
            let receipt = appended.receipt;
            self.check(&receipt, batch)?;
            if self.witnessed && !appended.witnessed {
                output::warn(
                    "logged, but the witnesses have not cosigned in time: fetch proof files later with `vouchlog prove`",
                );
            }
            if let Some(dir) = &self.receipts {
                keep(&receipt, batch, dir)?;
            }
            self.check_quorum(policy, &receipt)?;
            all.extend(placed(&receipt, batch, self.receipts.as_deref())?);
            bar.inc(batch.len() as u64);
        }
        bar.finish_and_clear();
        Ok(all)
    }

    fn check(&self, receipt: &RangeReceipt, statements: &[Statement]) -> Result<(), Failed> {
        let Some(vkey) = &self.log_vkey else { return Ok(()) };
        let origin = Origin::new(vkey.name().as_str()).map_err(anyhow::Error::from)?;
        let verified = receipt.verify(statements, &origin, vkey);
        verified.map(drop).map_err(|error| Failed::Finding(error.to_string()))
    }

    fn level(&self) -> AckLevel {
        if self.witnessed || self.policy.is_some() { AckLevel::Witnessed } else { AckLevel::Sequenced }
    }

    /// What was logged stays logged; but whoever asked for a quorum is told when there is none.
    fn check_quorum(&self, policy: Option<&Policy>, receipt: &RangeReceipt) -> Result<(), Failed> {
        let Some((policy, vkey)) = policy.zip(self.log_vkey.as_ref()) else { return Ok(()) };
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

    fn answer(&self, output: Output, items: &[Item], placed: &[Placed]) -> anyhow::Result<()> {
        if placed.is_empty() {
            let json = json!({ "verified": true, "statements": [] });
            return output.answer("the spool is empty", &json);
        }
        let number = output::count(placed.len() as u64, "statement", "statements");
        let verified = if self.log_vkey.is_some() { ", its receipt verified" } else { "" };
        let mut lines = vec![format!("logged {number}{verified}")];
        for (item, placed) in items.iter().zip(placed).take(SHOWN_STATEMENTS) {
            let what = item.record.as_ref().map_or_else(
                || item.digest.to_string(),
                |(record, opening)| format!("{} (opening: {})", record.display(), opening.display()),
            );
            let file =
                placed.file.as_ref().map_or(String::new(), |file| format!("  receipt: {}", file.display()));
            lines.push(format!("  index {}  {what}{file}", placed.index));
        }
        if placed.len() > SHOWN_STATEMENTS {
            lines.push(format!("  … and {} more", placed.len() - SHOWN_STATEMENTS));
        }
        let json: Vec<Value> = items.iter().zip(placed).map(statement_json).collect();
        output.answer(&lines.join("\n"), &json!({ "verified": self.log_vkey.is_some(), "statements": json }))
    }
}

fn statement_json((item, placed): (&Item, &Placed)) -> Value {
    json!({
        "index": placed.index.get(),
        "stream": placed.entry.stream.get(),
        "sequence": placed.entry.sequence.get(),
        "logged_at": placed.entry.logged_at.millis(),
        "digest": item.digest.to_string(),
        "receipt": placed.file,
        "record": item.record.as_ref().map(|(record, _)| record),
        "opening": item.record.as_ref().map(|(_, opening)| opening),
    })
}

impl What {
    fn items(&self, receipts: Option<&Path>) -> anyhow::Result<Vec<Item>> {
        if self.flush {
            return Ok(Vec::new());
        }
        if let Some(path) = &self.digests {
            return input::digests(path);
        }
        if !self.digest.is_empty() {
            return Ok(self.digest.iter().copied().map(Item::bare).collect());
        }
        let receipts = receipts.ok_or_else(|| {
            Advice::error("the salt of a record must be kept", "give a directory with --receipts DIR")
        })?;
        self.records.iter().map(|record| input::record(record, receipts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(flags: &str) -> Option<Args> {
        let flags = ["submit", "--log", "http://127.0.0.1:1"].into_iter().chain(flags.split_whitespace());
        Cli::try_parse_from(flags).ok().map(|cli| cli.args)
    }

    #[test]
    fn what_is_logged_is_said_in_exactly_one_way() {
        let hex = "07".repeat(32);
        assert_eq!(parse(&format!("--digest {hex} {hex}")).unwrap().what.digest.len(), 2);
        assert!(parse("--digests -").is_some());
        assert_eq!(parse("--receipts r a.json b.json").unwrap().what.records.len(), 2);
        for wrong in ["", "a.json", "--digest 07", "--digests - --receipts r a.json", "--state s --digests -"]
        {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_kind_is_given_by_its_name() {
        assert_eq!(parse("--digests -").unwrap().kind, StatementKind::Interaction);
        assert_eq!(parse("--kind declared-loss --digests -").unwrap().kind, StatementKind::DeclaredLoss);
        assert!(parse("--kind genesis --digests -").is_none());
    }

    #[test]
    fn only_a_gateway_has_a_spool_to_flush() {
        assert!(parse("--flush").is_none());
        let name = vouchlog_note::KeyName::new("log.example.com/a").unwrap();
        let key =
            vouchlog::SigningKey::generate(name, vouchlog_note::SignatureType::Ed25519, [1; 32]).unwrap();
        let gateway = format!("--gateway-key k --log-vkey {}", key.verifying_key());
        assert!(parse(&format!("--flush {gateway}")).unwrap().what.flush);
        assert!(parse(&format!("--flush --digests - {gateway}")).is_none());
    }

    #[test]
    fn a_gateway_needs_the_key_its_receipts_are_verified_with() {
        assert!(parse("--gateway-key k --digests -").is_none());
    }
}
